# Several sessions apply the stream: hot rows, values that are handed on, parents and children, key shifts and
# truncates in many batches side by side; deadlocks with somebody else; kill -9; another number of sessions meanwhile.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $seed = $ENV{SEED} // int rand 2**31;
srand($seed);
diag("seed $seed");
my $t = DtsTest->new(target_conf => [ "deadlock_timeout = '100ms'", 'max_replication_slots = 12' ]);
$t->sql_source(<<'SQL');
CREATE TABLE acc (id int PRIMARY KEY, v int NOT NULL DEFAULT 0, pad text);
CREATE TABLE hot (id int PRIMARY KEY, n bigint NOT NULL);
CREATE TABLE hist (acc int, n bigint); ALTER TABLE hist REPLICA IDENTITY FULL;
CREATE TABLE parent (id int PRIMARY KEY, v int);
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, v int);
CREATE TABLE uniq (id int PRIMARY KEY, u int UNIQUE);
CREATE TABLE shift (id int PRIMARY KEY, v int);
CREATE TABLE num (k numeric PRIMARY KEY, v int);
CREATE TABLE cut (id int PRIMARY KEY, v int);
INSERT INTO acc SELECT i, 0, repeat('x', 50) FROM generate_series(1, 20000) i;
INSERT INTO hot SELECT i, 0 FROM generate_series(1, 3) i;
INSERT INTO uniq SELECT i, i FROM generate_series(1, 50) i;
INSERT INTO shift SELECT i * 10, 0 FROM generate_series(1, 50) i;
INSERT INTO num VALUES (1.0, 0), (2.50, 0);
CREATE PROCEDURE work(n int, seed float8) LANGUAGE plpgsql AS $$
DECLARE p int; a int; b int; sum bigint := 0;
BEGIN
	PERFORM setseed(seed);
	SELECT sum(h.n) INTO sum FROM hot h;
	FOR i IN 1 .. n LOOP
		a := 1 + random() * 19999; b := 1 + random() * 19999;
		UPDATE acc SET v = v + 1 WHERE id = a;
		UPDATE acc SET v = v + 1 WHERE id = b;
		UPDATE hot SET n = hot.n + 1 WHERE id = 1 + i % 3;
		sum := sum + 1;
		INSERT INTO hist VALUES (i, sum);
		CASE floor(random() * 40)::int
			WHEN 0 THEN UPDATE uniq SET u = -u WHERE id = 1 + i % 50; UPDATE uniq SET u = 1 + i % 50 WHERE id = (SELECT max(id) FROM uniq WHERE u < 0);
			WHEN 1 THEN UPDATE shift SET id = id + 1 WHERE id = (SELECT max(id) FROM shift);
			WHEN 2 THEN INSERT INTO parent VALUES ((SELECT coalesce(max(id), 0) + 1 FROM parent), 0);
			WHEN 3 THEN SELECT max(id) INTO p FROM parent; INSERT INTO child SELECT coalesce(max(id), 0) + 1, p, 0 FROM child;
			WHEN 4 THEN DELETE FROM child WHERE id = (SELECT min(id) FROM child); DELETE FROM parent WHERE id NOT IN (SELECT parent FROM child WHERE parent IS NOT NULL);
			WHEN 5 THEN DELETE FROM num WHERE v = (SELECT min(v) FROM num); INSERT INTO num VALUES ((ARRAY[1, 1.0, 1.00, 2.5, 2.50])[1 + i % 5], i) ON CONFLICT DO NOTHING;
			WHEN 6 THEN UPDATE num SET v = v + 1;
			WHEN 7 THEN INSERT INTO cut SELECT g, i FROM generate_series(1, 10) g ON CONFLICT (id) DO UPDATE SET v = i;
			WHEN 8 THEN IF i % 10 = 0 THEN TRUNCATE cut; END IF;
			WHEN 9 THEN DELETE FROM acc WHERE id = i; INSERT INTO acc VALUES (i, i, 'again') ON CONFLICT DO NOTHING;
			ELSE
		END CASE;
		COMMIT;
	END LOOP;
END $$;
SQL
# batches of few rows, so that there are many
$ENV{DTS_APPLY_BATCH_ROWS} = 200;
my $daemon = $t->start_daemon;
$t->run_job('j', options => { apply_workers => 3 });
my $slot = $t->slot('j');
sub measure { return $t->sql_ctl("SELECT total FROM dts_job_stats('j') WHERE measure = '$_[0]'"); }
sub work { my $n = shift; return $t->sql_source("SET synchronous_commit = off;\nCALL work($n, " . (2 * rand() - 1) . ')'); }
# While the job is paused, so that it finds a backlog.
sub backlog
{
	my $n = shift;
	$t->act('pause', 'j');
	$t->wait_job('j', 'paused');
	work($n);
	$t->act('resume', 'j');
	return;
}

# from 16 on the position is in a row instead
$t->wait_for('an origin for each session', sub { $t->sql_target("SELECT current_setting('server_version_num')::int >= 160000 OR count(*) = 3 FROM pg_replication_origin WHERE roname LIKE '$slot%'") eq 't' });
pass('each session has its origin');
backlog(4000);
$t->equal('j', 'equal after a backlog');
# what is ready when, and so what is applied beside what, is up to the machine
for (my $more = 1; $more <= 10 && (measure('transactions_parallel') == 0 || measure('rows_early') == 0); $more++) { backlog(4000); $t->caught_up('j'); }
cmp_ok(measure('transactions_parallel'), '>', 0, 'batches were applied side by side (' . join(', ', map { "$_ " . measure($_) } qw(transactions transactions_parallel rows_early order_waits mispredictions)) . ')');
cmp_ok(measure('rows_early'), '>', 0, 'rows did not wait for their turn');

# Another number of sessions, and the stream goes on in the same sessions of the source.
my $streams = "SELECT count(*) FROM dts_job_events WHERE job = 'j' AND event = 'streaming'";
my $before = $t->sql_ctl($streams);
my $told = "SELECT count(*) FROM dts_job_events WHERE job = 'j' AND event = 'apply_workers' AND message LIKE '%by ";
for my $n (1, 4, 2)
{
	my $already = $t->sql_ctl("$told$n session%'");
	like($t->sql_ctl("SELECT dts_resize_job('j', NULL, $n)"), qr/applies with $n$/, "resized to $n");
	work(300);
	$t->wait_for("$n sessions", sub { $t->sql_ctl("$told$n session%'") > $already });
	work(300);
	$t->equal('j', "equal with $n sessions");
}
is($t->sql_ctl($streams), $before, 'the stream was not begun anew');
my $locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
# a session that ends is gone a moment later
ok($t->wait_for('the locks to be given back', sub { $t->sql_target($locks) eq '2' }),
	'so many sessions are there as are wanted, and nothing is left of turns');

# Somebody who locks rows across the lanes: the server ends one of the circle, and all comes right.
$t->act('pause', 'j');
$t->wait_job('j', 'paused');
is($t->sql_ctl("SELECT dts_resize_job('j', NULL, 3) IS NOT NULL"), 't', 'three again');
work(3000);
my $user = $t->session('target');
my $circles = 0;
$t->act('resume', 'j');
for my $i (1 .. 30)
{
	my ($a, $b) = map { 1 + int rand 20000 } 1, 2;
	my $said = $user->try("BEGIN; UPDATE hot SET n = n WHERE id = 1 + $i % 3; SELECT count(*) FROM (SELECT FROM acc WHERE id BETWEEN $a AND $a + 2000 ORDER BY id DESC FOR UPDATE) s");
	$circles++ if $said =~ /40P01/;
	$user->try('ROLLBACK');
}
$t->wait_for('the job to be in phase again', sub { $t->state('j') =~ /^(?:running|ready)$/ });
$t->equal('j', "equal after deadlocks ($circles ended somebody else's transaction)");

# One that is sure to be: a batch waits for a row that this session has, which waits for a row of a batch behind it, which waits for its turn.
# The batch looks for deadlocks after two seconds and this session never, so it is the job's session that the server ends.
$t->sql_target("ALTER SYSTEM SET deadlock_timeout = '2s'");
$t->sql_target('SELECT pg_reload_conf()');
$t->act('pause', 'j');
$t->wait_job('j', 'paused');
my $retries = $t->sql_ctl($streams);
$t->sql_source('UPDATE acc SET v = v + 1 WHERE id BETWEEN 1 AND 250');      # the first batch
$t->sql_source("UPDATE acc SET v = v + 1 WHERE id BETWEEN $_ * 1000 AND $_ * 1000 + 249") for 2 .. 9;
$user->do("SET deadlock_timeout = '10min'; BEGIN; SELECT count(*) FROM (SELECT FROM acc WHERE id = 2100 FOR UPDATE) s");
$t->act('resume', 'j');
$t->wait_for('a batch to wait for the row', sub { $t->sql_target("SELECT count(*) FROM pg_stat_activity WHERE application_name = '$slot' AND wait_event = 'transactionid'") > 0 });
$t->wait_for('one behind it to wait for its turn', sub { $t->sql_target("SELECT count(*) FROM pg_stat_activity WHERE application_name = '$slot' AND wait_event = 'advisory'") > 0 });
my $held = $t->sql_target('WITH free AS (SELECT id FROM acc WHERE id % 1000 = 0 FOR UPDATE SKIP LOCKED) SELECT min(g) FROM generate_series(3000, 9000, 1000) g WHERE g NOT IN (SELECT id FROM free)');
like($held, qr/^\d+$/, 'a batch behind it has rows already');
$user->send("SELECT count(*) FROM (SELECT FROM acc WHERE id = $held FOR UPDATE) s; COMMIT");
is($user->result, 1, 'the other session gets its row and commits');
$t->equal('j', 'equal after a deadlock in which the server ended a transaction of the job');
$t->wait_for('it to be counted', sub { measure('mispredictions') > 0 });
is($t->sql_ctl($streams), $retries + 1, 'which did so without beginning the stream anew');

# Death with commits of several sessions under way.
for my $round (1 .. 3)
{
	$t->act('pause', 'j');
	$t->wait_job('j', 'paused');
	work(1500);
	my $done = $t->sql_target('SELECT sum(n) FROM hot');
	$t->act('resume', 'j');
	$t->wait_for('the backlog to be under way', sub { $t->sql_target('SELECT sum(n) FROM hot') > $done });
	$daemon->kill9;
	$daemon = $t->start_daemon;
	is($t->sql_target('SELECT (SELECT sum(n) FROM hot) - (SELECT max(n) FROM hist)'), 0, "round $round: what is there is whole transactions, without holes");
}
$t->equal('j', 'equal after the daemon was killed three times');

$t->stop_job('j');
$t->clean('nothing is left behind, no origin of any session');
done_testing;
