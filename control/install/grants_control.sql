-- grants_control: whoever may act on one job may act on many.
DO $grants$
DECLARE
	routine pg_catalog.text;
BEGIN
	FOR routine IN SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text FROM pg_catalog.pg_proc p
		JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
		JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND e.oid = d.refobjid
		WHERE e.extname = 'dts' AND p.pronamespace = '@extschema@'::pg_catalog.regnamespace
			AND p.proargtypes[0] = 'pg_catalog.text[]'::pg_catalog.regtype
	LOOP
		EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO dts_operator', routine);
	END LOOP;
END
$grants$;

GRANT SELECT ON @extschema@.dts_leftovers, @extschema@.dts_slots, @extschema@.dts_alert_hosts, @extschema@.dts_alerts,
	@extschema@.dts_alert_log, @extschema@.dts_throttles, @extschema@.dts_connection_limits, @extschema@.dts_health, @extschema@.dts_metrics TO dts_viewer;
GRANT EXECUTE ON FUNCTION @extschema@.dts_metrics_text(), @extschema@.dts_forecast(pg_catalog.text),
	dts.throttle_in_force(pg_catalog.jsonb, pg_catalog.timestamptz), dts.server_use(), dts.jobs_waiting(), dts.health_rows(), dts.metrics_rows() TO dts_viewer;

GRANT EXECUTE ON FUNCTION
	@extschema@.dts_unschedule_job(pg_catalog.text), @extschema@.dts_ignore_check(pg_catalog.text, pg_catalog.text),
	@extschema@.dts_resize_job(pg_catalog.text, pg_catalog.int4, pg_catalog.int4),
	@extschema@.dts_set_throttle(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb),
	@extschema@.dts_complete_job(pg_catalog.text, pg_catalog.text), @extschema@.dts_reset_job(pg_catalog.text),
	@extschema@.dts_clone_job(pg_catalog.text, pg_catalog.text), @extschema@.dts_forget_leftovers(pg_catalog.text),
	@extschema@.dts_set_alert(pg_catalog.text, pg_catalog.jsonb), @extschema@.dts_drop_alert(pg_catalog.text),
	@extschema@.dts_test_alert(pg_catalog.text), @extschema@.dts_report_comparison(pg_catalog.text, pg_catalog.text)
	TO dts_operator;

GRANT EXECUTE ON FUNCTION
	@extschema@.dts_allow_alert_host(pg_catalog.text, pg_catalog.bool, pg_catalog.bool),
	@extschema@.dts_refuse_alert_host(pg_catalog.text),
	@extschema@.dts_limit_connections(pg_catalog.text, pg_catalog.int4), @extschema@.dts_purge_events(pg_catalog.interval)
	TO dts_admin;

GRANT EXECUTE ON FUNCTION
	dts.daemon_wish_failed(pg_catalog.int8, pg_catalog.int8, pg_catalog.text, pg_catalog.text),
	dts.daemon_leftovers(pg_catalog.int8, pg_catalog.int8, pg_catalog.jsonb),
	dts.daemon_slots_due(pg_catalog.interval), dts.daemon_slot(pg_catalog.int8, pg_catalog.jsonb),
	dts.daemon_bars(), dts.daemon_alert_watch(), dts.daemon_alert_next(),
	dts.daemon_alert_done(pg_catalog.int8, pg_catalog.bool, pg_catalog.int4, pg_catalog.text, pg_catalog.bool)
	TO dts_daemon;
