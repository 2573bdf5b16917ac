-- views: what an operator looks at.
CREATE VIEW @extschema@.dts_jobs AS
	SELECT j.name AS job, j.kind, j.source, j.target, j.state, j.phase,
			CASE WHEN p.source_end IS NOT NULL AND p.durable IS NOT NULL
				THEN GREATEST(pg_catalog.pg_wal_lsn_diff(p.source_end, p.durable), 0)::pg_catalog.int8
			END AS lag_bytes,
			dts.progress_lag(p, j.state IN ('running', 'ready', 'modifying'))::pg_catalog.numeric(20, 3) AS lag_seconds,
			j.error_message AS error, j.error_detail, j.error_hint, j.error_sqlstate, j.error_at,
			NULLIF(j.step, '') AS step, j.wish, j.wish_by, j.wish_at,
			p.transactions, p.rows, p.bytes, p.rows_per_second, p.received AS received_lsn,
			p.durable AS applied_lsn, p.source_end AS source_lsn, j.slot_name,
			a.allowed, l.owner AS worker, j.start_at, j.created_by, j.created_at AS created, j.updated_at AS updated
		FROM dts.job j
		JOIN dts.job_lease l ON l.job_id = j.id
		JOIN dts.job_progress p ON p.job_id = j.id,
		LATERAL (SELECT COALESCE(pg_catalog.array_agg(f.function ORDER BY f.ord), '{}') AS allowed
			FROM (SELECT x.function, pg_catalog.min(x.ord) AS ord
				FROM dts.job_actions() WITH ORDINALITY x(action, function, ord)
				WHERE dts.action_leads_to(j.state, x.action) IS NOT NULL
					AND (j.wish IS NULL OR x.action IN ('stop', 'throttle'))
				GROUP BY x.function) f) a;
COMMENT ON VIEW @extschema@.dts_jobs IS
	'the jobs: state, phase, lag, rate, error, and what may be asked of each now';

-- Estimates may be too low, and what is not done is never 100.
CREATE FUNCTION dts.percent_done(phase pg_catalog.text, rows_estimated pg_catalog.int8, rows_done pg_catalog.int8,
		bytes_estimated pg_catalog.int8, bytes_done pg_catalog.int8)
	RETURNS pg_catalog.numeric
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN phase IN ('copied', 'indexing', 'incremental') THEN 100
		WHEN rows_estimated > 0 AND rows_done IS NOT NULL
			THEN LEAST(100 * rows_done::pg_catalog.float8 / rows_estimated, 99.9)
		WHEN bytes_estimated > 0 THEN LEAST(100 * bytes_done::pg_catalog.float8 / bytes_estimated, 99.9)
	END::pg_catalog.numeric(5, 1)
$$;
COMMENT ON FUNCTION dts.percent_done(pg_catalog.text, pg_catalog.int8, pg_catalog.int8, pg_catalog.int8, pg_catalog.int8) IS
	'how much of a table or part is copied: by rows, or by bytes where nobody knows how many rows there are';

CREATE FUNCTION dts.time_left(rows_estimated pg_catalog.int8, rows_done pg_catalog.int8, rows_per_second pg_catalog.float8,
		bytes_estimated pg_catalog.int8, bytes_done pg_catalog.int8, bytes_per_second pg_catalog.float8)
	RETURNS pg_catalog.interval
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN rows_estimated > 0 AND rows_per_second > 0
			THEN GREATEST(rows_estimated - rows_done, 0) / rows_per_second
		WHEN bytes_estimated > 0 AND bytes_per_second > 0
			THEN GREATEST(bytes_estimated - bytes_done, 0) / bytes_per_second
	END * pg_catalog.interval '1 s'
$$;
COMMENT ON FUNCTION dts.time_left(pg_catalog.int8, pg_catalog.int8, pg_catalog.float8, pg_catalog.int8, pg_catalog.int8, pg_catalog.float8) IS
	'how long copying a table or part will take at this rate; null: nobody knows';

-- How far a table in several parts has come, as a share of its bytes, and how long it will take at its present rates.  Rows of one
-- part may be wider than those of another, so finished parts tell what a byte on the source's disk becomes on the way (wire), and parts
-- count by their bytes; until one is finished, by rows.  A table takes at least as long as the slowest of its parts.
CREATE FUNCTION dts.table_course(t dts.job_table, OUT share pg_catalog.float8, OUT wire pg_catalog.float8, OUT seconds pg_catalog.float8)
	LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	WITH p AS MATERIALIZED (
		SELECT e.x ->> 'phase' AS phase, (e.x ->> 'rows_estimated')::float8 AS rows_all, (e.x ->> 'rows_done')::float8 AS rows_done,
				(e.x ->> 'bytes_estimated')::float8 AS disk, (e.x ->> 'bytes_done')::float8 AS bytes_done,
				(e.x ->> 'rows_per_second')::float8 AS row_rate, (e.x ->> 'bytes_per_second')::float8 AS byte_rate
			FROM jsonb_array_elements(t.part_list) e(x)),
	k AS (SELECT nullif(sum(bytes_done) FILTER (WHERE phase = 'copied') / nullif(sum(disk) FILTER (WHERE phase = 'copied'), 0), 0) AS wire FROM p),
	c AS (SELECT p.disk,
			CASE WHEN p.phase = 'copied' THEN 1
				WHEN k.wire IS NOT NULL THEN least(p.bytes_done / nullif(p.disk * k.wire, 0), 0.999)
				ELSE least(p.rows_done / nullif(p.rows_all, 0), 0.999) END AS share,
			CASE WHEN p.phase = 'copied' THEN 0 WHEN k.wire IS NOT NULL THEN greatest(p.disk * k.wire - p.bytes_done, 0) END AS bytes_left,
			CASE WHEN p.phase <> 'copying' THEN NULL
				WHEN k.wire IS NOT NULL THEN greatest(p.disk * k.wire - p.bytes_done, 0) / nullif(p.byte_rate, 0)
				ELSE greatest(p.rows_all - p.rows_done, 0) / nullif(p.row_rate, 0) END AS seconds, k.wire
		FROM p, k)
	SELECT sum(c.disk * coalesce(c.share, 0)) / nullif(sum(c.disk), 0), max(c.wire),
			greatest(CASE WHEN max(c.wire) IS NOT NULL THEN sum(c.bytes_left) / nullif(t.bytes_per_second, 0)
				ELSE extract(epoch FROM dts.time_left(t.rows_estimated, t.rows_done, t.rows_per_second, t.bytes_estimated, t.bytes_done, t.bytes_per_second)) END,
				max(c.seconds))
		FROM c
$$;
COMMENT ON FUNCTION dts.table_course(dts.job_table) IS
	'of a table in several parts: the share of its bytes that is copied, bytes sent for each of its disk, and seconds left';

CREATE VIEW @extschema@.dts_job_tables AS
	SELECT j.name AS job, t.schema_name, t.table_name, t.phase, t.rows_estimated, t.rows_done,
			t.bytes_estimated, t.bytes_done,
			CASE WHEN c.share IS NOT NULL AND t.phase IN ('waiting', 'copying') THEN LEAST(100 * c.share, 99.9)::pg_catalog.numeric(5, 1)
				ELSE dts.percent_done(t.phase, t.rows_estimated, t.rows_done, t.bytes_estimated, t.bytes_done) END AS percent,
			t.parts, t.parts_done, t.parts_active,
			r.rows_per_second, r.bytes_per_second,
			t.updated_at + coalesce(r.seconds_left * pg_catalog.interval '1 s',
				CASE WHEN c.share IS NOT NULL AND r.rows_per_second IS NOT NULL THEN c.seconds * pg_catalog.interval '1 s'
					ELSE dts.time_left(t.rows_estimated, t.rows_done, r.rows_per_second, t.bytes_estimated, t.bytes_done,
						r.bytes_per_second) END) AS estimated_end,
			t.error, t.started_at AS started, t.updated_at AS updated,
			coalesce(s.rename, t.schema_name) AS target_schema, coalesce(m.target_name, t.table_name) AS target_table
		FROM dts.job_table t JOIN dts.job j ON j.id = t.job_id
		LEFT JOIN (SELECT o.id, x.e ->> 'schema' AS schema_name, x.e ->> 'rename' AS rename
			FROM dts.job o, pg_catalog.jsonb_array_elements(nullif(o.options -> 'objects', 'null')) x(e)
			WHERE x.e ? 'rename') s ON s.id = j.id AND s.schema_name = t.schema_name
		LEFT JOIN (SELECT o.id, x.schema_name, x.table_name, x.target_name
			FROM dts.job o, dts.objects_tables(o.options -> 'objects') x WHERE x.spec ? 'rename') m
			ON m.id = j.id AND m.schema_name = t.schema_name AND m.table_name = t.table_name
		LEFT JOIN LATERAL (SELECT x.share, x.seconds FROM dts.table_course(t) x) c ON t.parts > 1 AND t.phase IN ('waiting', 'copying'),
		-- what a job that does not run was doing says nothing about now
		LATERAL (SELECT CASE WHEN t.phase = 'copying' AND j.state IN ('running', 'ready', 'modifying') THEN t.rows_per_second END AS rows_per_second,
			CASE WHEN t.phase = 'copying' AND j.state IN ('running', 'ready', 'modifying') THEN t.bytes_per_second END AS bytes_per_second,
			CASE WHEN t.phase = 'copying' AND j.state IN ('running', 'ready', 'modifying') THEN t.seconds_left END AS seconds_left) r;
COMMENT ON VIEW @extschema@.dts_job_tables IS 'the tables of the jobs, and how far each has come';

CREATE VIEW @extschema@.dts_job_parts AS
	SELECT j.name AS job, t.schema_name, t.table_name, p.part, p.phase, p.rows_estimated, p.rows_done, p.bytes_estimated,
			p.bytes_done,
			dts.percent_done(p.phase, p.rows_estimated, p.rows_done, p.bytes_estimated, p.bytes_done) AS percent,
			r.rows_per_second, r.bytes_per_second,
			t.updated_at + coalesce(r.seconds_left * pg_catalog.interval '1 s', dts.time_left(p.rows_estimated, p.rows_done, r.rows_per_second,
				p.bytes_estimated, p.bytes_done, r.bytes_per_second)) AS estimated_end
		FROM dts.job_table t JOIN dts.job j ON j.id = t.job_id,
		LATERAL (SELECT e.ord::pg_catalog.int4 AS part, e.x ->> 'phase' AS phase,
				(e.x ->> 'rows_estimated')::pg_catalog.int8 AS rows_estimated, (e.x ->> 'rows_done')::pg_catalog.int8 AS rows_done,
				(e.x ->> 'bytes_estimated')::pg_catalog.int8 AS bytes_estimated, (e.x ->> 'bytes_done')::pg_catalog.int8 AS bytes_done,
				(e.x ->> 'rows_per_second')::pg_catalog.float8 AS rows_per_second,
				(e.x ->> 'bytes_per_second')::pg_catalog.float8 AS bytes_per_second,
				nullif((e.x ->> 'seconds_left')::pg_catalog.float8, 0) AS seconds_left
			FROM pg_catalog.jsonb_array_elements(t.part_list) WITH ORDINALITY e(x, ord)
			-- a table in one piece
			UNION ALL SELECT 1, t.phase, t.rows_estimated, t.rows_done, t.bytes_estimated, t.bytes_done, t.rows_per_second,
				t.bytes_per_second, t.seconds_left WHERE t.parts = 1 AND coalesce(t.part_list, '[]') = '[]') p,
		LATERAL (SELECT CASE WHEN p.phase = 'copying' AND j.state IN ('running', 'ready', 'modifying') THEN p.rows_per_second END AS rows_per_second,
			CASE WHEN p.phase = 'copying' AND j.state IN ('running', 'ready', 'modifying') THEN p.bytes_per_second END AS bytes_per_second,
			CASE WHEN p.phase = 'copying' AND j.state IN ('running', 'ready', 'modifying') THEN p.seconds_left END AS seconds_left) r;
COMMENT ON VIEW @extschema@.dts_job_parts IS 'the parts in which the tables of the jobs are copied, and how far each has come';

CREATE VIEW @extschema@.dts_job_changes AS
	SELECT j.name AS job, c.id, c.action, c.tables, c.state, c.message, c.hint, c.asked_by, c.asked_at, c.answered_at
		FROM dts.job_change c JOIN dts.job j ON j.id = c.job_id;
COMMENT ON VIEW @extschema@.dts_job_changes IS
	'requests to add, remove or reload tables or to change all objects: asked, done, refused (and why) or void';

CREATE VIEW @extschema@.dts_job_events AS
	SELECT e.id, e.job, e.at, e.severity, e.event, e.from_state, e.to_state, e.phase, e.who, e.message
		FROM dts.job_event e;
COMMENT ON VIEW @extschema@.dts_job_events IS 'what happened to the jobs, by whom and why, also to those destroyed since';

-- The words that other services have for a state.
CREATE TABLE dts.state_word (
	state pg_catalog.text PRIMARY KEY CHECK (dts.is_job_state(state)),
	tencent pg_catalog.text,
	huawei pg_catalog.text,
	oceanbase pg_catalog.text
);
COMMENT ON TABLE dts.state_word IS 'what Tencent DTS, Huawei DRS and OceanBase call the states';
INSERT INTO dts.state_word VALUES
	('draft', 'created, UnInitialized', 'configuration', 'Not Configured'),
	('checking', 'checking', NULL, NULL),
	('check_failed', 'checkNotPass', NULL, NULL),
	('check_passed', 'checkPass', NULL, 'Not Started'),
	('scheduled', 'Timed', 'waiting to start', NULL),
	('starting', 'readyRun', 'starting', 'Running'),
	('start_failed', 'readyRun', 'start failed', 'Failed'),
	('running', 'running', 'full migration, incremental migration', 'Running'),
	('modifying', 'modify flow', NULL, 'Modifying, Integrating'),
	('ready', 'readyComplete', 'incremental migration', 'Running'),
	('pausing', NULL, 'pausing', 'Stopped'),
	('paused', NULL, 'pausing', 'Stopped'),
	('resuming', 'resuming', 'fault recovery', 'Running'),
	('retrying', 'resuming', 'fault recovery', 'Running'),
	('error', 'error', 'full or incremental migration failed', 'Failed'),
	('failed', 'failed', NULL, 'Failed'),
	('completing', 'completing', NULL, 'Completed'),
	('completed', 'success', NULL, 'Completed'),
	('stopping', 'stopping', 'ending', 'Ending'),
	('stopped', 'canceled', 'ended', 'Ended'),
	('stop_failed', 'stopping', 'ending failed', 'Ended'),
	('isolated', 'isolated', 'frozen', NULL);

CREATE VIEW @extschema@.dts_state_names AS
	SELECT s.state, s.meaning, s.is_end, a.allowed, w.tencent, w.huawei, w.oceanbase
		FROM dts.job_states() WITH ORDINALITY s(state, is_end, needs_worker, meaning, ord)
		LEFT JOIN dts.state_word w ON w.state = s.state,
		LATERAL (SELECT COALESCE(pg_catalog.array_agg(f.function ORDER BY f.ord), '{}') AS allowed
			FROM (SELECT x.function, pg_catalog.min(x.ord) AS ord
				FROM dts.job_actions() WITH ORDINALITY x(action, function, ord)
				WHERE dts.action_leads_to(s.state, x.action) IS NOT NULL GROUP BY x.function) f) a
		ORDER BY s.ord;
COMMENT ON VIEW @extschema@.dts_state_names IS
	'the states of a job, what they mean and allow, and what other services call them';

CREATE FUNCTION @extschema@.dts_describe_job(job pg_catalog.text) RETURNS pg_catalog.jsonb
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, false);
BEGIN
	RETURN (
		SELECT to_jsonb(v) || jsonb_build_object(
				'options', dts.options_complete(j.options),
				'endpoints', (SELECT jsonb_object_agg(e.name, jsonb_build_object('engine', e.engine, 'options',
						(SELECT coalesce(jsonb_object_agg(o.option_name, o.option_value), '{}')
							FROM pg_options_to_table(e.options) o)))
					FROM dts.endpoint e WHERE e.name IN (j.source, j.target)),
				'checks', (SELECT coalesce(jsonb_agg(jsonb_build_object('item', c.item, 'result', c.result,
						'detail', c.detail, 'remedy', c.remedy, 'ignored', c.result = 'warn' AND EXISTS (
							SELECT FROM dts.job_ignored_check i WHERE i.job_id = j.id AND i.item = c.item)) ORDER BY c.ord), '[]')
					FROM dts.job_check c WHERE c.job_id = j.id),
				'tables', (SELECT coalesce(jsonb_object_agg(t.phase, t.n), '{}')
					FROM (SELECT coalesce(phase, 'unknown') AS phase, count(*) AS n FROM dts.job_table
						WHERE job_id = j.id GROUP BY 1) t),
				'events', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', e.at, 'severity', e.severity,
						'event', e.event, 'who', e.who, 'message', e.message) ORDER BY e.id), '[]')
					FROM (SELECT * FROM dts.job_event WHERE job_id = j.id ORDER BY id DESC LIMIT 20) e))
			FROM @extschema@.dts_jobs v WHERE v.job = j.name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_describe_job(pg_catalog.text) IS
	'everything known about a job, without secrets: its row of dts_jobs, options, endpoints, checks, tables by phase, last events';
