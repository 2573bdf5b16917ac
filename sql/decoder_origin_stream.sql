-- Origins of transactions that are streamed (14 and later).
SELECT slot_name FROM pg_create_logical_replication_slot('ogs', 'dts_decoder');
CREATE TABLE ogs (id int PRIMARY KEY, x text);
SELECT pg_replication_origin_create('node a') > 0, pg_replication_origin_create('node_b') > 0;
INSERT INTO ogs VALUES (1, 'local');
SELECT pg_replication_origin_session_setup('node a');
BEGIN; SELECT pg_replication_origin_xact_setup('0/1', clock_timestamp()); INSERT INTO ogs VALUES (2, 'a'); COMMIT;
SELECT pg_replication_origin_session_reset(), pg_replication_origin_session_setup('node_b');
BEGIN; SELECT pg_replication_origin_xact_setup('0/2', clock_timestamp()); INSERT INTO ogs VALUES (3, 'b'); COMMIT;
BEGIN; SELECT pg_replication_origin_xact_setup('0/3', clock_timestamp()); INSERT INTO ogs SELECT i, repeat('x', 100) FROM generate_series(100, 3000) i; COMMIT;
SELECT pg_replication_origin_session_reset();
INSERT INTO ogs VALUES (4, 'local');
CREATE FUNCTION pg_temp.peek(VARIADIC o text[]) RETURNS TABLE (reading text, times bigint) LANGUAGE sql AS $$
	SELECT r, count(*) FROM (SELECT regexp_replace(regexp_replace(r, '(insert \d+) \(\d\d.*', '\1 …'), 'chunk=\d+', '') AS r, n
		FROM wire_test.readings((SELECT array_agg(data) FROM pg_logical_slot_peek_binary_changes('ogs', NULL, NULL, VARIADIC ARRAY['protocol_version', '1'] || o)), false) WITH ORDINALITY q(r, n)) s
	WHERE r !~ '^(hello|relation|stream xid)' GROUP BY r ORDER BY min(n) $$;
SELECT * FROM pg_temp.peek('streaming', 'on');
SELECT * FROM pg_temp.peek('streaming', 'on', 'skip_origins', 'node_b');
SELECT pg_drop_replication_slot('ogs');
SELECT pg_replication_origin_drop('node a'), pg_replication_origin_drop('node_b');
DROP TABLE ogs;
