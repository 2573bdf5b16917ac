# A load that lost everything at once goes on: the slot and the finished tables stay, the others are copied again.
use strict;
use warnings;
use DtsTest;
use DtsWorkload;
use Test::More;

my $t = DtsTest->new;
$t->sql_source($DtsWorkload::SCHEMA);
# Largest first, so the order of the copies is known.
$t->sql_source("CREATE TABLE public.t$_ (id int PRIMARY KEY, v text); INSERT INTO t$_ SELECT i, md5(i::text) FROM generate_series(1, 10000 * (9 - $_)) i") for 1 .. 6;
# A row of the first copy will refer to one that the later copy lacks.
$t->sql_source('ALTER TABLE t1 ADD ref int REFERENCES t6; UPDATE t1 SET ref = id WHERE id IN (30, 40)');
my $daemon = $t->start_daemon(fault => 'schema.before_dump=stop,part.before_commit=stop:4');
$t->create_job('j', options => { workers => 1 });
$t->check_job('j');
$t->start_job('j');

sub kill_server
{
	my ($end) = @_;
	my $pid = $t->{$end}{_pid};
	$t->{$end}->kill9;
	$t->wait_for("$end to be dead", sub { !kill 0, $pid });
	$t->{$end}->start;
	return;
}
# pg_dump cannot say that the source went away.
my $stopped = $t->wait_for('pg_dump to be next', sub { $daemon->fault_pid('schema.before_dump') });
kill_server('source');
kill CONT => $stopped;

sub done { return $t->sql_target("SELECT string_agg(table_name, ',' ORDER BY table_name) FROM dts.target_part WHERE stage = 3 AND state = 'done'"); }
$t->wait_for('three tables to be whole', sub { (eval { done() } // '') eq 't1,t2,t3' });
my $slot = $t->slot('j');

# The stream will stand still at its first change, before what brings t1 and t6 together.
$t->sql_target(q{CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(20); RETURN NEW; END $$;
	CREATE TRIGGER hold BEFORE UPDATE ON public.t2 FOR EACH ROW EXECUTE FUNCTION public.hold(); ALTER TABLE public.t2 ENABLE ALWAYS TRIGGER hold});
$t->sql_source("UPDATE t2 SET v = 'first' WHERE id = 5");
# Changes to what is copied and to what is not, some committed by transactions that began before the next snapshot.
my $open = $t->session('source');
$open->do("BEGIN; UPDATE t1 SET v = 'open' WHERE id = 1; UPDATE t6 SET v = 'open' WHERE id = 1; INSERT INTO t5 VALUES (-1, 'open')");
$t->sql_source("UPDATE t$_ SET v = 'before' WHERE id BETWEEN 10 AND 20; DELETE FROM t$_ WHERE id = 30; INSERT INTO t$_ VALUES (1000000, 'before')") for 1 .. 6;
# What the copy worker has committed is durable with this one.
$t->sql_target('CREATE TABLE durable (); DROP TABLE durable');
$t->{daemon}->kill9;
undef $open;
kill_server($_) for qw(source target);
my $load = DtsWorkload->start(conninfo => $t->conninfo('source'), sessions => 2, seed => 20, pause => 0.005);
my $hold = $t->session('target');
$hold->do('SELECT pg_advisory_lock(20)');
$open = $t->session('source');
$open->do("BEGIN; UPDATE t1 SET v = 'open' WHERE id = 2; UPDATE t6 SET v = 'open' WHERE id = 2; INSERT INTO t5 VALUES (-2, 'open')");
$t->start_daemon;
$t->wait_for('the copies to begin again', sub { $t->sql_target("SELECT count(*) FROM dts.target_table WHERE start_snapshot IS NOT NULL") > 0 });
$open->do('COMMIT');
$t->wait_job('j', 'incremental');
my ($rc, $out, $err) = $t->try_ctl("CALL dts_wait('j', 'caught_up', '2 s')");
like($err, qr/did not get to "caught_up" within/, 'the stream is held up');
is($t->state('j') . ' ' . $t->sql_target("SELECT count(*) FROM pg_constraint WHERE conname = 't1_ref_fkey'"), 'running 0', 'and with it the foreign key');
$hold->do('SELECT pg_advisory_unlock(20)');
$t->sql_source("UPDATE t$_ SET v = v || ' after' WHERE id < 100") for 1 .. 6;
cmp_ok($load->stop, '>', 10, 'there was load');
DtsWorkload->finish_prepared($t);
$t->caught_up('j');
$t->sql_target('DROP TRIGGER hold ON t2; DROP FUNCTION hold()');
$t->equal('j', 'equal after everything was killed in the middle of the load, foreign keys included', '--schema');
is($t->sql_target("SELECT count(*) FROM dts.target_part WHERE state <> 'done'"), 0, 'what was caught up with has all that follows the rows');
is($t->sql_target("SELECT string_agg(table_name, ',' ORDER BY table_name) FROM dts.target_table WHERE copies = 1 AND schema_name = 'public'"),
	't1,t2,t3', 'finished tables were not copied again');
is($t->sql_target("SELECT count(*) FROM dts.target_table WHERE copies <> 2 AND table_name !~ '^t[123]\$'"), 0, 'the others were, once');
is($t->sql_target('SELECT count(DISTINCT (start_lsn, start_snapshot)) FROM dts.target_table GROUP BY copies ORDER BY copies'), "1\n1", 'every table has the start point of its own copy');
is($t->sql_target('SELECT count(DISTINCT start_snapshot) FROM dts.target_table'), 2, 'which differ');
is($t->slot('j'), $slot, 'the slot is the same');
is($t->sql_ctl("SELECT count(*) FROM dts_job_events WHERE job = 'j' AND to_state IN ('error', 'failed')"), 0, 'without any help');

# Its durable states outlive a restart of the stream, too.
$t->{daemon}->kill9;
$t->sql_source("UPDATE t$_ SET v = 'last' WHERE id < 50") for 1 .. 6;
$t->start_daemon;
$t->equal('j', 'equal after the stream began again');
$t->stop_job('j');
$t->clean('nothing is left behind');
$t->finish;
done_testing;
