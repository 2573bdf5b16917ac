-- Options of a job: every mistake is named with its path and what would be right.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION dts;
SELECT dts_create_endpoint('a', 'postgresql', 'host=a'), dts_create_endpoint('b', 'postgresql', 'host=b');

-- the defaults, and what the daemon reads
SELECT jsonb_pretty(dts.options_complete('{}'));
SELECT jsonb_pretty(dts.options_complete(dts.options_check('{"phases": ["incremental", "full"], "workers": 0,
	"objects": [{"schema": "s", "tables": ["t", {"name": "u"}]}, {"schema": "v", "tables": null}],
	"exclude": [{"schema": "w"}], "same_name_tables": "keep", "streaming": true, "retry": {"other_minutes": 5}}', 'sync')));

-- what is stored is what was given
SELECT dts_create_job('j', 'a', 'b', options => '{"workers": 7, "streaming": null, "objects": null}');
SELECT options FROM dts.job;
-- the keys given replace, null resets, the others stay
SELECT dts_configure_job('j', '{"same_name_tables": "truncate", "retry": {"connection_minutes": 20}}');
SELECT options FROM dts.job;
SELECT dts_configure_job('j', '{"workers": null, "retry": {"other_minutes": 2}}');
SELECT options FROM dts.job;
SELECT dts_configure_job('j', '{}');

-- Tries options on a new job and tells what is said of them; "accepted" jobs do not stay.
CREATE FUNCTION try(options text, kind text DEFAULT 'sync') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	PERFORM dts_create_job('try', 'a', 'b', kind, options::jsonb);
	PERFORM dts_destroy_job('try');
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN format(E'%s %s\n%s\n%s', sqlstate, sqlerrm, detail, hint);
END
$$;
\t
\pset format unaligned
SELECT o || E'\n' || try(o) || E'\n' FROM (VALUES
	(1, '{"phases": ["schema", "full", "incremental"], "objects": [{"schema": "s", "tables": [{"name": "t"}]}], "workers": 2, "same_name_tables": "fail"}'),
	(2, '[]'), (3, '"x"'), (4, 'null'), (5, '{oops'),
	(10, '{"worker": 1}'), (11, '{"worker": null}'), (12, '{"retry": {"minutes": 1}}'), (13, '{"": 1}'),
	(20, '{"workers": "many"}'), (21, '{"workers": 65}'), (22, '{"workers": -1}'), (23, '{"workers": 1.5}'), (24, '{"workers": [4]}'),
	(25, '{"workers": 1e100}'), (26, '{"workers": 64}'),
	(30, '{"phases": []}'), (31, '{"phases": "full"}'), (32, '{"phases": ["incremental", "fulll"]}'),
	(33, '{"phases": ["full", "incremental", "full"]}'), (34, '{"phases": ["full"]}'), (35, '{"phases": [null]}'),
	(40, '{"objects": []}'), (41, '{"objects": {"schema": "s"}}'), (42, '{"objects": [{}]}'), (43, '{"objects": [{"schema": ""}]}'),
	(44, '{"objects": [{"schema": "s", "tables": []}]}'), (45, '{"objects": [{"schema": "s", "tables": [{"name": "t"}, {}]}]}'),
	(46, '{"objects": [{"schema": "s", "tables": [{"nam": "t"}]}]}'), (47, '{"objects": [{"schema": "s", "tables": [7]}]}'),
	(48, '{"objects": [{"schema": "s"}, {"schema": "t"}, {"schema": "s"}]}'),
	(49, '{"objects": [{"schema": "s", "tables": ["t", {"name": "t"}]}]}'), (50, '{"objects": ["s"]}'),
	(51, '{"objects": [{"schema": null}]}'), (52, '{"objects": [{"schema": "s", "columns": ["c"]}]}'),
	(53, '{"exclude": [{"schema": "s", "tables": ["t", ""]}]}'), (54, '{"exclude": [{"schema": "s"}, {"schema": "s"}]}'),
	(55, '{"objects": [{"schema": "s", "rename": ""}]}'), (56, '{"objects": [{"schema": "s", "rename": "pg_x"}]}'),
	(57, '{"objects": [{"schema": "s", "tables": [{"rename": "u"}]}]}'), (58, '{"exclude": [{"schema": "s", "rename": "u"}]}'),
	(59, '{"objects": [{"schema": "s", "tables": [{"name": "t", "rename": "0123456789012345678901234567890123456789012345678901234567890123"}]}]}'),
	(60, '{"same_name_tables": "drop"}'), (61, '{"same_name_tables": true}'), (62, '{"streaming": "yes"}'),
	(70, '{"retry": 5}'), (71, '{"retry": {"connection_minutes": 9}}'), (72, '{"retry": {"connection_minutes": 1441}}'),
	(73, '{"retry": {"other_minutes": 0}}'), (74, '{"retry": {"connection_minutes": 10}}'), (75, '{"retry": {"connection_minutes": 10, "other_minutes": 9}}'),
	(80, '{"missing_roles": "fail"}'), (81, '{"missing_roles": "drop"}'), (82, '{"missing_roles": 1}'), (83, '{"missing_roles": {}}'),
	(84, '{"missing_roles": {"map": {"old role": "new", "b": null}, "others": "fail"}}'), (85, '{"missing_roles": {"map": {"a": ""}}}'),
	(86, '{"missing_roles": {"map": {"": "a"}}}'), (87, '{"missing_roles": {"map": ["a"]}}'), (88, '{"missing_roles": {"rest": "skip"}}'),
	(89, '{"missing_roles": {"others": "drop"}}'),
	(90, '{"objects": [{"schema": "s", "tables": ["t", {"name": "u", "rename": "t"}]}]}'),
	(91, '{"objects": [{"schema": "s", "tables": ["t"]}, {"schema": "v", "rename": "s", "tables": ["t"]}]}'),
	(92, '{"objects": [{"schema": "s", "tables": [{"name": "t", "columns": ["a", {"name": "b", "rename": "a"}]}]}]}'),
	(93, '{"objects": [{"schema": "s", "tables": [{"name": "t", "columns": ["a", "b", "a"]}]}]}'),
	(94, '{"objects": [{"schema": "s", "tables": [{"name": "t", "columns": []}]}]}'),
	(95, '{"objects": [{"schema": "s", "tables": [{"name": "t", "columns": [{"rename": "a"}]}]}]}'),
	(96, '{"objects": [{"schema": "s", "tables": [{"name": "t", "columns": [{"name": "a", "type": "int"}]}]}]}'),
	(97, '{"objects": [{"schema": "s", "tables": [{"name": "t", "operations": ["insert", "upsert"]}]}]}'),
	(98, '{"objects": [{"schema": "s", "tables": [{"name": "t", "operations": ["insert", "insert"]}]}]}'),
	(99, '{"objects": [{"schema": "s", "tables": [{"name": "t", "where": ""}]}]}'),
	(100, '{"objects": [{"schema": "public", "tables": [{"name": "t", "rename": "dts_t"}]}]}'))
	AS v(n, o) ORDER BY n;
SELECT 'a schema of 64 bytes: ' || try(format('{"objects": [{"schema": "%s"}]}', repeat('x', 64)));
SELECT 'a schema of 63 bytes: ' || try(format('{"objects": [{"schema": "%s"}]}', repeat('x', 63)));
SELECT 'a migration needs no stream: ' || try('{"phases": ["full"]}', 'migration');
-- a refused change leaves the job as it was
SELECT dts_configure_job('j', '{"workers": 0.5}');
SELECT dts_configure_job('j', '7');
SELECT dts_configure_job('j', NULL);
SELECT state, options FROM dts.job;
SELECT count(*) FROM dts.job;
DROP FUNCTION try;
DROP EXTENSION dts CASCADE;
