-- actions: what an operator calls.  Each leaves a wish for the daemon, or acts at once where nothing
-- outside of this database is concerned.
CREATE FUNCTION dts.job_endpoint(p_endpoint pg_catalog.text, p_end pg_catalog.text) RETURNS pg_catalog.void
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e dts.endpoint := dts.endpoint_find(p_endpoint);
BEGIN
	IF NOT has_server_privilege(dts.caller(), e.oid, 'USAGE') THEN
		RAISE EXCEPTION 'permission denied for endpoint "%"', e.name
			USING ERRCODE = 'insufficient_privilege',
				DETAIL = format('Role "%s" has no USAGE on the foreign server.', dts.caller()),
				HINT = format('GRANT USAGE ON FOREIGN SERVER %I TO %I;', e.name, dts.caller());
	END IF;
	IF e.engine <> 'postgresql' THEN
		RAISE EXCEPTION 'endpoint "%" cannot be the % of a job', e.name, p_end
			USING ERRCODE = 'feature_not_supported',
				DETAIL = format('It is of engine "%s"; this version moves data from PostgreSQL to PostgreSQL.', e.engine),
				HINT = 'Use an endpoint of engine "postgresql".';
	END IF;
END
$$;
COMMENT ON FUNCTION dts.job_endpoint(pg_catalog.text, pg_catalog.text) IS 'refuses an endpoint that a job of the caller cannot use';

CREATE FUNCTION dts.job_slot_name(p_job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'dts_sync_' || left(regexp_replace(lower(p_job), '[^a-z0-9_]', '_', 'g'), 45) || '_'
		|| left(md5(gen_random_uuid()::text), 8)
$$;
COMMENT ON FUNCTION dts.job_slot_name(pg_catalog.text) IS 'a new name for a job''s slot, origin and sessions';

CREATE FUNCTION @extschema@.dts_create_job(job pg_catalog.text, source pg_catalog.text, target pg_catalog.text,
		kind pg_catalog.text DEFAULT 'sync', options pg_catalog.jsonb DEFAULT '{}')
	RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job;
BEGIN
	IF job IS NULL OR octet_length(job) NOT BETWEEN 1 AND 63 OR job ~ '[[:cntrl:]]' THEN
		RAISE EXCEPTION 'invalid name of a job: %', coalesce(quote_literal(job), 'null')
			USING ERRCODE = 'invalid_name',
				DETAIL = 'A name has 1 to 63 bytes and no control characters.',
				HINT = 'Give the job a short name.';
	END IF;
	IF kind IS NULL OR kind NOT IN ('migration', 'sync') THEN
		RAISE EXCEPTION 'unknown kind of job: %', coalesce(quote_ident(kind), 'null')
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'The kind says when a job ends.',
				HINT = 'Valid kinds are: migration (ends by itself where it can), sync (runs until stopped).';
	END IF;
	PERFORM dts.job_endpoint(source, 'source');
	PERFORM dts.job_endpoint(target, 'target');
	IF source = target THEN
		RAISE EXCEPTION 'source and target of job "%" are the same endpoint', job
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('Both are "%s".', source),
				HINT = 'Name two endpoints.';
	END IF;
	INSERT INTO dts.job (name, kind, source, target, options, slot_name, state, touched_xid, created_by)
		VALUES (job, kind, source, target, dts.options_check(options, kind), dts.job_slot_name(job), 'draft',
			pg_current_xact_id(), dts.caller())
		ON CONFLICT (name) DO NOTHING RETURNING * INTO j;
	IF j.id IS NULL THEN
		RAISE EXCEPTION 'job "%" already exists', job
			USING ERRCODE = 'duplicate_object',
				DETAIL = format('It is in state "%s".', (SELECT o.state FROM dts.job o WHERE o.name = job)),
				HINT = 'Choose another name, or change that job with dts_configure_job.';
	END IF;
	INSERT INTO dts.job_lease (job_id) VALUES (j.id);
	INSERT INTO dts.job_progress (job_id) VALUES (j.id);
	PERFORM dts.job_log(j, 'info', 'create', NULL, j.state, dts.caller(),
		format('%s job from "%s" to "%s" created', kind, source, target));
	RETURN format('job "%s" created', job);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_create_job(pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'creates a job from one endpoint to another: kind (sync or migration), options';

CREATE FUNCTION @extschema@.dts_configure_job(job pg_catalog.text, options pg_catalog.jsonb) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, true);
	merged jsonb;
BEGIN
	PERFORM dts.job_require(j, 'configure');
	-- what is not an object is left for the check to refuse
	merged := CASE WHEN jsonb_typeof(options) = 'object' THEN j.options || options ELSE options END;
	merged := dts.options_check(coalesce(merged, 'null'), j.kind);
	PERFORM dts.job_set_state(j.id, j.state, dts.action_leads_to(j.state, 'configure'), 'configure',
		dts.caller(), NULL, NULL, NULL, NULL);
	UPDATE dts.job SET options = merged, touched_xid = pg_current_xact_id() WHERE id = j.id;
	RETURN format('job "%s" configured', j.name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_configure_job(pg_catalog.text, pg_catalog.jsonb) IS
	'replaces the options whose top-level keys are given, null resets one; the job is a draft again';

-- Neither an operator's request nor the daemon's report may wait for the very job that it is about: where jobs are
-- synchronous standbys of this server, the transaction commits locally.
CREATE FUNCTION dts.commit_locally() RETURNS pg_catalog.void
	LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
	SELECT set_config('synchronous_commit', 'local', true) FROM current_setting('synchronous_standby_names') AS names
		WHERE strpos(names, 'dts_sync_') > 0
			OR strpos(names, '*') > 0 AND EXISTS (SELECT FROM pg_replication_slots WHERE plugin = 'dts_decoder')
$$;
COMMENT ON FUNCTION dts.commit_locally() IS 'lets the transaction commit without waiting for synchronous standbys when a job is one';

-- Leaves a wish for the daemon.
CREATE FUNCTION dts.job_request(p_job pg_catalog.text, p_action pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(p_job, true);
BEGIN
	IF p_action = 'stop' AND (j.state IN ('stopping', 'completing') OR j.wish = 'stop') THEN
		RETURN format('job "%s" is already %s', j.name, CASE WHEN j.state = 'completing' THEN 'completing' ELSE 'stopping' END);
	END IF;
	PERFORM dts.job_require(j, p_action);
	PERFORM dts.commit_locally();
	UPDATE dts.job SET wish = p_action, wish_by = dts.caller(), wish_at = clock_timestamp(),
			touched_xid = pg_current_xact_id(), updated_at = clock_timestamp()
		WHERE id = j.id;
	PERFORM dts.job_log(j, 'info', 'wish', NULL, NULL, dts.caller(), format('asked for "%s"', p_action)
		|| CASE WHEN j.wish IS NULL THEN '' ELSE format(', in place of "%s"', j.wish) END);
	PERFORM pg_notify('dts_job', j.id::text);
	RETURN format('%s of job "%s" requested', p_action, j.name);
END
$$;
COMMENT ON FUNCTION dts.job_request(pg_catalog.text, pg_catalog.text) IS 'records what an operator wants of a job and tells the daemon';

CREATE FUNCTION @extschema@.dts_check_job(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT dts.job_request(job, 'check') $$;
COMMENT ON FUNCTION @extschema@.dts_check_job(pg_catalog.text) IS 'asks for the precheck of a job';

CREATE FUNCTION @extschema@.dts_start_job(job pg_catalog.text, at pg_catalog.timestamptz DEFAULT NULL) RETURNS pg_catalog.text
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT CASE WHEN at IS NULL THEN dts.job_request(job, 'start') ELSE dts.job_schedule(job, at) END $$;
COMMENT ON FUNCTION @extschema@.dts_start_job(pg_catalog.text, pg_catalog.timestamptz) IS
	'asks for the start of a job that passed its precheck, now or at a time, when it is checked again';

CREATE FUNCTION @extschema@.dts_pause_job(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer text := dts.job_request(job, 'pause');
BEGIN
	RAISE NOTICE 'the source keeps its WAL for job "%" while it is paused', job;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION @extschema@.dts_pause_job(pg_catalog.text) IS
	'asks a job to stand still; its slot stays and holds WAL on the source';

CREATE FUNCTION @extschema@.dts_resume_job(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT dts.job_request(job, 'resume') $$;
COMMENT ON FUNCTION @extschema@.dts_resume_job(pg_catalog.text) IS 'asks a paused job to go on';

CREATE FUNCTION @extschema@.dts_retry_job(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT dts.job_request(job, 'retry') $$;
COMMENT ON FUNCTION @extschema@.dts_retry_job(pg_catalog.text) IS 'asks a job that an error stopped to try again';

CREATE FUNCTION @extschema@.dts_stop_job(job pg_catalog.text, force pg_catalog.bool DEFAULT false) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer text := dts.job_request(job, 'stop');
BEGIN
	UPDATE dts.job j SET force = true WHERE j.name = job AND dts_stop_job.force;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION @extschema@.dts_stop_job(pg_catalog.text, pg_catalog.bool) IS
	'asks for the end of a job and the removal of all its objects; replaces whatever was asked before; force: ends it also when an end cannot be cleaned';

-- Carries an action out at once, for which no daemon is needed.
CREATE FUNCTION dts.job_move(p_job pg_catalog.text, p_action pg_catalog.text) RETURNS dts.job
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(p_job, true);
BEGIN
	PERFORM dts.job_require(j, p_action);
	PERFORM dts.job_set_state(j.id, j.state, dts.action_leads_to(j.state, p_action), p_action,
		dts.caller(), NULL, NULL, NULL, NULL);
	RETURN j;
END
$$;
COMMENT ON FUNCTION dts.job_move(pg_catalog.text, pg_catalog.text) IS
	'takes a job to the state that an action leads to; returns it as it was';

CREATE FUNCTION @extschema@.dts_isolate_job(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_move(job, 'isolate');
BEGIN
	RETURN format('job "%s" isolated', j.name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_isolate_job(pg_catalog.text) IS 'puts an ended or failed job aside';

CREATE FUNCTION @extschema@.dts_recover_job(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, true);
BEGIN
	PERFORM dts.job_require(j, 'recover');
	PERFORM dts.job_set_state(j.id, j.state, j.isolated_from, 'recover', dts.caller(), NULL, NULL, NULL, NULL);
	RETURN format('job "%s" recovered to state "%s"', j.name, j.isolated_from);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_recover_job(pg_catalog.text) IS 'takes an isolated job back to the state it had';

-- The record goes, its events stay.
CREATE FUNCTION dts.job_delete(j dts.job, p_who pg_catalog.text) RETURNS pg_catalog.void
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM dts.job WHERE id = j.id;
	PERFORM dts.job_log(j, 'info', 'destroy', j.state, NULL, p_who, 'job destroyed');
END
$$;
COMMENT ON FUNCTION dts.job_delete(dts.job, pg_catalog.text) IS 'deletes the record of a job';

CREATE FUNCTION @extschema@.dts_destroy_job(job pg_catalog.text, force pg_catalog.bool DEFAULT false) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, true);
	answer text;
BEGIN
	IF j.footprint AND j.wish = 'destroy' AND dts_destroy_job.force AND NOT j.force THEN
		UPDATE dts.job SET force = true WHERE id = j.id; -- it tries no longer
		PERFORM dts.job_log(j, 'info', 'wish', NULL, NULL, dts.caller(), 'asked for "destroy" by force');
		PERFORM pg_notify('dts_job', j.id::text);
		RETURN format('destroy of job "%s" requested', j.name);
	ELSIF j.footprint THEN
		answer := dts.job_request(job, 'destroy');
		UPDATE dts.job SET force = coalesce(dts_destroy_job.force, false) WHERE id = j.id;
		RETURN answer;
	END IF;
	PERFORM dts.job_require(j, 'destroy');
	PERFORM dts.job_delete(j, dts.caller());
	RETURN format('job "%s" destroyed', j.name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_destroy_job(pg_catalog.text, pg_catalog.bool) IS
	'removes a draft or isolated job; asks the daemon first to clean where the job left something; force: also when an end cannot be cleaned';

CREATE FUNCTION @extschema@.dts_check_results(job pg_catalog.text, OUT item pg_catalog.text,
		OUT result pg_catalog.text, OUT detail pg_catalog.text, OUT remedy pg_catalog.text,
		OUT ignored pg_catalog.bool)
	RETURNS SETOF pg_catalog.record
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, false);
BEGIN
	RETURN QUERY SELECT c.item, c.result, c.detail, c.remedy,
			c.result = 'warn' AND EXISTS (SELECT FROM dts.job_ignored_check i WHERE i.job_id = c.job_id AND i.item = c.item)
		FROM dts.job_check c
		WHERE c.job_id = j.id ORDER BY c.ord;
END
$$;
COMMENT ON FUNCTION @extschema@.dts_check_results(pg_catalog.text) IS
	'results of the last precheck: item, result (pass, warn or fail), detail, remedy, whether the warning is ignored';
