-- Limits of connections on a server: counted over all jobs of all endpoints there, kept when jobs are claimed, told of in dts_health.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION dts;
BEGIN;
SELECT * FROM no_plan();
-- a1 and a2 are databases of one server
SELECT dts_create_endpoint('a1', 'postgresql', 'host=Alpha dbname=one'), dts_create_endpoint('a2', 'postgresql', 'host=alpha port=5432 dbname=two'),
	dts_create_endpoint('b', 'postgresql', 'host=beta'), dts_create_endpoint('c', 'postgresql', 'service=far');
SELECT dts_create_job('j1', 'a1', 'b'), dts_create_job('j2', 'a2', 'b'), dts_create_job('j3', 'a2', 'b', options => '{"workers": 6, "apply_workers": 4}'),
	dts_create_job('within', 'a1', 'a2'), dts_create_job('far', 'c', 'b');
CREATE FUNCTION pg_temp.put(job text, s text, p text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$ UPDATE dts.job SET state = s, phase = p WHERE name = $1 $$;
CREATE FUNCTION pg_temp.claims(n int DEFAULT 10) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(j.name, ' ' ORDER BY j.name) FROM dts.daemon_claim('d', '1 h', n) c JOIN dts.job j ON j.id = c.job_id $$;
CREATE FUNCTION pg_temp.free() RETURNS void LANGUAGE sql AS $$ UPDATE dts.job_lease SET owner = NULL, until = NULL, pid = NULL $$;

-- what a limit may be
SELECT throws_ok(format('SELECT dts_limit_connections(''a1'', %s)', n), '22023', NULL, n || ' is out of range') FROM unnest('{4,10001,-1}'::int[]) n;
SELECT throws_ok($$SELECT dts_limit_connections('nope', 10)$$, '42704', NULL, 'an unknown endpoint');
SELECT is(dts_limit_connections('a1', 12), 'the jobs together take at most 12 connections on server alpha:5432', 'a limit is of the server');
SELECT results_eq('SELECT server, connections, in_use, endpoints FROM dts_connection_limits', $$VALUES ('alpha:5432', 12, 0::bigint, '{a1,a2}'::text[])$$, 'for all its endpoints');
SELECT dts_limit_connections('c', 100);
SELECT is(array_agg(server), '{alpha:5432,far}', 'a service is a server of its own') FROM dts_connection_limits;
SELECT matches(dts_limit_connections('c', NULL), 'any number', 'null lifts a limit');

-- claims stay within it
SELECT is(pg_temp.claims(), NULL, 'nothing to claim');
SELECT pg_temp.put(n, 'running', 'incremental') FROM unnest('{j1,j2,within,far}'::text[]) n;
SELECT is(pg_temp.claims(2), 'j1 j2', 'no more jobs than asked for');
SELECT is(in_use, 6::bigint, 'a stream is counted with 3') FROM dts_connection_limits;
SELECT is(pg_temp.claims(), 'far within', 'a job within a server counts twice, one elsewhere not');
SELECT is(in_use, 12::bigint, 'the limit is reached') FROM dts_connection_limits;
SELECT pg_temp.put('j3', 'running', 'incremental');
SELECT is(dts.job_connections(j), 6, 'apply workers count') FROM dts.job j WHERE name = 'j3';
SELECT is(pg_temp.claims(), NULL, 'what does not fit is not claimed');
-- many may wait, and somebody asks every second
SET LOCAL track_functions = 'all';
SELECT dts_create_job('more' || n, 'a1', 'b'), pg_temp.put('more' || n, 'running', 'incremental') FROM generate_series(1, 20) n;
CREATE FUNCTION pg_temp.calls(what regproc) RETURNS bigint LANGUAGE sql AS $$ SELECT coalesce(pg_stat_get_xact_function_calls(what), 0) $$;
CREATE TEMP TABLE before AS SELECT what, pg_temp.calls(what) AS calls FROM unnest('{dts.server_use,dts.job_connections}'::regproc[]) what;
SELECT is(pg_temp.claims(), NULL, 'none of the others is claimed either');
SELECT is(array_agg(what || ' ' || pg_temp.calls(what) - calls ORDER BY what::text), '{"dts.job_connections 4","dts.server_use 1"}', 'and that was seen at one look at those at work')
	FROM before;
DELETE FROM dts.job WHERE name LIKE 'more%';
UPDATE dts.job SET updated_at = now() - interval '1 min' WHERE name = 'j3';
SELECT is(row(severity, what, remedy)::text, '(warning,"waits for 6 connections on server alpha:5432: 12 of 12 are taken","It goes on when others have ended; or raise the limit with dts_limit_connections.")',
	'dts_health says what it waits for') FROM dts_health WHERE job = 'j3';
UPDATE dts.job_lease l SET owner = NULL, until = NULL FROM dts.job j WHERE j.id = l.job_id AND j.name = 'within';
SELECT pg_temp.put('within', 'paused', 'incremental');
SELECT is(pg_temp.claims(), 'j3', 'when others end, it is');

-- loads count with their workers, ends with little
SELECT pg_temp.free();
SELECT pg_temp.put('j2', 'starting'), pg_temp.put('j3', 'stopping');
SELECT is(array_agg(name || ' ' || dts.job_connections(j) ORDER BY name), '{"far 3","j1 3","j2 8","j3 3","within 3"}', 'what is set aside') FROM dts.job j;
SELECT pg_temp.put('j3', 'running', 'full');
SELECT is(dts.job_connections(j), 10, 'of a load: its workers and four') FROM dts.job j WHERE name = 'j3';
SELECT dts_limit_connections('a1', 5);
SELECT pg_temp.put(n, 'paused', 'incremental') FROM unnest('{j1,j2,far}'::text[]) n;
SELECT is(pg_temp.claims(), 'j3', 'a job alone on a server never waits, however much it wants');
SELECT pg_temp.put('j1', 'running', 'incremental');
SELECT is(pg_temp.claims(), NULL, 'but others then do');
SELECT dts_limit_connections('b', NULL), dts_limit_connections('a2', NULL);
SELECT is(pg_temp.claims(), 'j1', 'without a limit nobody waits');
SELECT is_empty('SELECT * FROM dts_connection_limits', 'and none is listed');
SELECT * FROM finish();
ROLLBACK;
