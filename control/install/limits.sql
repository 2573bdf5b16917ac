-- limits: how many connections all jobs together may take on a server.
--
-- A job is claimed by a daemon only while what it may need fits; otherwise it waits, and dts_health says so.  So the limit holds over all
-- daemons of this control database, and nobody holds some connections while waiting for others.

CREATE TABLE dts.server_limit (
	server pg_catalog.text PRIMARY KEY,
	connections pg_catalog.int4 NOT NULL,
	set_by pg_catalog.text NOT NULL,
	set_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE dts.server_limit IS 'how many connections the jobs may take on a server, named by host and port';

-- Endpoints are databases; those of one host and port are on one server.
CREATE FUNCTION dts.endpoint_server(p_options pg_catalog.text[]) RETURNS pg_catalog.text
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(max(o.option_value) FILTER (WHERE o.option_name = 'service'),
			lower(coalesce(max(o.option_value) FILTER (WHERE o.option_name = 'host'), max(o.option_value) FILTER (WHERE o.option_name = 'hostaddr'), 'local'))
			|| ':' || coalesce(max(o.option_value) FILTER (WHERE o.option_name = 'port'), '5432'))
		FROM pg_options_to_table(p_options) o
$$;
COMMENT ON FUNCTION dts.endpoint_server(pg_catalog.text[]) IS 'the server that an endpoint is on: host and port, or service';

-- What a job may need on either end: a stream has two sessions on the source and one for each apply worker on the target, a
-- moment longer one more.
CREATE FUNCTION dts.job_connections(j dts.job) RETURNS pg_catalog.int4
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN j.state IN ('draft', 'checking', 'check_failed', 'check_passed') AND j.wish IS DISTINCT FROM 'start' AND j.start_at IS NULL THEN 3
		WHEN j.state IN ('stopping', 'completing', 'stop_failed', 'isolated') OR j.wish = 'stop' THEN 3
		WHEN j.phase = 'incremental' AND NOT EXISTS (SELECT FROM dts.job_table t WHERE t.job_id = j.id AND t.phase IN ('waiting', 'copying', 'indexing')) THEN 2 + s.streams
		ELSE greatest((s.o ->> 'workers')::int4 + 4, 2 + s.streams) END
		FROM (SELECT c.o, greatest((c.o ->> 'apply_workers')::int4, 1) AS streams FROM (SELECT dts.options_complete(j.options) AS o) c) s
$$;
COMMENT ON FUNCTION dts.job_connections(dts.job) IS 'how many connections a job may need on each of its ends';

-- What the jobs at work may need on a server that has a limit.
CREATE FUNCTION dts.server_use() RETURNS TABLE (server pg_catalog.text, connections pg_catalog.int4, in_use pg_catalog.int8, endpoints pg_catalog.text[])
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	WITH e AS MATERIALIZED (SELECT p.name, dts.endpoint_server(p.options) AS server FROM dts.endpoint p),
		busy AS MATERIALIZED (SELECT j.source, j.target, dts.job_connections(j) AS needs
			FROM dts.job j JOIN dts.job_lease l ON l.job_id = j.id AND l.owner IS NOT NULL AND l.until > clock_timestamp()
			WHERE EXISTS (SELECT FROM dts.server_limit))
	SELECT s.server, s.connections, (SELECT coalesce(sum(b.needs), 0) FROM busy b JOIN e ON e.name IN (b.source, b.target) WHERE e.server = s.server),
			ARRAY(SELECT e.name FROM e WHERE e.server = s.server ORDER BY 1)
		FROM dts.server_limit s
$$;
COMMENT ON FUNCTION dts.server_use() IS 'the servers with a limit, and how many connections the jobs at work may need there';

-- Why jobs cannot be claimed now.
CREATE FUNCTION dts.jobs_waiting() RETURNS TABLE (job_id pg_catalog.int8, waits_for pg_catalog.text)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	WITH u AS MATERIALIZED (SELECT * FROM dts.server_use()),
		idle AS MATERIALIZED (SELECT j.id, ARRAY[j.source, j.target] AS ends, dts.job_connections(j) AS needs
			FROM dts.job j JOIN dts.job_lease l ON l.job_id = j.id AND (l.owner IS NULL OR l.until < clock_timestamp())
			WHERE (j.wish IS NOT NULL OR j.state IN (SELECT s.state FROM dts.job_states() s WHERE s.needs_worker)) AND EXISTS (SELECT FROM u))
	SELECT w.id, string_agg(format('%s connections on server %s: %s of %s are taken', w.needs, w.server, w.in_use, w.connections), '; ' ORDER BY w.server)
		FROM (SELECT i.id, u.server, u.connections, u.in_use, i.needs * (SELECT count(*) FROM unnest(i.ends) n WHERE n = ANY (u.endpoints)) AS needs
			FROM idle i, u) w
		WHERE w.needs > 0 AND w.in_use > 0 AND w.in_use + w.needs > w.connections
		GROUP BY w.id
$$;
COMMENT ON FUNCTION dts.jobs_waiting() IS 'the jobs that wait for connections, and for which. A job alone on a server never waits';

CREATE FUNCTION @extschema@.dts_limit_connections(endpoint pg_catalog.text, connections pg_catalog.int4) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e dts.endpoint := dts.endpoint_find(endpoint);
	name text := dts.endpoint_server(e.options);
BEGIN
	IF connections NOT BETWEEN 5 AND 10000 THEN
		RAISE EXCEPTION 'limit of connections is out of range'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', connections),
				HINT = 'It must be a whole number from 5 to 10000, or null to lift the limit.';
	ELSIF connections IS NULL THEN
		DELETE FROM dts.server_limit s WHERE s.server = name;
		RETURN format('the jobs may take any number of connections on server %s', name);
	END IF;
	INSERT INTO dts.server_limit AS s (server, connections, set_by) VALUES (name, dts_limit_connections.connections, dts.caller())
		ON CONFLICT (server) DO UPDATE SET connections = excluded.connections, set_by = excluded.set_by, set_at = clock_timestamp();
	RETURN format('the jobs together take at most %s connections on server %s', connections, name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_limit_connections(pg_catalog.text, pg_catalog.int4) IS
	'limits the connections of all jobs together on the server of an endpoint, for all endpoints there; null lifts the limit';

CREATE VIEW @extschema@.dts_connection_limits AS
	SELECT u.server, u.connections, u.in_use, u.endpoints FROM dts.server_use() u ORDER BY u.server;
COMMENT ON VIEW @extschema@.dts_connection_limits IS 'servers whose connections are limited: the limit, what the jobs at work may take, and the endpoints there';
