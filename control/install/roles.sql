-- The extension dts: what an operator calls lives in the extension's schema, internals in schema dts.
\echo Use "CREATE EXTENSION dts" to load this file. \quit

-- roles: who may do what.  Roles belong to the whole cluster, so DROP EXTENSION leaves them.
DO $roles$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT * FROM (VALUES
			('dts_viewer', 'may read the jobs, tables and events of dts'),
			('dts_operator', 'may create and drive the jobs of dts'),
			('dts_admin', 'may also create and drop the endpoints of dts'),
			('dts_daemon', 'the daemon of dts: reads the secrets of the endpoints and reports on the jobs'))
		AS v(name, doc)
	LOOP
		IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r.name) THEN
			EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', r.name);
			EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', r.name, r.doc);
		END IF;
	END LOOP;
	IF NOT pg_catalog.pg_has_role('dts_operator', 'dts_viewer', 'MEMBER') THEN
		GRANT dts_viewer TO dts_operator;
	END IF;
	IF NOT pg_catalog.pg_has_role('dts_admin', 'dts_operator', 'MEMBER') THEN
		GRANT dts_operator TO dts_admin;
	END IF;
END
$roles$;

-- A database that is the target of a job already has a schema dts for the job's bookkeeping: it is
-- used as it is, provided that nobody but a superuser could have planted things in it.
DO $schema$
DECLARE
	owner pg_catalog.oid;
BEGIN
	SELECT nspowner INTO owner FROM pg_catalog.pg_namespace WHERE nspname = 'dts';
	IF owner IS NULL THEN
		CREATE SCHEMA dts;
		COMMENT ON SCHEMA dts IS 'internals of the extension dts, and the bookkeeping of jobs whose target is this database';
	ELSIF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE oid = owner) THEN
		RAISE EXCEPTION 'schema "dts" exists and belongs to role "%"', pg_catalog.pg_get_userbyid(owner)
			USING ERRCODE = 'duplicate_schema',
				DETAIL = 'The internals of the extension would lie in a schema whose owner is not a superuser.',
				HINT = 'Drop the schema if no job needs it, or use another database as control database.';
	END IF;
	REVOKE ALL ON SCHEMA dts FROM PUBLIC;
	GRANT USAGE ON SCHEMA dts TO dts_daemon;
END
$schema$;

CREATE FUNCTION dts.caller() RETURNS pg_catalog.text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'dts_caller';
COMMENT ON FUNCTION dts.caller() IS
	'the role that called the outermost function, also inside SECURITY DEFINER functions';
