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
SELECT dts.capture_join('dts_sync_second');
SELECT count(*) > 0 AS read FROM pg_logical_slot_get_changes('dts_sync_test', NULL, NULL);
SELECT dts.capture_trim();
SELECT 'slot' FROM pg_create_logical_replication_slot('dts_sync_second', 'test_decoding');
SELECT dts.capture_trim();
SELECT dts.capture_trim();
-- joining again does not forget what is remembered
SELECT dts.capture_join('dts_sync_second');
SELECT state ->> 'name' AS remembered FROM public.dts_pg_class WHERE state ->> 'name' IN ('a', 'b') ORDER BY 1;
SELECT dts.capture_leave('dts_sync_second') AS others;
SELECT pg_drop_replication_slot('dts_sync_second');
SELECT count(*) > 0 AS read FROM pg_logical_slot_get_changes('dts_sync_test', NULL, NULL);
SELECT dts.capture_trim();
SELECT count(*) FROM public.dts_ddl_command;
SELECT pg_drop_replication_slot('dts_sync_test');
-- between jobs nothing is captured, and the next one begins with what there is then
SELECT dts.capture_leave('dts_sync_test') AS others;
CREATE TABLE unseen (id int);
DROP TABLE b;
SELECT count(*) FROM public.dts_ddl_command;
SELECT dts.capture_join('dts_sync_test');
SELECT state ->> 'name' AS remembered FROM public.dts_pg_class WHERE state ->> 'name' IN ('a', 'b', 'unseen') ORDER BY 1;
ALTER TABLE unseen ADD v text;
SELECT tag, jsonb_array_length(objects -> 0 -> 'before' -> 'columns') AS columns_before FROM public.dts_ddl_command;
DROP TABLE a, unseen;
\set ECHO none
\i :top/control/capture/remove.sql
\set ECHO all
SELECT relname FROM pg_class WHERE relname ~ '^dts';
