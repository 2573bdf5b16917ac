-- An object as one JSON document, read from the catalogs as they are now.
--
-- What the planner compares must not depend on the session: all these run under the settings of dts.capture_event() or of
-- dts.capture_baseline().  Columns that only some versions have are read through to_jsonb().  A field that has its usual
-- value is left out.  All is plpgsql: it keeps plans for the session, while SQL functions are planned at every call.

-- Privileges with role names; PUBLIC is "".  NULL: never granted anything, so the built-in ones.
CREATE FUNCTION dts.capture_acl(acl aclitem[]) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	SELECT CASE WHEN acl IS NOT NULL THEN coalesce((SELECT jsonb_agg(jsonb_build_object(
			'to', CASE WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee)::text END,
			'by', pg_get_userbyid(x.grantor), 'privilege', x.privilege_type, 'grantable', x.is_grantable)
			ORDER BY x.grantee, x.grantor, x.privilege_type)
		FROM aclexplode(acl) x), '[]') END);
END
$$;

CREATE FUNCTION dts.capture_columns(relation oid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
			-- the type's OID says whether it changed: its name may, while it does not
			'num', a.attnum, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'type_oid', a.atttypid::bigint, 'typmod', nullif(a.atttypmod, -1),
			'collation', CASE WHEN a.attcollation <> t.typcollation THEN
				(SELECT format('%I.%I', n.nspname, l.collname) FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = a.attcollation) END,
			'not_null', nullif(a.attnotnull, false),
			'default', pg_get_expr(d.adbin, d.adrelid),
			-- what rows older than the column have in it: the default may be another value on the target
			'missing', CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END,
			'identity', nullif(a.attidentity, ''), 'generated', nullif(a.attgenerated, ''),
			-- that of most types that have any choice is x
			'storage', nullif(a.attstorage, t.typstorage), 'usual_storage', CASE WHEN t.typstorage NOT IN ('p', 'x') THEN t.typstorage END, 'compression', nullif(to_jsonb(a) ->> 'attcompression', ''),
			'statistics', nullif((to_jsonb(a) ->> 'attstattarget')::int, -1),
			'options', (SELECT jsonb_agg(o.option) FROM unnest(a.attoptions) o(option) WHERE o.option !~ '^pg_'), 'fdw_options', to_jsonb(a.attfdwoptions),
			'acl', CASE WHEN a.attacl IS NOT NULL THEN dts.capture_acl(a.attacl) END, 'comment', (SELECT m.description FROM pg_description m WHERE m.objoid = a.attrelid AND m.classoid = 'pg_class'::regclass AND m.objsubid = a.attnum),
			'inherited', nullif(NOT a.attislocal, false))) ORDER BY a.attnum)
	FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped);
END
$$;

-- Constraints of a table; those that an index makes real hold its name.  Not-null ones are columns' affair.
CREATE FUNCTION dts.capture_constraints(relation oid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('oid', c.oid::bigint, 'name', c.conname, 'kind', c.contype, 'definition', pg_get_constraintdef(c.oid),
			'index', CASE WHEN c.contype IN ('p', 'u', 'x') THEN nullif(c.conindid, 0)::bigint END,
			'inherited', nullif(NOT c.conislocal, false), 'valid', nullif(c.convalidated, true),
			'deferrable', nullif(c.condeferrable, false), 'deferred', nullif(c.condeferred, false),
			'comment', (SELECT m.description FROM pg_description m WHERE m.objoid = c.oid AND m.classoid = 'pg_constraint'::regclass AND m.objsubid = 0))) ORDER BY c.oid)
	FROM pg_constraint c WHERE c.conrelid = relation AND c.contype IN ('p', 'u', 'x', 'c', 'f'));
END
$$;

-- Triggers, policies and rules of a table, each under what it is called there.
CREATE FUNCTION dts.capture_attached(relation oid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	SELECT jsonb_agg(jsonb_strip_nulls(x.doc) ORDER BY x.class, x.oid) FROM (
		SELECT 1, t.oid, jsonb_build_object('oid', t.oid::bigint, 'class', 'trigger', 'name', t.tgname, 'definition', pg_get_triggerdef(t.oid),
			'enabled', nullif(t.tgenabled, 'O'), 'inherited', nullif((to_jsonb(t) ->> 'tgparentid')::bigint, 0), 'comment', (SELECT m.description FROM pg_description m WHERE m.objoid = t.oid AND m.classoid = 'pg_trigger'::regclass AND m.objsubid = 0))
		FROM pg_trigger t WHERE t.tgrelid = relation AND NOT t.tgisinternal
		UNION ALL
		SELECT 2, r.oid, jsonb_build_object('oid', r.oid::bigint, 'class', 'rule', 'name', r.rulename, 'definition', pg_get_ruledef(r.oid),
			'enabled', nullif(r.ev_enabled, 'O'), 'comment', (SELECT m.description FROM pg_description m WHERE m.objoid = r.oid AND m.classoid = 'pg_rewrite'::regclass AND m.objsubid = 0))
		FROM pg_rewrite r WHERE r.ev_class = relation AND r.rulename <> '_RETURN'
		UNION ALL
		SELECT 3, p.oid, jsonb_build_object('oid', p.oid::bigint, 'class', 'policy', 'name', p.polname, 'definition', format(
			'CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, p.polrelid::regclass,
			CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
			CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
			(SELECT string_agg(CASE WHEN g.role = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.role)) END, ', ' ORDER BY g.role) FROM unnest(p.polroles) g(role)),
			' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
			'comment', (SELECT m.description FROM pg_description m WHERE m.objoid = p.oid AND m.classoid = 'pg_policy'::regclass AND m.objsubid = 0))
		FROM pg_policy p WHERE p.polrelid = relation) x(class, oid, doc));
END
$$;

CREATE FUNCTION dts.capture_name(relation oid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	SELECT jsonb_build_object('schema', n.nspname, 'name', c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation);
END
$$;

CREATE FUNCTION dts.capture_relation(relation oid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
	kind "char";
	state jsonb;
BEGIN
	SELECT c.relkind, jsonb_build_object(
			'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'persistence', nullif(c.relpersistence, 'p'), 'owner', pg_get_userbyid(c.relowner),
			'acl', CASE WHEN c.relacl IS NOT NULL THEN dts.capture_acl(c.relacl) END, 'options', to_jsonb(c.reloptions),
			-- how many privileges there are on it: another version may know more
			'privileges', CASE WHEN c.relacl IS NOT NULL AND c.relkind <> 'S' THEN cardinality(ARRAY(SELECT aclexplode(acldefault('r', c.relowner)))) END,
			'tablespace', CASE WHEN c.reltablespace <> 0 THEN (SELECT s.spcname FROM pg_tablespace s WHERE s.oid = c.reltablespace) END,
			'access_method', CASE WHEN c.relkind IN ('r', 'm') THEN (SELECT m.amname FROM pg_am m WHERE m.oid = c.relam) END,
			'identity', CASE WHEN c.relkind IN ('r', 'p', 'm') THEN nullif(c.relreplident, 'd') END,
			'row_security', nullif(c.relrowsecurity, false), 'force_row_security', nullif(c.relforcerowsecurity, false),
			'populated', nullif(c.relispopulated, true),
			'of_type', CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END,
			'partition_key', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
			'partition_bound', CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
			'root', CASE WHEN c.relispartition AND c.relkind IN ('r', 'p') THEN dts.capture_name(pg_partition_root(c.oid)) END,
			'comment', (SELECT m.description FROM pg_description m WHERE m.objoid = relation AND m.classoid = 'pg_class'::regclass AND m.objsubid = 0),
			'view', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END)
		INTO kind, state
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = relation;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	-- what only some kinds have is asked of those only: a query costs its start for every part of it
	IF kind IN ('i', 'I') THEN
		state := state || jsonb_build_object('index', (SELECT jsonb_strip_nulls(jsonb_build_object('table', x.indrelid::bigint, 'table_name', x.indrelid::regclass::text, 'on', dts.capture_name(x.indrelid), 'definition', pg_get_indexdef(x.indexrelid),
				'constraint', (SELECT o.oid::bigint FROM pg_constraint o WHERE o.conindid = x.indexrelid AND o.contype IN ('p', 'u', 'x') LIMIT 1),
				'parent', (SELECT i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = x.indexrelid),
				'clustered', nullif(x.indisclustered, false), 'identity', nullif(x.indisreplident, false), 'invalid', nullif(NOT x.indisvalid, false)))
			FROM pg_index x WHERE x.indexrelid = relation));
	ELSIF kind = 'S' THEN
		state := state || jsonb_build_object('sequence', (SELECT jsonb_build_object('type', format_type(q.seqtypid, NULL), 'start', q.seqstart, 'increment', q.seqincrement, 'max', q.seqmax,
				'min', q.seqmin, 'cache', q.seqcache, 'cycle', q.seqcycle) FROM pg_sequence q WHERE q.seqrelid = relation),
			'owned_by', (SELECT jsonb_build_object('table', d.refobjid::bigint, 'num', d.refobjsubid, 'identity', nullif(d.deptype = 'i', false),
				'table_name', d.refobjid::regclass::text, 'on', dts.capture_name(d.refobjid), 'column', (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = d.refobjid AND a.attnum = d.refobjsubid))
			FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = relation AND d.refclassid = 'pg_class'::regclass
				AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') LIMIT 1));
	ELSE
		state := state || jsonb_build_object('constraints', dts.capture_constraints(relation), 'attached', dts.capture_attached(relation), 'columns', dts.capture_columns(relation),
			'parents', (SELECT jsonb_agg(jsonb_build_object('oid', i.inhparent::bigint, 'name', i.inhparent::regclass::text) ORDER BY i.inhseqno)
				FROM pg_inherits i WHERE i.inhrelid = relation));
	END IF;
	RETURN jsonb_strip_nulls(state);
END
$$;

-- Types that are no table's row type: enums, domains, ranges, base types; a composite one is a relation too.
CREATE FUNCTION dts.capture_type(type oid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'schema', n.nspname, 'name', t.typname, 'kind', t.typtype, 'owner', pg_get_userbyid(t.typowner), 'acl', dts.capture_acl(t.typacl),
		'relation', nullif(t.typrelid, 0)::bigint, 'comment', (SELECT m.description FROM pg_description m WHERE m.objoid = t.oid AND m.classoid = 'pg_type'::regclass AND m.objsubid = 0),
		'domain', CASE WHEN t.typtype = 'd' THEN jsonb_build_object('base', format_type(t.typbasetype, t.typtypmod), 'not_null', t.typnotnull, 'default', t.typdefault,
			'collation', (SELECT format('%I.%I', cn.nspname, l.collname) FROM pg_collation l JOIN pg_namespace cn ON cn.oid = l.collnamespace
				JOIN pg_type b ON b.oid = t.typbasetype WHERE l.oid = t.typcollation AND b.typcollation <> t.typcollation),
			'constraints', (SELECT jsonb_agg(jsonb_build_object('oid', c.oid::bigint, 'name', c.conname, 'definition', pg_get_constraintdef(c.oid)) ORDER BY c.oid)
				FROM pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c')) END,
		'labels', (SELECT jsonb_agg(jsonb_build_object('oid', e.oid::bigint, 'label', e.enumlabel) ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)))
	FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = type);
END
$$;

CREATE FUNCTION dts.capture_function(function oid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	SELECT jsonb_strip_nulls(jsonb_build_object('schema', n.nspname, 'name', p.proname, 'kind', p.prokind, 'owner', pg_get_userbyid(p.proowner),
		'acl', dts.capture_acl(p.proacl), 'arguments', pg_get_function_identity_arguments(p.oid), 'result', pg_get_function_result(p.oid), 'language', l.lanname, 'comment', (SELECT m.description FROM pg_description m WHERE m.objoid = p.oid AND m.classoid = 'pg_proc'::regclass AND m.objsubid = 0),
		'definition', CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END))
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang WHERE p.oid = function);
END
$$;

CREATE FUNCTION dts.capture_schema(schema oid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	SELECT jsonb_strip_nulls(jsonb_build_object('name', n.nspname, 'owner', pg_get_userbyid(n.nspowner), 'acl', dts.capture_acl(n.nspacl),
		'comment', (SELECT m.description FROM pg_description m WHERE m.objoid = n.oid AND m.classoid = 'pg_namespace'::regclass AND m.objsubid = 0))) FROM pg_namespace n WHERE n.oid = schema);
END
$$;

-- Any other object: its names only.
CREATE FUNCTION dts.capture_other(class oid, object oid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	SELECT jsonb_strip_nulls(jsonb_build_object('type', i.type, 'schema', i.schema, 'name', i.name, 'identity', i.identity, 'comment', (SELECT m.description FROM pg_description m WHERE m.objoid = object AND m.classoid = class AND m.objsubid = 0),
		'on', CASE WHEN class = 'pg_statistic_ext'::regclass THEN dts.capture_name((SELECT s.stxrelid FROM pg_statistic_ext s WHERE s.oid = object)) END,
		'extension_schema', (SELECT e.extnamespace::regnamespace::text FROM pg_extension e WHERE class = 'pg_extension'::regclass AND e.oid = object)))
	FROM pg_identify_object(class, object, 0) i WHERE i.identity IS NOT NULL);
EXCEPTION WHEN internal_error THEN
	RETURN NULL; -- before 14 an object that is gone is an error there
END
$$;

-- Tables with columns of a type, of an array, domain or composite type of it too.
CREATE FUNCTION dts.capture_users(type oid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	WITH RECURSIVE types(oid) AS (
		SELECT capture_users.type
		UNION SELECT u.oid FROM types t, LATERAL (
			SELECT d.objid FROM pg_depend d WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_type'::regclass
			UNION ALL SELECT c.reltype FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
				WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_class'::regclass AND c.relkind = 'c') u(oid))
	SELECT jsonb_agg(dts.capture_name(c.oid)) FROM (SELECT DISTINCT d.objid FROM types t JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid = t.oid
		AND d.classid = 'pg_class'::regclass AND d.objsubid > 0) u(oid) JOIN pg_class c ON c.oid = u.oid WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't');
END
$$;

CREATE FUNCTION dts.capture_state(class oid, object oid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	RETURN (
	SELECT CASE class
		WHEN 'pg_class'::regclass THEN dts.capture_relation(object)
		WHEN 'pg_type'::regclass THEN dts.capture_type(object)
		WHEN 'pg_proc'::regclass THEN dts.capture_function(object)
		WHEN 'pg_namespace'::regclass THEN dts.capture_schema(object)
		ELSE dts.capture_other(class, object) END);
END
$$;
