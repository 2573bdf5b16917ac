-- modify: another list of objects for a running job.
--
-- The request is a row of dts.job_change like those about single tables; the daemon finds out which tables join,
-- leave or must be loaded again.  Only its answer changes the job's options.
CREATE FUNCTION @extschema@.dts_modify_objects(job pg_catalog.text, objects pg_catalog.jsonb) RETURNS pg_catalog.text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(job, true);
	given jsonb := CASE WHEN jsonb_typeof(objects) = 'object' THEN objects
		ELSE jsonb_build_object('objects', objects, 'exclude', j.options -> 'exclude') END;
	bad text;
	before jsonb;
	after jsonb;
	number int8;
BEGIN
	PERFORM dts.job_require(j, 'modify');
	IF j.phase IS DISTINCT FROM 'incremental' THEN
		RAISE EXCEPTION 'the objects of job "%" cannot be changed in phase "%"', j.name, j.phase
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'Tables are loaded beside the stream of phase "incremental".',
				HINT = 'Wait for the phase with CALL dts_wait(job, ''incremental'').';
	END IF;
	SELECT k INTO bad FROM jsonb_object_keys(given) k WHERE k NOT IN ('objects', 'exclude') LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'unknown option $.%', bad
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'Only the objects of a running job can be changed in this way.',
				HINT = 'Give an array as option "objects" takes it, or an object with "objects" and "exclude".';
	END IF;
	given := jsonb_build_object('objects', coalesce(given -> 'objects', 'null'), 'exclude', coalesce(given -> 'exclude', 'null'));
	after := dts.options_complete(dts.options_check(j.options || given, j.kind));
	before := dts.options_complete(j.options);
	IF after -> 'objects' = before -> 'objects' AND after -> 'exclude' = before -> 'exclude' THEN
		RETURN format('job "%s" has these objects already', j.name);
	END IF;
	IF EXISTS (SELECT FROM dts.job_change c WHERE c.job_id = j.id AND c.state = 'asked') THEN
		RAISE EXCEPTION 'job "%" has not yet carried out another change of its tables', j.name
			USING ERRCODE = 'object_in_use',
				DETAIL = 'dts_job_changes shows it as asked.', HINT = 'Wait until it is answered, and ask again.';
	END IF;
	INSERT INTO dts.job_change (job_id, action, tables, asked_by) VALUES (j.id, 'modify', given, dts.caller())
		RETURNING id INTO number;
	PERFORM dts.job_set_state(j.id, j.state, dts.action_leads_to(j.state, 'modify'), 'modify', dts.caller(),
		NULL, NULL, NULL, NULL);
	UPDATE dts.job SET touched_xid = pg_current_xact_id() WHERE id = j.id;
	PERFORM pg_notify('dts_job', j.id::text);
	RETURN format('change %s of the objects of job "%s" requested', number, j.name);
END
$$;
COMMENT ON FUNCTION @extschema@.dts_modify_objects(pg_catalog.text, pg_catalog.jsonb) IS
	'gives a running job another list of objects: tables join, leave, or are loaded again, and the others go on';
