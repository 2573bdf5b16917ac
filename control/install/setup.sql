-- setup: one script for each end that a superuser runs once, so that the job does without a superuser.
CREATE FUNCTION dts.setup_role(p_endpoint pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT o.option_value FROM dts.endpoint e, LATERAL (
			SELECT 1, s.* FROM pg_options_to_table(e.options) s
			UNION ALL
			SELECT 2, m.* FROM pg_user_mapping u, pg_options_to_table(u.umoptions) m
				WHERE u.umserver = e.oid AND u.umuser IN (0, 'dts_daemon'::regrole)) o(place, option_name, option_value)
		WHERE e.name = p_endpoint AND o.option_name = 'user' ORDER BY o.place DESC LIMIT 1
$$;
COMMENT ON FUNCTION dts.setup_role(pg_catalog.text) IS 'the role that an endpoint connects as, when it says so';

CREATE FUNCTION dts.setup_source(p_role pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $setup$
	SELECT replace($script$-- To be run by a superuser in the source's database, with psql, once.
BEGIN;
SET LOCAL search_path = pg_catalog;
SET LOCAL client_min_messages = warning;
SET LOCAL lock_timeout = '5s';
SELECT pg_advisory_xact_lock(hashtext('dts.capture'));
DO $$
BEGIN
	IF to_regclass('dts.capture_job') IS NOT NULL THEN
		EXECUTE 'LOCK TABLE dts.capture_job';
		IF (xpath('/row/n/text()', query_to_xml('SELECT count(*) AS n FROM dts.capture_job', false, true, '')))[1]::text <> '0' THEN
			RAISE EXCEPTION 'jobs of this database use the capture of DDL that is there'
				USING HINT = 'Stop them first, or let this job connect as their role.';
		END IF;
	END IF;
	-- what the job reads
	IF current_setting('server_version_num')::int >= 140000 THEN
		EXECUTE 'GRANT pg_read_all_data TO @role@';
	ELSE
		EXECUTE coalesce((SELECT string_agg(format('GRANT USAGE ON SCHEMA %1$I TO @role@; GRANT SELECT ON ALL TABLES IN SCHEMA %1$I TO @role@; GRANT SELECT ON ALL SEQUENCES IN SCHEMA %1$I TO @role@;', nspname), ' ')
			FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'dts')), 'SELECT');
	END IF;
	IF EXISTS (SELECT FROM pg_class WHERE relrowsecurity) THEN
		EXECUTE 'ALTER ROLE @role@ BYPASSRLS';
	END IF;
END
$$;
ALTER ROLE @role@ REPLICATION;
@heartbeat@
GRANT SELECT, INSERT, UPDATE, DELETE ON public.dts_postgres_heartbeat TO @role@;
$script$ || dts.source_script() || $script$
GRANT USAGE ON SCHEMA dts TO @role@;
GRANT SELECT ON dts.capture_job TO @role@;
DO $$
BEGIN
	-- pg_dump locks every table there is, for which it needs the right to read it
	IF current_setting('server_version_num')::int < 140000 THEN
		EXECUTE 'GRANT SELECT ON public.dts_ddl_command, public.dts_args_session, public.dts_pg_class, public.dts_pg_attribute, public.dts_pg_type, public.dts_pg_enum TO @role@';
		EXECUTE 'GRANT SELECT ON ALL TABLES IN SCHEMA dts TO @role@';
	END IF;
END
$$;
GRANT EXECUTE ON FUNCTION dts.capture_join(text), dts.capture_leave(text), dts.capture_trim(), dts.capture_waits(), dts.capture_doubt(), dts.capture_differs(), dts.capture_again(oid, oid) TO @role@;
COMMIT;
$script$, '@role@', quote_ident(p_role))
$setup$;
COMMENT ON FUNCTION dts.setup_source(pg_catalog.text) IS 'the script for the source';

CREATE FUNCTION dts.setup_target(p_role pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $setup$
	SELECT replace($script$-- To be run by a superuser in the target's database, with psql, once.
BEGIN;
SET LOCAL search_path = pg_catalog;
DO $$
DECLARE
	f regprocedure;
BEGIN
	EXECUTE format('GRANT CREATE, CONNECT ON DATABASE %I TO @role@', current_database());
	EXECUTE 'GRANT CREATE, USAGE ON SCHEMA public TO @role@';
	FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname IN (
			'pg_replication_origin_create', 'pg_replication_origin_drop', 'pg_replication_origin_session_setup', 'pg_replication_origin_session_reset',
			'pg_replication_origin_xact_setup', 'pg_replication_origin_xact_reset', 'pg_replication_origin_progress', 'pg_replication_origin_oid',
			'pg_replication_origin_session_progress') LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO @role@', f);
	END LOOP;
	IF current_setting('server_version_num')::int >= 150000 THEN
		EXECUTE 'GRANT SET ON PARAMETER session_replication_role TO @role@';
	ELSE
		RAISE WARNING 'before PostgreSQL 15 only a superuser may set session_replication_role'
			USING HINT = 'ALTER ROLE @role@ SUPERUSER; for as long as the job runs.';
	END IF;
END
$$;
COMMIT;
$script$, '@role@', quote_ident(p_role))
$setup$;
COMMENT ON FUNCTION dts.setup_target(pg_catalog.text) IS 'the script for the target';

CREATE FUNCTION @extschema@.dts_setup_script(job pg_catalog.text, side pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, false);
	role text;
BEGIN
	IF side IS NULL OR side NOT IN ('source', 'target') THEN
		RAISE EXCEPTION 'unknown side: %', coalesce(quote_literal(side), 'null')
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'Each end of a job has a script of its own.',
				HINT = 'Valid sides are: source, target.';
	END IF;
	role := dts.setup_role(CASE side WHEN 'source' THEN j.source ELSE j.target END);
	IF role IS NULL THEN
		RAISE EXCEPTION 'endpoint "%" names no role', CASE side WHEN 'source' THEN j.source ELSE j.target END
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'Its connection string has no "user", so the daemon''s own name decides.',
				HINT = 'Create the endpoint with a user.';
	END IF;
	RETURN CASE side WHEN 'source' THEN replace(dts.setup_source(role), '@heartbeat@', dts.heartbeat_script()) ELSE dts.setup_target(role) END;
END
$$;
COMMENT ON FUNCTION @extschema@.dts_setup_script(pg_catalog.text, pg_catalog.text) IS
	'the SQL that a superuser runs once on the source or the target, so that a job''s role needs to be none';
