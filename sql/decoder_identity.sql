-- Replica identities, and changes without any.
\set SHOW_CONTEXT never
SELECT slot_name FROM pg_create_logical_replication_slot('id', 'dts_decoder');
CREATE TABLE id_pk (a int, b text, c int, PRIMARY KEY (c, a));
CREATE TABLE id_none (a int, b text);
CREATE TABLE id_nothing (a int PRIMARY KEY, b text); ALTER TABLE id_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE id_deferrable (a int PRIMARY KEY DEFERRABLE, b text);
CREATE TABLE id_index (a int, b text NOT NULL, c text); CREATE UNIQUE INDEX id_b ON id_index (b) INCLUDE (c); ALTER TABLE id_index REPLICA IDENTITY USING INDEX id_b;
CREATE TABLE id_full (a int PRIMARY KEY, b text); ALTER TABLE id_full REPLICA IDENTITY FULL;
CREATE TABLE id_generated (a int, g int GENERATED ALWAYS AS (a * 2) STORED PRIMARY KEY, i int GENERATED ALWAYS AS IDENTITY);
CREATE TABLE id_dropped (a int NOT NULL, b text); CREATE UNIQUE INDEX id_a ON id_dropped (a); ALTER TABLE id_dropped REPLICA IDENTITY USING INDEX id_a; DROP INDEX id_a;
DO $$ DECLARE t text; BEGIN
	FOREACH t IN ARRAY '{id_none,id_nothing,id_deferrable,id_index,id_full,id_dropped}'::text[] LOOP
		EXECUTE format('INSERT INTO %I VALUES (1, ''x''), (2, ''y'')', t);
		EXECUTE format('UPDATE %I SET a = 3 WHERE a = 1', t);
		EXECUTE format('UPDATE %I SET b = ''z'' WHERE a = 3', t);
		EXECUTE format('DELETE FROM %I WHERE a = 2', t);
	END LOOP;
END $$;
SELECT * FROM wire_test.changes('id', 'on_no_identity', 'emit');
INSERT INTO id_pk VALUES (1, 'x', 10), (2, NULL, 20);
UPDATE id_pk SET b = 'y'; UPDATE id_pk SET c = 11 WHERE a = 1; DELETE FROM id_pk;
INSERT INTO id_generated (a) VALUES (1); UPDATE id_generated SET a = 2; DELETE FROM id_generated;
SELECT * FROM wire_test.changes('id', 'on_no_identity', 'emit');
-- NULLs in identity FULL.
INSERT INTO id_full VALUES (9, NULL); UPDATE id_full SET b = '' WHERE a = 9; DELETE FROM id_full WHERE a = 9;
SELECT * FROM wire_test.changes('id');
-- SQL callers get an error unless they ask; inserts are fine.
INSERT INTO id_none VALUES (5, 'n');
SELECT * FROM wire_test.changes('id');
DELETE FROM id_none WHERE a = 5;
SELECT * FROM wire_test.changes('id');
UPDATE id_none SET b = 'q';
SELECT * FROM wire_test.changes('id', 'on_no_identity', 'error', 'exclude_tables', 'public.id_generated');
SELECT count(*) > 0 FROM wire_test.changes('id', 'on_no_identity', 'emit');
-- An identity that changes on the way: each change by its own time's.
BEGIN;
UPDATE id_none SET b = 'r' WHERE a = 3; ALTER TABLE id_none REPLICA IDENTITY FULL; UPDATE id_none SET b = 's' WHERE a = 3; ALTER TABLE id_none ADD PRIMARY KEY (a), REPLICA IDENTITY DEFAULT;
UPDATE id_none SET b = 't' WHERE a = 3; UPDATE id_none SET a = 33 WHERE a = 3; ALTER TABLE id_none DROP CONSTRAINT id_none_pkey; DELETE FROM id_none;
COMMIT;
SELECT * FROM wire_test.changes('id', 'on_no_identity', 'emit');
SELECT pg_drop_replication_slot('id');
DROP TABLE id_pk, id_none, id_nothing, id_deferrable, id_index, id_full, id_generated, id_dropped;
