-- tables: adding tables to a running job, removing them, loading them again.
--
-- A request is a row of dts.job_change, which the daemon follows in the order of asking.  It checks
-- the request against the ends first; a request that it refuses changes nothing.

-- The path of a change, as every table of it: [{"schema", "name"}].
CREATE FUNCTION dts.change_tables(p_tables pg_catalog.text[]) RETURNS pg_catalog.jsonb
	LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t text;
	parts text[];
	answer jsonb := '[]';
	item jsonb;
BEGIN
	IF p_tables IS NULL OR cardinality(p_tables) = 0 THEN
		RAISE EXCEPTION 'no tables are named'
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'The list of tables is empty.',
				HINT = 'Name at least one table, for example ''{app.orders}''.';
	END IF;
	FOREACH t IN ARRAY p_tables LOOP
		BEGIN
			parts := parse_ident(t);
		EXCEPTION WHEN OTHERS THEN
			parts := NULL;
		END;
		IF parts IS NULL OR cardinality(parts) <> 2 THEN
			RAISE EXCEPTION 'not the name of a table: %', coalesce(quote_literal(t), 'null')
				USING ERRCODE = 'invalid_name',
					DETAIL = 'It must be a schema and a table, quoted where SQL would want it.',
					HINT = 'Write for example app.orders or "App"."Order lines".';
		END IF;
		item := jsonb_build_object('schema', parts[1], 'name', parts[2]);
		IF answer @> jsonb_build_array(item) THEN
			RAISE EXCEPTION 'table %.% is named twice', quote_ident(parts[1]), quote_ident(parts[2])
				USING ERRCODE = 'invalid_parameter_value',
					DETAIL = 'Each table may be named once.', HINT = 'Name it once.';
		END IF;
		answer := answer || item;
	END LOOP;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION dts.change_tables(pg_catalog.text[]) IS 'names of tables as the daemon reads them, or an error';

-- Refuses what can be known to be impossible here; the ends know more.
CREATE FUNCTION dts.change_require(j dts.job, p_action pg_catalog.text, p_tables pg_catalog.jsonb)
	RETURNS pg_catalog.void
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	allows text := array_to_string(dts.job_allowed_functions(j.state), ', ');
	bad text;
BEGIN
	IF j.state NOT IN ('running', 'ready', 'retrying', 'error') OR j.phase IS DISTINCT FROM 'incremental' THEN
		RAISE EXCEPTION 'the tables of job "%" cannot be changed in state "%"', j.name, j.state
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = CASE WHEN j.phase IS DISTINCT FROM 'incremental' AND j.state IN ('running', 'ready', 'retrying', 'error')
					THEN format('It is in phase "%s"; tables are added, removed and loaded again beside the stream of phase "incremental".', j.phase)
					ELSE format('State "%s" means: %s.', j.state, (SELECT s.meaning FROM dts.job_states() s WHERE s.state = j.state)) END,
				HINT = CASE WHEN j.state IN ('running', 'ready', 'retrying') THEN 'Wait for the phase with CALL dts_wait(job, ''incremental'').'
					WHEN allows = '' THEN 'It allows nothing; wait for the next state with CALL dts_wait.'
					ELSE format('It allows: %s.', allows) END;
	END IF;
	SELECT format('%I.%I', t.x ->> 'schema', t.x ->> 'name') INTO bad FROM jsonb_array_elements(p_tables) t(x)
		WHERE t.x ->> 'schema' = 'dts' OR t.x ->> 'schema' ~ '^pg_' OR t.x ->> 'schema' = 'information_schema' LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'table % can be part of no job', bad
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'Tables of the system and of dts itself are never replicated.', HINT = 'Name tables of your own.';
	END IF;
	SELECT format('%I', e.o ->> 'schema') INTO bad
		FROM jsonb_array_elements(nullif(dts.options_objects(j.options -> 'exclude'), 'null')) e(o)
		JOIN jsonb_array_elements(p_tables) t(x) ON t.x ->> 'schema' = e.o ->> 'schema'
		WHERE p_action = 'add' AND e.o -> 'tables' IS NULL LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'schema % is excluded from job "%"', bad, j.name
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'The option $.exclude names the whole schema.',
				HINT = 'Use another job for its tables.';
	END IF;
	IF p_action = 'add' THEN
		SELECT format('%I.%I', t.x ->> 'schema', t.x ->> 'name') INTO bad
			FROM jsonb_array_elements(p_tables) t(x)
			WHERE EXISTS (SELECT FROM dts.job_table jt WHERE jt.job_id = j.id
					AND jt.schema_name = t.x ->> 'schema' AND jt.table_name = t.x ->> 'name')
				OR EXISTS (SELECT FROM jsonb_array_elements(nullif(dts.options_objects(j.options -> 'objects'), 'null')) e(o)
					WHERE e.o ->> 'schema' = t.x ->> 'schema'
						AND e.o -> 'tables' @> jsonb_build_array(jsonb_build_object('name', t.x -> 'name')))
				AND NOT EXISTS (SELECT FROM jsonb_array_elements(nullif(dts.options_objects(j.options -> 'exclude'), 'null')) e(o)
					WHERE e.o ->> 'schema' = t.x ->> 'schema'
						AND e.o -> 'tables' @> jsonb_build_array(jsonb_build_object('name', t.x -> 'name')))
			LIMIT 1;
		IF FOUND THEN
			RAISE EXCEPTION 'table % is already in job "%"', bad, j.name
				USING ERRCODE = 'duplicate_object',
					DETAIL = 'The job replicates it.',
					HINT = 'Load it again with dts_reload_table if that is what is wanted.';
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION dts.change_require(dts.job, pg_catalog.text, pg_catalog.jsonb) IS
	'refuses a change of a job''s tables that its state or options do not allow';

CREATE FUNCTION dts.change_request(p_job pg_catalog.text, p_action pg_catalog.text, p_tables pg_catalog.text[])
	RETURNS pg_catalog.text
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	j dts.job := dts.job_find(p_job, true);
	tables jsonb := dts.change_tables(p_tables);
	number int8;
BEGIN
	IF j.wish IS NOT NULL THEN
		PERFORM dts.job_require(j, j.wish); -- says that the wish comes first
	END IF;
	PERFORM dts.change_require(j, p_action, tables);
	INSERT INTO dts.job_change (job_id, action, tables, asked_by) VALUES (j.id, p_action, tables, dts.caller())
		RETURNING id INTO number;
	UPDATE dts.job SET touched_xid = pg_current_xact_id() WHERE id = j.id;
	PERFORM dts.job_log(j, 'info', 'tables_' || p_action, NULL, NULL, dts.caller(),
		format('asked for: %s', (SELECT string_agg(format('%I.%I', t.x ->> 'schema', t.x ->> 'name'), ', ')
			FROM jsonb_array_elements(tables) t(x))));
	PERFORM pg_notify('dts_job', j.id::text);
	RETURN format('%s of %s table%s of job "%s" requested', p_action, jsonb_array_length(tables),
		CASE WHEN jsonb_array_length(tables) = 1 THEN '' ELSE 's' END, j.name);
END
$$;
COMMENT ON FUNCTION dts.change_request(pg_catalog.text, pg_catalog.text, pg_catalog.text[]) IS
	'records a change of a job''s tables and tells the daemon';

CREATE FUNCTION @extschema@.dts_add_tables(job pg_catalog.text, tables pg_catalog.text[]) RETURNS pg_catalog.text
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT dts.change_request(job, 'add', tables) $$;
COMMENT ON FUNCTION @extschema@.dts_add_tables(pg_catalog.text, pg_catalog.text[]) IS
	'adds tables to a running job: they are made, loaded beside the stream, and join it';

CREATE FUNCTION @extschema@.dts_remove_tables(job pg_catalog.text, tables pg_catalog.text[]) RETURNS pg_catalog.text
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT dts.change_request(job, 'remove', tables) $$;
COMMENT ON FUNCTION @extschema@.dts_remove_tables(pg_catalog.text, pg_catalog.text[]) IS
	'takes tables out of a running job; what the target holds of them stays';

CREATE FUNCTION @extschema@.dts_reload_table(job pg_catalog.text, table_name pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$ SELECT dts.change_request(job, 'reload', ARRAY[table_name]) $$;
COMMENT ON FUNCTION @extschema@.dts_reload_table(pg_catalog.text, pg_catalog.text) IS
	'empties a table of a running job on the target, loads it again beside the stream, and ends its quarantine';

-- The options with tables taken in: [{"schema", "name"}].
CREATE FUNCTION dts.options_with_tables(options pg_catalog.jsonb, p_tables pg_catalog.jsonb) RETURNS pg_catalog.jsonb
	LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	objects jsonb := dts.options_objects(options -> 'objects');
	exclude jsonb := dts.options_objects(options -> 'exclude');
	t jsonb;
BEGIN
	FOR t IN SELECT x FROM jsonb_array_elements(p_tables) x LOOP
		exclude := (SELECT coalesce(jsonb_agg(o.e ORDER BY o.ord), 'null') FROM (
				SELECT o.ord, CASE WHEN o.e ->> 'schema' = t ->> 'schema' AND o.e ? 'tables'
						THEN o.e || jsonb_build_object('tables', (SELECT coalesce(jsonb_agg(n), '[]')
							FROM jsonb_array_elements(o.e -> 'tables') n WHERE n ->> 'name' <> t ->> 'name'))
						ELSE o.e END AS e
					FROM jsonb_array_elements(nullif(exclude, 'null')) WITH ORDINALITY o(e, ord)) o
			WHERE o.e -> 'tables' IS DISTINCT FROM '[]');
		IF objects = 'null' THEN
			CONTINUE;
		END IF;
		IF NOT EXISTS (SELECT FROM jsonb_array_elements(objects) o(e) WHERE o.e ->> 'schema' = t ->> 'schema') THEN
			objects := objects || jsonb_build_object('schema', t -> 'schema', 'tables',
				jsonb_build_array(jsonb_build_object('name', t -> 'name')));
			CONTINUE;
		END IF;
		objects := (SELECT jsonb_agg(CASE WHEN o.e ->> 'schema' = t ->> 'schema' AND o.e ? 'tables'
					AND NOT o.e -> 'tables' @> jsonb_build_array(jsonb_build_object('name', t -> 'name'))
				THEN o.e || jsonb_build_object('tables', (o.e -> 'tables') || jsonb_build_object('name', t -> 'name'))
				ELSE o.e END ORDER BY o.ord)
			FROM jsonb_array_elements(objects) WITH ORDINALITY o(e, ord));
	END LOOP;
	RETURN jsonb_strip_nulls(options || jsonb_build_object('objects', objects, 'exclude', exclude));
END
$$;
COMMENT ON FUNCTION dts.options_with_tables(pg_catalog.jsonb, pg_catalog.jsonb) IS 'a job''s options with tables taken in';

-- The options without tables.  The list of what is selected keeps its last table; then it is excluded.
CREATE FUNCTION dts.options_without_tables(options pg_catalog.jsonb, p_tables pg_catalog.jsonb) RETURNS pg_catalog.jsonb
	LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	objects jsonb := dts.options_objects(options -> 'objects');
	exclude jsonb := dts.options_objects(options -> 'exclude');
	t jsonb;
BEGIN
	FOR t IN SELECT x FROM jsonb_array_elements(p_tables) x LOOP
		IF EXISTS (SELECT FROM jsonb_array_elements(nullif(objects, 'null')) o(e)
				WHERE o.e ->> 'schema' = t ->> 'schema' AND jsonb_array_length(o.e -> 'tables') > 1
					AND o.e -> 'tables' @> jsonb_build_array(jsonb_build_object('name', t -> 'name'))) THEN
			objects := (SELECT jsonb_agg(CASE WHEN o.e ->> 'schema' = t ->> 'schema'
					THEN o.e || jsonb_build_object('tables', (SELECT jsonb_agg(n) FROM jsonb_array_elements(o.e -> 'tables') n
						WHERE n ->> 'name' <> t ->> 'name')) ELSE o.e END ORDER BY o.ord)
				FROM jsonb_array_elements(objects) WITH ORDINALITY o(e, ord));
			CONTINUE;
		END IF;
		exclude := CASE
			WHEN exclude = 'null' OR NOT EXISTS (SELECT FROM jsonb_array_elements(nullif(exclude, 'null')) o(e)
					WHERE o.e ->> 'schema' = t ->> 'schema')
				THEN coalesce(nullif(exclude, 'null'), '[]') || jsonb_build_object('schema', t -> 'schema', 'tables',
					jsonb_build_array(jsonb_build_object('name', t -> 'name')))
			ELSE (SELECT jsonb_agg(CASE WHEN o.e ->> 'schema' = t ->> 'schema' AND o.e ? 'tables'
						AND NOT o.e -> 'tables' @> jsonb_build_array(jsonb_build_object('name', t -> 'name'))
					THEN o.e || jsonb_build_object('tables', (o.e -> 'tables') || jsonb_build_object('name', t -> 'name'))
					ELSE o.e END ORDER BY o.ord)
				FROM jsonb_array_elements(exclude) WITH ORDINALITY o(e, ord)) END;
	END LOOP;
	RETURN jsonb_strip_nulls(options || jsonb_build_object('objects', objects, 'exclude', exclude));
END
$$;
COMMENT ON FUNCTION dts.options_without_tables(pg_catalog.jsonb, pg_catalog.jsonb) IS 'a job''s options with tables left out';

-- The oldest request that the daemon has not answered, as it reads it.
CREATE FUNCTION dts.change_next(p_job pg_catalog.int8) RETURNS pg_catalog.text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_build_object('id', c.id, 'action', c.action, 'tables', CASE WHEN c.action = 'modify'
				-- all options, as they are to be
				THEN dts.options_complete(jsonb_strip_nulls(j.options || c.tables)) ELSE c.tables END)::text
		FROM dts.job_change c JOIN dts.job j ON j.id = c.job_id
		WHERE c.job_id = p_job AND c.state = 'asked' ORDER BY c.id LIMIT 1
$$;
COMMENT ON FUNCTION dts.change_next(pg_catalog.int8) IS 'the oldest request about tables that is not yet answered';
