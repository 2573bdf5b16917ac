-- A database with every built-in type at its edges, odd names, and most object classes.
SET client_encoding = utf8; SET search_path = public;
CREATE SCHEMA "Odd ""S"" .schéma";
CREATE SCHEMA app;
CREATE EXTENSION hstore WITH SCHEMA public;
CREATE TYPE app.mood AS ENUM ('sad', 'it''s ok', 'happy');
CREATE TYPE app.pair AS (x int, y text);
CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
CREATE TYPE app.frange AS RANGE (subtype = float8);
CREATE TABLE app.numbers (id int PRIMARY KEY, a smallint, b int, c bigint, d numeric, e real, f double precision, g money, h boolean, i oid, j "char");
INSERT INTO app.numbers VALUES
 (1, -32768, -2147483648, -9223372036854775808, 'NaN', 'NaN', '-Infinity', '-92233720368547758.08', true, 4294967295, 'x'),
 (2, 32767, 2147483647, 9223372036854775807, 'Infinity', 1.17549435e-38, 2.2250738585072014e-308, '92233720368547758.07', false, 0, ''),
 (3, 0, 0, 0, 1e-1000, 0.1, 0.1, 0, NULL, 1, E'\\001'),
 (4, NULL, NULL, NULL, 12345678901234567890123456789.000000000100, 3.4028235e38, 1.7976931348623157e308, NULL, NULL, NULL, NULL);
CREATE TABLE app.texts (id int PRIMARY KEY, a text, b varchar(10), c char(5), d name, e bytea, f uuid, g json, h jsonb, i xml, j jsonpath, k tsvector, l tsquery, m hstore, n app.mood, o app.pair, p app.positive);
INSERT INTO app.texts VALUES
 (1, '', '', '', '', '', '00000000-0000-0000-0000-000000000000', '{"a" :  1}', '{"a": 1e400, "b": "\u00e9"}', '<?xml version="1.0" encoding="latin1"?><a>é</a>', '$.a[*] ? (@ > 1)', 'a:1A b:2', 'a & !b', 'a=>1,b=>NULL', 'it''s ok', '(1,"q""uote, \\ ")', 1),
 (2, E'tab\t nl\n cr\r bs\\ \\N \\. ''q''', 'ünïcødé', 'ab   ', 'n', E'\\x00ff5c27', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'null', 'null', '', '$', '', '', '', 'happy', '(,)', 2147483647),
 (3, repeat('x', 100000), NULL, NULL, NULL, decode(repeat('00ff', 60000), 'hex'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE app.times (id int PRIMARY KEY, a date, b time, c timetz, d timestamp, e timestamptz, f interval);
INSERT INTO app.times VALUES
 (1, '-infinity', '00:00', '00:00+15:59', '-infinity', 'infinity', '-178000000 years'),
 (2, 'infinity', '24:00', '23:59:59.999999-15:59', 'infinity', '4713-01-01 00:00:00+00 BC', '1 year -2 months 3 days -04:05:06.789'),
 (3, '4713-01-01 BC', '12:34:56.789', '12:00+05:30', '294276-12-31 23:59:59.999999', '2021-03-14 02:30:00-03:30', '-1 day +00:00:01'),
 (4, '2021-03-04', NULL, NULL, '2021-03-04 05:06:07', '1883-11-18 12:03:57-04:56:02', '00:00:00');
CREATE TABLE app.others (id int PRIMARY KEY, a inet, b cidr, c macaddr, d macaddr8, e bit(5), f varbit, g point, h line, i lseg, j box, k path, l polygon, m circle, n int4range, o nummultirange, p tstzrange, q pg_lsn, r xid8, s regclass, t regtype, u int[], v text[], w app.mood[], x app.frange, y numeric(10,2)[][], z pg_snapshot, aa regtype[], ab txid_snapshot, ac timestamptz[]);
INSERT INTO app.others VALUES
 (1, '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', B'10101', B'', '(1e308,-0)', '{1,2,3}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1),(2,0))', '<(0,0),1>', 'empty', '{[1,2),(3.5,)}', '[2020-01-01,)', 'FFFFFFFF/FFFFFFFF', '18446744073709551615', 'app.numbers', 'app.mood', '[0:2]={1,NULL,3}', ARRAY['', NULL, 'NULL', '"q"', '\'], '{sad,"it''s ok"}', '[1.5,2.5]', '{{1.00,2.50},{NULL,0.01}}', '10:20:10,14', '{int4,app.mood}', '10:20:10', '{infinity,"2001-02-03 04:05:06+07"}'),
 (2, '192.168.1.5', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '(,)', '{}', NULL, NULL, NULL, NULL, NULL, '{}', '{}', '{}', NULL, '{}', NULL, NULL, NULL, NULL);
-- the same without types of our own, so that they travel binary; and those that never may
CREATE TABLE app.binary_texts AS SELECT id, a, b, c, d, e, f, g, h, j, k, l FROM app.texts;
CREATE TABLE app.binary_others AS SELECT id, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, u, v, y, z, ab, ac FROM app.others;
CREATE TABLE app.by_oid AS SELECT 'app.texts'::regclass AS s, 'app.mood'::regtype AS t, ARRAY['app.pair'::regtype] AS aa, 'app'::regnamespace AS n;
CREATE TABLE app.xmls AS SELECT id, i FROM app.texts;
CREATE TABLE "Odd ""S"" .schéma"."T.able ""x"" — ü" ("Col umn" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "select" text, "a.b" text GENERATED ALWAYS AS ("select" || '!') STORED, "q""uote" int, dropped int);
ALTER TABLE "Odd ""S"" .schéma"."T.able ""x"" — ü" DROP COLUMN dropped;
INSERT INTO "Odd ""S"" .schéma"."T.able ""x"" — ü" ("select", "q""uote") SELECT 'v' || i, i FROM generate_series(1, 1000) i;
CREATE INDEX "In dex ""1""" ON "Odd ""S"" .schéma"."T.able ""x"" — ü" (lower("select")) WHERE "q""uote" > 10;
COMMENT ON INDEX "Odd ""S"" .schéma"."In dex ""1""" IS 'a ''comment'' with ; and "';
CREATE TABLE app.zero ();
INSERT INTO app.zero DEFAULT VALUES; INSERT INTO app.zero DEFAULT VALUES;
CREATE TABLE app.only_generated (g int GENERATED ALWAYS AS (1 + 1) STORED);
INSERT INTO app.only_generated DEFAULT VALUES; INSERT INTO app.only_generated DEFAULT VALUES;
CREATE TABLE app.parted (id int, k text, v int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE app.parted_a PARTITION OF app.parted FOR VALUES IN ('a');
CREATE TABLE app.parted_b PARTITION OF app.parted FOR VALUES IN ('b') PARTITION BY RANGE (id);
CREATE TABLE app.parted_b1 PARTITION OF app.parted_b FOR VALUES FROM (0) TO (500);
CREATE TABLE app.parted_b2 (v int, k text NOT NULL, id int NOT NULL, x int);
ALTER TABLE app.parted_b2 DROP COLUMN x;
ALTER TABLE app.parted_b ATTACH PARTITION app.parted_b2 FOR VALUES FROM (500) TO (100000);
CREATE INDEX ON app.parted (v);
INSERT INTO app.parted SELECT i, CASE WHEN i % 3 = 0 THEN 'a' ELSE 'b' END, i * 2 FROM generate_series(1, 5000) i;
CREATE TABLE app.parent (id serial PRIMARY KEY, a text DEFAULT 'd');
CREATE TABLE app.child (b int UNIQUE) INHERITS (app.parent);
INSERT INTO app.parent (a) VALUES ('p1'), ('p2'); INSERT INTO app.child (a, b) VALUES ('c1', 1), ('c2', 2);
CREATE TABLE app.node (id int PRIMARY KEY, next int REFERENCES app.node, num int REFERENCES app.numbers ON DELETE CASCADE);
INSERT INTO app.node SELECT i, CASE WHEN i < 100 THEN i + 1 END, i % 4 + 1 FROM generate_series(1, 100) i;
ALTER TABLE app.node ADD CONSTRAINT later CHECK (id > 50) NOT VALID;
CREATE TABLE app.secret (id int PRIMARY KEY, owner name);
INSERT INTO app.secret VALUES (1, 'a'), (2, 'b');
ALTER TABLE app.secret ENABLE ROW LEVEL SECURITY; ALTER TABLE app.secret FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON app.secret USING (owner = current_user);
CREATE TABLE app.keyless (a int, b text); ALTER TABLE app.keyless REPLICA IDENTITY FULL;
INSERT INTO app.keyless SELECT 1, 'dup' FROM generate_series(1, 50);
CREATE TABLE app.excl (r int4range, EXCLUDE USING gist (r WITH &&)); INSERT INTO app.excl VALUES ('[1,5)'), ('[5,9)');
CREATE TABLE app.uq (a int UNIQUE DEFERRABLE INITIALLY DEFERRED, b int NOT NULL); CREATE UNIQUE INDEX uq_b ON app.uq (b); ALTER TABLE app.uq REPLICA IDENTITY USING INDEX uq_b; ALTER TABLE app.uq CLUSTER ON uq_b;
INSERT INTO app.uq VALUES (1, 1), (NULL, 2);
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.b := NEW.b || E'\n-- Name: x; Type: TABLE;\n\\unrestrict y\n'; RETURN NEW; END$$;
CREATE TRIGGER touch BEFORE INSERT ON app.keyless FOR EACH ROW EXECUTE FUNCTION app.touch();
ALTER TABLE app.keyless ENABLE ALWAYS TRIGGER touch; ALTER TABLE app.keyless DISABLE TRIGGER touch;
CREATE RULE r AS ON DELETE TO app.keyless WHERE OLD.a = 7 DO INSTEAD NOTHING;
CREATE VIEW app.v AS SELECT n.*, count(*) AS cnt FROM app.numbers n GROUP BY n.id;
CREATE MATERIALIZED VIEW app.mv AS SELECT id, k, sum(v) AS s FROM app.parted GROUP BY id, k; CREATE UNIQUE INDEX ON app.mv (id, k);
CREATE MATERIALIZED VIEW app.mv2 AS SELECT count(*) AS n FROM app.mv;
CREATE MATERIALIZED VIEW app.mv_empty AS SELECT 1 AS one WITH NO DATA;
CREATE SEQUENCE app.s INCREMENT -3 MINVALUE -1000 MAXVALUE 1000 START 10 CYCLE; SELECT nextval('app.s'), nextval('app.s');
CREATE SEQUENCE app.s_set; SELECT setval('app.s_set', 42, false);
CREATE STATISTICS app.st ON a, b FROM app.numbers;
CREATE UNLOGGED TABLE app.unlogged (a int); 
CREATE TABLE app.wal_off_later (a int);
CREATE ROLE only_here; CREATE ROLE on_both;
CREATE TABLE app.owned (a int PRIMARY KEY); ALTER TABLE app.owned OWNER TO on_both; INSERT INTO app.owned VALUES (1);
GRANT SELECT (a), UPDATE ON app.owned TO on_both; GRANT USAGE ON SCHEMA app TO on_both;
REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO on_both;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO on_both;
CREATE FUNCTION app.ev() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN END$$; CREATE EVENT TRIGGER evt ON ddl_command_end EXECUTE FUNCTION app.ev();
CREATE PUBLICATION pub FOR ALL TABLES;
CREATE TABLE public.dts_ours (a int PRIMARY KEY); INSERT INTO public.dts_ours VALUES (1);
DO $$BEGIN EXECUTE 'CREATE TABLE app.wide (' || (SELECT string_agg('c' || i || ' int2', ',') FROM generate_series(1, 1600) i) || ')'; EXECUTE 'INSERT INTO app.wide (c1, c800, c1600) VALUES (1, 2, 3)'; END$$;
