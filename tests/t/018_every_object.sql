-- A database with every class of object that PostgreSQL 15 knows, for 018_every_object.pl.
-- Roles obj_owner, obj_reader and "Odd ""Role" exist already, and so does tablespace obj_space.

-- Schemas, odd names, extensions
CREATE SCHEMA obj AUTHORIZATION obj_owner;
COMMENT ON SCHEMA obj IS 'objects of all sorts';
CREATE SCHEMA "Odd ""Schema"".with, blanks" AUTHORIZATION "Odd ""Role";
CREATE SCHEMA "схема 数据 ☂";
CREATE SCHEMA ext;
GRANT USAGE ON SCHEMA ext TO obj_owner, obj_reader;
CREATE SCHEMA empty;
CREATE EXTENSION hstore SCHEMA ext;
CREATE EXTENSION citext SCHEMA ext;
CREATE EXTENSION pg_trgm SCHEMA ext;
CREATE EXTENSION btree_gist SCHEMA ext;
CREATE EXTENSION postgres_fdw;
CREATE EXTENSION file_fdw;
CREATE EXTENSION unaccent;
CREATE EXTENSION dts_test_config;
COMMENT ON EXTENSION hstore IS 'a comment of our own';
GRANT EXECUTE ON FUNCTION ext.similarity(text, text) TO obj_reader;
REVOKE ALL ON FUNCTION ext.similarity(text, text) FROM PUBLIC;
INSERT INTO conf.setting VALUES ('user', 'kept'), ('other', 'one''s own');
SELECT setval('conf.numbers', 77);
INSERT INTO conf.everything VALUES (2, 'added');
CREATE TABLE obj.in_extension (id int PRIMARY KEY, h ext.hstore, c ext.citext);
INSERT INTO obj.in_extension VALUES (1, 'a=>1', 'Text');

-- Types
SET ROLE obj_owner;
CREATE TYPE obj.mood AS ENUM ('sad', 'ok', 'happy', 'it''s "odd"');
ALTER TYPE obj.mood ADD VALUE 'worse' BEFORE 'sad';
COMMENT ON TYPE obj.mood IS 'moods';
CREATE TYPE obj.empty_enum AS ENUM ();
CREATE TYPE obj.pair AS (a int, b text COLLATE "C", "Odd c" numeric(8,3)[]);
COMMENT ON COLUMN obj.pair.b IS 'a text within';
CREATE TYPE obj.nothing AS ();
CREATE DOMAIN obj.email AS text COLLATE "C" DEFAULT 'a@b' CONSTRAINT has_at CHECK (VALUE ~ '@') NOT NULL;
COMMENT ON CONSTRAINT has_at ON DOMAIN obj.email IS 'an at sign';
CREATE DOMAIN obj.positive AS int CHECK (VALUE > 0);
ALTER DOMAIN obj.positive ADD CONSTRAINT small CHECK (VALUE < 1000) NOT VALID;
CREATE DOMAIN obj.over AS obj.positive CHECK (VALUE <> 13);
CREATE FUNCTION obj.span_diff(float8, float8) RETURNS float8 LANGUAGE sql IMMUTABLE RETURN $1 - $2;
CREATE TYPE obj.span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = obj.span_diff, MULTIRANGE_TYPE_NAME = obj.spans);
GRANT USAGE ON TYPE obj.mood TO obj_reader WITH GRANT OPTION;
REVOKE USAGE ON TYPE obj.pair FROM PUBLIC;
RESET ROLE;
CREATE TYPE obj.shell;
CREATE TYPE obj.number;
CREATE FUNCTION obj.number_in(cstring) RETURNS obj.number LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION obj.number_out(obj.number) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE FUNCTION obj.number_recv(internal) RETURNS obj.number LANGUAGE internal IMMUTABLE STRICT AS 'int4recv';
CREATE FUNCTION obj.number_send(obj.number) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'int4send';
CREATE TYPE obj.number (INPUT = obj.number_in, OUTPUT = obj.number_out, RECEIVE = obj.number_recv, SEND = obj.number_send, INTERNALLENGTH = 4, PASSEDBYVALUE, ALIGNMENT = int4, CATEGORY = 'N', DEFAULT = '7');
COMMENT ON TYPE obj.number IS 'a base type';

-- Languages, access methods, operators and their classes, casts, transforms
CREATE FUNCTION obj.handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION obj.inline_handler(internal) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION obj.validator(oid) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE TRUSTED LANGUAGE obj_language HANDLER obj.handler INLINE obj.inline_handler VALIDATOR obj.validator;
COMMENT ON LANGUAGE obj_language IS 'plpgsql by another name';
GRANT USAGE ON LANGUAGE obj_language TO obj_reader;
CREATE ACCESS METHOD obj_index TYPE INDEX HANDLER gisthandler;
CREATE ACCESS METHOD obj_heap TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD obj_heap IS 'heap by another name';
CREATE FUNCTION obj.number_lt(obj.number, obj.number) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4lt';
CREATE FUNCTION obj.number_le(obj.number, obj.number) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4le';
CREATE FUNCTION obj.number_eq(obj.number, obj.number) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION obj.number_ge(obj.number, obj.number) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4ge';
CREATE FUNCTION obj.number_gt(obj.number, obj.number) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4gt';
CREATE FUNCTION obj.number_cmp(obj.number, obj.number) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE FUNCTION obj.number_hash(obj.number) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'hashint4';
CREATE OPERATOR obj.< (LEFTARG = obj.number, RIGHTARG = obj.number, FUNCTION = obj.number_lt, COMMUTATOR = OPERATOR(obj.>), NEGATOR = OPERATOR(obj.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR obj.<= (LEFTARG = obj.number, RIGHTARG = obj.number, FUNCTION = obj.number_le, COMMUTATOR = OPERATOR(obj.>=), NEGATOR = OPERATOR(obj.>));
CREATE OPERATOR obj.= (LEFTARG = obj.number, RIGHTARG = obj.number, FUNCTION = obj.number_eq, COMMUTATOR = OPERATOR(obj.=), HASHES, MERGES, RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE OPERATOR obj.>= (LEFTARG = obj.number, RIGHTARG = obj.number, FUNCTION = obj.number_ge, COMMUTATOR = OPERATOR(obj.<=), NEGATOR = OPERATOR(obj.<));
CREATE OPERATOR obj.> (LEFTARG = obj.number, RIGHTARG = obj.number, FUNCTION = obj.number_gt, COMMUTATOR = OPERATOR(obj.<), NEGATOR = OPERATOR(obj.<=));
CREATE OPERATOR obj.@#@ (RIGHTARG = int8, FUNCTION = int8abs);
COMMENT ON OPERATOR obj.@#@ (NONE, int8) IS 'a prefix operator';
CREATE OPERATOR FAMILY obj.number_ops USING btree;
CREATE OPERATOR CLASS obj.number_ops DEFAULT FOR TYPE obj.number USING btree FAMILY obj.number_ops AS
	OPERATOR 1 obj.<, OPERATOR 2 obj.<=, OPERATOR 3 obj.=, OPERATOR 4 obj.>=, OPERATOR 5 obj.>, FUNCTION 1 obj.number_cmp(obj.number, obj.number);
CREATE OPERATOR CLASS obj.number_hash_ops DEFAULT FOR TYPE obj.number USING hash AS OPERATOR 1 obj.=, FUNCTION 1 obj.number_hash(obj.number);
CREATE FUNCTION obj.number_int_cmp(obj.number, int) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
ALTER OPERATOR FAMILY obj.number_ops USING btree ADD FUNCTION 1 (obj.number, int4) obj.number_int_cmp(obj.number, int);
CREATE OPERATOR FAMILY obj.lonely USING gist;
COMMENT ON OPERATOR CLASS obj.number_ops USING btree IS 'orders numbers';
COMMENT ON OPERATOR FAMILY obj.lonely USING gist IS 'empty';
CREATE OPERATOR CLASS obj.box_ops FOR TYPE box USING obj_index AS
	OPERATOR 3 &&, FUNCTION 1 gist_box_consistent(internal, box, smallint, oid, internal), FUNCTION 2 gist_box_union(internal, internal),
	FUNCTION 5 gist_box_penalty(internal, internal, internal), FUNCTION 6 gist_box_picksplit(internal, internal), FUNCTION 7 gist_box_same(box, box, internal);
CREATE CAST (obj.number AS int4) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (int4 AS obj.number) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE FUNCTION obj.to_mood(int) RETURNS obj.mood LANGUAGE sql IMMUTABLE AS $$ SELECT 'ok'::obj.mood $$;
CREATE CAST (int AS obj.mood) WITH FUNCTION obj.to_mood(int);
CREATE CAST (obj.mood AS obj.pair) WITH INOUT;
COMMENT ON CAST (int AS obj.mood) IS 'always ok';
CREATE TRANSFORM FOR int8 LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int8recv(internal));

-- Collations, conversions, text search
CREATE COLLATION obj.german (provider = icu, locale = 'de-u-co-phonebk', deterministic = false);
CREATE COLLATION obj.plain FROM "C";
COMMENT ON COLLATION obj.german IS 'as in a phone book';
CREATE DEFAULT CONVERSION obj.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION obj.latin IS 'a conversion';
CREATE TEXT SEARCH PARSER obj.parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE obj.template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY obj.dict (TEMPLATE = obj.template, ACCEPT = 'false');
CREATE TEXT SEARCH CONFIGURATION obj.config (PARSER = obj.parser);
ALTER TEXT SEARCH CONFIGURATION obj.config ADD MAPPING FOR asciiword, word WITH obj.dict, simple;
ALTER TEXT SEARCH CONFIGURATION obj.config ADD MAPPING FOR email WITH unaccent, simple;
COMMENT ON TEXT SEARCH PARSER obj.parser IS 'parser';
COMMENT ON TEXT SEARCH TEMPLATE obj.template IS 'template';
COMMENT ON TEXT SEARCH DICTIONARY obj.dict IS 'dictionary';
COMMENT ON TEXT SEARCH CONFIGURATION obj.config IS 'configuration';
ALTER TEXT SEARCH CONFIGURATION obj.config OWNER TO obj_owner;

-- Functions of all sorts
SET ROLE obj_owner;
CREATE FUNCTION obj.standard(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql STABLE BEGIN ATOMIC SELECT a * b; END;
CREATE FUNCTION obj.many(IN a int, OUT b int, INOUT c text, VARIADIC d int[]) LANGUAGE plpgsql VOLATILE COST 7 PARALLEL SAFE STRICT SET work_mem = '8MB' SET search_path = obj, pg_temp AS $body$ BEGIN b := a; RETURN; END $body$;
CREATE FUNCTION obj.rows_of(n obj.positive) RETURNS TABLE (r obj.pair, m obj.mood) LANGUAGE plpgsql ROWS 42 SECURITY DEFINER AS $$ BEGIN RETURN; END $$;
COMMENT ON FUNCTION obj.rows_of(obj.positive) IS 'with a table';
CREATE FUNCTION obj.quoted() RETURNS text LANGUAGE sql AS 'SELECT ''it''''s $$ and $body$; ALTER TABLE obj.a OWNER TO obj_reader;
ALTER TABLE obj.a OWNER TO obj_owner;
''::text';
CREATE FUNCTION obj.planned(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN $1 > 0; END';
CREATE PROCEDURE obj.do_it(INOUT a int, b text DEFAULT 'x;y') LANGUAGE plpgsql AS $$ BEGIN a := a + 1; COMMIT; END $$;
COMMENT ON PROCEDURE obj.do_it(int, text) IS 'a procedure';
GRANT EXECUTE ON PROCEDURE obj.do_it(int, text) TO "Odd ""Role";
REVOKE ALL ON FUNCTION obj.standard(int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION obj.standard(int, int) TO obj_reader WITH GRANT OPTION;
CREATE AGGREGATE obj.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = int, MINITCOND = '0', COMBINEFUNC = int4pl, PARALLEL = SAFE);
RESET ROLE;
CREATE AGGREGATE obj.middle(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
CREATE AGGREGATE obj.rank_of(VARIADIC "any" ORDER BY VARIADIC "any") (SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL);
CREATE AGGREGATE obj.least_of(float8) (SFUNC = float8smaller, STYPE = float8, SORTOP = <);
COMMENT ON AGGREGATE obj.total(int) IS 'a sum';
CREATE FUNCTION obj.in_own_language() RETURNS int LANGUAGE obj_language AS 'BEGIN RETURN 1; END';
CREATE FUNCTION obj.own_window() RETURNS int8 LANGUAGE internal WINDOW IMMUTABLE AS 'window_row_number';
ALTER FUNCTION obj.planned(int) LEAKPROOF;
SET ROLE obj_owner;

-- Sequences and tables
CREATE SEQUENCE obj.plain_seq AS smallint INCREMENT -3 MINVALUE -100 MAXVALUE 100 START 90 CACHE 5 CYCLE;
CREATE SEQUENCE obj.big_seq;
SELECT setval('obj.big_seq', 9223372036854775807);
SELECT setval('obj.plain_seq', 12, false);
COMMENT ON SEQUENCE obj.plain_seq IS 'a sequence';
GRANT USAGE, SELECT ON SEQUENCE obj.plain_seq TO obj_reader;
CREATE TABLE obj.main (
	id bigint GENERATED BY DEFAULT AS IDENTITY (START 10 INCREMENT 2) PRIMARY KEY,
	always int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME obj.main_always CYCLE MAXVALUE 99999),
	serial serial, m obj.mood DEFAULT 'ok' NOT NULL, e obj.email, o obj.over, p obj.pair, s obj.span, ss obj.spans, num obj.number, nums obj.number[],
	n numeric(10,2) CONSTRAINT positive CHECK (n > 0) NO INHERIT, twice numeric GENERATED ALWAYS AS (n * 2) STORED,
	t text COLLATE obj.german, u text COMPRESSION pglz, at timestamptz DEFAULT now(), x int DEFAULT nextval('obj.plain_seq'),
	y int DEFAULT obj.standard(3), arr int[][] DEFAULT '{{1,2},{3,4}}', h ext.hstore, j jsonb, ts tsvector, bx box, gone int, "Column with ""quotes"", and Ünïcode" text,
	UNIQUE (t), CONSTRAINT nulls_same UNIQUE NULLS NOT DISTINCT (u), CONSTRAINT later UNIQUE (x) DEFERRABLE INITIALLY DEFERRED,
	CONSTRAINT cover UNIQUE (n) INCLUDE (m) WITH (fillfactor = 80), CONSTRAINT apart EXCLUDE USING gist (s WITH &&, n WITH =) WHERE (n > 3) DEFERRABLE);
ALTER TABLE obj.main DROP COLUMN gone;
ALTER TABLE obj.main ALTER u SET STORAGE EXTERNAL, ALTER n SET STATISTICS 500, ALTER n SET (n_distinct = -0.5), ALTER j SET STORAGE MAIN;
ALTER TABLE obj.main SET (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled = off, parallel_workers = 3);
ALTER TABLE obj.main ADD CONSTRAINT not_checked CHECK (n < 400) NOT VALID;
COMMENT ON TABLE obj.main IS 'the main table; it''s commented
over two lines';
COMMENT ON COLUMN obj.main."Column with ""quotes"", and Ünïcode" IS 'odd';
COMMENT ON CONSTRAINT positive ON obj.main IS 'above zero';
COMMENT ON CONSTRAINT main_pkey ON obj.main IS 'the key';
CREATE INDEX main_expr ON obj.main (lower(u) text_pattern_ops, (n + 1) DESC NULLS LAST) WHERE n > 5;
CREATE INDEX main_cover ON obj.main USING btree (at) INCLUDE (n) WITH (fillfactor = 80, deduplicate_items = off);
CREATE INDEX main_brin ON obj.main USING brin (at timestamptz_minmax_multi_ops (values_per_range = 16)) WITH (pages_per_range = 8, autosummarize = on);
CREATE INDEX main_hash ON obj.main USING hash (num);
CREATE INDEX main_num ON obj.main (num);
CREATE INDEX main_gin ON obj.main USING gin (ts, j jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX main_trgm ON obj.main USING gin (u ext.gin_trgm_ops);
CREATE INDEX main_gist ON obj.main USING gist (h) ;
CREATE INDEX main_spgist ON obj.main USING spgist (u);
CREATE INDEX main_am ON obj.main USING obj_index (bx obj.box_ops);
CREATE UNIQUE INDEX "Index of ""odd"" name" ON obj.main (id, t COLLATE "C");
ALTER INDEX obj.main_expr ALTER COLUMN 2 SET STATISTICS 300;
COMMENT ON INDEX obj.main_brin IS 'a summary';
CREATE STATISTICS obj.main_stat (ndistinct, dependencies, mcv) ON m, n FROM obj.main;
CREATE STATISTICS obj.expr_stat ON (n + 1), (lower(t)) FROM obj.main;
ALTER STATISTICS obj.main_stat SET STATISTICS 50;
COMMENT ON STATISTICS obj.main_stat IS 'of two columns';
ALTER TABLE obj.main CLUSTER ON main_cover;
CREATE TABLE obj.identity_full (a int, b text);
ALTER TABLE obj.identity_full REPLICA IDENTITY FULL;
CREATE TABLE obj.identity_index (a int NOT NULL, b text, CONSTRAINT by_a UNIQUE (a));
ALTER TABLE obj.identity_index REPLICA IDENTITY USING INDEX by_a;
CREATE TABLE obj.no_columns ();
ALTER TABLE obj.no_columns REPLICA IDENTITY FULL;
INSERT INTO obj.no_columns DEFAULT VALUES; INSERT INTO obj.no_columns DEFAULT VALUES;
CREATE TABLE obj.typed OF obj.pair (PRIMARY KEY (a), b WITH OPTIONS DEFAULT 'typed');
CREATE UNLOGGED TABLE obj.unlogged (id int PRIMARY KEY, s serial);
CREATE TABLE obj.in_heap (id int PRIMARY KEY, v text) USING obj_heap;
CREATE TABLE obj.in_space (id int PRIMARY KEY, v text) TABLESPACE obj_space;
CREATE INDEX in_space_v ON obj.in_space (v) TABLESPACE obj_space;
INSERT INTO obj.in_heap VALUES (1, 'x'); INSERT INTO obj.in_space VALUES (1, 'y');
CREATE TABLE obj.wide_name_567890123456789012345678901234567890123456789012345 (wide_column_789012345678901234567890123456789012345678901234567 int CONSTRAINT wide_key_456789012345678901234567890123456789012345678901234567 PRIMARY KEY);
RESET ROLE;

-- Odd names
SET ROLE "Odd ""Role";
CREATE TABLE "Odd ""Schema"".with, blanks"."Table ""t"", a.b; c" ("Key ""k""" int PRIMARY KEY, "%s $1 \n" text DEFAULT 'a;b');
COMMENT ON TABLE "Odd ""Schema"".with, blanks"."Table ""t"", a.b; c" IS 'quoted "twice" -- and not a comment';
CREATE INDEX "an index; with ""names""" ON "Odd ""Schema"".with, blanks"."Table ""t"", a.b; c" ("%s $1 \n");
CREATE VIEW "Odd ""Schema"".with, blanks"."View; ""v""" AS SELECT * FROM "Odd ""Schema"".with, blanks"."Table ""t"", a.b; c";
GRANT SELECT ("Key ""k""") ON "Odd ""Schema"".with, blanks"."Table ""t"", a.b; c" TO obj_reader;
INSERT INTO "Odd ""Schema"".with, blanks"."Table ""t"", a.b; c" VALUES (1, 'one'), (2, NULL);
RESET ROLE;
CREATE TABLE "схема 数据 ☂"."таблица ☃" ("ключ" int PRIMARY KEY, "SELECT" text, "select" text);
INSERT INTO "схема 数据 ☂"."таблица ☃" VALUES (1, 'é', '数');
CREATE SEQUENCE "схема 数据 ☂"."Последовательность; 'x'" START 5;
CREATE FUNCTION "схема 数据 ☂"."Функция (a)"("параметр" int) RETURNS int LANGUAGE sql AS 'SELECT 1';
COMMENT ON FUNCTION "схема 数据 ☂"."Функция (a)"(int) IS 'ünïcode';

-- Foreign keys, circles, inheritance, partitions
SET ROLE obj_owner;
CREATE TABLE obj.child (id int PRIMARY KEY, main bigint NOT NULL REFERENCES obj.main (id) ON DELETE CASCADE ON UPDATE RESTRICT DEFERRABLE INITIALLY DEFERRED, parent int REFERENCES obj.child ON DELETE SET NULL (parent));
CREATE TABLE obj.hen (id int PRIMARY KEY, egg int);
CREATE TABLE obj.egg (id int PRIMARY KEY, hen int REFERENCES obj.hen MATCH FULL);
ALTER TABLE obj.hen ADD CONSTRAINT hen_egg FOREIGN KEY (egg) REFERENCES obj.egg DEFERRABLE;
COMMENT ON CONSTRAINT hen_egg ON obj.hen IS 'which was first';
INSERT INTO obj.hen VALUES (1, NULL); INSERT INTO obj.egg VALUES (1, 1); UPDATE obj.hen SET egg = 1;
ALTER TABLE obj.egg ADD CONSTRAINT egg_unchecked FOREIGN KEY (hen) REFERENCES obj.main (id) NOT VALID;
CREATE TABLE obj.base (id int PRIMARY KEY, v text DEFAULT 'base', CONSTRAINT v_short CHECK (length(v) < 100));
CREATE TABLE obj.other_base (w int DEFAULT 4, id int);
CREATE TABLE obj.derived (w int DEFAULT 5 NOT NULL, PRIMARY KEY (id)) INHERITS (obj.base, obj.other_base);
ALTER TABLE obj.derived ALTER v SET DEFAULT 'derived';
CREATE TABLE obj.below () INHERITS (obj.derived);
ALTER TABLE obj.below ADD PRIMARY KEY (id);
ALTER TABLE obj.other_base REPLICA IDENTITY FULL;
INSERT INTO obj.base VALUES (1, 'x'); INSERT INTO obj.derived VALUES (2, 'x', 3); INSERT INTO obj.below VALUES (3, 'z', 9); INSERT INTO obj.other_base VALUES (1, 1);
CREATE TABLE obj.part (id int, region text, at date NOT NULL DEFAULT '2024-01-01', PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE obj.part_eu PARTITION OF obj.part FOR VALUES IN ('eu', 'e"u''') PARTITION BY HASH (id);
CREATE TABLE obj.part_eu_0 PARTITION OF obj.part_eu FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE obj.part_eu_1 PARTITION OF obj.part_eu FOR VALUES WITH (MODULUS 2, REMAINDER 1) WITH (fillfactor = 60);
CREATE TABLE obj.part_rest PARTITION OF obj.part DEFAULT PARTITION BY RANGE (id);
CREATE TABLE obj.part_rest_old PARTITION OF obj.part_rest FOR VALUES FROM (MINVALUE) TO (100);
CREATE TABLE obj.part_rest_new PARTITION OF obj.part_rest FOR VALUES FROM (100) TO (MAXVALUE);
CREATE TABLE obj.attached (extra_dropped int, at date NOT NULL, region text NOT NULL, id int NOT NULL, PRIMARY KEY (region, id));
ALTER TABLE obj.attached DROP extra_dropped;
ALTER TABLE obj.part ATTACH PARTITION obj.attached FOR VALUES IN ('us');
ALTER TABLE obj.attached ALTER at SET DEFAULT '2025-05-05';
CREATE INDEX part_at ON obj.part (at);
CREATE INDEX part_own ON ONLY obj.part (id);
CREATE INDEX attached_own ON obj.attached (id);
ALTER INDEX obj.part_own ATTACH PARTITION obj.attached_own;
CREATE INDEX part_local ON obj.part_eu_0 (lower(region));
ALTER TABLE obj.part ADD CONSTRAINT part_main FOREIGN KEY (id) REFERENCES obj.main (id) NOT DEFERRABLE;
CREATE TABLE obj.part_child (id int PRIMARY KEY, region text, part int, FOREIGN KEY (region, part) REFERENCES obj.part (region, id) ON DELETE CASCADE);
CREATE TABLE obj.part_expr (a int, b text) PARTITION BY RANGE ((a % 10), lower(b) COLLATE "C");
CREATE TABLE obj.part_expr_1 PARTITION OF obj.part_expr FOR VALUES FROM (0, MINVALUE) TO (5, MINVALUE);
ALTER TABLE obj.part_expr_1 REPLICA IDENTITY FULL;
CREATE TABLE obj.part_none (a int PRIMARY KEY) PARTITION BY HASH (a);
CREATE TABLE obj.plain_partition PARTITION OF obj.part_none FOR VALUES WITH (MODULUS 1, REMAINDER 0);
COMMENT ON TABLE obj.part IS 'by region';

-- Views, rules, triggers, policies
CREATE VIEW obj.v AS SELECT m, count(*) AS c FROM obj.main GROUP BY m;
CREATE VIEW obj.barrier WITH (security_barrier, security_invoker) AS SELECT id, t FROM obj.main WHERE obj.planned(n::int);
CREATE VIEW obj.checked AS SELECT id, v FROM obj.base WHERE id > 0 WITH CASCADED CHECK OPTION;
CREATE VIEW obj.checked_local AS SELECT id, v FROM obj.checked WHERE id < 1000 WITH LOCAL CHECK OPTION;
ALTER VIEW obj.checked ALTER v SET DEFAULT 'by view';
CREATE RECURSIVE VIEW obj.counting (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counting WHERE n < 5;
CREATE VIEW obj.grouped AS SELECT id, t, count(*) FROM obj.main GROUP BY id;
COMMENT ON VIEW obj.v IS 'a view';
COMMENT ON COLUMN obj.v.c IS 'how many';
CREATE FUNCTION obj.of_view() RETURNS SETOF obj.v LANGUAGE sql AS 'SELECT * FROM obj.v';
CREATE VIEW obj.on_function AS SELECT * FROM obj.of_view();
CREATE VIEW obj.circle_a AS SELECT 1 AS a;
CREATE VIEW obj.circle_b AS SELECT a FROM obj.circle_a;
CREATE OR REPLACE VIEW obj.circle_a AS SELECT CASE WHEN false THEN (SELECT a FROM obj.circle_b) END::int AS a;
CREATE FUNCTION obj.row_check(r obj.hen) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
ALTER TABLE obj.hen ADD CONSTRAINT circular CHECK (obj.row_check(hen));
CREATE MATERIALIZED VIEW obj.mv AS SELECT count(*) AS c, sum(n) AS s FROM obj.main;
CREATE UNIQUE INDEX mv_c ON obj.mv (c);
CREATE MATERIALIZED VIEW obj.a_mv_on_mv WITH (fillfactor = 90) AS SELECT c + 1 AS d FROM obj.mv;
CREATE VIEW obj.view_on_mv AS SELECT d FROM obj.a_mv_on_mv;
CREATE MATERIALIZED VIEW obj.a_first_mv AS SELECT d FROM obj.view_on_mv WITH NO DATA;
CREATE MATERIALIZED VIEW obj.aa_filled_mv AS SELECT * FROM obj.grouped;
COMMENT ON MATERIALIZED VIEW obj.mv IS 'kept';
CREATE RULE noop AS ON DELETE TO obj.derived DO ALSO NOTHING;
CREATE RULE instead AS ON INSERT TO obj.v WHERE NEW.c > 3 DO INSTEAD SELECT 1;
CREATE RULE notify AS ON UPDATE TO obj.hen DO ALSO NOTIFY hens;
ALTER TABLE obj.hen DISABLE RULE notify;
COMMENT ON RULE noop ON obj.derived IS 'nothing';
CREATE FUNCTION obj.fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'triggers must not fire here'; END $$;
CREATE TRIGGER fire_a BEFORE INSERT OR UPDATE OF v ON obj.base FOR EACH ROW WHEN (NEW.v = 'never') EXECUTE FUNCTION obj.fire('a', 'b''c');
CREATE TRIGGER fire_off AFTER DELETE ON obj.base REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION obj.fire();
CREATE TRIGGER fire_always AFTER TRUNCATE ON obj.base EXECUTE FUNCTION obj.fire();
CREATE TRIGGER fire_replica AFTER TRUNCATE ON obj.base EXECUTE FUNCTION obj.fire();
ALTER TABLE obj.base DISABLE TRIGGER fire_off, ENABLE ALWAYS TRIGGER fire_always, ENABLE REPLICA TRIGGER fire_replica;
CREATE CONSTRAINT TRIGGER fire_late AFTER DELETE ON obj.child FROM obj.main DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION obj.fire();
CREATE TRIGGER fire_view INSTEAD OF UPDATE ON obj.barrier FOR EACH ROW EXECUTE FUNCTION obj.fire();
CREATE TRIGGER fire_part AFTER DELETE ON obj.part FOR EACH ROW EXECUTE FUNCTION obj.fire();
ALTER TABLE obj.part_eu_1 DISABLE TRIGGER fire_part;
COMMENT ON TRIGGER fire_a ON obj.base IS 'never fires';
CREATE TABLE obj.secured (id int PRIMARY KEY, owner name);
ALTER TABLE obj.secured ENABLE ROW LEVEL SECURITY;
ALTER TABLE obj.secured FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON obj.secured USING (owner = current_user) WITH CHECK (true);
CREATE POLICY narrow ON obj.secured AS RESTRICTIVE FOR SELECT TO obj_reader, "Odd ""Role" USING (id > 0 AND owner <> 'TO obj_reader USING');
CREATE POLICY adds ON obj.secured FOR INSERT TO obj_reader WITH CHECK (id > 0);
COMMENT ON POLICY own ON obj.secured IS 'own rows';
INSERT INTO obj.secured VALUES (1, 'obj_owner');

-- Privileges
GRANT USAGE ON SCHEMA obj TO obj_reader;
GRANT SELECT, REFERENCES ON obj.main, obj.v, obj.mv TO obj_reader;
GRANT SELECT (id), UPDATE (main) ON obj.child TO obj_reader WITH GRANT OPTION;
GRANT ALL ON obj.part TO PUBLIC;
REVOKE INSERT ON obj.hen FROM obj_owner;
GRANT CREATE ON SCHEMA obj TO obj_reader WITH GRANT OPTION;
RESET ROLE;
SET ROLE obj_reader;
GRANT SELECT (id) ON obj.child TO "Odd ""Role";
GRANT EXECUTE ON FUNCTION obj.standard(int, int) TO "Odd ""Role";
RESET ROLE;
ALTER DEFAULT PRIVILEGES FOR ROLE obj_owner IN SCHEMA obj GRANT SELECT ON TABLES TO obj_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE obj_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE "Odd ""Role" GRANT USAGE ON TYPES TO obj_reader WITH GRANT OPTION;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE ON SCHEMA public TO obj_reader;
COMMENT ON SCHEMA public IS 'not so standard';

-- Foreign data, event triggers, publications, large objects
CREATE FOREIGN DATA WRAPPER obj_wrapper OPTIONS ("an option" 'x;''y');
CREATE SERVER obj_server TYPE 'a type' VERSION '1;2' FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '/nowhere', dbname 'it''s');
CREATE SERVER obj_files FOREIGN DATA WRAPPER file_fdw;
ALTER SERVER obj_server OWNER TO obj_owner;
COMMENT ON FOREIGN DATA WRAPPER obj_wrapper IS 'wraps';
COMMENT ON SERVER obj_server IS 'serves';
GRANT USAGE ON FOREIGN SERVER obj_server TO obj_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER obj_wrapper TO obj_reader;
CREATE USER MAPPING FOR obj_reader SERVER obj_server OPTIONS (user 'u', password 'p;q');
CREATE USER MAPPING FOR PUBLIC SERVER obj_server OPTIONS (user 'nobody');
CREATE FOREIGN TABLE obj.far (id int OPTIONS (column_name 'Id') NOT NULL, v text DEFAULT 'x' COLLATE "C", CHECK (id > 0)) SERVER obj_server OPTIONS (schema_name 'public', table_name 'far');
CREATE FOREIGN TABLE obj.lines (line text) SERVER obj_files OPTIONS (filename '/dev/null');
COMMENT ON FOREIGN TABLE obj.far IS 'far away';
CREATE FOREIGN TABLE obj.part_far PARTITION OF obj.part_expr FOR VALUES FROM (5, MINVALUE) TO (10, MAXVALUE) SERVER obj_files OPTIONS (filename '/dev/null');
CREATE FUNCTION obj.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'event triggers must not fire here'; END $$;
CREATE FUNCTION obj.on_ddl_quiet() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER note_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION obj.on_ddl_quiet();
CREATE EVENT TRIGGER "Guard; all" ON sql_drop EXECUTE FUNCTION obj.on_ddl_quiet();
CREATE EVENT TRIGGER note_rewrite ON table_rewrite EXECUTE FUNCTION obj.on_ddl_quiet();
CREATE EVENT TRIGGER off ON ddl_command_start EXECUTE FUNCTION obj.on_ddl();
ALTER EVENT TRIGGER off DISABLE;
CREATE EVENT TRIGGER always ON ddl_command_start EXECUTE FUNCTION obj.on_ddl_quiet();
ALTER EVENT TRIGGER always ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER note_ddl IS 'notes';
CREATE PUBLICATION chosen FOR TABLE obj.main (id, t, n) WHERE (n > 3), obj.child WITH (publish = 'insert');
CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA obj;
CREATE PUBLICATION whole FOR ALL TABLES WITH (publish_via_partition_root);
ALTER PUBLICATION chosen OWNER TO obj_owner;
COMMENT ON PUBLICATION chosen IS 'some tables';
SELECT lo_from_bytea(70001, 'a large object'), lo_from_bytea(70002, decode(repeat('00ff5c27', 300000), 'hex')), lo_create(70003);
ALTER LARGE OBJECT 70001 OWNER TO obj_owner;
GRANT SELECT ON LARGE OBJECT 70001 TO obj_reader;
COMMENT ON LARGE OBJECT 70002 IS 'it''s large';

-- Rows
INSERT INTO obj.main (m, e, o, p, s, ss, num, nums, n, t, u, x, h, j, ts, bx, "Column with ""quotes"", and Ünïcode")
	SELECT 'sad', 'a@b', i % 12 + 1, ROW(i, 'x', '{1.5}')::obj.pair, obj.span(i, i + 1), obj.spans(obj.span(i, i + 1)), i, ARRAY[i, i + 1]::obj.number[],
	i, 't' || i, 'u' || i, i - 1000, ext.hstore('k', i::text), jsonb_build_object('i', i), to_tsvector('simple', 'word ' || i), box(point(i, i), point(i + 1, i + 1)), 'ö' || i FROM generate_series(1, 300) i;
INSERT INTO obj.child SELECT i, 8 + 2 * i, CASE WHEN i > 50 THEN i - 50 END FROM generate_series(1, 100) i;
INSERT INTO obj.part SELECT 8 + 2 * i, (ARRAY['eu', 'us', 'asia'])[i % 3 + 1], '2018-01-01'::date + 20 * i FROM generate_series(1, 100) i;
INSERT INTO obj.part_child SELECT row_number() OVER (), region, id FROM obj.part;
INSERT INTO obj.part_expr SELECT i % 5, 'b' || i FROM generate_series(1, 20) i;
INSERT INTO obj.plain_partition SELECT generate_series(1, 10);
INSERT INTO obj.typed VALUES (1, 'x', '{}'); INSERT INTO obj.identity_full VALUES (1, 'x'), (1, 'x'); INSERT INTO obj.identity_index VALUES (1, 'x');
INSERT INTO obj.wide_name_567890123456789012345678901234567890123456789012345 VALUES (1);
REFRESH MATERIALIZED VIEW obj.mv; REFRESH MATERIALIZED VIEW obj.a_mv_on_mv; REFRESH MATERIALIZED VIEW obj.aa_filled_mv;

-- Settings of the database, and of roles in it
DO $$ BEGIN
	EXECUTE format('ALTER DATABASE %I SET work_mem = ''7MB''', current_database());
	EXECUTE format('ALTER DATABASE %I SET search_path = obj, "Odd ""Schema"".with, blanks", public', current_database());
	EXECUTE format('ALTER ROLE obj_reader IN DATABASE %I SET application_name = ''it''''s; "odd"''', current_database());
	EXECUTE format('COMMENT ON DATABASE %I IS ''the database; it''''s this one''', current_database());
	EXECUTE format('GRANT CREATE, CONNECT ON DATABASE %I TO obj_reader WITH GRANT OPTION', current_database());
	EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;
