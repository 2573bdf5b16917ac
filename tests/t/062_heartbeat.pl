# The heartbeat: idle databases beside busy neighbours, a lag that is true, and a source that is never held up by it.
use strict;
use warnings;
use DtsTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $t = DtsTest->new(source_conf => [ "wal_sender_timeout = 60s", "checkpoint_timeout = 1h" ]);
my %each = (options => { heartbeat_seconds => 1 });
my $TABLE = 'public.dts_postgres_heartbeat';
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY)');
$t->{source}->safe_psql('postgres', 'CREATE DATABASE busy');
$t->_sql('source', 'busy', 'CREATE TABLE noise (v text)');
# How long the source takes to shut down when its neighbour has written something.
sub shutdown_takes
{
	$t->_sql('source', 'busy', "INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 100)");
	my $begun = time;
	$t->{source}->stop('fast');
	my $took = time - $begun;
	$t->{source}->start;
	return $took;
}
my $alone = shutdown_takes();
$t->start_daemon;
$t->run_job('j', %each);
my $slot = $t->slot('j');
sub lag { return $t->sql_ctl("SELECT coalesce(lag_seconds, -1) FROM dts_jobs WHERE job = 'j'"); }
sub beat { return $t->sql_source("SELECT beat FROM $TABLE WHERE slot_name = '$slot'"); }
sub walsender { return $t->sql_source("SELECT active_pid FROM pg_replication_slots WHERE slot_name = '$slot'"); }

# One table, a row for each job.
my $first = beat();
$t->wait_for('another beat', sub { beat() ne $first });
is($t->sql_source("SELECT count(*) FROM $TABLE WHERE slot_name = '$slot' AND written_at > now() - interval '1 min' AND flush_lsn > '0/0'"), 1, 'the job writes its row');
is($t->sql_target("SELECT to_regclass('$TABLE')"), '', 'the table stays on the source');
is($t->sql_ctl("SELECT count(*) FROM dts_job_tables WHERE table_name LIKE 'dts%'"), 0, 'and is none of the job');
$t->{target}->safe_psql('postgres', 'CREATE DATABASE copy');
$t->run_job('other', %each, target_conninfo => $t->conninfo('target', 'copy'));
is($t->sql_source("SELECT count(*) FROM $TABLE"), 2, 'two jobs of a database share the table');

# An idle database beside a busy one: what the slot retains is bounded.
for my $round (1 .. 3)
{
	$t->_sql('source', 'busy', "INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 20000); CHECKPOINT");
	my $lsn = $t->sql_source('SELECT pg_current_wal_lsn()');
	$t->wait_for('the slot to pass the noise', sub { $t->sql_source("SELECT confirmed_flush_lsn >= '$lsn' FROM pg_replication_slots WHERE slot_name = '$slot'") eq 't' });
}
$t->sql_source('CHECKPOINT');
my $wal = sub { $t->sql_source("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint FROM pg_replication_slots WHERE slot_name = '$slot'") };
$t->wait_for('the WAL to be given up', sub { $wal->() < 10_000_000 });
pass('an idle database with a busy neighbour retains no WAL (' . $wal->() . ' bytes)');

# The lag: nothing in step, and true when nothing arrives that could tell.
$t->wait_for('no lag', sub { my $l = lag(); $l >= 0 && $l < 1 });
pass('in step the lag is none');
my $pid = walsender();
my $begun = time;
my $before = lag();
kill STOP => $pid;
$t->wait_for('a lag', sub { lag() > 3 });
my ($said, $real) = (lag(), time - $begun + 2 + $before);
cmp_ok($said, '<=', $real, "a walsender that stands still is seen, though nothing says so but a beat that stays away ($said s)");
kill CONT => $pid;
$t->wait_for('no lag', sub { lag() < 1 });
pass('and is over when it goes on');

# A table that is locked, or gone, holds nothing up.
my $lock = $t->session('source');
$lock->do("BEGIN; LOCK TABLE $TABLE IN ACCESS EXCLUSIVE MODE");
$t->wait_for('the event', sub { $t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = 'j' AND event = 'heartbeat_failed'") >= 1 });
$t->sql_source('INSERT INTO k VALUES (1)');
$t->caught_up('j');
is($t->sql_target('SELECT count(*) FROM k'), 1, 'a lock on the table holds nothing up');
$lock->do("DROP TABLE $TABLE; COMMIT");
$t->sql_source('INSERT INTO k VALUES (2)');
$t->caught_up('j');
is($t->sql_target('SELECT count(*) FROM k'), 2, 'nor does its loss');
is($t->state('j'), 'running', 'the job runs on');
is($t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = 'j' AND event = 'heartbeat_failed'"), 1, 'and says so once');
$t->act('pause', 'j');
$t->wait_job('j', 'paused');
$t->act('resume', 'j');
$t->wait_job('j', 'incremental');
$t->wait_for('the table', sub { $t->sql_source("SELECT to_regclass('$TABLE')") ne '' });
pass('a job that goes on makes it again');

# Shutting the source down does not wait for the ten seconds that positions may take.
$t->stop_job('other');
my $took = shutdown_takes();
cmp_ok($took, '<', 5 + 3 * $alone, sprintf('a fast shutdown of the source takes %.1f s, without jobs %.1f s', $took, $alone));
$t->wait_state('j', 'running');
$t->equal('j', 'equal when it is back');
$t->stop_job('j');
is($t->sql_source("SELECT to_regclass('$TABLE')"), '', 'the last job takes the table along');

# A role that may make no table: said before, and lived without.
$t->sql_source('CREATE ROLE mover LOGIN REPLICATION; GRANT SELECT ON k TO mover; REVOKE CREATE ON SCHEMA public FROM PUBLIC');
$t->sql_target('TRUNCATE k');
my $conninfo = $t->conninfo('source') =~ s/user=\S+/user=mover/r;
$t->create_job('poor', options => { heartbeat_seconds => 1, phases => [ 'full', 'incremental' ] }, source_conninfo => $conninfo);
$t->check_job('poor');
my ($result, $remedy) = split /\|/, $t->sql_ctl("SELECT result, remedy FROM dts_check_results('poor') WHERE item = 'heartbeat'"), 2;
is($result, 'warn', 'the precheck warns where no table can be made');
$t->start_job('poor');
$t->wait_job('poor', 'incremental');
$t->sql_source('INSERT INTO k VALUES (3)');
$t->caught_up('poor');
$t->wait_for('a lag', sub { $t->sql_ctl("SELECT lag_seconds BETWEEN 0 AND 2 FROM dts_jobs WHERE job = 'poor'") eq 't' });
pass('and the job runs without');
$t->stop_job('poor');
$t->act('isolate', 'poor');
$t->paste($remedy);
$t->sql_target('TRUNCATE k');
$t->create_job('rich', options => { heartbeat_seconds => 1, phases => [ 'full', 'incremental' ] }, source_conninfo => $conninfo);
$t->check_job('rich');
is($t->sql_ctl("SELECT result FROM dts_check_results('rich') WHERE item = 'heartbeat'"), 'pass', 'the remedy mends it');
$t->start_job('rich');
$t->wait_job('rich', 'incremental');
$t->wait_for('a beat', sub { $t->sql_source("SELECT beat > 0 FROM $TABLE") eq 't' });
$t->stop_job('rich');
is($t->sql_source("SELECT count(*) FROM $TABLE"), 0, 'its row goes, the table is its owner\'s');
$t->sql_source("DROP TABLE $TABLE");
$t->clean('nothing else is left');
done_testing;
