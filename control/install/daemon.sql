-- daemon: what the daemon calls; granted to dts_daemon alone.
--
-- A claim raises the job's epoch.  Every other function takes the epoch, changes nothing and
-- answers false, or no row, when it is no longer the job's.  None waits longer than 2 s for an
-- operator's open transaction (55P03: try again); reports do not wait for it at all.

-- Whether the epoch is the job's; it stays so until the end of the transaction.
CREATE FUNCTION dts.lease_holds(p_job pg_catalog.int8, p_epoch pg_catalog.int8) RETURNS pg_catalog.bool
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dts.commit_locally();
	PERFORM FROM dts.job_lease WHERE job_id = p_job AND epoch = p_epoch FOR SHARE;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION dts.lease_holds(pg_catalog.int8, pg_catalog.int8) IS 'whether the epoch is the job''s';

CREATE FUNCTION dts.lease_owner(p_job pg_catalog.int8) RETURNS pg_catalog.text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
	AS $$ SELECT coalesce('daemon ' || owner, 'daemon') FROM dts.job_lease WHERE job_id = p_job $$;
COMMENT ON FUNCTION dts.lease_owner(pg_catalog.int8) IS 'the daemon that works for a job, for events';

CREATE FUNCTION dts.daemon_hello(version pg_catalog.text) RETURNS pg_catalog.void
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	installed text := (SELECT extversion FROM pg_extension WHERE extname = 'dts');
BEGIN
	IF version IS DISTINCT FROM installed THEN
		RAISE EXCEPTION 'daemon and extension "dts" are of different versions'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = format('The daemon is of version %s, the extension of version %s.',
					coalesce(version, 'unknown'), installed),
				HINT = 'Install the same version of both; ALTER EXTENSION dts UPDATE upgrades the extension.';
	END IF;
END
$$;
COMMENT ON FUNCTION dts.daemon_hello(pg_catalog.text) IS 'raises an error when daemon and extension differ in version';

-- Claims as far as the limits of connections let it.  The options of a job are read at most once, and not at all for a full server:
-- many jobs may wait, and this runs every second.
CREATE FUNCTION dts.claim_within_limits(owner pg_catalog.text, lease pg_catalog.interval, max_jobs pg_catalog.int4, settled pg_catalog.bool,
		mine pg_catalog.timestamptz, OUT job_id pg_catalog.int8, OUT epoch pg_catalog.int8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	limits int4[];
	taken int8[];
	-- endpoints on such servers, with the place of the server in these arrays
	places jsonb := '{}';
	fewest CONSTANT int4 := 3; -- no job needs less, see dts.job_connections
	needs int4;
	place int4;
	r record;
BEGIN
	-- what one claim leaves of a limit, the next one has to see
	PERFORM pg_advisory_xact_lock(hashtextextended('dts.server_limit', 0));
	FOR r IN SELECT u.connections, u.in_use, u.endpoints FROM dts.server_use() u LOOP
		limits := limits || r.connections;
		taken := taken || r.in_use;
		places := places || (SELECT coalesce(jsonb_object_agg(e, cardinality(limits)), '{}') FROM unnest(r.endpoints) e);
	END LOOP;
	FOR r IN SELECT j AS job, ARRAY[(places ->> j.source)::int4, (places ->> j.target)::int4] AS ends
		FROM dts.job_lease l JOIN dts.job j ON j.id = l.job_id
		WHERE (j.wish IS NOT NULL OR j.state IN (SELECT s.state FROM dts.job_states() s WHERE s.needs_worker))
			AND (l.owner IS NULL OR l.until < clock_timestamp()
				OR settled AND NOT EXISTS (SELECT FROM pg_stat_get_activity(l.pid) a WHERE a.backend_start = l.backend_start))
		ORDER BY l.until NULLS FIRST, l.job_id FOR UPDATE OF l SKIP LOCKED
	LOOP
		EXIT WHEN max_jobs <= 0;
		CONTINUE WHEN EXISTS (SELECT FROM unnest(r.ends) p WHERE taken[p] > 0 AND taken[p] + fewest > limits[p]);
		needs := dts.job_connections(r.job);
		CONTINUE WHEN EXISTS (SELECT FROM unnest(r.ends) p GROUP BY p HAVING taken[p] > 0 AND taken[p] + needs * count(*) > limits[p]);
		FOREACH place IN ARRAY r.ends LOOP
			IF place IS NOT NULL THEN
				taken[place] := taken[place] + needs;
			END IF;
		END LOOP;
		max_jobs := max_jobs - 1;
		RETURN QUERY UPDATE dts.job_lease l SET epoch = l.epoch + 1, owner = claim_within_limits.owner,
				until = clock_timestamp() + lease, pid = pg_backend_pid(), backend_start = mine
			WHERE l.job_id = (r.job).id RETURNING l.job_id, l.epoch;
	END LOOP;
END
$$;
COMMENT ON FUNCTION dts.claim_within_limits(pg_catalog.text, pg_catalog.interval, pg_catalog.int4, pg_catalog.bool, pg_catalog.timestamptz) IS
	'what daemon_claim does while a server has a limit of connections';

CREATE FUNCTION dts.daemon_claim(owner pg_catalog.text, lease pg_catalog.interval, max_jobs pg_catalog.int4,
		OUT job_id pg_catalog.int8, OUT epoch pg_catalog.int8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	-- after a restart of this server, sessions get a moment to come back before they count as gone
	settled bool := pg_postmaster_start_time() < clock_timestamp() - interval '5 s';
	mine timestamptz := (SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) a);
BEGIN
	PERFORM dts.commit_locally();
	PERFORM dts.clock_due();
	PERFORM pg_stat_clear_snapshot();
	IF EXISTS (SELECT FROM dts.server_limit) THEN
		RETURN QUERY SELECT c.job_id, c.epoch FROM dts.claim_within_limits(owner, lease, max_jobs, settled, mine) c;
		RETURN;
	END IF;
	RETURN QUERY
		WITH free AS (
			SELECT l.job_id FROM dts.job_lease l JOIN dts.job j ON j.id = l.job_id
				WHERE (j.wish IS NOT NULL
						OR j.state IN (SELECT s.state FROM dts.job_states() s WHERE s.needs_worker))
					AND (l.owner IS NULL OR l.until < clock_timestamp()
						OR settled AND NOT EXISTS (SELECT FROM pg_stat_get_activity(l.pid) a
							WHERE a.backend_start = l.backend_start))
				ORDER BY l.until NULLS FIRST, l.job_id
				LIMIT max_jobs
				FOR UPDATE OF l SKIP LOCKED)
		UPDATE dts.job_lease l SET epoch = l.epoch + 1, owner = daemon_claim.owner,
				until = clock_timestamp() + lease, pid = pg_backend_pid(), backend_start = mine
			FROM free WHERE l.job_id = free.job_id
			RETURNING l.job_id, l.epoch;
END
$$;
COMMENT ON FUNCTION dts.daemon_claim(pg_catalog.text, pg_catalog.interval, pg_catalog.int4) IS
	'takes the lease of up to max_jobs jobs that need a worker and have none';

CREATE FUNCTION dts.daemon_bind(job_id pg_catalog.int8, epoch pg_catalog.int8) RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dts.commit_locally();
	UPDATE dts.job_lease l SET pid = pg_backend_pid(),
			backend_start = (SELECT a.backend_start FROM pg_stat_get_activity(pg_backend_pid()) a)
		WHERE l.job_id = daemon_bind.job_id AND l.epoch = daemon_bind.epoch AND l.owner IS NOT NULL;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION dts.daemon_bind(pg_catalog.int8, pg_catalog.int8) IS 'makes the caller''s session the one that the lease lives with';

-- Endpoints that are the same database, as far as their names and options tell.
CREATE FUNCTION dts.endpoint_twins() RETURNS TABLE (name pg_catalog.text, twin pg_catalog.text)
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT a.srvname::text, b.srvname::text FROM pg_foreign_server a JOIN pg_foreign_server b
		ON b.srvname = a.srvname OR b.srvfdw = a.srvfdw
			AND ARRAY(SELECT o FROM unnest(b.srvoptions) o ORDER BY 1) = ARRAY(SELECT o FROM unnest(a.srvoptions) o ORDER BY 1)
$$;
COMMENT ON FUNCTION dts.endpoint_twins() IS 'endpoints that are the same database: of the same name, or of the same options';

-- Jobs between the same two databases, in either direction, that have not ended.
CREATE FUNCTION dts.job_rivals(job_id pg_catalog.int8) RETURNS pg_catalog.jsonb
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	WITH same AS MATERIALIZED (SELECT * FROM dts.endpoint_twins()),
	r AS (SELECT r.*, d.reverse FROM dts.job j, dts.job r, (VALUES (false), (true)) d(reverse)
		WHERE j.id = job_id AND r.id <> j.id AND r.footprint
			AND EXISTS (SELECT FROM same s WHERE s.name = j.source AND s.twin = CASE WHEN d.reverse THEN r.target ELSE r.source END)
			AND EXISTS (SELECT FROM same s WHERE s.name = j.target AND s.twin = CASE WHEN d.reverse THEN r.source ELSE r.target END))
	SELECT coalesce(jsonb_agg(jsonb_build_object('job', r.name, 'reverse', r.reverse, 'objects', dts.options_objects(r.options -> 'objects'),
			'exclude', dts.options_objects(r.options -> 'exclude')) ORDER BY r.name), '[]') FROM r
$$;
COMMENT ON FUNCTION dts.job_rivals(pg_catalog.int8) IS 'other jobs at work between the same databases, and what they select';

-- A way of two jobs or more from a job's target back to its source; null: none.
CREATE FUNCTION dts.job_ring(job_id pg_catalog.int8) RETURNS pg_catalog.text
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE same AS MATERIALIZED (SELECT * FROM dts.endpoint_twins()),
	way(last, jobs) AS (
		SELECT r.target, ARRAY[r.name] FROM dts.job j JOIN same s ON s.name = j.target JOIN dts.job r ON r.source = s.twin
			WHERE j.id = job_id AND r.id <> j.id AND r.footprint
		UNION ALL
		SELECT r.target, w.jobs || r.name FROM way w JOIN same s ON s.name = w.last JOIN dts.job r ON r.source = s.twin
			WHERE r.footprint AND r.id <> job_id AND NOT r.name = ANY (w.jobs) AND cardinality(w.jobs) < 8)
	SELECT array_to_string(w.jobs, ', ') FROM way w JOIN dts.job j ON j.id = job_id JOIN same s ON s.name = w.last AND s.twin = j.source
		WHERE cardinality(w.jobs) > 1 ORDER BY cardinality(w.jobs), 1 LIMIT 1
$$;
COMMENT ON FUNCTION dts.job_ring(pg_catalog.int8) IS 'jobs at work that lead from a job''s target back to its source by way of other databases';

CREATE FUNCTION dts.daemon_job(job_id pg_catalog.int8, epoch pg_catalog.int8, OUT name pg_catalog.text,
		OUT kind pg_catalog.text, OUT source pg_catalog.text, OUT target pg_catalog.text,
		OUT source_conninfo pg_catalog.text, OUT target_conninfo pg_catalog.text, OUT slot_name pg_catalog.text,
		OUT state pg_catalog.text, OUT phase pg_catalog.text, OUT step pg_catalog.text, OUT wish pg_catalog.text,
		OUT options pg_catalog.text, OUT footprint pg_catalog.bool, OUT change pg_catalog.text,
		OUT throttle pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT j.name, j.kind, j.source, j.target, dts.endpoint_conninfo(j.source), dts.endpoint_conninfo(j.target),
			j.slot_name, j.state, j.phase, j.step, dts.wish_due(j), (dts.options_complete(j.options)
				|| jsonb_build_object('rivals', dts.job_rivals(j.id), 'ring', dts.job_ring(j.id), 'ddl_skips', dts.ddl_skips(j.id), 'force', j.force))::text, j.footprint, dts.change_next(j.id),
			dts.throttle_now(j.options)::text
		FROM dts.job j JOIN dts.job_lease l ON l.job_id = j.id
		WHERE j.id = daemon_job.job_id AND l.epoch = daemon_job.epoch
$$;
COMMENT ON FUNCTION dts.daemon_job(pg_catalog.int8, pg_catalog.int8) IS
	'a job with the connection strings of its ends, secrets included; a string is null when its endpoint is gone';

CREATE FUNCTION dts.daemon_poll(job_id pg_catalog.int8, epoch pg_catalog.int8, lease pg_catalog.interval,
		OUT ours pg_catalog.bool, OUT state pg_catalog.text, OUT wish pg_catalog.text,
		OUT waiters pg_catalog.bool, OUT marker_begun pg_catalog.int8, OUT change pg_catalog.text,
		OUT workers pg_catalog.int4, OUT throttle pg_catalog.text, OUT apply_workers pg_catalog.int4,
		OUT ddl pg_catalog.text)
	RETURNS pg_catalog.record
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ends timestamptz;
BEGIN
	-- (options_complete() takes more than all the rest, and this is asked several times a second)
	SELECT l.until, j.state, dts.wish_due(j), p.marker_begun,
			coalesce(nullif((j.options ->> 'workers')::int4, 0), (SELECT (s.default_value #>> '{}')::int4 FROM dts.option_spec s WHERE s.path = '$.workers')),
			coalesce((j.options ->> 'apply_workers')::int4, (SELECT (s.default_value #>> '{}')::int4 FROM dts.option_spec s WHERE s.path = '$.apply_workers')),
			j.complete_after IS NOT NULL, CASE WHEN j.options ? 'throttle' THEN dts.throttle_now(j.options)::text END,
			(j.options -> 'ddl')::text
		INTO ends, state, wish, marker_begun, workers, apply_workers, waiters, throttle, ddl
		FROM dts.job_lease l JOIN dts.job j ON j.id = l.job_id JOIN dts.job_progress p ON p.job_id = j.id
		WHERE l.job_id = daemon_poll.job_id AND l.epoch = daemon_poll.epoch AND l.owner IS NOT NULL;
	ours := FOUND;
	IF ours AND ends < clock_timestamp() + lease * (2.0 / 3) THEN
		PERFORM dts.commit_locally();
		UPDATE dts.job_lease l SET until = clock_timestamp() + lease
			WHERE l.job_id = daemon_poll.job_id AND l.epoch = daemon_poll.epoch AND l.owner IS NOT NULL;
		ours := FOUND; -- another daemon may have claimed it since
	END IF;
	-- somebody waits for caught_up iff the lock that waiters share cannot be had alone
	change := CASE WHEN ours THEN dts.change_next(daemon_poll.job_id) END;
	waiters := ours AND waiters OR ours AND NOT pg_try_advisory_xact_lock(dts.wait_lock_class(), dts.wait_lock_key(daemon_poll.job_id));
END
$$;
COMMENT ON FUNCTION dts.daemon_poll(pg_catalog.int8, pg_catalog.int8, pg_catalog.interval) IS
	'renews the lease when a third of it is spent, and says what is wanted of the job';

CREATE FUNCTION dts.daemon_set_state(job_id pg_catalog.int8, epoch pg_catalog.int8, from_state pg_catalog.text,
		to_state pg_catalog.text, phase pg_catalog.text, step pg_catalog.text, consumed_wish pg_catalog.text,
		error pg_catalog.jsonb)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
	event text := dts.transition_event(from_state, to_state);
BEGIN
	IF NOT dts.lease_holds(job_id, epoch) THEN
		RETURN false;
	END IF;
	IF event IS NULL THEN
		RAISE EXCEPTION 'job % cannot go from state "%" to "%"', job_id, from_state, to_state
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'The table of transitions has no such move.',
				HINT = 'Run a dts_applier of the same version as the extension "dts".';
	END IF;
	IF starts_with(event, 'WISH_') AND event IS DISTINCT FROM 'WISH_' || upper(consumed_wish) THEN
		RAISE EXCEPTION 'job % goes from state "%" to "%" only when that is wished', job_id, from_state, to_state
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('The wish consumed is %s.', coalesce(quote_literal(consumed_wish), 'none')),
				HINT = 'Run a dts_applier of the same version as the extension "dts".';
	END IF;
	RETURN dts.job_set_state(job_id, from_state, to_state, event, dts.lease_owner(job_id), phase, step,
		consumed_wish, CASE WHEN jsonb_typeof(error) = 'object' THEN error END);
END
$$;
COMMENT ON FUNCTION dts.daemon_set_state(pg_catalog.int8, pg_catalog.int8, pg_catalog.text, pg_catalog.text,
		pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'moves a job to another state if it is still in from_state and the wish consumed still stands';

CREATE FUNCTION dts.daemon_set_step(job_id pg_catalog.int8, epoch pg_catalog.int8, step pg_catalog.text)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
BEGIN
	IF NOT dts.lease_holds(job_id, epoch) THEN
		RETURN false;
	END IF;
	UPDATE dts.job j SET step = coalesce(daemon_set_step.step, ''), updated_at = clock_timestamp()
		WHERE j.id = daemon_set_step.job_id;
	RETURN true;
END
$$;
COMMENT ON FUNCTION dts.daemon_set_step(pg_catalog.int8, pg_catalog.int8, pg_catalog.text) IS 'says what a job is doing within its phase';

CREATE FUNCTION dts.daemon_set_footprint(job_id pg_catalog.int8, epoch pg_catalog.int8, footprint pg_catalog.bool)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
BEGIN
	IF NOT dts.lease_holds(job_id, epoch) THEN
		RETURN false;
	END IF;
	UPDATE dts.job j SET footprint = daemon_set_footprint.footprint, updated_at = clock_timestamp()
		WHERE j.id = daemon_set_footprint.job_id;
	RETURN true;
END
$$;
COMMENT ON FUNCTION dts.daemon_set_footprint(pg_catalog.int8, pg_catalog.int8, pg_catalog.bool) IS
	'says whether something of the job may exist on source or target';

CREATE FUNCTION dts.daemon_release(job_id pg_catalog.int8, epoch pg_catalog.int8) RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM dts.commit_locally();
	UPDATE dts.job_lease l SET owner = NULL, until = NULL, pid = NULL, backend_start = NULL
		WHERE l.job_id = daemon_release.job_id AND l.epoch = daemon_release.epoch;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION dts.daemon_release(pg_catalog.int8, pg_catalog.int8) IS 'gives the lease back';

CREATE FUNCTION dts.daemon_progress(job_id pg_catalog.int8, epoch pg_catalog.int8, progress pg_catalog.jsonb)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT dts.lease_holds(job_id, epoch) THEN
		RETURN false;
	END IF;
	UPDATE dts.job_progress p SET
			source_end = (progress ->> 'source_end')::pg_lsn,
			received = (progress ->> 'received')::pg_lsn,
			durable = (progress ->> 'durable')::pg_lsn,
			commit_time = CASE WHEN (progress ->> 'commit_time_us')::int8 <> 0 THEN
				timestamptz '2000-01-01 00:00:00+00' + (progress ->> 'commit_time_us')::int8 * interval '1 us' END,
			caught_up = coalesce((progress ->> 'caught_up')::bool, false),
			lag_seconds = CASE WHEN (progress ->> 'lag_us')::int8 >= 0 THEN (progress ->> 'lag_us')::int8 / 1e6 END,
			transactions = (progress ->> 'transactions')::int8,
			rows = (progress ->> 'rows')::int8,
			bytes = (progress ->> 'bytes')::int8,
			rows_per_second = (progress ->> 'rows_per_second')::float8,
			stats = progress -> 'stats', stats_before = p.stats, reported_before_at = p.reported_at,
			reported_at = clock_timestamp()
		WHERE p.job_id = daemon_progress.job_id;
	PERFORM dts.job_in_step(job_id);
	RETURN true;
END
$$;
COMMENT ON FUNCTION dts.daemon_progress(pg_catalog.int8, pg_catalog.int8, pg_catalog.jsonb) IS
	'reports how far the stream has come, and its measures (stats); commit_time_us counts from 2000-01-01 UTC';

CREATE FUNCTION dts.daemon_tables(job_id pg_catalog.int8, epoch pg_catalog.int8, tables pg_catalog.jsonb)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
#variable_conflict use_column
BEGIN
	IF NOT dts.lease_holds(daemon_tables.job_id, daemon_tables.epoch) THEN
		RETURN false;
	END IF;
	INSERT INTO dts.job_table AS t (job_id, schema_name, table_name, phase, rows_estimated, rows_done,
				bytes_estimated, bytes_done, parts, parts_done, parts_active, rows_per_second, bytes_per_second,
				seconds_left, error, part_list)
		SELECT DISTINCT ON (r.x ->> 'schema', r.x ->> 'table') daemon_tables.job_id, r.x ->> 'schema',
				r.x ->> 'table', r.x ->> 'phase', (r.x ->> 'rows_estimated')::int8, (r.x ->> 'rows_done')::int8,
				(r.x ->> 'bytes_estimated')::int8, (r.x ->> 'bytes_done')::int8, (r.x ->> 'parts')::int4,
				(r.x ->> 'parts_done')::int4, (r.x ->> 'parts_active')::int4, (r.x ->> 'rows_per_second')::float8,
				(r.x ->> 'bytes_per_second')::float8, nullif((r.x ->> 'seconds_left')::float8, 0), r.x ->> 'error', r.x -> 'part_list'
			FROM jsonb_array_elements(daemon_tables.tables) WITH ORDINALITY r(x, ord)
			ORDER BY r.x ->> 'schema', r.x ->> 'table', r.ord DESC
		ON CONFLICT (job_id, schema_name, table_name) DO UPDATE SET phase = excluded.phase,
			rows_estimated = excluded.rows_estimated, rows_done = excluded.rows_done,
			bytes_estimated = excluded.bytes_estimated, bytes_done = excluded.bytes_done,
			parts = excluded.parts, parts_done = excluded.parts_done, parts_active = excluded.parts_active,
			rows_per_second = excluded.rows_per_second, bytes_per_second = excluded.bytes_per_second,
			seconds_left = excluded.seconds_left, error = excluded.error,
			-- who reports a table's state alone knows nothing of its parts
			part_list = coalesce(excluded.part_list, t.part_list),
			updated_at = clock_timestamp();
	RETURN true;
END
$$;
COMMENT ON FUNCTION dts.daemon_tables(pg_catalog.int8, pg_catalog.int8, pg_catalog.jsonb) IS
	'reports tables: an array of {schema, table, phase, rows_estimated, rows_done, bytes_estimated, bytes_done, parts, parts_done, parts_active, rows_per_second, bytes_per_second, error, part_list}; part_list, of a table in several parts: an array of {phase, rows_estimated, rows_done, bytes_estimated, bytes_done, rows_per_second, bytes_per_second}';

CREATE FUNCTION dts.daemon_change(job_id pg_catalog.int8, epoch pg_catalog.int8, change_id pg_catalog.int8,
		tables pg_catalog.jsonb, refusal pg_catalog.jsonb)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
	j dts.job;
	c dts.job_change;
BEGIN
	IF NOT dts.lease_holds(job_id, epoch) THEN
		RETURN false;
	END IF;
	SELECT * INTO j FROM dts.job o WHERE o.id = daemon_change.job_id FOR NO KEY UPDATE;
	UPDATE dts.job_change o SET state = CASE WHEN refusal IS NULL THEN 'done' ELSE 'refused' END,
			message = refusal ->> 'message', hint = refusal ->> 'hint', answered_at = clock_timestamp()
		WHERE o.id = change_id AND o.job_id = j.id AND o.state = 'asked' RETURNING * INTO c;
	IF NOT FOUND THEN
		RETURN true; -- answered before, or void
	END IF;
	IF refusal IS NULL AND c.action = 'add' THEN
		-- a partition that was left out with its table comes back with it
		UPDATE dts.job SET options = dts.options_with_tables(options, c.tables || coalesce((
				SELECT jsonb_agg(e.t) FROM jsonb_array_elements(daemon_change.tables) e(t),
						jsonb_array_elements(nullif(dts.options_objects(options -> 'exclude'), 'null')) x(o)
					WHERE x.o ->> 'schema' = e.t ->> 'schema'
						AND x.o -> 'tables' @> jsonb_build_array(jsonb_build_object('name', e.t -> 'name'))), '[]'))
			WHERE id = j.id;
	ELSIF refusal IS NULL AND c.action = 'remove' THEN
		-- the tables named, and those with rows that they stand for
		UPDATE dts.job SET options = dts.options_without_tables(options, (SELECT jsonb_agg(DISTINCT x.t) FROM (
				SELECT jsonb_build_object('schema', e.t -> 'schema', 'name', e.t -> 'name') AS t
					FROM jsonb_array_elements(c.tables || coalesce(daemon_change.tables, '[]')) e(t)) x))
			WHERE id = j.id;
		DELETE FROM dts.job_table d USING jsonb_array_elements(coalesce(daemon_change.tables, '[]')) e(t)
			WHERE d.job_id = j.id AND d.schema_name = e.t ->> 'schema' AND d.table_name = e.t ->> 'name';
	END IF;
	IF refusal IS NULL AND c.action = 'modify' THEN
		UPDATE dts.job SET options = jsonb_strip_nulls(options || c.tables) WHERE id = j.id;
		DELETE FROM dts.job_table d USING jsonb_array_elements(coalesce(daemon_change.tables, '[]')) e(t)
			WHERE d.job_id = j.id AND d.schema_name = e.t ->> 'schema' AND d.table_name = e.t ->> 'name'
				AND e.t ->> 'move' = 'remove';
	END IF;
	IF j.state = 'modifying' THEN
		PERFORM dts.job_set_state(j.id, j.state, 'running', 'CHANGED', dts.lease_owner(job_id), NULL, NULL, NULL, NULL);
	END IF;
	PERFORM dts.job_log(j, CASE WHEN refusal IS NULL THEN 'info' ELSE 'warning' END,
		'tables_' || c.action || CASE WHEN refusal IS NULL THEN '' ELSE '_refused' END, NULL, NULL,
		dts.lease_owner(job_id), CASE WHEN refusal IS NULL THEN coalesce('done: ' || (
				SELECT string_agg(concat_ws(' ', e.t ->> 'move', format('%I.%I', e.t ->> 'schema', e.t ->> 'name')), ', ')
					FROM jsonb_array_elements(daemon_change.tables) e(t)), 'done')
			ELSE concat_ws(' ', (refusal ->> 'message') || '.', refusal ->> 'detail', refusal ->> 'hint') END);
	RETURN true;
END
$$;
COMMENT ON FUNCTION dts.daemon_change(pg_catalog.int8, pg_catalog.int8, pg_catalog.int8, pg_catalog.jsonb, pg_catalog.jsonb) IS
	'answers a request about tables: those with rows that it stood for, or the error that refuses it';

CREATE FUNCTION dts.daemon_checks(job_id pg_catalog.int8, epoch pg_catalog.int8, checks pg_catalog.jsonb)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
BEGIN
	IF NOT dts.lease_holds(job_id, epoch) THEN
		RETURN false;
	END IF;
	DELETE FROM dts.job_check c WHERE c.job_id = daemon_checks.job_id;
	INSERT INTO dts.job_check (job_id, ord, item, result, detail, remedy)
		SELECT daemon_checks.job_id, r.ord, r.x ->> 'item', r.x ->> 'result', r.x ->> 'detail', r.x ->> 'remedy'
			FROM jsonb_array_elements(checks -> 'checks') WITH ORDINALITY r(x, ord);
	IF checks ? 'figures' THEN
		DELETE FROM dts.job_figures f WHERE f.job_id = daemon_checks.job_id;
		INSERT INTO dts.job_figures (job_id, table_bytes, index_bytes, wal_bytes_per_second, wal_limit_bytes)
			SELECT daemon_checks.job_id, f.table_bytes, f.index_bytes, f.wal_bytes_per_second, f.wal_limit_bytes
				FROM jsonb_to_record(checks -> 'figures') f(table_bytes int8, index_bytes int8, wal_bytes_per_second float8, wal_limit_bytes int8);
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION dts.daemon_checks(pg_catalog.int8, pg_catalog.int8, pg_catalog.jsonb) IS
	'replaces the results of the precheck: {checks: [{item, result, detail, remedy}], figures: {table_bytes, index_bytes, wal_bytes_per_second, wal_limit_bytes}}';

CREATE FUNCTION dts.daemon_event(job_id pg_catalog.int8, epoch pg_catalog.int8, severity pg_catalog.text,
		event pg_catalog.text, message pg_catalog.text)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job;
BEGIN
	IF NOT dts.lease_holds(job_id, epoch) THEN
		RETURN false;
	END IF;
	SELECT * INTO j FROM dts.job o WHERE o.id = job_id;
	PERFORM dts.job_log(j, CASE WHEN severity IN ('warning', 'error') THEN severity ELSE 'info' END, event,
		NULL, NULL, dts.lease_owner(job_id), message);
	RETURN true;
END
$$;
COMMENT ON FUNCTION dts.daemon_event(pg_catalog.int8, pg_catalog.int8, pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
	'writes an event of a job: severity info, warning or error';

CREATE FUNCTION dts.daemon_marker(job_id pg_catalog.int8, epoch pg_catalog.int8, begun pg_catalog.int8,
		durable pg_catalog.int8)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT dts.lease_holds(job_id, epoch) THEN
		RETURN false;
	END IF;
	UPDATE dts.job_progress p SET marker_begun = greatest(p.marker_begun, daemon_marker.begun),
			marker_durable = greatest(p.marker_durable, daemon_marker.durable)
		WHERE p.job_id = daemon_marker.job_id;
	RETURN true;
END
$$;
COMMENT ON FUNCTION dts.daemon_marker(pg_catalog.int8, pg_catalog.int8, pg_catalog.int8, pg_catalog.int8) IS
	'records a marker before it is committed on the source (begun), and when it is durable on the target';

CREATE FUNCTION dts.daemon_destroyed(job_id pg_catalog.int8, epoch pg_catalog.int8) RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
	j dts.job;
BEGIN
	IF NOT dts.lease_holds(job_id, epoch) THEN
		RETURN false;
	END IF;
	SELECT * INTO j FROM dts.job o WHERE o.id = job_id AND o.wish = 'destroy' FOR UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM dts.job_delete(j, dts.lease_owner(job_id));
	RETURN true;
END
$$;
COMMENT ON FUNCTION dts.daemon_destroyed(pg_catalog.int8, pg_catalog.int8) IS
	'deletes a job whose objects the daemon has removed from both ends';
