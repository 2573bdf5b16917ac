-- What the daemon calls: claims, epochs, leases that end, reports.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE EXTENSION dts;
CREATE EXTENSION dblink;
SELECT dts_create_endpoint('a', 'postgresql', 'host=a user=u password=''p w'''), dts_create_endpoint('b', 'postgresql', 'host=b');
-- further sessions: two daemons and somebody who listens
SELECT dblink_connect(name, format('host=%s port=%s user=%s dbname=%s', split_part(current_setting('unix_socket_directories'), ',', 1),
	current_setting('port'), current_user, current_database())) FROM (VALUES ('d1'), ('d2'), ('ear')) v(name);
SELECT dblink_exec('ear', 'LISTEN dts_job');
CREATE FUNCTION claim(daemon text, jobs int, lease text DEFAULT '15 s') RETURNS TABLE (job_id bigint, epoch bigint) LANGUAGE sql AS $$
	SELECT * FROM dblink(daemon, format('SELECT * FROM dts.daemon_claim(%L, %L, %s)', daemon, lease, jobs)) AS c(job_id bigint, epoch bigint) $$;
CREATE FUNCTION says(daemon text, call text) RETURNS bool LANGUAGE sql AS $$
	SELECT * FROM dblink(daemon, 'SELECT dts.' || call) AS c(b bool) $$;
-- What the listener was told, once it is that many messages.
CREATE FUNCTION heard(messages int) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	told text[] := '{}';
BEGIN
	FOR i IN 1 .. 1000 LOOP
		told := told || ARRAY(SELECT notify_name || ' ' || extra FROM dblink_get_notify('ear'));
		EXIT WHEN cardinality(told) >= messages;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN told;
END
$$;
CREATE VIEW lease AS SELECT job_id, epoch, owner, until > clock_timestamp() AS valid, pid IS NOT NULL AS session FROM dts.job_lease ORDER BY job_id;
-- The session of a daemon ends; waits until the server has noticed.
CREATE FUNCTION die(daemon text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	pid int := (SELECT p FROM dblink(daemon, 'SELECT pg_backend_pid()') AS c(p int));
BEGIN
	PERFORM dblink_disconnect(daemon);
	WHILE EXISTS (SELECT FROM pg_stat_get_activity(pid)) LOOP
		PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
	END LOOP;
	-- sessions count as gone only after the server has been up for a moment
	PERFORM pg_sleep(greatest(0, extract(epoch FROM pg_postmaster_start_time() + interval '5.1 s' - clock_timestamp())));
END
$$;

SELECT dts_create_job('j' || i, 'a', 'b') FROM generate_series(1, 4) i;
SELECT * FROM claim('d1', 10); -- nothing to do
SELECT dts_check_job('j' || i) FROM generate_series(1, 3) i;
SELECT heard(3);
-- each job goes to one daemon
SELECT * FROM claim('d1', 2);
SELECT * FROM claim('d2', 2);
SELECT * FROM claim('d1', 2);
SELECT * FROM lease;
-- who has an older epoch is out, whoever asks
SELECT * FROM dts.daemon_job(1, 0);
SELECT name, kind, source, target, source_conninfo, target_conninfo, state, phase, step, wish, options::jsonb - 'force' = dts.options_complete('{}') || '{"rivals": [], "ring": null, "ddl_skips": []}' AS options, footprint
	FROM dts.daemon_job(1, 1);
SELECT * FROM dts.daemon_poll(1, 0, '15 s');
SELECT * FROM dts.daemon_poll(1, 1, '15 s');
SELECT * FROM dts.daemon_poll(99, 1, '15 s');
SELECT dts.daemon_bind(1, 0), dts.daemon_set_state(1, 0, 'draft', 'checking', NULL, NULL, 'check', NULL), dts.daemon_set_step(1, 0, 's'),
	dts.daemon_set_footprint(1, 0, true), dts.daemon_release(1, 0), dts.daemon_progress(1, 0, '{}'), dts.daemon_tables(1, 0, '[]'),
	dts.daemon_checks(1, 0, '[]'), dts.daemon_event(1, 0, 'info', 'e', 'm'), dts.daemon_marker(1, 0, 1, 1), dts.daemon_destroyed(1, 0);
SELECT * FROM lease WHERE job_id = 1;
SELECT state, footprint, step FROM dts.job WHERE id = 1;
-- compare-and-set
SELECT dts.daemon_set_state(1, 1, 'check_passed', 'checking', NULL, NULL, 'check', NULL);
SELECT dts_stop_job('j1');
SELECT dts.daemon_set_state(1, 1, 'draft', 'checking', NULL, NULL, 'check', NULL); -- the wish is another now
SELECT state, wish FROM dts_jobs WHERE job = 'j1';

-- the lease is renewed when a third of it is spent, and not before
UPDATE dts.job_lease SET until = clock_timestamp() + interval '11 s' WHERE job_id = 1;
SELECT ours FROM dts.daemon_poll(1, 1, '15 s');
SELECT until > clock_timestamp() + interval '11 s' AS renewed FROM dts.job_lease WHERE job_id = 1;
UPDATE dts.job_lease SET until = clock_timestamp() + interval '9 s' WHERE job_id = 1;
SELECT ours FROM dts.daemon_poll(1, 1, '15 s');
SELECT until > clock_timestamp() + interval '11 s' AS renewed FROM dts.job_lease WHERE job_id = 1;
-- it ends by time ...
SELECT * FROM claim('d2', 9);
UPDATE dts.job_lease SET until = clock_timestamp() - interval '1 s' WHERE job_id = 1;
SELECT * FROM claim('d2', 9);
SELECT ours FROM dts.daemon_poll(1, 1, '15 s');
-- ... or by being given back; a job without work is not claimed again
SELECT says('d2', 'daemon_release(1, 1)'), says('d2', 'daemon_release(1, 2)');
SELECT * FROM dts.daemon_poll(1, 2, '15 s'); -- released
SELECT says('d2', 'daemon_bind(1, 2)');
SELECT * FROM claim('d2', 9);
SELECT says('d2', 'daemon_set_state(1, 3, ''draft'', ''stopping'', NULL, NULL, ''stop'', NULL)');
SELECT says('d2', 'daemon_set_state(1, 3, ''stopping'', ''stopped'', NULL, NULL, NULL, NULL)');
SELECT says('d2', 'daemon_release(1, 3)');
SELECT * FROM claim('d2', 9);
-- ... or by the end of the session it lives with
SELECT says('d2', 'daemon_bind(2, 1)'); -- job 2 moves from d1's session to d2's
SELECT die('d1');
SELECT * FROM lease;
SELECT * FROM claim('d2', 9);
SELECT die('d2');
SELECT dblink_connect('d1', format('host=%s port=%s user=%s dbname=%s', split_part(current_setting('unix_socket_directories'), ',', 1),
	current_setting('port'), current_user, current_database()));
SELECT * FROM claim('d1', 1);
SELECT * FROM claim('d1', 9);
-- a job at work needs a worker without any wish
UPDATE dts.job SET wish = NULL;
DO $$
DECLARE
	s record;
	claimed bool;
BEGIN
	FOR s IN SELECT * FROM dts.job_states() LOOP
		UPDATE dts.job SET state = s.state WHERE name = 'j4';
		UPDATE dts.job_lease SET owner = NULL WHERE job_id = 4;
		claimed := EXISTS (SELECT FROM dts.daemon_claim('me', '15 s', 9) WHERE job_id = 4);
		IF claimed IS DISTINCT FROM s.needs_worker THEN
			RAISE WARNING 'state %: claimed %', s.state, claimed;
		END IF;
	END LOOP;
END
$$;

-- an operator's open transaction on the job does not hold up polls, only changes of the job, and those not for long
UPDATE dts.job SET state = 'running', phase = 'incremental' WHERE name = 'j4';
UPDATE dts.job_lease SET owner = 'me', epoch = 7, until = clock_timestamp() + interval '15 s' WHERE job_id = 4;
BEGIN;
SELECT dts_pause_job('j4');
SELECT * FROM dblink('d1', 'SELECT ours, wish FROM dts.daemon_poll(4, 7, ''1 h'')') AS c(ours bool, wish text);
SELECT says('d1', 'daemon_progress(4, 7, ''{}'')'), says('d1', 'daemon_event(4, 7, ''info'', ''e'', ''m'')'), says('d1', 'daemon_marker(4, 7, 0, 0)');
SELECT says('d1', 'daemon_tables(4, 7, ''[{"schema": "s", "table": "r"}]'')'), says('d1', 'daemon_checks(4, 7, ''{"checks": [{"item": "i", "result": "pass"}]}'')');
SELECT says('d1', 'daemon_set_step(4, 7, ''s'')');
ROLLBACK;

-- reports
SELECT dts.daemon_progress(4, 7, '{"source_end": "1/100", "received": "1/80", "durable": "0/FFFFFF00", "commit_time_us": 0, "caught_up": false,
	"transactions": 5, "rows": 70, "bytes": 900, "rows_per_second": 12.5}');
SELECT lag_bytes, lag_seconds, transactions, rows, bytes, rows_per_second, received_lsn, applied_lsn, source_lsn FROM dts_jobs WHERE job = 'j4';
SELECT dts.daemon_progress(4, 7, jsonb_build_object('source_end', '1/100', 'durable', '1/100', 'caught_up', false,
	'commit_time_us', ((extract(epoch FROM clock_timestamp() - interval '30 s') - 946684800) * 1000000)::bigint));
SELECT lag_bytes, lag_seconds BETWEEN 30 AND 60 AS lag FROM dts_jobs WHERE job = 'j4';
UPDATE dts.job_progress SET commit_time = clock_timestamp() + interval '1 h' WHERE job_id = 4; -- the source's clock is ahead
SELECT lag_seconds FROM dts_jobs WHERE job = 'j4';
SELECT dts.daemon_progress(4, 7, '{"source_end": "1/100", "durable": "1/200", "caught_up": true}');
SELECT lag_bytes, lag_seconds FROM dts_jobs WHERE job = 'j4';
-- a report that is old, or of a job that stands still, is no proof that it is caught up
UPDATE dts.job_progress SET reported_at = clock_timestamp() - interval '1 min' WHERE job_id = 4;
SELECT lag_seconds BETWEEN 60 AND 90 AS lag FROM dts_jobs WHERE job = 'j4';
UPDATE dts.job SET state = 'paused' WHERE id = 4;
UPDATE dts.job_progress SET reported_at = clock_timestamp() WHERE job_id = 4;
SELECT lag_seconds < 5 AND lag_seconds > 0 AS lag FROM (SELECT pg_sleep(0.01)) s, dts_jobs WHERE job = 'j4';
SELECT dts.daemon_tables(4, 7, '[{"schema": "s", "table": "t", "phase": "copying", "rows_estimated": 10, "rows_done": 1, "bytes_estimated": 1000, "bytes_done": 250, "parts": 4, "parts_done": 1},
	{"schema": "s", "table": "u", "phase": "waiting", "rows_estimated": 0, "bytes_estimated": 0}]');
SELECT dts.daemon_tables(4, 7, '[{"schema": "s", "table": "t", "phase": "copying", "bytes_estimated": 1000, "bytes_done": 500},
	{"schema": "s", "table": "t", "phase": "copying", "bytes_estimated": 1000, "bytes_done": 2000},
	{"schema": "s", "table": "v", "phase": "error", "error": "no"}, {"schema": "s", "table": "w", "phase": "incremental"}]');
SELECT schema_name, table_name, phase, rows_estimated, rows_done, bytes_done, percent, parts, error FROM dts_job_tables WHERE job = 'j4' AND table_name <> 'r' ORDER BY 2;
-- rates, and when copying will have ended
SELECT dts.daemon_tables(4, 7, '[{"schema": "s", "table": "t", "phase": "copying", "rows_estimated": 1000, "rows_done": 250, "bytes_estimated": 1000, "bytes_done": 900, "parts": 4, "parts_done": 1, "parts_active": 2, "rows_per_second": 50, "bytes_per_second": 2.5, "seconds_left": 15},
	{"schema": "s", "table": "u", "phase": "copying", "bytes_estimated": 1000, "bytes_done": 500, "bytes_per_second": 100, "seconds_left": 5}, {"schema": "s", "table": "v", "phase": "indexing", "rows_per_second": 50, "bytes_per_second": 2.5, "seconds_left": 7}]');
SELECT table_name, percent, parts_active, rows_per_second, bytes_per_second, estimated_end - updated AS left FROM dts_job_tables WHERE job = 'j4' AND table_name IN ('t', 'u', 'v') ORDER BY 1;
UPDATE dts.job SET state = 'running' WHERE id = 4;
SELECT table_name, percent, parts_active, rows_per_second, bytes_per_second, estimated_end - updated AS left FROM dts_job_tables WHERE job = 'j4' AND table_name IN ('t', 'u', 'v') ORDER BY 1;
-- the parts of a table
SELECT dts.daemon_tables(4, 7, '[{"schema": "s", "table": "t", "phase": "copying", "rows_estimated": 1000, "rows_done": 350, "bytes_estimated": 1000, "bytes_done": 900, "parts": 3, "parts_done": 1, "parts_active": 1, "part_list": [
	{"phase": "copied", "rows_estimated": 250, "rows_done": 251, "bytes_estimated": 333, "bytes_done": 300, "rows_per_second": 7},
	{"phase": "copying", "rows_estimated": 300, "rows_done": 100, "bytes_estimated": 333, "bytes_done": 200, "rows_per_second": 20, "bytes_per_second": 2.5, "seconds_left": 10}, {"phase": "waiting", "bytes_estimated": 334, "bytes_done": 0}]},
	{"schema": "s", "table": "u", "phase": "copying", "bytes_estimated": 1000, "bytes_done": 500, "bytes_per_second": 100, "seconds_left": 5, "parts": 1, "parts_done": 0, "parts_active": 1, "part_list": []}]');
SELECT p.table_name, part, p.phase, p.rows_estimated, p.rows_done, p.bytes_estimated, p.bytes_done, p.percent, p.rows_per_second, p.bytes_per_second, p.estimated_end - t.updated AS left FROM dts_job_parts p JOIN dts_job_tables t USING (job, table_name) WHERE job = 'j4' ORDER BY 1, 2;
SELECT dts.daemon_tables(4, 7, '[{"schema": "s", "table": "t", "phase": "copied", "parts": 3, "parts_done": 3, "parts_active": 0}]');
SELECT table_name, part, phase FROM dts_job_parts WHERE job = 'j4' AND table_name = 't' ORDER BY 2;
-- loaded again, in one piece
SELECT dts.daemon_tables(4, 7, '[{"schema": "s", "table": "t", "phase": "waiting", "parts": 1, "parts_done": 0, "parts_active": 0, "part_list": []}]');
SELECT table_name, part, phase FROM dts_job_parts WHERE job = 'j4' AND table_name = 't' ORDER BY 2;
UPDATE dts.job SET state = 'paused' WHERE id = 4;
SELECT dts.daemon_marker(4, 7, 3, NULL), dts.daemon_marker(4, 7, NULL, 2), dts.daemon_marker(4, 7, 1, 1);
SELECT marker_begun, marker_durable FROM dts.job_progress WHERE job_id = 4;
SELECT dts.daemon_event(4, 7, 'warning', 'slow', 'it is slow'), dts.daemon_event(4, 7, 'odd', 'odd', 'a severity nobody knows');
SELECT severity, event, phase, who, message FROM dts_job_events WHERE job = 'j4' ORDER BY id DESC LIMIT 2;
-- a new start forgets the old run's tables and positions, never the numbers of markers
UPDATE dts.job SET state = 'check_passed', wish = 'start' WHERE id = 4;
SELECT dts.daemon_set_state(4, 7, 'check_passed', 'starting', NULL, NULL, 'start', NULL);
SELECT count(*) FROM dts_job_tables;
SELECT lag_bytes, received_lsn, rows, phase, step FROM dts_jobs WHERE job = 'j4';
SELECT marker_begun, marker_durable FROM dts.job_progress WHERE job_id = 4;
-- an endpoint that was dropped by hand
DROP SERVER b CASCADE;
SELECT source_conninfo, target_conninfo FROM dts.daemon_job(4, 7);
SELECT dblink_disconnect(name) FROM unnest(dblink_get_connections()) name;
DROP VIEW lease;
DROP FUNCTION claim, says, die, heard;
DROP EXTENSION dblink;
DROP EXTENSION dts CASCADE;
