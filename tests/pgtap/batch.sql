-- Actions on many jobs in one call: a row for each job, refusals as rows, and nothing that one job's refusal does to another.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION dts;
BEGIN;
SELECT * FROM no_plan();
SELECT dts_create_endpoint('a', 'postgresql', 'host=a'), dts_create_endpoint('b', 'postgresql', 'host=b');
SELECT dts_create_job('j' || i, 'a', 'b') FROM generate_series(1, 100) i;
CREATE FUNCTION pg_temp.names(VARIADIC n int[]) RETURNS text[] LANGUAGE sql AS $$ SELECT array_agg('j' || i ORDER BY ord) FROM unnest(n) WITH ORDINALITY u(i, ord) $$;

-- every action has its array form, with one row per job
SELECT is_empty($$SELECT function FROM dts.job_actions() a WHERE NOT EXISTS (SELECT FROM pg_proc p WHERE p.proname = a.function
	AND p.proargtypes[0] = 'text[]'::regtype AND p.proretset AND p.proargnames @> '{jobs,job,accepted,message}')$$, 'every action takes an array of names');

-- a hundred at once
SELECT is(count(*) FILTER (WHERE accepted), 100::bigint, 'a hundred jobs in one call') FROM dts_check_job((SELECT array_agg(job) FROM dts_jobs));
SELECT is(count(*), 100::bigint, 'each is asked') FROM dts_jobs WHERE wish = 'check';
SELECT is(count(*) FILTER (WHERE NOT accepted AND message LIKE '%has not yet carried out "check". See that%'), 100::bigint, 'and none twice, with the remedy')
	FROM dts_check_job((SELECT array_agg(job) FROM dts_jobs));

-- mixed: the order of the array, each job once, refusals with their reason
UPDATE dts.job SET wish = NULL;
UPDATE dts.job SET state = 'running' WHERE name IN ('j1', 'j2');
SELECT results_eq($$SELECT job, accepted, split_part(message, '. ', 1) FROM dts_pause_job(pg_temp.names(3, 2, 1000, 1, 2) || NULL::text)$$, $$VALUES
	('j3', false, 'job "j3" is in state "draft", which does not allow "pause"'),
	('j2', true, 'pause of job "j2" requested'),
	('j1000', false, 'job "j1000" does not exist'),
	('j1', true, 'pause of job "j1" requested'),
	(NULL, false, 'job "(null)" does not exist')$$, 'what does not qualify is listed, the rest goes on');
SELECT is(message LIKE '%It allows: dts_configure_job, %', true, 'a refusal says what the state allows') FROM dts_pause_job(ARRAY['j3']);
SELECT is(array_agg(job ORDER BY job), '{j1,j2}', 'the others are not touched') FROM dts_jobs WHERE wish IS NOT NULL;
SELECT is_empty('SELECT * FROM dts_stop_job(ARRAY[]::text[])', 'an empty array does nothing');
SELECT throws_ok('SELECT * FROM dts_stop_job(NULL::text[])', '22004', NULL, 'a null one is a mistake');
SELECT lives_ok($$SELECT dts_stop_job('j3')$$, 'a name alone is still one job');
SELECT is(count(*) FILTER (WHERE accepted), 2::bigint, 'options for many') FROM dts_configure_job(pg_temp.names(4, 5, 1), '{"workers": 3}');
SELECT is(options ->> 'workers', '3', 'are stored') FROM dts.job WHERE name = 'j5';
SELECT is(message, 'invalid value of option $.workers. It must be a whole number from 0 to 64.', 'or refused, one by one')
	FROM dts_configure_job(ARRAY['j6'], '{"workers": -1}');

-- acts that need no daemon
UPDATE dts.job SET state = 'stopped', wish = NULL WHERE name IN ('j7', 'j8');
SELECT is(bool_and(accepted), true, 'isolate') FROM dts_isolate_job(pg_temp.names(7, 8));
SELECT is(string_agg(accepted::text, ' '), 'true true false', 'destroy') FROM dts_destroy_job(pg_temp.names(7, 8, 1));
SELECT is(count(*), 98::bigint, 'they are gone, the refused one is not') FROM dts_jobs;

-- who asked is on record, and who may not is refused as ever
CREATE ROLE batch_viewer; GRANT dts_viewer TO batch_viewer;
CREATE ROLE batch_operator; GRANT dts_operator TO batch_operator;
SET LOCAL ROLE batch_operator;
SELECT is(bool_and(accepted), true, 'an operator may') FROM dts_check_job(ARRAY['j9']);
SELECT is(wish_by, 'batch_operator', 'under its own name') FROM dts_jobs WHERE job = 'j9';
SET LOCAL ROLE batch_viewer;
SELECT throws_ok($$SELECT * FROM dts_check_job(ARRAY['j10'])$$, '42501', NULL, 'a viewer may not');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
