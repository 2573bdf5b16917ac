-- comparison: what somebody who compared the two ends of a job found.  Comparing is not done here; the result becomes an event, so that
-- it is on record, alerts and stands in dts_health until a later comparison finds none.
CREATE FUNCTION @extschema@.dts_report_comparison(job pg_catalog.text, difference pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, false);
BEGIN
	IF btrim(difference) = '' THEN
		RAISE EXCEPTION 'the difference must not be empty'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'Whoever reads the event has to know what differs.',
				HINT = format('Name the table and what differs, or report that there is none: SELECT dts_report_comparison(%L, NULL);', j.name);
	END IF;
	PERFORM dts.job_log(j, CASE WHEN difference IS NULL THEN 'info' ELSE 'error' END,
		CASE WHEN difference IS NULL THEN 'compared' ELSE 'difference' END, NULL, NULL, dts.caller(),
		coalesce(left(difference, 2000), 'both ends are equal'));
	RETURN format('job "%s": %s', j.name, CASE WHEN difference IS NULL THEN 'no difference is on record' ELSE 'the difference is on record' END);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_report_comparison(pg_catalog.text, pg_catalog.text) IS
	'puts on record what a comparison of both ends found; null: no difference';
