-- batch: every action on one job also takes an array of names, and answers one row for each job.
--
-- A job that does not qualify is listed with the reason and changes nothing for the others: each is
-- acted on in a subtransaction of its own.  They are taken in the order of their names, so that two
-- batches never wait for each other in a circle.

-- What one job's refusal reads like in a row.
CREATE FUNCTION dts.batch_reason(p_message pg_catalog.text, p_hint pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
	AS $$ SELECT p_message || coalesce('. ' || nullif(p_hint, ''), '') $$;
COMMENT ON FUNCTION dts.batch_reason(pg_catalog.text, pg_catalog.text) IS 'a refusal and its remedy on one line';

-- p_arguments: what the function takes after the job's name, as text, in order.
CREATE FUNCTION dts.job_batch(p_function pg_catalog.text, p_jobs pg_catalog.text[], p_arguments pg_catalog.text[],
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	call text;
	names text[];
	said text[];
	yes bool[];
	n record;
	answer text;
	hint text;
BEGIN
	IF p_jobs IS NULL THEN
		RAISE EXCEPTION 'the array of jobs must not be null'
			USING ERRCODE = 'null_value_not_allowed',
				DETAIL = 'An array_agg over no row is null.',
				HINT = 'Give an array of names; an empty one does nothing.';
	END IF;
	SELECT format('SELECT @extschema@.%I($1%s)', p_function, coalesce(string_agg(', ' || quote_nullable(a.value), '' ORDER BY a.ord), ''))
		INTO call FROM unnest(p_arguments) WITH ORDINALITY a(value, ord);
	-- each once, where it stands first
	SELECT coalesce(array_agg(d.name ORDER BY d.ord), '{}') INTO names
		FROM (SELECT u.name, min(u.ord) AS ord FROM unnest(p_jobs) WITH ORDINALITY u(name, ord) GROUP BY u.name) d;
	said := array_fill(NULL::text, ARRAY[cardinality(names)]);
	yes := array_fill(false, ARRAY[cardinality(names)]);
	FOR n IN SELECT u.name, u.ord FROM unnest(names) WITH ORDINALITY u(name, ord) ORDER BY u.name COLLATE "C" LOOP
		BEGIN
			EXECUTE call INTO answer USING n.name;
			said[n.ord] := answer;
			yes[n.ord] := true;
		EXCEPTION WHEN OTHERS THEN
			-- trouble of this server is not a property of the job
			IF left(sqlstate, 2) IN ('40', '53', '57', '58', 'F0', 'XX') THEN
				RAISE;
			END IF;
			GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
			said[n.ord] := dts.batch_reason(sqlerrm, hint);
		END;
	END LOOP;
	RETURN QUERY SELECT * FROM unnest(names, yes, said);
END
$$;
COMMENT ON FUNCTION dts.job_batch(pg_catalog.text, pg_catalog.text[], pg_catalog.text[]) IS
	'does to each job of an array what a function does to one: job, accepted, message';

-- One function for each action that takes no more than the job's name.
DO $batch$
DECLARE
	f pg_catalog.text;
BEGIN
	FOR f IN SELECT DISTINCT p.proname::pg_catalog.text FROM dts.job_actions() a
		JOIN pg_catalog.pg_proc p ON p.proname = a.function AND p.pronamespace = '@extschema@'::pg_catalog.regnamespace
		WHERE p.pronargs = 1 AND p.proargtypes[0] = 'pg_catalog.text'::pg_catalog.regtype ORDER BY 1
	LOOP
		EXECUTE pg_catalog.format($f$
			CREATE FUNCTION @extschema@.%1$I(jobs pg_catalog.text[], OUT job pg_catalog.text,
					OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
				RETURNS SETOF pg_catalog.record
				LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
				AS $b$ SELECT * FROM dts.job_batch(%1$L, jobs, '{}') $b$ $f$, f);
		EXECUTE pg_catalog.format('COMMENT ON FUNCTION @extschema@.%I(pg_catalog.text[]) IS %L', f,
			'the same for each job of an array: one row per job, with accepted and message');
	END LOOP;
END
$batch$;

-- Those that take more than the name.
CREATE FUNCTION @extschema@.dts_configure_job(jobs pg_catalog.text[], options pg_catalog.jsonb,
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_configure_job', jobs, ARRAY[options::text]) $$;
COMMENT ON FUNCTION @extschema@.dts_configure_job(pg_catalog.text[], pg_catalog.jsonb) IS
	'the same for each job of an array: one row per job, with accepted and message';

CREATE FUNCTION @extschema@.dts_start_job(jobs pg_catalog.text[], at pg_catalog.timestamptz DEFAULT NULL,
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_start_job', jobs, ARRAY[at::text]) $$;
COMMENT ON FUNCTION @extschema@.dts_start_job(pg_catalog.text[], pg_catalog.timestamptz) IS
	'the same for each job of an array: one row per job, with accepted and message';

CREATE FUNCTION @extschema@.dts_stop_job(jobs pg_catalog.text[], force pg_catalog.bool DEFAULT false,
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_stop_job', jobs, ARRAY[force::text]) $$;
COMMENT ON FUNCTION @extschema@.dts_stop_job(pg_catalog.text[], pg_catalog.bool) IS
	'the same for each job of an array: one row per job, with accepted and message';

CREATE FUNCTION @extschema@.dts_destroy_job(jobs pg_catalog.text[], force pg_catalog.bool DEFAULT false,
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_destroy_job', jobs, ARRAY[force::text]) $$;
COMMENT ON FUNCTION @extschema@.dts_destroy_job(pg_catalog.text[], pg_catalog.bool) IS
	'the same for each job of an array: one row per job, with accepted and message';

CREATE FUNCTION @extschema@.dts_complete_job(jobs pg_catalog.text[], mode pg_catalog.text DEFAULT 'wait_for_sync',
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_complete_job', jobs, ARRAY[mode]) $$;
COMMENT ON FUNCTION @extschema@.dts_complete_job(pg_catalog.text[], pg_catalog.text) IS
	'the same for each job of an array: one row per job, with accepted and message';

CREATE FUNCTION @extschema@.dts_resize_job(jobs pg_catalog.text[], workers pg_catalog.int4,
		apply_workers pg_catalog.int4 DEFAULT NULL,
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_resize_job', jobs, ARRAY[workers::text, apply_workers::text]) $$;
COMMENT ON FUNCTION @extschema@.dts_resize_job(pg_catalog.text[], pg_catalog.int4, pg_catalog.int4) IS
	'the same for each job of an array: one row per job, with accepted and message';

CREATE FUNCTION @extschema@.dts_modify_objects(jobs pg_catalog.text[], objects pg_catalog.jsonb,
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_modify_objects', jobs, ARRAY[objects::text]) $$;
COMMENT ON FUNCTION @extschema@.dts_modify_objects(pg_catalog.text[], pg_catalog.jsonb) IS
	'the same for each job of an array: one row per job, with accepted and message';

CREATE FUNCTION @extschema@.dts_ignore_check(jobs pg_catalog.text[], item pg_catalog.text,
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_ignore_check', jobs, ARRAY[item]) $$;
COMMENT ON FUNCTION @extschema@.dts_ignore_check(pg_catalog.text[], pg_catalog.text) IS
	'the same for each job of an array: one row per job, with accepted and message';

CREATE FUNCTION @extschema@.dts_set_ddl(jobs pg_catalog.text[], ddl pg_catalog.jsonb,
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_set_ddl', jobs, ARRAY[ddl::text]) $$;
COMMENT ON FUNCTION @extschema@.dts_set_ddl(pg_catalog.text[], pg_catalog.jsonb) IS
	'the same for each job of an array: one row per job, with accepted and message';

CREATE FUNCTION @extschema@.dts_set_throttle(jobs pg_catalog.text[], phase pg_catalog.text, limits pg_catalog.jsonb,
		OUT job pg_catalog.text, OUT accepted pg_catalog.bool, OUT message pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT * FROM dts.job_batch('dts_set_throttle', jobs, ARRAY[phase, limits::text]) $$;
COMMENT ON FUNCTION @extschema@.dts_set_throttle(pg_catalog.text[], pg_catalog.text, pg_catalog.jsonb) IS
	'the same for each job of an array: one row per job, with accepted and message';
