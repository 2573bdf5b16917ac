-- endpoints: named servers.  The options lie in a foreign server, who the daemon is there and its
-- secrets in the server's user mapping for dts_daemon.
CREATE FUNCTION dts.create_endpoint(name pg_catalog.text, engine pg_catalog.text, conninfo pg_catalog.text)
	RETURNS pg_catalog.void
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dts_create_endpoint';
COMMENT ON FUNCTION dts.create_endpoint(pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
	'makes the foreign server and the user mapping of an endpoint';

CREATE FUNCTION dts.probe(endpoint pg_catalog.text, conninfo pg_catalog.text, timeout_ms pg_catalog.int4,
		need_password pg_catalog.bool, OUT version pg_catalog.text, OUT role pg_catalog.text,
		OUT database pg_catalog.text, OUT encoding pg_catalog.text, OUT tls pg_catalog.text,
		OUT in_recovery pg_catalog.bool, OUT connect_ms pg_catalog.float8, OUT latency_ms pg_catalog.float8)
	RETURNS pg_catalog.record
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dts_probe';
COMMENT ON FUNCTION dts.probe(pg_catalog.text, pg_catalog.text, pg_catalog.int4, pg_catalog.bool) IS
	'connects to a PostgreSQL server and says what is there';

CREATE VIEW dts.endpoint AS
	SELECT s.oid, s.srvname::pg_catalog.text AS name,
			CASE f.fdwname WHEN 'dts_mariadb' THEN 'mariadb' ELSE 'postgresql' END AS engine,
			s.srvoptions AS options
		FROM pg_catalog.pg_foreign_server s
		JOIN pg_catalog.pg_foreign_data_wrapper f ON f.oid = s.srvfdw
		WHERE f.fdwname IN ('dts_postgresql', 'dts_mariadb');
COMMENT ON VIEW dts.endpoint IS 'the endpoints, without their secrets';

-- Returns the endpoint or raises an error that names those that exist.
CREATE FUNCTION dts.endpoint_find(p_endpoint pg_catalog.text) RETURNS dts.endpoint
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_endpoint dts.endpoint;
	names text;
BEGIN
	SELECT * INTO found_endpoint FROM dts.endpoint e WHERE e.name = p_endpoint;
	IF found_endpoint.oid IS NULL THEN
		SELECT string_agg(quote_ident(e.name), ', ' ORDER BY e.name) INTO names
			FROM (SELECT * FROM dts.endpoint ORDER BY name LIMIT 20) e;
		RAISE EXCEPTION 'endpoint "%" does not exist', coalesce(p_endpoint, '(null)')
			USING ERRCODE = 'undefined_object',
				DETAIL = 'No foreign server of dts_postgresql or dts_mariadb has that name.',
				HINT = coalesce('Existing endpoints are: ' || names || '.',
					'There is none yet; dts_create_endpoint creates one.');
	END IF;
	RETURN found_endpoint;
END
$$;
COMMENT ON FUNCTION dts.endpoint_find(pg_catalog.text) IS 'the endpoint of that name, or an error';

-- The connection string with its secrets.  Null when the endpoint is gone.
CREATE FUNCTION dts.endpoint_conninfo(p_endpoint pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (SELECT coalesce(string_agg(o.option_name || '=''' ||
					replace(replace(o.option_value, E'\\', E'\\\\'), '''', E'\\''') || '''', ' '
					ORDER BY o.place, o.option_name), '')
			FROM (SELECT 1 AS place, s.* FROM pg_options_to_table(e.options) s
				UNION ALL
				SELECT 2, m.* FROM pg_options_to_table((
						SELECT u.umoptions FROM pg_user_mapping u
							WHERE u.umserver = e.oid AND u.umuser IN (0, 'dts_daemon'::regrole)
							ORDER BY u.umuser DESC LIMIT 1)) m) o)
		FROM dts.endpoint e WHERE e.name = p_endpoint
$$;
COMMENT ON FUNCTION dts.endpoint_conninfo(pg_catalog.text) IS
	'connection string of an endpoint with its secrets; never granted';

CREATE FUNCTION @extschema@.dts_create_endpoint(name pg_catalog.text, engine pg_catalog.text, conninfo pg_catalog.text)
	RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF name IS NULL OR engine IS NULL OR conninfo IS NULL THEN
		RAISE EXCEPTION 'name, engine and conninfo must not be null'
			USING ERRCODE = 'null_value_not_allowed',
				DETAIL = 'An endpoint needs all three.',
				HINT = 'Example: dts_create_endpoint(''a'', ''postgresql'', ''host=h dbname=d user=u password=p'').';
	END IF;
	PERFORM dts.create_endpoint(name, engine, conninfo);
	EXECUTE format('GRANT USAGE ON FOREIGN SERVER %I TO dts_admin', name);
	RETURN format('endpoint "%s" created', name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_create_endpoint(pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
	'creates an endpoint: name, engine (postgresql or mariadb), connection string';

CREATE FUNCTION @extschema@.dts_drop_endpoint(name pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e dts.endpoint := dts.endpoint_find(name);
	users text;
	mapping record;
BEGIN
	SELECT string_agg(quote_ident(j.name), ', ' ORDER BY j.name) INTO users
		FROM dts.job j
		WHERE e.name IN (j.source, j.target)
			AND (j.footprint OR NOT (SELECT s.is_end FROM dts.job_states() s WHERE s.state = j.state));
	IF users IS NOT NULL THEN
		RAISE EXCEPTION 'endpoint "%" is in use', e.name
			USING ERRCODE = 'dependent_objects_still_exist',
				DETAIL = 'These jobs need it: ' || users || '.',
				HINT = 'Stop the jobs first (dts_stop_job).';
	END IF;
	FOR mapping IN SELECT umuser FROM pg_user_mapping WHERE umserver = e.oid LOOP
		EXECUTE format('DROP USER MAPPING FOR %s SERVER %I',
			CASE mapping.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(mapping.umuser)) END,
			e.name);
	END LOOP;
	EXECUTE format('DROP SERVER %I', e.name);
	RETURN format('endpoint "%s" dropped', e.name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_drop_endpoint(pg_catalog.text) IS
	'drops an endpoint that no job needs any more';

CREATE FUNCTION @extschema@.dts_test_endpoint(name pg_catalog.text, OUT endpoint pg_catalog.text,
		OUT engine pg_catalog.text, OUT version pg_catalog.text, OUT role pg_catalog.text,
		OUT database pg_catalog.text, OUT encoding pg_catalog.text, OUT tls pg_catalog.text,
		OUT in_recovery pg_catalog.bool, OUT connect_ms pg_catalog.float8, OUT latency_ms pg_catalog.float8)
	RETURNS pg_catalog.record
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e dts.endpoint := dts.endpoint_find(name);
	superuser bool := (SELECT rolsuper FROM pg_roles WHERE rolname = dts.caller());
BEGIN
	IF NOT has_server_privilege(dts.caller(), e.oid, 'USAGE') THEN
		RAISE EXCEPTION 'permission denied for endpoint "%"', e.name
			USING ERRCODE = 'insufficient_privilege',
				DETAIL = format('Role "%s" has no USAGE on the foreign server.', dts.caller()),
				HINT = format('GRANT USAGE ON FOREIGN SERVER %I TO %I;', e.name, dts.caller());
	END IF;
	IF e.engine <> 'postgresql' THEN
		RAISE EXCEPTION 'endpoint "%" cannot be tested', e.name
			USING ERRCODE = 'feature_not_supported',
				DETAIL = format('This version does not connect to engine "%s".', e.engine),
				HINT = 'Use an endpoint of engine "postgresql".';
	END IF;
	endpoint := e.name;
	engine := e.engine;
	SELECT p.version, p.role, p.database, p.encoding, p.tls, p.in_recovery, p.connect_ms, p.latency_ms
		INTO version, role, database, encoding, tls, in_recovery, connect_ms, latency_ms
		FROM dts.probe(e.name, dts.endpoint_conninfo(e.name), 10000, NOT superuser) p;
END
$$;
COMMENT ON FUNCTION @extschema@.dts_test_endpoint(pg_catalog.text) IS
	'connects to an endpoint from this server, within 10 s, and says what is there';
