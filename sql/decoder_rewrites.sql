-- Rows of rewritten tables come only when asked for, under the table's own name.
SELECT slot_name FROM pg_create_logical_replication_slot('rw', 'dts_decoder');
CREATE TABLE rw (id int PRIMARY KEY, x text);
INSERT INTO rw VALUES (1, '11'), (2, '22');
ALTER TABLE rw ALTER x TYPE int USING x::int;
INSERT INTO rw VALUES (3, 33);
SELECT * FROM wire_test.readings((SELECT array_agg(data) FROM pg_logical_slot_peek_binary_changes('rw', NULL, NULL, 'protocol_version', '1')), false);
SELECT * FROM wire_test.changes('rw', 'rewrites', 'on');
BEGIN; ALTER TABLE rw ADD r float8 DEFAULT random(); INSERT INTO rw VALUES (4, 44, 0); COMMIT;
SELECT count(*) FROM wire_test.readings((SELECT array_agg(data) FROM pg_logical_slot_peek_binary_changes('rw', NULL, NULL, 'protocol_version', '1', 'rewrites', 'on', 'exclude_tables', 'public.rw')), false);
SELECT regexp_replace(r, '[0-9a-f]{16}\)', '…)') FROM wire_test.changes('rw', 'rewrites', 'on') r;
-- Materialized views are no tables.
CREATE MATERIALIZED VIEW rw_view AS SELECT * FROM rw; REFRESH MATERIALIZED VIEW rw_view;
SELECT * FROM wire_test.changes('rw', 'rewrites', 'on');
DROP MATERIALIZED VIEW rw_view;
VACUUM FULL rw; CLUSTER rw USING rw_pkey;
SELECT count(*) FILTER (WHERE r LIKE 'insert%') AS rows FROM wire_test.changes('rw') r;
SELECT pg_drop_replication_slot('rw');
DROP TABLE rw;
