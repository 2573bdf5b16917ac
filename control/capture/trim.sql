-- What the daemons call on the source, besides joining and leaving: the queue is emptied of what every job has applied.

-- A row goes when the slot of every job has confirmed a position behind its transaction's commit.  Rows do not know
-- their commit, so: mark which transactions are visible, then read the position, and wait until all slots are past it.
-- A job without a slot (it is being made, or was lost) holds up trimming; leaving ends that.  Answers rows removed.
CREATE FUNCTION dts.capture_trim() RETURNS bigint LANGUAGE plpgsql AS $$
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
