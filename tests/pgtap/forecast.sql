-- dts_forecast and the bars of a terminal, from figures that the daemon would have reported.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION dts;
BEGIN;
SELECT * FROM no_plan();
SELECT dts_create_endpoint('a', 'postgresql', 'host=a'), dts_create_endpoint('b', 'postgresql', 'host=b');
SELECT dts_create_job('j', 'a', 'b'), dts_create_job('whole', 'a', 'b', 'migration', '{"phases": ["schema", "full"]}'), dts_create_job('stream', 'a', 'b', options => '{"phases": ["incremental"]}');
UPDATE dts.job_lease SET epoch = 1, owner = 'd', until = now() + interval '1 h';
CREATE FUNCTION pg_temp.id(job text) RETURNS bigint LANGUAGE sql AS $$ SELECT id FROM dts.job WHERE name = $1 $$;
CREATE FUNCTION pg_temp.put(job text, s text, p text) RETURNS void LANGUAGE sql AS $$ UPDATE dts.job SET state = s, phase = p, footprint = true WHERE name = $1 $$;
CREATE FUNCTION pg_temp.says(job text, i text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', value, unit, '+' || round(extract(epoch FROM at - clock_timestamp())::numeric), basis) FROM dts_forecast(job) WHERE item = i $$;
CREATE FUNCTION pg_temp.figures(job text, f jsonb) RETURNS bool LANGUAGE sql AS $$
	SELECT dts.daemon_checks(pg_temp.id(job), 1, jsonb_build_object('checks', '[{"item": "x", "result": "pass", "detail": "", "remedy": ""}]'::jsonb, 'figures', f)) $$;
CREATE FUNCTION pg_temp.tables(job text, VARIADIC t jsonb[]) RETURNS bool LANGUAGE sql AS $$
	SELECT dts.daemon_tables(pg_temp.id(job), 1, (SELECT jsonb_agg('{"schema": "s", "parts": 1, "parts_done": 0, "parts_active": 1}'::jsonb || x || jsonb_build_object('table', 't' || n)) FROM unnest(t) WITH ORDINALITY u(x, n))) $$;
CREATE FUNCTION pg_temp.slot(retained numeric, left_bytes numeric, rate float8, applied float8) RETURNS void LANGUAGE sql AS $$
	DELETE FROM dts.slot_sample;
	INSERT INTO dts.slot_sample (job_id, retained_bytes, left_bytes, bytes_per_second, applied_per_second, sampled_at, tried_at)
		VALUES (pg_temp.id('j'), retained, left_bytes, rate, applied, now(), now()) $$;

-- nothing is known yet
SELECT matches(pg_temp.says('j', 'copy'), '^s sizes are not known: SELECT dts_check_job', 'a job that was not checked');
SELECT matches(pg_temp.says('j', 'wal_limit'), 'not known: SELECT dts_check_job', 'says what is lacking');
SELECT is_empty($$SELECT * FROM dts_forecast('stream') WHERE item IN ('copy', 'target_disk')$$, 'a job that copies nothing');
SELECT is_empty($$SELECT * FROM dts_forecast('whole') WHERE item IN ('source_wal', 'wal_limit', 'catch_up')$$, 'and one that follows nothing');
SELECT throws_ok($$SELECT * FROM dts_forecast('nope')$$, '42704', NULL, 'an unknown job');

-- what the precheck saw: 2000 MB of tables, 1000 MB of indexes, 1 MB/s of WAL
SELECT ok(pg_temp.figures('j', '{"table_bytes": 2097152000, "index_bytes": 1048576000, "wal_bytes_per_second": 1048576, "wal_limit_bytes": 209715200}'), 'figures are stored');
SELECT is(pg_temp.says('j', 'copy'), '100.0 s +100 2000 MB left at 20 MB/s, assumed until the load runs; indexes come after it', 'copying');
SELECT matches(pg_temp.says('j', 'target_disk'), '^3145728000 bytes what is to be copied', 'tables and indexes');
SELECT matches(pg_temp.says('j', 'source_wal'), '^104857600 bytes \+100 retained when all is copied; the source writes 1024 kB/s', 'WAL while it is copied');
SELECT matches(pg_temp.says('j', 'wal_limit'), '^209715200 bytes \+200 until the source gives the slot up, which comes after', 'the limit is far enough');
SELECT matches(pg_temp.says('j', 'catch_up'), '^5\.3 s \+105 100 MB of WAL at 20 MB/s, assumed', 'catching up');
SELECT pg_temp.figures('j', '{"table_bytes": 2097152000, "index_bytes": 0, "wal_bytes_per_second": 31457280, "wal_limit_bytes": 209715200}');
SELECT matches(pg_temp.says('j', 'wal_limit'), '\+7 the slot would be lost before all is copied: raise', 'a limit that is too near');
SELECT matches(pg_temp.says('j', 'catch_up'), '^s never at this rate: 20 MB/s are applied, 30 MB/s are written', 'a source that writes faster than is applied');
SELECT pg_temp.figures('j', '{"table_bytes": 2097152000, "index_bytes": 0}');
SELECT matches(pg_temp.says('j', 'wal_limit'), 'has no limit', 'no limit');
SELECT matches(pg_temp.says('j', 'catch_up'), '^s how fast the source writes WAL is not known yet', 'a rate that is not known is not made up');
SELECT dts_set_throttle('j', 'full', '{"mb_per_second": 10}');
SELECT is(pg_temp.says('j', 'copy'), '200.0 s +200 2000 MB left at 10 MB/s, as throttled; indexes come after it', 'a throttle counts');
SELECT dts_set_throttle('j', 'full', NULL);

-- while it loads: as measured.  The large table decides though it is but a little of the whole rate.
SELECT pg_temp.put('j', 'running', 'full');
SELECT pg_temp.tables('j', '{"phase": "copying", "rows_estimated": 1000, "rows_done": 500, "bytes_estimated": 104857600, "bytes_done": 1, "rows_per_second": 100, "bytes_per_second": 77}',
	'{"phase": "waiting", "rows_estimated": 1000, "rows_done": 0, "bytes_estimated": 52428800, "bytes_done": 0, "rows_per_second": 0, "bytes_per_second": 0}',
	'{"phase": "incremental", "rows_estimated": 1, "rows_done": 1, "bytes_estimated": 1073741824, "bytes_done": 1, "rows_per_second": 5, "bytes_per_second": 9}');
SELECT is(pg_temp.says('j', 'copy'), '10.0 s +10 100 MB left at 10 MB/s, as measured now; indexes come after it', 'by rows, in bytes of the disk, what is done left out');
SELECT pg_temp.tables('j', '{"phase": "copying", "rows_estimated": 1000, "rows_done": 500, "bytes_estimated": 104857600, "bytes_done": 1, "rows_per_second": 1, "bytes_per_second": 77}',
	'{"phase": "copying", "rows_estimated": 1000, "rows_done": 500, "bytes_estimated": 104857600, "bytes_done": 1, "rows_per_second": 999, "bytes_per_second": 77}');
SELECT matches(pg_temp.says('j', 'copy'), '^500\.0 s \+500', 'a table in one piece takes its own time, whatever the others do');
SELECT results_eq('SELECT job, what, percent, more FROM dts.daemon_bars()', $$VALUES ('j', 'full', 91.8, '1 of 3 tables, 100 MB left, ends in 00:08:20')$$, 'the bar says the same');
UPDATE dts.job SET state = 'paused' WHERE name = 'j';
SELECT matches(pg_temp.says('j', 'copy'), 'assumed until the load runs', 'what a job did before it stood still says nothing');
SELECT is_empty('SELECT * FROM dts.daemon_bars()', 'and it has no bar');

-- a skewed table: five parts of narrow rows are done, which is nearly all rows and half of the bytes
UPDATE dts.job SET state = 'running' WHERE name = 'j';
CREATE FUNCTION pg_temp.part(p text, r numeric, b numeric, rr numeric DEFAULT 0, br numeric DEFAULT 0) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('phase', p, 'rows_estimated', 1000, 'rows_done', r, 'bytes_estimated', 100 << 20, 'bytes_done', b * (1 << 20), 'rows_per_second', rr, 'bytes_per_second', br * (1 << 20)) $$;
SELECT pg_temp.tables('j', jsonb_build_object('phase', 'copying', 'parts', 10, 'parts_done', 5, 'rows_estimated', 10000, 'rows_done', 9910, 'bytes_estimated', 1000 << 20, 'bytes_done', 255 << 20,
		'rows_per_second', 2, 'bytes_per_second', 1 << 20,
		'part_list', (SELECT jsonb_agg(pg_temp.part('copied', 1980, 50)) FROM generate_series(1, 5)) || pg_temp.part('copying', 10, 5, 2, 1) || (SELECT jsonb_agg(pg_temp.part('waiting', 0, 0)) FROM generate_series(1, 4))),
	'{"phase": "incremental", "bytes_estimated": 5}');
SELECT is(row(percent, estimated_end - updated)::text, '(51.0,00:04:05)', 'its end goes by bytes: rows would say 99 % and 45 s') FROM dts_job_tables WHERE table_name = 't1';
SELECT is(pg_temp.says('j', 'copy'), '245.0 s +245 490 MB left at 2048 kB/s, as measured now; indexes come after it', 'and so does the forecast, in bytes of the disk');
-- one part is slower than all the others together
SELECT pg_temp.tables('j', jsonb_build_object('phase', 'copying', 'parts', 3, 'parts_done', 1, 'rows_estimated', 3000, 'rows_done', 2500, 'bytes_estimated', 300 << 20, 'bytes_done', 130 << 20,
		'rows_per_second', 102, 'bytes_per_second', 10 << 20,
		'part_list', jsonb_build_array(pg_temp.part('copied', 1000, 50), pg_temp.part('copying', 900, 45, 100, 9.9), pg_temp.part('copying', 700, 35, 2, 0.1))),
	'{"phase": "incremental", "bytes_estimated": 5}');
SELECT is(row(percent, estimated_end - updated)::text, '(86.7,00:02:30)', 'the slowest part decides') FROM dts_job_tables WHERE table_name = 't1';
-- before a part is done nothing tells what a byte becomes on the way
SELECT pg_temp.tables('j', jsonb_build_object('phase', 'copying', 'parts', 2, 'parts_done', 0, 'rows_estimated', 2000, 'rows_done', 500, 'bytes_estimated', 200 << 20, 'bytes_done', 25 << 20,
		'rows_per_second', 100, 'bytes_per_second', 5 << 20,
		'part_list', jsonb_build_array(pg_temp.part('copying', 500, 25, 100, 5), pg_temp.part('waiting', 0, 0))),
	'{"phase": "incremental", "bytes_estimated": 5}');
SELECT is(row(percent, estimated_end - updated)::text, '(25.0,00:00:15)', 'then rows count') FROM dts_job_tables WHERE table_name = 't1';

-- the stream
SELECT pg_temp.tables('j', '{"phase": "incremental", "bytes_estimated": 5}', '{"phase": "incremental", "bytes_estimated": 5}');
SELECT pg_temp.put('j', 'running', 'incremental');
SELECT dts.daemon_progress(pg_temp.id('j'), 1, '{"source_end": "0/6400000", "durable": "0/0", "caught_up": false, "rows_per_second": 10}');
SELECT pg_temp.slot(209715200, 1073741824, 1048576, 3145728);
SELECT is_empty($$SELECT * FROM dts_forecast('j') WHERE item = 'copy'$$, 'when all is copied nothing is to be');
SELECT matches(pg_temp.says('j', 'catch_up'), '^50\.0 s \+50 100 MB of WAL at 3072 kB/s, as measured, while 1024 kB/s are written', 'the backlog at the measured rate');
SELECT matches(pg_temp.says('j', 'wal_limit'), '^1073741824 bytes \+1024 until', 'what is left of the limit');
SELECT pg_temp.slot(209715200, NULL, 1048576, 524288);
SELECT matches(pg_temp.says('j', 'catch_up'), 'never at this rate: 512 kB/s are applied, 1024 kB/s are written', 'a stream that falls behind');
SELECT dts.daemon_progress(pg_temp.id('j'), 1, '{"source_end": "0/6400000", "durable": "0/6400000", "caught_up": true, "lag_us": 0, "rows_per_second": 10}');
SELECT is(pg_temp.says('j', 'catch_up'), '0 s +0 the target is in step', 'in step');
SELECT matches(more, '^lag [0-9.]+ s, 10 rows/s$', 'a stream has a lag and a rate, and no bar') FROM dts.daemon_bars() WHERE percent IS NULL;
SELECT is(count(*), 1::bigint, 'one line for each job') FROM dts.daemon_bars();
UPDATE dts.job SET state = 'stopped' WHERE name = 'j';
SELECT is_empty($$SELECT * FROM dts_forecast('j')$$, 'what has ended has no future');

-- samples of the slot tell how fast the job gets over WAL
DELETE FROM dts.slot_sample;
SELECT dts.daemon_slot(pg_temp.id('j'), '{"active": true, "current_lsn": "0/1000000", "confirmed_lsn": "0/500000", "retained_bytes": 1}');
UPDATE dts.slot_sample SET sampled_at = clock_timestamp() - interval '10 s';
SELECT dts.daemon_slot(pg_temp.id('j'), '{"active": true, "current_lsn": "0/1000000", "confirmed_lsn": "0/A00000", "retained_bytes": 1}');
SELECT is(round(applied_per_second / 52428.8)::int, 10, 'applied per second') FROM dts.slot_sample;
SELECT * FROM finish();
ROLLBACK;
