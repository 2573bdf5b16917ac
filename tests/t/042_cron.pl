# What the guide says of pg_cron, run by the real one: a health check that alerts, starts, retries, event retention.
# Skipped where the server has no pg_cron; waits for the full minute, pg_cron's shortest step.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $share = `"$ENV{PG_CONFIG}" --sharedir`;
chomp $share;
plan skip_all => 'the server has no pg_cron' if !-e "$share/extension/pg_cron.control";

my $t = DtsTest->new(database => 'shop',
	target_conf => [ "shared_preload_libraries = 'pg_cron'", "cron.database_name = 'ctl'", 'cron.use_background_workers = on' ]);
$t->sql_ctl('CREATE EXTENSION pg_cron; CREATE EXTENSION dblink');
$t->_sql('source', 'postgres', 'CREATE TABLE orders AS SELECT 1 AS id');
$t->_sql('target', 'postgres', 'CREATE TABLE orders (id int)');
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY); INSERT INTO k SELECT generate_series(1, 10)');
$t->start_daemon;
$t->create_job('start');
$t->check_job('start');
$t->create_job('sick');
$t->sql_ctl("UPDATE dts.job SET state = 'error', error_message = 'a key is gone' WHERE name = 'sick'");
$t->sql_ctl("UPDATE dts.job_event SET at = now() - interval '91 days' WHERE job = 'sick'");

my $ear = $t->session('target', 'ctl');
$ear->do('LISTEN dts_health');
my %job = (
	health => q{SELECT pg_notify('dts_health', jsonb_agg(to_jsonb(h))::text) FROM (SELECT severity, job, left(what, 100) AS what FROM dts_health LIMIT 20) h HAVING count(*) > 0},
	retry => q{SELECT * FROM dts_retry_job((SELECT coalesce(array_agg(job), '{}') FROM dts_jobs WHERE state = 'error' AND job = 'nobody'))},
	start => q{SELECT * FROM dts_start_job((SELECT coalesce(array_agg(job), '{}') FROM dts_jobs WHERE state = 'check_passed'))},
	compare => sprintf(q{SELECT dts_report_comparison('start', CASE WHEN s.n <> t.n THEN format('orders: %%s rows on the source, %%s on the target', s.n, t.n) END)
		FROM dblink('%s', 'SELECT count(*) FROM orders') s(n bigint), dblink('%s', 'SELECT count(*) FROM orders') t(n bigint)}, $t->conninfo('source', 'postgres'), $t->conninfo('target', 'postgres')),
	events => q{SELECT dts_purge_events('90 days')});
$t->sql_ctl("SELECT cron.schedule('$_', '* * * * *', \$\$$job{$_}\$\$)") for sort keys %job;
$t->wait_for('the minute', sub { $t->sql_ctl("SELECT count(DISTINCT jobid) FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')") eq '5' });
is($t->sql_ctl("SELECT string_agg(d.return_message, '; ') FROM cron.job_run_details d WHERE d.status <> 'succeeded'"), '', 'all of them succeed');
$t->wait_job('start', 'incremental');
pass('a job that passed its precheck is started');
is($t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE at < now() - interval '90 days'"), '0', 'old events are gone');
is($t->sql_ctl("SELECT severity || ' ' || message FROM dts_job_events WHERE job = 'start' AND event = 'difference'"), 'error orders: 1 rows on the source, 0 on the target', 'what a comparison finds is on record');
my $heard = '';
$t->wait_for('the notification', sub { $heard .= $ear->do('SELECT 1'); $heard =~ /payload/ });
like($heard, qr/"dts_health" with payload .*"job": "sick"/, 'what needs a person is told');
$t->sql_ctl("SELECT cron.unschedule('$_')") for sort keys %job;
$t->stop_job('start');
$t->sql_ctl("UPDATE dts.job SET state = 'draft' WHERE name = 'sick'");
$t->clean('nothing is left');
done_testing;
