-- leftovers: what a job could not remove from an end, and the SQL that removes it.  Not bound to dts.job:
-- the list outlives the job.
CREATE TABLE dts.leftover (
	job_id pg_catalog.int8 NOT NULL,
	job pg_catalog.text NOT NULL,
	side pg_catalog.text NOT NULL CHECK (side IN ('source', 'target')),
	endpoint pg_catalog.text NOT NULL,
	object pg_catalog.text NOT NULL,
	remedy pg_catalog.text NOT NULL,
	reason pg_catalog.text,
	at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (job_id, side, object)
);
COMMENT ON TABLE dts.leftover IS 'what is left of the jobs on their ends';

CREATE VIEW @extschema@.dts_leftovers AS
	SELECT l.job, l.side, l.endpoint, l.object, l.remedy, l.reason, l.at FROM dts.leftover l;
COMMENT ON VIEW @extschema@.dts_leftovers IS
	'what jobs could not remove from an end that was away, and the SQL to run there';

CREATE FUNCTION @extschema@.dts_forget_leftovers(job pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n int8;
BEGIN
	DELETE FROM dts.leftover l WHERE l.job = dts_forget_leftovers.job
		AND NOT EXISTS (SELECT FROM dts.job j WHERE j.id = l.job_id AND j.footprint);
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n = 0 THEN
		RAISE EXCEPTION 'job % has no leftovers to forget', coalesce('"' || job || '"', 'null')
			USING ERRCODE = 'undefined_object',
				DETAIL = 'None is listed, or the job itself can still remove them.',
				HINT = 'Look at dts_leftovers; dts_stop_job tries again where the job is in state "stop_failed".';
	END IF;
	RETURN format('%s leftovers of job "%s" forgotten', n, job);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_forget_leftovers(pg_catalog.text) IS
	'takes the leftovers of a job off the list, once they are removed by hand';

-- left: an array of {side, object, remedy, reason}; an empty one says that nothing is left.
CREATE FUNCTION dts.daemon_leftovers(job_id pg_catalog.int8, epoch pg_catalog.int8, leftovers pg_catalog.jsonb)
	RETURNS pg_catalog.bool
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
BEGIN
	IF NOT dts.lease_holds(job_id, epoch) THEN
		RETURN false;
	END IF;
	DELETE FROM dts.leftover l WHERE l.job_id = daemon_leftovers.job_id;
	INSERT INTO dts.leftover (job_id, job, side, endpoint, object, remedy, reason)
		SELECT j.id, j.name, r.x ->> 'side', CASE r.x ->> 'side' WHEN 'source' THEN j.source ELSE j.target END,
				r.x ->> 'object', r.x ->> 'remedy', r.x ->> 'reason'
			FROM dts.job j, jsonb_array_elements(leftovers) r(x) WHERE j.id = daemon_leftovers.job_id;
	RETURN true;
END
$$;
COMMENT ON FUNCTION dts.daemon_leftovers(pg_catalog.int8, pg_catalog.int8, pg_catalog.jsonb) IS
	'replaces the list of what a job has left: an array of {side, object, remedy, reason}';
