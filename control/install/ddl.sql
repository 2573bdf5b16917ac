-- ddl: commands of the source that are not simply run on the target: those that wait for an operator, were left out, or failed.
--
-- A command is known by the position of its transaction's commit and its number in public.dts_ddl_command of the source.
-- The stream stands still before a command that waits, so there is at most one of a job; what was answered stays as a record.
CREATE TABLE dts.job_ddl (
	job_id pg_catalog.int8 NOT NULL REFERENCES dts.job ON DELETE CASCADE,
	lsn pg_catalog.pg_lsn NOT NULL,
	number pg_catalog.int8 NOT NULL,
	state pg_catalog.text NOT NULL CHECK (state IN ('waiting', 'approved', 'skipped', 'failed')),
	tag pg_catalog.text NOT NULL,
	class pg_catalog.text NOT NULL,
	role pg_catalog.text,
	source pg_catalog.text,     -- the text as the client sent it
	target pg_catalog.text,     -- the SQL that would run
	reason pg_catalog.text,     -- why it failed, or cannot be followed
	seen_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	answered_by pg_catalog.text,
	answered_at pg_catalog.timestamptz,
	PRIMARY KEY (job_id, lsn, number)
);
COMMENT ON TABLE dts.job_ddl IS 'commands of the sources that wait, were left out, or failed on the target';

CREATE VIEW @extschema@.dts_pending_ddl AS
	SELECT j.name AS job, d.state, d.tag, d.class, d.role, d.source, d.target, d.reason, d.lsn, d.seen_at
		FROM dts.job_ddl d JOIN dts.job j ON j.id = d.job_id
		WHERE d.state = 'waiting' OR d.state = 'failed' AND j.state = 'error';
COMMENT ON VIEW @extschema@.dts_pending_ddl IS
	'commands of the sources before which a stream stands still: text of the source, and the SQL that would run on the target';

CREATE VIEW @extschema@.dts_skipped_ddl AS
	SELECT j.name AS job, d.tag, d.class, d.role, d.source, d.target, d.reason, d.lsn, d.answered_by AS skipped_by, d.answered_at AS skipped_at
		FROM dts.job_ddl d JOIN dts.job j ON j.id = d.job_id WHERE d.state = 'skipped';
COMMENT ON VIEW @extschema@.dts_skipped_ddl IS 'commands of the sources that were left out: the target lacks what they did';

-- The command that the job's stream stands before.
CREATE FUNCTION dts.ddl_at_hand(j dts.job) RETURNS dts.job_ddl
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	d dts.job_ddl;
BEGIN
	SELECT * INTO d FROM dts.job_ddl o WHERE o.job_id = j.id AND (o.state = 'waiting' OR o.state = 'failed' AND j.state = 'error')
		ORDER BY o.lsn DESC, o.number DESC LIMIT 1 FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'no command of the source waits in job "%"', j.name
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = format('The job is in state "%s", and nothing is listed for it.', j.state),
				HINT = 'Look at dts_pending_ddl.';
	END IF;
	RETURN d;
END
$$;
COMMENT ON FUNCTION dts.ddl_at_hand(dts.job) IS 'the command that a job''s stream stands before, or an error';

CREATE FUNCTION dts.ddl_answer(d dts.job_ddl, p_state pg_catalog.text) RETURNS pg_catalog.void
	LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
	UPDATE dts.job_ddl o SET state = p_state, answered_by = dts.caller(), answered_at = clock_timestamp()
		WHERE o.job_id = d.job_id AND o.lsn = d.lsn AND o.number = d.number
$$;
COMMENT ON FUNCTION dts.ddl_answer(dts.job_ddl, pg_catalog.text) IS 'writes down what an operator says of a command';

CREATE FUNCTION @extschema@.dts_approve_ddl(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, true);
	d dts.job_ddl := dts.ddl_at_hand(j);
BEGIN
	IF d.state <> 'waiting' THEN
		RAISE EXCEPTION 'the command that stops job "%" has failed', j.name
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = coalesce(d.reason, d.tag),
				HINT = 'Make the target ready for it and call dts_retry_job, or leave it out with dts_skip_ddl.';
	END IF;
	PERFORM dts.ddl_answer(d, 'approved');
	PERFORM dts.job_log(j, 'info', 'ddl_approved', NULL, NULL, dts.caller(), format('%s: %s', d.tag, left(coalesce(d.source, ''), 500)));
	PERFORM pg_notify('dts_job', j.id::text);
	RETURN format('%s is approved in job "%s"', d.tag, j.name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_approve_ddl(pg_catalog.text) IS 'lets the command run that a job waits with';

CREATE FUNCTION @extschema@.dts_skip_ddl(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, true);
	d dts.job_ddl := dts.ddl_at_hand(j);
	again bool := d.state = 'failed';
BEGIN
	PERFORM dts.ddl_answer(d, 'skipped');
	PERFORM dts.job_log(j, 'warning', 'ddl_skipped', NULL, NULL, dts.caller(), format('%s: %s', d.tag, left(coalesce(d.source, ''), 500)));
	IF again THEN
		PERFORM dts.job_request(job, 'retry');
	ELSE
		PERFORM pg_notify('dts_job', j.id::text);
	END IF;
	RETURN format('%s is left out of job "%s"%s', d.tag, j.name, CASE WHEN again THEN ', which tries again' ELSE '' END);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_skip_ddl(pg_catalog.text) IS
	'leaves out the command that a job waits with or that failed; a job in state error tries again';

-- What the option ddl wants of a class of commands.
CREATE FUNCTION dts.ddl_policy(p_ddl pg_catalog.jsonb, p_class pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(CASE jsonb_typeof(p_ddl) WHEN 'string' THEN p_ddl #>> '{}' WHEN 'object' THEN coalesce(p_ddl ->> p_class, p_ddl ->> 'default') END, 'apply')
$$;
COMMENT ON FUNCTION dts.ddl_policy(pg_catalog.jsonb, pg_catalog.text) IS 'what the option ddl wants of a class of commands: apply, skip, approve or off';

CREATE FUNCTION @extschema@.dts_set_ddl(job pg_catalog.text, ddl pg_catalog.jsonb) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, true);
	changed jsonb;
	d dts.job_ddl;
	policy text;
BEGIN
	IF (SELECT s.is_end FROM dts.job_states() s WHERE s.state = j.state) THEN
		RAISE EXCEPTION 'job "%" is over', j.name
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('It is in state "%s".', j.state);
	END IF;
	changed := dts.options_check(CASE WHEN ddl IS NULL OR ddl = 'null' THEN j.options - 'ddl' ELSE j.options || jsonb_build_object('ddl', ddl) END, j.kind);
	IF j.footprint AND (dts.ddl_policy(changed -> 'ddl', '') = 'off') <> (dts.ddl_policy(j.options -> 'ddl', '') = 'off') THEN
		RAISE EXCEPTION 'whether commands are captured cannot change in a job that has started'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'The capture of DDL is set up on the source before the job''s slot is made.',
				HINT = 'Leave commands out with "skip", or reset the job, change its option ddl, and start it anew.';
	END IF;
	UPDATE dts.job SET options = changed, updated_at = clock_timestamp() WHERE id = j.id;
	PERFORM dts.job_log(j, 'info', 'ddl_policy', NULL, NULL, dts.caller(), format('option ddl: %s', coalesce((changed -> 'ddl')::text, '"apply"')));
	-- what waits is answered by the new policy
	FOR d IN SELECT * FROM dts.job_ddl o WHERE o.job_id = j.id AND o.state = 'waiting' LOOP
		policy := dts.ddl_policy(changed -> 'ddl', d.class);
		CONTINUE WHEN policy = 'approve';
		PERFORM dts.ddl_answer(d, CASE policy WHEN 'skip' THEN 'skipped' ELSE 'approved' END);
		PERFORM dts.job_log(j, 'info', CASE policy WHEN 'skip' THEN 'ddl_skipped' ELSE 'ddl_approved' END, NULL, NULL, dts.caller(),
			format('%s, by the new option ddl: %s', d.tag, left(coalesce(d.source, ''), 500)));
	END LOOP;
	PERFORM pg_notify('dts_job', j.id::text);
	RETURN format('option ddl of job "%s" is %s', j.name, coalesce((changed -> 'ddl')::text, '"apply"'));
END
$$;
COMMENT ON FUNCTION @extschema@.dts_set_ddl(pg_catalog.text, pg_catalog.jsonb) IS
	'changes the option ddl of a job, also while it runs: commands from then on, and those that wait';

-- What the stream came upon, and what is to become of it: apply, skip or wait.  at: waiting, skipped or failed, as the daemon wants
-- it; a command that was answered stays answered, so that a later worker finds it so.
CREATE FUNCTION dts.daemon_ddl(job_id pg_catalog.int8, epoch pg_catalog.int8, command pg_catalog.jsonb) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
	j dts.job;
	d dts.job_ddl;
	fresh bool;
	wanted text := command ->> 'state';
BEGIN
	IF NOT dts.lease_holds(job_id, epoch) THEN
		RETURN NULL;
	END IF;
	SELECT * INTO j FROM dts.job o WHERE o.id = daemon_ddl.job_id;
	-- the option may have changed since the daemon last heard of it
	IF wanted <> 'failed' THEN
		wanted := CASE dts.ddl_policy(j.options -> 'ddl', command ->> 'class') WHEN 'skip' THEN 'skipped' WHEN 'approve' THEN 'waiting' ELSE 'approved' END;
	END IF;
	IF wanted = 'approved' AND NOT EXISTS (SELECT FROM dts.job_ddl o WHERE o.job_id = j.id AND o.lsn = (command ->> 'lsn')::pg_lsn AND o.number = (command ->> 'number')::int8) THEN
		RETURN 'apply';
	END IF;
	INSERT INTO dts.job_ddl AS o (job_id, lsn, number, state, tag, class, role, source, target, reason)
		VALUES (j.id, (command ->> 'lsn')::pg_lsn, (command ->> 'number')::int8, wanted, command ->> 'tag', command ->> 'class',
			command ->> 'role', command ->> 'source', command ->> 'target', command ->> 'reason')
		ON CONFLICT ON CONSTRAINT job_ddl_pkey DO UPDATE SET state = CASE WHEN o.state = 'skipped' THEN o.state
				WHEN excluded.state = 'failed' THEN excluded.state ELSE o.state END,
			target = excluded.target, reason = coalesce(excluded.reason, o.reason)
		RETURNING o.*, o.xmax = 0 INTO d.job_id, d.lsn, d.number, d.state, d.tag, d.class, d.role, d.source, d.target, d.reason, d.seen_at,
			d.answered_by, d.answered_at, fresh;
	IF fresh AND d.state IN ('waiting', 'skipped') THEN
		UPDATE dts.job_ddl o SET answered_by = 'option ddl', answered_at = clock_timestamp()
			WHERE o.job_id = d.job_id AND o.lsn = d.lsn AND o.number = d.number AND o.state = 'skipped';
		PERFORM dts.job_log(j, 'warning', 'ddl_' || d.state, NULL, NULL, dts.lease_owner(j.id),
			CASE d.state WHEN 'waiting' THEN format('%s waits for dts_approve_ddl or dts_skip_ddl: %s', d.tag, left(coalesce(d.source, ''), 500))
				ELSE format('%s is left out, as the option ddl wants it: %s', d.tag, left(coalesce(d.source, ''), 500)) END);
	END IF;
	RETURN CASE d.state WHEN 'approved' THEN 'apply' WHEN 'skipped' THEN 'skip' WHEN 'waiting' THEN 'wait' ELSE 'apply' END;
END
$$;
COMMENT ON FUNCTION dts.daemon_ddl(pg_catalog.int8, pg_catalog.int8, pg_catalog.jsonb) IS
	'reports a command that waits, is left out or failed: {lsn, number, state, tag, class, role, source, target, reason}; answers apply, skip or wait';

-- Commands that an operator has left out, for a stream that comes upon them again: [{lsn, number}].
CREATE FUNCTION dts.ddl_skips(p_job pg_catalog.int8) RETURNS pg_catalog.jsonb
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('lsn', d.lsn, 'number', d.number)), '[]') FROM dts.job_ddl d
		WHERE d.job_id = p_job AND d.state = 'skipped' AND d.answered_by <> 'option ddl'
			AND d.lsn >= coalesce((SELECT p.durable FROM dts.job_progress p WHERE p.job_id = p_job), '0/0')
$$;
COMMENT ON FUNCTION dts.ddl_skips(pg_catalog.int8) IS 'commands that an operator has left out and the stream has not passed';
