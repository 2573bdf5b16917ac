-- The table set: by schema, table, OID and partition ancestor; exclusions win; some are never emitted.
SELECT slot_name FROM pg_create_logical_replication_slot('ts', 'dts_decoder');
CREATE SCHEMA s1; CREATE SCHEMA "S 2"; CREATE SCHEMA IF NOT EXISTS dts;
CREATE TABLE s1.a (id int PRIMARY KEY); CREATE TABLE s1.b (id int PRIMARY KEY); CREATE TABLE "S 2"."c,d" (id int PRIMARY KEY); CREATE TABLE dts.ours (id int); CREATE TABLE dts_ddl_command (id int); CREATE TABLE dts_users_own (id int);
CREATE TABLE s1.p (id int, k int) PARTITION BY RANGE (id); CREATE TABLE "S 2".p1 PARTITION OF s1.p FOR VALUES FROM (0) TO (10) PARTITION BY LIST (k); CREATE TABLE "S 2".p11 PARTITION OF "S 2".p1 FOR VALUES IN (1);
CREATE UNLOGGED TABLE s1.u (id int); CREATE TEMP TABLE tmp (id int);
CREATE FUNCTION pg_temp.write() RETURNS void LANGUAGE sql AS $$
	INSERT INTO s1.a VALUES (1); INSERT INTO s1.b VALUES (1); INSERT INTO "S 2"."c,d" VALUES (1); INSERT INTO dts.ours VALUES (1); INSERT INTO dts_ddl_command VALUES (1); INSERT INTO dts_users_own VALUES (1);
	INSERT INTO s1.p VALUES (1, 1); INSERT INTO s1.u VALUES (1); INSERT INTO tmp VALUES (1) $$;
CREATE FUNCTION pg_temp.seen(VARIADIC o text[] DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(substring(r FROM 'relation \d+ ("[^"]*"."[^"]*")') || CASE WHEN r LIKE '%root=-%' THEN '' ELSE ' of ' || substring(r FROM 'root=(.*) columns') END, '; ' ORDER BY r)
	FROM wire_test.readings((SELECT array_agg(data) FROM pg_logical_slot_peek_binary_changes('ts', NULL, NULL, VARIADIC ARRAY['protocol_version', '1'] || o)), false) r WHERE r LIKE 'relation%' $$;
SELECT pg_temp.write();
\t on
SELECT pg_temp.seen();
SELECT pg_temp.seen('schemas', 's1');
SELECT pg_temp.seen('schemas', '"S 2"');
SELECT pg_temp.seen('schemas', 'S1,nowhere');
SELECT pg_temp.seen('tables', 's1.b , "S 2"."c,d"');
SELECT pg_temp.seen('tables', 's1.p');
SELECT pg_temp.seen('tables', '"S 2".p1');
SELECT pg_temp.seen('tables', 's1.a', 'schemas', '"S 2"', 'exclude_tables', '"S 2"."c,d"');
SELECT pg_temp.seen('exclude_schemas', 's1');
SELECT pg_temp.seen('exclude_tables', 's1.p,public.dts_users_own');
SELECT pg_temp.seen('table_oids', 's1.a'::regclass::oid || ',' || 's1.p'::regclass::oid);
SELECT pg_temp.seen('table_oids', 's1.a'::regclass::oid || ',' || 's1.p'::regclass::oid, 'exclude_tables', 's1.a');
SELECT pg_temp.seen('schemas', 'dts,pg_catalog');
\t off
SELECT count(*) > 0 FROM pg_logical_slot_get_binary_changes('ts', NULL, NULL, 'protocol_version', '1');
-- Renamed, attached and moved on the way: each row by its own time's names.
BEGIN;
INSERT INTO s1.a VALUES (2); ALTER TABLE s1.a RENAME TO aa; INSERT INTO s1.aa VALUES (3); ALTER TABLE s1.aa SET SCHEMA "S 2"; INSERT INTO "S 2".aa VALUES (4);
INSERT INTO s1.p VALUES (1, 1); ALTER TABLE s1.p RENAME TO pp; INSERT INTO s1.pp VALUES (2, 1); ALTER TABLE "S 2".p1 DETACH PARTITION "S 2".p11; INSERT INTO "S 2".p11 VALUES (3, 1);
ALTER SCHEMA "S 2" RENAME TO s2; INSERT INTO s2.p11 VALUES (4, 1);
COMMIT;
SELECT * FROM wire_test.changes('ts');
-- Members of an extension are left out, except its configuration tables.
CREATE EXTENSION pg_trgm;
CREATE TABLE s1.member (id int); CREATE TABLE s1.config (id int);
ALTER EXTENSION pg_trgm ADD TABLE s1.member; ALTER EXTENSION pg_trgm ADD TABLE s1.config;
UPDATE pg_extension SET extconfig = ARRAY['s1.config'::regclass::oid], extcondition = '{""}' WHERE extname = 'pg_trgm';
INSERT INTO s1.member VALUES (1); INSERT INTO s1.config VALUES (1);
SELECT * FROM wire_test.changes('ts');
SELECT pg_drop_replication_slot('ts');
DROP EXTENSION pg_trgm; DROP SCHEMA s1, s2 CASCADE; DROP TABLE dts_ddl_command, dts_users_own, dts.ours;
