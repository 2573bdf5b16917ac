-- Values out of line: new ones come whole, untouched ones are UNCHANGED, old rows have them, keys too.
SELECT slot_name FROM pg_create_logical_replication_slot('to', 'dts_decoder');
CREATE FUNCTION pg_temp.noise(n int, seed text DEFAULT '') RETURNS text LANGUAGE sql AS
$$ SELECT substr(string_agg(md5(seed || i), '' ORDER BY i), 1, n) FROM generate_series(1, n / 32 + 1) i $$;
CREATE TABLE toa (id int PRIMARY KEY, n int, ext text, comp text, j jsonb);
ALTER TABLE toa ALTER ext SET STORAGE external;
INSERT INTO toa VALUES (1, 0, pg_temp.noise(5000), repeat('compressible ', 1000), jsonb_build_object('k', pg_temp.noise(4000)));
UPDATE toa SET n = 1;
UPDATE toa SET ext = 'short', n = 2;
UPDATE toa SET ext = pg_temp.noise(6000, 'b'), id = 2;
UPDATE toa SET n = NULL, comp = NULL;
DELETE FROM toa;
SELECT length(v), md5(v) FROM (VALUES (pg_temp.noise(5000)), (repeat('compressible ', 1000)), (pg_temp.noise(6000, 'b'))) s(v);
SELECT * FROM wire_test.changes('to');
CREATE TABLE tof (id int, n int, ext text);
ALTER TABLE tof ALTER ext SET STORAGE external, REPLICA IDENTITY FULL;
INSERT INTO tof VALUES (1, 0, pg_temp.noise(5000));
UPDATE tof SET n = 1;
DELETE FROM tof;
SELECT * FROM wire_test.changes('to');
-- A key out of line.
CREATE TABLE tok (k text PRIMARY KEY, n int);
ALTER TABLE tok ALTER k SET STORAGE external;
INSERT INTO tok VALUES (pg_temp.noise(2300), 0);
UPDATE tok SET n = 1;
UPDATE tok SET k = k || 'x';
DELETE FROM tok;
SELECT length(v), md5(v) FROM (VALUES (pg_temp.noise(2300)), (pg_temp.noise(2300) || 'x')) s(v);
SELECT * FROM wire_test.changes('to');
SELECT pg_drop_replication_slot('to');
DROP TABLE toa, tof, tok;
