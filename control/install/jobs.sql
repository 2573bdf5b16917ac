-- jobs: what is wanted and what is.  SQL writes the wish, the daemon the state; who may claim a
-- job stands in a table of its own, so that an operator's open transaction never holds up a lease.
CREATE TABLE dts.job (
	id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name pg_catalog.text NOT NULL UNIQUE,
	kind pg_catalog.text NOT NULL CHECK (kind IN ('migration', 'sync')),
	source pg_catalog.text NOT NULL,
	target pg_catalog.text NOT NULL,
	options pg_catalog.jsonb NOT NULL,
	slot_name pg_catalog.text NOT NULL UNIQUE CHECK (slot_name ~ '^dts_sync_[a-z0-9_]+$' AND pg_catalog.length(slot_name) <= 63),
	state pg_catalog.text NOT NULL CHECK (dts.is_job_state(state)),
	phase pg_catalog.text CHECK (dts.is_job_phase(phase)),
	step pg_catalog.text NOT NULL DEFAULT '',
	wish pg_catalog.text CHECK (dts.is_job_action(wish)),
	wish_by pg_catalog.text,
	wish_at pg_catalog.timestamptz,
	touched_xid pg_catalog.xid8,           -- the operator's last transaction on this job
	start_at pg_catalog.timestamptz,       -- a start at that time, by start_by; also while it is checked for it
	start_by pg_catalog.text,
	complete_after pg_catalog.int8,        -- a completion that waits until a marker above this one is durable
	force pg_catalog.bool NOT NULL DEFAULT false, -- a stop that leaves behind what it cannot remove
	footprint pg_catalog.bool NOT NULL DEFAULT false, -- something of ours may exist on an end
	error_sqlstate pg_catalog.text,
	error_message pg_catalog.text,
	error_detail pg_catalog.text,
	error_hint pg_catalog.text,
	error_context pg_catalog.text,
	error_at pg_catalog.timestamptz,
	isolated_from pg_catalog.text CHECK (dts.is_job_state(isolated_from)),
	isolated_at pg_catalog.timestamptz,
	created_by pg_catalog.text NOT NULL,
	created_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	updated_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE dts.job IS 'the jobs: wish, state, phase, step and error';

CREATE TABLE dts.job_lease (
	job_id pg_catalog.int8 PRIMARY KEY REFERENCES dts.job ON DELETE CASCADE,
	epoch pg_catalog.int8 NOT NULL DEFAULT 0, -- raised by every claim; whoever has an older one is out
	owner pg_catalog.text,
	until pg_catalog.timestamptz,
	pid pg_catalog.int4,                      -- the owner's session here; when it is gone, so is the lease
	backend_start pg_catalog.timestamptz
);
COMMENT ON TABLE dts.job_lease IS 'which daemon works for a job, until when';

CREATE TABLE dts.job_progress (
	job_id pg_catalog.int8 PRIMARY KEY REFERENCES dts.job ON DELETE CASCADE,
	source_end pg_catalog.pg_lsn,
	received pg_catalog.pg_lsn,
	durable pg_catalog.pg_lsn,
	commit_time pg_catalog.timestamptz,
	caught_up pg_catalog.bool NOT NULL DEFAULT false,
	lag_seconds pg_catalog.float8, -- by the source's own clock, as of reported_at
	transactions pg_catalog.int8,
	rows pg_catalog.int8,
	bytes pg_catalog.int8,
	rows_per_second pg_catalog.float8,
	marker_begun pg_catalog.int8 NOT NULL DEFAULT 0,
	marker_durable pg_catalog.int8 NOT NULL DEFAULT 0,
	reported_at pg_catalog.timestamptz,
	stats pg_catalog.jsonb, -- measures, as of reported_at
	stats_before pg_catalog.jsonb, -- and of the report before it
	reported_before_at pg_catalog.timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE dts.job_progress IS 'how far the stream of a job has come, and its markers';

-- For how long what the source commits has not been on the target.  The report says it by the source's clock; its own age
-- is told by the one clock of this server.
CREATE FUNCTION dts.progress_lag(p dts.job_progress, running pg_catalog.bool) RETURNS pg_catalog.float8
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		-- a report that is old, or of a job that does not run, says nothing about now
		WHEN p.caught_up AND running AND p.reported_at > clock_timestamp() - interval '10 s' THEN greatest(coalesce(p.lag_seconds, 0), 0)
		WHEN p.reported_at IS NOT NULL AND (p.caught_up OR p.lag_seconds IS NOT NULL)
			THEN greatest(coalesce(p.lag_seconds, 0) + extract(epoch FROM clock_timestamp() - p.reported_at), 0)
		-- the source's clock may be ahead of this one
		WHEN p.commit_time IS NOT NULL THEN greatest(extract(epoch FROM clock_timestamp() - p.commit_time), 0) END
$$;
COMMENT ON FUNCTION dts.progress_lag(dts.job_progress, pg_catalog.bool) IS 'how far a job is behind its source, in seconds';

CREATE TABLE dts.job_table (
	job_id pg_catalog.int8 NOT NULL REFERENCES dts.job ON DELETE CASCADE,
	schema_name pg_catalog.text NOT NULL,
	table_name pg_catalog.text NOT NULL,
	phase pg_catalog.text,
	rows_estimated pg_catalog.int8,
	rows_done pg_catalog.int8,
	bytes_estimated pg_catalog.int8,
	bytes_done pg_catalog.int8,
	parts pg_catalog.int4,
	parts_done pg_catalog.int4,
	parts_active pg_catalog.int4,
	rows_per_second pg_catalog.float8,
	bytes_per_second pg_catalog.float8,
	seconds_left pg_catalog.float8,
	part_list pg_catalog.jsonb,
	error pg_catalog.text,
	started_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	updated_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (job_id, schema_name, table_name)
) WITH (fillfactor = 70);
COMMENT ON TABLE dts.job_table IS 'the tables of a job as the daemon reports them';

CREATE TABLE dts.job_check (
	job_id pg_catalog.int8 NOT NULL REFERENCES dts.job ON DELETE CASCADE,
	ord pg_catalog.int4 NOT NULL,
	item pg_catalog.text NOT NULL,
	result pg_catalog.text NOT NULL CHECK (result IN ('pass', 'warn', 'fail')),
	detail pg_catalog.text,
	remedy pg_catalog.text,
	checked_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (job_id, ord)
);
COMMENT ON TABLE dts.job_check IS 'results of the last precheck of a job';

CREATE TABLE dts.job_change (
	id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	job_id pg_catalog.int8 NOT NULL REFERENCES dts.job ON DELETE CASCADE,
	action pg_catalog.text NOT NULL CHECK (action IN ('add', 'remove', 'reload', 'modify')),
	tables pg_catalog.jsonb NOT NULL,
	state pg_catalog.text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'done', 'refused', 'void')),
	message pg_catalog.text,
	hint pg_catalog.text,
	asked_by pg_catalog.text NOT NULL,
	asked_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	answered_at pg_catalog.timestamptz
);
CREATE INDEX job_change_job ON dts.job_change (job_id, id);
COMMENT ON TABLE dts.job_change IS 'requests to add, remove or reload tables of a running job or to change its objects, and what became of them';

-- Not bound to dts.job: what happened to a destroyed job stays on record.
CREATE TABLE dts.job_event (
	id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	job_id pg_catalog.int8 NOT NULL,
	job pg_catalog.text NOT NULL,
	at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	severity pg_catalog.text NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
	event pg_catalog.text NOT NULL,
	from_state pg_catalog.text,
	to_state pg_catalog.text,
	phase pg_catalog.text,
	who pg_catalog.text NOT NULL,
	message pg_catalog.text NOT NULL
);
CREATE INDEX job_event_job ON dts.job_event (job_id, id);
COMMENT ON TABLE dts.job_event IS 'what happened to the jobs, by whom and why';

CREATE FUNCTION dts.job_log(j dts.job, p_severity pg_catalog.text, p_event pg_catalog.text,
		p_from pg_catalog.text, p_to pg_catalog.text, p_who pg_catalog.text, p_message pg_catalog.text)
	RETURNS pg_catalog.void
	LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO dts.job_event (job_id, job, severity, event, from_state, to_state, phase, who, message)
		VALUES (j.id, j.name, p_severity, p_event, p_from, p_to, j.phase, p_who, p_message)
$$;
COMMENT ON FUNCTION dts.job_log(dts.job, pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text)
	IS 'writes one event of a job';

CREATE FUNCTION dts.job_names_hint() RETURNS pg_catalog.text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce('Existing jobs are: ' || string_agg('"' || j.name || '"', ', ' ORDER BY j.name)
			|| CASE WHEN (SELECT count(*) FROM dts.job) > 20 THEN ', ...' ELSE '.' END,
			'There is no job yet; dts_create_job creates one.')
		FROM (SELECT name FROM dts.job ORDER BY name LIMIT 20) j
$$;
COMMENT ON FUNCTION dts.job_names_hint() IS 'hint that lists the jobs';

-- The job of that name; p_lock: also locked until the end of the transaction, so weakly that the
-- daemon's reports, whose rows refer to the job, go on.
CREATE FUNCTION dts.job_find(p_job pg_catalog.text, p_lock pg_catalog.bool) RETURNS dts.job
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job;
BEGIN
	IF p_lock THEN
		SELECT * INTO j FROM dts.job WHERE name = p_job FOR NO KEY UPDATE;
	ELSE
		SELECT * INTO j FROM dts.job WHERE name = p_job;
	END IF;
	IF j.id IS NULL THEN
		RAISE EXCEPTION 'job "%" does not exist', coalesce(p_job, '(null)')
			USING ERRCODE = 'undefined_object',
				DETAIL = 'No job has that name.', HINT = dts.job_names_hint();
	END IF;
	RETURN j;
END
$$;
COMMENT ON FUNCTION dts.job_find(pg_catalog.text, pg_catalog.bool) IS 'the job of that name, or an error that names those that exist';

CREATE FUNCTION dts.job_allowed_functions(p_state pg_catalog.text) RETURNS pg_catalog.text[]
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(f.function ORDER BY f.ord), '{}')
		FROM (SELECT a.function, min(a.ord) AS ord FROM dts.job_actions() WITH ORDINALITY a(action, function, ord)
			WHERE dts.action_leads_to(p_state, a.action) IS NOT NULL GROUP BY a.function) f
$$;
COMMENT ON FUNCTION dts.job_allowed_functions(pg_catalog.text) IS 'the functions that a state allows';

-- Raises an error unless the job's state allows the action and nothing else is asked for.
CREATE FUNCTION dts.job_require(j dts.job, p_action pg_catalog.text) RETURNS pg_catalog.void
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	allows text := array_to_string(dts.job_allowed_functions(j.state), ', ');
BEGIN
	-- a completion may wait for the very limit that is to be lifted
	IF j.wish IS NOT NULL AND p_action NOT IN ('stop', 'throttle') THEN
		RAISE EXCEPTION 'job "%" has not yet carried out "%"', j.name, j.wish
			USING ERRCODE = 'object_in_use',
				DETAIL = format('Role "%s" asked for it; the daemon has not taken it up.', j.wish_by),
				HINT = 'See that dts_applier runs, and wait with CALL dts_wait'
					|| CASE WHEN dts.action_leads_to(j.state, 'stop') IS NULL THEN '.'
						ELSE ' or end the job with dts_stop_job.' END;
	END IF;
	IF dts.action_leads_to(j.state, p_action) IS NULL THEN
		RAISE EXCEPTION 'job "%" is in state "%", which does not allow "%"', j.name, j.state, p_action
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = format('State "%s" means: %s.', j.state,
					(SELECT s.meaning FROM dts.job_states() s WHERE s.state = j.state)),
				HINT = CASE WHEN allows = '' THEN 'It allows nothing; wait for the next state with CALL dts_wait.'
					ELSE format('It allows: %s.', allows) END;
	END IF;
END
$$;
COMMENT ON FUNCTION dts.job_require(dts.job, pg_catalog.text) IS 'refuses an action that the job''s state does not allow';

-- The one place where a job's state changes.  Compare-and-set: false when the job is not in p_from
-- or no longer wishes p_consumed.  p_phase and p_step null: unchanged.  Legality is the caller's.
CREATE FUNCTION dts.job_set_state(p_job pg_catalog.int8, p_from pg_catalog.text, p_to pg_catalog.text,
		p_event pg_catalog.text, p_who pg_catalog.text, p_phase pg_catalog.text, p_step pg_catalog.text,
		p_consumed pg_catalog.text, p_error pg_catalog.jsonb)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old dts.job;
	j dts.job;
	keeps bool; -- the error stays
	afresh bool; -- the job begins anew
	due bool; -- it passed the check that a start at a time asks for
	stands text; -- the wish that outlives this step
BEGIN
	SELECT * INTO old FROM dts.job WHERE id = p_job FOR NO KEY UPDATE;
	IF old.state IS DISTINCT FROM p_from OR (p_consumed IS NOT NULL AND old.wish IS DISTINCT FROM p_consumed) THEN
		RETURN false;
	END IF;
	keeps := p_error IS NULL AND (p_event IN ('isolate', 'recover')
		OR p_to IN ('check_failed', 'start_failed', 'retrying', 'error', 'failed', 'stop_failed'));
	afresh := p_to IN ('draft', 'checking', 'starting');
	due := p_from = 'checking' AND p_to = 'check_passed' AND old.start_at IS NOT NULL;
	-- a completion waits through what may happen to the stream meanwhile
	stands := CASE WHEN p_consumed IS NULL AND (dts.action_leads_to(p_to, old.wish) IS NOT NULL
		OR old.wish = 'complete' AND p_to IN ('running', 'ready', 'retrying')) THEN old.wish END;
	stands := coalesce(stands, CASE WHEN due THEN 'start' END);
	UPDATE dts.job SET state = p_to,
			phase = CASE WHEN afresh THEN p_phase ELSE coalesce(p_phase, phase) END,
			step = CASE WHEN afresh THEN coalesce(p_step, '') ELSE coalesce(p_step, step) END,
			wish = stands,
			wish_by = CASE WHEN due AND stands = 'start' THEN start_by ELSE wish_by END,
			wish_at = CASE WHEN due AND stands = 'start' THEN start_at ELSE wish_at END,
			start_at = CASE WHEN p_to = 'scheduled' OR p_from = 'scheduled' AND p_to = 'checking' THEN start_at END,
			complete_after = CASE WHEN stands = 'complete' THEN complete_after END,
			force = force AND (p_to = 'stopping' OR stands IS NOT DISTINCT FROM 'stop'),
			isolated_from = CASE WHEN p_to = 'isolated' THEN p_from END,
			isolated_at = CASE WHEN p_to = 'isolated' THEN clock_timestamp() END,
			error_sqlstate = CASE WHEN keeps THEN error_sqlstate ELSE p_error ->> 'sqlstate' END,
			error_message = CASE WHEN keeps THEN error_message ELSE p_error ->> 'message' END,
			error_detail = CASE WHEN keeps THEN error_detail ELSE p_error ->> 'detail' END,
			error_hint = CASE WHEN keeps THEN error_hint ELSE p_error ->> 'hint' END,
			error_context = CASE WHEN keeps THEN error_context ELSE p_error ->> 'context' END,
			error_at = CASE WHEN keeps THEN error_at WHEN p_error IS NOT NULL THEN clock_timestamp() END,
			updated_at = clock_timestamp()
		WHERE id = p_job RETURNING * INTO j;
	IF p_to IN ('starting', 'failed', 'completing', 'stopping') THEN
		UPDATE dts.job_change SET state = 'void', message = format('the job went to state "%s" first', p_to),
				answered_at = clock_timestamp()
			WHERE job_id = p_job AND state = 'asked';
	END IF;
	IF p_to = 'checking' THEN
		DELETE FROM dts.job_check WHERE job_id = p_job;
	ELSIF p_to = 'starting' THEN
		DELETE FROM dts.job_table WHERE job_id = p_job;
		DELETE FROM dts.job_ddl WHERE job_id = p_job;
		UPDATE dts.job_progress SET source_end = NULL, received = NULL, durable = NULL, commit_time = NULL,
				caught_up = false, lag_seconds = NULL, transactions = NULL, rows = NULL, bytes = NULL, rows_per_second = NULL,
				stats = NULL, stats_before = NULL, reported_before_at = NULL
			WHERE job_id = p_job;
	END IF;
	PERFORM dts.job_log(j, CASE WHEN p_to IN ('error', 'failed', 'start_failed', 'stop_failed') THEN 'error'
			WHEN p_to IN ('check_failed', 'retrying') THEN 'warning' ELSE 'info' END,
		lower(p_event), p_from, p_to, p_who,
		CASE WHEN p_from = p_to THEN format('phase %s -> %s', old.phase, j.phase)
			ELSE format('%s -> %s', p_from, p_to) END || coalesce(': ' || (p_error ->> 'message'), ''));
	IF old.start_at IS NOT NULL AND p_to = 'check_failed' THEN
		PERFORM dts.job_log(j, 'error', 'start_missed', NULL, NULL, old.start_by,
			format('the start wanted at %s was not made: the precheck failed', old.start_at));
	END IF;
	IF old.wish IS NOT NULL AND j.wish IS NULL AND p_event <> 'WISH_' || upper(old.wish) THEN
		PERFORM dts.job_log(j, 'warning', 'wish_dropped', NULL, NULL, p_who,
			format('"%s", asked for by %s, is void: state "%s" does not allow it', old.wish, old.wish_by, p_to));
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION dts.job_set_state(pg_catalog.int8, pg_catalog.text, pg_catalog.text, pg_catalog.text,
		pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'the one setter of a job''s state: compare-and-set, with an event';
