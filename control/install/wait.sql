-- wait: blocks the caller until a job got somewhere.
--
-- It polls, never commits and holds no lock that anybody else waits for.  caught_up: the waiter's
-- shared advisory lock tells the daemon that somebody waits; the daemon then records the number of
-- a marker, commits the marker on the source, and records when it is durable on the target.  A
-- number that is recorded after the waiter looked stands for a commit that follows all that the
-- source had committed at the time of the call.

-- The first key of the advisory locks that waiters take; the second is the job's id.
CREATE FUNCTION dts.wait_lock_class() RETURNS pg_catalog.int4
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$ SELECT 1148474170 $$;
COMMENT ON FUNCTION dts.wait_lock_class() IS 'first key of the advisory locks of those who wait for caught_up';

CREATE FUNCTION dts.wait_lock_key(p_job pg_catalog.int8) RETURNS pg_catalog.int4
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$ SELECT (p_job % 2147483647)::int4 $$;
COMMENT ON FUNCTION dts.wait_lock_key(pg_catalog.int8) IS 'second key of the advisory locks of those who wait for caught_up';

-- Whether the daemon can bring a job from one state to another by itself, given what is asked of it.
CREATE FUNCTION dts.state_reachable(p_from pg_catalog.text, p_wish pg_catalog.text, p_to pg_catalog.text)
	RETURNS pg_catalog.bool
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE reach(state) AS (
		SELECT p_from
		UNION
		SELECT t.next_state FROM reach r JOIN dts.job_transitions() t ON t.state = r.state
			WHERE NOT starts_with(t.event, 'WISH_') OR t.event = 'WISH_' || upper(p_wish))
	SELECT EXISTS (SELECT FROM reach WHERE state = p_to)
$$;
COMMENT ON FUNCTION dts.state_reachable(pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
	'whether a job can get from one state to another without a further request';

-- Raises the error that ends a wait in vain: the job's own, where it has one.
CREATE FUNCTION dts.wait_fail(j dts.job, p_until pg_catalog.text) RETURNS pg_catalog.void
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	failed text;
	remedies text;
BEGIN
	IF j.state = 'check_failed' AND p_until IN ('checked', 'check_passed') THEN
		SELECT string_agg(format('%s: %s', c.item, c.detail), E'\n' ORDER BY c.ord),
				string_agg(c.remedy, E'\n' ORDER BY c.ord)
			INTO failed, remedies
			FROM dts.job_check c WHERE c.job_id = j.id AND c.result = 'fail';
		RAISE EXCEPTION 'precheck of job "%" failed', j.name
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = coalesce(failed, j.error_message, 'No item was reported.'),
				HINT = coalesce(remedies, format('SELECT * FROM dts_check_results(%L);', j.name));
	END IF;
	IF j.error_message IS NOT NULL THEN
		RAISE EXCEPTION 'job "%": %', j.name, j.error_message
			USING ERRCODE = CASE WHEN j.error_sqlstate ~ '^[0-9A-Z]{5}$' AND j.error_sqlstate !~ '^(00|01|02)'
					AND j.error_sqlstate !~ '000$' THEN j.error_sqlstate ELSE 'object_not_in_prerequisite_state' END,
				DETAIL = coalesce(nullif(j.error_detail, ''), format('The job is in state "%s".', j.state)),
				HINT = coalesce(nullif(j.error_hint, ''), format('State "%s" allows: %s.', j.state,
					array_to_string(dts.job_allowed_functions(j.state), ', ')));
	END IF;
	RAISE EXCEPTION 'job "%" is in state "%" and will not get to "%" by itself', j.name, j.state, p_until
		USING ERRCODE = 'object_not_in_prerequisite_state',
			DETAIL = format('State "%s" means: %s.', j.state,
				(SELECT s.meaning FROM dts.job_states() s WHERE s.state = j.state)),
			HINT = CASE WHEN cardinality(dts.job_allowed_functions(j.state)) = 0 THEN 'It allows nothing.'
				ELSE format('It allows: %s.', array_to_string(dts.job_allowed_functions(j.state), ', ')) END;
END
$$;
COMMENT ON FUNCTION dts.wait_fail(dts.job, pg_catalog.text) IS 'raises the error of a wait that is in vain';

-- Refuses what could never be waited for.
CREATE FUNCTION dts.wait_require(j dts.job, p_until pg_catalog.text) RETURNS pg_catalog.void
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF p_until IS NULL OR NOT (p_until IN ('checked', 'incremental', 'caught_up') OR dts.is_job_state(p_until)) THEN
		RAISE EXCEPTION 'cannot wait until %', coalesce('"' || p_until || '"', 'null')
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'There is no such state.',
				HINT = 'Valid are: checked, incremental, caught_up, and the states: '
					|| (SELECT string_agg(s.state, ', ') FROM dts.job_states() s) || '.';
	END IF;
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
		RAISE EXCEPTION 'dts_wait cannot run in a transaction of isolation level %', current_setting('transaction_isolation')
			USING ERRCODE = 'active_sql_transaction',
				DETAIL = 'It would never see what the daemon does.',
				HINT = 'Call it at isolation level READ COMMITTED.';
	END IF;
	IF j.touched_xid = pg_current_xact_id_if_assigned() THEN
		RAISE EXCEPTION 'dts_wait would wait for its own transaction'
			USING ERRCODE = 'active_sql_transaction',
				DETAIL = format('This transaction changed job "%s", which the daemon sees only when it is committed.', j.name),
				HINT = 'COMMIT before CALL dts_wait.';
	END IF;
	IF p_until IN ('incremental', 'caught_up') AND NOT dts.options_complete(j.options) -> 'phases' ? 'incremental' THEN
		RAISE EXCEPTION 'job "%" has no incremental phase', j.name
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('Its phases are %s.', dts.options_complete(j.options) ->> 'phases'),
				HINT = 'Wait until "completed".';
	END IF;
END
$$;
COMMENT ON FUNCTION dts.wait_require(dts.job, pg_catalog.text) IS 'refuses a wait that makes no sense';

-- Whether the job is there.  Raises an error when it cannot get there by itself.
CREATE FUNCTION dts.wait_reached(j dts.job, p_until pg_catalog.text, p_marker pg_catalog.int8)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	reached bool;
BEGIN
	IF p_until = 'checked' THEN
		reached := j.wish IS DISTINCT FROM 'check' AND j.state IN ('check_passed', 'scheduled', 'starting', 'running', 'ready', 'modifying', 'pausing',
			'paused', 'resuming', 'retrying', 'completing', 'completed');
	ELSIF p_until = 'incremental' THEN
		reached := j.state IN ('running', 'ready') AND j.phase = 'incremental';
	ELSIF p_until = 'caught_up' THEN
		reached := (SELECT p.marker_durable > p_marker FROM dts.job_progress p WHERE p.job_id = j.id);
	ELSE
		-- a job that is ready runs
		reached := (j.state = p_until OR j.state = 'ready' AND p_until = 'running') AND j.wish IS NULL;
	END IF;
	IF NOT reached AND NOT dts.state_reachable(j.state, coalesce(j.wish, CASE WHEN j.start_at IS NOT NULL THEN 'start' END),
			CASE p_until WHEN 'checked' THEN 'check_passed' WHEN 'incremental' THEN 'running'
				WHEN 'caught_up' THEN 'running' ELSE p_until END) THEN
		PERFORM dts.wait_fail(j, p_until);
	END IF;
	RETURN reached;
END
$$;
COMMENT ON FUNCTION dts.wait_reached(dts.job, pg_catalog.text, pg_catalog.int8) IS 'whether a job got to what is waited for';

CREATE PROCEDURE @extschema@.dts_wait(job pg_catalog.text, until pg_catalog.text,
		timeout pg_catalog.interval DEFAULT '1 hour')
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, false);
	ends timestamptz := clock_timestamp() + timeout;
	pause float8 := 0.05;
	marker int8;
BEGIN
	PERFORM dts.wait_require(j, until);
	IF until = 'caught_up' THEN
		PERFORM pg_advisory_xact_lock_shared(dts.wait_lock_class(), dts.wait_lock_key(j.id));
		SELECT p.marker_begun INTO marker FROM dts.job_progress p WHERE p.job_id = j.id;
	END IF;
	LOOP
		SELECT * INTO j FROM dts.job o WHERE o.id = j.id;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'job "%" was destroyed', job
				USING ERRCODE = 'undefined_object', DETAIL = 'It is gone since the wait began.',
					HINT = dts.job_names_hint();
		END IF;
		EXIT WHEN dts.wait_reached(j, until, marker);
		IF clock_timestamp() >= ends THEN
			RAISE EXCEPTION 'job "%" did not get to "%" within %', j.name, until, timeout
				USING ERRCODE = 'lock_not_available',
					DETAIL = format('It is in state "%s"%s%s.', j.state, coalesce(', phase ' || j.phase, ''),
						coalesce(', with "' || j.wish || '" asked for', '')),
					HINT = CASE WHEN (SELECT l.owner IS NULL FROM dts.job_lease l WHERE l.job_id = j.id)
						THEN 'No daemon works for this job; see that dts_applier runs.'
						ELSE 'Look at dts_jobs and dts_job_events, or wait longer.' END;
		END IF;
		PERFORM pg_sleep(least(pause, greatest(extract(epoch FROM ends - clock_timestamp()), 0.001)));
		pause := least(pause * 1.2, 0.2);
	END LOOP;
END
$$;
COMMENT ON PROCEDURE @extschema@.dts_wait(pg_catalog.text, pg_catalog.text, pg_catalog.interval) IS
	'waits until a job is checked, incremental, caught_up, or in a state; fails when that cannot come';
