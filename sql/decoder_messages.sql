-- Logical messages: ours, and transactional ones, only.
SELECT slot_name FROM pg_create_logical_replication_slot('me', 'dts_decoder');
CREATE TABLE me (id int PRIMARY KEY);
\t on
BEGIN; INSERT INTO me VALUES (1); SELECT pg_logical_emit_message(true, 'dts.marker', 'between') IS NULL; INSERT INTO me VALUES (2); COMMIT;
SELECT pg_logical_emit_message(true, 'dts', 'alone') IS NULL;
SELECT pg_logical_emit_message(false, 'dts.marker', 'not transactional') IS NULL;
SELECT pg_logical_emit_message(true, 'dtsx', 'other prefix') IS NULL;
SELECT pg_logical_emit_message(true, 'other', 'other prefix') IS NULL;
SELECT pg_logical_emit_message(true, 'dts.', repeat('x', 1048577)) IS NULL AS oversized;
SELECT pg_logical_emit_message(true, 'dts.', repeat('x', 1048576)) IS NULL AS allowed;
\t off
BEGIN; SAVEPOINT a; SELECT pg_logical_emit_message(true, 'dts', 'rolled back') IS NULL; ROLLBACK TO a; COMMIT;
SELECT left(r, 60) FROM wire_test.changes('me') r;
SELECT pg_logical_emit_message(true, 'dts', 'off') IS NULL;
SELECT * FROM wire_test.changes('me', 'messages', 'off');
SELECT pg_drop_replication_slot('me');
DROP TABLE me;
