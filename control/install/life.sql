-- life: what an operator asks of a job beside start, pause and stop: a start at a time, a completion, a
-- load anew, another number of workers, a copy; and what falls due by the clock.

CREATE TABLE dts.job_ignored_check (
	job_id pg_catalog.int8 NOT NULL REFERENCES dts.job ON DELETE CASCADE,
	item pg_catalog.text NOT NULL,
	ignored_by pg_catalog.text NOT NULL,
	ignored_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (job_id, item)
);
COMMENT ON TABLE dts.job_ignored_check IS 'warnings of the precheck that an operator has looked at and accepts';

-- A start at a time.  Nothing outside of this database is concerned, so it acts at once.
CREATE FUNCTION dts.job_schedule(p_job pg_catalog.text, p_at pg_catalog.timestamptz) RETURNS pg_catalog.text
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(p_job, true);
BEGIN
	PERFORM dts.job_require(j, 'schedule');
	IF p_at <= clock_timestamp() OR NOT isfinite(p_at) THEN
		RAISE EXCEPTION 'job "%" cannot start at %', j.name, p_at
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = CASE WHEN isfinite(p_at) THEN format('It is %s now.', clock_timestamp()) ELSE 'That time never comes.' END,
				HINT = 'Give a time to come, or leave it out to start at once.';
	END IF;
	IF j.state <> 'scheduled' THEN
		PERFORM dts.job_set_state(j.id, j.state, 'scheduled', 'schedule', dts.caller(), NULL, NULL, NULL, NULL);
	END IF;
	UPDATE dts.job SET start_at = p_at, start_by = dts.caller(), touched_xid = pg_current_xact_id(),
		updated_at = clock_timestamp() WHERE id = j.id;
	PERFORM dts.job_log(j, 'info', 'start_at', NULL, NULL, dts.caller(), format('to start at %s', p_at));
	RETURN format('job "%s" starts at %s, if it passes its precheck then', j.name, p_at);
END
$$;
COMMENT ON FUNCTION dts.job_schedule(pg_catalog.text, pg_catalog.timestamptz) IS 'sets the time of a job''s start';

CREATE FUNCTION @extschema@.dts_unschedule_job(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_move(job, 'unschedule');
BEGIN
	RETURN format('job "%s" waits for dts_start_job', j.name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_unschedule_job(pg_catalog.text) IS 'takes back the start at a time';

CREATE FUNCTION @extschema@.dts_ignore_check(job pg_catalog.text, item pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, true);
	found_result text;
BEGIN
	PERFORM dts.job_require(j, 'ignore_check');
	-- an item may have several rows; the worst one counts
	SELECT c.result INTO found_result FROM dts.job_check c WHERE c.job_id = j.id AND c.item = dts_ignore_check.item
		ORDER BY array_position('{fail,warn,pass}', c.result) LIMIT 1;
	IF found_result IS DISTINCT FROM 'warn' THEN
		RAISE EXCEPTION 'precheck item % of job "%" is no warning', coalesce('"' || item || '"', 'null'), j.name
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = CASE found_result WHEN 'fail' THEN 'It failed, and must be mended.'
					WHEN 'pass' THEN 'It passed.' ELSE 'The last precheck has no such item.' END,
				HINT = coalesce('Warnings are: ' || (SELECT string_agg(DISTINCT c.item, ', ') FROM dts.job_check c
					WHERE c.job_id = j.id AND c.result = 'warn') || '.', 'The last precheck has no warning.');
	END IF;
	INSERT INTO dts.job_ignored_check (job_id, item, ignored_by) VALUES (j.id, item, dts.caller()) ON CONFLICT DO NOTHING;
	IF FOUND THEN
		PERFORM dts.job_log(j, 'info', 'ignore_check', NULL, NULL, dts.caller(), format('warning "%s" is ignored', item));
	END IF;
	RETURN format('warning "%s" of job "%s" is ignored, also by later prechecks', item, j.name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_ignore_check(pg_catalog.text, pg_catalog.text) IS
	'accepts a warning of the precheck; it is remembered';

CREATE FUNCTION @extschema@.dts_resize_job(job pg_catalog.text, workers pg_catalog.int4,
		apply_workers pg_catalog.int4 DEFAULT NULL) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, true);
	changed jsonb;
	complete jsonb;
BEGIN
	PERFORM dts.job_require(j, 'resize');
	-- null: the default, or as it is when only the other number is given
	changed := dts.options_check(j.options
		|| CASE WHEN workers IS NULL AND apply_workers IS NOT NULL THEN '{}' ELSE jsonb_build_object('workers', workers) END
		|| CASE WHEN apply_workers IS NULL THEN '{}' ELSE jsonb_build_object('apply_workers', apply_workers) END, j.kind);
	complete := dts.options_complete(changed);
	UPDATE dts.job SET options = changed, updated_at = clock_timestamp() WHERE id = j.id;
	PERFORM dts.job_log(j, 'info', 'resize', NULL, NULL, dts.caller(),
		format('workers: %s, apply_workers: %s', complete ->> 'workers', complete ->> 'apply_workers'));
	PERFORM pg_notify('dts_job', j.id::text);
	RETURN format('job "%s" loads with %s workers and applies with %s', j.name, complete ->> 'workers',
		complete ->> 'apply_workers');
END
$$;
COMMENT ON FUNCTION @extschema@.dts_resize_job(pg_catalog.text, pg_catalog.int4, pg_catalog.int4) IS
	'changes the number of copying processes and of sessions that apply the stream, also while the job runs';

-- A completion that waits for the stream lies behind a marker: the daemon learns of the wish when a
-- marker begun after the call is durable on the target, so that all that the source had committed
-- by then is there.
CREATE FUNCTION @extschema@.dts_complete_job(job pg_catalog.text, mode pg_catalog.text DEFAULT 'wait_for_sync')
	RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, true);
	answer text;
BEGIN
	IF mode IS NULL OR mode NOT IN ('wait_for_sync', 'immediately') THEN
		RAISE EXCEPTION 'unknown mode of completion: %', coalesce('"' || mode || '"', 'null')
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'The mode says whether the job waits for what the source has committed until now.',
				HINT = 'Valid modes are: wait_for_sync, immediately.';
	END IF;
	IF j.wish = 'complete' AND j.complete_after IS NOT NULL AND mode = 'immediately' THEN
		UPDATE dts.job SET complete_after = NULL WHERE id = j.id; -- no longer waits
		PERFORM dts.job_log(j, 'info', 'wish', NULL, NULL, dts.caller(), 'asked for "complete" without waiting');
		PERFORM pg_notify('dts_job', j.id::text);
		RETURN format('complete of job "%s" requested', j.name);
	END IF;
	answer := dts.job_request(job, 'complete');
	UPDATE dts.job SET complete_after = CASE mode WHEN 'wait_for_sync' THEN
			(SELECT p.marker_begun FROM dts.job_progress p WHERE p.job_id = j.id) END
		WHERE id = j.id;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION @extschema@.dts_complete_job(pg_catalog.text, pg_catalog.text) IS
	'asks for the end of a migration that is ready: wait_for_sync, after all committed until now is on the target; or immediately';

-- The wish as the daemon may know it: a completion only when its time has come.
CREATE FUNCTION dts.wish_due(j dts.job) RETURNS pg_catalog.text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN j.wish = 'complete' AND (j.state <> 'ready' OR j.complete_after IS NOT NULL AND NOT EXISTS (
			SELECT FROM dts.job_progress p WHERE p.job_id = j.id AND p.marker_durable > j.complete_after))
		THEN NULL ELSE j.wish END
$$;
COMMENT ON FUNCTION dts.wish_due(dts.job) IS 'what is wished of a job now; a completion waits for its marker';

-- Whether a migration is in step with its source, as its reports say.  Never waits for an operator.
CREATE FUNCTION dts.job_in_step(p_job pg_catalog.int8) RETURNS pg_catalog.void
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job;
	lag float8;
	threshold float8;
BEGIN
	SELECT o.* INTO j FROM dts.job o WHERE o.id = p_job AND o.kind = 'migration' AND o.phase = 'incremental'
		AND o.state IN ('running', 'ready');
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT coalesce(dts.progress_lag(p, true), 'infinity')
		INTO lag FROM dts.job_progress p WHERE p.job_id = p_job;
	threshold := (dts.options_complete(j.options) ->> 'ready_lag_seconds')::float8;
	-- twice the threshold before it counts as behind again, so that it does not flutter
	IF j.state = 'running' AND lag <= threshold OR j.state = 'ready' AND lag > 2 * threshold AND j.wish IS NULL THEN
		PERFORM FROM dts.job o WHERE o.id = p_job FOR NO KEY UPDATE SKIP LOCKED;
		IF FOUND THEN
			PERFORM dts.job_set_state(p_job, j.state, CASE j.state WHEN 'running' THEN 'ready' ELSE 'running' END,
				CASE j.state WHEN 'running' THEN 'IN_STEP' ELSE 'BEHIND' END, dts.lease_owner(p_job), NULL, NULL, NULL, NULL);
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION dts.job_in_step(pg_catalog.int8) IS 'moves a migration between running and ready by its lag';

CREATE FUNCTION @extschema@.dts_reset_job(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer text := dts.job_request(job, 'reset');
	j dts.job := dts.job_find(job, false);
	o jsonb := dts.options_complete(j.options);
BEGIN
	IF o ->> 'same_name_tables' = 'fail' AND o -> 'phases' ? 'full' THEN
		RAISE NOTICE 'what job "%" has loaded stays on the target', job
			USING HINT = format('Empty the target, or SELECT dts_configure_job(%L, ''{"same_name_tables": "truncate"}'') once it is a draft.', job);
	END IF;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION @extschema@.dts_reset_job(pg_catalog.text) IS
	'removes the objects of a job that stands still from both ends and makes it a draft, to be loaded anew';

CREATE FUNCTION @extschema@.dts_clone_job(job pg_catalog.text, name pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, false);
	c dts.job;
BEGIN
	PERFORM @extschema@.dts_create_job(name, j.source, j.target, j.kind, j.options);
	c := dts.job_find(name, false);
	INSERT INTO dts.job_ignored_check (job_id, item, ignored_by)
		SELECT c.id, i.item, dts.caller() FROM dts.job_ignored_check i WHERE i.job_id = j.id;
	PERFORM dts.job_log(c, 'info', 'clone', NULL, NULL, dts.caller(), format('made like job "%s"', j.name));
	RETURN format('job "%s" created like job "%s"', c.name, j.name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_clone_job(pg_catalog.text, pg_catalog.text) IS
	'creates a job with the endpoints, kind, options and ignored warnings of another one';

-- What falls due by the clock.  Called by each daemon about once a second; never waits for anybody.
CREATE FUNCTION dts.clock_due() RETURNS pg_catalog.void
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job;
BEGIN
	FOR j IN SELECT * FROM dts.job WHERE wish IS NULL AND state = 'scheduled' AND start_at <= clock_timestamp()
		FOR NO KEY UPDATE SKIP LOCKED
	LOOP
		UPDATE dts.job SET wish = 'start', wish_by = j.start_by, wish_at = clock_timestamp(), updated_at = clock_timestamp()
			WHERE id = j.id;
		PERFORM dts.job_log(j, 'info', 'wish', NULL, NULL, j.start_by, format('the time of the start, %s, has come', j.start_at));
	END LOOP;
	FOR j IN SELECT * FROM dts.job WHERE wish IS NULL AND state = 'isolated'
			AND isolated_at < clock_timestamp() - make_interval(days => (dts.options_complete(options) ->> 'retention_days')::int)
		FOR UPDATE SKIP LOCKED
	LOOP
		IF j.footprint THEN
			UPDATE dts.job SET wish = 'destroy', wish_by = 'retention', wish_at = clock_timestamp(),
				updated_at = clock_timestamp() WHERE id = j.id;
			PERFORM dts.job_log(j, 'info', 'wish', NULL, NULL, 'retention', 'isolated for long enough: asked for "destroy"');
		ELSE
			PERFORM dts.job_delete(j, 'retention');
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dts.clock_due() IS 'starts jobs whose time has come and destroys those isolated for long enough';

CREATE FUNCTION dts.daemon_wish_failed(job_id pg_catalog.int8, epoch pg_catalog.int8, wish pg_catalog.text, message pg_catalog.text)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
	j dts.job;
BEGIN
	IF NOT dts.lease_holds(job_id, epoch) THEN
		RETURN false;
	END IF;
	SELECT * INTO j FROM dts.job o WHERE o.id = job_id AND o.wish = daemon_wish_failed.wish FOR NO KEY UPDATE;
	IF FOUND THEN
		UPDATE dts.job o SET wish = NULL, force = false, updated_at = clock_timestamp(),
				-- what the retention asked for is asked for again in an hour
				isolated_at = CASE WHEN j.wish = 'destroy' AND j.wish_by = 'retention' THEN clock_timestamp() + interval '1 hour'
					- make_interval(days => (dts.options_complete(o.options) ->> 'retention_days')::int) ELSE o.isolated_at END
			WHERE o.id = j.id;
		PERFORM dts.job_log(j, 'error', j.wish || '_failed', NULL, NULL, dts.lease_owner(job_id), message);
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION dts.daemon_wish_failed(pg_catalog.int8, pg_catalog.int8, pg_catalog.text, pg_catalog.text) IS
	'drops a wish that could not be carried out; the job stays as it is';
