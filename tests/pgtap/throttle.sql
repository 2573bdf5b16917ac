-- Throttles: what may be set, what holds at which time of the day, what the daemon hears.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION dts;
BEGIN;
SELECT * FROM no_plan();
SELECT dts_create_endpoint('a', 'postgresql', 'host=a'), dts_create_endpoint('b', 'postgresql', 'host=b');
SELECT dts_create_job('j', 'a', 'b');
CREATE FUNCTION pg_temp.heard() RETURNS jsonb LANGUAGE sql AS $$
	SELECT throttle::jsonb FROM dts.daemon_poll((SELECT id FROM dts.job WHERE name = 'j'), 1, '15 s') $$;
UPDATE dts.job_lease SET owner = 'me', epoch = 1, until = now() + interval '1 h';

SELECT is(dts_describe_job('j') #> '{options,throttle}', 'null', 'nothing is throttled at first');
SELECT is_empty('SELECT * FROM dts_throttles', 'and nothing listed');
SELECT is(pg_temp.heard(), NULL, 'nor told to the daemon');
SELECT is(dts_set_throttle('j', 'incremental', '{"rows_per_second": 500, "mb_per_second": 2}'), 'phase incremental of job "j" is throttled', 'a throttle is set');
SELECT is(pg_temp.heard(), '{"incremental": {"queries": 0, "rows": 500, "bytes": 2097152}}', 'the daemon hears of it');
SELECT is(dts_set_throttle('j', 'full', '{"queries_per_second": 3}'), 'phase full of job "j" is throttled', 'the other phase');
SELECT is(pg_temp.heard(), '{"full": {"queries": 3, "rows": 0, "bytes": 0}, "incremental": {"queries": 0, "rows": 500, "bytes": 2097152}}', 'leaves the first as it is');
SELECT is(throttle::jsonb, pg_temp.heard(), 'a daemon that begins hears the same') FROM dts.daemon_job((SELECT id FROM dts.job), 1);
SELECT results_eq('SELECT job, phase, queries_per_second, rows_per_second, mb_per_second, window_now, limits FROM dts_throttles ORDER BY phase',
	$$VALUES ('j', 'full', 3::int8, NULL::int8, NULL::int8, NULL, '{"queries_per_second": 3}'::jsonb),
		('j', 'incremental', NULL, 500, 2, NULL, '{"rows_per_second": 500, "mb_per_second": 2}')$$, 'dts_throttles lists both');
SELECT is(dts_set_throttle('j', 'full', NULL), 'phase full of job "j" is not throttled', 'null lifts one');
SELECT is(dts_set_throttle('j', 'incremental', '{}'), 'phase incremental of job "j" is throttled', 'no limit at all is no limit');
SELECT is(pg_temp.heard(), '{"incremental": {"queries": 0, "rows": 0, "bytes": 0}}', 'for the daemon, too');
SELECT is((dts_set_throttle(ARRAY['j', 'none'], 'incremental', NULL)).accepted, v, 'for many jobs') FROM (VALUES (true)) v(v) LIMIT 1;
SELECT ok(NOT (SELECT options FROM dts.job) ? 'throttle', 'with the last one the option is gone');
SELECT matches(string_agg(message, '; ' ORDER BY id), 'throttle of phase incremental: {"mb_per_second": 2, "rows_per_second": 500}.*: none', 'each change leaves an event')
	FROM dts_job_events WHERE event = 'throttle';

-- what is refused, and with which path
CREATE FUNCTION pg_temp.refusal(phase text, limits jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE h text; d text;
BEGIN
	PERFORM dts_set_throttle('j', phase, limits);
	RETURN 'accepted';
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS h = PG_EXCEPTION_HINT, d = PG_EXCEPTION_DETAIL;
	RETURN sqlerrm || '|' || d || '|' || h;
END
$$;
SELECT is(pg_temp.refusal('schema', '{}'), 'phase "schema" cannot be throttled|Only copying rows and applying changes take long.|Valid phases are: full, incremental.', 'another phase');
SELECT matches(pg_temp.refusal(NULL, '{}'), '^phase null', 'no phase');
SELECT matches(pg_temp.refusal('full', '{"rows_per_second": 0}'), '^invalid value of option \$\.throttle\.full\.rows_per_second\|.*from 1 to', 'zero');
SELECT matches(pg_temp.refusal('incremental', '{"queries_per_second": 5}'), '^unknown option \$\.throttle\.incremental\.queries_per_second', 'a unit that the phase has not');
SELECT matches(pg_temp.refusal('full', '{"windows": [{"from": "8:00", "to": "09:00"}]}'), '^invalid value of option \$\.throttle\.full\.windows\[0\]\.from\|The value is "8:00"', 'no time of day');
SELECT matches(pg_temp.refusal('full', '{"windows": [{"from": "08:00", "to": "25:00"}]}'), 'windows\[0\]\.to', 'an hour that is none');
SELECT matches(pg_temp.refusal('full', '{"windows": [{"from": "08:00"}]}'), '^option \$\.throttle\.full\.windows\[0\]\.to is missing', 'half a window');
SELECT matches(pg_temp.refusal('full', '{"windows": [{"from": "08:00", "to": "08:00"}]}'), 'begins when it ends', 'an empty window');
SELECT matches(pg_temp.refusal('full', '{"windows": [{"from": "22:00", "to": "06:00"}, {"from": "05:59", "to": "07:00"}]}'), 'windows\[0\] and \[1\] overlap\|Both cover 05:59', 'windows that overlap');
SELECT matches(pg_temp.refusal('full', '{"time_zone": "Mars"}'), 'unknown time zone', 'a time zone that is none');
SELECT matches(pg_temp.refusal('full', jsonb_build_object('windows', (SELECT jsonb_agg(jsonb_build_object('from', format('%s:00', 10 + g), 'to', format('%s:30', 10 + g))) FROM generate_series(0, 10) g))),
	'windows\|.*0 to 10 elements', 'eleven windows');
SELECT is(pg_temp.refusal('full', jsonb_build_object('windows', (SELECT jsonb_agg(jsonb_build_object('from', format('%s:00', 10 + g), 'to', format('%s:00', 11 + g))) FROM generate_series(0, 9) g))),
	'accepted', 'ten that touch are fine');
SELECT throws_ok($$SELECT dts_set_throttle('none', 'full', '{}')$$, '42704', NULL, 'an unknown job');
SELECT throws_ok($$SELECT dts_create_job('k', 'a', 'b', options => '{"throttle": {"full": {"time_zone": "Mars"}}}')$$, '22023', NULL, 'options of a new job are checked as well');

-- the clock
SELECT dts_set_throttle('j', 'full', '{"rows_per_second": 100, "time_zone": "Europe/Berlin", "windows": [
	{"from": "08:00", "to": "18:00", "rows_per_second": 10}, {"from": "22:00", "to": "05:00"}, {"from": "05:00", "to": "06:00", "mb_per_second": 7}]}');
CREATE FUNCTION pg_temp.at(t timestamptz) RETURNS jsonb LANGUAGE sql AS $$
	SELECT dts.throttle_in_force(options #> '{throttle,full}', t) - 'windows' - 'time_zone' FROM dts.job WHERE name = 'j' $$;
SELECT is(pg_temp.at(t::timestamptz), v::jsonb, t) FROM (VALUES
	('2024-01-10 06:59:59+00', '{"rows_per_second": 100}'),   -- 07:59:59 in Berlin, winter
	('2024-01-10 07:00:00+00', '{"rows_per_second": 10, "from": "08:00", "to": "18:00"}'),
	('2024-07-10 05:59:59+00', '{"rows_per_second": 100}'),   -- summer
	('2024-07-10 06:00:00+00', '{"rows_per_second": 10, "from": "08:00", "to": "18:00"}'),
	('2024-07-10 15:59:59.9+00', '{"rows_per_second": 10, "from": "08:00", "to": "18:00"}'),
	('2024-07-10 16:00:00+00', '{"rows_per_second": 100}'),
	('2024-07-10 20:00:00+00', '{"from": "22:00", "to": "05:00"}'), -- at full speed, over midnight
	('2024-07-10 22:30:00+00', '{"from": "22:00", "to": "05:00"}'),
	('2024-07-11 02:59:59+00', '{"from": "22:00", "to": "05:00"}'),
	('2024-07-11 03:00:00+00', '{"mb_per_second": 7, "from": "05:00", "to": "06:00"}')) c(t, v);
SELECT ok(dts.throttle_covers('{"from": "00:00", "to": "24:00"}', m), 'the whole day has minute ' || m) FROM unnest('{0,720,1439}'::int[]) m;
SELECT is((SELECT count(*) FROM generate_series(0, 1439) m WHERE dts.throttle_covers('{"from": "23:30", "to": "00:15"}', m)), 45::int8, 'a window over midnight has its minutes');
-- a window that holds now
SELECT dts_set_throttle('j', 'full', jsonb_build_object('rows_per_second', 5, 'windows', jsonb_build_array(
	jsonb_build_object('from', '00:00', 'to', '24:00', 'rows_per_second', 77))));
SELECT is(pg_temp.heard() #>> '{full,rows}', '77', 'the daemon hears of the window that holds now');
SELECT is(window_now || ' ' || rows_per_second, '00:00-24:00 UTC 77', 'and so does the operator') FROM dts_throttles;

-- a throttle may be lifted while something else is asked for, and is listed so
UPDATE dts.job SET state = 'ready', kind = 'migration', wish = 'complete', wish_by = 'me' WHERE name = 'j';
SELECT lives_ok($$SELECT dts_set_throttle('j', 'full', NULL)$$, 'a completion that waits does not stand in the way');
SELECT is(allowed, '{dts_set_throttle,dts_stop_job}', 'the view says so') FROM dts_jobs;
SELECT throws_ok($$SELECT dts_resize_job('j', 2)$$, '55006', NULL, 'as it does for others');
SELECT * FROM finish();
ROLLBACK;
