-- The first of two event triggers that fire for each command: who runs it, and under which settings.
--
-- Only a function of the invoker sees the session's role and search path; only a function of the owner may write.  The
-- first cannot call the second, for then everybody could, with whatever lies.  So the first leaves what it saw in a setting,
-- and the second (event.sql), which fires right after it and can be called by nobody, takes it from there and clears it.
-- Nothing of the user's runs in between, and whatever the user had put into that setting is overwritten.
--
-- Runs under the user's search path: every name is qualified, operators included.
CREATE FUNCTION dts.capture_session() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
	stack pg_catalog.text;
BEGIN
	GET DIAGNOSTICS stack = PG_CONTEXT;
	PERFORM pg_catalog.set_config('dts.captured_session', pg_catalog.jsonb_build_object(
		'tag', TG_TAG,
		'role', current_user,
		'search_path', pg_catalog.current_setting('search_path'),
		'schemas', pg_catalog.current_schemas(false),
		-- its own line is there always; the line of whatever called comes after it
		'nested', pg_catalog.strpos(stack, pg_catalog.chr(10)) OPERATOR(pg_catalog.>) 0,
		'settings', (SELECT pg_catalog.jsonb_object_agg(s.name, pg_catalog.current_setting(s.name, true))
			FROM pg_catalog.unnest(ARRAY['DateStyle', 'IntervalStyle', 'TimeZone', 'bytea_output', 'xmlbinary', 'xmloption', 'lc_monetary', 'extra_float_digits',
				'standard_conforming_strings', 'transform_null_equals', 'array_nulls', 'check_function_bodies', 'default_tablespace',
				'default_table_access_method', 'default_toast_compression', 'timezone_abbreviations', 'default_text_search_config',
				'session_replication_role', 'client_encoding']) s(name)))::pg_catalog.text, true);
EXCEPTION WHEN OTHERS THEN
	-- the second one sees that the setting is not of this command
	NULL;
END
$$;
