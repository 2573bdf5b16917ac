# Commands that change the schema, in order with the data: each class of them, once with the statement way and once by what the
# objects were and are.
use strict;
use warnings;
use DtsTest;
use Test::More;

my $t = DtsTest->new;
$t->{$_}->safe_psql('postgres', 'CREATE ROLE plain; CREATE ROLE other; CREATE ROLE reader') for qw(source target);
my $base = <<'SQL';
GRANT CREATE ON SCHEMA public TO plain;
CREATE TABLE t (id serial PRIMARY KEY, v text);
INSERT INTO t (v) SELECT 'v' || i FROM generate_series(1, 500) i;
CREATE TABLE keyless (a int, b text);
ALTER TABLE keyless REPLICA IDENTITY FULL;
INSERT INTO keyless SELECT i % 5, 'x' FROM generate_series(1, 50) i;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE part (r int, id int, PRIMARY KEY (r, id)) PARTITION BY RANGE (r);
CREATE TABLE part_0 PARTITION OF part FOR VALUES FROM (0) TO (10);
INSERT INTO part SELECT i % 10, i FROM generate_series(1, 100) i;
SQL

# Every line is a string of its own; they are compared after each group.
my @groups = (
	[ 'tables and columns', <<'SQL' ],
CREATE TABLE n (id int PRIMARY KEY, v text DEFAULT 'd', CHECK (id > 0));
INSERT INTO n SELECT i FROM generate_series(1, 100) i;
ALTER TABLE t ADD w int;
UPDATE t SET w = id WHERE id % 7 = 0;
BEGIN; INSERT INTO t (v, w) VALUES ('before', 1); ALTER TABLE t ADD x date DEFAULT '2001-02-03'; INSERT INTO t (v, w, x) VALUES ('between', 2, '2002-01-01'); ALTER TABLE t DROP w; INSERT INTO t (v) VALUES ('after'); COMMIT;
ALTER TABLE t RENAME v TO vv; UPDATE t SET vv = vv || '!' WHERE id < 10;
ALTER TABLE t ALTER vv SET NOT NULL, ALTER vv SET DEFAULT 'none'; INSERT INTO t DEFAULT VALUES;
ALTER TABLE t RENAME TO t2; INSERT INTO t2 (vv) VALUES ('renamed'); ALTER TABLE t2 RENAME TO t; DELETE FROM t WHERE id = 3;
ALTER TABLE keyless ADD c int DEFAULT 7; UPDATE keyless SET c = 8 WHERE ctid = (SELECT min(ctid) FROM keyless);
DROP TABLE n;
CREATE TABLE n (other text PRIMARY KEY); INSERT INTO n VALUES ('another n');
ALTER TABLE n SET (fillfactor = 70);
ALTER TABLE n OWNER TO plain;
COMMENT ON TABLE n IS 'commented'; COMMENT ON COLUMN n.other IS 'a column';
GRANT SELECT, UPDATE ON n TO reader; REVOKE UPDATE ON n FROM reader; GRANT SELECT (vv) ON t TO reader;
SQL
	[ 'constraints, indexes, triggers', <<'SQL' ],
ALTER TABLE t ADD CONSTRAINT vv_long CHECK (length(vv) > 0) NOT VALID;
ALTER TABLE t VALIDATE CONSTRAINT vv_long;
CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t (id)); INSERT INTO child SELECT id, id FROM t WHERE id < 100;
CREATE INDEX t_vv ON t (vv) WHERE id > 5;
CREATE INDEX CONCURRENTLY t_lower ON t (lower(vv));
DROP INDEX CONCURRENTLY t_vv;
CREATE UNIQUE INDEX t_u ON t (id, vv); ALTER TABLE t ADD CONSTRAINT t_uniq UNIQUE USING INDEX t_u;
ALTER TABLE t CLUSTER ON t_pkey; REINDEX TABLE t; VACUUM FULL t; CLUSTER t; UPDATE t SET vv = vv || '.' WHERE id = 50;
ALTER TABLE child DROP CONSTRAINT child_t_fkey;
CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.vv := NEW.vv || ''+''; RETURN NEW; END';
CREATE TRIGGER bump BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION bump(); UPDATE t SET vv = 'x' WHERE id = 60;
ALTER TABLE t DISABLE TRIGGER bump;
CREATE RULE r AS ON DELETE TO child WHERE OLD.id = -1 DO INSTEAD NOTHING;
CREATE POLICY p ON t FOR SELECT TO reader USING (id > 10); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
SQL
	[ 'schemas, sequences, views, functions, types', <<'SQL' ],
CREATE SCHEMA s; CREATE TABLE s.a (id int PRIMARY KEY); INSERT INTO s.a VALUES (1);
ALTER SCHEMA s RENAME TO s2; INSERT INTO s2.a VALUES (2);
BEGIN; ALTER SCHEMA s2 RENAME TO s3; CREATE SCHEMA s2; CREATE TABLE s2.a (other int PRIMARY KEY); INSERT INTO s2.a VALUES (9); INSERT INTO s3.a VALUES (3); COMMIT;
ALTER TABLE s3.a SET SCHEMA public; INSERT INTO a VALUES (4);
CREATE SEQUENCE sq INCREMENT 5; ALTER SEQUENCE sq OWNED BY t.id; ALTER SEQUENCE sq MAXVALUE 1000;
CREATE VIEW vw AS SELECT id, vv FROM t; CREATE OR REPLACE VIEW vw AS SELECT id, vv, 1 AS one FROM t; ALTER VIEW vw RENAME TO vw2;
CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1';
CREATE FUNCTION mood_number(mood) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE PROCEDURE pr() LANGUAGE plpgsql AS 'BEGIN NULL; END'; GRANT EXECUTE ON PROCEDURE pr() TO reader;
CREATE DOMAIN dom AS int CHECK (VALUE > 0); CREATE TYPE comp AS (a int, b text); ALTER TYPE comp ADD ATTRIBUTE c int;
ALTER TYPE mood ADD VALUE 'happy' AFTER 'ok'; CREATE TABLE moods (id int PRIMARY KEY, m mood, d dom, c comp);
INSERT INTO moods VALUES (1, 'happy', 5, (1, 'x', 2)); ALTER TYPE mood ADD VALUE 'so so' BEFORE 'ok';
INSERT INTO moods VALUES (2, 'so so', 6, NULL); ALTER TYPE mood RENAME VALUE 'so so' TO 'meh'; UPDATE moods SET d = 7 WHERE id = 2;
BEGIN; CREATE TYPE fresh AS ENUM ('a'); ALTER TYPE fresh ADD VALUE 'b'; CREATE TABLE freshes (id int PRIMARY KEY, f fresh DEFAULT 'a'); INSERT INTO freshes VALUES (1, 'a'); COMMIT; INSERT INTO freshes VALUES (2, 'b');
DROP SCHEMA s3 CASCADE; DROP SCHEMA s2 CASCADE; DROP FUNCTION f(int);
SQL
	[ 'transactions, functions, several commands in one string', <<'SQL' ],
DO $$ BEGIN CREATE TABLE in_do (id serial PRIMARY KEY, a int REFERENCES in_do); INSERT INTO in_do (a) VALUES (NULL), (1); ALTER TABLE in_do ADD b int DEFAULT 3; INSERT INTO in_do (a, b) VALUES (2, 4); CREATE INDEX ON in_do (b); GRANT SELECT ON in_do TO reader; END $$;
CREATE FUNCTION maker(name text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, v text)', name); EXECUTE format('INSERT INTO %I VALUES (1, $1)', name) USING name; END $$;
SELECT maker('made'); SELECT maker('made "too"');
CREATE PROCEDURE steps() LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE step1 (id int PRIMARY KEY); INSERT INTO step1 VALUES (1); COMMIT; ALTER TABLE step1 ADD v text DEFAULT 'x'; INSERT INTO step1 VALUES (2, 'y'); ROLLBACK; INSERT INTO step1 VALUES (3); COMMIT; END $$;
CALL steps();
BEGIN; SAVEPOINT a; CREATE TABLE undone (id int PRIMARY KEY); INSERT INTO undone VALUES (1); ALTER TABLE t ADD undone int; ROLLBACK TO a; CREATE TABLE done (id int PRIMARY KEY); INSERT INTO done VALUES (1); SAVEPOINT b; DROP TABLE done; ROLLBACK TO b; INSERT INTO done VALUES (2); COMMIT;
BEGIN; CREATE TABLE rolled_back (id int); DROP TABLE keyless; ROLLBACK;
CREATE TABLE one (a int PRIMARY KEY); CREATE TABLE two (b text PRIMARY KEY); INSERT INTO one VALUES (1); INSERT INTO two VALUES ('2');
BEGIN; ALTER TABLE one RENAME TO three; ALTER TABLE two RENAME TO one; ALTER TABLE three RENAME TO two; INSERT INTO one VALUES ('now text'); INSERT INTO two VALUES (42); COMMIT;
BEGIN; DROP TABLE one; CREATE TABLE one (other int PRIMARY KEY, z text); INSERT INTO one VALUES (1, 'z'); COMMIT;
CREATE TEMP TABLE tmp (id int); INSERT INTO tmp VALUES (1); ALTER TABLE tmp ADD v int; DROP TABLE tmp;
SET session_replication_role = replica; ALTER TABLE two ADD as_replica int DEFAULT 5; RESET session_replication_role;
SET search_path = s9, public; CREATE SCHEMA s9; CREATE TABLE there (id int PRIMARY KEY); ALTER TABLE there ADD v int; INSERT INTO there VALUES (1, 1);
SET ROLE plain; CREATE TABLE of_plain (id int PRIMARY KEY); ALTER TABLE of_plain ADD CHECK (id > 0); INSERT INTO of_plain VALUES (1); RESET ROLE;
TRUNCATE two; INSERT INTO two VALUES (5, 5);
CREATE TABLE multi (id int PRIMARY KEY)\; INSERT INTO multi VALUES (1)\; ALTER TABLE multi ADD v text DEFAULT 'm'\; INSERT INTO multi VALUES (2)\; CREATE INDEX ON multi (v);
SQL
	[ 'rows that a command writes', <<'SQL' ],
CREATE TABLE ctas AS SELECT i AS id, 'v' || i AS v FROM generate_series(1, 1000) i; ALTER TABLE ctas ADD PRIMARY KEY (id); UPDATE ctas SET v = 'u' WHERE id < 5;
SELECT id, vv INTO into_t FROM t WHERE id < 100; ALTER TABLE into_t REPLICA IDENTITY FULL; UPDATE into_t SET vv = 'u' WHERE id < 5;
BEGIN; ALTER TABLE ctas RENAME TO ctas_old; CREATE TABLE ctas AS SELECT id FROM ctas_old WHERE id < 10; INSERT INTO ctas VALUES (77); INSERT INTO ctas_old VALUES (5000, 'x'); COMMIT;
DO $$ BEGIN CREATE TABLE ctas_do AS SELECT 1 AS a, 'x'::text AS b; INSERT INTO ctas_do VALUES (2, 'y'); END $$;
ALTER TABLE t ADD rnd float DEFAULT random(); CREATE TABLE dated (id int PRIMARY KEY); INSERT INTO dated SELECT i FROM generate_series(1, 50) i; ALTER TABLE dated ADD since timestamptz DEFAULT now(); INSERT INTO dated VALUES (100);
ALTER TABLE keyless ADD u uuid DEFAULT gen_random_uuid(), ADD q bigserial;
BEGIN; INSERT INTO t (vv) VALUES ('before'); ALTER TABLE t ADD at timestamptz DEFAULT clock_timestamp(); INSERT INTO t (vv) VALUES ('after'); COMMIT;
ALTER TABLE t ALTER rnd TYPE text USING 'r' || round(rnd::numeric, 3);
DROP VIEW vw2; DROP STATISTICS IF EXISTS st; ALTER TABLE t ALTER vv TYPE text USING vv || '?';
ALTER TABLE t ALTER vv TYPE varchar(100); ALTER TABLE ctas_old ALTER id TYPE bigint;
ALTER TABLE keyless DROP COLUMN c, ADD c2 float DEFAULT random();
CREATE MATERIALIZED VIEW mv AS SELECT count(*) AS n FROM t; INSERT INTO t (vv) VALUES ('one more'); REFRESH MATERIALIZED VIEW mv;
CREATE UNLOGGED TABLE ul (id int PRIMARY KEY, v text); INSERT INTO ul SELECT i, 'u' FROM generate_series(1, 300) i; ALTER TABLE ul SET LOGGED; UPDATE ul SET v = 'logged' WHERE id < 10;
SQL
	[ 'objects that only their text can follow (statement way alone)', <<'SQL' ],
CREATE STATISTICS st ON id, vv FROM t; ALTER STATISTICS st SET STATISTICS 50;
CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0'); CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE COLLATION coll FROM "C"; CREATE TEXT SEARCH CONFIGURATION cfg (COPY = simple); CREATE CAST (mood AS int) WITH FUNCTION mood_number(mood);
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader; CREATE TABLE by_default (id int PRIMARY KEY);
SQL
	[ 'partitions', <<'SQL' ],
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (10) TO (20); INSERT INTO part VALUES (11, 1), (12, 2);
CREATE TABLE loose (r int, id int, PRIMARY KEY (r, id)); INSERT INTO loose VALUES (25, 1), (26, 2); ALTER TABLE part ATTACH PARTITION loose FOR VALUES FROM (20) TO (30); INSERT INTO part VALUES (27, 3);
ALTER TABLE part DETACH PARTITION part_1; INSERT INTO part_1 VALUES (500, 500);
ALTER TABLE part DETACH PARTITION part_0 CONCURRENTLY; DELETE FROM part_0 WHERE r = 1;
ALTER TABLE part ADD extra text DEFAULT 'e'; UPDATE part SET extra = 'f' WHERE r > 25;
CREATE INDEX ON part (id); ALTER TABLE part ALTER id TYPE bigint; INSERT INTO part VALUES (22, 22);
DROP TABLE loose;
SQL
);

for my $way ('', 'state')
{
	my $name = $way ? 'by_state' : 'by_statement';
	my $daemon = $t->start_daemon(env => $way ? { DTS_DDL_BY_STATE => 1 } : {});
	$t->database($name);
	$t->sql_source($base);
	$t->run_job($name);
	for my $group (@groups)
	{
		my ($title, $lines) = @$group;
		next if $way && $title =~ /statement way alone/;
		next if $ENV{DTS_ONLY} && $title !~ /$ENV{DTS_ONLY}/ && !$ENV{DTS_UNTIL};
		$lines =~ s/(DETACH PARTITION \w+) CONCURRENTLY/$1/ if $t->version('source') < 14;
		$t->sql_source($_) for split /\n/, $lines;
		last if !$t->equal($name, "$name: $title", '--schema');
	}
	is($t->state($name), 'running', "$name: the job runs on");
	$t->wait_for('the queue to be trimmed', sub { $t->sql_source('SELECT count(*) FROM public.dts_ddl_command') eq '0' }) if !$way && $t->state($name) eq 'running';
	$t->stop_job($name);
	$t->clean("$name: nothing is left behind");
	$daemon->stop;
}
done_testing;
