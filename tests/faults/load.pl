# Loads under random load and random kills: the first one, then reloads, removals and additions beside the stream, compared after every round.
#
# What was finished is not copied again: whenever a fault is about to come, the tables whose rows are all there, durably, are noted with the number of
# their copies, and those numbers must stand at the end of the round; so must those of tables that nobody asked to load again.
# The first loads are slowed down, so that faults find them at work.
#
# ROUNDS (50), SEED (printed; the same seed brings the same transactions and the same order of faults, not the same instants).
use strict;
use warnings;
use DtsTest;
use DtsWorkload;
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
$t->sql_source("CREATE TABLE public.big (id int PRIMARY KEY, v text); INSERT INTO big SELECT i, md5(i::text) FROM generate_series(1, 100000) i; CREATE INDEX ON big (v)");
$t->sql_source("CREATE TABLE public.side_$_ (id int PRIMARY KEY, v text); INSERT INTO side_$_ SELECT i, md5(i::text) FROM generate_series(1, 20000) i") for 1 .. 4;
$t->start_daemon;

sub alive { my $end = shift; return ($t->try($end, $end eq 'target' ? 'ctl' : $t->{database}, 'SELECT 1'))[0] == 0; }
sub kill_server
{
	my $end = shift;
	my $pid = $t->{$end}{_pid};
	$t->{$end}->kill9;
	$t->wait_for("$end to be dead", sub { !kill 0, $pid }, 30);
	sleep rand 1;
	$t->{$end}->start;
	return;
}
my %faults = (
	daemon => sub { $t->{daemon}->kill9; sleep rand 0.5; $t->start_daemon; },
	child => sub { my @all = $t->{daemon}->descendants; kill KILL => $all[ rand @all ] if @all; },
	keeper => sub { my ($rc, $pid) = $t->try('source', $t->{database}, "SELECT pid FROM pg_stat_activity WHERE query LIKE '%dts snapshot keeper%' AND pid <> pg_backend_pid() LIMIT 1"); kill KILL => $pid if !$rc && $pid; },
	backend => sub { my ($rc, $pid) = $t->try('target', $t->{database}, "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'dts\\_sync%' ORDER BY random() LIMIT 1"); kill KILL => $pid if !$rc && $pid; },
	source => sub { kill_server('source') },
	target => sub { kill_server('target') },
	all => sub { $t->{daemon}->kill9; kill_server('source'); kill_server('target'); $t->start_daemon; },
	truncate => sub { $t->try('source', $t->{database}, 'TRUNCATE side_' . (1 + int rand 3)); });
my @names = sort keys %faults;
my @tables = qw(public.big wl.keyed wl.pair wl.bag wl.part wl.child wl.ident public.side_1 public.side_2 public.side_3);
my ($transactions, $away, $kept, $first, %count) = (0, 0, 0, 0);

# Tables that are whole on the target, by OID: name and copies; empty when it cannot be asked.  The commit makes what was seen durable.
sub finished
{
	my ($rc, $out) = $t->try('target', $t->{database}, <<'SQL');
SET synchronous_commit = on;
SELECT concat_ws(' ', table_oid, schema_name || '.' || table_name, copies) FROM dts.target_table t WHERE state IN ('copying', 'copied', 'joined')
AND NOT EXISTS (SELECT FROM dts.target_part p WHERE p.slot_name = t.slot_name AND p.table_oid = t.table_oid AND p.stage <= 3 AND p.state <> 'done');
SELECT 'durable' WHERE pg_logical_emit_message(true, 'durable', '') IS NOT NULL;
SQL
	return {} if $rc;
	return { map { my ($oid, $name, $copies) = split ' '; $oid => [ $name, $copies ] } grep { !/durable/ } split /\n/, $out };
}
# Those of the list that were copied again.
sub copied_again
{
	my ($noted) = @_;
	my $now = finished();
	return map { "$noted->{$_}[0]: copies were $noted->{$_}[1], are $now->{$_}[1]" } grep { $now->{$_} && $now->{$_}[1] != $noted->{$_}[1] } keys %$noted;
}

sub tables_changed
{
	# A request may meet a control database that is down: it is asked again.
	my @asked = map { "SELECT dts_reload_table('j', '$_')" } grep { rand() < 0.4 } @tables;
	push @asked, $away ? "SELECT dts_add_tables('j', '{public.side_4}')" : "SELECT dts_remove_tables('j', '{public.side_4}')" if rand() < 0.5;
	for my $sql (@asked)
	{
		next if $sql =~ /side_4/ && $away && ($t->try('target', $t->{database}, 'DROP TABLE IF EXISTS public.side_4'))[0];
		$t->wait_for($sql, sub { ($t->try_ctl($sql))[0] == 0 }, 60);
		$away = !$away if $sql =~ /side_4/;
	}
	return join ' ', @asked;
}

for my $round (1 .. $rounds)
{
	# Every few rounds a new job, whose first load is the one to be killed.
	my $loads_first = $round % 3 == 1;
	if ($loads_first)
	{
		if ($round > 1)
		{
			$t->stop_job('j');
			$t->act('isolate', 'j');
			$t->act('destroy', 'j');
			$t->sql_target('DROP SCHEMA wl CASCADE; DROP TABLE big, side_1, side_2, side_3; DROP TABLE IF EXISTS side_4');
			$away = 0;
		}
		$t->create_job('j', options => { workers => 1 + int rand 3, throttle => { full => { rows_per_second => 40000 + int rand 80000 } }, streaming => rand() < 0.5 ? JSON::PP::true : JSON::PP::false });
		$t->check_job('j');
	}
	my $load = DtsWorkload->start(conninfo => $t->conninfo('source'), sessions => 1 + int rand 3, seed => $seed * 1000 + $round, pause => rand 0.01, truncate => !$loads_first);
	my $noted = $loads_first ? {} : finished();
	if ($loads_first)
	{
		$t->start_job('j');
		# the schema has its share of the faults, the rows have most
		my $part = "SELECT count(*) FROM dts.target_part WHERE stage = 3 AND state = 'done'";
		$t->wait_for('the first rows', sub { ($t->try('target', $t->{database}, $part))[1] > 0 }) if rand() < 0.75;
	}
	else
	{
		my $asked = tables_changed();
		# a partition is loaded with its table
		delete @$noted{ grep { my ($name) = $noted->{$_}[0] =~ /^(wl\.part|[^ ]+)/; $asked =~ /\Q$name\E\b/ } keys %$noted };
	}
	my @done;
	for (0 .. int rand 3)
	{
		sleep rand($loads_first ? 1.5 : 0.6);
		my $fault = $names[ rand @names ];
		# A truncate stops a first load, as any DDL on its tables does.
		next if $fault eq 'truncate' && $loads_first;
		$noted = { %{ finished() }, %$noted } if $loads_first;
		push @done, $fault;
		$count{$fault}++;
		$faults{$fault}->();
	}
	$t->try('source', $t->{database}, "UPDATE big SET v = 'round $round' WHERE id % 50 = $round; INSERT INTO side_$_ SELECT max(id) + 1, 'round $round' FROM side_$_ HAVING max(id) IS NOT NULL") for 1 .. 4;
	$transactions += $load->stop;
	my $ok = eval {
		$t->wait_for('both ends', sub { alive('source') && alive('target') }, 60);
		DtsWorkload->finish_prepared($t);
		$t->wait_for('the job to run', sub {
			my $state = eval { $t->state('j') } // '';
			die "the job is in state $state\n" if $state =~ /^(?:error|failed|start_failed)$/;
			return $state eq 'running' && $t->sql_ctl("SELECT phase FROM dts_jobs WHERE job = 'j'") eq 'incremental'; }, 120);
		$t->wait_for('requests to be answered', sub { $t->sql_ctl("SELECT count(*) FROM dts_job_changes WHERE state = 'asked'") == 0 }, 120);
		$t->wait_for('all tables to join', sub { $t->sql_target("SELECT count(*) FROM dts.target_table WHERE state <> 'joined'") == 0 }, 120);
		$t->caught_up('j', 120);
		1;
	};
	diag($@, $t->job_report('j')) if !$ok;
	my $equal = $ok && $t->compare("round $round: equal after @done", $away ? ('--exclude', 'public.side_4') : ());
	fail("round $round: comes back after @done") if !$ok;
	my @again = $equal ? copied_again($noted) : ();
	ok(!@again, sprintf "round $round: %d finished tables were not copied again", scalar keys %$noted) or diag(@again) if $equal;
	$kept += keys %$noted;
	$first += keys %$noted if $loads_first;
	BAIL_OUT("round $round failed; SEED=$seed") if !$equal || @again;
}
diag(sprintf "%d transactions; %d times a finished table was not copied again, %d of them in a first load; faults: %s", $transactions, $kept, $first, join ', ', map { "$_ $count{$_}" } sort keys %count);
cmp_ok($transactions, '>', $rounds, 'there was load');
cmp_ok($first, '>', 0, 'faults found tables finished in a first load') if $rounds >= 20;
$t->stop_job('j');
$t->clean('nothing is left behind');
done_testing;
