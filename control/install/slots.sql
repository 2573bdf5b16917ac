-- slots: what the jobs' slots hold back on their sources.  The daemon samples them, one after the other, with
-- the connection it has the right to; nobody's session connects anywhere by looking, so a viewer needs no secret, a
-- dead source holds nobody up, and each figure says how old it is.
CREATE TABLE dts.slot_sample (
	job_id pg_catalog.int8 PRIMARY KEY REFERENCES dts.job ON DELETE CASCADE,
	active pg_catalog.bool,
	wal_status pg_catalog.text,
	restart_lsn pg_catalog.pg_lsn,
	confirmed_lsn pg_catalog.pg_lsn,
	current_lsn pg_catalog.pg_lsn,
	retained_bytes pg_catalog.int8,
	left_bytes pg_catalog.int8,            -- until the server gives the slot up; null: no limit
	bytes_per_second pg_catalog.float8,    -- of WAL written, over the last minutes
	applied_per_second pg_catalog.float8,  -- of WAL that the job got over, likewise
	error pg_catalog.text,                 -- why the last sample could not be taken; the figures are older then
	sampled_at pg_catalog.timestamptz,
	tried_at pg_catalog.timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE dts.slot_sample IS 'the jobs'' slots as the daemon last saw them on their sources';

CREATE VIEW @extschema@.dts_slots AS
	SELECT j.name AS job, j.source AS endpoint, j.slot_name, s.active, s.wal_status, s.retained_bytes, s.left_bytes,
			s.bytes_per_second AS wal_bytes_per_second,
			CASE WHEN s.left_bytes <= 0 THEN pg_catalog.interval '0'
				WHEN s.left_bytes IS NOT NULL AND s.bytes_per_second > 0 THEN pg_catalog.make_interval(secs =>
					LEAST(s.left_bytes / s.bytes_per_second, 3e9)) END AS time_left,
			s.restart_lsn, s.confirmed_lsn, s.current_lsn, s.error, s.sampled_at AS sampled
		FROM dts.job j JOIN dts.slot_sample s ON s.job_id = j.id
		WHERE j.footprint;
COMMENT ON VIEW @extschema@.dts_slots IS
	'what each job''s slot retains on its source, how long until the source gives it up, and when that was seen';

-- Jobs whose slot is to be looked at, with the connection string of the source.
CREATE FUNCTION dts.daemon_slots_due(every pg_catalog.interval, OUT job_id pg_catalog.int8, OUT slot_name pg_catalog.text,
		OUT conninfo pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT j.id, j.slot_name, dts.endpoint_conninfo(j.source)
		FROM dts.job j LEFT JOIN dts.slot_sample s ON s.job_id = j.id
		WHERE j.footprint AND j.state NOT IN ('starting', 'stopping', 'completing')
			AND (s.tried_at IS NULL OR s.tried_at < clock_timestamp() - every)
		ORDER BY s.tried_at NULLS FIRST, j.id LIMIT 100
$$;
COMMENT ON FUNCTION dts.daemon_slots_due(pg_catalog.interval) IS
	'jobs whose slot was not looked at for so long, with the connection string of the source, secrets included';

-- sample: {active, wal_status, restart_lsn, confirmed_lsn, current_lsn, retained_bytes, left_bytes}, or {error}.
CREATE FUNCTION dts.daemon_slot(job_id pg_catalog.int8, sample pg_catalog.jsonb) RETURNS pg_catalog.void
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
	old dts.slot_sample;
	rate float8;
	applied float8;
	seconds float8;
	now_at timestamptz := clock_timestamp();
BEGIN
	PERFORM FROM dts.job j WHERE j.id = daemon_slot.job_id FOR KEY SHARE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT * INTO old FROM dts.slot_sample s WHERE s.job_id = daemon_slot.job_id;
	IF sample ? 'error' THEN
		INSERT INTO dts.slot_sample AS s (job_id, error, tried_at) VALUES (daemon_slot.job_id, sample ->> 'error', now_at)
			ON CONFLICT ON CONSTRAINT slot_sample_pkey DO UPDATE SET error = excluded.error, tried_at = excluded.tried_at;
		RETURN;
	END IF;
	seconds := extract(epoch FROM now_at - old.sampled_at);
	IF seconds > 0 AND (sample ->> 'current_lsn')::pg_lsn >= old.current_lsn THEN
		rate := pg_wal_lsn_diff((sample ->> 'current_lsn')::pg_lsn, old.current_lsn) / seconds;
		-- smoothed over about five minutes
		rate := coalesce(old.bytes_per_second + (rate - old.bytes_per_second) * least(seconds / 300, 1), rate);
		applied := greatest(pg_wal_lsn_diff((sample ->> 'confirmed_lsn')::pg_lsn, old.confirmed_lsn), 0) / seconds;
		applied := coalesce(old.applied_per_second + (applied - old.applied_per_second) * least(seconds / 60, 1), applied);
	END IF;
	INSERT INTO dts.slot_sample AS s VALUES (daemon_slot.job_id, (sample ->> 'active')::bool, sample ->> 'wal_status',
			(sample ->> 'restart_lsn')::pg_lsn, (sample ->> 'confirmed_lsn')::pg_lsn, (sample ->> 'current_lsn')::pg_lsn,
			(sample ->> 'retained_bytes')::int8, (sample ->> 'left_bytes')::int8, rate, applied, NULL, now_at, now_at)
		ON CONFLICT ON CONSTRAINT slot_sample_pkey DO UPDATE SET active = excluded.active, wal_status = excluded.wal_status,
			restart_lsn = excluded.restart_lsn, confirmed_lsn = excluded.confirmed_lsn, current_lsn = excluded.current_lsn,
			retained_bytes = excluded.retained_bytes, left_bytes = excluded.left_bytes,
			bytes_per_second = excluded.bytes_per_second, applied_per_second = excluded.applied_per_second, error = NULL, sampled_at = excluded.sampled_at,
			tried_at = excluded.tried_at;
END
$$;
COMMENT ON FUNCTION dts.daemon_slot(pg_catalog.int8, pg_catalog.jsonb) IS
	'stores what the daemon saw of a job''s slot: {active, wal_status, restart_lsn, confirmed_lsn, current_lsn, retained_bytes, left_bytes} or {error}';
