-- forecast: how long a job will take, and what it will want of disks, from what is measured or, before that, from what its precheck saw.

-- What the precheck saw of sizes and rates.
CREATE TABLE dts.job_figures (
	job_id pg_catalog.int8 PRIMARY KEY REFERENCES dts.job ON DELETE CASCADE,
	table_bytes pg_catalog.int8,           -- of the selected tables, on the source's disk
	index_bytes pg_catalog.int8,           -- of their indexes
	wal_bytes_per_second pg_catalog.float8, -- that the source writes; null: not known
	wal_limit_bytes pg_catalog.int8,       -- max_slot_wal_keep_size; null: none
	taken_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE dts.job_figures IS 'sizes and rates that the last precheck of a job saw on its source';

-- The bytes of a table's estimate that are still to be copied; percentages are of rows where those are known.
CREATE FUNCTION dts.copy_left(t dts.job_table) RETURNS pg_catalog.float8
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN t.phase IN ('waiting', 'copying')
		THEN t.bytes_estimated * (1 - coalesce(CASE WHEN t.parts > 1 THEN (dts.table_course(t)).share END,
			dts.percent_done(t.phase, t.rows_estimated, t.rows_done, t.bytes_estimated, t.bytes_done)::float8 / 100, 0))
		ELSE 0 END
$$;
COMMENT ON FUNCTION dts.copy_left(dts.job_table) IS 'the bytes of a table''s estimate that are not copied yet';

-- The same estimate's bytes per second: what goes over the wire may be more or less than what lies on the disk.
CREATE FUNCTION dts.copy_rate(t dts.job_table) RETURNS pg_catalog.float8
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN t.phase <> 'copying' THEN 0
		WHEN t.parts > 1 AND (dts.table_course(t)).wire > 0 THEN coalesce(t.bytes_per_second, 0) / (dts.table_course(t)).wire
		WHEN t.rows_estimated > 0 AND t.rows_per_second > 0 THEN t.bytes_estimated * t.rows_per_second / greatest(t.rows_estimated, t.rows_done)
		ELSE coalesce(t.bytes_per_second, 0) END
$$;
COMMENT ON FUNCTION dts.copy_rate(dts.job_table) IS 'the bytes of a table''s estimate that are copied in a second now';

-- Seconds until a job has copied all, the bytes that are left, and what that is told from; no row: it copies nothing any more.
CREATE FUNCTION dts.forecast_copy(j dts.job, OUT bytes_left pg_catalog.float8, OUT seconds pg_catalog.float8, OUT basis pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	assumed CONSTANT float8 := 20971520; -- as the precheck has it
	o jsonb := dts.options_complete(j.options);
	runs bool := j.state IN ('running', 'ready', 'modifying') AND j.phase IN ('full', 'incremental');
	told bool := EXISTS (SELECT FROM dts.job_table t WHERE t.job_id = j.id AND t.bytes_estimated IS NOT NULL);
	rate float8;
	longest float8;
	throttle float8;
BEGIN
	IF NOT o -> 'phases' ? 'full' OR (SELECT js.is_end FROM dts.job_states() js WHERE js.state = j.state) THEN
		RETURN;
	END IF;
	IF told THEN
		-- a table in one piece is copied by one worker, however many others are idle by then
		SELECT sum(dts.copy_left(t)), sum(dts.copy_rate(t)),
				max(CASE WHEN t.phase <> 'copying' THEN NULL WHEN t.parts > 1 THEN (dts.table_course(t)).seconds
					WHEN dts.copy_rate(t) > 0 THEN dts.copy_left(t) / dts.copy_rate(t) END)
			INTO bytes_left, rate, longest FROM dts.job_table t WHERE t.job_id = j.id;
		IF bytes_left = 0 THEN
			RETURN;
		END IF;
	ELSIF j.phase = 'incremental' THEN
		RETURN;
	ELSE
		bytes_left := (SELECT f.table_bytes FROM dts.job_figures f WHERE f.job_id = j.id);
	END IF;
	IF bytes_left IS NULL THEN
		basis := 'sizes are not known: SELECT dts_check_job(...) first';
	ELSIF runs AND rate > 0 THEN
		seconds := greatest(bytes_left / rate, longest);
		basis := format('%s left at %s/s, as measured now', pg_size_pretty(bytes_left::int8), pg_size_pretty(rate::int8));
	ELSE
		throttle := nullif((dts.throttle_now(j.options) #>> '{full,bytes}')::float8, 0);
		rate := least(assumed, throttle);
		seconds := bytes_left / rate;
		basis := format('%s left at %s/s, %s', pg_size_pretty(bytes_left::int8), pg_size_pretty(rate::int8),
			CASE WHEN throttle <= assumed THEN 'as throttled' ELSE 'assumed until the load runs' END);
	END IF;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION dts.forecast_copy(dts.job) IS 'how long copying will take, the bytes left, and what that is told from';

CREATE FUNCTION @extschema@.dts_forecast(job pg_catalog.text, OUT item pg_catalog.text, OUT value pg_catalog.numeric, OUT unit pg_catalog.text,
		OUT at pg_catalog.timestamptz, OUT basis pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	assumed CONSTANT float8 := 20971520;
	j dts.job := dts.job_find(dts_forecast.job, false);
	f dts.job_figures;
	s dts.slot_sample;
	p dts.job_progress;
	c record;
	moment timestamptz := clock_timestamp();
	wal float8;      -- written per second; null: not known
	room float8;     -- until the slot is lost; null: no limit
	behind float8;   -- what is to be applied once all is copied
	speed float8;    -- applied per second
	measured bool;
BEGIN
	SELECT * INTO f FROM dts.job_figures x WHERE x.job_id = j.id;
	SELECT * INTO s FROM dts.slot_sample x WHERE x.job_id = j.id AND j.footprint;
	SELECT * INTO p FROM dts.job_progress x WHERE x.job_id = j.id;
	SELECT * INTO c FROM dts.forecast_copy(j);
	IF c.basis IS NOT NULL THEN
		item := 'copy'; value := round(c.seconds::numeric, 1); unit := 's'; at := moment + c.seconds * interval '1 s';
		basis := c.basis || '; indexes come after it';
		RETURN NEXT;
		item := 'target_disk'; unit := 'bytes'; at := NULL;
		value := round((c.bytes_left + coalesce(f.index_bytes * c.bytes_left / nullif(f.table_bytes, 0), 0))::numeric);
		basis := 'what is to be copied and its indexes take on the source''s disk; see that the target''s disk has room for it';
		RETURN NEXT;
	END IF;
	IF NOT dts.options_complete(j.options) -> 'phases' ? 'incremental' OR (SELECT js.is_end FROM dts.job_states() js WHERE js.state = j.state) THEN
		RETURN;
	END IF;

	wal := coalesce(s.bytes_per_second, f.wal_bytes_per_second);
	behind := CASE WHEN j.phase = 'incremental' AND p.source_end IS NOT NULL AND p.durable IS NOT NULL AND c.seconds IS NULL
		THEN greatest(pg_wal_lsn_diff(p.source_end, p.durable), 0)
		ELSE coalesce(s.retained_bytes, 0) + wal * coalesce(c.seconds, 0) END;
	measured := s.applied_per_second > 0 AND NOT p.caught_up AND j.phase = 'incremental';
	speed := CASE WHEN measured THEN s.applied_per_second ELSE assumed END;

	item := 'source_wal'; unit := 'bytes'; at := moment + coalesce(c.seconds, 0) * interval '1 s';
	value := round((coalesce(s.retained_bytes, 0) + wal * coalesce(c.seconds, 0))::numeric);
	basis := CASE WHEN wal IS NULL THEN 'how fast the source writes WAL is not known yet'
		ELSE format('retained when all is copied; the source writes %s/s; see that the disk of pg_wal has room for it', pg_size_pretty(wal::int8)) END;
	RETURN NEXT;

	room := CASE WHEN s.job_id IS NOT NULL THEN s.left_bytes ELSE f.wal_limit_bytes END;
	item := 'wal_limit'; value := round(room::numeric); at := CASE WHEN wal > 0 THEN moment + least(room / wal, 3e9) * interval '1 s' END;
	basis := CASE WHEN s.job_id IS NULL AND f.job_id IS NULL THEN 'not known: SELECT dts_check_job(...) first'
		WHEN room IS NULL THEN 'the source has no limit (max_slot_wal_keep_size)'
		WHEN wal IS NULL THEN 'until the source gives the slot up; how fast it writes WAL is not known yet'
		WHEN room <= wal * coalesce(c.seconds, 0) THEN 'the slot would be lost before all is copied: raise max_slot_wal_keep_size on the source'
		ELSE 'until the source gives the slot up, which comes after all is copied' END;
	RETURN NEXT;

	item := 'catch_up'; unit := 's'; value := NULL; at := NULL;
	IF p.caught_up AND j.phase = 'incremental' AND c.seconds IS NULL THEN
		value := 0; at := moment;
		basis := 'the target is in step';
	ELSIF wal IS NULL OR behind IS NULL THEN
		basis := 'how fast the source writes WAL is not known yet';
	ELSIF speed <= wal THEN
		basis := format('never at this rate: %s/s are applied, %s/s are written', pg_size_pretty(speed::int8), pg_size_pretty(wal::int8));
	ELSE
		value := round((behind / (speed - wal))::numeric, 1);
		at := moment + (coalesce(c.seconds, 0) + behind / (speed - wal)) * interval '1 s';
		basis := format('%s of WAL at %s/s, %s, while %s/s are written', pg_size_pretty(behind::int8), pg_size_pretty(speed::int8),
			CASE WHEN measured THEN 'as measured' ELSE 'assumed until the stream is behind' END, pg_size_pretty(wal::int8));
	END IF;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@.dts_forecast(pg_catalog.text) IS
	'how long copying and catching up will take, and what target, pg_wal and the limit of the slot have to bear: item, value, unit, when, and what it is told from';

-- What a daemon shows on its terminal: one row for each job at work.
CREATE FUNCTION dts.daemon_bars(OUT job pg_catalog.text, OUT what pg_catalog.text, OUT percent pg_catalog.numeric, OUT more pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT v.job, concat_ws(' ', nullif(v.state, 'running'), v.phase),
			CASE WHEN t.total > 0 AND v.phase IS DISTINCT FROM 'schema' AND (t.left_bytes > 0 OR v.phase = 'full')
				THEN least(100 * (1 - t.left_bytes / t.total), 99.9)::numeric(5, 1) END,
			CASE WHEN v.phase = 'full' OR t.left_bytes > 0 THEN concat_ws(', ', format('%s of %s tables', t.done, t.tables), c.left_text)
				WHEN v.phase = 'incremental' THEN concat_ws(', ', 'lag ' || round(v.lag_seconds, 1) || ' s', round(v.rows_per_second) || ' rows/s')
				ELSE v.step END
		FROM @extschema@.dts_jobs v JOIN dts.job j ON j.name = v.job,
			LATERAL (SELECT count(*) AS tables, count(*) FILTER (WHERE x.phase NOT IN ('waiting', 'copying', 'indexing', 'error')) AS done,
				sum(x.bytes_estimated)::float8 AS total, sum(dts.copy_left(x)) AS left_bytes FROM dts.job_table x WHERE x.job_id = j.id) t
			LEFT JOIN LATERAL (SELECT format('%s left, ends in %s', pg_size_pretty(f.bytes_left::int8), justify_interval(make_interval(secs => ceil(f.seconds)))) AS left_text
				FROM dts.forecast_copy(j) f WHERE f.basis LIKE '%measured%') c ON true
		WHERE v.worker IS NOT NULL AND v.state IN (SELECT s.state FROM dts.job_states() s WHERE s.needs_worker)
		ORDER BY v.created, v.job
$$;
COMMENT ON FUNCTION dts.daemon_bars() IS 'what a daemon shows of the jobs at work on its terminal';
