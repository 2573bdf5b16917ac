-- The mirror: what an object was after the last captured command.  Runs under the settings of its callers.

CREATE FUNCTION dts.capture_remembered(class oid, object oid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	SELECT CASE class
		WHEN 'pg_class'::regclass THEN (SELECT jsonb_strip_nulls(c.state || jsonb_build_object('columns',
			(SELECT jsonb_agg(a.state ORDER BY a.attnum) FROM public.dts_pg_attribute a WHERE a.attrelid = object))) FROM public.dts_pg_class c WHERE c.oid = object)
		WHEN 'pg_type'::regclass THEN (SELECT jsonb_strip_nulls(t.state || jsonb_build_object('labels',
			(SELECT jsonb_agg(e.state - 'order' ORDER BY (e.state ->> 'order')::int) FROM public.dts_pg_enum e WHERE e.enumtypid = object))) FROM public.dts_pg_type t WHERE t.oid = object)
		ELSE (SELECT o.state FROM dts.capture_object o WHERE o.class = capture_remembered.class AND o.oid = object) END);
END
$$;

-- Makes present what is remembered; NULL: the object is gone.
CREATE FUNCTION dts.capture_remember(class oid, object oid, present jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF class = 'pg_class'::regclass THEN
		DELETE FROM public.dts_pg_class c WHERE c.oid = object AND present IS NULL;
		DELETE FROM public.dts_pg_attribute a WHERE a.attrelid = object
			AND NOT EXISTS (SELECT FROM jsonb_array_elements(coalesce(present -> 'columns', '[]')) n(doc) WHERE (n.doc ->> 'num')::int = a.attnum);
		INSERT INTO public.dts_pg_class AS c SELECT object, present - 'columns' WHERE present IS NOT NULL
			ON CONFLICT ON CONSTRAINT dts_pg_class_pkey DO UPDATE SET state = excluded.state WHERE c.state <> excluded.state;
		INSERT INTO public.dts_pg_attribute AS a SELECT object, (n.doc ->> 'num')::int, n.doc FROM jsonb_array_elements(coalesce(present -> 'columns', '[]')) n(doc)
			ON CONFLICT ON CONSTRAINT dts_pg_attribute_pkey DO UPDATE SET state = excluded.state WHERE a.state <> excluded.state;
	ELSIF class = 'pg_type'::regclass THEN
		DELETE FROM public.dts_pg_type t WHERE t.oid = object AND present IS NULL;
		DELETE FROM public.dts_pg_enum e WHERE e.enumtypid = object
			AND NOT EXISTS (SELECT FROM jsonb_array_elements(coalesce(present -> 'labels', '[]')) n(doc) WHERE (n.doc ->> 'oid')::oid = e.oid);
		INSERT INTO public.dts_pg_type AS t SELECT object, present - 'labels' WHERE present IS NOT NULL
			ON CONFLICT ON CONSTRAINT dts_pg_type_pkey DO UPDATE SET state = excluded.state WHERE t.state <> excluded.state;
		INSERT INTO public.dts_pg_enum AS e SELECT (n.doc ->> 'oid')::oid, object, n.doc || jsonb_build_object('order', n.pos)
			FROM jsonb_array_elements(coalesce(present -> 'labels', '[]')) WITH ORDINALITY n(doc, pos)
			ON CONFLICT ON CONSTRAINT dts_pg_enum_pkey DO UPDATE SET state = excluded.state WHERE e.state <> excluded.state;
	ELSIF present IS NULL THEN
		DELETE FROM dts.capture_object o WHERE o.class = capture_remember.class AND o.oid = object;
	ELSE
		-- what is in a schema moves along when that is renamed, and no command says so
		IF class = 'pg_namespace'::regclass AND EXISTS (SELECT FROM dts.capture_object o
				WHERE o.class = capture_remember.class AND o.oid = object AND o.state ->> 'name' <> present ->> 'name') THEN
			UPDATE public.dts_pg_class c SET state = c.state || jsonb_build_object('schema', present ->> 'name')
				FROM pg_class r WHERE r.oid = c.oid AND r.relnamespace = object;
			UPDATE public.dts_pg_type t SET state = t.state || jsonb_build_object('schema', present ->> 'name')
				FROM pg_type r WHERE r.oid = t.oid AND r.typnamespace = object;
			UPDATE dts.capture_object o SET state = o.state || jsonb_build_object('schema', present ->> 'name')
				FROM pg_proc r WHERE o.class = 'pg_proc'::regclass AND r.oid = o.oid AND r.pronamespace = object;
		END IF;
		INSERT INTO dts.capture_object AS o VALUES (class, object, present)
			ON CONFLICT ON CONSTRAINT capture_object_pkey DO UPDATE SET state = excluded.state WHERE o.state <> excluded.state;
	END IF;
END
$$;

-- Whether an object is one that the capture follows at all: nothing of the system, of ours, temporary, or of an extension.
CREATE FUNCTION dts.capture_follows(class oid, object oid, schema text, name text) RETURNS bool LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	SELECT object >= 16384 AND coalesce(schema !~ '^pg_' AND schema NOT IN ('information_schema', 'dts'), true)
		AND NOT (schema = 'public' AND coalesce(name, '') ~ '^dts_(ddl_command|args_session|pg_class|pg_attribute|pg_type|pg_enum|postgres_heartbeat)')
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = class AND d.objid = object AND d.deptype = 'e'));
END
$$;

-- Everything there is, as of now; run once, when the first job comes.
CREATE FUNCTION dts.capture_baseline() RETURNS void LANGUAGE plpgsql
	-- the same as those of dts.capture_event()
	SET search_path = pg_catalog, pg_temp
	SET quote_all_identifiers = off
	SET standard_conforming_strings = on
	SET DateStyle = 'ISO, YMD'
	SET IntervalStyle = 'postgres'
	SET TimeZone = 'UTC'
	SET bytea_output = 'hex'
	SET extra_float_digits = 3
	SET jit = off
	-- lookups by key only: estimates of a few rows too many must not read catalogs of thousands of tables
	SET enable_seqscan = off
	SET enable_hashjoin = off
	SET enable_mergejoin = off
	SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
	PERFORM dts.capture_remember('pg_class'::regclass, c.oid, dts.capture_relation(c.oid))
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'i', 'I', 'S', 'v', 'm', 'f', 'c') AND c.relpersistence <> 't' AND dts.capture_follows('pg_class'::regclass, c.oid, n.nspname, c.relname);
	PERFORM dts.capture_remember('pg_type'::regclass, t.oid, dts.capture_type(t.oid))
		FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
		WHERE t.typtype IN ('e', 'd', 'r') AND dts.capture_follows('pg_type'::regclass, t.oid, n.nspname, t.typname);
	PERFORM dts.capture_remember('pg_proc'::regclass, p.oid, dts.capture_function(p.oid) - 'definition')
		FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE dts.capture_follows('pg_proc'::regclass, p.oid, n.nspname, NULL);
	PERFORM dts.capture_remember('pg_namespace'::regclass, n.oid, dts.capture_schema(n.oid))
		FROM pg_namespace n WHERE n.nspname = 'public' OR dts.capture_follows('pg_namespace'::regclass, n.oid, n.nspname, NULL);
END
$$;
