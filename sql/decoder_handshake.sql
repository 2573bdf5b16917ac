-- A session begins with HELLO, once, and only when something follows; empty transactions send nothing.
SELECT slot_name FROM pg_create_logical_replication_slot('h', 'dts_decoder');
CREATE TABLE h (id int PRIMARY KEY, x text);
SELECT * FROM wire_test.changes('h');
INSERT INTO h VALUES (1, 'a');
INSERT INTO h VALUES (2, NULL);
BEGIN; UPDATE h SET x = 'b' WHERE id = 2; DELETE FROM h WHERE id = 1; COMMIT;
SELECT * FROM wire_test.changes('h');
-- A new session describes again.
INSERT INTO h VALUES (3, '');
SELECT * FROM wire_test.changes('h', 'chunk_size', '2000');
BEGIN; INSERT INTO h VALUES (4, ''); ROLLBACK;
SELECT * FROM wire_test.changes('h');
-- The header is that of the commit: start and end of the record, and its time.
CREATE TEMP TABLE mark AS SELECT pg_current_wal_insert_lsn() AS lsn, clock_timestamp() AS at;
INSERT INTO h VALUES (5, '');
SELECT bool_and(c.lsn = e.val::pg_lsn) AS end_is_the_position, bool_and(s.val::pg_lsn > mark.lsn AND s.val::pg_lsn < e.val::pg_lsn) AS start_before,
	bool_and(x.val = c.xid::text) AS xid
FROM mark, pg_logical_slot_peek_binary_changes('h', NULL, NULL, 'protocol_version', '1') WITH ORDINALITY c(lsn, xid, data, n),
	LATERAL (SELECT r FROM wire_test.readings((SELECT array_agg(data) FROM pg_logical_slot_peek_binary_changes('h', NULL, NULL, 'protocol_version', '1')), true) r WHERE r LIKE 'txn%') t,
	LATERAL (SELECT substring(r FROM 'commit=(\S+)')) s(val), LATERAL (SELECT substring(r FROM 'end=(\S+)')) e(val), LATERAL (SELECT substring(r FROM 'xid=(\S+)')) x(val)
WHERE c.n = 2;
SELECT pg_drop_replication_slot('h');
DROP TABLE h;
