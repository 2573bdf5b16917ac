# Schemas, tables and columns have other names on the target: in the schema, the copy and the stream.
#
# What is right is what PostgreSQL itself makes of the source's dump after ALTER ... RENAME.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->sql_source(<<'SQL');
CREATE ROLE reader;
CREATE SCHEMA app;
CREATE SCHEMA ref;
CREATE SCHEMA other;
CREATE TYPE app.mood AS ENUM ('sad', 'ok');
CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
CREATE SEQUENCE app.numbers START 7;
CREATE FUNCTION app.shout(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper($1) $$;
CREATE TABLE app.t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text NOT NULL DEFAULT 'x', w text,
	n int DEFAULT nextval('app.numbers'), m app.mood, p app.positive, CONSTRAINT differ CHECK (v <> w),
	g text GENERATED ALWAYS AS (v || '!') STORED);
CREATE INDEX t_expr ON app.t (app.shout(v), n) WHERE w > 'a';
CREATE UNIQUE INDEX t_vw ON app.t (v, w);
CREATE STATISTICS app.t_stat ON v, n FROM app.t;
COMMENT ON TABLE app.t IS 'the table';
COMMENT ON COLUMN app.t.v IS 'the column';
COMMENT ON CONSTRAINT differ ON app.t IS 'the constraint';
GRANT USAGE ON SCHEMA app TO reader;
GRANT SELECT (v, n), INSERT ON app.t TO reader;
CREATE TABLE app.child (id serial PRIMARY KEY, t_id bigint REFERENCES app.t (id), v text);
CREATE TABLE app.part (a int, b text, PRIMARY KEY (a)) PARTITION BY RANGE (a);
CREATE TABLE app.part_1 PARTITION OF app.part FOR VALUES FROM (0) TO (1000);
CREATE TABLE app.part_2 PARTITION OF app.part FOR VALUES FROM (1000) TO (2000);
CREATE INDEX part_b ON app.part (b);
CREATE TABLE ref.r (id int PRIMARY KEY, v text UNIQUE);
ALTER TABLE ref.r REPLICA IDENTITY FULL;
CREATE TABLE other.o (id int PRIMARY KEY, r int REFERENCES ref.r);
CREATE VIEW app.see AS SELECT t.id, t.v, c.v AS child FROM app.t JOIN app.child c ON c.t_id = t.id WHERE t.w IS NOT NULL;
CREATE VIEW other.sees AS SELECT v, n + 1 AS n FROM app.t;
CREATE MATERIALIZED VIEW app.kept AS SELECT v, count(*) AS n FROM app.t GROUP BY v;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE OF v ON app.t FOR EACH ROW WHEN (old.v <> new.v) EXECUTE FUNCTION app.touch();
ALTER TABLE app.t ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON app.t FOR SELECT TO reader USING (v = (SELECT r.v FROM ref.r WHERE r.id = t.n));
CREATE RULE logged AS ON DELETE TO app.child DO ALSO NOTIFY gone;
INSERT INTO app.t (v, w, m, p) SELECT 'v' || i, 'w' || i, 'ok', i FROM generate_series(1, 500) i;
INSERT INTO app.child (t_id, v) SELECT i, 'c' || i FROM generate_series(1, 300) i;
INSERT INTO app.part SELECT i, 'p' || i FROM generate_series(0, 1999) i;
INSERT INTO ref.r SELECT i, 'r' || i FROM generate_series(1, 100) i;
INSERT INTO other.o SELECT i, i FROM generate_series(1, 50) i;
REFRESH MATERIALIZED VIEW app.kept;
SQL
$t->_sql('target', 'postgres', 'CREATE ROLE reader');
my $objects = [
	{ schema => 'app', rename => 'App 2', tables => [
		{ name => 't', rename => 't two', columns => [ 'id', { name => 'v', rename => 'w' }, { name => 'w', rename => 'v' }, { name => 'n', rename => 'number' }, 'm', 'p', 'g' ] },
		{ name => 'child', rename => 'part' }, { name => 'part', rename => 'child', columns => [ { name => 'a', rename => 'b' }, { name => 'b', rename => 'a' } ] },
		'see', { name => 'kept', rename => 'holds' } ] },
	{ schema => 'ref', rename => 'app' },
	{ schema => 'other' } ];
my $renames = <<'SQL';
ALTER TABLE app.t RENAME TO "t two";
ALTER TABLE app."t two" RENAME v TO x; ALTER TABLE app."t two" RENAME w TO v; ALTER TABLE app."t two" RENAME x TO w;
ALTER TABLE app."t two" RENAME n TO number;
ALTER TABLE app.child RENAME TO x; ALTER TABLE app.part RENAME TO child; ALTER TABLE app.x RENAME TO part;
ALTER TABLE app.child RENAME a TO x; ALTER TABLE app.child RENAME b TO a; ALTER TABLE app.child RENAME x TO b;
ALTER MATERIALIZED VIEW app.kept RENAME TO holds;
ALTER SCHEMA app RENAME TO "App 2";
ALTER SCHEMA ref RENAME TO app;
SQL

sub expected
{
	my ($name) = @_;
	$t->_sql('target', 'postgres', "DROP DATABASE IF EXISTS $name");
	$t->_sql('target', 'postgres', "CREATE DATABASE $name");
	my ($from, $to) = ($t->conninfo('source'), $t->conninfo('target', $name));
	my $out = `pg_dump -N dts -T 'public.dts_*' -d '$from' | grep -v -E 'EVENT TRIGGER|EXECUTE FUNCTION dts' | psql -Xq -d '$to' 2>&1 >/dev/null`;
	$t->_sql('target', $name, $renames);
	return $to;
}
sub same
{
	my ($what, $expected) = @_;
	$t->caught_up('j');
	my $to = $t->conninfo('target');
	my $out = `perl $ENV{DTS_TMP}/tests/compare/dts_compare --schema --any-not-null-names '$expected' '$to' 2>&1`;
	ok($? == 0, $what) or diag($out);
	return;
}

$t->start_daemon;
$t->create_job('j', options => { workers => 2, objects => $objects });
$t->check_job('j');
is($t->sql_ctl("SELECT result FROM dts_check_results('j') WHERE item = 'mapping'"), 'pass', 'the precheck looks at the mapping');
$t->start_job('j');
$t->wait_job('j', 'incremental');
same('schema and copy', expected('expected'));

$t->sql_source(<<'SQL');
INSERT INTO app.t (v, w, m) SELECT 'n' || i, 'm' || i, 'sad' FROM generate_series(1, 200) i;
UPDATE app.t SET v = w || 'u', w = v WHERE id % 3 = 0;
DELETE FROM app.child WHERE id % 4 = 0;
UPDATE app.part SET a = a + 1000, b = b || 'moved' WHERE a BETWEEN 0 AND 9 AND false;
UPDATE app.part SET b = b || 'u' WHERE a % 5 = 0;
DELETE FROM app.part WHERE a % 7 = 0;
TRUNCATE other.o;
UPDATE ref.r SET v = v || 'u' WHERE id < 50;
INSERT INTO ref.r VALUES (1000, 'new');
BEGIN;
UPDATE app.t SET v = v || 'w';
UPDATE app.t SET m = 'ok' WHERE m IS NULL;
COMMIT;
SQL
$t->caught_up('j');
my $sum = sub { my ($end, $sql) = @_; my $q = "SELECT md5(string_agg(x::text, ',' ORDER BY x::text)) FROM ($sql) x"; return $end eq 'source' ? $t->sql_source($q) : $t->sql_target($q); };
for (
	[ 'SELECT id, v, w, n, m, p, g FROM app.t', 'SELECT id, w, v, number, m, p, g FROM "App 2"."t two"' ],
	[ 'SELECT * FROM app.child', 'SELECT * FROM "App 2".part' ],
	[ 'SELECT a, b FROM app.part', 'SELECT b, a FROM "App 2".child' ],
	[ 'SELECT * FROM ref.r', 'SELECT * FROM app.r' ],
	[ 'SELECT * FROM other.o', 'SELECT * FROM other.o' ])
{
	my ($from, $to) = @$_;
	is($sum->('target', $to), $sum->('source', $from), "the stream: $to");
}

# Commands of the source, with rows around them.
$t->sql_source(<<'SQL2');
BEGIN;
INSERT INTO app.child (v) VALUES ('before');
ALTER TABLE app.child ADD COLUMN more text DEFAULT 'more', ALTER v SET NOT NULL;
INSERT INTO app.child (v, more) VALUES ('after', 'given');
COMMIT;
CREATE INDEX child_more ON app.child (more, app.shout(v));
ALTER TABLE app.t ALTER v SET DEFAULT 'y', DROP CONSTRAINT differ;
COMMENT ON COLUMN app.t.w IS 'changed';
CREATE TABLE ref.more (id int PRIMARY KEY, r int REFERENCES ref.r, v text);
INSERT INTO ref.more VALUES (1, 1, 'x');
ALTER TABLE ref.more RENAME v TO vv;
UPDATE ref.more SET vv = 'y';
CREATE VIEW ref.seen AS SELECT m.vv, t.v FROM ref.more m JOIN app.t ON t.id = m.id;
CREATE INDEX gone ON ref.more (vv);
DROP INDEX ref.gone;
DROP VIEW other.sees;
SQL2
$t->caught_up('j');
$t->sql_target('REFRESH MATERIALIZED VIEW "App 2".holds');
same('commands of the source', expected('expected2'));
# Partitions of a table whose columns have other names: made, attached, detached, with rows and commands of their own; and a
# type that changes under a foreign key of another name.
$t->sql_source($_) for split /\n/, <<'SQL3';
DROP INDEX app.part_b; CREATE INDEX part_1_ab ON app.part_1 (a, b) WHERE b > 'c'; ALTER TABLE app.part_1 ADD CONSTRAINT own CHECK (a < 10000);
CREATE TABLE app.part_3 PARTITION OF app.part FOR VALUES FROM (2000) TO (3000); INSERT INTO app.part SELECT i, 'new' || i FROM generate_series(2000, 2100) i;
CREATE TABLE ref.loose (b text, a int PRIMARY KEY); INSERT INTO ref.loose SELECT 'l' || i, 3000 + i FROM generate_series(1, 100) i;
BEGIN; UPDATE ref.loose SET b = b || 'u'; ALTER TABLE app.part ATTACH PARTITION ref.loose FOR VALUES FROM (3000) TO (4000); INSERT INTO app.part VALUES (3900, 'attached'); COMMIT;
UPDATE app.part SET b = b || 'x' WHERE a > 2050; DELETE FROM app.part WHERE a = 3001; ALTER TABLE ref.loose ALTER b SET DEFAULT 'loose';
BEGIN; INSERT INTO app.part VALUES (7, 'seven'); ALTER TABLE app.part DETACH PARTITION app.part_1; INSERT INTO app.part_1 VALUES (8000, 'detached'); COMMIT;
UPDATE app.part_1 SET b = b || 'd' WHERE a > 900; ALTER TABLE app.part_1 DROP CONSTRAINT own; ALTER TABLE app.part_1 ADD more int DEFAULT 3;
ALTER TABLE app.part ALTER b SET NOT NULL;
CREATE TABLE ref.up (id int PRIMARY KEY); CREATE TABLE ref.down (id int PRIMARY KEY, up int REFERENCES ref.up); INSERT INTO ref.up VALUES (1), (2); INSERT INTO ref.down VALUES (1, 1); ALTER TABLE ref.up ALTER id TYPE bigint; INSERT INTO ref.up VALUES (5000000000);
SQL3
same('partitions of a table whose columns have other names', expected('expected3'));
is($sum->('target', 'SELECT b, a FROM "App 2".child'), $sum->('source', 'SELECT a, b FROM app.part'), 'with their rows');
is($sum->('target', 'SELECT a, b, more FROM "App 2".part_1'), $sum->('source', 'SELECT a, b, more FROM app.part_1'), 'and those of the one that left');
is($sum->('target', 'SELECT id FROM app.up'), $sum->('source', 'SELECT id FROM ref.up'), 'a type changes under a foreign key');
$t->sql_source('TRUNCATE app.part_2');
$t->caught_up('j');
is($t->sql_target('SELECT count(*) FROM "App 2".part_2'), 0, 'truncate of a partition');
is($t->sql_ctl("SELECT string_agg(format('%s.%s=%s.%s', schema_name, table_name, target_schema, target_table), ' ' ORDER BY schema_name, table_name) FROM dts_job_tables WHERE job = 'j'"),
	'app.child=App 2.part app.part_1=App 2.part_1 app.part_2=App 2.part_2 app.t=App 2.t two other.o=other.o ref.r=app.r', 'dts_job_tables shows both names');
is($t->sql_target("SELECT target_schema || '.' || target_table FROM dts.target_table WHERE table_name = 't'"), 'App 2.t two', 'and the bookkeeping');
$t->sql_source(q{SELECT nextval('app.child_id_seq'); SELECT nextval('app.numbers')});

# A conflict names the table on both sides.
$t->sql_target('DELETE FROM app.r WHERE id = 7');
$t->sql_source("UPDATE ref.r SET v = 'conflict' WHERE id = 7");
$t->wait_state('j', 'error');
like($t->sql_ctl("SELECT error_message || error_context FROM dts.job WHERE name = 'j'"), qr/"ref"\."r".*"app"\."r" on the target/s, 'an error names both');
$t->sql_target("INSERT INTO app.r VALUES (7, 'r7u')");
$t->sql_ctl("SELECT dts_retry_job('j')");
$t->wait_job('j', 'incremental');
$t->caught_up('j');
is($t->sql_target('SELECT v FROM app.r WHERE id = 7'), 'conflict', 'and the job goes on');

# A table is loaded again, and one added, under their names on the target.
$t->sql_ctl("SELECT dts_reload_table('j', 'app.t')");
$t->wait_for('the load', sub { $t->sql_target("SELECT state = 'joined' AND copies = 2 FROM dts.target_table WHERE table_name = 't'") eq 't' });
is($sum->('target', 'SELECT id, w, v, number, m, p, g FROM "App 2"."t two"'), $sum->('source', 'SELECT id, v, w, n, m, p, g FROM app.t'), 'a reloaded table');
$t->stop_job('j');

# Existing tables, found by their names on the target.
$t->database('flat');
$t->sql_source("CREATE TABLE a (id int PRIMARY KEY, v text, big bigint); INSERT INTO a SELECT i, 'a' || i, i FROM generate_series(1, 1000) i");
my $flat = [ { schema => 'public', rename => 'into', tables => [ { name => 'a', rename => 'b', columns => [ { name => 'id', rename => 'key' }, 'v', 'big' ] } ] } ];
$t->create_job('k', options => { phases => [qw(full incremental)], objects => $flat });
eval { $t->check_job('k') };
like($t->sql_ctl("SELECT detail FROM dts_check_results('k') WHERE item = 'target_tables'"), qr/"into"\."b"/, 'a missing table has the name on the target');
$t->sql_target('CREATE SCHEMA "into"; CREATE TABLE "into".b (v text, big int, more text)');
eval { $t->check_job('k') };
like($t->sql_ctl("SELECT detail FROM dts_check_results('k') WHERE item = 'columns'"), qr/"?into"?\.b column key is missing/, 'so has a column');
$t->sql_target('ALTER TABLE "into".b ALTER big TYPE bigint, ADD key int PRIMARY KEY');
$t->check_job('k');
$t->start_job('k');
$t->wait_job('k', 'incremental');
$t->sql_source("UPDATE a SET v = v || 'u' WHERE id < 100; DELETE FROM a WHERE id > 900; UPDATE a SET id = id + 5000 WHERE id = 1");
$t->caught_up('k');
is($sum->('target', 'SELECT key, v, big FROM "into".b'), $sum->('source', 'SELECT id, v, big FROM a'), 'an existing table is filled and followed');
$t->stop_job('k');

# What cannot be.
$t->database('bad');
$t->sql_source('CREATE SCHEMA s; CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE s.a (id int PRIMARY KEY); CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p DEFAULT');
my $n = 0;
for (
	[ [ { schema => 'public' }, { schema => 's', rename => 'public' } ], qr/would both be "public"\."a"/ ],
	[ [ { schema => 'public', tables => [ { name => 'a', columns => [ 'id', 'v', 'nope' ] } ] } ], qr/has no column "nope"/ ],
	[ [ { schema => 'public', tables => [ { name => 'a', columns => ['v'] } ] } ], qr/column "id" of "public"\."a" is part of its key and is left out/ ],
	[ [ { schema => 'public', tables => [ 'p', { name => 'p1', columns => ['id'] } ] } ], qr/is a partition/ ])
{
	my ($bad, $message) = @$_;
	my $job = 'bad' . ++$n;
	$t->create_job($job, options => { objects => $bad });
	eval { $t->check_job($job) };
	like($t->sql_ctl("SELECT result || ' ' || detail FROM dts_check_results('$job') WHERE item = 'mapping'"), qr/^fail .*$message/s, "refused: $message");
}
done_testing;
