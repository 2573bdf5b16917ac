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

-- What is remembered of an object's document: a function's body is not.
CREATE FUNCTION dts.capture_kept(class oid, state jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN CASE WHEN class = 'pg_proc'::regclass THEN state - 'definition' ELSE state END;
END
$$;

-- Every object that is followed.
CREATE FUNCTION dts.capture_all() RETURNS TABLE (class oid, oid oid) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT 'pg_class'::regclass::oid, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'i', 'I', 'S', 'v', 'm', 'f', 'c') AND c.relpersistence <> 't' AND dts.capture_follows('pg_class'::regclass, c.oid, n.nspname, c.relname);
	RETURN QUERY
	SELECT 'pg_type'::regclass::oid, t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
		WHERE t.typtype IN ('e', 'd', 'r') AND dts.capture_follows('pg_type'::regclass, t.oid, n.nspname, t.typname);
	RETURN QUERY
	SELECT 'pg_proc'::regclass::oid, p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE dts.capture_follows('pg_proc'::regclass, p.oid, n.nspname, NULL);
	RETURN QUERY
	SELECT 'pg_statistic_ext'::regclass::oid, s.oid FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
		WHERE dts.capture_follows('pg_statistic_ext'::regclass, s.oid, n.nspname, NULL);
	RETURN QUERY
	SELECT 'pg_namespace'::regclass::oid, n.oid FROM pg_namespace n WHERE n.nspname = 'public' OR dts.capture_follows('pg_namespace'::regclass, n.oid, n.nspname, NULL);
END
$$;

-- Everything there is, as of now; run once, when the first job comes.
CREATE FUNCTION dts.capture_baseline() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dts.capture_remember(a.class, a.oid, dts.capture_kept(a.class, dts.capture_state(a.class, a.oid))) FROM dts.capture_all() a;
END
$$;

-- Objects that are not as they are remembered: commands were missed.  For a person who has looked after them on the target.
CREATE FUNCTION dts.capture_differs() RETURNS TABLE (class oid, oid oid) LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT a.class, a.oid FROM dts.capture_all() a
		WHERE dts.capture_remembered(a.class, a.oid) IS DISTINCT FROM dts.capture_kept(a.class, dts.capture_state(a.class, a.oid))
	UNION ALL SELECT 'pg_class'::regclass, r.oid FROM public.dts_pg_class r WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = r.oid)
	UNION ALL SELECT 'pg_type'::regclass, r.oid FROM public.dts_pg_type r WHERE NOT EXISTS (SELECT FROM pg_type t WHERE t.oid = r.oid)
	UNION ALL SELECT o.class, o.oid FROM dts.capture_object o WHERE o.class = 'pg_proc'::regclass AND NOT EXISTS (SELECT FROM pg_proc p WHERE p.oid = o.oid)
	UNION ALL SELECT o.class, o.oid FROM dts.capture_object o WHERE o.class = 'pg_statistic_ext'::regclass AND NOT EXISTS (SELECT FROM pg_statistic_ext x WHERE x.oid = o.oid)
	UNION ALL SELECT o.class, o.oid FROM dts.capture_object o WHERE o.class = 'pg_namespace'::regclass AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.oid = o.oid);
END
$$;

-- Remembers one of them as it is; a transaction of its own each, so that nobody's command waits for all of them.
CREATE FUNCTION dts.capture_again(class oid, object oid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
	SET lock_timeout = '1s' AS $$
BEGIN
	PERFORM dts.capture_remember(class, object, dts.capture_kept(class, dts.capture_state(class, object)));
END
$$;

-- Documents must read the same whoever asks: the settings of dts.capture_event().
DO $$
DECLARE
	f text;
	setting text;
BEGIN
	FOREACH f IN ARRAY ARRAY['capture_baseline()', 'capture_differs()', 'capture_again(oid, oid)'] LOOP
		FOREACH setting IN ARRAY ARRAY['search_path = pg_catalog, pg_temp', 'quote_all_identifiers = off', 'standard_conforming_strings = on', 'DateStyle = ''ISO, YMD''',
			'IntervalStyle = ''postgres''', 'TimeZone = ''UTC''', 'bytea_output = ''hex''', 'extra_float_digits = 3', 'jit = off',
			-- lookups by key only: estimates of a few rows too many must not read catalogs of thousands of tables
			'enable_seqscan = off', 'enable_hashjoin = off', 'enable_mergejoin = off', 'plan_cache_mode = force_generic_plan'] LOOP
			EXECUTE pg_catalog.format('ALTER FUNCTION dts.%s SET %s', f, setting);
		END LOOP;
	END LOOP;
END
$$;
