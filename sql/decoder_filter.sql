-- Row filters: updates that come in and go out, by key and by identity FULL, with values out of line; operations (14 and later).
\set SHOW_CONTEXT never
SELECT slot_name FROM pg_create_logical_replication_slot('fi', 'dts_decoder');
CREATE FUNCTION pg_temp.noise(n int, seed text DEFAULT '') RETURNS text LANGUAGE sql AS
$$ SELECT substr(string_agg(md5(seed || i), '' ORDER BY i), 1, n) FROM generate_series(1, n / 32 + 1) i $$;
CREATE FUNCTION pg_temp.shaped(VARIADIC shapes text[]) RETURNS SETOF text LANGUAGE sql AS
$$ SELECT * FROM wire_test.changes('fi', 'on_no_identity', 'emit', 'shapes', '[' || array_to_string(shapes, ',') || ']') $$;
CREATE TYPE fi_mood AS ENUM ('sad', 'ok', 'glad');
CREATE TABLE fi_key (id int PRIMARY KEY, v text, big text);
CREATE TABLE fi_full (id int PRIMARY KEY, v text, mood fi_mood, big text);
ALTER TABLE fi_key ALTER big SET STORAGE external;
ALTER TABLE fi_full ALTER big SET STORAGE external, REPLICA IDENTITY FULL;
-- Under a key: what the filter reads is known of the old row.
INSERT INTO fi_key SELECT i, 'v' || i FROM generate_series(1, 4) i;
UPDATE fi_key SET v = 'w' || id;
UPDATE fi_key SET id = id + 10;
UPDATE fi_key SET id = id + 5 WHERE id IN (12, 13);
DELETE FROM fi_key;
TRUNCATE fi_key;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "fi_key", "where": "id % 2 = 0"}');
-- Under FULL: any column; NULL is not true; values out of line that an update leaves alone come with the row that enters.
INSERT INTO fi_full VALUES (1, 'in', 'ok', pg_temp.noise(5000)), (2, 'out', 'glad', NULL), (3, NULL, 'sad', 'short');
UPDATE fi_full SET mood = 'glad' WHERE id = 1;
UPDATE fi_full SET v = 'out' WHERE id = 1;
UPDATE fi_full SET mood = 'sad' WHERE id = 1;
UPDATE fi_full SET v = 'in';
UPDATE fi_full SET v = NULL, big = NULL WHERE id < 3;
DELETE FROM fi_full;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "fi_full", "where": "v = ''in'' AND mood >= ''ok''"}');
-- A filter over a value out of line.
INSERT INTO fi_full VALUES (1, 'a', 'ok', pg_temp.noise(5000)), (2, 'b', 'ok', pg_temp.noise(4000));
UPDATE fi_full SET v = 'c';
UPDATE fi_full SET big = 'short' WHERE id = 1;
UPDATE fi_full SET v = 'd', id = id + 10;
DELETE FROM fi_full;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "fi_full", "where": "length(big) > 4500"}');
-- A row that enters by its key without a value that is not in WAL: refused, never guessed.
INSERT INTO fi_key VALUES (1, 'x', pg_temp.noise(5000)), (3, 'y', 'short');
UPDATE fi_key SET id = id + 1;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "fi_key", "where": "id % 2 = 0"}');
TRUNCATE fi_key;
-- Operations: what is not wanted is not looked at, and needs no identity.
CREATE TABLE fi_none (a int, v text);
INSERT INTO fi_none VALUES (1, 'a'), (2, 'b');
UPDATE fi_none SET a = 1;
DELETE FROM fi_none;
TRUNCATE fi_none;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "fi_none", "where": "a = 1", "operations": ["insert", "truncate"]}', '{"schema": "public", "table": "fi_key", "operations": []}');
INSERT INTO fi_key VALUES (1), (2); UPDATE fi_key SET v = 'u'; UPDATE fi_key SET id = 3 WHERE id = 1; UPDATE fi_key SET id = 4 WHERE id = 3; DELETE FROM fi_key; TRUNCATE fi_key;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "fi_key", "where": "id % 2 = 0", "operations": ["update"]}');
-- Partitions take the shape of their root, compiled for their own columns; a shape of their own counts more.
CREATE TABLE fi_root (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE fi_p1 (gone int, v text, id int NOT NULL);
ALTER TABLE fi_p1 DROP gone;
ALTER TABLE fi_root ATTACH PARTITION fi_p1 FOR VALUES FROM (0) TO (100);
CREATE TABLE fi_p2 PARTITION OF fi_root FOR VALUES FROM (100) TO (200);
INSERT INTO fi_root VALUES (1, 'a'), (2, 'b'), (101, 'c'), (102, 'd');
UPDATE fi_root SET id = id + 99 WHERE id = 1;
DELETE FROM fi_root;
SELECT * FROM pg_temp.shaped('{"schema": "public", "table": "fi_root", "where": "id % 2 = 0"}', '{"schema": "public", "table": "fi_p2", "where": "id % 2 = 1"}');
-- The shape follows the table's versions; by OID also its name.
BEGIN;
INSERT INTO fi_key VALUES (1, 'a'), (2, 'b');
ALTER TABLE fi_key ADD extra int DEFAULT 7;
ALTER TABLE fi_key RENAME TO fi_renamed;
INSERT INTO fi_renamed VALUES (3, 'c'), (4, 'd');
ALTER TABLE fi_renamed DROP v;
INSERT INTO fi_renamed VALUES (6);
UPDATE fi_renamed SET id = id + 101;
COMMIT;
SELECT * FROM pg_temp.shaped(format('{"oid": %s, "where": "id %% 2 = 0"}', 'fi_renamed'::regclass::oid));
-- Savepoints that roll back, and a transaction that is sent in pieces.
CREATE TABLE fi_many (id int PRIMARY KEY, v text);
BEGIN;
INSERT INTO fi_many SELECT i, repeat('x', 200) FROM generate_series(1, 2000) i;
SAVEPOINT s; DELETE FROM fi_many; ROLLBACK TO s;
UPDATE fi_many SET v = 'y' WHERE id % 500 = 0;
COMMIT;
SELECT regexp_replace(c, 'xid=.*', 'xid'), count(*) FROM wire_test.changes('fi', 'streaming', 'on', 'shapes', '[{"schema": "public", "table": "fi_many", "where": "id % 500 = 0"}]') c
WHERE c ~ '^(insert|update)' GROUP BY 1 ORDER BY 1;
SELECT pg_drop_replication_slot('fi');
DROP TABLE fi_renamed, fi_full, fi_none, fi_root, fi_many;
DROP TYPE fi_mood;
