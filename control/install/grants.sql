-- grants: nothing to PUBLIC, then each role its part.
DO $revoke$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text AS routine
		FROM pg_catalog.pg_depend d
		JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'dts'
		JOIN pg_catalog.pg_proc p ON p.oid = d.objid
		WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
			AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', r.routine);
	END LOOP;
END
$revoke$;

GRANT SELECT ON @extschema@.dts_jobs, @extschema@.dts_job_tables, @extschema@.dts_job_parts, @extschema@.dts_job_events,
	@extschema@.dts_job_changes, @extschema@.dts_pending_ddl, @extschema@.dts_skipped_ddl,
	@extschema@.dts_state_names TO dts_viewer;
-- Functions in views run as whoever looks.
GRANT EXECUTE ON FUNCTION dts.job_states(), dts.job_actions(), dts.progress_lag(dts.job_progress, pg_catalog.bool),
	dts.objects_tables(pg_catalog.jsonb), dts.options_objects(pg_catalog.jsonb),
	dts.action_leads_to(pg_catalog.text, pg_catalog.text),
	dts.percent_done(pg_catalog.text, pg_catalog.int8, pg_catalog.int8, pg_catalog.int8, pg_catalog.int8),
	dts.table_course(dts.job_table),
	dts.time_left(pg_catalog.int8, pg_catalog.int8, pg_catalog.float8, pg_catalog.int8, pg_catalog.int8,
		pg_catalog.float8) TO dts_viewer;
GRANT EXECUTE ON FUNCTION @extschema@.dts_check_results(pg_catalog.text),
	@extschema@.dts_describe_job(pg_catalog.text), @extschema@.dts_job_stats(pg_catalog.text) TO dts_viewer;

GRANT EXECUTE ON FUNCTION
	@extschema@.dts_create_job(pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.jsonb),
	@extschema@.dts_configure_job(pg_catalog.text, pg_catalog.jsonb),
	@extschema@.dts_check_job(pg_catalog.text), @extschema@.dts_start_job(pg_catalog.text, pg_catalog.timestamptz),
	@extschema@.dts_pause_job(pg_catalog.text), @extschema@.dts_resume_job(pg_catalog.text),
	@extschema@.dts_retry_job(pg_catalog.text), @extschema@.dts_stop_job(pg_catalog.text, pg_catalog.bool),
	@extschema@.dts_isolate_job(pg_catalog.text), @extschema@.dts_recover_job(pg_catalog.text),
	@extschema@.dts_destroy_job(pg_catalog.text, pg_catalog.bool),
	@extschema@.dts_setup_script(pg_catalog.text, pg_catalog.text), @extschema@.dts_approve_ddl(pg_catalog.text), @extschema@.dts_skip_ddl(pg_catalog.text),
	@extschema@.dts_set_ddl(pg_catalog.text, pg_catalog.jsonb),
	@extschema@.dts_modify_objects(pg_catalog.text, pg_catalog.jsonb),
	@extschema@.dts_add_tables(pg_catalog.text, pg_catalog.text[]),
	@extschema@.dts_remove_tables(pg_catalog.text, pg_catalog.text[]),
	@extschema@.dts_reload_table(pg_catalog.text, pg_catalog.text), @extschema@.dts_test_endpoint(pg_catalog.text)
	TO dts_operator;
GRANT EXECUTE ON PROCEDURE @extschema@.dts_wait(pg_catalog.text, pg_catalog.text, pg_catalog.interval) TO dts_operator;

GRANT EXECUTE ON FUNCTION
	@extschema@.dts_create_endpoint(pg_catalog.text, pg_catalog.text, pg_catalog.text),
	@extschema@.dts_drop_endpoint(pg_catalog.text)
	TO dts_admin;

GRANT EXECUTE ON FUNCTION dts.daemon_hello(pg_catalog.text),
	dts.daemon_claim(pg_catalog.text, pg_catalog.interval, pg_catalog.int4),
	dts.daemon_bind(pg_catalog.int8, pg_catalog.int8), dts.daemon_job(pg_catalog.int8, pg_catalog.int8),
	dts.daemon_poll(pg_catalog.int8, pg_catalog.int8, pg_catalog.interval),
	dts.daemon_set_state(pg_catalog.int8, pg_catalog.int8, pg_catalog.text, pg_catalog.text, pg_catalog.text,
		pg_catalog.text, pg_catalog.text, pg_catalog.jsonb),
	dts.daemon_set_step(pg_catalog.int8, pg_catalog.int8, pg_catalog.text),
	dts.daemon_set_footprint(pg_catalog.int8, pg_catalog.int8, pg_catalog.bool),
	dts.daemon_release(pg_catalog.int8, pg_catalog.int8),
	dts.daemon_progress(pg_catalog.int8, pg_catalog.int8, pg_catalog.jsonb),
	dts.daemon_tables(pg_catalog.int8, pg_catalog.int8, pg_catalog.jsonb),
	dts.daemon_change(pg_catalog.int8, pg_catalog.int8, pg_catalog.int8, pg_catalog.jsonb, pg_catalog.jsonb),
	dts.daemon_ddl(pg_catalog.int8, pg_catalog.int8, pg_catalog.jsonb),
	dts.daemon_checks(pg_catalog.int8, pg_catalog.int8, pg_catalog.jsonb),
	dts.daemon_event(pg_catalog.int8, pg_catalog.int8, pg_catalog.text, pg_catalog.text, pg_catalog.text),
	dts.daemon_marker(pg_catalog.int8, pg_catalog.int8, pg_catalog.int8, pg_catalog.int8),
	dts.daemon_destroyed(pg_catalog.int8, pg_catalog.int8)
	TO dts_daemon;
