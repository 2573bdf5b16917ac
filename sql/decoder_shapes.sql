-- What shapes refuse: by check_shapes before a job, as a record in the stream, as an error to SQL callers.
\set SHOW_CONTEXT never
\set VERBOSITY default
SELECT slot_name FROM pg_create_logical_replication_slot('sh', 'dts_decoder');
CREATE TABLE sh (id int PRIMARY KEY, v text, w text, n int, ts timestamptz, f float8, doc jsonb, g int GENERATED ALWAYS AS (n + 1) STORED);
CREATE TABLE sh_full (LIKE sh INCLUDING ALL); ALTER TABLE sh_full REPLICA IDENTITY FULL;
CREATE FUNCTION sh_mine(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
CREATE OPERATOR ### (leftarg = int, rightarg = int, function = int4mul);
CREATE DOMAIN sh_domain AS int CHECK (value > 0);
CREATE FUNCTION pg_temp.check(shapes text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE d text; h text;
BEGIN
	PERFORM pg_logical_slot_peek_binary_changes('sh', '0/1', NULL, 'protocol_version', '1', 'check_shapes', 'on', 'shapes', shapes);
	RETURN 'compiles';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', sqlstate || ' ' || sqlerrm, 'DETAIL: ' || nullif(d, ''), 'HINT: ' || nullif(h, ''));
END $$;
CREATE FUNCTION pg_temp.filter(expr text, tab text DEFAULT 'sh_full') RETURNS text LANGUAGE sql AS
$$ SELECT pg_temp.check(jsonb_build_array(jsonb_build_object('schema', 'public', 'table', tab, 'where', expr))::text) $$;
CREATE FUNCTION pg_temp.columns(columns text, tab text DEFAULT 'sh') RETURNS text LANGUAGE sql AS
$$ SELECT pg_temp.check(jsonb_build_array(jsonb_build_object('schema', 'public', 'table', tab, 'columns', columns::jsonb))::text) $$;
\pset format unaligned
\pset tuples_only on
-- The option itself.
SELECT pg_temp.check(o) FROM unnest(ARRAY['', '{}', '1', '[1]', '[{}]', '[{"schema": "public"}]', '[{"oid": 0}]', '[{"oid": "sh"}]', '[{"oid": 5, "table": "t"}]', '[{"schema": "public", "table": "sh", "were": "true"}]',
	'[{"schema": "public", "table": "sh", "where": ""}]', '[{"schema": "public", "table": "sh", "where": true}]', '[{"schema": "public", "table": "sh", "columns": []}]', '[{"schema": "public", "table": "sh", "columns": [{"expr": "1"}]}]',
	'[{"schema": "public", "table": "sh", "columns": ["id", "id"]}]', '[{"schema": "public", "table": "sh", "operations": ["upsert"]}]', '[{"schema": "public", "table": "absent"}]', '[{"oid": 99999}]', '[{"schema": "public", "table": "sh"}]']) o;
-- Filters that are fine.
SELECT f, pg_temp.filter(f) FROM unnest(ARRAY['id % 2 = 0', 'v LIKE ''a%'' OR w IS NULL', 'ts > ''2020-01-01''', 'doc->>''k'' = ''now''', 'coalesce(n, 0) BETWEEN 1 AND 5', 'n IN (1, 2, 3)', 'g > 1', 'v = ANY (''{a,b}'')', '(id, n) < (5, 6)',
	'lpad(v, 3) = ''abc''', 'greatest(id, n) > 3', 'NOT (f IS DISTINCT FROM 1)', 'v COLLATE "C" < ''b''', '/* a remark */ true -- and more', 'v ~ ''^[a-z]+$''', 'id OPERATOR(public.###) 2 = 4']) f;
-- Filters that are not.
SELECT f || E'\n' || pg_temp.filter(f) FROM unnest(ARRAY['id %', 'id = 1; DROP TABLE sh', 'id = 1 FROM sh', 'true) OR (true', 'id, n', '*', 'sh_full.id = 1', 'id = 1 AS x', 'id', 'v', 'nothing = 1', 'id = 1 AND now < id',  'id = ''abc''', 'id = n + v',
	'ts > now()', 'ts > current_timestamp', 'random() < 0.5', 'ts > ''now''', 'ts::date = ''2020-01-01''', 'sh_mine(id) = 1', 'public.sh_mine(id) = 1', 'id::public.sh_domain = 1', 'id::sh_domain = 1',
	'id IN (SELECT 1)', 'EXISTS (SELECT FROM pg_class)', 'count(*) > 1', 'max(id) > 1', 'row_number() OVER () = 1', 'generate_series(1, id) = 1', '$1 = 1', 'ctid = ''(0,1)''', 'xmin = 1', 'sh_full IS NULL', 'sh_full.* IS NULL',
	'1 / 0 = 1', 'id = DEFAULT', 'pg_sleep(1) IS NULL', 'set_config(''a.b'', ''c'', false) = ''c''', 'query_to_xml(''SELECT 1'', true, true, '''') IS NULL', 'to_tsvector(v) @@ ''x''', 'nextval(''s'') = 1', 'ts::text = ''x''']) f;
SELECT pg_temp.filter('ä = 1 AND id = 2'), pg_temp.filter(E'id = 1\nAND\n  nö = 2');
-- The identity has to hold what the filter reads, unless only inserts are wanted.
SELECT pg_temp.filter('v = ''a''', 'sh');
SELECT pg_temp.check('[{"schema": "public", "table": "sh", "where": "v = ''a''", "operations": ["insert", "truncate"]}]');
-- Columns.
SELECT c || E'\n' || pg_temp.columns(c) FROM unnest(ARRAY['["id", "v"]', '["v"]', '["id", "nothing"]', '["id", "xmin"]', '[{"name": "id", "expr": "id + 1"}]', '["id", {"name": "v", "expr": "upper(v)"}]', '["id", {"name": "x", "expr": "v || w"}]',
	'["id", {"name": "x", "expr": "v || id || n::text"}]', '["id", {"name": "x", "expr": "now()"}]', '["id", {"name": "x", "expr": "row(id, v)"}]', '["id", {"name": "x", "expr": "upper(z)"}]', '["id", {"name": "x", "expr": "id, n"}]']) c;
SELECT pg_temp.columns('["id", {"name": "x", "expr": "v || w"}]', 'sh_full'), pg_temp.columns('[{"name": "id", "expr": "1"}]', 'sh_full');
-- A shape for a partitioned table is compiled for each partition, by whose identity it goes.
CREATE TABLE sh_root (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); ALTER TABLE sh_root REPLICA IDENTITY FULL;
CREATE TABLE sh_leaf PARTITION OF sh_root FOR VALUES FROM (0) TO (10);
SELECT pg_temp.filter('v = ''a''', 'sh_root');
ALTER TABLE sh_leaf REPLICA IDENTITY FULL;
SELECT pg_temp.filter('v = ''a''', 'sh_root');
-- A search_path, or a time zone, of the caller's changes nothing.
CREATE SCHEMA sh_trap; CREATE FUNCTION sh_trap.length(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
SET search_path = sh_trap, pg_catalog, public; SET timezone = 'Asia/Tokyo'; SET standard_conforming_strings = off; SET escape_string_warning = off;
SELECT pg_temp.filter(E'length(v) = 1 AND ts > \'2020-01-01\' AND v <> \'a\\\\\'');
RESET search_path; RESET timezone; RESET standard_conforming_strings; RESET escape_string_warning;
-- In the stream: a record in the place of each change, others go on; an error for SQL callers.
INSERT INTO sh (id, n) VALUES (1, 5), (2, 0), (3, NULL);
INSERT INTO sh_full (id, n) VALUES (1, 5);
UPDATE sh SET n = n + 1;
DELETE FROM sh WHERE id = 2;
TRUNCATE sh;
SELECT * FROM wire_test.readings((SELECT array_agg(data) FROM pg_logical_slot_peek_binary_changes('sh', NULL, NULL, 'protocol_version', '1', 'on_no_identity', 'emit',
	'shapes', '[{"schema": "public", "table": "sh", "where": "10 / n > 1", "operations": ["insert", "truncate"]}]')), false);
SELECT * FROM wire_test.readings((SELECT array_agg(data) FROM pg_logical_slot_peek_binary_changes('sh', NULL, NULL, 'protocol_version', '1', 'on_no_identity', 'emit',
	'shapes', '[{"schema": "public", "table": "sh", "columns": ["id", {"name": "x", "expr": "(1 / n)::text"}]}]')), false);
SELECT * FROM wire_test.readings((SELECT array_agg(data) FROM pg_logical_slot_peek_binary_changes('sh', NULL, NULL, 'protocol_version', '1', 'on_no_identity', 'emit',
	'shapes', '[{"schema": "public", "table": "sh", "where": "gone > 1"}]')), false);
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('sh', NULL, NULL, 'protocol_version', '1', 'shapes', '[{"schema": "public", "table": "sh", "where": "10 / n > 1", "operations": ["insert"]}]');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('sh', NULL, NULL, 'protocol_version', '1', 'shapes', '[{"schema": "public", "table": "sh", "where": "gone > 1", "operations": ["insert"]}]');
-- Nothing of it has hurt the session.
SELECT count(*) > 5 FROM wire_test.changes('sh');
SELECT pg_drop_replication_slot('sh');
DROP TABLE sh, sh_full, sh_root; DROP OPERATOR ### (int, int); DROP FUNCTION sh_mine; DROP DOMAIN sh_domain; DROP SCHEMA sh_trap CASCADE;
