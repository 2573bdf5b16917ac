-- Endpoints: what is stored where, what is refused, and that no secret gets out.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION dts;
\pset null (null)
-- An error in one piece; the client library's list of options, which grows, is cut short.
CREATE FUNCTION refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN format(E'%s %s\n%s\n%s', sqlstate, sqlerrm, detail, regexp_replace(hint, '(service, ).*(target_session_attrs)[a-z_, ]*', '\1..., \2'));
END
$$;
SELECT dts_create_endpoint('src', 'postgresql', 'host=/tmp/nowhere port=5432 user=u password=''s3cr3t pass'' sslpassword=s3cr3t2 dbname=d');
SELECT dts_create_endpoint('uri', 'postgresql', 'postgresql://u2:s3cr3t%403@h1,h2:5433/d2?sslmode=require&target_session_attrs=read-write');
SELECT dts_create_endpoint('bare', 'postgresql', '');
SELECT dts_create_endpoint('quo\te"d''', 'postgresql', 'host=''a\\b\''c d'' password=''p\\w\''d''');
SELECT dts_create_endpoint('maria', 'mariadb', 'host=h user=u password = ''s3cr3t \'' x'' ssl_mode=required');
SELECT srvname, srvoptions FROM pg_foreign_server ORDER BY srvname;
SELECT srvname, usename, umoptions FROM pg_user_mappings ORDER BY srvname;
-- what the daemon connects with reads back the same
SELECT name, dts.endpoint_conninfo(name) FROM dts.endpoint ORDER BY name;
SELECT dts.endpoint_conninfo('gone');
-- a server and a mapping made by hand are an endpoint as well; a mapping of everybody will do
CREATE SERVER hand FOREIGN DATA WRAPPER dts_postgresql OPTIONS (host 'h', port '1');
CREATE USER MAPPING FOR PUBLIC SERVER hand OPTIONS ("user" 'everybody');
SELECT dts.endpoint_conninfo('hand');
CREATE USER MAPPING FOR dts_daemon SERVER hand OPTIONS ("user" 'daemon');
SELECT dts.endpoint_conninfo('hand');

-- refusals
SELECT dts_create_endpoint('x', 'oracle', 'host=h');
SELECT dts_create_endpoint('src', 'postgresql', 'host=h');
SELECT dts_create_endpoint('', 'postgresql', 'host=h');
SELECT dts_create_endpoint(repeat('x', 64), 'postgresql', 'host=h');
SELECT dts_create_endpoint('x', 'postgresql', NULL);
SELECT refused($$SELECT dts_create_endpoint('x', 'postgresql', 'hots=h')$$);
SELECT refused($$SELECT dts_create_endpoint('x', 'postgresql', 'host=a b c')$$);
SELECT dts_create_endpoint('x', 'postgresql', 'host=h port=70000');
SELECT dts_create_endpoint('x', 'postgresql', 'host=h port=1,x');
SELECT dts_create_endpoint('x', 'postgresql', 'host=h sslmode=please');
SELECT dts_create_endpoint('x', 'postgresql', 'host=h sslmode=verify');
SELECT refused($$SELECT dts_create_endpoint('x', 'postgresql', 'host=h replication=database')$$);
SELECT dts_create_endpoint('x', 'mariadb', 'host=h charset=utf8');
SELECT dts_create_endpoint('x', 'mariadb', 'host=h port');
SELECT dts_create_endpoint('x', 'mariadb', 'host=''h');
SELECT dts_drop_endpoint('nope');
SELECT dts_test_endpoint('nope');
SELECT dts_test_endpoint('maria');
SELECT dts_test_endpoint('src');
SELECT refused($$ALTER SERVER src OPTIONS (ADD password 'x')$$);
SELECT refused($$ALTER SERVER src OPTIONS (ADD hostt 'x')$$);
ALTER SERVER src OPTIONS (SET port '0');
ALTER USER MAPPING FOR dts_daemon SERVER src OPTIONS (ADD host 'x');
ALTER FOREIGN DATA WRAPPER dts_postgresql OPTIONS (host 'x');
SELECT count(*) FROM pg_foreign_server WHERE srvname = 'x' OR srvname = '';

-- an endpoint that works
SELECT dts_create_endpoint('self', 'postgresql', format('host=%s port=%s user=%s dbname=%s',
	split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_user, current_database()));
SELECT endpoint, engine, version = current_setting('server_version') AS version, role = current_user AS role,
	database, encoding, tls, in_recovery, connect_ms > 0 AS connect, latency_ms > 0 AS latency
	FROM dts_test_endpoint('self');
ALTER SERVER self OPTIONS (SET dbname 'no such database');
DO $$ BEGIN
	PERFORM dts_test_endpoint('self');
EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection THEN
	RAISE INFO '% %', sqlerrm, sqlerrm ~ 'self';
END $$;
ALTER SERVER self OPTIONS (SET dbname 'regression');

-- who may do what
CREATE ROLE control_admin LOGIN IN ROLE dts_admin;
CREATE ROLE control_operator LOGIN IN ROLE dts_operator;
CREATE ROLE control_nobody LOGIN;
SET ROLE control_nobody;
SELECT dts_create_endpoint('x', 'postgresql', 'host=h');
SELECT dts_test_endpoint('self');
SELECT dts.endpoint_conninfo('src');
SELECT umoptions FROM pg_user_mappings WHERE srvname = 'src';
SET ROLE control_operator;
SELECT dts_create_endpoint('x', 'postgresql', 'host=h');
SELECT dts_test_endpoint('self');
SELECT dts.endpoint_conninfo('src');
SET ROLE control_admin;
SELECT dts_create_endpoint('mine', 'postgresql', 'host=h user=u');
SELECT dts_drop_endpoint('mine');
-- only a superuser may use what the operating system's user is let in by
SELECT dts_test_endpoint('self');
RESET ROLE;
ALTER USER MAPPING FOR dts_daemon SERVER self OPTIONS (ADD password 'unused');
SET ROLE control_admin;
SELECT dts_test_endpoint('self');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER self TO control_operator;
SET ROLE control_operator;
SELECT dts_test_endpoint('self');
RESET ROLE;

-- secrets: not in an error, nor in its context, nor in the server's log
\set SHOW_CONTEXT always
DO $$ BEGIN PERFORM dts_create_endpoint('x', 'mariadb', 'host=h password=s3cr3t oops'); END $$;
DO $$ BEGIN PERFORM dts_create_endpoint('src', 'postgresql', 'host=h password=s3cr3t'); END $$;
SELECT dts_create_endpoint('x', 'postgresql', 'postgresql://u:s3cr3t@h:badport/d');
SELECT dts_create_endpoint('x', 'mariadb', 'password=s3cr3t s3cr3t');
SELECT refused($$SELECT dts_create_endpoint('x', 'postgresql', 'password=s3cr3t s3cr3t')$$);
ALTER USER MAPPING FOR dts_daemon SERVER src OPTIONS (ADD pasword 's3cr3t');
SELECT 1 / 0 AS v1sible;
SELECT content LIKE '%v1sible%' AS statements_are_logged, content LIKE '%s3cr3t%' AS secret_is_logged
	FROM pg_read_file(regexp_replace(current_setting('data_directory'), '/data$', '/server.log')) content;

-- dropping
SELECT dts_drop_endpoint(name) FROM dts.endpoint ORDER BY name;
SELECT count(*) FROM pg_foreign_server;
SELECT count(*) FROM pg_user_mappings;
DROP ROLE control_admin, control_operator, control_nobody;
DROP EXTENSION dts;
DROP FUNCTION refused;
