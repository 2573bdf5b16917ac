# Many jobs over some small databases on one daemon, in batches and within the connections they were told: checked, started, paused, resumed,
# stopped; memory and idle CPU are printed.
#
# NUMBER (100) of jobs, DATABASES (20), LIMIT of connections on each server (3 for each job).
use strict;
use warnings;
use DtsTest;
use Test::More;
use Time::HiRes qw(sleep time);

my $number = $ENV{NUMBER} // 100;
my $databases = $ENV{DATABASES} // 20;
my $limit = $ENV{LIMIT} // 3 * $number + 10;
my @conf = ('max_connections = ' . (6 * $number + 100), 'max_wal_senders = ' . ($number + 50), 'max_replication_slots = ' . ($number + 50), 'max_worker_processes = 8', 'shared_buffers = 32MB');
# Lines of the node's configuration that stand later win.
my $t = DtsTest->new(source_conf => \@conf, target_conf => \@conf);
my $per = int(($number + $databases - 1) / $databases);
for my $d (1 .. $databases)
{
	$t->database("db$d");
	$t->sql_source(join '', map { "CREATE SCHEMA s$_; CREATE TABLE s$_.t (id int PRIMARY KEY, v text); INSERT INTO s$_.t SELECT g, 'x' FROM generate_series(1, 100) g;" } 1 .. $per);
	$t->sql_ctl(sprintf "SELECT dts_create_endpoint('source%d', 'postgresql', '%s'), dts_create_endpoint('target%d', 'postgresql', '%s')", $d, $t->conninfo('source'), $d, $t->conninfo('target'));
}
$t->sql_ctl(sprintf "SELECT dts_create_job('j%d', 'source%d', 'target%d', options => '{\"workers\": 1, \"objects\": [{\"schema\": \"s%d\"}]}')",
	$_, 1 + ($_ - 1) % $databases, 1 + ($_ - 1) % $databases, 1 + int(($_ - 1) / $databases)) for 1 .. $number;
$t->sql_ctl("SELECT dts_limit_connections('source1', $limit), dts_limit_connections('target1', $limit)");
$t->start_daemon(bare => 1, args => [ '--control', $t->conninfo('target', 'ctl'), '--max-jobs', 1000 ]);
my $daemon = $t->{daemon};

# What the jobs take, looked at all the time.
my %most = (source => 0, target => 0);
sub look
{
	for my $end (qw(source target))
	{
		my $now = $t->_sql($end, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dts\\_sync\\_%'");
		$most{$end} = $now if $now > $most{$end};
	}
	return;
}
sub batch
{
	my ($what, $until, $reached) = @_;
	my $began = time;
	my $said = $t->sql_ctl("SELECT count(*) FILTER (WHERE accepted), min(message) FILTER (WHERE NOT accepted) FROM dts_${what}_job((SELECT array_agg(job) FROM dts_jobs))");
	my ($accepted, $why) = split /\|/, $said, 2;
	is($accepted, $number, "$what: accepted for all $number jobs") or diag($why);
	$t->wait_for("all to be $until", sub {
		look();
		my $bad = $t->sql_ctl("SELECT string_agg(job || ' ' || state || ' ' || coalesce(error, ''), '; ') FROM dts_jobs WHERE state IN ('error', 'failed', 'start_failed', 'check_failed', 'stop_failed')");
		die "$bad\n" if $bad ne '';
		return $t->sql_ctl("SELECT count(*) FROM dts_jobs WHERE $reached") == $number; }, 400);
	pass(sprintf '%s: all are %s after %.1f s', $what, $until, time - $began);
	note(sprintf '%s: %.1f s', $what, time - $began);
	return;
}
batch('check', 'checked', "state = 'check_passed'");
batch('start', 'streaming', "state = 'running' AND phase = 'incremental' AND applied_lsn IS NOT NULL");
for my $d (1 .. $databases) { $t->{database} = "db$d"; $t->sql_source(join '', map { "INSERT INTO s$_.t SELECT g, 'y' FROM generate_series(101, 200) g;" } 1 .. $per); }

# Memory and CPU of all of the daemon's processes while nothing happens.
sub cpu
{
	my $ticks = 0;
	for my $pid ($daemon->pid, $daemon->descendants)
	{
		open my $in, '<', "/proc/$pid/stat" or next;
		my @fields = split ' ', (<$in> =~ s/^.*\) //sr);
		$ticks += $fields[11] + $fields[12];
	}
	return $ticks / POSIX::sysconf(&POSIX::_SC_CLK_TCK);
}
sub memory
{
	my $kb = 0;
	for my $pid ($daemon->pid, $daemon->descendants)
	{
		open my $in, '<', "/proc/$pid/smaps_rollup" or next;
		while (<$in>) { $kb += $1 if /^Pss:\s+(\d+)/; }
	}
	return $kb / 1024;
}
$t->{database} = 'db1';
$t->caught_up("j$_") for 1 .. ($number < 5 ? $number : 5);
sleep 3;
my ($cpu, $began) = (cpu(), time);
sleep 10;
my $share = 100 * (cpu() - $cpu) / (time - $began);
my $processes = 1 + $daemon->descendants;
diag(sprintf 'memory of %d processes: %.0f MB in all, %.2f MB a job; idle CPU: %.1f %% of a core, %.2f %% a job', $processes, memory(), memory() / $number, $share, $share / $number);

batch('pause', 'paused', "state = 'paused'");
batch('resume', 'running again', "state = 'running' AND phase = 'incremental'");
for my $d (1, $databases) { $t->{database} = "db$d"; $t->caught_up("j$d"); $t->wait_for('rows', sub { $t->sql_target('SELECT count(*) FROM s1.t') == 200 }); }
batch('stop', 'stopped', "state = 'stopped'");
diag("connections at most: $most{source} on the source, $most{target} on the target, limit $limit");
cmp_ok($most{$_}, '<=', $limit, "never more connections on the $_ than told") for qw(source target);
is($t->sql_source('SELECT count(*) FROM pg_replication_slots') . $t->sql_target("SELECT count(*) FROM pg_replication_origin"), '00', 'no slot and no origin is left');
is($daemon->stop, 0, 'the daemon leaves');
done_testing;
