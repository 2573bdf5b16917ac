-- dts_wait: what it waits for, what it refuses, and that it fails as soon as the wait is in vain.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION dts;
CREATE EXTENSION dblink;
SELECT dts_create_endpoint('a', 'postgresql', 'host=a'), dts_create_endpoint('b', 'postgresql', 'host=b');
SELECT dblink_connect('waiter', format('host=%s port=%s user=%s dbname=%s', split_part(current_setting('unix_socket_directories'), ',', 1),
	current_setting('port'), current_user, current_database()));
SELECT dts_create_job('j', 'a', 'b'), dts_create_job('full', 'a', 'b', 'migration', '{"phases": ["full"]}');
-- Puts a job where a test wants it.
CREATE FUNCTION put(state text, wish text DEFAULT NULL, phase text DEFAULT NULL, job text DEFAULT 'j') RETURNS void LANGUAGE sql AS $$
	UPDATE dts.job j SET state = put.state, wish = put.wish, phase = put.phase, touched_xid = NULL, error_message = NULL, error_sqlstate = NULL,
		error_detail = NULL, error_hint = NULL WHERE j.name = put.job $$;
-- A wait in the other session: begun, and ended.
CREATE FUNCTION wait_begin(until text, timeout text DEFAULT '20 s') RETURNS int LANGUAGE sql AS $$
	SELECT dblink_send_query('waiter', format('CALL dts_wait(''j'', %L, %L)', until, timeout)) $$;
CREATE FUNCTION wait_end() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	SELECT r INTO answer FROM dblink_get_result('waiter', false) AS t(r text);
	answer := coalesce(answer, regexp_replace(dblink_error_message('waiter'), '\nCONTEXT:.*', ''));
	PERFORM FROM dblink_get_result('waiter', false) AS t(r text);
	RETURN answer;
END
$$;
-- The other session sleeps within its wait.
CREATE FUNCTION waits() RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 1000 LOOP
		IF EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE 'CALL dts_wait%') THEN
			RETURN true;
		END IF;
		PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
	END LOOP;
	RETURN false;
END
$$;

-- what makes no sense
CALL dts_wait('nope', 'checked', '1 s');
CALL dts_wait('j', 'finished', '1 s');
CALL dts_wait('j', NULL, '1 s');
CALL dts_wait('full', 'incremental', '1 s');
CALL dts_wait('full', 'caught_up', '1 s');
BEGIN ISOLATION LEVEL REPEATABLE READ;
CALL dts_wait('j', 'checked', '1 s');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
CALL dts_wait('j', 'checked', '1 s');
ROLLBACK;
BEGIN;
SELECT dts_check_job('j');
CALL dts_wait('j', 'checked', '1 s');
ROLLBACK;
-- also when the wish was written in a subtransaction, or by a block's function call
BEGIN;
SAVEPOINT s;
SELECT dts_check_job('j');
RELEASE s;
CALL dts_wait('j', 'checked', '1 s');
ROLLBACK;
DO $$ BEGIN PERFORM dts_check_job('j'); CALL dts_wait('j', 'checked', '1 s'); END $$;
SELECT wish FROM dts_jobs WHERE job = 'j';
-- another transaction of one's own that has nothing to do with the job may wait
BEGIN;
CREATE TEMP TABLE mine (a int);
CALL dts_wait('j', 'draft', '1 s');
COMMIT;

-- at once where it already is
SELECT put('check_passed');
CALL dts_wait('j', 'checked', '1 s');
CALL dts_wait('j', 'check_passed', '1 s');
SELECT put('running', phase => 'incremental');
CALL dts_wait('j', 'checked', '1 s');
CALL dts_wait('j', 'incremental', '1 s');
CALL dts_wait('j', 'running', '1 s');

-- at once, with an error, where it cannot get by itself
SELECT put('draft');
CALL dts_wait('j', 'checked', '20 s');
CALL dts_wait('j', 'caught_up', '20 s');
SELECT put('check_passed');
CALL dts_wait('j', 'incremental', '20 s');
SELECT put('paused');
CALL dts_wait('j', 'incremental', '20 s');
CALL dts_wait('j', 'caught_up', '20 s');
SELECT put('stopped');
CALL dts_wait('j', 'running', '20 s');
SELECT put('stopping');
CALL dts_wait('j', 'running', '20 s');
SELECT put('running');
CALL dts_wait('j', 'paused', '20 s');
CALL dts_wait('j', 'stopped', '20 s');
-- ... and with the job's own error, where it has one
SELECT put('error');
UPDATE dts.job SET error_sqlstate = '23505', error_message = 'duplicate key in public.t', error_detail = 'Key (1).', error_hint = 'Remove it.' WHERE name = 'j';
DO $$ BEGIN CALL dts_wait('j', 'caught_up', '20 s'); EXCEPTION WHEN unique_violation THEN RAISE; END $$;
UPDATE dts.job SET error_sqlstate = 'XX', error_detail = '', error_hint = NULL WHERE name = 'j';
CALL dts_wait('j', 'incremental', '20 s');
UPDATE dts.job SET error_sqlstate = '00000' WHERE name = 'j';
CALL dts_wait('j', 'incremental', '20 s');
SELECT put('check_failed');
INSERT INTO dts.job_check (job_id, ord, item, result, detail, remedy) SELECT id, v.* FROM dts.job, (VALUES
	(1, 'fine', 'pass', NULL, NULL), (2, 'wal_level', 'fail', 'It is replica.', 'ALTER SYSTEM SET wal_level = logical;'),
	(3, 'tables', 'fail', 'public.t has no key.', 'ALTER TABLE public.t REPLICA IDENTITY FULL;')) v WHERE name = 'j';
CALL dts_wait('j', 'checked', '20 s');
CALL dts_wait('j', 'check_passed', '20 s');
CALL dts_wait('j', 'check_failed', '20 s');
-- but not while something is asked for that leads there
SELECT put('check_failed', 'check');
CALL dts_wait('j', 'checked', '0.1 s');
SELECT put('paused', 'resume');
CALL dts_wait('j', 'incremental', '0.1 s');
SELECT put('error', 'retry');
CALL dts_wait('j', 'caught_up', '0.1 s');
SELECT put('running', 'pause');
CALL dts_wait('j', 'paused', '0.1 s');
CALL dts_wait('j', 'running', '0.1 s'); -- not for long

-- the wait sees what others do
SELECT put('draft', 'check');
SELECT wait_begin('checked'), waits();
SELECT put('checking');
SELECT waits();
SELECT put('check_passed');
SELECT wait_end();
SELECT put('draft', 'check');
SELECT wait_begin('checked'), waits();
SELECT put('check_failed');
SELECT wait_end();
SELECT put('running');
SELECT wait_begin('incremental'), waits();
SELECT put('failed');
UPDATE dts.job SET error_sqlstate = '55000', error_message = 'slot lost' WHERE name = 'j';
SELECT wait_end();

-- caught_up: a marker begun before the call proves nothing
SELECT put('running', phase => 'incremental');
CREATE VIEW daemon AS SELECT id, epoch FROM dts.job JOIN dts.job_lease ON job_id = id WHERE name = 'j';
UPDATE dts.job_lease SET owner = 'me';
SELECT waiters FROM daemon, dts.daemon_poll(id, epoch, '1 h');
SELECT dts.daemon_marker(id, epoch, 5, 4) FROM daemon;
SELECT wait_begin('caught_up'), waits();
SELECT waiters, marker_begun FROM daemon, dts.daemon_poll(id, epoch, '1 h');
SELECT dts.daemon_marker(id, epoch, NULL, 5) FROM daemon;
SELECT pg_sleep(0.5);
SELECT waits();
SELECT dts.daemon_marker(id, epoch, 6, NULL) FROM daemon;
SELECT pg_sleep(0.5);
SELECT waits();
SELECT dts.daemon_marker(id, epoch, NULL, 6) FROM daemon;
SELECT wait_end();
SELECT waiters FROM daemon, dts.daemon_poll(id, epoch, '1 h'); -- nobody waits any more
-- the wait goes on while the job tries again, and ends when the job does
SELECT wait_begin('caught_up'), waits();
SELECT put('retrying');
SELECT pg_sleep(0.5);
SELECT waits();
SELECT put('error');
SELECT wait_end();
-- one that is cancelled leaves no lock
SELECT put('running', phase => 'incremental');
SELECT wait_begin('caught_up'), waits();
SELECT dblink_cancel_query('waiter');
SELECT wait_end();
SELECT waiters FROM daemon, dts.daemon_poll(id, epoch, '1 h');
-- a job that is destroyed
SELECT put('draft', 'check');
SELECT wait_begin('checked'), waits();
DELETE FROM dts.job WHERE name = 'j';
SELECT wait_end();
SELECT dblink_disconnect('waiter');
DROP VIEW daemon;
DROP FUNCTION put, wait_begin, wait_end, waits;
DROP EXTENSION dblink;
DROP EXTENSION dts CASCADE;
