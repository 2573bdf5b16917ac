-- Long values travel as fragments, whole transactions as chunks; no message grows beyond its bounds.
SELECT slot_name FROM pg_create_logical_replication_slot('fr', 'dts_decoder');
CREATE FUNCTION pg_temp.noise(n int, seed text DEFAULT '') RETURNS text LANGUAGE sql AS
$$ SELECT substr(string_agg(md5(seed || i), '' ORDER BY i), 1, n) FROM generate_series(1, n / 32 + 1) i $$;
CREATE TABLE fr (id int PRIMARY KEY, a text, b bytea, c jsonb);
-- At and around the limit of a value in a chunk of 1024 bytes.
INSERT INTO fr SELECT n, pg_temp.noise(n) FROM unnest('{255,256,257}'::int[]) n;
INSERT INTO fr VALUES (1, pg_temp.noise(2000), decode(pg_temp.noise(1000, 'b'), 'hex'), jsonb_build_object('k', pg_temp.noise(900, 'c')));
INSERT INTO fr VALUES (2, repeat('z', 100000), NULL, NULL);
UPDATE fr SET b = decode(pg_temp.noise(800), 'hex') WHERE id = 2;
SELECT max(length(data)) <= 1024 + 300 AS bounded, count(*) > 100 AS chunks FROM pg_logical_slot_peek_binary_changes('fr', NULL, NULL, 'protocol_version', '1', 'chunk_size', '1024');
SELECT md5(pg_temp.noise(256)) AS n256, md5(pg_temp.noise(257)) AS n257, md5(pg_temp.noise(2000)) AS n2000, md5(repeat('z', 100000)) AS z;
SELECT r FROM wire_test.changes('fr', 'chunk_size', '1024') r WHERE r NOT LIKE 'fragment%' AND r NOT LIKE 'txn flags=- %';
-- A row of many middling values, each below the limit, all together above it.
DO $$ BEGIN EXECUTE 'CREATE TABLE wide (id int PRIMARY KEY, ' || (SELECT string_agg(format('c%s text', i), ', ') FROM generate_series(1, 300) i) || ')'; END $$;
DO $$ BEGIN EXECUTE 'INSERT INTO wide VALUES (1, ' || (SELECT string_agg(format('repeat(%L, 16000)', chr(65 + i % 26)), ', ') FROM generate_series(1, 300) i) || ')'; END $$;
SELECT max(length(data)) < 2000000 AS bounded, sum(length(data)) > 4800000 AS whole FROM pg_logical_slot_peek_binary_changes('fr', NULL, NULL, 'protocol_version', '1');
SELECT array_length(string_to_array(r, ' bytes of '), 1) - 1 AS values FROM wire_test.changes('fr') r WHERE r LIKE 'insert%';
-- 1,600 columns.
DO $$ BEGIN EXECUTE 'CREATE TABLE many (' || (SELECT string_agg(format('c%s int', i), ', ') FROM generate_series(1, 1600) i) || ')'; END $$;
INSERT INTO many (c1, c1600) VALUES (1, 1600);
SELECT left(r, 40), right(r, 20), length(r) FROM wire_test.changes('fr', 'chunk_size', '1024') r;
SELECT pg_drop_replication_slot('fr');
DROP TABLE fr, wide, many;
