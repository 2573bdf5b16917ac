-- throttle: how fast a job may go, by phase; changed while it runs, and by the clock of a time zone.
--
-- The option $.throttle holds what an operator wants.  The daemon is told with every poll what holds at this moment, so
-- windows of a day need no clock or time zones of its own.

-- A time of day as minutes since midnight; null when it is none.
CREATE FUNCTION dts.throttle_minute(p_time pg_catalog.text) RETURNS pg_catalog.int4
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN p_time ~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$'
		THEN split_part(p_time, ':', 1)::int4 * 60 + split_part(p_time, ':', 2)::int4 END
$$;
COMMENT ON FUNCTION dts.throttle_minute(pg_catalog.text) IS 'HH:MM as minutes since midnight';

-- Whether a minute of the day lies in a window, which may span midnight.
CREATE FUNCTION dts.throttle_covers(p_window pg_catalog.jsonb, p_minute pg_catalog.int4) RETURNS pg_catalog.bool
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN w.a < w.b THEN p_minute >= w.a AND p_minute < w.b ELSE p_minute >= w.a OR p_minute < w.b END
		FROM (SELECT dts.throttle_minute(p_window ->> 'from') AS a, dts.throttle_minute(p_window ->> 'to') AS b) w
$$;
COMMENT ON FUNCTION dts.throttle_covers(pg_catalog.jsonb, pg_catalog.int4) IS 'whether a daily window covers a minute of the day';

-- What the table of options cannot say of $.throttle: times, time zone, windows that overlap.
CREATE FUNCTION dts.throttle_check(p_throttle pg_catalog.jsonb) RETURNS pg_catalog.void
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	zone text := p_throttle #>> '{full,time_zone}';
	w record;
	twice record;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = zone) AND zone IS NOT NULL THEN
		RAISE EXCEPTION 'unknown time zone in option $.throttle.full.time_zone'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('The value is "%s".', left(zone, 100)),
				HINT = 'Give a name of pg_timezone_names, such as "UTC" or "Europe/Berlin".';
	END IF;
	FOR w IN SELECT x.win, x.ord - 1 AS n, k.key, x.win ->> k.key AS value, x.win ->> 'from' = x.win ->> 'to' AS empty
		FROM jsonb_array_elements(p_throttle #> '{full,windows}') WITH ORDINALITY x(win, ord), (VALUES ('from'), ('to')) k(key)
	LOOP
		IF dts.throttle_minute(w.value) IS NULL THEN
			RAISE EXCEPTION 'invalid value of option $.throttle.full.windows[%].%', w.n, w.key
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('The value is "%s".', left(w.value, 100)),
					HINT = 'It must be a time of day as HH:MM, from 00:00 to 24:00.';
		ELSIF w.empty THEN
			RAISE EXCEPTION 'option $.throttle.full.windows[%] begins when it ends', w.n
				USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Both are %s.', w.value),
					HINT = 'For the whole day give the limits outside of windows, or a window from 00:00 to 24:00.';
		END IF;
	END LOOP;
	SELECT min(m.n) AS a, max(m.n) AS b, m.minute INTO twice
		FROM (SELECT x.ord - 1 AS n, g.minute FROM jsonb_array_elements(p_throttle #> '{full,windows}') WITH ORDINALITY x(win, ord),
				generate_series(0, 1439) g(minute) WHERE dts.throttle_covers(x.win, g.minute)) m
		GROUP BY m.minute HAVING count(*) > 1 ORDER BY m.minute LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'options $.throttle.full.windows[%] and [%] overlap', twice.a, twice.b
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('Both cover %s.', to_char(make_interval(mins => twice.minute), 'HH24:MI')),
				HINT = 'End one window where the next begins.';
	END IF;
END
$$;
COMMENT ON FUNCTION dts.throttle_check(pg_catalog.jsonb) IS 'refuses times, time zones and windows that make no sense';

-- The limits of one phase that hold at a time: those of the window that covers it, else those outside of windows.
CREATE FUNCTION dts.throttle_in_force(p_phase pg_catalog.jsonb, p_at pg_catalog.timestamptz) RETURNS pg_catalog.jsonb
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce((SELECT x.win FROM jsonb_array_elements(p_phase -> 'windows') x(win)
			WHERE dts.throttle_covers(x.win, floor(extract(epoch FROM
				(p_at AT TIME ZONE coalesce(p_phase ->> 'time_zone', 'UTC'))::time) / 60)::int4)
			LIMIT 1), p_phase)
$$;
COMMENT ON FUNCTION dts.throttle_in_force(pg_catalog.jsonb, pg_catalog.timestamptz) IS 'the limits of a phase at a time';

-- What the daemon keeps to now: by phase the units per second, 0 for none; null when nothing is throttled.
CREATE FUNCTION dts.throttle_now(p_options pg_catalog.jsonb) RETURNS pg_catalog.jsonb
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_object_agg(l.phase, jsonb_build_object(
			'queries', coalesce((l.held ->> 'queries_per_second')::int8, 0),
			'rows', coalesce((l.held ->> 'rows_per_second')::int8, 0),
			'bytes', coalesce((l.held ->> 'mb_per_second')::int8, 0) * 1048576))
		FROM (SELECT t.phase, dts.throttle_in_force(t.limits, clock_timestamp()) AS held
			FROM jsonb_each(nullif(p_options -> 'throttle', 'null')) t(phase, limits)) l
$$;
COMMENT ON FUNCTION dts.throttle_now(pg_catalog.jsonb) IS 'the limits of a job at this moment, as its daemon keeps them';

CREATE FUNCTION @extschema@.dts_set_throttle(job pg_catalog.text, phase pg_catalog.text, limits pg_catalog.jsonb)
	RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, true);
	changed jsonb;
BEGIN
	PERFORM dts.job_require(j, 'throttle');
	IF phase IS NULL OR phase NOT IN ('full', 'incremental') THEN
		RAISE EXCEPTION 'phase % cannot be throttled', coalesce('"' || phase || '"', 'null')
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'Only copying rows and applying changes take long.',
				HINT = 'Valid phases are: full, incremental.';
	END IF;
	changed := coalesce(j.options -> 'throttle', '{}') || jsonb_build_object(phase, coalesce(limits, 'null'));
	changed := dts.options_check(j.options || jsonb_build_object('throttle', nullif(jsonb_strip_nulls(changed), '{}')), j.kind);
	UPDATE dts.job SET options = changed, updated_at = clock_timestamp() WHERE id = j.id;
	PERFORM dts.job_log(j, 'info', 'throttle', NULL, NULL, dts.caller(),
		format('throttle of phase %s: %s', phase, coalesce((changed #> ARRAY['throttle', phase])::text, 'none')));
	PERFORM pg_notify('dts_job', j.id::text);
	RETURN CASE WHEN changed #> ARRAY['throttle', phase] IS NULL THEN format('phase %s of job "%s" is not throttled', phase, j.name)
		ELSE format('phase %s of job "%s" is throttled', phase, j.name) END;
END
$$;
COMMENT ON FUNCTION @extschema@.dts_set_throttle(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'limits a phase (full or incremental) of a job, also while it runs: queries, rows and MB per second, daily windows; null lifts the limits';

CREATE VIEW @extschema@.dts_throttles AS
	SELECT j.name AS job, t.phase, (h.held ->> 'queries_per_second')::pg_catalog.int8 AS queries_per_second,
			(h.held ->> 'rows_per_second')::pg_catalog.int8 AS rows_per_second,
			(h.held ->> 'mb_per_second')::pg_catalog.int8 AS mb_per_second,
			CASE WHEN h.held ? 'from' THEN pg_catalog.format('%s-%s %s', h.held ->> 'from', h.held ->> 'to',
				COALESCE(t.limits ->> 'time_zone', 'UTC')) END AS window_now,
			t.limits
		FROM dts.job j, LATERAL pg_catalog.jsonb_each(NULLIF(j.options -> 'throttle', 'null')) t(phase, limits),
			LATERAL (SELECT dts.throttle_in_force(t.limits, pg_catalog.clock_timestamp()) AS held) h;
COMMENT ON VIEW @extschema@.dts_throttles IS 'jobs that are throttled: what each phase may do now, in which window, and all that was set';
