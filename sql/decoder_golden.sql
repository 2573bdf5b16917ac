-- The golden vectors: their readings hold under a reader that shares no code with anybody, and the malformed ones are refused.
\set files `cd tests/golden && for f in *.vec; do echo "@@@${f%.vec}"; cat "$f"; done`
CREATE TEMP TABLE vec AS
SELECT split_part(t, E'\n', 1) AS name, substr(t, strpos(t, E'\n') + 1) AS file
FROM regexp_split_to_table(:'files', '@@@') t WHERE t <> '';
CREATE FUNCTION pg_temp.check(name text, file text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF name LIKE 'bad%' THEN
		PERFORM * FROM wire_test.readings(wire_test.golden_messages(file), true);
		RETURN 'accepted';
	END IF;
	RETURN CASE WHEN (SELECT array_agg(r) FROM wire_test.readings(wire_test.golden_messages(file), true) r)
		= (SELECT array_agg(r) FROM wire_test.golden_readings(file) r) THEN 'as it should read' ELSE 'reads otherwise' END;
EXCEPTION WHEN raise_exception OR data_exception THEN
	RETURN CASE WHEN name LIKE 'bad%' THEN 'refused: ' ELSE 'FAILED: ' END || sqlerrm;
END $$;
SELECT name, pg_temp.check(name, file) FROM vec ORDER BY name COLLATE "C";

-- What the decoder makes of a scripted session is the vector row_kinds, but for xids, LSNs, times, OIDs and the server.
SELECT slot_name FROM pg_create_logical_replication_slot('golden', 'dts_decoder');
CREATE TABLE t (id int PRIMARY KEY, x text);
CREATE TABLE "full one" (a int, b varchar(10));
ALTER TABLE "full one" REPLICA IDENTITY FULL;
CREATE TABLE "no""key" (a bigint);
INSERT INTO "no""key" VALUES (1);
SELECT count(*) > 0 AS skipped FROM pg_logical_slot_get_binary_changes('golden', NULL, NULL, 'protocol_version', '1');
BEGIN;
INSERT INTO t VALUES (1, 'one');
UPDATE t SET x = 'eins';
UPDATE t SET id = 2, x = '';
DELETE FROM t;
INSERT INTO "full one" VALUES (-1, 'b');
UPDATE "full one" SET a = -2, b = NULL;
DELETE FROM "full one";
UPDATE "no""key" SET a = 1;
DELETE FROM "no""key";
TRUNCATE t, "full one" RESTART IDENTITY CASCADE;
TRUNCATE t;
SELECT pg_logical_emit_message(true, 'dts', '') IS NULL;
SELECT pg_logical_emit_message(true, 'dts.marker', '\x610062'::bytea) IS NULL;
COMMIT;
CREATE FUNCTION pg_temp.mask(t text) RETURNS text LANGUAGE sql AS
$$ SELECT regexp_replace(t, '\m(oid|xid|commit|end|time|server)=\S+', '\1=?', 'g') $$;
CREATE TEMP TABLE made AS
SELECT pg_temp.mask(r) AS r, n FROM wire_test.readings((SELECT array_agg(data) FROM pg_logical_slot_get_binary_changes('golden', NULL, NULL, 'protocol_version', '1', 'on_no_identity', 'emit')), true)
	WITH ORDINALITY q(r, n);
SELECT n, made.r AS made, wanted.r AS wanted FROM made
FULL JOIN (SELECT pg_temp.mask(r) AS r, n FROM vec, wire_test.golden_readings(file) WITH ORDINALITY q(r, n) WHERE name = 'row_kinds') wanted USING (n)
WHERE made.r IS DISTINCT FROM wanted.r ORDER BY n;
SELECT count(*) FROM made;
SELECT pg_drop_replication_slot('golden');
DROP TABLE t, "full one", "no""key";
