-- Beats: each slot sees the row of its own, as a message, and no table of that shape elsewhere.
SELECT slot_name FROM pg_create_logical_replication_slot('hb', 'dts_decoder');
\t on
CREATE TABLE public.dts_postgres_heartbeat (slot_name text PRIMARY KEY, beat int8 NOT NULL, note text);
INSERT INTO public.dts_postgres_heartbeat VALUES ('hb', 1), ('other', 2), ('hb2', 3), ('h', 4), (repeat('h', 5000), 5);
UPDATE public.dts_postgres_heartbeat SET beat = -beat, note = repeat('x', 9000);
DELETE FROM public.dts_postgres_heartbeat;
SELECT substring(r FROM 'message.*') FROM wire_test.changes('hb') r WHERE r ~ '^(message|insert|update|delete|relation)';
INSERT INTO public.dts_postgres_heartbeat VALUES ('hb', 2147483647);
SELECT r FROM wire_test.changes('hb', 'messages', 'off') r;
-- a column less, or of another type, and it is a table that means nothing
ALTER TABLE public.dts_postgres_heartbeat ALTER beat TYPE int;
UPDATE public.dts_postgres_heartbeat SET beat = 3;
SELECT r FROM wire_test.changes('hb') r;
ALTER TABLE public.dts_postgres_heartbeat DROP beat;
UPDATE public.dts_postgres_heartbeat SET note = 'x';
SELECT r FROM wire_test.changes('hb') r;
DROP TABLE public.dts_postgres_heartbeat;
CREATE SCHEMA s;
CREATE TABLE s.dts_postgres_heartbeat (slot_name text PRIMARY KEY, beat int8);
INSERT INTO s.dts_postgres_heartbeat VALUES ('hb', 1);
SELECT substring(r FROM 'message.*') FROM wire_test.changes('hb') r WHERE r ~ '^message';
DROP SCHEMA s CASCADE;
\t off
SELECT pg_drop_replication_slot('hb');
