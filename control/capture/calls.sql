-- What the daemons call on the source.  A role that is no superuser may be granted these functions and to read
-- dts.capture_job (dts_setup_script prints how); then it can use a capture that a superuser has set up.

-- A job begins.  The first one finds nothing that is of use: the mirror is made anew.
CREATE FUNCTION dts.capture_join(slot text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('dts.capture'));
	IF NOT EXISTS (SELECT FROM dts.capture_job) THEN
		PERFORM dts.capture_clear();
		DELETE FROM public.dts_pg_class;
		DELETE FROM public.dts_pg_attribute;
		DELETE FROM public.dts_pg_type;
		DELETE FROM public.dts_pg_enum;
		DELETE FROM dts.capture_object;
		PERFORM dts.capture_baseline();
		-- lookups by table and parent must not go through all of it
		ANALYZE public.dts_pg_class, public.dts_pg_attribute, public.dts_pg_type, public.dts_pg_enum, dts.capture_object;
	END IF;
	INSERT INTO dts.capture_job (slot_name) VALUES (slot) ON CONFLICT DO NOTHING;
END
$$;

-- A job is over: how many are left.  With none the event triggers do nothing any more.
CREATE FUNCTION dts.capture_leave(slot text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	others bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('dts.capture'));
	DELETE FROM dts.capture_job j WHERE j.slot_name = slot;
	SELECT count(*) INTO others FROM dts.capture_job;
	IF others = 0 THEN
		PERFORM dts.capture_clear();
	END IF;
	RETURN others;
END
$$;

CREATE FUNCTION dts.capture_clear() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM public.dts_args_session;
	DELETE FROM public.dts_ddl_command;
	DELETE FROM dts.capture_mark;
END
$$;

-- A row of the queue goes when the slot of every job has confirmed a position behind its transaction's commit.  Rows do not
-- know their commit, so: mark which transactions are visible, then read the position, and wait until all slots are past
-- it.  A job without a slot (it is being made, or was lost) holds up trimming; leaving ends that.  Answers rows removed.
CREATE FUNCTION dts.capture_trim() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	mark dts.capture_mark;
	removed bigint := 0;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('dts.capture')) THEN
		RETURN 0;
	END IF;
	SELECT * INTO mark FROM dts.capture_mark;
	IF mark.lsn IS NOT NULL AND NOT EXISTS (SELECT FROM dts.capture_job j LEFT JOIN pg_replication_slots s ON s.slot_name = j.slot_name
			WHERE s.confirmed_flush_lsn IS NULL OR s.confirmed_flush_lsn < mark.lsn) THEN
		DELETE FROM public.dts_args_session a USING public.dts_ddl_command c WHERE a.command = c.id AND pg_visible_in_snapshot(c.xid, mark.visible);
		DELETE FROM public.dts_ddl_command c WHERE pg_visible_in_snapshot(c.xid, mark.visible);
		GET DIAGNOSTICS removed = ROW_COUNT;
		mark := NULL;
		DELETE FROM dts.capture_mark;
	END IF;
	IF mark.lsn IS NULL AND EXISTS (SELECT FROM public.dts_ddl_command) THEN
		INSERT INTO dts.capture_mark VALUES (pg_current_snapshot(), '0/0');
		UPDATE dts.capture_mark SET lsn = pg_current_wal_insert_lsn();
	END IF;
	RETURN removed;
END
$$;

-- Whether the queue holds anything.
CREATE FUNCTION dts.capture_waits() RETURNS bool LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN EXISTS (SELECT FROM public.dts_ddl_command);
END
$$;

-- Tables that are not as the mirror has them: of which a command was not captured, because not even that could be written
-- down.  By names and columns alone, for this looks at every table there is.
CREATE FUNCTION dts.capture_doubt() RETURNS SETOF text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN QUERY
	WITH present AS (
		SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, (SELECT coalesce(jsonb_agg(jsonb_build_array(a.attnum, a.attname, a.atttypid::bigint, a.atttypmod) ORDER BY a.attnum), '[]')
				FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND dts.capture_follows('pg_class'::regclass, c.oid, n.nspname, c.relname)),
	known AS (
		SELECT r.oid, r.state ->> 'schema' AS schema, r.state ->> 'name' AS name, (SELECT coalesce(jsonb_agg(jsonb_build_array(a.attnum, a.state -> 'name', a.state -> 'type_oid', coalesce(a.state -> 'typmod', '-1')) ORDER BY a.attnum), '[]')
				FROM public.dts_pg_attribute a WHERE a.attrelid = r.oid) AS columns
			FROM public.dts_pg_class r WHERE r.state ->> 'kind' IN ('r', 'p'))
	SELECT format('%I.%I', coalesce(p.schema, k.schema), coalesce(p.name, k.name)) FROM present p FULL JOIN known k USING (oid)
		WHERE (p.schema, p.name, p.columns) IS DISTINCT FROM (k.schema, k.name, k.columns) ORDER BY 1;
END
$$;

-- Takes every function's call from everybody but the owner; the event triggers need none.
DO $$
DECLARE
	f regprocedure;
BEGIN
	FOR f IN SELECT p.oid FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'dts'::pg_catalog.regnamespace AND p.proname ~ '^capture_' LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
	END LOOP;
END
$$;
