-- The second of two event triggers that fire for each command: writes down the command and the objects it touched.
--
-- Belongs to the owner of the capture, so it needs no right of the user's; nobody can call it but an event trigger.  The user's
-- command must not fail because of it, nor wait for long: locks are given up soon, every error is caught, and what then
-- is missing is noted as a gap.  A gap that cannot even be noted (the table is dropped, locked or cannot grow) is told by
-- a message in the WAL, which proves nothing, since anybody can write one: it makes the daemon look.

-- The relations that a command on one of them may have changed too: heirs, indexes, and sequences of columns.
CREATE FUNCTION dts.capture_family(relations oid[]) RETURNS SETOF oid LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
	known oid[] := relations;
	fresh oid[] := relations;
BEGIN
	IF relations = '{}' THEN
		RETURN;
	END IF;
	LOOP
		SELECT array_agg(DISTINCT k.oid) INTO fresh FROM unnest(fresh) f(oid), LATERAL (
			SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = f.oid
			-- one that is no heir any more
			UNION ALL SELECT r.oid FROM public.dts_pg_class r WHERE (r.state -> 'parents') @> jsonb_build_array(jsonb_build_object('oid', f.oid::bigint))) k(oid)
			WHERE k.oid <> ALL (known);
		EXIT WHEN fresh IS NULL;
		known := known || fresh;
	END LOOP;
	-- what is attached to a table goes through the table
	known := known || ARRAY(SELECT x.indrelid FROM pg_index x WHERE x.indexrelid = ANY (known) AND x.indrelid <> ALL (known));
	RETURN QUERY
	SELECT unnest(known)
	UNION SELECT x.indexrelid FROM pg_index x WHERE x.indrelid = ANY (known)
	-- indexes that ALTER TABLE replaced by others, of which no event tells
	UNION SELECT r.oid FROM public.dts_pg_class r WHERE (r.state #>> '{index,table}') = ANY (known::text[])
	UNION SELECT s.seqrelid FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.objid WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY (known)
			AND d.refobjsubid > 0 AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i');
END
$$;

-- Which objects a GRANT or REVOKE is about is told to C only: the class, then the objects.  The decoder's library reads it; where that
-- is too old to, everything there is has to be looked at.
DO $$
BEGIN
	CREATE FUNCTION dts.capture_grant_objects(command pg_ddl_command) RETURNS oid[] LANGUAGE c STRICT AS '$libdir/dts_decoder', 'dts_grant_objects';
EXCEPTION WHEN undefined_file OR undefined_function THEN
	NULL;
END
$$;

-- Those of the objects whose privileges are not what is remembered.
CREATE FUNCTION dts.capture_granted(of_class oid, objects oid[]) RETURNS TABLE (class oid, oid oid) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	IF of_class = 'pg_class'::regclass THEN
		RETURN QUERY
		SELECT 'pg_class'::regclass::oid, c.oid FROM pg_class c JOIN public.dts_pg_class r ON r.oid = c.oid
			WHERE c.oid = ANY (objects) AND dts.capture_acl(c.relacl) IS DISTINCT FROM r.state -> 'acl'
		UNION SELECT 'pg_class'::regclass, a.attrelid FROM pg_attribute a JOIN public.dts_pg_attribute r ON r.attrelid = a.attrelid AND r.attnum = a.attnum
			WHERE a.attrelid = ANY (objects) AND (a.attacl IS NOT NULL OR r.state ? 'acl') AND dts.capture_acl(a.attacl) IS DISTINCT FROM r.state -> 'acl';
	ELSIF of_class = 'pg_type'::regclass THEN
		RETURN QUERY
		SELECT of_class, t.oid FROM pg_type t JOIN public.dts_pg_type r ON r.oid = t.oid
			WHERE t.oid = ANY (objects) AND dts.capture_acl(t.typacl) IS DISTINCT FROM r.state -> 'acl';
	ELSIF of_class = 'pg_proc'::regclass THEN
		RETURN QUERY
		SELECT o.class, o.oid FROM pg_proc p JOIN dts.capture_object o ON o.class = 'pg_proc'::regclass AND o.oid = p.oid
			WHERE p.oid = ANY (objects) AND dts.capture_acl(p.proacl) IS DISTINCT FROM o.state -> 'acl';
	ELSIF of_class = 'pg_namespace'::regclass THEN
		RETURN QUERY
		SELECT o.class, o.oid FROM pg_namespace n JOIN dts.capture_object o ON o.class = 'pg_namespace'::regclass AND o.oid = n.oid
			WHERE n.oid = ANY (objects) AND dts.capture_acl(n.nspacl) IS DISTINCT FROM o.state -> 'acl';
	END IF;
END
$$;

-- What the GRANT or REVOKE at hand changed.
CREATE FUNCTION dts.capture_grants() RETURNS TABLE (class oid, oid oid) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	IF to_regprocedure('dts.capture_grant_objects(pg_ddl_command)') IS NOT NULL THEN
		RETURN QUERY
		SELECT g.class, g.oid FROM pg_event_trigger_ddl_commands() c, LATERAL (SELECT dts.capture_grant_objects(c.command)) o(objects),
				LATERAL dts.capture_granted(o.objects[1], o.objects[2:]) g
			WHERE c.command_tag IN ('GRANT', 'REVOKE');
	ELSE
		RETURN QUERY
		SELECT * FROM dts.capture_granted('pg_class'::regclass, ARRAY(SELECT r.oid FROM public.dts_pg_class r))
		UNION SELECT * FROM dts.capture_granted('pg_type'::regclass, ARRAY(SELECT r.oid FROM public.dts_pg_type r))
		UNION SELECT * FROM dts.capture_granted('pg_proc'::regclass, ARRAY(SELECT o.oid FROM dts.capture_object o WHERE o.class = 'pg_proc'::regclass))
		UNION SELECT * FROM dts.capture_granted('pg_namespace'::regclass, ARRAY(SELECT o.oid FROM dts.capture_object o WHERE o.class = 'pg_namespace'::regclass));
	END IF;
END
$$;

-- What the commands of a ddl_command_end touched, as class and oid.
CREATE FUNCTION dts.capture_touched(commands jsonb) RETURNS TABLE (class oid, oid oid) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH command AS (SELECT (c.doc ->> 'class')::oid AS class, (c.doc ->> 'oid')::oid AS oid FROM jsonb_array_elements(commands) c(doc) WHERE c.doc ? 'oid'),
	relation AS (
		SELECT c.oid FROM command c WHERE c.class = 'pg_class'::regclass
		UNION SELECT t.tgrelid FROM command c JOIN pg_trigger t ON t.oid = c.oid WHERE c.class = 'pg_trigger'::regclass
		UNION SELECT p.polrelid FROM command c JOIN pg_policy p ON p.oid = c.oid WHERE c.class = 'pg_policy'::regclass
		UNION SELECT r.ev_class FROM command c JOIN pg_rewrite r ON r.oid = c.oid WHERE c.class = 'pg_rewrite'::regclass
		UNION SELECT o.conrelid FROM command c JOIN pg_constraint o ON o.oid = c.oid WHERE c.class = 'pg_constraint'::regclass AND o.conrelid <> 0
		UNION SELECT t.typrelid FROM command c JOIN pg_type t ON t.oid = c.oid WHERE c.class = 'pg_type'::regclass AND t.typrelid <> 0)
	SELECT 'pg_class'::regclass::oid, f.f FROM dts.capture_family(ARRAY(SELECT r.oid FROM relation r)) f(f)
	UNION SELECT c.class, c.oid FROM command c WHERE c.class NOT IN ('pg_class'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass, 'pg_constraint'::regclass)
	UNION SELECT 'pg_type'::regclass, o.contypid FROM command c JOIN pg_constraint o ON o.oid = c.oid WHERE c.class = 'pg_constraint'::regclass AND o.contypid <> 0;
END
$$;

-- Reads the objects anew, remembers them, and answers before and after of those that changed.
CREATE FUNCTION dts.capture_compare(classes oid[], oids oid[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	changed jsonb := '[]';
	object record;
	before jsonb;
	after jsonb;
	users jsonb;
	kept jsonb;
BEGIN
	FOR object IN SELECT u.class, u.oid FROM unnest(classes, oids) u(class, oid) ORDER BY 1, 2 LOOP
		before := dts.capture_remembered(object.class, object.oid);
		after := dts.capture_state(object.class, object.oid);
		CONTINUE WHEN after ->> 'persistence' = 't' OR NOT dts.capture_follows(object.class, object.oid,
			coalesce(after, before) ->> 'schema', coalesce(after, before) ->> 'name');
		-- functions, and other classes, of which there are but names, always count as changed
		kept := dts.capture_kept(object.class, after);
		IF before IS DISTINCT FROM kept OR after IS NOT NULL AND object.class NOT IN ('pg_class'::regclass, 'pg_type'::regclass, 'pg_namespace'::regclass) THEN
			PERFORM dts.capture_remember(object.class, object.oid, kept);
			users := CASE WHEN before IS NULL OR after IS NULL THEN NULL WHEN object.class = 'pg_type'::regclass THEN dts.capture_users(object.oid)
				WHEN after ->> 'kind' = 'c' AND object.class = 'pg_class'::regclass THEN dts.capture_users((SELECT c.reltype FROM pg_class c WHERE c.oid = object.oid)) END;
			changed := changed || jsonb_strip_nulls(jsonb_build_object('class', object.class::regclass, 'oid', object.oid::bigint, 'before', before, 'after', after, 'users', users));
		END IF;
	END LOOP;
	RETURN changed;
END
$$;

-- Puts one row into the stream, with its session's before it.
CREATE FUNCTION dts.capture_append(event text, tag text, commands jsonb, objects jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	session jsonb := nullif(current_setting('dts.captured_session', true), '');
	number bigint := nextval('public.dts_ddl_command_id_seq');
BEGIN
	-- where not everybody may call set_config(), what is in the setting may be somebody's own words
	IF session ->> 'tag' IS DISTINCT FROM tag OR NOT has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)', 'EXECUTE') THEN
		session := NULL;
	END IF;
	INSERT INTO public.dts_args_session VALUES (number, session ->> 'role', session_user, session ->> 'search_path',
		ARRAY(SELECT jsonb_array_elements_text(session -> 'schemas')), session -> 'settings');
	INSERT INTO public.dts_ddl_command (id, xid, at, event, tag, query, nested, commands, objects) OVERRIDING SYSTEM VALUE
		VALUES (number, pg_current_xact_id(), clock_timestamp(), event, tag, current_query(), (session ->> 'nested')::bool, commands, objects);
END
$$;

CREATE FUNCTION dts.capture_commands(tag text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	commands jsonb;
	objects jsonb;
BEGIN
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('class', c.classid::bigint, 'oid', nullif(c.objid, 0)::bigint, 'sub', nullif(c.objsubid, 0), 'tag', c.command_tag,
			'type', c.object_type, 'schema', c.schema_name, 'identity', c.object_identity)))
		INTO commands
		FROM pg_event_trigger_ddl_commands() c
		WHERE NOT c.in_extension AND c.schema_name IS DISTINCT FROM 'pg_temp' AND coalesce(c.schema_name !~ '^pg_(temp|toast)', true);
	IF commands IS NULL THEN
		RETURN;
	END IF;
	IF tag IN ('GRANT', 'REVOKE') THEN
		SELECT dts.capture_compare(array_agg(t.class), array_agg(t.oid)) INTO objects FROM dts.capture_grants() t;
	ELSE
		SELECT dts.capture_compare(array_agg(t.class), array_agg(t.oid)) INTO objects FROM dts.capture_touched(commands) t;
	END IF;
	PERFORM dts.capture_append('command', tag, commands, objects);
END
$$;

CREATE FUNCTION dts.capture_drops(tag text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	commands jsonb;
	objects jsonb;
BEGIN
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('class', d.classid::regclass, 'oid', d.objid::bigint, 'sub', nullif(d.objsubid, 0), 'original', nullif(d.original, false),
			'normal', nullif(d.normal, false), 'type', d.object_type, 'schema', d.schema_name, 'name', d.object_name, 'identity', d.object_identity,
			'names', to_jsonb(d.address_names), 'args', nullif(to_jsonb(d.address_args), '[]'))))
		INTO commands
		FROM pg_event_trigger_dropped_objects() d
		WHERE NOT d.is_temporary AND coalesce(d.schema_name !~ '^pg_(temp|toast)', true) AND d.schema_name IS DISTINCT FROM 'dts'
			AND coalesce(d.address_names[1] !~ '^pg_temp', true)
			-- of what goes along only what somebody may have made by itself, not the parts of other things
			AND (d.original OR d.object_type IN ('table', 'foreign table', 'table column', 'index', 'sequence', 'view', 'materialized view', 'table constraint', 'schema', 'extension')
				OR d.normal AND d.object_type NOT IN ('rule', 'user mapping')
				AND NOT EXISTS (SELECT FROM pg_event_trigger_dropped_objects() e WHERE e.object_type = 'extension'));
	IF commands IS NULL THEN
		RETURN;
	END IF;
	-- What is gone, and the tables that lost something attached to them.  The tables that an ALTER is about are
	-- left to its own record, which comes right after: those that lose a column, or what the command named.
	WITH dropped AS (SELECT d.doc, d.doc ->> 'type' AS type, d.doc -> 'names' ->> 0 AS schema, d.doc -> 'names' ->> 1 AS name, d.doc ? 'original' AS original
			FROM jsonb_array_elements(commands) d(doc)),
	own AS (SELECT d.schema, d.name FROM dropped d WHERE tag !~ '^DROP' AND (d.type = 'table column' OR d.original)),
	loser AS (SELECT d.schema, d.name FROM dropped d WHERE d.type IN ('table constraint', 'trigger', 'policy', 'rule', 'table column', 'default value') EXCEPT SELECT o.schema, o.name FROM own o)
	SELECT dts.capture_compare(array_agg(t.class), array_agg(t.oid)) INTO objects FROM (
		SELECT (d.doc ->> 'class')::regclass::oid, (d.doc ->> 'oid')::oid FROM dropped d WHERE NOT d.doc ? 'sub'
			AND (d.doc ->> 'class')::regclass NOT IN ('pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass)
		UNION SELECT 'pg_class'::regclass, (r.state ->> 'relation')::oid FROM dropped d JOIN public.dts_pg_type r ON r.oid = (d.doc ->> 'oid')::oid
			WHERE d.doc ->> 'class' = 'pg_type' AND r.state ? 'relation'
		UNION SELECT 'pg_class'::regclass, c.oid FROM loser l JOIN pg_namespace n ON n.nspname = l.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = l.name) t(class, oid);
	PERFORM dts.capture_append('drop', tag, commands, objects);
END
$$;

CREATE FUNCTION dts.capture_rewrite(tag text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	relation oid := pg_event_trigger_table_rewrite_oid();
BEGIN
	PERFORM dts.capture_append('rewrite', tag, jsonb_agg(jsonb_build_object('class', 'pg_class', 'oid', c.oid::bigint, 'schema', n.nspname, 'identity', c.oid::regclass::text,
			'reason', pg_event_trigger_table_rewrite_reason())), NULL)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation AND c.relpersistence <> 't'
		HAVING count(*) > 0;
END
$$;

CREATE FUNCTION dts.capture_event() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '200ms'
	SET quote_all_identifiers = off
	SET standard_conforming_strings = on
	SET DateStyle = 'ISO, YMD'
	SET IntervalStyle = 'postgres'
	SET TimeZone = 'UTC'
	SET bytea_output = 'hex'
	SET extra_float_digits = 3
	SET jit = off
	-- lookups by key only: estimates of a few rows too many must not read catalogs of thousands of tables
	SET enable_seqscan = off
	SET enable_hashjoin = off
	SET enable_mergejoin = off
	SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	said text;
BEGIN
	BEGIN
		-- a capture that a superuser has set up stands between jobs, too
		IF EXISTS (SELECT FROM dts.capture_job) THEN
			CASE TG_EVENT
				WHEN 'ddl_command_end' THEN PERFORM dts.capture_commands(TG_TAG);
				WHEN 'sql_drop' THEN PERFORM dts.capture_drops(TG_TAG);
				ELSE PERFORM dts.capture_rewrite(TG_TAG);
			END CASE;
		END IF;
	EXCEPTION WHEN OTHERS THEN
		said := SQLSTATE || ': ' || SQLERRM;
		BEGIN
			INSERT INTO public.dts_ddl_command (xid, at, event, tag, query, error) VALUES (pg_current_xact_id(), clock_timestamp(), 'gap', TG_TAG, current_query(), said);
		EXCEPTION WHEN OTHERS THEN
			PERFORM pg_logical_emit_message(true, 'dts.gap', TG_TAG);
		END;
	END;
	PERFORM set_config('dts.captured_session', '', true);
EXCEPTION WHEN OTHERS THEN
	NULL;
END
$$;
