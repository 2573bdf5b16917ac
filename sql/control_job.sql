-- The life of a job: actions, wishes, states and events, with the daemon's part played from here.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION dts;
SELECT dts_create_endpoint('a', 'postgresql', 'host=a password=s3cr3t'), dts_create_endpoint('b', 'postgresql', 'host=b'),
	dts_create_endpoint('m', 'mariadb', 'host=m');
CREATE VIEW now AS SELECT state, phase, step, wish, error FROM dts_jobs WHERE job = 'j';
CREATE VIEW last AS SELECT e.severity, e.event, e.from_state, e.to_state, e.who, e.message FROM dts_job_events e ORDER BY id DESC LIMIT 1;
-- What a daemon does: takes a step as the holder of the newest epoch.
CREATE FUNCTION go(job text, to_state text, wish text DEFAULT NULL, phase text DEFAULT NULL, error jsonb DEFAULT NULL) RETURNS bool
	LANGUAGE sql AS $$
	SELECT dts.daemon_set_state(j.id, l.epoch, j.state, go.to_state, go.phase, NULL, go.wish, go.error)
		FROM dts.job j JOIN dts.job_lease l ON l.job_id = j.id WHERE j.name = job $$;

-- The error alone: details that hold a whole row hold times as well.
CREATE FUNCTION refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
	RETURN format('%s %s', sqlstate, sqlerrm);
END
$$;

-- creating
SELECT dts_create_job('j', 'nope', 'b');
SELECT dts_create_job('j', 'a', 'nope');
SELECT dts_create_job('j', 'a', NULL);
SELECT dts_create_job('j', 'a', 'a');
SELECT dts_create_job('j', 'a', 'b', 'copy');
SELECT dts_create_job('j', 'a', 'b', NULL);
SELECT dts_create_job('', 'a', 'b');
SELECT dts_create_job(NULL, 'a', 'b');
SELECT dts_create_job(E'j\n', 'a', 'b');
SELECT dts_create_job(repeat('j', 64), 'a', 'b');
SELECT dts_create_job('j', 'm', 'b');
SELECT dts_create_job('j', 'a', 'm');
SELECT dts_start_job('j');
SELECT count(*) FROM dts_jobs;
SELECT dts_create_job('j', 'a', 'b');
SELECT dts_create_job('j', 'a', 'b');
SELECT dts_create_job(repeat('Ärger 1', 7), 'a', 'b');
SELECT regexp_replace(slot_name, '[0-9a-f]{8}$', 'xxxxxxxx'), length(slot_name) FROM dts_jobs ORDER BY job COLLATE "C";
SELECT dts_drop_endpoint('a');
SELECT * FROM now;
SELECT * FROM last;
SELECT job, kind, source, target, state, lag_bytes, lag_seconds, allowed, worker FROM dts_jobs WHERE job = 'j';

-- refusals
SELECT dts_start_job('j');
SELECT dts_pause_job('j');
SELECT dts_isolate_job('j');
SELECT dts_start_job('k');
SELECT dts_start_job(NULL);
SELECT dts_check_results('k');
SELECT dts_describe_job('k');
SELECT dts_configure_job('k', '{}');

-- check
SELECT dts_check_job('j');
SELECT * FROM now;
SELECT allowed FROM dts_jobs WHERE job = 'j';
SELECT dts_check_job('j');
SELECT dts_configure_job('j', '{}');
SELECT dts_destroy_job('j');
SELECT count(*) FROM dts.daemon_claim('d1', '15 s', 10);
SELECT go('j', 'checking'); -- only when that is wished
SELECT go('j', 'checking', 'start');
SELECT go('j', 'running');
SELECT go('j', 'checking', 'check');
SELECT * FROM now;
SELECT * FROM last;
SELECT dts.daemon_checks(1, 1, '{"checks": [{"item": "one", "result": "pass"}, {"item": "two", "result": "fail", "detail": "no", "remedy": "do"}, {"item": "three", "result": "warn", "detail": "hm"}]}');
SELECT refused($$SELECT dts.daemon_checks(1, 1, '{"checks": [{"item": "one", "result": "maybe"}]}')$$);
SELECT * FROM dts_check_results('j');
SELECT go('j', 'check_failed', error => '{"sqlstate": "55000", "message": "1 item failed"}');
SELECT * FROM now;
SELECT dts_start_job('j');
SELECT dts_configure_job('j', '{"workers": 2}');
SELECT * FROM now; -- a draft again, its error gone
SELECT dts_check_job('j');
SELECT go('j', 'checking', 'check');
SELECT * FROM dts_check_results('j');
SELECT go('j', 'check_passed');

-- start, run, pause, resume
SELECT dts_start_job('j');
SELECT dts.daemon_set_footprint(1, 1, true);
SELECT go('j', 'starting', 'start');
SELECT go('j', 'running', phase => 'schema');
SELECT dts.daemon_set_step(1, 1, 'pre-data');
SELECT * FROM now;
SELECT refused($$SELECT go('j', 'running', phase => 'nonsense')$$);
SELECT go('j', 'running', phase => 'incremental');
SELECT * FROM last;
SELECT dts_resume_job('j');
SELECT dts_pause_job('j');
SELECT go('j', 'retrying', error => '{"sqlstate": "08006", "message": "source lost"}');
SELECT * FROM now; -- the wish to pause still stands
SELECT go('j', 'pausing');
SELECT go('j', 'pausing', 'pause');
SELECT go('j', 'paused');
SELECT * FROM now;
SELECT dts_resume_job('j');
SELECT go('j', 'resuming', 'resume');
SELECT go('j', 'running');
-- an error meets a wish that it makes void
SELECT dts_pause_job('j');
SELECT go('j', 'error', error => '{"sqlstate": "23505", "message": "duplicate key", "detail": "Key (1).", "hint": "Remove it.", "context": "public.t"}');
SELECT state, wish, error, error_detail, error_hint, error_sqlstate, error_at IS NOT NULL AS at FROM dts_jobs WHERE job = 'j';
SELECT * FROM last;
SELECT dts_retry_job('j');
-- stop replaces the wish, and asking again changes nothing
SELECT dts_stop_job('j');
SELECT dts_stop_job('j');
SELECT go('j', 'resuming', 'retry'); -- no longer wished
SELECT * FROM now;
SELECT go('j', 'stopping', 'stop');
SELECT dts_stop_job('j');
SELECT dts_destroy_job('j');
SELECT go('j', 'stop_failed', error => '{"sqlstate": "08006", "message": "source is away"}');
SELECT dts_stop_job('j');
SELECT go('j', 'stopping', 'stop');
SELECT go('j', 'stopped');
SELECT dts.daemon_set_footprint(1, 1, false);
SELECT * FROM now;
SELECT dts_stop_job('j');
-- isolate, recover, destroy
SELECT dts_recover_job('j');
SELECT dts_isolate_job('j');
SELECT state FROM now;
SELECT dts_recover_job('j');
SELECT * FROM now;
SELECT dts_isolate_job('j');
SELECT dts_destroy_job('j');
SELECT * FROM now;
SELECT severity, event, from_state, to_state, phase, message FROM dts_job_events WHERE job = 'j' ORDER BY id DESC LIMIT 3;
SELECT dts.daemon_set_state(1, 1, 'stopped', 'draft', NULL, NULL, NULL, NULL); -- gone: not ours

-- a failed job that left something behind is destroyed by the daemon
SELECT dts_create_job('f', 'a', 'b');
UPDATE dts.job SET state = 'failed', footprint = true, error_message = 'slot lost' WHERE name = 'f';
SELECT dts_isolate_job('f');
SELECT state, error FROM dts_jobs WHERE job = 'f';
SELECT dts_drop_endpoint('a');
SELECT dts_destroy_job('f');
SELECT dts_recover_job('f');
CREATE VIEW f AS SELECT id, epoch FROM dts.job JOIN dts.job_lease ON job_id = id WHERE name = 'f';
SELECT dts.daemon_destroyed(id, epoch + 1) FROM f;
SELECT dts.daemon_destroyed(id, epoch) FROM f;
SELECT count(*) FROM dts_jobs WHERE job = 'f';
-- a failed job that is isolated comes back failed
SELECT dts_create_job('f', 'a', 'b');
UPDATE dts.job SET state = 'failed' WHERE name = 'f';
SELECT dts_isolate_job('f'), dts_recover_job('f');

-- states and phases that do not exist cannot be stored
SELECT refused($$UPDATE dts.job SET state = 'lost' WHERE name = 'f'$$);
SELECT refused($$UPDATE dts.job SET phase = 'later' WHERE name = 'f'$$);
SELECT refused($$UPDATE dts.job SET wish = 'fly' WHERE name = 'f'$$);

-- nothing that an operator can read holds a secret
SELECT (SELECT string_agg(v::text, '') FROM dts_jobs v) ~ 's3cr3t' AS jobs,
	(SELECT string_agg(v::text, '') FROM dts_job_events v) ~ 's3cr3t' AS events,
	dts_describe_job('f')::text ~ 's3cr3t' AS description, dts_describe_job('f') -> 'endpoints' AS endpoints;

-- who may do what
CREATE ROLE control_operator LOGIN IN ROLE dts_operator;
CREATE ROLE control_viewer LOGIN IN ROLE dts_viewer;
SET ROLE control_viewer;
SELECT job, state, allowed FROM dts_jobs WHERE job = 'f';
SELECT count(*) > 0 AS events FROM dts_job_events;
SELECT count(*) FROM dts_job_tables;
SELECT count(*) > 0 AS states FROM dts_state_names;
SELECT count(*) FROM dts_check_results('f');
SELECT dts_describe_job('f') ->> 'state' AS state;
SELECT dts_stop_job('f');
SELECT * FROM dts.job;
SET ROLE control_operator;
SELECT dts_create_job('o', 'a', 'b');
SELECT dts_stop_job('f');
SELECT dts.daemon_job(1, 1);
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER a, b TO control_operator;
SET ROLE control_operator;
SELECT dts_create_job('o', 'a', 'b');
RESET ROLE;
SELECT created_by FROM dts_jobs WHERE job = 'o';
SELECT wish_by FROM dts_jobs WHERE job = 'f';
SET ROLE dts_daemon;
SELECT dts.daemon_hello('1.0');
SELECT dts.daemon_hello('0.9');
SELECT dts.daemon_hello(NULL);
SELECT dts_stop_job('f');
SELECT * FROM dts.job;
RESET ROLE;
DROP OWNED BY control_operator;
DROP ROLE control_operator, control_viewer;
DROP VIEW now, last, f;
DROP EXTENSION dts CASCADE;
DROP FUNCTION go, refused;
