-- The queue of captured commands is emitted when it is asked for, whatever is selected, and only a superuser's.
CREATE SCHEMA s1;
CREATE TABLE s1.a (id int PRIMARY KEY);
CREATE TABLE dts_ddl_command (id int PRIMARY KEY);
CREATE TABLE dts_args_session (id int PRIMARY KEY);
CREATE TABLE dts_pg_class (id int PRIMARY KEY);
CREATE TABLE s1.dts_ddl_command (id int PRIMARY KEY);
SELECT slot_name FROM pg_create_logical_replication_slot('cs', 'dts_decoder');
CREATE FUNCTION pg_temp.write() RETURNS void LANGUAGE sql AS 'INSERT INTO s1.a VALUES (1); INSERT INTO dts_args_session VALUES (1); INSERT INTO dts_ddl_command VALUES (1); INSERT INTO dts_pg_class VALUES (1); INSERT INTO s1.dts_ddl_command VALUES (1); DELETE FROM s1.a; DELETE FROM dts_ddl_command; DELETE FROM dts_args_session; DELETE FROM dts_pg_class; DELETE FROM s1.dts_ddl_command';
CREATE FUNCTION pg_temp.seen(VARIADIC o text[] DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(substring(r FROM 'relation \d+ ("[^"]*"."[^"]*")'), '; ' ORDER BY r)
	FROM wire_test.readings((SELECT array_agg(data) FROM pg_logical_slot_get_binary_changes('cs', NULL, NULL, VARIADIC ARRAY['protocol_version', '1'] || o)), false) r WHERE r LIKE 'relation%' $$;
\t on
SELECT pg_temp.write();
SELECT pg_temp.seen();
SELECT pg_temp.write();
SELECT pg_temp.seen('ddl', 'on');
SELECT pg_temp.write();
SELECT pg_temp.seen('ddl', 'on', 'tables', 's1.a', 'exclude_schemas', 'public');
CREATE ROLE regress_imitator;
GRANT CREATE ON SCHEMA public TO regress_imitator;
ALTER TABLE dts_ddl_command OWNER TO regress_imitator;
SELECT pg_temp.write();
SELECT pg_temp.seen('ddl', 'on');
SELECT pg_drop_replication_slot('cs');
DROP TABLE dts_ddl_command, dts_args_session, dts_pg_class;
REVOKE CREATE ON SCHEMA public FROM regress_imitator;
DROP ROLE regress_imitator;
DROP SCHEMA s1 CASCADE;
