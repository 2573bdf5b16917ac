-- options: what a job's options may be.  The table is the one truth; docs and tests read it.
-- path: "[]" stands for each element; names under one parent are the valid keys there.
CREATE TABLE dts.option_spec (
	ord pg_catalog.int4 PRIMARY KEY,
	path pg_catalog.text NOT NULL UNIQUE,
	types pg_catalog.text[] NOT NULL,   -- of: object, array, string, name, text, integer, boolean, null
	required pg_catalog.bool NOT NULL DEFAULT false,
	low pg_catalog.int8,
	high pg_catalog.int8,
	allowed pg_catalog.text[],
	default_value pg_catalog.jsonb,
	meaning pg_catalog.text NOT NULL
);
COMMENT ON TABLE dts.option_spec IS 'the options of a job: path, types, range, allowed values, default, meaning';

INSERT INTO dts.option_spec
	(ord, path, types, required, low, high, allowed, default_value, meaning) VALUES
	(1, '$', '{object}', false, NULL, NULL, NULL, NULL, 'all options'),
	(2, '$.phases', '{array}', false, 1, 3, NULL, '["schema", "full", "incremental"]',
		'what the job does; the phases always run in the order schema, full, incremental'),
	(3, '$.phases[]', '{string}', false, NULL, NULL, '{schema,full,incremental}', NULL, 'one phase, named once'),
	(4, '$.objects', '{array,"null"}', false, 1, 10000, NULL, 'null',
		'schemas and tables that take part; left out: the whole database'),
	(5, '$.objects[]', '{object}', false, NULL, NULL, NULL, NULL, 'one schema'),
	(6, '$.objects[].schema', '{name}', true, NULL, NULL, NULL, NULL, 'name of the schema, as stored in the catalog'),
	(7, '$.objects[].tables', '{array,"null"}', false, 1, 100000, NULL, NULL,
		'tables of the schema that take part; left out: the whole schema'),
	(8, '$.objects[].tables[]', '{object,name}', false, NULL, NULL, NULL, NULL, 'one table; a bare name is short for {"name": ...}'),
	(9, '$.objects[].tables[].name', '{name}', true, NULL, NULL, NULL, NULL, 'name of the table, as stored in the catalog'),
	(10, '$.exclude', '{array,"null"}', false, 1, 10000, NULL, 'null',
		'schemas and tables that do not take part though objects selects them'),
	(11, '$.exclude[]', '{object}', false, NULL, NULL, NULL, NULL, 'one schema'),
	(12, '$.exclude[].schema', '{name}', true, NULL, NULL, NULL, NULL, 'name of the schema'),
	(13, '$.exclude[].tables', '{array,"null"}', false, 1, 100000, NULL, NULL,
		'tables left out; without it the whole schema is left out'),
	(14, '$.exclude[].tables[]', '{object,name}', false, NULL, NULL, NULL, NULL, 'one table; a bare name is short for {"name": ...}'),
	(15, '$.exclude[].tables[].name', '{name}', true, NULL, NULL, NULL, NULL, 'name of the table'),
	(16, '$.workers', '{integer}', false, 0, 64, NULL, '4',
		'processes that copy tables and build indexes; 0 stands for the default'),
	(17, '$.same_name_tables', '{string}', false, NULL, NULL, '{fail,keep,truncate}', '"fail"',
		'what happens to tables that exist on the target: the precheck fails, their rows stay, or their rows are removed'),
	(18, '$.streaming', '{boolean}', false, NULL, NULL, NULL, 'true',
		'whether the source sends large transactions before they commit, so that they are applied meanwhile; never before PostgreSQL 14'),
	(19, '$.retry', '{object}', false, NULL, NULL, NULL, NULL, 'how long the job tries again by itself'),
	(20, '$.retry.connection_minutes', '{integer}', false, 10, 1440, NULL, '720',
		'after the loss of a connection, in minutes'),
	(21, '$.retry.other_minutes', '{integer}', false, 1, 1440, NULL, '10',
		'after any other error that may pass, in minutes; less than connection_minutes'),
	(22, '$.on_table_error', '{string}', false, NULL, NULL, '{stop,quarantine}', '"stop"',
		'what an error that concerns one table does: stop the job, or put that table aside and go on without it'),
	(23, '$.objects[].rename', '{name}', false, NULL, NULL, NULL, NULL, 'name of the schema on the target; left out: the same'),
	(24, '$.objects[].tables[].rename', '{name}', false, NULL, NULL, NULL, NULL, 'name of the table on the target; left out: the same'),
	(25, '$.objects[].tables[].where', '{text}', false, 1, 10000, NULL, NULL,
		'which rows take part: an expression over the columns, evaluated at the source; left out: every row'),
	(26, '$.objects[].tables[].columns', '{array}', false, 1, 1600, NULL, NULL, 'columns that take part; left out: every column'),
	(27, '$.objects[].tables[].columns[]', '{object,name}', false, NULL, NULL, NULL, NULL,
		'one column; a bare name is short for {"name": ...}'),
	(28, '$.objects[].tables[].columns[].name', '{name}', true, NULL, NULL, NULL, NULL, 'name of the column, as stored in the catalog'),
	(29, '$.objects[].tables[].columns[].rename', '{name}', false, NULL, NULL, NULL, NULL,
		'name of the column on the target; left out: the same'),
	(30, '$.objects[].tables[].columns[].expr', '{text}', false, 1, 10000, NULL, NULL,
		'what the column holds on the target: an expression over the columns, evaluated at the source'),
	(31, '$.objects[].tables[].operations', '{array}', false, 1, 5, NULL, NULL,
		'what the stream carries over; left out: everything'),
	(32, '$.objects[].tables[].operations[]', '{string}', false, NULL, NULL, '{insert,update,delete,truncate,ddl}', NULL,
		'one operation, named once'),
	(36, '$.decoding_memory_mb', '{integer}', false, 0, 65536, NULL, '256',
		'memory in MB for transactions that the source decodes, before it writes them to its disk; 0, or less than the server''s logical_decoding_work_mem: as the server has it; only without streaming'),
	(37, '$.apply_workers', '{integer}', false, 1, 8, NULL, '1',
		'sessions on the target that apply the stream'),
	(40, '$.missing_roles', '{object,string}', false, NULL, NULL, '{skip,fail}', '"skip"',
		'what happens to roles that the target lacks: they are left out with a warning, the precheck fails, or as the object says'),
	(41, '$.missing_roles.map', '{object}', false, NULL, NULL, NULL, NULL,
		'other names for roles: the key is the role of the source, the value that of the target'),
	(42, '$.missing_roles.map.*', '{name}', false, NULL, NULL, NULL, NULL, 'the role of the target that takes its place'),
	(43, '$.missing_roles.others', '{string}', false, NULL, NULL, '{skip,fail}', NULL,
		'roles that the map does not name and the target lacks; left out: skip'),
	(44, '$.ddl', '{object,string}', false, NULL, NULL, '{apply,skip,approve,off}', '"apply"',
		'what becomes of commands that change the schema while the stream runs: they run on the target, too, are left out and recorded, wait for an operator, or are not captured; an object says it by class'),
	(45, '$.ddl.default', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'classes that are not named; left out: apply'),
	(46, '$.ddl.table', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'tables, columns, constraints'),
	(47, '$.ddl.index', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'indexes'),
	(48, '$.ddl.view', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'views, materialized views, rules'),
	(49, '$.ddl.sequence', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'sequences'),
	(50, '$.ddl.function', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'functions, procedures, aggregates'),
	(51, '$.ddl.type', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'types and domains'),
	(52, '$.ddl.schema', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'schemas'),
	(53, '$.ddl.trigger', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'triggers'),
	(54, '$.ddl.policy', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'policies of row security'),
	(55, '$.ddl.comment', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'COMMENT'),
	(56, '$.ddl.grant', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'GRANT, REVOKE and default privileges'),
	(57, '$.ddl.drop', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'every DROP, whatever it drops; left out: as its class'),
	(58, '$.ddl.other', '{string}', false, NULL, NULL, '{apply,skip,approve}', NULL, 'all other commands'),
	(70, '$.throttle', '{object,"null"}', false, NULL, NULL, NULL, 'null',
		'how fast the job may go; dts_set_throttle changes it, also while the job runs'),
	(71, '$.throttle.full', '{object,"null"}', false, NULL, NULL, NULL, NULL,
		'limits of copying rows, also of tables that are added or loaded again'),
	(72, '$.throttle.full.queries_per_second', '{integer,"null"}', false, 1, 1000000, NULL, NULL,
		'queries that the copying processes send to the source; several sent together count as one'),
	(73, '$.throttle.full.rows_per_second', '{integer,"null"}', false, 1, 1000000000, NULL, NULL, 'rows copied'),
	(74, '$.throttle.full.mb_per_second', '{integer,"null"}', false, 1, 1000000, NULL, NULL,
		'MB (1,048,576 bytes) copied, as they travel'),
	(75, '$.throttle.full.time_zone', '{string,"null"}', false, NULL, NULL, NULL, NULL,
		'time zone of the windows, a name of pg_timezone_names; left out: UTC'),
	(76, '$.throttle.full.windows', '{array,"null"}', false, 0, 10, NULL, NULL,
		'times of the day with limits of their own, in place of those outside of windows'),
	(77, '$.throttle.full.windows[]', '{object}', false, NULL, NULL, NULL, NULL, 'one window; without a limit: at full speed'),
	(78, '$.throttle.full.windows[].from', '{string}', true, NULL, NULL, NULL, NULL, 'when it begins, HH:MM'),
	(79, '$.throttle.full.windows[].to', '{string}', true, NULL, NULL, NULL, NULL,
		'when it ends, HH:MM; before its begin: on the next day'),
	(80, '$.throttle.full.windows[].queries_per_second', '{integer,"null"}', false, 1, 1000000, NULL, NULL, 'as outside of windows'),
	(81, '$.throttle.full.windows[].rows_per_second', '{integer,"null"}', false, 1, 1000000000, NULL, NULL, 'as outside of windows'),
	(82, '$.throttle.full.windows[].mb_per_second', '{integer,"null"}', false, 1, 1000000, NULL, NULL, 'as outside of windows'),
	(83, '$.throttle.incremental', '{object,"null"}', false, NULL, NULL, NULL, NULL, 'limits of applying changes'),
	(84, '$.throttle.incremental.rows_per_second', '{integer,"null"}', false, 1, 1000000000, NULL, NULL, 'changes of rows applied'),
	(85, '$.throttle.incremental.mb_per_second', '{integer,"null"}', false, 1, 1000000, NULL, NULL,
		'MB (1,048,576 bytes) of changes, as they travel from the source'),
	(60, '$.heartbeat_seconds', '{integer}', false, 0, 3600, NULL, '10',
		'how often the job writes a row of its own on the source, from which its lag is told, in seconds; 0: never'),
	(101, '$.ready_lag_seconds', '{integer}', false, 1, 86400, NULL, '10',
		'a migration whose stream lags no more than this is ready to be completed, in seconds'),
	(102, '$.retention_days', '{integer}', false, 1, 3650, NULL, '7',
		'how long an isolated job is kept before it is destroyed, in days');

-- What a path may hold, in words.
CREATE FUNCTION dts.option_expected(s dts.option_spec) RETURNS pg_catalog.text
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN s.allowed IS NOT NULL THEN 'one of ' || array_to_string(ARRAY(SELECT '"' || a || '"' FROM unnest(s.allowed) a), ', ')
			|| CASE WHEN 'object' = ANY (s.types) THEN ', or an object' ELSE '' END
		WHEN 'integer' = ANY (s.types) THEN format('a whole number from %s to %s', s.low, s.high)
		WHEN 'array' = ANY (s.types) THEN format('an array of %s to %s elements', s.low, s.high)
		WHEN 'boolean' = ANY (s.types) THEN 'true or false'
		WHEN s.types = '{object,name}' THEN 'an object or a name of 1 to 63 bytes'
		WHEN 'object' = ANY (s.types) THEN 'an object'
		WHEN 'name' = ANY (s.types) THEN 'a name of 1 to 63 bytes'
		WHEN 'text' = ANY (s.types) THEN format('a text of %s to %s bytes', s.low, s.high)
		ELSE array_to_string(s.types, ' or ') END
		|| CASE WHEN 'null' = ANY (s.types) THEN ', or null' ELSE '' END
$$;
COMMENT ON FUNCTION dts.option_expected(dts.option_spec) IS 'what an option may hold, in words';

CREATE FUNCTION dts.option_fits(s dts.option_spec, value pg_catalog.jsonb) RETURNS pg_catalog.bool
	LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE jsonb_typeof(value)
		WHEN 'null' THEN 'null' = ANY (s.types)
		WHEN 'object' THEN 'object' = ANY (s.types)
		WHEN 'boolean' THEN 'boolean' = ANY (s.types)
		WHEN 'array' THEN 'array' = ANY (s.types) AND jsonb_array_length(value) BETWEEN s.low AND s.high
		WHEN 'number' THEN 'integer' = ANY (s.types) AND value #>> '{}' ~ '^-?[0-9]+$'
			AND (value #>> '{}')::numeric BETWEEN s.low AND s.high
		WHEN 'string' THEN CASE
			WHEN 'name' = ANY (s.types) THEN octet_length(value #>> '{}') BETWEEN 1 AND 63
			WHEN 'text' = ANY (s.types) THEN octet_length(value #>> '{}') BETWEEN s.low AND s.high
			WHEN 'string' = ANY (s.types) THEN s.allowed IS NULL OR value #>> '{}' = ANY (s.allowed)
			ELSE false END
		ELSE false END
$$;
COMMENT ON FUNCTION dts.option_fits(dts.option_spec, pg_catalog.jsonb) IS 'whether a value fits an option';

-- Walks the value; path is the place in the value, spec the place in the table.
CREATE FUNCTION dts.options_walk(value pg_catalog.jsonb, path pg_catalog.text, spec_path pg_catalog.text)
	RETURNS pg_catalog.void
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s dts.option_spec;
	valid text;
	key text;
	i int;
	any_name bool;   -- the keys are names of the operator's
BEGIN
	SELECT * INTO s FROM dts.option_spec o WHERE o.path = spec_path;
	IF NOT dts.option_fits(s, value) THEN
		RAISE EXCEPTION 'invalid value of option %', path
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('The value is %s.', CASE WHEN length(value::text) > 100
					THEN left(value::text, 100) || '...' ELSE value::text END),
				HINT = format('It must be %s.', dts.option_expected(s));
	END IF;
	IF jsonb_typeof(value) = 'array' THEN
		FOR i IN 0 .. jsonb_array_length(value) - 1 LOOP
			PERFORM dts.options_walk(value -> i, format('%s[%s]', path, i), spec_path || '[]');
		END LOOP;
	ELSIF jsonb_typeof(value) = 'object' THEN
		SELECT string_agg(substr(o.path, length(spec_path) + 2), ', ' ORDER BY o.ord) INTO valid
			FROM dts.option_spec o
			WHERE starts_with(o.path, spec_path || '.') AND substr(o.path, length(spec_path) + 2) !~ '[.[]';
		any_name := coalesce(valid = '*', false);
		FOR key IN SELECT k FROM jsonb_object_keys(value) k LOOP
			IF any_name AND octet_length(key) NOT BETWEEN 1 AND 63 THEN
				RAISE EXCEPTION 'invalid key in option %', path
					USING ERRCODE = 'invalid_parameter_value',
						DETAIL = format('The key is "%s".', left(key, 100)),
						HINT = 'It must be a name of 1 to 63 bytes.';
			ELSIF NOT any_name AND NOT key = ANY (string_to_array(valid, ', ')) THEN
				RAISE EXCEPTION 'unknown option %', path || '.' || key
					USING ERRCODE = 'invalid_parameter_value',
						DETAIL = format('%s has no option of that name.', path),
						HINT = format('Valid options of %s are: %s.', path, valid);
			END IF;
			IF value -> key <> 'null' THEN -- null means left out
				PERFORM dts.options_walk(value -> key, path || '.' || key,
					spec_path || '.' || CASE WHEN any_name THEN '*' ELSE key END);
			END IF;
		END LOOP;
		SELECT substr(o.path, length(spec_path) + 2) INTO key FROM dts.option_spec o
			WHERE starts_with(o.path, spec_path || '.') AND substr(o.path, length(spec_path) + 2) !~ '[.[]'
				AND o.required AND coalesce(value -> substr(o.path, length(spec_path) + 2), 'null') = 'null';
		IF FOUND THEN
			RAISE EXCEPTION 'option % is missing', path || '.' || key
				USING ERRCODE = 'invalid_parameter_value',
					DETAIL = format('%s needs it.', path),
					HINT = format('Valid options of %s are: %s.', path, valid);
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION dts.options_walk(pg_catalog.jsonb, pg_catalog.text, pg_catalog.text) IS
	'checks options against dts.option_spec; errors name the path';

-- Refuses what is named twice in objects or exclude.
CREATE FUNCTION dts.options_check_twice(options pg_catalog.jsonb) RETURNS pg_catalog.void
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	twice record;
BEGIN
	SELECT x.path, x.name INTO twice FROM (
		SELECT format('$.phases[%s]', p.ord - 1) AS path, p.phase AS name,
				row_number() OVER (PARTITION BY p.phase ORDER BY p.ord) AS n
			FROM jsonb_array_elements_text(options -> 'phases') WITH ORDINALITY p(phase, ord)
		UNION ALL
		SELECT format('$.%s[%s].schema', k.key, o.ord - 1), o.obj ->> 'schema',
				row_number() OVER (PARTITION BY k.key, o.obj ->> 'schema' ORDER BY o.ord)
			FROM (VALUES ('objects'), ('exclude')) k(key),
				jsonb_array_elements(nullif(options -> k.key, 'null')) WITH ORDINALITY o(obj, ord)
		UNION ALL
		SELECT format('$.%s[%s].tables[%s]', k.key, o.ord - 1, t.ord - 1), t.tab ->> 'name',
				row_number() OVER (PARTITION BY k.key, o.ord, t.tab ->> 'name' ORDER BY t.ord)
			FROM (VALUES ('objects'), ('exclude')) k(key),
				jsonb_array_elements(nullif(options -> k.key, 'null')) WITH ORDINALITY o(obj, ord),
				jsonb_array_elements(o.obj -> 'tables') WITH ORDINALITY t(tab, ord)) x
		WHERE x.n > 1 ORDER BY x.path LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'option % repeats "%"', twice.path, twice.name
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'Each phase, schema and table may be named once in its list.',
				HINT = 'Put everything about it in one place.';
	END IF;
END
$$;
COMMENT ON FUNCTION dts.options_check_twice(pg_catalog.jsonb) IS 'refuses what a list of the options names twice';

-- The options with every default filled in, as the daemon reads them.
CREATE FUNCTION dts.options_complete(options pg_catalog.jsonb) RETURNS pg_catalog.jsonb
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (SELECT jsonb_object_agg(substr(path, 3), default_value)
				FROM dts.option_spec WHERE path ~ '^[$][.][a-z_]+$' AND default_value IS NOT NULL)
		|| options
		|| jsonb_build_object(
			'phases', (SELECT jsonb_agg(p.phase) FROM dts.job_phases() p(phase)
				WHERE coalesce(options -> 'phases', d.phases) ? p.phase),
			'objects', dts.options_objects(options -> 'objects'),
			'exclude', dts.options_objects(options -> 'exclude'),
			'workers', CASE WHEN coalesce(options ->> 'workers', '0')::numeric = 0 THEN d.workers
				ELSE options -> 'workers' END,
			'retry', (SELECT jsonb_object_agg(substr(path, 9), default_value)
				FROM dts.option_spec WHERE path ~ '^[$][.]retry[.]') || coalesce(options -> 'retry', '{}'))
	FROM (SELECT (SELECT default_value FROM dts.option_spec WHERE path = '$.phases') AS phases,
		(SELECT default_value FROM dts.option_spec WHERE path = '$.workers') AS workers) d
$$;
COMMENT ON FUNCTION dts.options_complete(pg_catalog.jsonb) IS 'a job''s options with every default filled in';

-- Checks options given by an operator and returns them as stored: without keys that are null.
CREATE FUNCTION dts.options_check(options pg_catalog.jsonb, kind pg_catalog.text) RETURNS pg_catalog.jsonb
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	given jsonb := coalesce(options, '{}');
	complete jsonb;
BEGIN
	PERFORM dts.options_walk(given, '$', '$');
	given := jsonb_strip_nulls(given);
	complete := dts.options_complete(given);
	PERFORM dts.objects_check(given);
	PERFORM dts.options_check_twice(complete || jsonb_build_object('phases', coalesce(given -> 'phases', complete -> 'phases')));
	IF (complete #>> '{retry,other_minutes}')::numeric >= (complete #>> '{retry,connection_minutes}')::numeric THEN
		RAISE EXCEPTION 'option $.retry.other_minutes must be less than $.retry.connection_minutes'
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('They are %s and %s.', complete #>> '{retry,other_minutes}',
					complete #>> '{retry,connection_minutes}'),
				HINT = 'Raise $.retry.connection_minutes or lower $.retry.other_minutes.';
	END IF;
	PERFORM dts.throttle_check(given -> 'throttle');
	IF kind = 'sync' AND NOT complete -> 'phases' ? 'incremental' THEN
		RAISE EXCEPTION 'option $.phases lacks "incremental"'
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'A job of kind "sync" keeps the target in step and so needs that phase.',
				HINT = 'Add the phase, or create the job with kind "migration".';
	END IF;
	RETURN given;
END
$$;
COMMENT ON FUNCTION dts.options_check(pg_catalog.jsonb, pg_catalog.text) IS
	'checks a job''s options and returns them as they are stored';
