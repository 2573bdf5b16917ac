# dts_job_stats: every measure is reported, and what can be counted from outside is right.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->sql_source('CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (LIKE a INCLUDING ALL)');
$t->start_daemon;
$t->run_job('j');
sub stat_of { return $t->sql_ctl("SELECT total FROM dts_job_stats('j') WHERE measure = '$_[0]'"); }

$t->sql_source("INSERT INTO a SELECT g, g FROM generate_series(1, 3000) g; UPDATE a SET v = 'x' WHERE id <= 2000; DELETE FROM a WHERE id > 2500; INSERT INTO b SELECT * FROM a; TRUNCATE b");
$t->equal('j', 'equal');
is($t->sql_ctl("SELECT string_agg(measure, ', ') FROM dts_job_stats('j') WHERE total IS NULL AND measure <> 'held_up_by' AND measure <> 'rows_per_statement'"), '', 'every measure is reported');
is($t->sql_ctl("SELECT string_agg(measure, ', ') FROM dts_job_stats('j') WHERE meaning IS NULL"), '', 'and every one reported is explained');
is(stat_of('inserts'), 5500, 'inserts');
is(stat_of('updates'), 2000, 'updates');
is(stat_of('deletes'), 500, 'deletes');
is(stat_of('truncates'), 1, 'truncates');
cmp_ok(stat_of('source_transactions'), '>=', 5, 'transactions of the source');
cmp_ok(stat_of('statements'), '>', 0, 'statements');
# the next transaction may be begun already, and is rolled back when nothing comes for it
$t->wait_for('nothing to be under way when all is applied', sub { stat_of('bytes_in_flight') == 0 });
$t->wait_for('the stream to be idle', sub { $t->sql_ctl("SELECT meaning FROM dts_job_stats('j') WHERE measure = 'held_up_by'") =~ /^nothing, all that was received/ });
pass('nothing holds up an idle stream');

cmp_ok($t->sql_ctl("SELECT (stats ->> 'plan_us')::bigint FROM dts.job_progress"), '>', 0, 'making statements takes time');
cmp_ok(stat_of('plan'), '<', stat_of('work'), 'which is a part of the work, the rest of it is reading');

# A lock on the target: then it is the target.
my $lock = $t->session('target');
$lock->do('BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE');
$t->sql_source("UPDATE a SET v = 'y' WHERE id = 1");
$t->wait_for('the target to be named', sub { $t->sql_ctl("SELECT meaning FROM dts_job_stats('j') WHERE measure = 'held_up_by'") =~ /^the target; / });
pass('a lock on the target holds it up');
$lock->do('COMMIT');
$t->equal('j', 'equal again');

# Counts go on over a lost session of the same worker.
$t->sql_target("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '" . $t->slot('j') . "'");
$t->sql_source("INSERT INTO a SELECT g, g FROM generate_series(10001, 10100) g");
$t->equal('j', 'equal after a lost session');
is(stat_of('inserts'), 5600, 'counts go on over a lost session');
$t->stop_job('j');
like($t->sql_ctl("SELECT meaning FROM dts_job_stats('j') WHERE measure = 'held_up_by'"), qr/^the stream does not run/, 'a stopped job says so');
done_testing;
