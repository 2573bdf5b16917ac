-- The user's command succeeds, whoever runs it and whatever has become of the capture.
\set top `echo $DTS_TOP`
\i :top/tests/sql/capture.sql

-- a role without any right; what it was and what it set is known
CREATE ROLE regress_nobody;
CREATE ROLE regress_owner;
CREATE SCHEMA mine AUTHORIZATION regress_nobody;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA yours AUTHORIZATION regress_owner;
CREATE FUNCTION yours.definer() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = yours AS 'BEGIN CREATE TABLE of_definer (a int); END';
ALTER FUNCTION yours.definer() OWNER TO regress_owner;
GRANT USAGE ON SCHEMA yours TO regress_nobody;
DELETE FROM public.dts_ddl_command; DELETE FROM public.dts_args_session;
SET ROLE regress_nobody;
SET search_path = mine;
SET DateStyle = 'SQL, DMY';
CREATE TABLE t (id int PRIMARY KEY, d date DEFAULT '03/02/2001');
SELECT yours.definer();
CREATE OPERATOR mine.> (LEFTARG = int, RIGHTARG = int, FUNCTION = int4lt);
CREATE FUNCTION mine.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT 'lie' $$;
SET search_path = mine, pg_catalog;
ALTER TABLE t ADD e date DEFAULT '03/02/2001';
RESET ROLE;
RESET search_path;
SELECT c.tag, c.nested, a.role, a.session_role = session_user AS login, a.search_path, a.schemas, a.settings ->> 'DateStyle' AS datestyle FROM public.dts_ddl_command c JOIN public.dts_args_session a ON a.command = c.id ORDER BY c.id;
SELECT o.doc #>> '{after,columns,1,default}' AS "default" FROM public.dts_ddl_command c, jsonb_array_elements(objects) o(doc) WHERE tag = 'ALTER TABLE' AND o.doc #>> '{after,kind}' = 'r';
DELETE FROM public.dts_ddl_command; DELETE FROM public.dts_args_session;
RESET DateStyle;

-- nobody can read, write or call any of it
SET ROLE regress_nobody;
SELECT * FROM public.dts_ddl_command;
INSERT INTO public.dts_ddl_command (event) VALUES ('command');
SELECT dts.capture_append('command', 'CREATE TABLE', NULL, NULL);
RESET ROLE;
GRANT USAGE ON SCHEMA dts, public TO regress_nobody;
SET ROLE regress_nobody;
SELECT * FROM public.dts_ddl_command;
INSERT INTO public.dts_ddl_command (event) VALUES ('command');
UPDATE public.dts_pg_class SET state = '{}';
SELECT dts.capture_append('command', 'CREATE TABLE', NULL, NULL);
SELECT dts.capture_baseline();
SELECT dts.capture_event();
SELECT dts.capture_session();
CREATE FUNCTION mine.f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM dts.capture_append('command', 'CREATE TABLE', NULL, NULL); RETURN 1; EXCEPTION WHEN insufficient_privilege THEN RETURN 2; END $$;
CREATE TABLE mine.a AS SELECT mine.f();
SELECT * FROM mine.a;
-- a lie in the setting that the two triggers share is overwritten
SET dts.captured_session = '{"tag": "CREATE TABLE", "role": "postgres"}';
CREATE TABLE mine.b (a int);
RESET ROLE;
SELECT DISTINCT role FROM public.dts_args_session WHERE command > (SELECT min(command) FROM public.dts_args_session);
SHOW dts.captured_session;
RESET dts.captured_session;
-- where the first trigger cannot say who it is, nobody else can
REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;
DELETE FROM public.dts_ddl_command; DELETE FROM public.dts_args_session;
SET ROLE regress_nobody;
SET dts.captured_session = '{"tag": "CREATE TABLE", "role": "postgres"}';
CREATE TABLE mine.c (a int);
RESET ROLE;
SELECT role, session_role = session_user AS login FROM public.dts_args_session;
GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO PUBLIC;
:shown

-- failures of the capture
SET ROLE regress_nobody;
SET search_path = mine;
CREATE TABLE before_it (a int);
RESET ROLE;
REVOKE ALL ON public.dts_ddl_command, public.dts_args_session, public.dts_pg_class FROM postgres;
SET ROLE regress_nobody;
CREATE TABLE revoked (a int);
RESET ROLE;
:shown
-- a table of the mirror is gone, broken or full: a gap
ALTER TABLE public.dts_pg_class ADD CHECK (state ->> 'name' <> 'refused');
DELETE FROM public.dts_ddl_command;
SET ROLE regress_nobody;
CREATE TABLE refused (a int);
RESET ROLE;
ALTER TABLE public.dts_pg_attribute RENAME TO gone;
SET ROLE regress_nobody;
CREATE TABLE without_attributes (a int);
ALTER TABLE without_attributes ADD b int;
RESET ROLE;
:shown
ALTER TABLE public.gone RENAME TO dts_pg_attribute;
DELETE FROM public.dts_ddl_command;
-- the next command of such an object makes up for it: there is no "before", or an older one
ALTER TABLE mine.without_attributes ADD c int;
SELECT o.doc ? 'before' AS before, o.doc #> '{after,columns,2,name}' AS c FROM public.dts_ddl_command, jsonb_array_elements(objects) o(doc);
:shown
-- locked by somebody: soon given up
CREATE EXTENSION dblink;
SELECT dblink_connect('x', format('host=%s port=%s user=%s dbname=%s', split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_user, current_database()));
SELECT dblink_exec('x', 'BEGIN; LOCK TABLE public.dts_pg_class');
\set started `date +%s`
CREATE TABLE mine.locked (a int);
SELECT extract(epoch FROM clock_timestamp()) - :started < 3 AS soon;
SELECT dblink_exec('x', 'ROLLBACK');
SELECT dblink_exec('x', 'BEGIN; LOCK TABLE public.dts_ddl_command');
CREATE TABLE mine.locked_too (a int);
SELECT extract(epoch FROM clock_timestamp()) - :started < 5 AS soon;
SELECT dblink_exec('x', 'ROLLBACK');
SELECT dblink_disconnect('x');
DROP EXTENSION dblink;
SELECT event, tag, error FROM public.dts_ddl_command WHERE event = 'gap';
DELETE FROM public.dts_ddl_command;
-- the functions are gone, one by one; the queue is gone: a message tells
SELECT 'slot' FROM pg_create_logical_replication_slot('capture', 'test_decoding');
DROP TABLE public.dts_ddl_command;
CREATE TABLE mine.without_queue (a int);
DROP FUNCTION dts.capture_commands(text);
CREATE TABLE mine.without_function (a int);
DROP EVENT TRIGGER dts_capture_end_1;
DROP FUNCTION dts.capture_append(text, text, jsonb, jsonb);
CREATE TABLE mine.without_first (a int);
SELECT regexp_replace(data, ' sz: .*content:', ' ') AS said FROM pg_logical_slot_get_changes('capture', NULL, NULL) WHERE data ~ '^message';
SELECT pg_drop_replication_slot('capture');

\set ECHO none
\i :top/control/capture/remove.sql
\i :top/control/capture/remove.sql
\set ECHO all
GRANT ALL ON SCHEMA public TO PUBLIC;
REVOKE ALL ON SCHEMA public FROM regress_nobody;
DROP SCHEMA mine, yours CASCADE;
DROP ROLE regress_nobody, regress_owner;
SELECT evtname FROM pg_event_trigger;
