# A slot that is not what it was ends the job as failed, with the reason; one that merely idled does not.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
sub job
{
	my $name = shift;
	$t->database($name);
	$t->sql_source('CREATE TABLE k (id int PRIMARY KEY); INSERT INTO k VALUES (0)');
	$t->start_daemon if !$t->{daemon} || !$t->{daemon}->alive;
	$t->run_job($name);
	$t->sql_source('INSERT INTO k VALUES (1)');
	$t->caught_up($name);
	$t->act('pause', $name);
	$t->wait_job($name, 'paused');
	return $t->slot($name);
}
sub fails
{
	my ($name, $reason, $foreign) = @_;
	$t->act('resume', $name);
	$t->wait_state($name, 'failed');
	my $report = $t->sql_ctl("SELECT concat_ws(' / ', error_message, error_detail, error_hint) FROM dts.job WHERE name = '$name'");
	like($report, $reason, "$name: failed, and says why");
	isnt($t->sql_ctl("SELECT error_hint FROM dts.job WHERE name = '$name'"), '', "$name: says what to do");
	like(($t->try_ctl("CALL dts_wait('$name', 'caught_up', '60 s')"))[2], qr/ERROR/, "$name: waiting fails at once");
	$t->stop_job($name);
	# A slot that somebody else made is not ours to drop.
	$t->sql_source("SELECT pg_drop_replication_slot('$foreign')") if $foreign;
	$t->clean("$name: stop leaves nothing");
	return;
}

my $slot = job('recreated');
$t->sql_source("SELECT pg_drop_replication_slot('$slot')");
$t->sql_source('INSERT INTO k VALUES (2)');
$t->sql_source("SELECT pg_create_logical_replication_slot('$slot', 'dts_decoder')");
fails('recreated', qr/slot/i);

$slot = job('advanced');
$t->sql_source('INSERT INTO k VALUES (2)');
$t->sql_source("SELECT pg_replication_slot_advance('$slot', pg_current_wal_lsn())");
fails('advanced', qr/advanced|past|ahead|beyond|position/i);

$slot = job('dropped');
$t->sql_source("SELECT pg_drop_replication_slot('$slot')");
fails('dropped', qr/slot/i);

$slot = job('other_plugin');
$t->sql_source("SELECT pg_drop_replication_slot('$slot'); SELECT pg_create_logical_replication_slot('$slot', 'test_decoding')");
fails('other_plugin', qr/plugin|test_decoding/i, $slot);

# Invalidated: the WAL it needs is gone.
$slot = job('invalidated');
$t->sql_source("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
$t->sql_source("SELECT pg_reload_conf()");
for (1 .. 4) { $t->sql_source("CREATE TABLE waste AS SELECT repeat(md5(i::text), 100) FROM generate_series(1, 6000) i; DROP TABLE waste; SELECT pg_switch_wal()"); $t->sql_source('CHECKPOINT'); }
is($t->sql_source("SELECT wal_status FROM pg_replication_slots WHERE slot_name = '$slot'"), 'lost', 'the slot is lost');
$t->sql_source("ALTER SYSTEM RESET max_slot_wal_keep_size");
$t->sql_source("SELECT pg_reload_conf()");
fails('invalidated', qr/slot|lost|invalid/i);

# Idle for long: other databases of the cluster write, the job's does not; the slot still moves on.
$t->database('idle');
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY)');
$t->run_job('idle');
$slot = $t->slot('idle');
my $lsn = $t->sql_source("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '$slot'");
for my $round (1 .. 3)
{
	$t->_sql('source', 'postgres', 'CREATE TABLE busy AS SELECT repeat(md5(i::text), 30) FROM generate_series(1, 20000) i; DROP TABLE busy');
	my $end = $t->sql_source('SELECT pg_current_wal_lsn()');
	$t->wait_for('the slot of an idle database to move', sub {
		$t->sql_source("SELECT confirmed_flush_lsn >= '$end' FROM pg_replication_slots WHERE slot_name = '$slot'") eq 't' });
	$t->{daemon}->kill9 if $round == 1;
	$t->{daemon}->stop if $round == 2;
	$t->start_daemon if $round < 3;
	$t->{source}->restart if $round == 2;
}
pass('the slot of an idle database moves on');
$t->sql_source('INSERT INTO k VALUES (1)');
$t->equal('idle', 'a job that idled through restarts goes on without a false alarm');
is($t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = 'idle' AND (event ILIKE '%failed%' OR message ILIKE '%load again%')"), '0', 'and without a word of failure');
$t->stop_job('idle');
$t->clean('nothing is left behind');
done_testing;
