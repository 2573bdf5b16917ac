-- objects: what the options "objects" and "exclude" name, in one spelling, and what they may ask for together.
-- Only the options are looked at here; what the ends hold is the precheck's matter.

-- One list of objects with every table and column as an object and without null keys; null stays null.
CREATE FUNCTION dts.options_objects(objects pg_catalog.jsonb) RETURNS pg_catalog.jsonb
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN jsonb_typeof(objects) = 'array' THEN (
		SELECT jsonb_agg(jsonb_strip_nulls(o.obj || jsonb_build_object('tables',
				CASE WHEN jsonb_typeof(o.obj -> 'tables') = 'array' THEN (
					SELECT jsonb_agg(CASE WHEN jsonb_typeof(t.tab) = 'string' THEN jsonb_build_object('name', t.tab)
							WHEN jsonb_typeof(t.tab -> 'columns') = 'array' THEN t.tab || jsonb_build_object('columns', (
								SELECT jsonb_agg(CASE WHEN jsonb_typeof(c.col) = 'string' THEN jsonb_build_object('name', c.col)
										ELSE c.col END ORDER BY c.ord)
									FROM jsonb_array_elements(t.tab -> 'columns') WITH ORDINALITY c(col, ord)))
							ELSE t.tab END ORDER BY t.ord)
						FROM jsonb_array_elements(o.obj -> 'tables') WITH ORDINALITY t(tab, ord)) END))
				ORDER BY o.ord)
			FROM jsonb_array_elements(objects) WITH ORDINALITY o(obj, ord))
		ELSE 'null' END
$$;
COMMENT ON FUNCTION dts.options_objects(pg_catalog.jsonb) IS 'a list of objects in its full spelling';

-- Every table of the option "objects": where it stands there, and its names on both sides.
CREATE FUNCTION dts.objects_tables(objects pg_catalog.jsonb, OUT path pg_catalog.text, OUT schema_name pg_catalog.text,
		OUT table_name pg_catalog.text, OUT target_schema pg_catalog.text, OUT target_name pg_catalog.text,
		OUT spec pg_catalog.jsonb)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('$.objects[%s].tables[%s]', o.ord - 1, t.ord - 1), o.obj ->> 'schema', t.tab ->> 'name',
			coalesce(o.obj ->> 'rename', o.obj ->> 'schema'), coalesce(t.tab ->> 'rename', t.tab ->> 'name'), t.tab
		FROM jsonb_array_elements(nullif(dts.options_objects(objects), 'null')) WITH ORDINALITY o(obj, ord),
			jsonb_array_elements(o.obj -> 'tables') WITH ORDINALITY t(tab, ord)
		ORDER BY o.ord, t.ord
$$;
COMMENT ON FUNCTION dts.objects_tables(pg_catalog.jsonb) IS 'the tables that the option "objects" lists, with their names on both sides';

-- The name that the options give a table on the target.
CREATE FUNCTION dts.objects_target(objects pg_catalog.jsonb, p_schema pg_catalog.text, p_table pg_catalog.text,
		OUT target_schema pg_catalog.text, OUT target_name pg_catalog.text)
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(min(o.obj ->> 'rename'), p_schema),
			coalesce((SELECT t.target_name FROM dts.objects_tables(objects) t
				WHERE t.schema_name = p_schema AND t.table_name = p_table), p_table)
		FROM jsonb_array_elements(nullif(objects, 'null')) o(obj) WHERE o.obj ->> 'schema' = p_schema
$$;
COMMENT ON FUNCTION dts.objects_target(pg_catalog.jsonb, pg_catalog.text, pg_catalog.text) IS 'the name of a table on the target';

-- Refuses the first of two columns, tables or operations that would become one, and names that are not to be had.
CREATE FUNCTION dts.objects_check(options pg_catalog.jsonb) RETURNS pg_catalog.void
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	objects jsonb := dts.options_objects(options -> 'objects');
	bad record;
BEGIN
	SELECT x.path, x.name INTO bad FROM (
		SELECT format('$.objects[%s].rename', o.ord - 1) AS path, o.obj ->> 'rename' AS name
			FROM jsonb_array_elements(nullif(objects, 'null')) WITH ORDINALITY o(obj, ord)
			WHERE o.obj ->> 'rename' = 'dts' OR o.obj ->> 'rename' ~ '^pg_' OR o.obj ->> 'rename' = 'information_schema'
		UNION ALL
		SELECT t.path || '.rename', t.target_name FROM dts.objects_tables(objects) t
			WHERE t.target_schema = 'public' AND starts_with(t.target_name, 'dts_') AND t.spec ? 'rename') x LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'invalid value of option %', bad.path
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('The name "%s" belongs to the system or to dts itself.', bad.name),
				HINT = 'Choose another name.';
	END IF;
	SELECT t.path, format('%I.%I', t.target_schema, t.target_name) AS name, t.first INTO bad FROM (
		SELECT *, first_value(o.path) OVER w AS first, row_number() OVER w AS n FROM dts.objects_tables(objects) o
			WINDOW w AS (PARTITION BY o.target_schema, o.target_name ORDER BY o.path COLLATE "C")) t
		WHERE t.n > 1 AND EXISTS (SELECT FROM dts.objects_tables(objects) f WHERE f.path = t.first
			AND (f.schema_name, f.table_name) <> (t.schema_name, t.table_name)) ORDER BY t.path LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'option % gives a table the name of another', bad.path
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('It and %s would both be %s on the target.', bad.first, bad.name),
				HINT = 'Give each table a name of its own with "rename".';
	END IF;
	SELECT x.path, x.name, x.what INTO bad FROM (
		SELECT format('%s.columns[%s]', t.path, c.ord - 1) AS path, c.col ->> 'name' AS name, 'lists again the column' AS what,
				row_number() OVER (PARTITION BY t.path, c.col ->> 'name' ORDER BY c.ord) AS n
			FROM dts.objects_tables(objects) t, jsonb_array_elements(t.spec -> 'columns') WITH ORDINALITY c(col, ord)
		UNION ALL
		SELECT format('%s.columns[%s]', t.path, c.ord - 1), coalesce(c.col ->> 'rename', c.col ->> 'name'),
				'gives another column the name',
				row_number() OVER (PARTITION BY t.path, coalesce(c.col ->> 'rename', c.col ->> 'name') ORDER BY c.ord)
			FROM dts.objects_tables(objects) t, jsonb_array_elements(t.spec -> 'columns') WITH ORDINALITY c(col, ord)
		UNION ALL
		SELECT format('%s.operations[%s]', t.path, p.ord - 1), p.op, 'lists again the operation',
				row_number() OVER (PARTITION BY t.path, p.op ORDER BY p.ord)
			FROM dts.objects_tables(objects) t, jsonb_array_elements_text(t.spec -> 'operations') WITH ORDINALITY p(op, ord)) x
		WHERE x.n > 1 ORDER BY x.what = 'gives another column the name', x.path LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'option % % "%"', bad.path, bad.what, bad.name
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'Each may be named once for a table.',
				HINT = 'Name it once, or give the column another name with "rename".';
	END IF;
END
$$;
COMMENT ON FUNCTION dts.objects_check(pg_catalog.jsonb) IS
	'refuses what the option "objects" asks for together and cannot have';
