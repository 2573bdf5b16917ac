-- Who may do what, tried with real roles: every function of the surface, every view, and every place where a secret lies.
SET client_min_messages = warning;
SET search_path = public;
CREATE EXTENSION dts;
BEGIN;
SELECT * FROM no_plan();
SELECT dts_create_endpoint('a', 'postgresql', 'host=/nowhere password=t0psecret'), dts_create_endpoint('b', 'postgresql', 'host=/nowhere password=t0psecret');
SELECT dts_create_job('j', 'a', 'b');
SELECT dts_set_alert('j', '{"method": "webhook", "url": "https://open.feishu.cn/t0psecret?t0psecret", "secret": "t0psecret"}'), dts_test_alert('j');
CREATE ROLE role_none; CREATE ROLE role_viewer; CREATE ROLE role_operator; CREATE ROLE role_admin; CREATE ROLE role_daemon;
GRANT dts_viewer TO role_viewer; GRANT dts_operator TO role_operator; GRANT dts_admin TO role_admin; GRANT dts_daemon TO role_daemon;
GRANT USAGE ON FOREIGN SERVER a, b TO role_operator;

-- How each function is called, and the least role that may.
CREATE TEMP TABLE call (rank int, sql text);
INSERT INTO call VALUES
	(1, $$dts_check_results('j')$$), (1, $$dts_describe_job('j')$$), (1, 'dts_metrics_text()'), (1, $$dts_forecast('j')$$), (1, $$dts_job_stats('j')$$),
	(2, $$dts_modify_objects('j', '[]')$$), (2, $$dts_add_tables('j', '{a.b}')$$), (2, $$dts_remove_tables('j', '{a.b}')$$), (2, $$dts_reload_table('j', 'a.b')$$), (2, $$dts_approve_ddl('j')$$), (2, $$dts_setup_script('j', 'source')$$), (2, $$dts_skip_ddl('j')$$), (2, $$dts_set_ddl('j', '"apply"')$$),
	(2, $$dts_create_job('k', 'a', 'b')$$), (2, $$dts_configure_job('j', '{}')$$), (2, $$dts_check_job('j')$$), (2, $$dts_ignore_check('j', 'x')$$),
	(2, $$dts_start_job('j')$$), (2, $$dts_unschedule_job('j')$$), (2, $$dts_pause_job('j')$$), (2, $$dts_resume_job('j')$$), (2, $$dts_retry_job('j')$$),
	(2, $$dts_resize_job('j', 2)$$), (2, $$dts_set_throttle('j', 'full', NULL)$$), (2, $$dts_complete_job('j')$$), (2, $$dts_reset_job('j')$$), (2, $$dts_stop_job('j')$$), (2, $$dts_isolate_job('j')$$),
	(2, $$dts_recover_job('j')$$), (2, $$dts_destroy_job('j')$$), (2, $$dts_clone_job('j', 'l')$$), (2, $$dts_forget_leftovers('j')$$), (2, $$dts_test_endpoint('a')$$),
	(2, $$dts_set_alert('j', '{"method": "pg_notify", "channel": "c"}')$$), (2, $$dts_drop_alert('j')$$), (2, $$dts_test_alert('j')$$), (2, $$dts_report_comparison('j', 'x')$$),
	(3, $$dts_create_endpoint('c', 'postgresql', 'host=c')$$), (3, $$dts_drop_endpoint('c')$$), (3, $$dts_allow_alert_host('h')$$),
	(3, $$dts_refuse_alert_host('h')$$), (3, $$dts_purge_events('1 day')$$), (3, $$dts_limit_connections('a', 10)$$);
INSERT INTO call SELECT rank, replace(sql, $$('j'$$, $$(ARRAY['j']$$) FROM call WHERE sql ~ '^dts_(check_job|modify|ignore|start|unsch|pause|resume|retry|resize|complete|reset|stop|isol|recover|destroy|configure|set_|drop_a|test_a)';
SELECT is_empty($$SELECT DISTINCT p.proname, p.pronargs > 0 AND p.proargtypes[0] = 'text[]'::regtype FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid
		WHERE e.extname = 'dts' AND p.pronamespace = 'public'::regnamespace AND p.prokind = 'f' AND d.classid = 'pg_proc'::regclass
	EXCEPT SELECT split_part(sql, '(', 1), sql LIKE '%(ARRAY%' FROM call$$, 'every function of the surface is tried');
-- Whether the role may: what the function itself refuses is another matter.
CREATE FUNCTION pg_temp.may(role text, statement text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE format('SET LOCAL ROLE %I', role);
		EXECUTE 'SELECT * FROM ' || statement;
		RAISE EXCEPTION 'undo' USING ERRCODE = 'P0999';
	EXCEPTION
		WHEN insufficient_privilege THEN RETURN sqlerrm NOT LIKE 'permission denied for function%' AND sqlerrm NOT LIKE 'permission denied for schema%'
			AND sqlerrm NOT LIKE 'permission denied for table%' AND sqlerrm NOT LIKE 'permission denied for view%';
		WHEN OTHERS THEN RETURN true;
	END;
END
$$;
SELECT is_empty($$SELECT r.role, c.sql, c.rank FROM call c, (VALUES ('role_none', 0), ('role_viewer', 1), ('role_operator', 2), ('role_admin', 3), ('role_daemon', 0)) r(role, rank)
	WHERE pg_temp.may(r.role, c.sql) <> (r.rank >= c.rank)$$, 'each function can be called by its role and those above, and by nobody else');

-- procedures, which cannot be tried within a query
SELECT is(string_agg(p.oid::regprocedure || ' ' || r.role || ' ' || has_function_privilege(r.role, p.oid, 'EXECUTE'), ', ' ORDER BY p.oid::regprocedure::text, r.rank),
		'dts_wait(text,text,interval) role_none false, dts_wait(text,text,interval) role_viewer false, dts_wait(text,text,interval) role_operator true, dts_wait(text,text,interval) role_admin true',
		'an operator may wait, a viewer may not')
	FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'dts',
		(VALUES (0, 'role_none'), (1, 'role_viewer'), (2, 'role_operator'), (3, 'role_admin')) r(rank, role)
	WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'p';
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'dts'
	WHERE p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0)$$, 'nothing of the extension''s may be called by everybody');

-- views and tables
CREATE TEMP VIEW seen AS SELECT c.oid::regclass::text AS name, n.nspname = 'public' AS open FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'dts' WHERE c.relkind IN ('r', 'v');
SELECT is_empty($$SELECT r, name FROM seen, unnest('{role_none,role_viewer,role_operator,role_admin,role_daemon}'::text[]) r
	WHERE pg_temp.may(r, name) <> (open AND r IN ('role_viewer', 'role_operator', 'role_admin'))$$, 'views are for viewers and those above, tables for nobody');
SELECT is_empty($$SELECT r, p.oid::regprocedure FROM pg_proc p, unnest('{role_none,role_viewer,role_operator,role_admin}'::text[]) r WHERE pronamespace = 'dts'::regnamespace
	AND proname LIKE 'daemon\_%' AND has_function_privilege(r, p.oid, 'EXECUTE')$$, 'what the daemon calls is for the daemon');

-- secrets
CREATE FUNCTION pg_temp.reads(role text, relation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	EXECUTE format('SELECT string_agg(x::text, '' '') FROM %s x', relation) INTO said;
	RESET ROLE;
	RETURN said;
EXCEPTION WHEN insufficient_privilege THEN
	RETURN NULL;
END
$$;
SELECT is_empty($$SELECT r, name FROM unnest('{role_none,role_viewer,role_operator,role_admin}'::text[]) r,
		(SELECT name FROM seen UNION ALL SELECT unnest('{pg_user_mappings,pg_user_mapping,pg_foreign_server,information_schema.user_mapping_options,information_schema.foreign_server_options,pg_stat_activity}'::text[])) n
	WHERE name <> 'pg_stat_activity' AND pg_temp.reads(r, name) LIKE '%t0psecret%'$$, 'no role but the daemon''s reads a secret from any view or table');
SELECT is_empty($$SELECT r FROM unnest('{role_viewer,role_operator,role_admin}'::text[]) r WHERE pg_temp.reads(r, 'dts_describe_job(''j'')') LIKE '%t0psecret%'
	OR pg_temp.reads(r, 'dts_metrics_text()') LIKE '%t0psecret%'$$, 'nor from what describes a job');
SELECT ok(pg_temp.reads('role_viewer', 'dts_alerts') LIKE '%open.feishu.cn%', 'the rule itself is seen, so the search looks at something');
UPDATE dts.job_lease SET epoch = 1, owner = 'd';
SELECT ok(pg_temp.reads('role_daemon', 'dts.daemon_job(1, 1)') LIKE '%t0psecret%', 'the daemon reads what it needs');
-- an operator without USAGE on an endpoint gets nothing of it by way of another's job
REVOKE USAGE ON FOREIGN SERVER a FROM role_operator;
SET LOCAL ROLE role_operator;
SELECT throws_like($$SELECT dts_clone_job('j', 'mine')$$, 'permission denied for endpoint "a"', 'a copy needs USAGE as the original did');
SELECT throws_like($$SELECT dts_test_endpoint('a')$$, 'permission denied for endpoint "a"', 'and so does a test');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
