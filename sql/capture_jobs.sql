-- Jobs share the capture: the queue is trimmed of what all have applied.
\set top `echo $DTS_TOP`
\i :top/tests/sql/capture.sql

SELECT 'slot' FROM pg_create_logical_replication_slot('dts_sync_test', 'test_decoding');
CREATE TABLE a (id int);
SELECT dts.capture_trim(); -- marks
SELECT count(*) FROM public.dts_ddl_command;
CREATE TABLE b (id int); -- after the mark
SELECT dts.capture_trim(); -- the job has not applied it yet
SELECT count(*) > 0 AS read FROM pg_logical_slot_get_changes('dts_sync_test', NULL, NULL);
SELECT dts.capture_trim();
SELECT commands -> 0 ->> 'identity' AS left FROM public.dts_ddl_command;
SELECT count(*) FROM public.dts_args_session;
-- a second job holds it up
INSERT INTO dts.capture_job VALUES ('dts_sync_second');
SELECT count(*) > 0 AS read FROM pg_logical_slot_get_changes('dts_sync_test', NULL, NULL);
SELECT dts.capture_trim();
SELECT 'slot' FROM pg_create_logical_replication_slot('dts_sync_second', 'test_decoding');
SELECT dts.capture_trim();
SELECT dts.capture_trim();
-- joining again does not forget what is remembered
\set ECHO none
\i :top/control/capture/join.sql
\set ECHO all
DELETE FROM dts.capture_job WHERE slot_name = 'dts_sync_second';
SELECT pg_drop_replication_slot('dts_sync_second');
SELECT count(*) > 0 AS read FROM pg_logical_slot_get_changes('dts_sync_test', NULL, NULL);
SELECT dts.capture_trim();
SELECT count(*) FROM public.dts_ddl_command;
SELECT pg_drop_replication_slot('dts_sync_test');
DROP TABLE a, b;
\set ECHO none
\i :top/control/capture/remove.sql
\set ECHO all
SELECT relname FROM pg_class WHERE relname ~ '^dts';
