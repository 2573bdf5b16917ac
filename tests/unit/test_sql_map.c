/*
 * test_sql_map.c
 *		Definitions of the source's objects under the names that they have on the target.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "sql_map.h"
#include "sql_tree.h"

#ifdef SQL_TREE

static Job job;
static SqlMap *map;

static const char options[] =
    "{\"phases\": [\"full\"], \"objects\": ["
    "{\"schema\": \"app\", \"rename\": \"new app\", \"tables\": [\"plain\", {\"name\": \"t\", "
    "\"rename\": \"t2\", \"columns\": [\"id\", {\"name\": \"v\", \"rename\": \"w\"}, {\"name\": "
    "\"w\", \"rename\": \"v\"}, {\"name\": \"label\", \"expr\": \"upper(v)\"}]}, {\"name\": "
    "\"part\", \"columns\": [{\"name\": \"a\", \"rename\": \"b\"}]}]},"
    "{\"schema\": \"same\", \"tables\": [\"u\"]}]}";

static int
setup(void **state)
{
	Error err;

	(void) state;
	job = (Job){.arena = arena_create(1024)};
	if (!job_options_parse(&job, options, &err))
		fail_msg("%s %s", err.message, err.detail);
	map = sql_map_create(job.arena, job.options.map);
	sql_map_partition(map, "app", "part_1", "app", "part");
	sql_map_computed(map, "app", "t", "label", "character varying(20)");
	return 0;
}

static int
teardown(void **state)
{
	(void) state;
	arena_destroy(job.arena);
	return 0;
}

static void
becomes(const char *sql, const char *expected)
{
	SqlMapped mapped;
	Error err = {0};
	SqlMapEnd end = sql_map_text(map, job.arena, sql, &mapped, &err);
	char with_end[4000];

	if (end != SQL_MAP_DONE)
		fail_msg("%s: end %d %s %s %s", sql, (int) end, err.message, err.detail,
		         mapped.needs ? mapped.needs : "");
	snprintf(with_end, sizeof(with_end), "%s;\n", expected);
	assert_string_equal(mapped.sql, with_end);
}

static void
ends(const char *sql, SqlMapEnd expected, const char *needs)
{
	SqlMapped mapped;
	Error err = {0};
	SqlMapEnd end = sql_map_text(map, job.arena, sql, &mapped, &err);

	if (end != expected)
		fail_msg("%s: end %d: %s", sql, (int) end, mapped.sql);
	if (needs != NULL)
		assert_string_equal(mapped.needs, needs);
}

static void
what_is_not_renamed_keeps_its_text(void **state)
{
	(void) state;
	becomes("CREATE  TABLE same.u (id  int)", "CREATE  TABLE same.u (id  int)");
	becomes("SET search_path =   ''", "SET search_path =   ''");
}

static void
schemas_and_relations(void **state)
{
	(void) state;
	becomes("CREATE SCHEMA app", "CREATE SCHEMA IF NOT EXISTS \"new app\"");
	becomes("ALTER SCHEMA app OWNER TO bob", "ALTER SCHEMA \"new app\" OWNER TO bob");
	becomes("GRANT USAGE ON SCHEMA app TO bob", "GRANT usage ON SCHEMA \"new app\" TO bob");
	becomes("COMMENT ON SCHEMA app IS 'x'", "COMMENT ON SCHEMA \"new app\" IS 'x'");
	becomes("ALTER TABLE app.t OWNER TO bob", "ALTER TABLE \"new app\".t2 OWNER TO bob");
	becomes("ALTER SEQUENCE app.t_id_seq OWNED BY app.t.id",
	        "ALTER SEQUENCE \"new app\".t_id_seq OWNED BY \"new app\".t2.id");
	becomes("COMMENT ON TABLE app.t IS 'x'", "COMMENT ON TABLE \"new app\".t2 IS 'x'");
	becomes("COMMENT ON COLUMN app.t.v IS 'x'", "COMMENT ON COLUMN \"new app\".t2.w IS 'x'");
	becomes("COMMENT ON CONSTRAINT c ON app.t IS 'x'",
	        "COMMENT ON CONSTRAINT c ON \"new app\".t2 IS 'x'");
	becomes("COMMENT ON FUNCTION app.f(app.t) IS 'x'",
	        "COMMENT ON FUNCTION \"new app\".f(\"new app\".t2) IS 'x'");
	becomes("GRANT SELECT (v), UPDATE (id) ON TABLE app.t TO bob",
	        "GRANT select (w), update (id) ON \"new app\".t2 TO bob");
	becomes("CREATE TYPE app.mood AS ENUM ('a')", "CREATE TYPE \"new app\".mood AS ENUM ('a')");
	becomes("CREATE EXTENSION hstore WITH SCHEMA app",
	        "CREATE EXTENSION hstore SCHEMA \"new app\"");
}

static void
tables(void **state)
{
	(void) state;
	becomes("CREATE TABLE app.t (id integer NOT NULL, v text DEFAULT nextval('app.s'::regclass), w "
	        "app.mood, gone int, CONSTRAINT c CHECK (v <> ''), CONSTRAINT d CHECK (gone > id))",
	        "CREATE TABLE \"new app\".t2 (id int NOT NULL, w text DEFAULT nextval('\"new "
	        "app\".\"s\"'::regclass), v \"new app\".mood, CONSTRAINT c CHECK (w <> ''), label "
	        "varchar(20))");
	becomes("CREATE TABLE app.part_1 (a int, gone int)", "CREATE TABLE \"new app\".part_1 (b int)");
	becomes("CREATE TABLE app.part (a int, gone int) PARTITION BY RANGE (a)",
	        "CREATE TABLE \"new app\".part (b int) PARTITION BY range(b)");
	becomes("ALTER TABLE ONLY app.part ATTACH PARTITION app.part_1 FOR VALUES FROM (1) TO (2)",
	        "ALTER TABLE ONLY \"new app\".part ATTACH PARTITION \"new app\".part_1 FOR VALUES FROM "
	        "(1) TO (2)");
	becomes("ALTER TABLE ONLY app.t ALTER COLUMN v SET DEFAULT 'x'",
	        "ALTER TABLE ONLY \"new app\".t2 ALTER COLUMN w SET DEFAULT 'x'");
	becomes("ALTER TABLE app.t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME "
	        "app.t_id_seq START WITH 1)",
	        "ALTER TABLE \"new app\".t2 ALTER id ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME "
	        "\"new app\".t_id_seq START 1 )");
	becomes("ALTER TABLE ONLY app.t ADD CONSTRAINT k PRIMARY KEY (id, v)",
	        "ALTER TABLE ONLY \"new app\".t2 ADD CONSTRAINT k PRIMARY KEY (id, w)");
	becomes("ALTER TABLE ONLY same.u ADD CONSTRAINT f FOREIGN KEY (v) REFERENCES app.t(v)",
	        "ALTER TABLE ONLY same.u ADD CONSTRAINT f FOREIGN KEY (v) REFERENCES \"new app\".t2 "
	        "(w)");
	becomes("CREATE UNIQUE INDEX i ON app.t USING btree (v, lower(w)) INCLUDE (id) WHERE v > 'a'",
	        "CREATE UNIQUE INDEX i ON \"new app\".t2 USING btree (w, lower(v)) INCLUDE (id) WHERE "
	        "w > 'a'");
	becomes("CREATE STATISTICS app.st ON v, id FROM app.t",
	        "CREATE STATISTICS \"new app\".st ON w, id FROM \"new app\".t2");
	becomes("CREATE POLICY p ON app.t USING (v = (SELECT u.v FROM same.u WHERE u.id = t.id))",
	        "CREATE POLICY p ON \"new app\".t2 TO public USING (w = (SELECT u.v FROM same.u WHERE "
	        "u.id = t2.id)) ");
	becomes("CREATE TRIGGER g BEFORE UPDATE OF v ON app.t FOR EACH ROW WHEN ((old.v <> new.v)) "
	        "EXECUTE FUNCTION app.f()",
	        "CREATE TRIGGER g BEFORE UPDATE OF w ON \"new app\".t2 FOR EACH ROW WHEN (old.w <> "
	        "new.w) EXECUTE FUNCTION \"new app\".f()");
}

static void
queries(void **state)
{
	(void) state;
	becomes("CREATE VIEW app.x AS SELECT t.id, t.v, count(*) AS n FROM app.t WHERE (t.w > 'a') "
	        "GROUP BY t.id, t.v",
	        "CREATE VIEW \"new app\".x AS SELECT t2.id, t2.w AS v, count(*) AS n FROM \"new "
	        "app\".t2 WHERE t2.v > 'a' GROUP BY t2.id, t2.w");
	becomes("CREATE VIEW same.y AS SELECT v FROM app.t",
	        "CREATE VIEW same.y AS SELECT w AS v FROM \"new app\".t2");
	becomes("CREATE VIEW same.y AS SELECT a.v AS one FROM app.t a JOIN same.u ON u.id = a.id WHERE "
	        "EXISTS (SELECT 1 FROM app.plain WHERE plain.v = a.v)",
	        "CREATE VIEW same.y AS SELECT a.w AS one FROM \"new app\".t2 a JOIN same.u ON u.id = "
	        "a.id WHERE EXISTS (SELECT 1 FROM \"new app\".plain WHERE plain.v = a.w)");
	becomes("CREATE VIEW same.y AS WITH q AS (SELECT t.v FROM app.t) SELECT q.v FROM q",
	        "CREATE VIEW same.y AS WITH q AS (SELECT t2.w AS v FROM \"new app\".t2) SELECT q.v "
	        "FROM q");
	becomes("CREATE MATERIALIZED VIEW app.m AS SELECT app.f(t.w) AS f FROM app.t WITH NO DATA",
	        "CREATE MATERIALIZED VIEW \"new app\".m AS SELECT \"new app\".f(t2.v) AS f FROM "
	        "\"new app\".t2 WITH NO DATA");
	becomes("CREATE RULE r AS ON INSERT TO app.t DO INSTEAD INSERT INTO same.u (v) VALUES (new.v)",
	        "CREATE RULE r AS ON INSERT TO \"new app\".t2 DO INSTEAD INSERT INTO same.u (v) VALUES "
	        "(new.w)");
}

/* The new name would be another's: the table goes by its old one. */
static void
names_that_are_taken_in_a_query(void **state)
{
	(void) state;
	becomes("CREATE VIEW same.y AS SELECT t.v, t2.v AS x FROM app.t, same.u t2",
	        "CREATE VIEW same.y AS SELECT t.w AS v, t2.v AS x FROM \"new app\".t2 t, same.u t2");
	becomes("CREATE VIEW same.y AS SELECT t.v FROM app.t WHERE EXISTS (SELECT 1 FROM same.u t2 "
	        "WHERE t2.id = t.id)",
	        "CREATE VIEW same.y AS SELECT t.w AS v FROM \"new app\".t2 t WHERE EXISTS (SELECT 1 "
	        "FROM same.u t2 WHERE t2.id = t.id)");
}

static void
functions(void **state)
{
	SqlMapped mapped;
	Error err = {0};

	(void) state;
	becomes("CREATE FUNCTION app.f(p app.t) RETURNS text LANGUAGE sql SET search_path TO 'app' AS "
	        "$$SELECT t.v FROM app.t WHERE t.id = 1$$",
	        "CREATE FUNCTION \"new app\".f(p \"new app\".t2) RETURNS text LANGUAGE sql SET "
	        "search_path TO \"new app\" AS $$SELECT t2.w AS v FROM \"new app\".t2 WHERE t2.id = "
	        "1;\n$$");
	assert_int_equal(sql_map_text(map, job.arena,
	                              "CREATE FUNCTION same.g() RETURNS int LANGUAGE plpgsql AS "
	                              "'BEGIN DELETE FROM app.t; RETURN 1; END'",
	                              &mapped, &err),
	                 SQL_MAP_DONE);
	assert_string_equal(mapped.unread, "app");
}

static void
changes_of_what_is_there(void **state)
{
	(void) state;
	becomes("DROP TABLE app.t", "DROP TABLE \"new app\".t2");
	becomes("DROP INDEX app.i", "DROP INDEX \"new app\".i");
	becomes("DROP SCHEMA app", "DROP SCHEMA \"new app\"");
	becomes("DROP FUNCTION app.f(app.t)", "DROP FUNCTION \"new app\".f(\"new app\".t2)");
	becomes("DROP TRIGGER g ON app.t", "DROP TRIGGER g ON \"new app\".t2");
	becomes("ALTER TABLE app.t DROP COLUMN v", "ALTER TABLE \"new app\".t2 DROP w");
	becomes("ALTER TABLE app.plain RENAME x TO y",
	        "ALTER TABLE \"new app\".plain RENAME COLUMN x TO y");
	becomes("ALTER TABLE app.plain RENAME TO more", "ALTER TABLE \"new app\".plain RENAME TO more");
	becomes("ALTER TABLE same.u SET SCHEMA app", "ALTER TABLE same.u SET SCHEMA \"new app\"");
	becomes("ALTER INDEX app.i RENAME TO j", "ALTER INDEX \"new app\".i RENAME TO j");
	becomes("DELETE FROM ONLY app.t", "DELETE FROM ONLY \"new app\".t2");
	ends("ALTER TABLE app.t ADD COLUMN more int", SQL_MAP_GONE, NULL);
	ends("ALTER TABLE app.t RENAME gone TO went", SQL_MAP_GONE, NULL);
	ends("ALTER TABLE app.t RENAME v TO x", SQL_MAP_FAILED, NULL);
	ends("ALTER TABLE app.t RENAME TO x", SQL_MAP_FAILED, NULL);
	ends("ALTER SCHEMA app RENAME TO x", SQL_MAP_FAILED, NULL);
}

static void
what_needs_a_column_that_is_left_out(void **state)
{
	(void) state;
	ends("CREATE INDEX i ON app.t USING btree (id, gone)", SQL_MAP_BROKEN,
	     "\"app\".\"t\".\"gone\"");
	ends("CREATE VIEW same.y AS SELECT t.gone FROM app.t", SQL_MAP_BROKEN,
	     "\"app\".\"t\".\"gone\"");
	ends("ALTER TABLE ONLY app.t ADD CONSTRAINT k UNIQUE (gone)", SQL_MAP_BROKEN,
	     "\"app\".\"t\".\"gone\"");
	ends("COMMENT ON COLUMN app.t.gone IS 'x'", SQL_MAP_GONE, NULL);
	ends("ALTER TABLE app.t ALTER COLUMN gone SET STORAGE PLAIN", SQL_MAP_GONE, NULL);
	ends("ALTER SEQUENCE app.s OWNED BY app.t.gone", SQL_MAP_GONE, NULL);
	ends("GRANT SELECT (gone) ON TABLE app.t TO bob", SQL_MAP_GONE, NULL);
	ends("CREATE TABLE app.t (id int)", SQL_MAP_BROKEN, "\"app\".\"t\".\"w\"");
}

static void
scripts(void **state)
{
	SqlMapped mapped;
	Error err = {0};

	(void) state;
	assert_int_equal(
	    sql_map_text(map, job.arena,
	                 "-- a comment; here\nCOMMENT ON COLUMN app.t.gone IS ';';\nSELECT "
	                 "1;ALTER TABLE app.t OWNER TO bob;\n-- end\n",
	                 &mapped, &err),
	    SQL_MAP_DONE);
	assert_non_null(strstr(mapped.sql, "SELECT 1"));
	assert_non_null(strstr(mapped.sql, "\"new app\".t2 OWNER"));
	assert_null(strstr(mapped.sql, "gone"));
	assert_int_equal(sql_map_text(map, job.arena, "CREATE TABEL x", &mapped, &err), SQL_MAP_FAILED);
	assert_non_null(err.detail[0] != '\0' ? err.detail : NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_is_not_renamed_keeps_its_text, setup, teardown),
	    cmocka_unit_test_setup_teardown(schemas_and_relations, setup, teardown),
	    cmocka_unit_test_setup_teardown(tables, setup, teardown),
	    cmocka_unit_test_setup_teardown(queries, setup, teardown),
	    cmocka_unit_test_setup_teardown(names_that_are_taken_in_a_query, setup, teardown),
	    cmocka_unit_test_setup_teardown(functions, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_needs_a_column_that_is_left_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(changes_of_what_is_there, setup, teardown),
	    cmocka_unit_test_setup_teardown(scripts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else /* nothing can be rewritten */

int
main(void)
{
	return 0;
}

#endif
