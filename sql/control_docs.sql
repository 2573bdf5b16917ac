-- The operator's guide names every function, view, option and state as they are, and none that do not exist.
SET client_min_messages = warning;
SET intervalstyle = 'postgres';
CREATE EXTENSION dts;
\set functions `cat docs/functions.md`
\set options `cat docs/options.md`
\set states `cat docs/states.md`
\set operations `cat docs/operations.md`
\set alerts `cat docs/alerts.md`
\set events `tests/event_names`
\set errors `tests/error_names`
\set others `cat docs/daemon.md docs/ddl.md docs/decoder.md docs/prechecks.md docs/quickstart.md docs/schema.md README.md`
\set health `cat control/install/health.sql`
CREATE TEMP TABLE doc AS SELECT :'functions' AS functions, :'options' AS options, :'states' AS states, :'operations' AS operations, :'alerts' AS alerts, :'others' AS others;
CREATE TEMP VIEW member AS
	SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'dts';
SELECT length(functions) > 1000 AS functions, length(options) > 1000 AS options, length(states) > 1000 AS states FROM doc;
-- functions with their signatures
SELECT p.oid::regprocedure AS function_not_in_the_guide FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid, doc
	WHERE p.pronamespace = 'public'::regnamespace
		AND position('`' || CASE p.prokind WHEN 'p' THEN 'CALL ' ELSE '' END || p.proname || '('
			|| regexp_replace(regexp_replace(regexp_replace(pg_get_function_arguments(p.oid), ',? ?OUT .*', ''), '::timestamp with time zone|::\w+|\mIN ', '', 'g'), '01:00:00', '1 hour')
			|| ')`' IN doc.functions) = 0;
-- who may call what, of viewers and of administrators alone; all else is the operators'
SELECT r.role, p.oid::regprocedure AS right_not_in_the_guide FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid, doc,
		(VALUES ('dts_viewer', NULL), ('dts_admin', 'dts_operator')) r(role, below)
	WHERE p.pronamespace = 'public'::regnamespace AND has_function_privilege(r.role, p.oid, 'EXECUTE') AND (r.below IS NULL OR NOT has_function_privilege(r.below, p.oid, 'EXECUTE'))
		AND position('`' || p.proname || '`' IN coalesce(substring(doc.functions FROM '\n(\| `' || r.role || '` \|[^\n]*)'), '')) = 0;
-- views with their columns
SELECT c.relname, a.attname AS column_not_in_the_guide FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
		JOIN pg_attribute a ON a.attrelid = c.oid, doc
	WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0
		AND position('`' || a.attname || '`' IN coalesce(substring(doc.functions FROM '\n`' || c.relname || '`\n(.*?)\n\n'), '')) = 0;
-- options
SELECT o.path AS option_not_in_the_guide FROM dts.option_spec o, doc
	WHERE position(format('| `%s` | %s | %s | %s |', o.path, dts.option_expected(o),
		coalesce('`' || o.default_value::text || '`', CASE WHEN o.required THEN 'required' ELSE '-' END), o.meaning) IN doc.options) = 0;
SELECT m[1] AS option_that_does_not_exist FROM doc, regexp_matches(doc.options, '^\| `(\$[^`]*)`', 'gn') m
	WHERE m[1] NOT IN (SELECT path FROM dts.option_spec);
-- states
SELECT s.state AS state_not_in_the_guide FROM dts_state_names s, doc
	WHERE position(format('| `%s` | %s | %s |', s.state, s.meaning,
			coalesce((SELECT string_agg('`' || f || '`', ', ') FROM unnest(s.allowed) f), '-')) IN doc.states) = 0
		OR position(format('| `%s` | %s | %s | %s |', s.state, coalesce(s.tencent, '-'), coalesce(s.huawei, '-'), coalesce(s.oceanbase, '-')) IN doc.states) = 0;
SELECT t.* FROM dts.job_transitions() t, doc
	WHERE position(format('| `%s` | `%s` | `%s` | %s |', t.state, lower(t.event), t.next_state, t.doing) IN doc.states) = 0;
SELECT m[1] AS state_that_does_not_exist FROM doc, regexp_matches(doc.states, '^\| `(\w+)`', 'gn') m WHERE NOT dts.is_job_state(m[1]);
SELECT count(*) AS rows, (SELECT 2 * count(*) FROM dts.job_states()) + (SELECT count(*) FROM dts.job_transitions()) AS expected
	FROM doc, regexp_matches(doc.states, '^\| `', 'gn');
-- events
CREATE TEMP TABLE event AS SELECT e AS name FROM regexp_split_to_table(:'events', '\s+') e WHERE e <> '';
SELECT count(*) > 40 AS events FROM event;
CREATE TEMP VIEW event_row AS SELECT m[1] AS name FROM doc, regexp_matches(substring(operations FROM '\n## Events\n.*?\n## '), '^\| `(\w+)` \| (?:info|warning|error)[a-z, ]* \| [^|]+ \|$', 'gn') m;
SELECT name AS event_not_in_the_guide FROM event EXCEPT SELECT name FROM event_row;
SELECT name AS event_that_does_not_exist FROM event_row EXCEPT SELECT name FROM event;
-- errors: our own, and the conditions that SQL raises by name
CREATE FUNCTION pg_temp.sqlstate_of(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('DO %L', format('BEGIN RAISE %I; END', name));
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END
$$;
CREATE TEMP TABLE error AS SELECT CASE WHEN e ~ '^DTS' THEN e ELSE pg_temp.sqlstate_of(e) END AS state FROM regexp_split_to_table(:'errors', '\s+') e WHERE e <> '';
SELECT count(*) > 20 AS errors FROM error;
CREATE TEMP VIEW error_row AS SELECT s AS state FROM doc, regexp_matches(substring(functions FROM '\n## Errors\n.*?\n## '), '^\| ([0-9A-Z]{5}(?:, [0-9A-Z]{5})*) \| [^|]+ \|', 'gn') m,
	regexp_split_to_table(m[1], ', ') s;
SELECT state AS error_not_in_the_guide FROM error EXCEPT SELECT state FROM error_row;
SELECT state AS error_that_does_not_exist FROM error_row EXCEPT SELECT state FROM error;
-- methods of alerts
SELECT m.method AS method_not_in_the_guide FROM dts.option_spec o, unnest(o.allowed) m(method), doc
	WHERE o.path = '$alert.method' AND position(format('| `%s` |', m.method) IN alerts) = 0;
-- metrics
CREATE TEMP TABLE metric AS SELECT m[1] AS name, m[2] AS type, m[3] AS help FROM regexp_matches(:'health', '\(\d+, ''(dts_\w+)'', ''(\w+)'', ''([^'']+)''\)', 'g') m;
SELECT count(*) > 10 AS metrics FROM metric;
SELECT name AS metric_not_in_the_guide FROM metric, doc WHERE position(format('| `%s` | %s | %s |', name, type, help) IN operations) = 0;
SELECT m[1] AS metric_that_does_not_exist FROM doc, regexp_matches(operations, '^\| `(dts_\w+)` \| (?:gauge|counter)', 'gn') m WHERE m[1] NOT IN (SELECT name FROM metric);
-- names of ours that mean nothing; beside those of the extension there are metrics, the programs, the default channel, and what jobs make on their ends
SELECT DISTINCT m[1] AS name_that_does_not_exist FROM doc, regexp_matches(functions || options || states || operations || alerts || others, '\m(dts_[a-z_]+)', 'g') m
	WHERE m[1] !~ '^dts_sync_' AND m[1] NOT IN (SELECT name FROM metric) AND m[1] NOT IN ('dts_applier', 'dts_decoder', 'dts_alert', 'dts_ddl_command', 'dts_args_session', 'dts_postgres_heartbeat')
		AND NOT EXISTS (SELECT FROM pg_proc WHERE proname = m[1]) AND NOT EXISTS (SELECT FROM pg_class WHERE relname = m[1])
		AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = m[1]) AND NOT EXISTS (SELECT FROM pg_foreign_data_wrapper WHERE fdwname = m[1]);
DROP VIEW member, event_row, error_row;
DROP EXTENSION dts;
