-- Tables of a running job: what is refused at once, what is asked, how it is answered, what becomes of the options.
SET client_min_messages = warning;
CREATE EXTENSION dts;
\set SHOW_CONTEXT never
SELECT dts_create_endpoint('a', 'postgresql', 'host=a'), dts_create_endpoint('b', 'postgresql', 'host=b');
SELECT dts_create_job('j', 'a', 'b', options => '{"objects": [{"schema": "app", "tables": ["t", "u"]}, {"schema": "whole"}], "exclude": [{"schema": "gone"}, {"schema": "whole", "tables": ["out"]}]}');

-- not in this state, not in this phase
SELECT dts_add_tables('j', '{app.v}');
UPDATE dts.job SET state = 'running', phase = 'full';
SELECT dts_reload_table('j', 'app.t');
UPDATE dts.job SET state = 'paused', phase = 'incremental';
SELECT dts_remove_tables('j', '{app.t}');
UPDATE dts.job SET state = 'running';

-- names
SELECT dts_add_tables('nope', '{app.v}');
SELECT dts_add_tables('j', NULL);
SELECT dts_add_tables('j', '{}');
SELECT dts_add_tables('j', '{v}');
SELECT dts_add_tables('j', '{a.b.c}');
SELECT dts_add_tables('j', ARRAY[NULL]);
SELECT dts_add_tables('j', '{"app.\"v"}');
SELECT dts_add_tables('j', '{app.v,APP.V}');
SELECT dts_reload_table('j', NULL);
SELECT dts_remove_tables('j', '{pg_catalog.pg_class}');
SELECT dts_remove_tables('j', '{dts.job}');

-- what the options say
SELECT dts_add_tables('j', '{app.t}');
SELECT dts_add_tables('j', '{gone.t}');
INSERT INTO dts.job_table (job_id, schema_name, table_name) SELECT id, 'whole', 'x' FROM dts.job;
SELECT dts_add_tables('j', '{whole.x}');
SELECT count(*) AS asked FROM dts_job_changes;

-- a wish comes first
UPDATE dts.job SET wish = 'pause', wish_by = 'me';
SELECT dts_add_tables('j', '{app.v}');
UPDATE dts.job SET wish = NULL;

-- asked, in order; the daemon sees the oldest
SELECT dts_add_tables('j', '{app.v,"whole.\"Out of\""}');
SELECT dts_remove_tables('j', '{app.u}');
SELECT dts_reload_table('j', 'whole.x');
SELECT dts_add_tables('j', '{whole.out,new.n}');
SELECT action, tables, state FROM dts_job_changes ORDER BY id;
UPDATE dts.job_lease SET epoch = 3, owner = 'd', until = now() + interval '1 day';
SELECT change::jsonb - 'id' AS change FROM dts.daemon_poll(1, 3, '15 s');
SELECT change::jsonb - 'id' AS change FROM dts.daemon_job(1, 3);
SELECT change FROM dts.daemon_poll(1, 2, '15 s');

-- answered
CREATE FUNCTION answer(tables jsonb, refusal jsonb, epoch int DEFAULT 3) RETURNS bool LANGUAGE sql
	AS $$ SELECT dts.daemon_change(1, epoch, (dts.change_next(1)::jsonb ->> 'id')::int8, tables, refusal) $$;
SELECT answer('[]', NULL, 2) AS ours;
SELECT answer('[{"oid": 1, "schema": "app", "name": "v"}]', '{"message": "table is bad", "detail": "Because.", "hint": "Mend it."}');
SELECT options FROM dts.job;
SELECT answer('[{"oid": 1, "schema": "app", "name": "u"}]', NULL);
SELECT options FROM dts.job;
SELECT answer('[{"oid": 2, "schema": "whole", "name": "x"}]', NULL);
SELECT options FROM dts.job;
SELECT answer('[{"oid": 3, "schema": "whole", "name": "out"}, {"oid": 4, "schema": "new", "name": "n"}]', NULL);
SELECT options FROM dts.job;
SELECT dts.daemon_change(1, 3, 1, '[]', NULL) AS again;
SELECT action, state, message, hint, answered_at IS NOT NULL AS answered FROM dts_job_changes ORDER BY id;
SELECT severity, event, message FROM dts_job_events WHERE event LIKE 'tables%' ORDER BY id;

-- a partitioned table goes with its partitions, a last table by exclusion; coming back undoes that
SELECT dts_remove_tables('j', '{app.t,new.n,whole.p}');
SELECT answer('[{"oid": 5, "schema": "app", "name": "t"}, {"oid": 4, "schema": "new", "name": "n"}, {"oid": 6, "schema": "whole", "name": "p_1"}]', NULL);
SELECT options FROM dts.job;
SELECT dts.options_check(options, 'sync') = options AS still_valid FROM dts.job;
SELECT dts_add_tables('j', '{app.t,app.t2}');
SELECT answer('[]', NULL);
SELECT options FROM dts.job;

SELECT dts_add_tables('j', '{whole.p}');
SELECT answer('[{"oid": 6, "schema": "whole", "name": "p_1"}]', NULL);
SELECT options -> 'exclude' AS exclude FROM dts.job;

-- a job that ends takes its requests along
SELECT dts_reload_table('j', 'app.t');
SELECT dts.job_set_state(1, 'running', 'stopping', 'WISH_STOP', 'me', NULL, NULL, NULL, NULL);
SELECT action, state, message FROM dts_job_changes ORDER BY id DESC LIMIT 1;
SELECT dts_add_tables('j', '{a.b}');
DROP FUNCTION answer;
DROP EXTENSION dts CASCADE;
