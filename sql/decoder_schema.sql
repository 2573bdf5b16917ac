-- A new description, under a new number, only when it really changed; old row versions have later columns' defaults.
SELECT slot_name FROM pg_create_logical_replication_slot('sc', 'dts_decoder');
CREATE TABLE sc (id int PRIMARY KEY, x text);
INSERT INTO sc VALUES (1, 'a');
CREATE INDEX ON sc (x); ANALYZE sc; ALTER TABLE sc SET (fillfactor = 90); COMMENT ON TABLE sc IS 'c'; GRANT SELECT ON sc TO public;
INSERT INTO sc VALUES (2, 'b');
ALTER TABLE sc ADD n int NOT NULL DEFAULT 7, ADD t text DEFAULT 'täxt', ADD z text;
UPDATE sc SET id = 10 WHERE id = 1;
ALTER TABLE sc DROP x;
INSERT INTO sc VALUES (3);
ALTER TABLE sc ADD tmp int; ALTER TABLE sc DROP tmp;
INSERT INTO sc VALUES (4, 8);
ALTER TABLE sc RENAME n TO m; ALTER TABLE sc ALTER m DROP NOT NULL;
INSERT INTO sc VALUES (5, NULL);
SELECT * FROM wire_test.changes('sc');
-- The default stands in where the row version lacks the column: with identity FULL the old row shows it.
ALTER TABLE sc REPLICA IDENTITY FULL;
ALTER TABLE sc ADD d date DEFAULT '2024-02-29', ADD u uuid DEFAULT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', ADD b bool DEFAULT true, ADD w numeric DEFAULT 1.5, ADD e text;
DELETE FROM sc WHERE id = 2;
SELECT r FROM wire_test.changes('sc') r;
-- In a transaction, rolled back to a savepoint, and dropped and made again.
BEGIN;
INSERT INTO sc VALUES (20); SAVEPOINT a; ALTER TABLE sc ADD gone int; INSERT INTO sc VALUES (21); ROLLBACK TO a; INSERT INTO sc VALUES (22);
DROP TABLE sc; CREATE TABLE sc (id text PRIMARY KEY); INSERT INTO sc VALUES ('new');
COMMIT;
SELECT * FROM wire_test.changes('sc');
-- Many tables come and go within one session.
DO $$ BEGIN FOR i IN 1 .. 300 LOOP
	EXECUTE format('CREATE TABLE go_%s (id int PRIMARY KEY)', i); EXECUTE format('INSERT INTO go_%s VALUES (%s)', i, i); EXECUTE format('DROP TABLE go_%s', i);
END LOOP; END $$;
SELECT count(*) FILTER (WHERE r LIKE 'relation%') AS relations, count(*) FILTER (WHERE r LIKE 'insert%') AS rows FROM wire_test.changes('sc') r;
SELECT pg_drop_replication_slot('sc');
DROP TABLE sc;
