# A worker that stands still just before a COMMIT loses its job to another daemon, and when it wakes up
# it can no longer do harm.  A daemon that is killed leaves its jobs to the other one.
use strict;
use warnings;
use DtsTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $t = DtsTest->new;
my $lease = 5; # the shortest: each takeover waits for its end

sub takeover
{
	my ($name, $point, $whole_daemon) = @_;
	$t->database($name);
	$t->sql_source(<<'SQL');
CREATE TABLE k (id int PRIMARY KEY, v int, pad text);
INSERT INTO k SELECT i, 0, repeat('x', 200) FROM generate_series(1, 40000) i;
CREATE TABLE bag (a int);
ALTER TABLE bag REPLICA IDENTITY FULL;
INSERT INTO bag SELECT i % 10 FROM generate_series(1, 20000) i;
SQL
	my $old = $t->start_daemon(lease => $lease, fault => "$point=stop:" . ($point =~ /^part/ ? 1 : 2));
	my $created = time;
	$t->create_job($name, options => { workers => 2 });
	$t->check_job($name);
	$t->start_job($name);
	my $change = sub { $t->sql_source("UPDATE k SET v = v + 1 WHERE id % 100 = $_[0]; INSERT INTO bag VALUES ($_[0]); DELETE FROM bag WHERE ctid = (SELECT min(ctid) FROM bag WHERE a = $_[0] % 10)") };
	if ($point =~ /^apply/)
	{
		$t->wait_job($name, 'incremental');
		for (1 .. 20) { $change->($_); sleep 0.1; last if $old->fault_pid($point); }
	}
	my $pid = $t->wait_for("$point to be reached", sub { $old->fault_pid($point) });
	my $start = time;
	my $before = $start - $created; # what it took to get here says how fast the machine is
	$old->freeze if $whole_daemon;
	$old->{frozen}{$pid} = 1;
	$change->($_) for 30 .. 35;
	my $new = $t->start_daemon(lease => $lease);
	$t->wait_job($name, 'incremental') if $point !~ /^apply/;
	$t->caught_up($name);
	my $took = time - $start;
	cmp_ok($took, '<', 4 * $lease + 5 * $before, sprintf "%s: another daemon takes over (%.1f s, after %.1f s of the first)", $name, $took, $before);
	$t->compare("$name: equal after the takeover");
	$old->cont;
	$t->wait_for('the sleeper to leave', sub { !kill 0, $pid });
	$change->($_) for 40 .. 45;
	$t->equal($name, "$name: the sleeper woke up and nothing is doubled");
	ok($t->sql_ctl("SELECT error IS NULL AND state = 'running' FROM dts_jobs WHERE job = '$name'") eq 't', "$name: the job runs on");
	$old->kill9 if $old->alive;
	$t->stop_job($name);
	$t->clean("$name: nothing is left behind");
	$new->stop;
	return;
}
takeover('incremental_worker', 'apply.before_commit', 0);
takeover('incremental_daemon', 'apply.before_commit', 1);
takeover('copy_daemon', 'part.before_commit', 1);
takeover('after_commit', 'apply.after_commit', 1);

# Two daemons share the jobs; when one is killed the other takes over, and never do both work for a job.
$t->database('shared');
$t->sql_source('CREATE TABLE k (id int PRIMARY KEY); INSERT INTO k SELECT generate_series(1, 1000)');
my %daemon = map { $_->pid => $_ } map { $t->start_daemon(lease => $lease) } 1, 2;
my $created = time;
$t->run_job('shared');
my $before = time - $created;
my $worker = sub { return ($t->sql_ctl("SELECT worker FROM dts_jobs WHERE job = 'shared'") =~ m{/(\d+)$})[0] // 0; };
for my $round (1, 2)
{
	my $owner = $worker->();
	ok($daemon{$owner}, "round $round: one of the two has the job");
	my $streams = "SELECT count(*) FROM pg_stat_replication WHERE application_name = '" . $t->slot('shared') . "'";
	$t->wait_for('a stream', sub { $t->sql_source($streams) > 0 });
	is($t->sql_source($streams), 1, 'with one stream');
	my $epoch = $t->sql_ctl("SELECT epoch FROM dts.job_lease l JOIN dts.job j ON j.id = l.job_id WHERE j.name = 'shared'");
	$daemon{$owner}->kill9;
	my $start = time;
	$t->sql_source("INSERT INTO k SELECT generate_series($round * 1000 + 1, $round * 1000 + 500)");
	$t->equal('shared', 'killed: the other goes on, with every row once');
	cmp_ok(time - $start, '<', 3 * $lease + 5 * $before, sprintf 'after %.1f s (begun in %.1f s)', time - $start, $before);
	isnt($worker->(), $owner, 'it is the other one');
	cmp_ok($t->sql_ctl("SELECT epoch FROM dts.job_lease l JOIN dts.job j ON j.id = l.job_id WHERE j.name = 'shared'"), '>', $epoch, 'under an epoch of its own');
	delete $daemon{$owner};
	my $next = $t->start_daemon(lease => $lease);
	$daemon{ $next->pid } = $next;
}
$t->stop_job('shared');
$t->clean('nothing is left behind');
done_testing;
