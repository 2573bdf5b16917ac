-- Removes the capture, when no job is left that wants it.  IF EXISTS throughout: somebody may have begun by hand.
DROP EVENT TRIGGER IF EXISTS dts_capture_end_1;
DROP EVENT TRIGGER IF EXISTS dts_capture_end_2;
DROP EVENT TRIGGER IF EXISTS dts_capture_drop_1;
DROP EVENT TRIGGER IF EXISTS dts_capture_drop_2;
DROP EVENT TRIGGER IF EXISTS dts_capture_rewrite_1;
DROP EVENT TRIGGER IF EXISTS dts_capture_rewrite_2;
DO $$
DECLARE
	f regprocedure;
BEGIN
	FOR f IN SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
		WHERE n.nspname = 'dts' AND p.proname ~ '^capture_' LOOP
		EXECUTE pg_catalog.format('DROP FUNCTION %s', f);
	END LOOP;
	DROP TABLE IF EXISTS public.dts_ddl_command, public.dts_args_session, public.dts_pg_class, public.dts_pg_attribute, public.dts_pg_type,
		public.dts_pg_enum, dts.capture_object, dts.capture_job, dts.capture_mark;
	-- not the control database's, nor one that holds anything else
	IF EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = 'dts' AND NOT EXISTS (
		SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid)
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.objid = n.oid AND d.deptype = 'e')) THEN
		DROP SCHEMA dts;
	END IF;
END
$$;
