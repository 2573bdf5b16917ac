-- Fewer columns and computed ones: what the description says, old rows, keys, values out of line.
\set SHOW_CONTEXT never
SELECT slot_name FROM pg_create_logical_replication_slot('co', 'dts_decoder');
CREATE FUNCTION pg_temp.noise(n int, seed text DEFAULT '') RETURNS text LANGUAGE sql AS
$$ SELECT substr(string_agg(md5(seed || i), '' ORDER BY i), 1, n) FROM generate_series(1, n / 32 + 1) i $$;
CREATE FUNCTION pg_temp.shaped(VARIADIC shapes text[]) RETURNS SETOF text LANGUAGE sql AS
$$ SELECT * FROM wire_test.changes('co', 'on_no_identity', 'emit', 'shapes', '[' || array_to_string(shapes, ',') || ']') $$;
CREATE TYPE co_mood AS ENUM ('sad', 'ok', 'glad');
CREATE TABLE co (a int, id int PRIMARY KEY, code text, n numeric(10,2), g int GENERATED ALWAYS AS (id * 2) STORED, d date, big text, mood co_mood, arr int[]);
ALTER TABLE co ALTER big SET STORAGE external;
-- Columns only, in the table's order; a generated one is never sent as itself.
INSERT INTO co (a, id, code, n, d, big, mood, arr) VALUES (1, 1, 'x', 1.5, '2020-02-29', pg_temp.noise(3000), 'ok', '{1,2}'), (2, 2, NULL, NULL, NULL, NULL, NULL, NULL);
UPDATE co SET a = 3;
UPDATE co SET id = 5, code = 'y' WHERE id = 1;
DELETE FROM co WHERE id = 2;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "co", "columns": ["code", "id", "g", "big"]}');
-- Computed columns of many types, one in the place of a column of that name.
INSERT INTO co (a, id, code, n, d, big, mood, arr) VALUES (1, 7, 'abc', 1.255, '2020-02-29', 'short', 'glad', '{1,2}'), (NULL, 8, NULL, 'NaN', NULL, NULL, NULL, NULL);
UPDATE co SET code = 'Äö' WHERE id = 7;
UPDATE co SET id = 9 WHERE id = 7;
DELETE FROM co WHERE id = 9;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "co", "columns": ["id", {"name": "code", "expr": "upper(code)"}, {"name": "twice", "expr": "g + 1"}, {"name": "next", "expr": "d + 1"},
	{"name": "rounded", "expr": "round(n, 1)"}, {"name": "glad", "expr": "mood = ''glad''"}, {"name": "first", "expr": "arr[1]"}, {"name": "same", "expr": "mood"}, {"name": "fixed", "expr": "''text''"}, {"name": "kind", "expr": "CASE WHEN id > 7 THEN ''high'' ELSE NULL END"}]}');
-- A value out of line that an update leaves alone leaves an expression over it alone; a new one is computed.
INSERT INTO co (id, a, big) VALUES (20, 1, pg_temp.noise(5000));
UPDATE co SET a = 2 WHERE id = 20;
UPDATE co SET big = pg_temp.noise(4000, 'b') WHERE id = 20;
UPDATE co SET id = 21 WHERE id = 20;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "co", "columns": ["id", {"name": "size", "expr": "length(big)"}, {"name": "hash", "expr": "md5(big)"}]}');
UPDATE co SET a = 3 WHERE id = 21;
UPDATE co SET id = 22 WHERE id = 21;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "co", "columns": ["id", {"name": "size", "expr": "length(big) + id"}]}');
-- Under FULL old rows are computed, too.
ALTER TABLE co REPLICA IDENTITY FULL;
UPDATE co SET a = 4 WHERE id = 22;
UPDATE co SET code = 'q' WHERE id = 22;
DELETE FROM co WHERE id = 22;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "co", "where": "a = 4", "columns": ["id", "code", "big", {"name": "size", "expr": "length(big) + id"}]}');
-- Long values that an expression makes.
INSERT INTO co (id, code) VALUES (30, 'ab');
SELECT * FROM wire_test.changes('co', 'chunk_size', '1024', 'shapes', '[{"schema": "public", "table": "co", "columns": ["id", {"name": "long", "expr": "repeat(code, 700)"}]}]');
-- Columns added later are not in the list; values that they were added with are there for expressions.
ALTER TABLE co ADD later int DEFAULT 42;
UPDATE co SET a = 9 WHERE id = 30;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "co", "columns": ["id", "a", {"name": "l", "expr": "later * 2"}]}');
SELECT pg_drop_replication_slot('co');
DROP TABLE co;
DROP TYPE co_mood;
