-- Prepared transactions: as ordinary ones at COMMIT PREPARED by default, at PREPARE when asked for (14 and later).
CREATE TABLE tp (id int PRIMARY KEY, x text);
SELECT slot_name FROM pg_create_logical_replication_slot('tp1', 'dts_decoder');
SELECT slot_name FROM pg_create_logical_replication_slot('tp2', 'dts_decoder', false, true);
BEGIN; INSERT INTO tp VALUES (1, 'a'); PREPARE TRANSACTION 'one';
SELECT * FROM wire_test.changes('tp1');
SELECT * FROM wire_test.changes('tp2', 'two_phase', 'on');
INSERT INTO tp VALUES (2, 'between');
COMMIT PREPARED 'one';
SELECT * FROM wire_test.changes('tp1');
SELECT * FROM wire_test.changes('tp2', 'two_phase', 'on');
BEGIN; INSERT INTO tp VALUES (3, 'c'); PREPARE TRANSACTION 'two';
ROLLBACK PREPARED 'two';
-- Nothing selected: prepared ones are announced all the same.
BEGIN; CREATE TABLE tp_new (a int); PREPARE TRANSACTION 'empty';
COMMIT PREPARED 'empty';
SELECT * FROM wire_test.changes('tp1');
SELECT * FROM wire_test.changes('tp2', 'two_phase', 'on');
-- The end of the PREPARE record, in the same session and in a later one.
BEGIN; INSERT INTO tp VALUES (4, 'd'); PREPARE TRANSACTION 'three';
COMMIT PREPARED 'three';
SELECT count(DISTINCT l) AS same FROM (SELECT coalesce(substring(r FROM 'prepare_end=(\S+)'), substring(r FROM ' end=(\S+)')) FROM wire_test.readings((SELECT array_agg(data)
	FROM pg_logical_slot_peek_binary_changes('tp2', NULL, NULL, 'protocol_version', '1', 'two_phase', 'on')), true) r WHERE r ~ '^(prepare|commit_prepared)') s(l);
SELECT count(*) FROM wire_test.changes('tp1');
SELECT count(*) FROM wire_test.changes('tp2', 'two_phase', 'on');
-- Streamed and prepared.
BEGIN; INSERT INTO tp SELECT i, repeat('x', 100) FROM generate_series(100, 3000) i; PREPARE TRANSACTION 'big';
COMMIT PREPARED 'big';
SELECT r FROM wire_test.changes('tp2', 'two_phase', 'on', 'streaming', 'on') r WHERE r NOT LIKE 'insert%' AND r !~ 'stream xid=x\d+ chunk=[1-9]' AND r NOT LIKE 'relation%';
SELECT pg_drop_replication_slot('tp1'), pg_drop_replication_slot('tp2');
DROP TABLE tp, tp_new;
