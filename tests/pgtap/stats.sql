-- dts_job_stats: what a stream has done, and what holds it up, from the daemon's reports.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION dts;
BEGIN;
SELECT * FROM no_plan();
SELECT dts_create_endpoint('a', 'postgresql', 'host=a'), dts_create_endpoint('b', 'postgresql', 'host=b'), dts_create_job('j', 'a', 'b');
UPDATE dts.job SET state = 'running', phase = 'incremental' WHERE name = 'j';
UPDATE dts.job_lease SET owner = 'me', epoch = 1, until = clock_timestamp() + interval '1 h';
CREATE FUNCTION report(stats jsonb, caught_up bool DEFAULT false) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dts.daemon_progress(j.id, 1, jsonb_build_object('source_end', '1/100', 'durable', '1/100', 'caught_up', caught_up, 'stats', stats)) FROM dts.job j;
	-- as if two seconds lay between two reports
	UPDATE dts.job_progress SET reported_before_at = reported_at - interval '2 s';
END $$;
CREATE FUNCTION measure(name text, OUT total numeric, OUT per_second numeric, OUT unit text) LANGUAGE sql AS
	$$ SELECT total, per_second, unit FROM dts_job_stats('j') WHERE measure = name $$;
CREATE FUNCTION held_up() RETURNS text LANGUAGE sql AS $$ SELECT meaning FROM dts_job_stats('j') WHERE measure = 'held_up_by' $$;

SELECT throws_ok($$SELECT * FROM dts_job_stats('nobody')$$, '42704', NULL, 'an unknown job is an error');
SELECT is(held_up(), 'nothing has been reported yet', 'before the first report');
SELECT is((SELECT count(*) FROM dts_job_stats('j') WHERE total IS NOT NULL OR per_second IS NOT NULL), 0::bigint, 'nothing is made up');

SELECT report('{"inserts": 100, "updates": 20, "deletes": 0, "statements": 40, "bytes_in_flight": 5000, "wait_source_us": 1000000, "work_us": 500000, "wait_target_us": 250000}');
SELECT is(measure('inserts')::text, ROW(100, NULL, 'rows')::text, 'one report has no rate');
SELECT is(measure('rows_per_statement')::text, ROW(3.00, NULL, 'rows')::text, 'rows for each statement');
SELECT is(held_up(), 'the stream has just begun', 'after one report nothing can be said');
SELECT report('{"inserts": 300, "updates": 20, "deletes": 0, "statements": 50, "bytes_in_flight": 7000, "wait_source_us": 1200000, "work_us": 700000, "wait_target_us": 1850000, "brand_new": 5}');
SELECT is(measure('inserts')::text, ROW(300, 100.000, 'rows')::text, 'a count and its rate between two reports');
SELECT is(measure('updates')::text, ROW(20, 0.000, 'rows')::text, 'a count that stands still');
SELECT is(measure('bytes_in_flight')::text, ROW(7000, NULL, 'bytes')::text, 'a gauge has no rate');
SELECT is(measure('wait_target')::text, ROW(1.850, 0.800, 's')::text, 'time is in seconds, its rate is the share of time');
SELECT is(measure('brand_new')::text, ROW(5, NULL, NULL)::text, 'what this version has no words for is shown all the same');
SELECT is(held_up(), 'the target; of its time it waited 10 % for the source and 80 % for the target, and worked 10 %', 'the target holds it up');
SELECT report('{"inserts": 301, "wait_source_us": 1300000, "work_us": 1700000, "wait_target_us": 1850000}');
SELECT is(held_up(), 'the daemon itself; of its time it waited 9 % for the source and 0 % for the target, and worked 91 %', 'the daemon holds it up');
SELECT report('{"inserts": 301, "wait_source_us": 3200000, "work_us": 1800000, "wait_target_us": 1850000}');
SELECT is(held_up(), 'the source, which has not sent more; of its time it waited 95 % for the source and 0 % for the target, and worked 5 %', 'the source has more, and does not send it');
SELECT report('{"inserts": 301, "wait_source_us": 5100000, "work_us": 1900000, "wait_target_us": 1850000}', true);
SELECT matches(held_up(), '^nothing, all that was received is applied', 'nothing holds it up');
SELECT report('{"inserts": 1, "wait_source_us": 10, "work_us": 10, "wait_target_us": 10}');
SELECT is(measure('inserts')::text, ROW(1, NULL, 'rows')::text, 'a new worker counts from 0, which is no rate');
SELECT is(held_up(), 'the stream has just begun', 'and says nothing yet');
UPDATE dts.job_progress SET reported_at = clock_timestamp() - interval '1 min';
SELECT matches(held_up(), '^the stream does not run; last reported at', 'an old report says nothing about now');
SELECT report('{"inserts": 2, "wait_source_us": 20, "work_us": 20, "wait_target_us": 20}');
UPDATE dts.job SET state = 'paused';
SELECT matches(held_up(), '^the stream does not run', 'nor does that of a job that stands still');
SET ROLE dts_viewer;
SELECT lives_ok($$SELECT * FROM public.dts_job_stats('j')$$, 'a viewer may see it');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
