-- Which commands are written down: plain ones, in functions, in DO blocks, several in one string, undone ones.
\set top `echo $DTS_TOP`
\i :top/tests/sql/capture.sql

CREATE TABLE t (id serial PRIMARY KEY, v text UNIQUE);
ALTER TABLE t ADD w int DEFAULT 7 CHECK (w > 0);
CREATE INDEX t_w ON t (w);
CREATE VIEW v AS SELECT id, v FROM t;
CREATE SCHEMA s CREATE TABLE in_s (a int) CREATE VIEW in_v AS SELECT a FROM in_s;
COMMENT ON TABLE t IS 'a comment';
GRANT SELECT ON t TO PUBLIC;
:shown

-- within functions, procedures and DO blocks
DO $$ BEGIN CREATE TABLE in_do (a int); ALTER TABLE in_do ADD b int; END $$;
CREATE FUNCTION makes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE made (a int); RETURN 1; END $$;
CREATE TABLE of_query AS SELECT makes() AS a;
CREATE FUNCTION sql_makes() RETURNS void LANGUAGE sql AS 'CREATE TABLE sql_made (a int)';
SELECT sql_makes();
CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE p1 (a int); COMMIT; DROP TABLE p1; END $$;
CALL p();
:shown

-- several commands in one string, and rows between them
CREATE TABLE a (x int)\; INSERT INTO a VALUES (1)\; ALTER TABLE a RENAME x TO y;
SELECT query FROM public.dts_ddl_command;
:shown

-- what is rolled back leaves nothing
BEGIN;
CREATE TABLE kept (a int);
SAVEPOINT sp;
DROP TABLE kept;
CREATE TABLE undone (a int);
ROLLBACK TO sp;
ALTER TABLE kept ADD b int;
COMMIT;
BEGIN;
CREATE TABLE never (a int);
ROLLBACK;
:shown

-- names that change places
CREATE TABLE one (a int);
CREATE TABLE two (b int);
DELETE FROM public.dts_ddl_command;
BEGIN;
ALTER TABLE one RENAME TO three;
ALTER TABLE two RENAME TO one;
ALTER TABLE three RENAME TO two;
ALTER TABLE one RENAME b TO c;
COMMIT;
SELECT o.doc ->> 'oid' = '' || 'two'::regclass::oid AS is_two, o.doc #>> '{before,name}' AS before, o.doc #>> '{after,name}' AS after,
	o.doc #>> '{before,columns,0,name}' AS column_before, o.doc #>> '{after,columns,0,name}' AS column_after
	FROM public.dts_ddl_command c, jsonb_array_elements(objects) o(doc) ORDER BY c.id;
:shown

-- what is dropped along
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent);
CREATE VIEW on_parent AS SELECT * FROM parent;
DELETE FROM public.dts_ddl_command;
DROP TABLE parent CASCADE;
ALTER TABLE t DROP w;
DROP INDEX IF EXISTS no_such_index;
DROP SCHEMA s CASCADE;
:shown

-- temporary objects never; of an extension only itself
CREATE TEMP TABLE t (a int PRIMARY KEY, b serial);
ALTER TABLE pg_temp.t ADD c int DEFAULT random();
CREATE INDEX ON pg_temp.t (c);
CREATE TEMP VIEW tv AS SELECT * FROM pg_temp.t;
DROP TABLE pg_temp.t CASCADE;
CREATE TEMP TABLE tt AS SELECT 1;
SELECT 2 AS a INTO TEMP ti;
:shown
CREATE EXTENSION pg_trgm;
DROP EXTENSION pg_trgm;
:shown

-- tables rewritten; sessions that replicate; concurrent index builds
DROP VIEW v;
ALTER TABLE public.t ALTER id TYPE bigint;
ALTER TABLE public.t ADD r float DEFAULT random();
SET session_replication_role = replica;
CREATE TABLE replicated (a int);
RESET session_replication_role;
CREATE INDEX CONCURRENTLY t_id ON public.t (id);
DROP INDEX CONCURRENTLY t_id;
CREATE TABLE selected AS SELECT 1 AS a;
CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a;
REFRESH MATERIALIZED VIEW mv;
:shown

-- the mirror is what a new baseline would be
CREATE TABLE mirror AS SELECT 1::bigint AS class, oid::bigint, state FROM public.dts_pg_class UNION ALL SELECT 2, attrelid::bigint * 10000 + attnum, state FROM public.dts_pg_attribute
	UNION ALL SELECT 3, oid::bigint, state FROM public.dts_pg_type UNION ALL SELECT 4, oid::bigint, state FROM public.dts_pg_enum UNION ALL SELECT class::bigint, oid::bigint, state FROM dts.capture_object;
DELETE FROM public.dts_pg_class; DELETE FROM public.dts_pg_attribute; DELETE FROM public.dts_pg_type; DELETE FROM public.dts_pg_enum; DELETE FROM dts.capture_object;
SELECT dts.capture_baseline();
SELECT state ->> 'name' AS name, state, sum(n) FROM (SELECT class, oid, state, 1 FROM mirror UNION ALL SELECT 1, oid::bigint, state, -1 FROM public.dts_pg_class
	UNION ALL SELECT 2, attrelid::bigint * 10000 + attnum, state, -1 FROM public.dts_pg_attribute UNION ALL SELECT 3, oid::bigint, state, -1 FROM public.dts_pg_type
	UNION ALL SELECT 4, oid::bigint, state, -1 FROM public.dts_pg_enum UNION ALL SELECT class::bigint, oid::bigint, state, -1 FROM dts.capture_object) d(class, oid, state, n)
	GROUP BY class, oid, state HAVING sum(n) <> 0 AND state ->> 'name' NOT LIKE 'mirror%' AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = d.oid / 10000 AND c.relname = 'mirror');

DROP TABLE tt, ti, public.t, a, in_do, made, of_query, sql_made, kept, one, two, child, replicated, selected, mirror CASCADE;
DROP FUNCTION makes, sql_makes;
DROP PROCEDURE p;
DROP MATERIALIZED VIEW mv;
\set ECHO none
\i :top/control/capture/remove.sql
\set ECHO all
SELECT evtname FROM pg_event_trigger;
SELECT nspname FROM pg_namespace WHERE nspname = 'dts';
SELECT relname FROM pg_class WHERE relname ~ '^dts';
