-- Values: fixed-width built-ins equal the output of their send functions, as do all other binary ones; text for what is
-- not the same elsewhere.
SELECT slot_name FROM pg_create_logical_replication_slot('ty', 'dts_decoder');
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'happy');
CREATE TYPE app.pair AS (a int, d date);
CREATE DOMAIN app.cents AS bigint CHECK (value >= 0);
SELECT :SERVER_VERSION_NUM >= 140000 AS has_multirange \gset
\if :has_multirange
	\set mrange int4multirange
	\set mranges '{[1,2),[4,5)}'
\else
	\set mrange int4range
	\set mranges '[1,2)'
\endif
CREATE TABLE ty (
	c_bool bool, c_char "char", c_int2 int2, c_int4 int4, c_int8 int8, c_oid oid, c_xid xid, c_cid cid, c_xid8 xid8, c_tid tid, c_float4 float4, c_float8 float8,
	c_date date, c_time time, c_timetz timetz, c_ts timestamp, c_tstz timestamptz, c_interval interval, c_money money, c_uuid uuid, c_lsn pg_lsn,
	c_mac macaddr, c_mac8 macaddr8, c_point point, c_lseg lseg, c_box box, c_circle circle, c_name name,
	c_text text, c_varchar varchar(10), c_bpchar char(5), c_bytea bytea, c_json json, c_jsonb jsonb, c_numeric numeric(12,3), c_inet inet, c_cidr cidr, c_bit bit(5), c_varbit varbit,
	c_xml xml, c_path path, c_polygon polygon, c_line line, c_tsvector tsvector, c_tsquery tsquery, c_int4a int4[], c_texta text[], c_range int4range, c_mrange :mrange, c_jsonpath jsonpath,
	c_oidvector oidvector);
INSERT INTO ty VALUES
	(true, 'x', -2, 2147483647, -9223372036854775808, 4294967295, '7', '8', '9', '(4294967294,65535)', 'NaN', '-Infinity',
	'2024-02-29', '23:59:59.999999', '12:00:00+05:30', '1999-12-31 23:59:59.5', 'infinity', '1 year -2 days 03:04:05.6', '-12.34', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'FF/1',
	'08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '(1,-2)', '[(1,2),(3,4)]', '((1,2),(3,4))', '<(1,2),3>', 'a name',
	'täxt', 'vc', 'ab', '\x00ff10', '{"a": 1}', '{"b": [1, null]}', 12345.678, '10.0.0.1/8', '10.0.0.0/8', '10101', '1',
	'<a>b</a>', '((0,0),(1,1))', '((0,0),(1,1),(1,0))', '{1,2,3}', 'a:1 b', 'a & b', '{1,null,3}', '{a,"b c",null}', '[1,5)', :'mranges', '$.a[*]', '1 2');
INSERT INTO ty DEFAULT VALUES;
-- Each value of the first row beside what SQL's send functions make of it.
CREATE FUNCTION pg_temp.sent(col text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE f regproc; r text;
BEGIN
	SELECT typsend INTO f FROM pg_type t JOIN pg_attribute a ON a.atttypid = t.oid WHERE a.attrelid = 'ty'::regclass AND attname = col;
	EXECUTE format('SELECT encode(%s(%I), ''hex'') FROM ty WHERE c_bool', f, col) INTO r;
	RETURN r;
END $$;
-- An empty tsquery is not taken in binary form by every minor release.
CREATE FUNCTION pg_temp.as_text(col text) RETURNS text LANGUAGE sql AS $$
	SELECT encode(convert_to(c_tsquery::text, 'UTF8'), 'hex') FROM ty WHERE c_bool AND col = 'c_tsquery' $$;
CREATE TEMP TABLE got AS SELECT r FROM wire_test.readings((SELECT array_agg(data) FROM pg_logical_slot_get_binary_changes('ty', NULL, NULL, 'protocol_version', '1')), true) r;
SELECT attname, value, pg_temp.sent(attname) AS sent
FROM (SELECT string_to_array(substring(r FROM '\((.*)\)'), ', ') AS v FROM got WHERE r LIKE 'insert%' LIMIT 1) g, unnest(v) WITH ORDINALITY u(value, n)
JOIN pg_attribute a ON a.attrelid = 'ty'::regclass AND a.attnum = n
WHERE value IS DISTINCT FROM coalesce(pg_temp.as_text(attname), pg_temp.sent(attname));
SELECT array_length(string_to_array(substring(r FROM '\((.*)\)'), ', '), 1) AS columns, r LIKE '%null%' AS nulls FROM got WHERE r LIKE 'insert%';
SELECT regexp_replace(c, '"c_(\w+)" \d+/(-?\d+) (\w+) .*', '\1 \2 \3') AS described
FROM (SELECT regexp_split_to_table(substring(r FROM 'columns=\((.*)\)'), ', ') AS c FROM got WHERE r LIKE 'relation%') s;

-- Text, independent of the caller's settings.
CREATE TABLE tx (m app.mood, p app.pair, c app.cents, ma app.mood[], rc regclass, rp regproc[], ac aclitem);
INSERT INTO tx VALUES ('happy', (1, '2024-02-03'), 7, '{sad,happy}', 'tx', '{pg_catalog.now}', 'postgres=r/postgres');
SET datestyle = 'German'; SET intervalstyle = 'iso_8601'; SET search_path = app, public; SET bytea_output = 'escape';
SELECT * FROM wire_test.changes('ty');
SHOW datestyle; SHOW search_path;
RESET ALL;
-- A type renamed describes its tables anew.
BEGIN; INSERT INTO tx (m) VALUES ('sad'); ALTER TYPE app.mood RENAME TO feeling; INSERT INTO tx (m) VALUES ('sad'); COMMIT;
SELECT * FROM wire_test.changes('ty');
SELECT pg_drop_replication_slot('ty');
DROP TABLE ty, tx; DROP SCHEMA app CASCADE;
