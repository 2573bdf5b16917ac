# What rows go through: unchanged large values, duplicates without a key, partitions, truncation, savepoints, two-phase
# commit, and transactions that were open when the slot was created.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->sql_source(<<'SQL');
CREATE TABLE toast (id int PRIMARY KEY, n int, doc text, comp text, bin bytea);
ALTER TABLE toast ALTER doc SET STORAGE EXTERNAL;
INSERT INTO toast SELECT i, 0, repeat(md5(i::text), 200), repeat('c', 20000), decode(repeat(md5(i::text), 100), 'hex') FROM generate_series(1, 50) i;
CREATE TABLE toast_key (k text PRIMARY KEY, n int);
ALTER TABLE toast_key ALTER k SET STORAGE EXTERNAL;
INSERT INTO toast_key SELECT repeat(chr(96 + i), 2500), i FROM generate_series(1, 5) i;
CREATE TABLE toast_full (n int, doc text);
ALTER TABLE toast_full ALTER doc SET STORAGE EXTERNAL;
ALTER TABLE toast_full REPLICA IDENTITY FULL;
INSERT INTO toast_full SELECT i % 3, repeat(md5((i % 3)::text), 200) FROM generate_series(1, 9) i;
CREATE TABLE bag (a int, b text, j json, p point, f float8);
ALTER TABLE bag REPLICA IDENTITY FULL;
INSERT INTO bag SELECT i % 4, CASE WHEN i % 4 > 0 THEN 'b' END, '{"a":1}', '(1,2)', 'NaN' FROM generate_series(1, 40) i;
CREATE TABLE part (r int, id int, v text) PARTITION BY RANGE (r);
CREATE TABLE part_a PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_b (v text, id int, r int);
ALTER TABLE part ATTACH PARTITION part_b FOR VALUES FROM (10) TO (20);
CREATE TABLE part_rest PARTITION OF part DEFAULT;
ALTER TABLE part ADD PRIMARY KEY (r, id);
INSERT INTO part SELECT i % 30, i, 'v' FROM generate_series(1, 300) i;
CREATE TABLE parent (id int PRIMARY KEY, v text);
CREATE TABLE heir (extra int, PRIMARY KEY (id)) INHERITS (parent);
INSERT INTO parent VALUES (1, 'p'); INSERT INTO heir VALUES (2, 'h', 3);
CREATE TABLE cut (id int PRIMARY KEY);
CREATE TABLE cut_child (id int PRIMARY KEY, cut int REFERENCES cut);
INSERT INTO cut SELECT generate_series(1, 100); INSERT INTO cut_child SELECT i, i FROM generate_series(1, 100) i;
CREATE TABLE save (id int PRIMARY KEY, v text);
CREATE TABLE shift (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, u int UNIQUE);
ALTER TABLE shift REPLICA IDENTITY FULL;
INSERT INTO shift SELECT i, i FROM generate_series(1, 50) i;
CREATE TABLE swap (id int PRIMARY KEY, u int UNIQUE DEFERRABLE INITIALLY DEFERRED, w int UNIQUE);
INSERT INTO swap SELECT i, i, i FROM generate_series(1, 50) i;
CREATE TABLE open_at_start (id int PRIMARY KEY, v text);
CREATE TABLE gen (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a + 1) STORED);
INSERT INTO gen (a) SELECT generate_series(1, 20);
CREATE TABLE wide_pk (a int, b text, c date, v int, PRIMARY KEY (c, a, b));
INSERT INTO wide_pk SELECT i, 'b' || i, date '2001-01-01' + i, 0 FROM generate_series(1, 20) i;
CREATE TABLE fast_default (id int PRIMARY KEY);
INSERT INTO fast_default SELECT generate_series(1, 10);
ALTER TABLE fast_default ADD d text DEFAULT 'added later', ADD e int DEFAULT 7;
CREATE TABLE trg (id int PRIMARY KEY, seen int DEFAULT 0);
CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.seen := NEW.seen + 1; RETURN NEW; END';
CREATE TRIGGER bump BEFORE INSERT OR UPDATE ON trg FOR EACH ROW EXECUTE FUNCTION bump();
INSERT INTO trg SELECT generate_series(1, 5);
SQL
$t->start_daemon;
# Open before the slot: one that commits while the slot is made, one prepared, one that rolls back.
my @open = map { $t->session('source') } 1 .. 3;
$open[0]->do("BEGIN; INSERT INTO open_at_start SELECT i, 'open' FROM generate_series(1, 100) i");
$open[1]->do("BEGIN; INSERT INTO open_at_start SELECT i, 'prepared' FROM generate_series(101, 200) i; PREPARE TRANSACTION 'before'");
$open[2]->do("BEGIN; INSERT INTO open_at_start SELECT i, 'undone' FROM generate_series(201, 300) i");
$t->create_job('j', options => { workers => 2 });
# Open and prepared transactions are worth a warning, not a failure.
$t->check_job('j');
$t->start_job('j');
$t->wait_for('the slot to be waited for', sub { $t->sql_source('SELECT count(*) FROM pg_replication_slots') > 0 });
is($t->state('j'), 'starting', 'the slot waits for the transactions that are open');
my $younger = $t->session('source');
my $xid = $younger->do("BEGIN; INSERT INTO open_at_start SELECT i, 'younger' FROM generate_series(301, 400) i; SELECT pg_current_xact_id()");
$open[0]->do("INSERT INTO open_at_start VALUES (1001, 'late'); COMMIT");
$open[1]->do("COMMIT PREPARED 'before'");
$open[2]->do('ROLLBACK');
$t->wait_for('the slot to wait for the younger one, too', sub { $t->sql_source("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid' AND transactionid::text = '$xid'") > 0 });
$younger->do("UPDATE open_at_start SET v = v || '!' WHERE id = 301; COMMIT");
$t->wait_job('j', 'incremental');
$t->equal('j', 'transactions open at the creation of the slot are neither lost nor doubled', '--schema');
is($t->sql_target('SELECT count(*) FROM open_at_start'), '301', 'as counted');

my %cases = (
	'unchanged large values stay' => "UPDATE toast SET n = n + 1; UPDATE toast SET doc = doc || 'x' WHERE id = 1; UPDATE toast SET id = id + 100 WHERE id < 5; UPDATE toast SET n = 2, comp = NULL WHERE id = 7; DELETE FROM toast WHERE id = 9; BEGIN; UPDATE toast SET n = 5 WHERE id = 10; UPDATE toast SET doc = 'short' WHERE id = 10; UPDATE toast SET n = 6 WHERE id = 10; COMMIT; BEGIN; INSERT INTO toast SELECT 900, 1, repeat('zq', 5000), 'c', '' ; UPDATE toast SET n = 2 WHERE id = 900; COMMIT",
	'large values as keys and in old rows' => "UPDATE toast_key SET n = n + 1; UPDATE toast_key SET k = repeat('zz', 1200) WHERE n = 2; DELETE FROM toast_key WHERE n = 4; UPDATE toast_full SET n = n + 10 WHERE ctid = '(0,1)'; UPDATE toast_full SET doc = 'x' WHERE n = 1 AND ctid = (SELECT min(ctid) FROM toast_full WHERE n = 1); DELETE FROM toast_full WHERE ctid = (SELECT max(ctid) FROM toast_full)",
	'one of many duplicates goes' => "DELETE FROM bag WHERE ctid = (SELECT min(ctid) FROM bag WHERE a = 1); DELETE FROM bag WHERE ctid = (SELECT min(ctid) FROM bag WHERE a = 0); UPDATE bag SET b = 'changed' WHERE ctid = (SELECT min(ctid) FROM bag WHERE a = 2); UPDATE bag SET f = -0.0 WHERE ctid = (SELECT max(ctid) FROM bag WHERE a = 3); INSERT INTO bag SELECT * FROM bag WHERE a = 2; DELETE FROM bag WHERE ctid IN (SELECT ctid FROM bag WHERE a = 0 LIMIT 3)",
	'rows move between partitions' => "UPDATE part SET r = r + 10 WHERE id % 3 = 0; UPDATE part SET r = r - 10 WHERE r >= 20 AND id % 2 = 0; UPDATE part SET v = 'w' WHERE r = 5; DELETE FROM part WHERE id > 290; INSERT INTO part VALUES (15, 1000, 'n'), (99, 1000, 'n'); UPDATE part SET r = 100, id = id + 5000 WHERE r = 15",
	'inheritance' => "UPDATE parent SET v = v || '!' ; INSERT INTO heir VALUES (3, 'h', 4); DELETE FROM parent WHERE id = 2",
	'truncate' => "TRUNCATE cut CASCADE; INSERT INTO cut SELECT generate_series(1, 7); BEGIN; INSERT INTO cut VALUES (50); TRUNCATE cut, cut_child; INSERT INTO cut VALUES (51); COMMIT; BEGIN; TRUNCATE save; ROLLBACK; TRUNCATE part_a; TRUNCATE parent",
	'savepoints' => "BEGIN; INSERT INTO save VALUES (1, 'a'); SAVEPOINT x; INSERT INTO save VALUES (2, 'b'); SAVEPOINT y; INSERT INTO save VALUES (3, 'c'); ROLLBACK TO x; INSERT INTO save VALUES (4, 'd'); RELEASE x; COMMIT; BEGIN; SAVEPOINT z; INSERT INTO save VALUES (5, 'e'); ROLLBACK; DO \$\$ BEGIN FOR i IN 10 .. 400 LOOP BEGIN INSERT INTO save VALUES (i, 'loop'); IF i % 3 = 0 THEN RAISE EXCEPTION 'x'; END IF; EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END \$\$",
	'two-phase commit' => "BEGIN; INSERT INTO save VALUES (1001, 'p'); PREPARE TRANSACTION 'a'; BEGIN; INSERT INTO save VALUES (1002, 'q'); PREPARE TRANSACTION 'b'; INSERT INTO save VALUES (1003, 'between'); COMMIT PREPARED 'a'; ROLLBACK PREPARED 'b'",
	'keys that shift and change places' => "UPDATE shift SET id = id + 1, u = u + 1000; UPDATE swap SET id = id + 1000; UPDATE swap SET u = 51 - u; BEGIN; UPDATE swap SET w = -1 WHERE id = 1001; UPDATE swap SET w = 1 WHERE id = 1002; UPDATE swap SET w = 2 WHERE id = 1001; COMMIT; BEGIN; DELETE FROM swap WHERE id = 1005; INSERT INTO swap VALUES (2000, (SELECT 60), 5); COMMIT; BEGIN; DELETE FROM swap WHERE id = 2000; INSERT INTO swap VALUES (2000, 61, 5); DELETE FROM swap WHERE id = 2000; INSERT INTO swap VALUES (2000, 62, 5); COMMIT",
	'generated and identity columns' => "INSERT INTO gen (a) VALUES (100); UPDATE gen SET a = a * 2 WHERE id < 5; DELETE FROM gen WHERE id = 6; INSERT INTO gen OVERRIDING SYSTEM VALUE VALUES (500, 5)",
	'composite keys in another order' => "UPDATE wide_pk SET v = 1 WHERE a < 5; UPDATE wide_pk SET b = 'new' WHERE a = 7; DELETE FROM wide_pk WHERE a = 8",
	'columns added with a default' => "UPDATE fast_default SET e = 8 WHERE id = 2; INSERT INTO fast_default (id) VALUES (11); DELETE FROM fast_default WHERE id = 3",
	'triggers of the target do not fire' => "UPDATE trg SET id = id + 10; INSERT INTO trg VALUES (1, 41)");
for my $case (sort keys %cases)
{
	$t->sql_source($cases{$case});
	$t->equal('j', $case);
}
$t->stop_job('j');
$t->clean('nothing is left behind');
done_testing;
