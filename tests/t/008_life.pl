# The life of a job: subsets of phases, pause, resume, restart and stop at any point, and nothing left in the end.
use strict;
use warnings;
use DtsTest;
use DtsWorkload;
use Test::More;
use Time::HiRes 'sleep';

my $t = DtsTest->new(database => 'subsets');
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY, v text); INSERT INTO k SELECT i, i FROM generate_series(1, 5000) i; CREATE INDEX ON k (v)');
$t->start_daemon;

# Migrations without the incremental phase complete by themselves.
$t->run_job('schema_only', kind => 'migration', options => { phases => ['schema'] }, until => 'completed');
is($t->sql_target('SELECT count(*) FROM k'), '0', 'schema alone: the table is there, without rows');
is($t->sql_target("SELECT count(*) FROM pg_indexes WHERE tablename = 'k'"), '2', 'schema alone: with its indexes');
$t->clean('schema alone: completed and clean');
$t->run_job('full_only', kind => 'migration', options => { phases => ['full'], same_name_tables => 'keep' }, until => 'completed');
$t->compare('full alone, into tables that exist: equal', '--schema');
$t->clean('full alone: completed and clean');
$t->run_job('again', kind => 'migration', options => { phases => ['full'], same_name_tables => 'truncate' }, until => 'completed');
$t->compare('same-named tables truncated and loaded again: equal');
$t->run_job('stream_only', options => { phases => ['incremental'] });
$t->sql_source("UPDATE k SET v = 'new' WHERE id < 10; DELETE FROM k WHERE id > 4990; INSERT INTO k VALUES (0, 'zero')");
$t->equal('stream_only', 'incremental alone: equal');
$t->stop_job('stream_only');
$t->clean('incremental alone: stopped and clean');
$t->database('both');
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY); INSERT INTO k SELECT generate_series(1, 5000)');
$t->run_job('schema_full', kind => 'migration', options => { phases => [qw(schema full)] }, until => 'completed');
$t->compare('schema and full: equal', '--schema');
$t->clean('schema and full: completed and clean');
# An end state can be put aside, taken back, and destroyed.
$t->act('isolate', 'schema_full');
is($t->state('schema_full'), 'isolated', 'an ended job can be put aside');
$t->act('recover', 'schema_full');
is($t->state('schema_full'), 'completed', 'and taken back');
$t->act('isolate', 'schema_full');
$t->act('destroy', 'schema_full');
$t->wait_for('the job to be gone', sub { $t->sql_ctl("SELECT count(*) FROM dts_jobs WHERE job = 'schema_full'") eq '0' });
pass('destroy removes it');

# Pause, resume, and the daemon's restart, at moments that the clock chooses.
$t->database('moments');
$t->sql_source($DtsWorkload::SCHEMA . "CREATE TABLE bulk AS SELECT i AS id, repeat(md5(i::text), 8) AS v FROM generate_series(1, 150000) i; ALTER TABLE bulk ADD PRIMARY KEY (id); CREATE INDEX ON bulk (v)");
my $traffic = DtsWorkload->start(conninfo => $t->conninfo('source'), sessions => 2, seed => 8, pause => 0.02);
$t->create_job('m', options => { workers => 2 });
$t->check_job('m');
$t->start_job('m');
for my $round (1 .. 8)
{
	sleep 0.25 * $round;
	my $what = ('pause', 'kill', 'leave')[ $round % 3 ];
	if ($what eq 'pause')
	{
		my ($rc, $out, $err) = $t->try_ctl("SELECT dts_pause_job('m')");
		next if $rc && $err =~ /does not allow/;
		$t->wait_job('m', 'paused');
		if ($t->sql_ctl("SELECT phase FROM dts_jobs WHERE job = 'm'") eq 'incremental')
		{
			# its backend is gone a moment later
			ok($t->wait_for('the stream to end', sub { $t->sql_source('SELECT count(*) FROM pg_stat_replication') eq '0' }), 'a paused job streams nothing');
		}
		$t->act('resume', 'm');
	}
	elsif ($what eq 'kill') { $t->{daemon}->kill9; $t->start_daemon; }
	else { is($t->{daemon}->stop, 0, 'the daemon leaves when asked, whatever the job does'); $t->start_daemon; }
}
$t->wait_job('m', 'incremental');
$traffic->stop;
DtsWorkload->finish_prepared($t);
$t->equal('m', 'pause, resume and restarts at any moment: equal', '--schema');
$t->act('pause', 'm');
$t->wait_job('m', 'paused');
$t->stop_job('m');
$t->clean('a paused job can be stopped, and is clean');

# Stop at moments that the clock chooses, from the start to the stream.
for my $round (0 .. 6)
{
	my $job = "stop_$round";
	$t->database($job);
	$t->sql_source('CREATE TABLE bulk AS SELECT i AS id, repeat(md5(i::text), 8) AS v FROM generate_series(1, 60000) i; ALTER TABLE bulk ADD PRIMARY KEY (id)');
	$t->create_job($job);
	$t->check_job($job) if $round;
	$t->start_job($job) if $round > 1;
	sleep 0.25 * ($round - 2) if $round > 2;
	my $state = $t->state($job);
	$t->stop_job($job);
	$t->clean("stopped while it was $state: clean");
	$t->act('isolate', $job);
	$t->act('destroy', $job);
	$t->wait_for('the job to be gone', sub { $t->sql_ctl("SELECT count(*) FROM dts_jobs WHERE job = '$job'") eq '0' });
}
# Stop with the target away: says so, and works when it is back.
is($t->sql_ctl("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dts_sync_%'"), '0', 'no session of an ended job is left');

# Several jobs at once, and the refusal of what a state does not allow.
$t->database('first');
$t->sql_source('CREATE TABLE a (id int PRIMARY KEY)');
$t->run_job('first');
my $first = $t->{database};
$t->database('second');
$t->sql_source('CREATE TABLE b (id int PRIMARY KEY)');
$t->run_job('second');
$t->sql_source('INSERT INTO b SELECT generate_series(1, 100)');
$t->equal('second', 'a second job runs beside the first');
like(($t->try_ctl("SELECT dts_start_job('second')"))[2], qr/running.*start|start.*running/s, 'a refusal names the state and the action');
$t->stop_job('second');
$t->clean('the second is gone', $t->slot('first'));
$t->{database} = $first;
$t->sql_source('INSERT INTO a SELECT generate_series(1, 100)');
$t->equal('first', 'the first did not notice');
$t->stop_job('first');
$t->clean('the first is gone');
done_testing;
