# A long-lived job under random load and random kills, compared after every round.
#
# ROUNDS (50), SEED (printed; the same seed brings the same transactions and the same order of faults, not the same instants).
use strict;
use warnings;
use DtsTest;
use DtsWorkload;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

my $rounds = $ENV{ROUNDS} // 50;
my $seed = $ENV{SEED} // (time * 1000) % 1_000_000;
diag("SEED=$seed ROUNDS=$rounds");
srand $seed;

my $t = DtsTest->new(
	source_conf => [ "logical_decoding_work_mem = '256kB'", 'wal_keep_size = 64' ],
	target_conf => [ 'synchronous_commit = off' ]);
$t->sql_source($DtsWorkload::SCHEMA);
$t->start_daemon;
$t->create_job('j', options => { workers => 2, streaming => $seed % 2 ? JSON::PP::true : JSON::PP::false });
$t->check_job('j');

sub alive { my $end = shift; return ($t->try($end, $end eq 'target' ? 'ctl' : $t->{database}, 'SELECT 1'))[0] == 0; }
# kill -9 of a server: of its postmaster, so that all its processes die with it.
sub kill_server
{
	my $end = shift;
	my $node = $t->{$end};
	$node->kill9;
	$t->wait_for("$end to be dead", sub { !alive($end) }, 30);
	sleep rand 1.5;
	# Backends of the killed server may still hold its shared memory; a start that fails leaves the id of a postmaster that is gone.
	$t->wait_for("$end to start", sub { $node->start(fail_ok => 1) or do { undef $node->{_pid}; 0 } }, 60);
	return;
}
my %faults = (
	daemon => sub { $t->{daemon}->kill9; sleep rand 1; $t->start_daemon; },
	worker => sub { my @all = $t->{daemon}->descendants; kill KILL => $all[ rand @all ] if @all; },
	walsender => sub { my ($rc, $pid) = $t->try('source', $t->{database}, 'SELECT pid FROM pg_stat_replication ORDER BY random() LIMIT 1'); kill KILL => $pid if !$rc && $pid; },
	backend => sub { my ($rc, $pid) = $t->try('target', $t->{database}, "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'dts\\_sync%' ORDER BY random() LIMIT 1"); kill KILL => $pid if !$rc && $pid; },
	source => sub { kill_server('source') },
	target => sub { kill_server('target') },
	terminate => sub { $t->try('target', 'ctl', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND random() < 0.5 AND backend_type = 'client backend'") },
	stop => sub { my @pids = $t->{daemon}->freeze; sleep rand 2; $t->{daemon}->cont; },
	leave => sub { $t->{daemon}->stop(90) // BAIL_OUT('the daemon does not leave when asked'); $t->start_daemon; });
my @names = sort keys %faults;
my ($transactions, %count) = (0);

for my $round (1 .. $rounds)
{
	my $load = DtsWorkload->start(conninfo => $t->conninfo('source'), sessions => 1 + int rand 4, seed => $seed * 1000 + $round, pause => rand 0.01, truncate => $round > 1);
	# The first round also survives faults while it loads.
	$t->start_job('j') if $round == 1;
	my @done;
	for (0 .. int rand 3)
	{
		sleep rand 1.2;
		my $fault = $names[ rand @names ];
		push @done, $fault;
		$count{$fault}++;
		$faults{$fault}->();
	}
	sleep rand 0.5;
	$transactions += $load->stop;
	my $ok = eval {
		$t->wait_for('both ends', sub { alive('source') && alive('target') }, 60);
		DtsWorkload->finish_prepared($t);
		# A wait may itself lose its connection; the job comes back by itself, without a person.
		$t->wait_for('the job to run', sub {
			my $state = eval { $t->state('j') } // '';
			die "the job is in state $state\n" if $state =~ /^(?:error|failed|start_failed)$/;
			return $state eq 'running' && $t->sql_ctl("SELECT phase FROM dts_jobs WHERE job = 'j'") eq 'incremental'; }, 120);
		$t->caught_up('j', 120);
		1;
	};
	diag($@, $t->job_report('j')) if !$ok;
	my $equal = $ok && $t->compare("round $round: equal after @done");
	fail("round $round: comes back after @done") if !$ok;
	BAIL_OUT("round $round failed; SEED=$seed") if !$equal;
}
diag(sprintf "%d transactions, faults: %s", $transactions, join ', ', map { "$_ $count{$_}" } sort keys %count);
cmp_ok($transactions, '>', $rounds, 'there was load');
$t->compare('schemas and rows are equal in the end', '--schema');
$t->stop_job('j');
$t->clean('nothing is left behind');
done_testing;
