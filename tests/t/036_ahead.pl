# Large transactions are applied while they are in progress on the source: several at once beside small ones, savepoints and
# aborts, rows handed on between them, kill -9 in the middle; others do not wait for what the target alone makes them wait for;
# and the disk on which transactions in progress are kept is full for a while.
use strict;
use warnings;
use DtsDisk;
use DtsTest;
use Test::More;

my $seed = $ENV{SEED} // int rand 2**31;
my $rounds = $ENV{ROUNDS} // 30;
srand($seed);
diag("seed $seed, $rounds rounds");
my $t = DtsTest->new(source_conf => [ "logical_decoding_work_mem = '64kB'", "deadlock_timeout = '50ms'" ], target_conf => ['max_replication_slots = 12']);
$t->sql_source(<<'SQL');
CREATE TABLE acc (id int PRIMARY KEY, v int NOT NULL, pad text);
CREATE TABLE uniq (id int PRIMARY KEY, u int UNIQUE DEFERRABLE, pad text);
CREATE TABLE free (id int, v int, pad text); ALTER TABLE free REPLICA IDENTITY FULL;
CREATE TABLE twins (v int, pad text); ALTER TABLE twins REPLICA IDENTITY FULL;
CREATE TABLE watched (id int PRIMARY KEY, pad text);
CREATE TABLE only_there (id int PRIMARY KEY, u int, pad text);
CREATE TABLE kinds (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED, i int GENERATED ALWAYS AS IDENTITY, d int DEFAULT 3, n numeric, t timestamptz,
	j jsonb, a text[], b bytea, v varchar(9), u text);
CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE moods (id int PRIMARY KEY, m mood);
INSERT INTO acc SELECT i, 0, md5(i::text) FROM generate_series(1, 4000) i;
INSERT INTO uniq SELECT i, i, md5(i::text) FROM generate_series(1, 1000) i;
INSERT INTO free SELECT i % 50, i, md5(i::text) FROM generate_series(1, 200) i;
SQL
for my $twin (1, 2) { $t->sql_source("INSERT INTO twins SELECT i, repeat(md5(i::text), 4) FROM generate_series(1, 1500) i"); }
$t->start_daemon;
$t->run_job('j', options => { streaming => JSON::PP::true });
my $slot = $t->slot('j');
sub measure { return $t->sql_ctl("SELECT total FROM dts_job_stats('j') WHERE measure = '$_[0]'") // 0; }

# Nothing of it is seen before it commits, and then all of it is.
my $one = $t->session('source');
$one->do('BEGIN; INSERT INTO acc SELECT i, 1, repeat(md5(i::text), 4) FROM generate_series(10001, 20000) i');
my $waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$slot' AND backend_xid IS NOT NULL";
$t->wait_for('it to go ahead', sub { $t->sql_target($waits) == 1 });
$t->sql_source('UPDATE acc SET v = 7 WHERE id <= 10');
$t->wait_for('what commits meanwhile', sub { $t->sql_target('SELECT count(*) FROM acc WHERE v = 7') == 10 });
is($t->sql_target('SELECT count(*) FROM acc WHERE id > 10000'), 0, 'nothing is seen of a transaction in progress');
is($t->sql_target($waits), 1, 'and it is still ahead');
$one->do('COMMIT');
$t->equal('j', 'equal when it has committed');
$t->wait_for('it to be counted', sub { measure('transactions_ahead') == 1 });
is(measure('ahead_dropped'), 0, 'and none was dropped');
is(measure('inserts'), 10000, 'its rows are counted once');

# A target that stalls may have one dropped that is fine, and after that some are not tried: so it is done again.
sub until_so
{
	my ($what, $so, $do, $undo) = @_;
	for my $again (0 .. 20)
	{
		$do->($again);
		return if eval { $t->wait_for($what, $so, 8); 1 };
		$undo->() if $undo;
	}
	$t->wait_for($what, $so, 1);
	return;
}

# Many inserts in a row go by COPY: with all kinds of columns, in several pieces, between other changes.
my $row = "i, CASE WHEN i % 7 > 0 THEN i END, i / 8.0, '2026-01-01'::timestamptz + i * interval '1 s', jsonb_build_object('i', i), ARRAY[i::text, NULL, ''], decode(md5(i::text), 'hex'), left(md5(i::text), i % 9)";
sub rows { my ($from, $to, $wide) = @_; return "INSERT INTO kinds (id, d, n, t, j, a, b, v, u) SELECT $row, " . ($wide // "''") . " FROM generate_series($from, $to) i"; }
my $before = measure('rows_copied');
until_so(
	'them to be counted',
	sub { measure('rows_copied') > $before + 5000 },
	sub {
		my $from = 100_000 * shift;
		$one->do('BEGIN; ' . rows($from + 1, $from + 12000));
		$one->do('UPDATE kinds SET u = v WHERE id % 1000 = 0; ' . rows($from + 12001, $from + 22000, "repeat('wide', 2000)") . '; DELETE FROM kinds WHERE id % 100000 BETWEEN 5000 AND 5100; ' . rows($from + 22001, $from + 32000) . '; COMMIT');
		$t->equal('j', 'equal with what was copied');
	});
$before = measure('rows_copied');
my $ahead = measure('transactions_ahead');
until_so(
	'one of them to go ahead',
	sub { measure('transactions_ahead') > $ahead },
	sub {
		my $from = 100_000 * shift;
		$one->do("INSERT INTO moods SELECT i, 'sad' FROM generate_series($from + 1, $from + 20000) i");
		$t->equal('j', 'equal with what travels as text');
	});
is(measure('rows_copied'), $before, 'which COPY could not take');

# Somebody waits for it on the target, who did not on the source.
$t->sql_target('CREATE UNIQUE INDEX ON only_there (u)');
$one->do('BEGIN; INSERT INTO only_there SELECT i, i, repeat(md5(i::text), 4) FROM generate_series(1, 9000) i');
$t->wait_for('it to go ahead', sub { $t->sql_target($waits) == 1 });
$t->sql_source("INSERT INTO only_there VALUES (10000, 7, 'waits')");
$t->wait_for('others to go on', sub { $t->sql_target('SELECT count(*) FROM only_there') == 1 });
$t->wait_for('it to be counted', sub { measure('ahead_dropped') == 1 });
$one->do('ROLLBACK');
$t->equal('j', 'equal when it has not');

# Nor does what takes one of several equal rows, or fires a trigger there.  (After the n-th in vain 2^n are not tried at all.)
# These commit: from PostgreSQL 18 on what has rolled back already is not sent at all.
sub not_tried { $one->do("BEGIN; INSERT INTO acc SELECT i, 1, repeat('z', 200) FROM generate_series(50001, 50800) i; DELETE FROM acc WHERE id > 50000; COMMIT") for 1 .. shift; return; }
not_tried(2);
sub until_dropped
{
	my ($what, $sql) = @_;
	my $dropped = measure('ahead_dropped');
	until_so($what, sub { measure('ahead_dropped') > $dropped }, sub { $one->do("BEGIN; $sql") }, sub { $one->do('ROLLBACK') });
	return measure('ahead_dropped');
}
my $dropped = until_dropped('one of two twins to wait for its commit', 'DELETE FROM twins WHERE ctid IN (SELECT min(ctid) FROM twins GROUP BY v)');
$t->sql_source('DELETE FROM twins WHERE v <= 100 AND ctid IN (SELECT max(ctid) FROM twins GROUP BY v)');
$one->do('COMMIT');
$t->equal('j', 'equal when both were deleted');
not_tried(4);
$t->caught_up('j');
is(measure('ahead_dropped'), $dropped, 'no other was tried');
$t->sql_target(<<'SQL');
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER watch BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION watch();
ALTER TABLE watched ENABLE ALWAYS TRIGGER watch;
SQL
until_dropped('one that fires a trigger to wait for its commit', "INSERT INTO watched SELECT i, repeat('z', 200) FROM generate_series(1, 800) i");
$one->do('COMMIT');
$t->equal('j', 'equal with what was watched');

# One ends while a COPY is open: by itself, by a kill, and by what only the target has against it.
not_tried(8);
my $copies = "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$slot' AND query LIKE 'COPY %' AND backend_xid IS NOT NULL";
sub until_open { until_so('a COPY to be open', sub { $t->sql_target($copies) == 1 }, sub { $one->do('BEGIN; ' . rows(40001, 60000)) }, sub { $one->do('ROLLBACK') }); return; }
until_open();
$one->do('ROLLBACK');
$t->wait_for('it to be given up', sub { $t->sql_target($copies) == 0 });
not_tried(16);
until_open();
$t->{daemon}->kill9;
$t->start_daemon;
$one->do('COMMIT');
$t->equal('j', 'equal when the daemon was killed in the middle of it');
$t->sql_target('INSERT INTO kinds (id) VALUES (79000)');
$one->do('BEGIN; ' . rows(70001, 82000) . '; COMMIT');
$t->wait_state('j', 'error');
like($t->sql_ctl("SELECT error FROM dts_jobs WHERE job = 'j'"), qr/duplicate key.*kinds_pkey/, 'a row that is there already is an error of its commit');
$t->sql_target('DELETE FROM kinds WHERE id = 79000');
$t->sql_ctl("SELECT dts_retry_job('j')");
$t->wait_job('j', 'incremental');
$t->equal('j', 'equal when it is gone');

# A little of everything.
my @s = map { $t->session('source') } 1 .. 4;
my @open = (0) x 4;
sub some { my $width = shift; my $from = 1 + int rand 4000; return "BETWEEN $from AND " . ($from + $width); }
sub change
{
	my $large = shift;
	my $width = $large ? 800 : 3;
	my $from = 1 + int rand 4000;
	return (
		"UPDATE acc SET v = v + 1 WHERE id " . some($width),
		"DELETE FROM acc WHERE id " . some($width / 2),
		"INSERT INTO acc SELECT i, $from, repeat('y', 60) FROM generate_series($from, $from + $width) i ON CONFLICT (id) DO UPDATE SET v = acc.v + 2",
		"UPDATE uniq SET u = u + 1 WHERE id " . some($width),
		"UPDATE uniq SET pad = repeat(md5(u::text), 3) WHERE id " . some($width),
		"UPDATE free SET v = v + 1 WHERE id < 10",
		"UPDATE acc SET id = id + 5000 WHERE id = $from AND NOT EXISTS (SELECT FROM acc WHERE id = $from + 5000)",
	)[ int rand 7 ];
}
for my $round (1 .. $rounds)
{
	my $n = int rand 4;
	my $sql = 'SET lock_timeout = 200; ';
	if (!$open[$n])
	{
		$sql .= rand() < 0.4 ? 'BEGIN; ' . change(1) : change(0);
		$open[$n] = $sql =~ /BEGIN/;
	}
	else
	{
		my $dice = rand;
		$sql .=
			  $dice < 0.25 ? 'COMMIT'
			: $dice < 0.32 ? 'ROLLBACK'
			: $dice < 0.50 ? 'SAVEPOINT a; ' . change(1) . '; ' . change(1) . '; ROLLBACK TO a; ' . change(0)
			: $dice < 0.60 ? 'SAVEPOINT b; ' . change(1) . '; RELEASE b'
			:                change(1) . '; ' . change(0);
		$open[$n] = 0 if $dice < 0.32;
	}
	$s[$n]->try($sql);
	if ($round == int($rounds / 2))
	{
		$t->{daemon}->kill9;
		$t->start_daemon;
	}
}
$_->try('COMMIT') for @s;
$t->equal('j', "equal after $rounds rounds (seed $seed; " . measure('transactions_ahead') . ' went ahead, ' . measure('ahead_dropped') . ' were dropped)');
$_->close for $one, @s;

# The disk of the daemon's work folder is full: nobody can go on, and nothing is lost.
SKIP:
{
	my $disk = DtsDisk->new or skip 'no C compiler to build the full disk with', 3;
	$t->{daemon}->stop;
	$t->start_daemon(env => $disk->environment);
	$disk->fill('/spool.');
	$t->sql_source("INSERT INTO acc SELECT i, 1, repeat(md5(i::text), 30) FROM generate_series(30001, 42000) i");
	ok($t->wait_retrying('j', qr/spool of a transaction in progress: No space left on device.*Free space/), 'without room for what waits the job tries again, and says why');
	is($t->sql_target('SELECT count(*) FROM acc WHERE id > 30000'), 0, 'nothing of the transaction is there');
	$disk->free;
	$t->wait_job('j', 'incremental');
	$t->equal('j', 'equal when there is room again');
}
$t->stop_job('j');
$t->clean('nothing is left behind');
$t->finish;
done_testing;
