-- health: what needs a person, and the figures of everything for a monitoring system.
CREATE VIEW dts.health AS
	WITH j AS (
		SELECT o.*, v.lag_seconds, v.job, l.owner, l.until, s.needs_worker, p.reported_at
			FROM dts.job o JOIN @extschema@.dts_jobs v ON v.job = o.name
			JOIN dts.job_lease l ON l.job_id = o.id JOIN dts.job_progress p ON p.job_id = o.id
			JOIN dts.job_states() s ON s.state = o.state)
	SELECT h.severity, h.job, h.what, h.remedy, h.since FROM (
		SELECT CASE j.state WHEN 'check_failed' THEN 'warning' ELSE 'error' END AS severity, j.job,
				pg_catalog.format('state "%s"%s', j.state, COALESCE(': ' || j.error_message, '')) AS what,
				COALESCE(NULLIF(j.error_hint, ''), CASE j.state
					WHEN 'check_failed' THEN pg_catalog.format('SELECT * FROM dts_check_results(%L) WHERE result = ''fail'';', j.job)
					WHEN 'failed' THEN pg_catalog.format('SELECT dts_reset_job(%L); and load anew.', j.job)
					WHEN 'stop_failed' THEN pg_catalog.format('SELECT dts_stop_job(%L);', j.job)
					ELSE pg_catalog.format('SELECT dts_retry_job(%L); once the cause is mended.', j.job) END) AS remedy,
				COALESCE(j.error_at, j.updated_at) AS since
			FROM j WHERE j.state IN ('error', 'failed', 'start_failed', 'stop_failed', 'check_failed')
		UNION ALL
		SELECT 'warning', j.job, pg_catalog.format('lost an end and tries again%s', COALESCE(': ' || j.error_message, '')),
				'Bring the end back; the job goes on by itself.', j.error_at
			FROM j WHERE j.state = 'retrying'
		UNION ALL
		SELECT CASE WHEN w.waits_for IS NULL THEN 'error' ELSE 'warning' END, j.job,
				CASE WHEN w.waits_for IS NOT NULL THEN 'waits for ' || w.waits_for
				WHEN j.wish IS NULL THEN pg_catalog.format('no daemon works for it, in state "%s"', j.state)
				ELSE pg_catalog.format('no daemon has taken up "%s"', j.wish) END,
				CASE WHEN w.waits_for IS NOT NULL THEN 'It goes on when others have ended; or raise the limit with dts_limit_connections.'
				ELSE 'See that dts_applier runs and reaches this database.' END,
				CASE WHEN j.wish IS NULL THEN COALESCE(j.until, j.updated_at) ELSE j.wish_at END
			FROM j LEFT JOIN dts.jobs_waiting() w ON w.job_id = j.id WHERE (j.owner IS NULL OR j.until < pg_catalog.clock_timestamp())
				AND (j.needs_worker OR j.wish IS NOT NULL)
				AND COALESCE(CASE WHEN j.wish IS NULL THEN COALESCE(j.until, j.updated_at) ELSE j.wish_at END, j.updated_at)
					< pg_catalog.clock_timestamp() - pg_catalog.interval '30 s'
		UNION ALL
		SELECT 'warning', j.job, pg_catalog.format('lags %s s behind its source', pg_catalog.round(j.lag_seconds)),
				'Look at dts_jobs and dts_slots: is the target slow, or a long transaction open on the source?', NULL
			FROM j WHERE j.state IN ('running', 'ready', 'modifying') AND j.phase = 'incremental' AND j.lag_seconds > 300
		UNION ALL
		SELECT 'warning', j.job, 'stands still, and its slot retains WAL', pg_catalog.format('SELECT dts_resume_job(%L); or stop the job.', j.job), j.updated_at
			FROM j WHERE j.state = 'paused' AND j.updated_at < pg_catalog.clock_timestamp() - pg_catalog.interval '1 hour'
		UNION ALL
		SELECT CASE WHEN s.wal_status IN ('unreserved', 'lost') OR s.time_left < pg_catalog.interval '1 hour' THEN 'error' ELSE 'warning' END,
				s.job, CASE WHEN s.wal_status = 'lost' THEN 'the source has given up its slot'
					ELSE pg_catalog.format('its slot retains %s on the source%s', pg_catalog.pg_size_pretty(s.retained_bytes),
						COALESCE(', and is given up in about ' || pg_catalog.date_trunc('minute', s.time_left)::pg_catalog.text, '')) END,
				CASE WHEN s.wal_status = 'lost' THEN pg_catalog.format('SELECT dts_reset_job(%L); once the job has failed, and load anew.', s.job)
					ELSE 'Let the job go on, raise max_slot_wal_keep_size on the source, or stop the job.' END, s.sampled
			FROM @extschema@.dts_slots s WHERE s.wal_status IN ('unreserved', 'lost') OR s.time_left < pg_catalog.interval '1 day'
		UNION ALL
		SELECT 'warning', t.job, pg_catalog.format('table %I.%I is in trouble%s', t.schema_name, t.table_name, COALESCE(': ' || t.error, '')),
				'Look at dts_job_tables and dts_job_events.', t.updated
			FROM @extschema@.dts_job_tables t JOIN j ON j.job = t.job AND NOT j.state IN ('stopped', 'completed', 'isolated')
			WHERE t.phase = 'error'
		UNION ALL
		SELECT 'warning', d.job, pg_catalog.format('waits with a command of the source: %s', pg_catalog."left"(COALESCE(d.source, d.tag), 200)),
				pg_catalog.format('SELECT * FROM dts_pending_ddl WHERE job = %1$L; then SELECT dts_approve_ddl(%1$L); or SELECT dts_skip_ddl(%1$L);', d.job), d.seen_at
			FROM @extschema@.dts_pending_ddl d WHERE d.state = 'waiting'
		UNION ALL
		SELECT 'error', j.job, pg_catalog.format('the ends differ: %s', pg_catalog."left"(e.message, 200)),
				pg_catalog.format('Mend it, for example with dts_reload_table, and compare again; SELECT dts_report_comparison(%L, NULL); takes this back.', j.job), e.at
			FROM j, LATERAL (SELECT c.event, c.message, c.at FROM dts.job_event c WHERE c.job_id = j.id AND c.event IN ('difference', 'compared')
				ORDER BY c.id DESC LIMIT 1) e
			WHERE e.event = 'difference'
		UNION ALL
		SELECT 'warning', l.job, pg_catalog.format('left behind on the %s, endpoint "%s": %s', l.side, l.endpoint, l.object), l.remedy, l.at
			FROM @extschema@.dts_leftovers l
		UNION ALL
		SELECT 'warning', d.job, pg_catalog.format('%s alerts could not be sent: %s', pg_catalog.count(*), pg_catalog.max(d.error)),
				pg_catalog.format('SELECT * FROM dts_alert_log WHERE job = %L; then dts_set_alert and dts_test_alert.', d.job), pg_catalog.min(d.at)
			FROM @extschema@.dts_alert_log d WHERE d.state = 'failed' AND d.at > pg_catalog.clock_timestamp() - pg_catalog.interval '1 day'
				AND NOT EXISTS (SELECT FROM @extschema@.dts_alert_log l WHERE l.job = d.job AND l.state = 'sent' AND l.id > d.id)
			GROUP BY d.job) h
	ORDER BY h.severity <> 'error', h.since, h.job, h.what;
COMMENT ON VIEW dts.health IS 'what dts_health shows';

-- A plan of so many parts is worth no compiling, which takes a hundred times as long as the query.
CREATE FUNCTION dts.health_rows() RETURNS SETOF dts.health
	LANGUAGE sql STABLE SECURITY DEFINER ROWS 20 SET search_path = pg_catalog, pg_temp SET jit = off
	AS $$ SELECT * FROM dts.health $$;
COMMENT ON FUNCTION dts.health_rows() IS 'what dts_health shows, planned without JIT';
CREATE VIEW @extschema@.dts_health AS SELECT h.severity, h.job, h.what, h.remedy, h.since FROM dts.health_rows() h;
COMMENT ON VIEW @extschema@.dts_health IS 'what needs a person, one row each: severity, job, what, remedy; no row: all is well';

CREATE VIEW dts.metrics AS
	WITH j AS (SELECT v.*, pg_catalog.jsonb_build_object('job', v.job) AS labels FROM @extschema@.dts_jobs v),
	-- name, type, help; the values below are joined by name
	m(ord, metric, type, help) AS (VALUES
		(1, 'dts_job_state', 'gauge', '1 for the state and phase that the job is in'),
		(2, 'dts_job_lag_bytes', 'gauge', 'WAL of the source that is not yet durable on the target'),
		(3, 'dts_job_lag_seconds', 'gauge', 'age of the newest transaction applied; 0 while all received is applied'),
		(4, 'dts_job_transactions_total', 'counter', 'transactions applied since the worker started'),
		(5, 'dts_job_rows_total', 'counter', 'rows applied since the worker started'),
		(6, 'dts_job_bytes_total', 'counter', 'bytes received since the worker started'),
		(7, 'dts_job_tables', 'gauge', 'tables of the job by phase'),
		(8, 'dts_job_copied_bytes', 'gauge', 'bytes that the load has copied'),
		(9, 'dts_job_worker_up', 'gauge', '1 while a daemon holds the job'),
		(10, 'dts_slot_retained_bytes', 'gauge', 'WAL that the slot retains on the source'),
		(11, 'dts_slot_left_bytes', 'gauge', 'WAL until the source gives the slot up; absent without a limit'),
		(12, 'dts_slot_time_left_seconds', 'gauge', 'time until the source gives the slot up, at the present rate'),
		(13, 'dts_slot_sample_age_seconds', 'gauge', 'age of the figures of the slot'),
		(14, 'dts_health_issues', 'gauge', 'rows of dts_health by severity'),
		(15, 'dts_alerts_pending', 'gauge', 'alerts that wait to be posted')),
	v(metric, labels, value) AS (
		SELECT 'dts_job_state', j.labels || pg_catalog.jsonb_build_object('kind', j.kind, 'state', j.state, 'phase', COALESCE(j.phase, '')), 1::pg_catalog.float8 FROM j
		UNION ALL SELECT 'dts_job_lag_bytes', j.labels, j.lag_bytes FROM j
		UNION ALL SELECT 'dts_job_lag_seconds', j.labels, j.lag_seconds FROM j
		UNION ALL SELECT 'dts_job_transactions_total', j.labels, j.transactions FROM j
		UNION ALL SELECT 'dts_job_rows_total', j.labels, j.rows FROM j
		UNION ALL SELECT 'dts_job_bytes_total', j.labels, j.bytes FROM j
		UNION ALL SELECT 'dts_job_tables', pg_catalog.jsonb_build_object('job', t.job, 'phase', t.phase), pg_catalog.count(*)
			FROM @extschema@.dts_job_tables t GROUP BY t.job, t.phase
		UNION ALL SELECT 'dts_job_copied_bytes', pg_catalog.jsonb_build_object('job', t.job), pg_catalog.sum(t.bytes_done)
			FROM @extschema@.dts_job_tables t GROUP BY t.job
		UNION ALL SELECT 'dts_job_worker_up', pg_catalog.jsonb_build_object('job', o.name),
				COALESCE((l.owner IS NOT NULL AND l.until > pg_catalog.clock_timestamp())::pg_catalog.int4, 0)
			FROM dts.job o JOIN dts.job_lease l ON l.job_id = o.id
		UNION ALL SELECT 'dts_slot_retained_bytes', pg_catalog.jsonb_build_object('job', s.job), s.retained_bytes FROM @extschema@.dts_slots s
		UNION ALL SELECT 'dts_slot_left_bytes', pg_catalog.jsonb_build_object('job', s.job), s.left_bytes FROM @extschema@.dts_slots s
		UNION ALL SELECT 'dts_slot_time_left_seconds', pg_catalog.jsonb_build_object('job', s.job), EXTRACT(epoch FROM s.time_left) FROM @extschema@.dts_slots s
		UNION ALL SELECT 'dts_slot_sample_age_seconds', pg_catalog.jsonb_build_object('job', s.job), EXTRACT(epoch FROM pg_catalog.clock_timestamp() - s.sampled)
			FROM @extschema@.dts_slots s
		UNION ALL SELECT 'dts_health_issues', pg_catalog.jsonb_build_object('severity', x.severity),
				(SELECT pg_catalog.count(*) FROM @extschema@.dts_health h WHERE h.severity = x.severity) FROM (VALUES ('error'), ('warning')) x(severity)
		UNION ALL SELECT 'dts_alerts_pending', '{}', pg_catalog.count(*) FROM @extschema@.dts_alert_log d WHERE d.state = 'pending')
	SELECT m.metric, m.type, m.help, v.labels, v.value
		FROM m JOIN v ON v.metric = m.metric WHERE v.value IS NOT NULL ORDER BY m.ord, v.labels;
COMMENT ON VIEW dts.metrics IS 'what dts_metrics shows';

CREATE FUNCTION dts.metrics_rows() RETURNS SETOF dts.metrics
	LANGUAGE sql STABLE SECURITY DEFINER ROWS 200 SET search_path = pg_catalog, pg_temp SET jit = off
	AS $$ SELECT * FROM dts.metrics $$;
COMMENT ON FUNCTION dts.metrics_rows() IS 'what dts_metrics shows, planned without JIT';
CREATE VIEW @extschema@.dts_metrics AS SELECT m.metric, m.type, m.help, m.labels, m.value FROM dts.metrics_rows() m;
COMMENT ON VIEW @extschema@.dts_metrics IS 'figures of the jobs under the names that Prometheus would see';

-- Label values escape backslash, quote and newline; nothing else is special in the format.
CREATE FUNCTION @extschema@.dts_metrics_text() RETURNS pg_catalog.text
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(string_agg(format(E'# HELP %s %s\n# TYPE %s %s\n%s', f.metric, f.help, f.metric, f.type, f.lines), '' ORDER BY f.ord), '')
		FROM (SELECT m.metric, m.help, m.type, min(m.ord) AS ord, string_agg(m.metric || m.labels || ' ' || m.value || E'\n', '' ORDER BY m.ord) AS lines
			FROM (SELECT v.metric, v.help, v.type, v.value, row_number() OVER () AS ord,
					(SELECT coalesce('{' || string_agg(format('%s="%s"', e.key, replace(replace(replace(e.value,
							E'\\', E'\\\\'), '"', E'\\"'), E'\n', E'\\n')), ',' ORDER BY e.key) || '}', '')
						FROM jsonb_each_text(v.labels) e) AS labels
				FROM @extschema@.dts_metrics v) m
			GROUP BY m.metric, m.help, m.type) f
$$;
COMMENT ON FUNCTION @extschema@.dts_metrics_text() IS 'dts_metrics in Prometheus'' exposition format, ready to be served';

CREATE FUNCTION @extschema@.dts_purge_events(older_than pg_catalog.interval) RETURNS pg_catalog.int8
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n int8;
	m int8;
BEGIN
	IF older_than IS NULL OR older_than < interval '1 day' THEN
		RAISE EXCEPTION 'events younger than a day are kept'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('The age given is %s.', coalesce(older_than::text, 'null')),
				HINT = 'Example: dts_purge_events(''90 days'').';
	END IF;
	DELETE FROM dts.job_event e WHERE e.at < clock_timestamp() - older_than;
	GET DIAGNOSTICS n = ROW_COUNT;
	DELETE FROM dts.alert_delivery d WHERE d.state <> 'pending' AND d.at < clock_timestamp() - older_than;
	GET DIAGNOSTICS m = ROW_COUNT;
	RETURN n + m;
END
$$;
COMMENT ON FUNCTION @extschema@.dts_purge_events(pg_catalog.interval) IS
	'deletes events and sent alerts older than that; returns how many';
