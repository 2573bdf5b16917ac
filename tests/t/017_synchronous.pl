# A job as synchronous standby of its source: what a commit acknowledged is on the target, and dts never waits for itself.
use strict;
use warnings;
use DtsTest;
use Test::More;
use Time::HiRes qw(sleep time);

# Nobody flushes the target's WAL but the commits that are to be durable.
my $t = DtsTest->new(source_conf => [ 'track_commit_timestamp = on' ], target_conf => [ "wal_writer_delay = '10s'" ]);
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY, v text); CREATE SCHEMA other; CREATE TABLE other.u (id int)');
$t->start_daemon;
my %selected = (options => { exclude => [ { schema => 'other' } ] });
$t->run_job('j', %selected);
my $slot = $t->slot('j');
$t->wait_for('the stream', sub { $t->sql_source("SELECT active FROM pg_replication_slots WHERE slot_name = '$slot'") eq 't' });
is($t->sql_source("SELECT application_name FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid WHERE slot_name = '$slot'"), $slot, 'the session bears the name of the slot');
sub synchronous
{
	my ($end, $names) = @_;
	$t->_sql($end, 'postgres', "ALTER SYSTEM SET synchronous_standby_names = '$names'");
	$t->_sql($end, 'postgres', 'SELECT pg_reload_conf()');
	$t->wait_for('the setting', sub { $t->_sql($end, 'postgres', 'SHOW synchronous_standby_names') eq $names });
	return;
}
synchronous('source', qq("$slot"));
$t->wait_for('a synchronous standby', sub { $t->sql_source("SELECT sync_state FROM pg_stat_replication WHERE application_name = '$slot'") eq 'sync' });

# It is one: without it a commit waits.
my $s = $t->session('source');
$s->do("INSERT INTO k VALUES (1, 'a')");
is($t->sql_target('SELECT count(*) FROM k'), 1, 'a commit that came back is on the target');
$t->act('pause', 'j');
$t->wait_job('j', 'paused');
$s->send("INSERT INTO k VALUES (2, 'b')");
$t->wait_for('a commit that waits', sub { $t->sql_source("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") eq '1' });
pass('while the job is paused a commit waits');
$t->act('resume', 'j');
is($s->result, '', 'and comes back when it runs again');

# Commits that carry nothing for the target do not wait for the ten seconds that idle positions may take.  (Several that did would
# take ten each but for the first.)
$s->do('INSERT INTO other.u VALUES (0)');
my $begun = time;
$s->do("INSERT INTO other.u VALUES ($_)") for 1 .. 5;
cmp_ok(time - $begun, '<', 25, 'commits of tables outside of the job come back at once');
$begun = time;
$t->caught_up('j') for 1 .. 5;
cmp_ok(time - $begun, '<', 25, 'and our own marker waits for nobody');

# Zero loss: whatever was acknowledged is there when the source is gone; also when the target dies at the same instant, and has
# nothing but its own WAL to come back with.
sub kill_servers
{
	my @all;
	for my $end (@_)
	{
		my $postmaster = $t->{$end}{_pid};
		open my $children, '<', "/proc/$postmaster/task/$postmaster/children" or die "children: $!";
		push @all, $postmaster, split ' ', <$children>;
	}
	kill KILL => @all;
	$t->{$_}->kill9 for @_;
	$t->wait_for("the end of @_", sub { !kill 0, @all });
	return;
}
for my $killed ([ 1, 'source' ], [ 2, 'source', 'target' ])
{
	my ($round, @ends) = @$killed;
	my @writers;
	for my $n (1 .. 4)
	{
		pipe(my $from, my $to) or die "pipe: $!";
		my $pid = fork // die "fork: $!";
		if (!$pid)
		{
			$DtsTest::in_child = 1;
			my $session = $t->session('source');
			for my $i (1 .. 100000)
			{
				my $id = $round * 10_000_000 + $n * 1_000_000 + $i;
				my $out = $session->try("INSERT INTO k VALUES ($id, 'w') RETURNING 'ack'");
				last if !defined $out || $out ne 'ack';
				syswrite $to, "$id\n";
			}
			POSIX::_exit(0);
		}
		close $to;
		push @writers, [ $pid, $from ];
	}
	$t->wait_for('acknowledged rows', sub { $t->sql_target("SELECT count(*) > 500 FROM k WHERE id > $round * 10000000") eq 't' });
	kill_servers(@ends);
	my @acknowledged = map { my $in = $_->[1]; my @ids = <$in>; waitpid $_->[0], 0; @ids } @writers;
	chomp @acknowledged;
	cmp_ok(scalar @acknowledged, '>', 100, 'commits were acknowledged (' . @acknowledged . ')');
	my $list = join ',', @acknowledged;
	$t->{target}->start if @ends > 1;
	is($t->sql_target("SELECT count(*) FROM unnest('{$list}'::int[]) a WHERE NOT EXISTS (SELECT FROM k WHERE id = a)"), 0, "after kill -9 of @ends every one of them is on the target");
	$t->{source}->start;
	$t->wait_state('j', 'running');
	$t->equal('j', "equal when @ends can be reached again", '--exclude', 'other.u');
}

# Stopping it works too, though the source still waits for it.
$t->stop_job('j');
synchronous('source', '');

# A control database on a server whose commits wait for a job: requests and reports do not wait for it.
$t->database('own');
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY)');
$t->{target}->safe_psql('postgres', 'CREATE DATABASE copy');
$t->sql_target('CREATE TABLE k (id int PRIMARY KEY)');
$t->run_job('own', %selected, source_conninfo => $t->conninfo('target'), target_conninfo => $t->conninfo('target', 'copy'));
my $own = $t->slot('own');
$t->act('pause', 'own');
$t->wait_job('own', 'paused');
synchronous('target', qq("$own"));
$t->act('resume', 'own');
$t->wait_job('own', 'incremental');
my $w = $t->session('target');
$w->do('INSERT INTO k VALUES (1)');
$t->caught_up('own');
is($t->_sql('target', 'copy', 'SELECT count(*) FROM k'), 1, 'source, target and control database in one cluster that waits for the job: it goes on');
$t->act('pause', 'own');
$t->wait_job('own', 'paused');
$t->stop_job('own');
pass('and is paused and stopped');
synchronous('target', '');
done_testing;
