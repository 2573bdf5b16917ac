-- What an operator asks beside start, pause and stop: a start at a time, completion, a load anew, workers, copies, ignored
-- warnings, what the clock brings; the daemon's part played from here.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION dts;
BEGIN;
SELECT * FROM no_plan();
SELECT dts_create_endpoint('a', 'postgresql', 'host=a'), dts_create_endpoint('b', 'postgresql', 'host=b');
SELECT dts_create_job('s', 'a', 'b'), dts_create_job('m', 'a', 'b', 'migration', '{"ready_lag_seconds": 5}');
CREATE FUNCTION pg_temp.put(job text, s text, w text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	UPDATE dts.job SET state = s, wish = w, phase = CASE WHEN s IN ('running', 'ready') THEN 'incremental' END, start_at = NULL, complete_after = NULL, force = false WHERE name = $1 $$;
CREATE FUNCTION pg_temp.go(job text, s text, w text DEFAULT NULL) RETURNS bool LANGUAGE sql AS $$
	SELECT dts.daemon_set_state(j.id, l.epoch, j.state, s, NULL, NULL, w, NULL) FROM dts.job j JOIN dts.job_lease l ON l.job_id = j.id WHERE j.name = job $$;
CREATE FUNCTION pg_temp.id(job text) RETURNS bigint LANGUAGE sql AS $$ SELECT id FROM dts.job WHERE name = $1 $$;
CREATE FUNCTION pg_temp.is_now(job text) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', j.state, j.wish) FROM dts_jobs j WHERE j.job = is_now.job $$;
CREATE FUNCTION pg_temp.hears(job text) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', wish, CASE WHEN waiters THEN 'marker' END)
	FROM dts.daemon_poll(pg_temp.id(job), (SELECT epoch FROM dts.job_lease WHERE job_id = pg_temp.id(job)), '15 s') $$;
CREATE FUNCTION pg_temp.progress(job text, p jsonb) RETURNS bool LANGUAGE sql AS $$
	SELECT dts.daemon_progress(pg_temp.id(job), (SELECT epoch FROM dts.job_lease WHERE job_id = pg_temp.id(job)), p) $$;
UPDATE dts.job_lease SET owner = 'd', epoch = 1, until = now() + interval '1 h';

-- a start at a time
SELECT pg_temp.put('s', 'check_passed');
SELECT throws_ok($$SELECT dts_start_job('s', now() - interval '1 s')$$, '22023', NULL, 'a time that has passed is refused');
SELECT throws_ok($$SELECT dts_start_job('s', 'infinity')$$, '22023', NULL, 'and one that never comes');
SELECT lives_ok($$SELECT dts_start_job('s', now() + interval '1 h')$$, 'a time to come');
SELECT is(pg_temp.is_now('s'), 'scheduled', 'is remembered');
SELECT isnt(start_at, NULL, 'and shown') FROM dts_jobs WHERE job = 's';
SELECT lives_ok($$SELECT dts_start_job('s', now() + interval '2 h')$$, 'it can be changed');
SELECT is(start_at, now() + interval '2 h', 'is changed') FROM dts_jobs WHERE job = 's';
SELECT dts.clock_due();
SELECT is(pg_temp.is_now('s'), 'scheduled', 'nothing happens before its time');
SELECT dts_unschedule_job('s');
SELECT is(pg_temp.is_now('s'), 'check_passed', 'taken back');
SELECT is(start_at, NULL, 'no time stays') FROM dts_jobs WHERE job = 's';
SELECT dts_start_job('s', now() + interval '2 h');
UPDATE dts.job SET start_at = now() WHERE name = 's';
SELECT count(*) FROM dts.daemon_claim('d', '15 s', 0);
SELECT is(pg_temp.is_now('s'), 'scheduled start', 'when the time has come, the daemon hears of it');
SELECT ok(dts.state_reachable('scheduled', 'start', 'incremental') IS FALSE AND dts.state_reachable('scheduled', 'start', 'running'), 'one can wait for a job that is scheduled');
SELECT pg_temp.go('s', 'checking', 'start');
SELECT is(pg_temp.is_now('s'), 'checking', 'it is checked again');
SELECT pg_temp.go('s', 'check_passed');
SELECT is(pg_temp.is_now('s'), 'check_passed start', 'and goes on by itself');
SELECT is(wish_by, current_user::text, 'in the name of who asked') FROM dts_jobs WHERE job = 's';
SELECT pg_temp.go('s', 'starting', 'start');
SELECT is(start_at, NULL, 'once') FROM dts_jobs WHERE job = 's';
SELECT pg_temp.put('s', 'check_passed');
SELECT dts_start_job('s', now() + interval '2 h');
SELECT dts_start_job('s');
SELECT is(pg_temp.is_now('s'), 'scheduled start', 'a scheduled job can start now');
SELECT pg_temp.go('s', 'checking', 'start'), pg_temp.go('s', 'check_failed');
SELECT is(severity, 'error', 'a check that fails then is an error on record') FROM dts_job_events WHERE event = 'start_missed';
SELECT is(pg_temp.is_now('s'), 'check_failed', 'and nothing starts');
SELECT pg_temp.put('s', 'check_passed');
SELECT dts_start_job('s', now() + interval '2 h');
UPDATE dts.job SET wish = 'start' WHERE name = 's';
SELECT pg_temp.go('s', 'checking', 'start');
SELECT dts_stop_job('s');
SELECT pg_temp.go('s', 'check_passed');
SELECT is(pg_temp.is_now('s'), 'check_passed stop', 'a stop comes first');

-- ready, and completion
SELECT pg_temp.put('m', 'running'), pg_temp.put('s', 'running');
SELECT pg_temp.progress('m', '{"caught_up": false}');
SELECT is(pg_temp.is_now('m'), 'running', 'a lag that is unknown is no reason to be ready');
SELECT throws_ok($$SELECT dts_complete_job('m')$$, '55000', NULL, 'nothing to complete yet');
SELECT pg_temp.progress('m', '{"caught_up": true}'), pg_temp.progress('s', '{"caught_up": true}');
SELECT is(pg_temp.is_now('m'), 'ready', 'a migration that is in step is ready');
SELECT is(pg_temp.is_now('s'), 'running', 'a sync never is');
SELECT pg_temp.progress('m', format('{"commit_time_us": %s}', (extract(epoch FROM clock_timestamp() - timestamptz '2000-01-01 00:00:00+00' - interval '8 s') * 1e6)::bigint)::jsonb);
SELECT is(pg_temp.is_now('m'), 'ready', 'a little over the threshold it stays so');
SELECT pg_temp.progress('m', format('{"commit_time_us": %s}', (extract(epoch FROM clock_timestamp() - timestamptz '2000-01-01 00:00:00+00' - interval '11 s') * 1e6)::bigint)::jsonb);
SELECT is(pg_temp.is_now('m'), 'running', 'at twice the threshold it is behind');
SELECT pg_temp.progress('m', '{"caught_up": true}');
SELECT throws_ok($$SELECT dts_complete_job('m', 'soon')$$, '22023', NULL, 'an unknown mode');
UPDATE dts.job_progress SET marker_begun = 7, marker_durable = 7 WHERE job_id = pg_temp.id('m');
SELECT is(pg_temp.hears('m'), '', 'nobody waits');
SELECT dts_complete_job('m');
SELECT is(pg_temp.is_now('m'), 'ready complete', 'asked for');
SELECT is(pg_temp.hears('m'), 'marker', 'the daemon is asked for a marker, not for the end');
SELECT pg_temp.go('m', 'retrying');
SELECT is(pg_temp.is_now('m'), 'retrying complete', 'a lost connection does not make it forget');
SELECT pg_temp.go('m', 'running');
SELECT pg_temp.progress('m', '{"caught_up": true}');
SELECT is(pg_temp.is_now('m'), 'ready complete', 'it is ready again');
SELECT dts.daemon_marker(pg_temp.id('m'), 1, 8, 8);
SELECT is(pg_temp.hears('m'), 'complete marker', 'once a later marker is durable, it ends');
SELECT pg_temp.go('m', 'completing', 'complete');
SELECT is(pg_temp.is_now('m'), 'completing', 'completing');
SELECT pg_temp.put('m', 'ready');
SELECT dts_complete_job('m', 'immediately');
SELECT is(pg_temp.hears('m'), 'complete', 'immediately is now');
SELECT pg_temp.put('m', 'ready');
SELECT dts_complete_job('m');
SELECT is(pg_temp.hears('m'), 'marker', 'one that waits');
SELECT dts_complete_job('m', 'immediately');
SELECT is(pg_temp.hears('m'), 'complete', 'can be hurried');

-- a load anew
SELECT pg_temp.put('m', 'failed');
SELECT dts_reset_job('m');
SELECT is(pg_temp.is_now('m'), 'failed reset', 'reset is asked of the daemon');
SELECT dts.daemon_wish_failed(pg_temp.id('m'), 1, 'reset', 'the source is away');
SELECT is(pg_temp.is_now('m'), 'failed', 'when it cannot, the job stays put');
SELECT is(message, 'the source is away', 'and the reason is on record') FROM dts_job_events WHERE event = 'reset_failed';
SELECT dts_reset_job('m');
SELECT pg_temp.go('m', 'draft', 'reset');
SELECT is(pg_temp.is_now('m'), 'draft', 'when it could, it is a draft');

-- workers
SELECT pg_temp.put('s', 'running');
SELECT dts_resize_job('s', 9);
SELECT is(workers, 9, 'the daemon hears of another number of workers') FROM dts.daemon_poll(pg_temp.id('s'), 1, '15 s');
SELECT is(pg_temp.is_now('s'), 'running', 'and the state stays');
SELECT throws_ok($$SELECT dts_resize_job('s', 65)$$, '22023', NULL, 'the range is that of the option');
SELECT dts_resize_job('s', NULL);
SELECT is(workers, 4, 'null is the default') FROM dts.daemon_poll(pg_temp.id('s'), 1, '15 s');
SELECT dts_resize_job('s', 9);
SELECT matches(dts_resize_job('s', NULL, 3), 'loads with 9 workers and applies with 3', 'the sessions that apply are changed alone');
SELECT is(apply_workers, 3, 'and the daemon hears of that') FROM dts.daemon_poll(pg_temp.id('s'), 1, '15 s');
SELECT throws_ok($$SELECT dts_resize_job('s', NULL, 9)$$, '22023', NULL, 'their range is that of the option');
SELECT dts_resize_job('s', NULL);
SELECT is(apply_workers, 3, 'they stay when they are not named') FROM dts.daemon_poll(pg_temp.id('s'), 1, '15 s');

-- warnings
SELECT pg_temp.put('s', 'check_passed');
INSERT INTO dts.job_check (job_id, ord, item, result) SELECT pg_temp.id('s'), x.* FROM (VALUES (1, 'good', 'pass'), (2, 'hm', 'warn'), (3, 'bad', 'fail'), (4, 'mixed', 'warn'), (5, 'mixed', 'fail')) x;
SELECT lives_ok($$SELECT dts_ignore_check('s', 'hm')$$, 'a warning can be ignored');
SELECT lives_ok($$SELECT dts_ignore_check('s', 'hm')$$, 'twice');
SELECT throws_ok(format('SELECT dts_ignore_check(''s'', %L)', i), '22023', NULL, coalesce(i, 'null') || ' cannot') FROM unnest('{good,bad,mixed,none,NULL}'::text[]) i;
SELECT is(array_agg(item), '{hm}', 'it is marked') FROM dts_check_results('s') WHERE ignored;
SELECT is(jsonb_path_query_array(dts_describe_job('s'), '$.checks[*] ? (@.ignored == true).item'), '["hm"]', 'also in the description');

-- copies
SELECT dts_configure_job('m', '{"workers": 11}');
SELECT lives_ok($$SELECT dts_clone_job('m', 'm2')$$, 'a copy of a job');
SELECT is(row(kind, source, target, state)::text, '(migration,a,b,draft)', 'of the same kind and ends') FROM dts_jobs WHERE job = 'm2';
SELECT is(options ->> 'workers', '11', 'and options') FROM dts.job WHERE name = 'm2';
SELECT throws_ok($$SELECT dts_clone_job('m', 'm2')$$, '42710', NULL, 'the name must be free');
SELECT dts_clone_job('s', 's2');
SELECT is(count(*), 1::bigint, 'ignored warnings are copied') FROM dts.job_ignored_check WHERE job_id = pg_temp.id('s2');

-- retention
SELECT pg_temp.put(n, 'stopped') FROM unnest('{m2,s2}'::text[]) n;
SELECT dts_isolate_job(ARRAY['m2', 's2']);
UPDATE dts.job SET isolated_at = now() - interval '7 days 1 s' WHERE name IN ('m2', 's2');
UPDATE dts.job SET footprint = true WHERE name = 's2';
UPDATE dts.job SET options = options || '{"retention_days": 8}' WHERE name = 'm2';
SELECT dts.clock_due();
SELECT is(pg_temp.is_now('m2'), 'isolated', 'an isolated job is kept for as long as it says');
SELECT is(pg_temp.is_now('s2'), 'isolated destroy', 'then the daemon cleans what it may have left');
UPDATE dts.job SET isolated_at = now() - interval '9 days' WHERE name = 'm2';
SELECT dts.clock_due();
SELECT is(pg_temp.is_now('m2'), NULL, 'and what left nothing goes at once');
SELECT is(who, 'retention', 'on record') FROM dts_job_events WHERE job = 'm2' AND event = 'destroy';

-- leftovers
SELECT pg_temp.put('s', 'stopping');
SELECT lives_ok($$SELECT dts_stop_job('s', force => true)$$, 'force can be added to a stop under way');
SELECT is((options::jsonb ->> 'force')::bool, true, 'the daemon hears of it') FROM dts.daemon_job(pg_temp.id('s'), 1);
SELECT dts.daemon_leftovers(pg_temp.id('s'), 1, '[{"side": "source", "object": "replication slot", "remedy": "SELECT 1", "reason": "away"}]');
SELECT is(row(job, side, endpoint, object, remedy, reason)::text, '(s,source,a,"replication slot","SELECT 1",away)', 'what is left is listed') FROM dts_leftovers;
SELECT is(dts.daemon_leftovers(pg_temp.id('s'), 0, '[]'), false, 'only the holder of the lease may change it');
UPDATE dts.job SET footprint = true WHERE name = 's';
SELECT throws_ok($$SELECT dts_forget_leftovers('s')$$, '42704', NULL, 'what the job can still remove cannot be forgotten');
UPDATE dts.job SET footprint = false, state = 'isolated' WHERE name = 's';
SELECT dts_destroy_job('s');
SELECT is(count(*), 1::bigint, 'the list outlives the job') FROM dts_leftovers;
SELECT lives_ok($$SELECT dts_forget_leftovers('s')$$, 'until somebody has removed it');
SELECT is_empty('SELECT * FROM dts_leftovers', 'then it is gone');
SELECT throws_ok($$SELECT dts_forget_leftovers('s')$$, '42704', NULL, 'nothing to forget');
SELECT pg_temp.put('m', 'running');
SELECT dts_stop_job('m', true);
SELECT pg_temp.go('m', 'retrying'), pg_temp.go('m', 'stopping', 'stop');
SELECT is(force, true, 'force stays with its stop') FROM dts.job WHERE name = 'm';
SELECT pg_temp.go('m', 'stopped');
SELECT is(force, false, 'and ends with it') FROM dts.job WHERE name = 'm';
SELECT * FROM finish();
ROLLBACK;
