-- Health: one row for each thing that needs a person, slots with the time that is left, metrics in Prometheus' format, old events.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION dts;
BEGIN;
SELECT * FROM no_plan();
SELECT dts_create_endpoint('a', 'postgresql', 'host=a'), dts_create_endpoint('b', 'postgresql', 'host=b');
SELECT dts_create_job(n, 'a', 'b') FROM unnest(ARRAY['j', E'we"ird\\']) n;
CREATE FUNCTION pg_temp.id(job text) RETURNS bigint LANGUAGE sql AS $$ SELECT id FROM dts.job WHERE name = $1 $$;
CREATE FUNCTION pg_temp.put(s text, p text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	UPDATE dts.job SET state = s, phase = p, wish = NULL, updated_at = now(), error_message = NULL, footprint = true WHERE name = 'j' $$;
CREATE FUNCTION pg_temp.sick() RETURNS text[] LANGUAGE sql AS $$ SELECT array_agg(severity || ': ' || what) FROM dts_health $$;
SELECT is_empty('SELECT * FROM dts_health', 'drafts are healthy');
-- states
SELECT pg_temp.put('error');
UPDATE dts.job SET error_message = 'key gone', error_hint = 'put it back' WHERE name = 'j';
SELECT is(row(severity, job, what, remedy)::text, '(error,j,"state ""error"": key gone","put it back")', 'an error, with its own remedy') FROM dts_health;
CREATE FUNCTION pg_temp.sick_in(s text, OUT rows bigint, OUT bare bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.put(s);
	SELECT count(*), count(*) FILTER (WHERE coalesce(remedy, '') = '') INTO rows, bare FROM dts_health;
END $$;
SELECT is((pg_temp.sick_in(s)).rows, 1::bigint, s || ' needs a person') FROM unnest('{failed,start_failed,stop_failed,check_failed}'::text[]) s;
SELECT is((pg_temp.sick_in(s.state)).bare, 0::bigint, s.state || ': each has a remedy') FROM dts.job_states() s;
-- daemons
SELECT pg_temp.put('running', 'incremental');
SELECT is(pg_temp.sick(), NULL, 'a moment without a daemon is no trouble');
UPDATE dts.job SET updated_at = now() - interval '1 min' WHERE name = 'j';
SELECT is(pg_temp.sick(), '{"error: no daemon works for it, in state \"running\""}', 'a minute is');
UPDATE dts.job_lease SET owner = 'd', until = now() + interval '10 s' WHERE job_id = pg_temp.id('j');
SELECT is(pg_temp.sick(), NULL, 'with a daemon all is well');
UPDATE dts.job_lease SET until = now() - interval '31 s' WHERE job_id = pg_temp.id('j');
SELECT is(pg_temp.sick(), '{"error: no daemon works for it, in state \"running\""}', 'until its lease has run out');
UPDATE dts.job_lease SET owner = NULL, until = NULL;
SELECT pg_temp.put('draft');
SELECT dts_check_job('j');
UPDATE dts.job SET wish_at = now() - interval '1 min' WHERE name = 'j';
SELECT is(pg_temp.sick(), '{"error: no daemon has taken up \"check\""}', 'a request that nobody takes up');
UPDATE dts.job_lease SET owner = 'd', until = now() + interval '1 h';
-- lag
SELECT pg_temp.put('running', 'incremental');
UPDATE dts.job_progress SET commit_time = now() - interval '301 s' WHERE job_id = pg_temp.id('j');
SELECT alike(pg_temp.sick()::text, '{"warning: lags 3__ s behind its source"}', 'lag');
UPDATE dts.job_progress SET commit_time = NULL;
-- slots
CREATE FUNCTION pg_temp.sample(current int, retained int, space int, status text DEFAULT 'reserved') RETURNS void LANGUAGE sql AS $$
	SELECT dts.daemon_slot(pg_temp.id('j'), jsonb_build_object('active', true, 'wal_status', status, 'restart_lsn', '0/1', 'confirmed_lsn', '0/1',
		'current_lsn', '0/' || to_hex(current), 'retained_bytes', retained, 'left_bytes', space)) $$;
SELECT pg_temp.sample(1000, 10, NULL);
SELECT is(row(job, endpoint, wal_status, retained_bytes, time_left)::text, '(j,a,reserved,10,)', 'a slot without a limit') FROM dts_slots;
UPDATE dts.slot_sample SET sampled_at = clock_timestamp() - interval '100 s';
SELECT pg_temp.sample(101000, 100000, 36000000);
SELECT ok(wal_bytes_per_second BETWEEN 900 AND 1001, 'the rate of WAL') FROM dts_slots;
SELECT ok(time_left BETWEEN interval '9 h 50 min' AND interval '11 h 30 min', 'gives the time that is left') FROM dts_slots;
UPDATE dts.slot_sample SET sampled_at = clock_timestamp() - interval '10 s';
SELECT pg_temp.sample(10101000, 100000, 36000000);
SELECT ok(wal_bytes_per_second BETWEEN 10000 AND 40000, 'a burst of a megabyte a second for ten seconds moves it by a thirtieth') FROM dts_slots;
UPDATE dts.slot_sample SET bytes_per_second = 1000;
SELECT is(array_length(pg_temp.sick(), 1), 1, 'less than a day is a warning');
SELECT alike((pg_temp.sick())[1], 'warning: its slot retains 98 kB on the source, and is given up in about %', 'that says so');
UPDATE dts.slot_sample SET left_bytes = 3000000;
SELECT alike((pg_temp.sick())[1], 'error: %', 'less than an hour an error');
SELECT pg_temp.sample(101000, 100000, NULL, 'lost');
SELECT is(pg_temp.sick(), '{"error: the source has given up its slot"}', 'and so is a slot that is lost');
SELECT dts.daemon_slot(pg_temp.id('j'), '{"error": "no route"}');
SELECT is(row(error, retained_bytes)::text, '("no route",100000)', 'a source that is away leaves the old figures, with the reason') FROM dts_slots;
SELECT is_empty($$SELECT * FROM dts.daemon_slots_due('1 min')$$, 'it was tried just now');
SELECT is(array_agg(job_id), ARRAY[pg_temp.id('j')], 'and is tried again') FROM dts.daemon_slots_due('-1 s');
SELECT lives_ok($$SELECT dts.daemon_slot(0, '{"error": "x"}')$$, 'a job that is gone');
DELETE FROM dts.slot_sample;
-- metrics
SELECT is_empty($$SELECT * FROM dts_metrics WHERE metric !~ '^dts_[a-z_]+$' OR type NOT IN ('gauge', 'counter') OR (type = 'counter') <> (metric LIKE '%\_total')$$, 'names follow the rules');
SELECT is(value, 1::float8, 'a metric') FROM dts_metrics WHERE metric = 'dts_job_state' AND labels = '{"job": "j", "kind": "sync", "state": "running", "phase": "incremental"}';
SELECT is_empty($$SELECT l FROM regexp_split_to_table(rtrim(dts_metrics_text(), E'\n'), E'\n') l
	WHERE l !~ '^# (HELP|TYPE) dts_[a-z_]+ .+$' AND l !~ '^dts_[a-z_]+(\{[a-z_]+="([^"\\]|\\["\\n])*"(,[a-z_]+="([^"\\]|\\["\\n])*")*\})? [-+0-9.e]+$'$$, 'every line is in the format');
SELECT ok(strpos(dts_metrics_text(), E'\ndts_job_worker_up{job="we\\"ird\\\\"} 1\n') > 0, 'names are escaped');
SELECT ok(dts_metrics_text() LIKE E'%\n# TYPE dts_job_state gauge\n%', 'types are given');
-- what a comparison found
SELECT alike(dts_report_comparison('j', 'app.t: 7 rows on the source, 8 on the target'), '%is on record', 'a difference is reported');
SELECT is(pg_temp.sick(), '{"error: the ends differ: app.t: 7 rows on the source, 8 on the target"}', 'and needs a person');
SELECT dts_report_comparison('j', NULL);
SELECT is(pg_temp.sick(), NULL, 'until a later comparison finds none');
SELECT results_eq($$SELECT event, severity, message FROM dts_job_events WHERE event IN ('difference', 'compared') ORDER BY id$$,
	$$VALUES ('difference', 'error', 'app.t: 7 rows on the source, 8 on the target'), ('compared', 'info', 'both ends are equal')$$, 'both are on record');
SELECT throws_ok($$SELECT dts_report_comparison('j', ' ')$$, '22023', NULL, 'a difference that says nothing is refused');
SELECT throws_ok($$SELECT dts_report_comparison('nobody', NULL)$$, '42704', NULL, 'and so is an unknown job');
-- leftovers and events
INSERT INTO dts.leftover VALUES (1, 'old', 'target', 'b', 'rows', 'DELETE', 'away');
SELECT is(row(job, what, remedy)::text, '(old,"left behind on the target, endpoint ""b"": rows",DELETE)', 'leftovers of a job that is gone') FROM dts_health;
UPDATE dts.job_event SET at = now() - interval '100 days' WHERE job = 'j';
SELECT throws_ok($$SELECT dts_purge_events('1 hour')$$, '22023', NULL, 'what happened today stays');
SELECT is(dts_purge_events('90 days') > 0, true, 'old events go');
SELECT is_empty($$SELECT FROM dts_job_events WHERE job = 'j' AND at < now() - interval '90 days'$$, 'all of them');
SELECT isnt_empty($$SELECT FROM dts_job_events$$, 'the others stay');
-- what a person looks at, or a scraper every few seconds, is not compiled
CREATE FUNCTION pg_temp.compiles(query text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, TIMING off, FORMAT json) ' || query INTO plan;
	RETURN plan::text LIKE '%"JIT"%';
END
$$;
SET jit = on;
SELECT ok(NOT pg_temp.compiles('SELECT * FROM ' || v), v || ' is not compiled')
	FROM unnest('{dts_jobs,dts_job_tables,dts_job_events,dts_slots,dts_health,dts_metrics,dts_connection_limits}'::text[]) v;
SELECT * FROM finish();
ROLLBACK;
