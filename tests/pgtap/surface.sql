-- The SQL surface of the extension: what exists, of which form, who may use it, that it is documented in place.
SET client_min_messages = warning;
SET search_path = public;
CREATE SCHEMA "Other place";
CREATE EXTENSION dts SCHEMA "Other place";
BEGIN;
SELECT * FROM no_plan();

-- members of the extension
CREATE TEMP VIEW member AS
	SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'dts';
CREATE TEMP VIEW routine AS SELECT p.*, n.nspname FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
	JOIN pg_namespace n ON n.oid = p.pronamespace;
CREATE TEMP VIEW relation AS SELECT c.*, n.nspname FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
	JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v');

SELECT is(extversion, '1.0', 'version') FROM pg_extension WHERE extname = 'dts';
SELECT ok(NOT extrelocatable, 'not relocatable') FROM pg_extension WHERE extname = 'dts';

-- what an operator calls
CREATE TEMP TABLE surface (name text, arguments text, result text, role text);
INSERT INTO surface VALUES
	('dts_create_endpoint', 'name text, engine text, conninfo text', 'text', 'dts_admin'),
	('dts_drop_endpoint', 'name text', 'text', 'dts_admin'),
	('dts_test_endpoint', 'name text, OUT endpoint text, OUT engine text, OUT version text, OUT role text, OUT database text, OUT encoding text, OUT tls text, OUT in_recovery boolean, OUT connect_ms double precision, OUT latency_ms double precision', 'record', 'dts_operator'),
	('dts_create_job', 'job text, source text, target text, kind text DEFAULT ''sync''::text, options jsonb DEFAULT ''{}''::jsonb', 'text', 'dts_operator'),
	('dts_configure_job', 'job text, options jsonb', 'text', 'dts_operator'),
	('dts_check_job', 'job text', 'text', 'dts_operator'),
	('dts_check_results', 'job text, OUT item text, OUT result text, OUT detail text, OUT remedy text, OUT ignored boolean', 'SETOF record', 'dts_viewer'),
	('dts_start_job', 'job text, at timestamp with time zone DEFAULT NULL::timestamp with time zone', 'text', 'dts_operator'),
	('dts_unschedule_job', 'job text', 'text', 'dts_operator'),
	('dts_ignore_check', 'job text, item text', 'text', 'dts_operator'),
	('dts_resize_job', 'job text, workers integer, apply_workers integer DEFAULT NULL::integer', 'text', 'dts_operator'),
	('dts_set_throttle', 'job text, phase text, limits jsonb', 'text', 'dts_operator'),
	('dts_complete_job', 'job text, mode text DEFAULT ''wait_for_sync''::text', 'text', 'dts_operator'),
	('dts_reset_job', 'job text', 'text', 'dts_operator'),
	('dts_clone_job', 'job text, name text', 'text', 'dts_operator'),
	('dts_forget_leftovers', 'job text', 'text', 'dts_operator'),
	('dts_set_alert', 'job text, rule jsonb', 'text', 'dts_operator'),
	('dts_drop_alert', 'job text', 'text', 'dts_operator'),
	('dts_test_alert', 'job text', 'text', 'dts_operator'),
	('dts_report_comparison', 'job text, difference text', 'text', 'dts_operator'),
	('dts_allow_alert_host', 'host text, plain_http boolean DEFAULT false, internal boolean DEFAULT false', 'text', 'dts_admin'),
	('dts_refuse_alert_host', 'host text', 'text', 'dts_admin'),
	('dts_limit_connections', 'endpoint text, connections integer', 'text', 'dts_admin'),
	('dts_purge_events', 'older_than interval', 'bigint', 'dts_admin'),
	('dts_metrics_text', '', 'text', 'dts_viewer'),
	('dts_forecast', 'job text, OUT item text, OUT value numeric, OUT unit text, OUT at timestamp with time zone, OUT basis text', 'SETOF record', 'dts_viewer'),
	('dts_pause_job', 'job text', 'text', 'dts_operator'),
	('dts_resume_job', 'job text', 'text', 'dts_operator'),
	('dts_retry_job', 'job text', 'text', 'dts_operator'),
	('dts_stop_job', 'job text, force boolean DEFAULT false', 'text', 'dts_operator'),
	('dts_isolate_job', 'job text', 'text', 'dts_operator'),
	('dts_recover_job', 'job text', 'text', 'dts_operator'),
	('dts_destroy_job', 'job text, force boolean DEFAULT false', 'text', 'dts_operator'),
	('dts_job_stats', 'job text, OUT measure text, OUT total numeric, OUT per_second numeric, OUT unit text, OUT meaning text', 'SETOF record', 'dts_viewer'),
	('dts_modify_objects', 'job text, objects jsonb', 'text', 'dts_operator'),
	('dts_add_tables', 'job text, tables text[]', 'text', 'dts_operator'),
	('dts_remove_tables', 'job text, tables text[]', 'text', 'dts_operator'),
	('dts_reload_table', 'job text, table_name text', 'text', 'dts_operator'),
	('dts_setup_script', 'job text, side text', 'text', 'dts_operator'),
	('dts_approve_ddl', 'job text', 'text', 'dts_operator'),
	('dts_skip_ddl', 'job text', 'text', 'dts_operator'),
	('dts_set_ddl', 'job text, ddl jsonb', 'text', 'dts_operator'),
	('dts_describe_job', 'job text', 'jsonb', 'dts_viewer'),
	('dts_wait', 'job text, until text, timeout interval DEFAULT ''01:00:00''::interval', NULL, 'dts_operator');
INSERT INTO surface SELECT f, 'jobs text[], ' || more || 'OUT job text, OUT accepted boolean, OUT message text', 'SETOF record', 'dts_operator'
	FROM (VALUES ('dts_check_job', ''), ('dts_pause_job', ''), ('dts_resume_job', ''), ('dts_retry_job', ''), ('dts_isolate_job', ''), ('dts_recover_job', ''),
		('dts_destroy_job', 'force boolean DEFAULT false, '), ('dts_start_job', 'at timestamp with time zone DEFAULT NULL::timestamp with time zone, '), ('dts_stop_job', 'force boolean DEFAULT false, '),
		('dts_configure_job', 'options jsonb, '), ('dts_unschedule_job', ''), ('dts_reset_job', ''), ('dts_complete_job', 'mode text DEFAULT ''wait_for_sync''::text, '),
		('dts_resize_job', 'workers integer, apply_workers integer DEFAULT NULL::integer, '), ('dts_modify_objects', 'objects jsonb, '), ('dts_set_throttle', 'phase text, limits jsonb, '), ('dts_set_ddl', 'ddl jsonb, '), ('dts_ignore_check', 'item text, '), ('dts_set_alert', 'rule jsonb, '), ('dts_drop_alert', ''), ('dts_test_alert', '')) v(f, more);
SELECT set_eq($$SELECT proname::text, regexp_replace(pg_get_function_arguments(oid), '\mIN ', '', 'g'), pg_get_function_result(oid) FROM routine WHERE nspname = 'Other place'$$,
	'SELECT name, arguments, result FROM surface', 'the functions of the surface, and no others, lie in the extension''s schema');
SELECT is(p.prokind, CASE s.name WHEN 'dts_wait' THEN 'p' ELSE 'f' END::"char", s.name || ' is of the right kind')
	FROM surface s JOIN routine p ON p.proname = s.name;
SELECT set_eq($$SELECT relname::text FROM relation WHERE nspname = 'Other place'$$,
	ARRAY['dts_jobs', 'dts_job_tables', 'dts_job_parts', 'dts_job_events', 'dts_job_changes', 'dts_pending_ddl', 'dts_skipped_ddl', 'dts_state_names', 'dts_leftovers',
		'dts_slots', 'dts_health', 'dts_metrics', 'dts_alerts', 'dts_alert_hosts', 'dts_alert_log', 'dts_throttles', 'dts_connection_limits'], 'the views of the surface, and no others, lie there');
SELECT is(ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = r.oid AND attnum BETWEEN 1 AND 9 ORDER BY attnum),
	'{job,kind,source,target,state,phase,lag_bytes,lag_seconds,error}', 'dts_jobs begins with the columns that scripts rely on')
	FROM relation r WHERE relname = 'dts_jobs';
SELECT ok(EXISTS (SELECT FROM pg_attribute WHERE attrelid = r.oid AND attname = c), 'dts_jobs has a column ' || c)
	FROM relation r, unnest('{step,wish,rows,rows_per_second,received_lsn,applied_lsn,allowed,worker,created,updated}'::text[]) c WHERE relname = 'dts_jobs';
SELECT has_schema('dts');
SELECT isnt((SELECT oid FROM pg_foreign_data_wrapper WHERE fdwname = w), NULL, 'wrapper ' || w) FROM unnest('{dts_postgresql,dts_mariadb}'::text[]) w;
SELECT has_role(r) FROM unnest('{dts_viewer,dts_operator,dts_admin,dts_daemon}'::text[]) r;

-- what the daemon calls
SELECT set_eq($$SELECT proname::text, pg_get_function_identity_arguments(oid) FROM routine WHERE nspname = 'dts' AND proname LIKE 'daemon\_%'$$, $$VALUES
	('daemon_hello', 'version text'),
	('daemon_claim', 'owner text, lease interval, max_jobs integer, OUT job_id bigint, OUT epoch bigint'),
	('daemon_bind', 'job_id bigint, epoch bigint'),
	('daemon_job', 'job_id bigint, epoch bigint, OUT name text, OUT kind text, OUT source text, OUT target text, OUT source_conninfo text, OUT target_conninfo text, OUT slot_name text, OUT state text, OUT phase text, OUT step text, OUT wish text, OUT options text, OUT footprint boolean, OUT change text, OUT throttle text'),
	('daemon_poll', 'job_id bigint, epoch bigint, lease interval, OUT ours boolean, OUT state text, OUT wish text, OUT waiters boolean, OUT marker_begun bigint, OUT change text, OUT workers integer, OUT throttle text, OUT apply_workers integer, OUT ddl text'),
	('daemon_set_state', 'job_id bigint, epoch bigint, from_state text, to_state text, phase text, step text, consumed_wish text, error jsonb'),
	('daemon_set_step', 'job_id bigint, epoch bigint, step text'),
	('daemon_set_footprint', 'job_id bigint, epoch bigint, footprint boolean'),
	('daemon_release', 'job_id bigint, epoch bigint'),
	('daemon_progress', 'job_id bigint, epoch bigint, progress jsonb'),
	('daemon_tables', 'job_id bigint, epoch bigint, tables jsonb'),
	('daemon_checks', 'job_id bigint, epoch bigint, checks jsonb'),
	('daemon_change', 'job_id bigint, epoch bigint, change_id bigint, tables jsonb, refusal jsonb'),
	('daemon_ddl', 'job_id bigint, epoch bigint, command jsonb'),
	('daemon_event', 'job_id bigint, epoch bigint, severity text, event text, message text'),
	('daemon_marker', 'job_id bigint, epoch bigint, begun bigint, durable bigint'),
	('daemon_slots_due', 'every interval, OUT job_id bigint, OUT slot_name text, OUT conninfo text'),
	('daemon_slot', 'job_id bigint, sample jsonb'),
	('daemon_bars', 'OUT job text, OUT what text, OUT percent numeric, OUT more text'),
	('daemon_alert_watch', ''),
	('daemon_alert_next', 'OUT id bigint, OUT url text, OUT headers text, OUT body text, OUT internal boolean, OUT checks_code boolean'),
	('daemon_alert_done', 'id bigint, ok boolean, http_status integer, error text, again boolean'),
	('daemon_wish_failed', 'job_id bigint, epoch bigint, wish text, message text'),
	('daemon_leftovers', 'job_id bigint, epoch bigint, leftovers jsonb'),
	('daemon_destroyed', 'job_id bigint, epoch bigint')$$, 'the functions that the daemon calls');

-- every object says what it is
SELECT is_empty($$SELECT oid::regprocedure FROM routine WHERE coalesce(obj_description(oid, 'pg_proc'), '') = ''$$, 'every function has a comment');
SELECT is_empty($$SELECT oid::regclass FROM relation WHERE coalesce(obj_description(oid, 'pg_class'), '') = ''$$, 'every table and view has a comment');
SELECT is_empty($$SELECT fdwname FROM pg_foreign_data_wrapper WHERE fdwname LIKE 'dts%' AND obj_description(oid, 'pg_foreign_data_wrapper') IS NULL$$, 'every wrapper has a comment');
SELECT isnt(obj_description('dts'::regnamespace, 'pg_namespace'), NULL, 'schema dts has a comment');
SELECT isnt(shobj_description(r::regrole, 'pg_authid'), NULL, 'role ' || r || ' has a comment') FROM unnest('{dts_viewer,dts_operator,dts_admin,dts_daemon}'::text[]) r;
SELECT is_empty($$SELECT objid, classid::regclass FROM member WHERE classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass,
	'pg_type'::regclass, 'pg_namespace'::regclass, 'pg_foreign_data_wrapper'::regclass)$$, 'no member of another kind');

-- safe against a hostile search_path
SELECT is_empty($$SELECT oid::regprocedure FROM routine WHERE prosecdef AND NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)$$,
	'every SECURITY DEFINER function pins search_path');
SELECT is_empty($$SELECT oid::regprocedure FROM routine WHERE NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)
	AND prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')$$, 'and so does every other one that is not in C');
SELECT isnt_empty('SELECT FROM routine WHERE prosecdef', 'there are such functions');

-- privileges
SELECT is_empty($$SELECT r.oid::regprocedure, a.* FROM routine r, aclexplode(coalesce(r.proacl, acldefault('f', r.proowner))) a WHERE a.grantee = 0$$,
	'PUBLIC may execute nothing');
SELECT is_empty($$SELECT r.oid::regclass, a.* FROM relation r, aclexplode(coalesce(r.relacl, acldefault('r', r.relowner))) a WHERE a.grantee = 0$$,
	'PUBLIC may read nothing');
SELECT is_empty($$SELECT a.* FROM pg_namespace n, aclexplode(n.nspacl) a WHERE nspname = 'dts' AND a.grantee = 0$$, 'PUBLIC may not use schema dts');
SELECT is_empty($$SELECT s.name, r.role, has_function_privilege(r.role, p.oid, 'EXECUTE')
	FROM surface s JOIN routine p ON p.proname = s.name AND regexp_replace(pg_get_function_arguments(p.oid), '\mIN ', '', 'g') = s.arguments,
		(VALUES ('dts_viewer', 1), ('dts_operator', 2), ('dts_admin', 3), ('dts_daemon', 0)) r(role, rank)
	WHERE has_function_privilege(r.role, p.oid, 'EXECUTE') <>
		(r.rank >= CASE s.role WHEN 'dts_viewer' THEN 1 WHEN 'dts_operator' THEN 2 WHEN 'dts_admin' THEN 3 END)$$,
	'each function is for its role and those above it');
SELECT is_empty($$SELECT oid::regprocedure, role FROM routine, unnest('{dts_viewer,dts_operator,dts_admin,dts_daemon}'::text[]) role
	WHERE nspname = 'dts' AND has_function_privilege(role, oid, 'EXECUTE') <> CASE WHEN proname LIKE 'daemon\_%' THEN role = 'dts_daemon'
		WHEN proname IN ('job_states', 'job_actions', 'action_leads_to', 'progress_lag', 'throttle_in_force', 'server_use', 'jobs_waiting', 'health_rows', 'metrics_rows', 'percent_done', 'time_left', 'table_course', 'objects_tables', 'options_objects') THEN role <> 'dts_daemon' ELSE false END$$,
	'the daemon''s functions are the daemon''s alone; of the others only those that views need are granted');
SELECT is_empty($$SELECT oid::regclass, role FROM relation, unnest('{dts_viewer,dts_operator,dts_admin,dts_daemon}'::text[]) role
	WHERE has_table_privilege(role, oid, 'SELECT') <> (nspname <> 'dts' AND role <> 'dts_daemon')
		OR has_table_privilege(role, oid, 'INSERT, UPDATE, DELETE, TRUNCATE')$$, 'views are for viewers, tables for nobody, and nobody writes');
SELECT is_empty($$SELECT role FROM unnest('{dts_viewer,dts_operator,dts_admin}'::text[]) role WHERE has_schema_privilege(role, 'dts', 'USAGE')$$,
	'only the daemon uses schema dts');
SELECT ok(NOT rolcanlogin AND NOT rolsuper AND NOT rolcreaterole AND NOT rolreplication, rolname || ' is a plain group') FROM pg_roles WHERE rolname LIKE 'dts\_%';

-- one setter
SELECT set_eq($$SELECT proname::text FROM routine WHERE prosrc ~* 'UPDATE\s+dts\.job\s+(\w+\s+)?SET\s+state'$$, ARRAY['job_set_state'],
	'a state changes in one function');

-- what a script of it does in another schema
SELECT lives_ok($$SELECT "Other place".dts_create_endpoint('a', 'postgresql', 'host=a'), "Other place".dts_create_endpoint('b', 'postgresql', 'host=b')$$, 'endpoints');
SELECT lives_ok($$SELECT "Other place".dts_create_job('j', 'a', 'b')$$, 'a job');
SELECT is("Other place".dts_describe_job('j') ->> 'state', 'draft', 'a description');
SELECT * FROM finish();
ROLLBACK;
