/*
 * test_ddl_plan.c
 *		From captured commands to the target's SQL: which way is taken, what is refused, and what must
 *		not be taken from the command's text.  That the SQL works is tests/ddl's matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "ddl_plan.h"
#include "ddl_session.h"

static bool
relation_in(void *arg, const char *schema, const char *name)
{
	(void) arg;
	return strcmp(schema, "out") != 0 && strcmp(name, "unselected") != 0;
}

static bool
schema_in(void *arg, const char *schema)
{
	(void) arg;
	return strcmp(schema, "out") != 0;
}

static const DdlScope scope = {.relation = relation_in, .schema = schema_in};

typedef struct Planned
{
	Arena *arena;
	json_t *doc;
	DdlPlan plan;
} Planned;

static Planned
plan_with(const char *text, bool statements, const DdlRewritten *rewritten, int rewritten_count)
{
	DdlPlanOptions options = {&scope, statements, rewritten, rewritten_count};
	Planned p = {.arena = arena_create(4096)};
	json_error_t where;
	DdlRecord record;
	Error err = {0};

	p.doc = json_loads(text, 0, &where);
	if (p.doc == NULL)
		fail_msg("bad sample: %s at %d", where.text, where.position);
	assert_true(ddl_record_read(p.doc, &record, &err));
	ddl_plan(p.arena, &record, &options, &p.plan);
	return p;
}

static void
done(Planned *p)
{
	json_decref(p->doc);
	arena_destroy(p->arena);
}

#define SESSION                                                                                    \
	"\"role\": \"plain\", \"search_path\": \"app\", \"settings\": {\"DateStyle\": \"SQL, DMY\"},"  \
	" \"nested\": false,"
#define TABLE_T                                                                                    \
	"{\"schema\": \"app\", \"name\": \"t\", \"kind\": \"r\", \"owner\": \"plain\", \"columns\": "  \
	"[{\"num\": 1, \"name\": \"a\", \"type\": \"integer\", \"type_oid\": 23}]}"
#define CREATE_T(query, rest)                                                                      \
	"{" SESSION rest " \"event\": \"command\", \"tag\": \"CREATE TABLE\", \"query\": \"" query     \
	"\", \"commands\": [{\"class\": 1259, \"oid\": 9, \"tag\": \"CREATE TABLE\", \"type\": "       \
	"\"table\", "                                                                                  \
	"\"schema\": \"app\", \"identity\": \"app.t\"}], \"objects\": [{\"class\": \"pg_class\", "     \
	"\"oid\": "                                                                                    \
	"9, \"after\": " TABLE_T "}]}"

static void
expect_sql(const char *text, bool statements, bool by_statement, int count, ...)
{
	Planned p = plan_with(text, statements, NULL, 0);
	va_list args;

	if (p.plan.verdict == DDL_REFUSED)
		fail_msg("refused: %s", p.plan.reason);
	assert_int_equal(p.plan.by_statement, by_statement);
	assert_int_equal(p.plan.count, count);
	va_start(args, count);
	for (int i = 0; i < count; i++)
		assert_string_equal(p.plan.sql[i], va_arg(args, const char *));
	va_end(args);
	done(&p);
}

#define BY_STATE "CREATE TABLE \"app\".\"t\" (\"a\" integer)"

static void
test_ways(void **state)
{
	(void) state;
	/* one command, sent by the client: its text, with the name qualified */
	expect_sql(CREATE_T("create table T (a int) tablespace x", ""), true, true, 1,
	           "CREATE TABLE app.t (a int)");
	expect_sql(CREATE_T("create table t (a int)", ""), false, false, 1, BY_STATE);
	/* several, or a text that is not the command, or no text to be read */
	expect_sql(CREATE_T("create table t (a int); drop table u", ""), true, false, 1, BY_STATE);
	expect_sql(CREATE_T("select makes_t()", ""), true, false, 1, BY_STATE);
	expect_sql(CREATE_T("alter system set x = 1", ""), true, false, 1, BY_STATE);
	expect_sql(CREATE_T("copy t to program 'rm'", ""), true, false, 1, BY_STATE);
	expect_sql(CREATE_T("create table t (a int) frobnicate", ""), true, false, 1, BY_STATE);
	/* nested, or by an unknown session */
	expect_sql(CREATE_T("create table t (a int)", "\"nested\": true,"), true, false, 1, BY_STATE);
	expect_sql(CREATE_T("create table t (a int)", "\"nested\": null,"), true, false, 1, BY_STATE);
	/* literals under other rules */
	expect_sql(CREATE_T("create table t (a text default '\\\\')",
	                    "\"settings\": {\"standard_conforming_strings\": \"off\"},"),
	           true, false, 1, BY_STATE);
}

#define CREATE_X(schema)                                                                           \
	"{" SESSION " \"event\": \"command\", \"tag\": \"CREATE EXTENSION\", \"query\": "              \
	"\"create extension x\", \"commands\": [{\"class\": 3079, \"oid\": 9, \"tag\": "               \
	"\"CREATE EXTENSION\", \"type\": \"extension\", \"identity\": \"x\"}], \"objects\": ["         \
	"{\"class\": \"pg_namespace\", \"oid\": 8, \"after\": {\"name\": \"" schema                    \
	"\", \"owner\": \"plain\"}}, {\"class\": \"pg_extension\", \"oid\": 9, \"after\": "            \
	"{\"type\": \"extension\", \"name\": \"x\", \"identity\": \"x\", \"extension_schema\": "       \
	"\"" schema "\"}}]}"

/* It is made in the schema that it has on the source, be that one that the job follows or not. */
static void
test_extension_finds_its_schema(void **state)
{
	(void) state;
	expect_sql(CREATE_X("own"), false, false, 2, "CREATE SCHEMA IF NOT EXISTS \"own\"",
	           "CREATE EXTENSION IF NOT EXISTS x WITH SCHEMA own");
	expect_sql(CREATE_X("out"), true, false, 2, "CREATE SCHEMA IF NOT EXISTS out",
	           "CREATE EXTENSION IF NOT EXISTS x WITH SCHEMA out");
}

static void
test_unknown_role_owns_nothing(void **state)
{
	(void) state;
	expect_sql(CREATE_T("create table t (a int)", "\"role\": null,"), true, false, 2, BY_STATE,
	           "ALTER TABLE \"app\".\"t\" OWNER TO \"plain\"");
}

#define ALTER_T(query, before, after)                                                              \
	"{" SESSION " \"event\": \"command\", \"tag\": \"ALTER TABLE\", \"query\": \"" query           \
	"\", \"commands\": [{\"class\": 1259, \"oid\": 9, \"tag\": \"ALTER TABLE\", \"type\": "        \
	"\"table\", "                                                                                  \
	"\"schema\": \"app\", \"identity\": \"app.t\"}], \"objects\": [{\"class\": \"pg_class\", "     \
	"\"oid\": "                                                                                    \
	"9" before ", \"after\": " after "}]}"
#define BEFORE_T ", \"before\": " TABLE_T
#define WITH_COLUMN(column)                                                                        \
	"{\"schema\": \"app\", \"name\": \"t\", \"kind\": \"r\", \"owner\": \"plain\", \"columns\": "  \
	"[{\"num\": 1, \"name\": \"a\", \"type\": \"integer\", \"type_oid\": 23}, " column "]}"
#define COLUMN_NOW                                                                                 \
	"{\"num\": 2, \"name\": \"b\", \"type\": \"date\", \"type_oid\": 1082, \"default\": "          \
	"\"now()\", "                                                                                  \
	"\"missing\": \"2001-02-03\"}"

/* The default's value on the source is the one that the rows there have. */
static void
test_computed_default(void **state)
{
	(void) state;
	expect_sql(ALTER_T("alter table t add b date default now()", BEFORE_T, WITH_COLUMN(COLUMN_NOW)),
	           true, false, 2,
	           "ALTER TABLE \"app\".\"t\" ADD COLUMN \"b\" date DEFAULT '2001-02-03'::date",
	           "ALTER TABLE \"app\".\"t\" ALTER COLUMN \"b\" SET DEFAULT now()");
}

static void
test_rewritten_table(void **state)
{
	const DdlRewritten rewritten[] = {{.oid = 9}};
	Planned p = plan_with(
	    ALTER_T(
	        "alter table t alter a type text", BEFORE_T,
	        "{\"schema\": \"app\", \"name\": \"t\", \"kind\": \"r\", \"owner\": \"plain\", "
	        "\"columns\": [{\"num\": 1, \"name\": \"a\", \"type\": \"text\", \"type_oid\": 25}]}"),
	    true, rewritten, 1);

	(void) state;
	assert_int_equal(p.plan.verdict, DDL_APPLY);
	assert_false(p.plan.by_statement);
	assert_int_equal(p.plan.count, 2);
	assert_string_equal(p.plan.sql[0], "DELETE FROM ONLY \"app\".\"t\"");
	assert_string_equal(p.plan.sql[1],
	                    "ALTER TABLE \"app\".\"t\" ALTER COLUMN \"a\" TYPE text USING NULL::text");
	done(&p);
}

static void
test_rename_is_a_rename(void **state)
{
	(void) state;
	expect_sql(
	    ALTER_T("do 'x'", BEFORE_T,
	            "{\"schema\": \"app\", \"name\": \"u\", \"kind\": \"r\", \"owner\": \"plain\", "
	            "\"columns\": [{\"num\": 1, \"name\": \"z\\\"\", \"type\": \"integer\", "
	            "\"type_oid\": 23}]}"),
	    false, false, 2, "ALTER TABLE \"app\".\"t\" RENAME TO \"u\"",
	    "ALTER TABLE \"app\".\"u\" RENAME COLUMN \"a\" TO \"z\"\"\"");
}

static void
expect_refused(const char *text, bool statements)
{
	Planned p = plan_with(text, statements, NULL, 0);

	assert_int_equal(p.plan.verdict, DDL_REFUSED);
	assert_non_null(p.plan.reason);
	done(&p);
}

#define CREATE_F(language)                                                                         \
	"{" SESSION                                                                                    \
	" \"event\": \"command\", \"tag\": \"CREATE FUNCTION\", \"query\": \"create function "         \
	"f() returns int language " language                                                           \
	" as 'x'\", \"commands\": [{\"class\": 1255, \"oid\": 9, "                                     \
	"\"tag\": \"CREATE FUNCTION\", \"schema\": \"app\"}], \"objects\": [{\"class\": \"pg_proc\", " \
	"\"oid\": 9, \"after\": {\"schema\": \"app\", \"name\": \"f\", \"kind\": \"f\", "              \
	"\"arguments\": "                                                                              \
	"\"\", \"owner\": \"plain\", \"language\": \"" language                                        \
	"\", \"definition\": \"CREATE ...\"}}]}"

static void
test_refused(void **state)
{
	(void) state;
	expect_refused("{\"event\": \"gap\", \"tag\": \"ALTER TABLE\", \"error\": \"53100: full\"}",
	               true);
	/* what the table was before is not known, and the text cannot be used */
	expect_refused(ALTER_T("do 'x'", "", TABLE_T), true);
	expect_refused(CREATE_F("c"), true);
	expect_refused(CREATE_F("INTERNAL"), true);
	expect_sql(CREATE_F("plpgsql"), true, true, 1,
	           "CREATE FUNCTION app.f() RETURNS int LANGUAGE plpgsql AS $$x$$");
}

static void
expect_nothing(const char *text)
{
	Planned p = plan_with(text, true, NULL, 0);

	assert_int_equal(p.plan.verdict, DDL_NOTHING);
	done(&p);
}

static void
test_what_the_job_does_not_carry(void **state)
{
	(void) state;
	expect_nothing(
	    "{" SESSION " \"event\": \"command\", \"tag\": \"CREATE TABLE\", \"query\": \"create "
	    "table unselected (a int)\", \"commands\": [{\"class\": 1259, \"oid\": 9, \"tag\": "
	    "\"CREATE TABLE\", \"schema\": \"app\"}], \"objects\": [{\"class\": \"pg_class\", "
	    "\"oid\": 9, \"after\": {\"schema\": \"app\", \"name\": \"unselected\", \"kind\": "
	    "\"r\", \"columns\": []}}]}");
	/* privileges of temporary tables */
	expect_nothing(
	    "{" SESSION " \"event\": \"command\", \"tag\": \"GRANT\", \"query\": \"grant select on "
	    "temp to x\", \"commands\": [{\"tag\": \"GRANT\", \"type\": \"TABLE\"}], \"objects\": []}");
	expect_nothing(
	    "{\"event\": \"command\", \"tag\": \"CREATE PUBLICATION\", \"commands\": [{\"class\": "
	    "6104, \"oid\": 9, \"tag\": \"CREATE PUBLICATION\"}], \"objects\": [{\"class\": "
	    "\"pg_publication\", \"oid\": 9, \"after\": {\"type\": \"publication\", \"identity\": "
	    "\"p\"}}]}");
	/* of two dropped tables one is selected */
	expect_sql(
	    "{\"event\": \"drop\", \"tag\": \"DROP TABLE\", \"commands\": [{\"class\": \"pg_class\", "
	    "\"oid\": 9, \"original\": true, \"type\": \"table\", \"schema\": \"app\", \"identity\": "
	    "\"app.t\", \"names\": [\"app\", \"t\"]}, {\"class\": \"pg_class\", \"oid\": 10, "
	    "\"original\": true, \"type\": \"table\", \"schema\": \"out\", \"identity\": \"out.t\", "
	    "\"names\": [\"out\", \"t\"]}], \"objects\": []}",
	    true, false, 1, "DROP TABLE IF EXISTS app.t");
}

/* A partition and the indexes of what is dropped are no matter of their own; other dependents are their owners'. */
static void
test_what_goes_along(void **state)
{
	Planned p = plan_with(
	    "{\"role\": \"plain\", \"event\": \"drop\", \"tag\": \"DROP TABLE\", \"commands\": ["
	    "{\"class\": \"pg_class\", \"oid\": 9, \"original\": true, \"type\": \"table\", "
	    "\"schema\": "
	    "\"app\", \"identity\": \"app.root\", \"names\": [\"app\", \"root\"]}, "
	    "{\"class\": \"pg_class\", \"oid\": 10, \"type\": \"table\", \"schema\": \"app\", "
	    "\"identity\": "
	    "\"app.part\", \"names\": [\"app\", \"part\"]}, "
	    "{\"class\": \"pg_class\", \"oid\": 11, \"type\": \"index\", \"schema\": \"app\", "
	    "\"identity\": "
	    "\"app.own\", \"names\": [\"app\", \"own\"]}, "
	    "{\"class\": \"pg_class\", \"oid\": 12, \"type\": \"view\", \"schema\": \"app\", "
	    "\"identity\": "
	    "\"app.v\", \"names\": [\"app\", \"v\"]}], \"objects\": ["
	    "{\"class\": \"pg_class\", \"oid\": 9, \"before\": {\"schema\": \"app\", \"name\": "
	    "\"root\", "
	    "\"kind\": \"p\", \"owner\": \"plain\"}}, "
	    "{\"class\": \"pg_class\", \"oid\": 10, \"before\": {\"schema\": \"app\", \"name\": "
	    "\"part\", "
	    "\"kind\": \"r\", \"owner\": \"other\", \"partition_bound\": \"DEFAULT\", \"parents\": "
	    "[{\"oid\": 9, \"name\": \"app.root\"}]}}, "
	    "{\"class\": \"pg_class\", \"oid\": 11, \"before\": {\"schema\": \"app\", \"name\": "
	    "\"own\", "
	    "\"kind\": \"i\", \"owner\": \"other\", \"index\": {\"table\": 10}}}, "
	    "{\"class\": \"pg_class\", \"oid\": 12, \"before\": {\"schema\": \"app\", \"name\": \"v\", "
	    "\"kind\": \"v\", \"owner\": \"other\"}}]}",
	    false, NULL, 0);

	(void) state;
	assert_int_equal(p.plan.verdict, DDL_APPLY);
	assert_int_equal(p.plan.count, 2);
	assert_string_equal(p.plan.sql[0], "DROP VIEW IF EXISTS app.v");
	assert_string_equal(p.plan.roles[0], "other");
	assert_string_equal(p.plan.sql[1], "DROP TABLE IF EXISTS app.root");
	assert_null(p.plan.roles[1]);
	done(&p);
}

#define PRIVILEGE(role, by, what)                                                                  \
	"{\"to\": \"" role "\", \"by\": \"" by "\", \"privilege\": \"" what "\"}"
#define ITS_OWN(role) PRIVILEGE(role, "plain", "INSERT") ", " PRIVILEGE(role, "plain", "SELECT")
#define TABLE_WITH(acl)                                                                            \
	"{\"schema\": \"app\", \"name\": \"t\", \"kind\": \"r\", \"owner\": \"plain\", \"columns\": "  \
	"[{\"num\": 1, \"name\": \"a\", \"type\": \"integer\", \"type_oid\": 23}]" acl "}"
#define ACL(items) ", \"privileges\": 2, \"acl\": [" items "]"
#define GRANTED(before, after)                                                                     \
	"{" SESSION                                                                                    \
	" \"event\": \"command\", \"tag\": \"GRANT\", \"query\": \"grant select on t to x\", "         \
	"\"commands\": [{\"tag\": \"GRANT\", \"type\": \"TABLE\"}], \"objects\": [{\"class\": "        \
	"\"pg_class\", \"oid\": 9, \"before\": " TABLE_WITH(before) ", \"after\": " TABLE_WITH(        \
	    after) "}]}"
#define ON_T " ON TABLE \"app\".\"t\" "

/* The source's version knows two privileges here; the target's may know more. */
static void
test_all_privileges(void **state)
{
	(void) state;
	/* the owner's are as they were: all */
	expect_sql(GRANTED("", ACL(ITS_OWN("plain") ", " PRIVILEGE("x", "plain", "SELECT"))), true,
	           false, 3, "REVOKE ALL" ON_T "FROM PUBLIC, \"plain\"",
	           "GRANT ALL" ON_T "TO \"plain\"", "GRANT SELECT" ON_T "TO \"x\"");
	/* one that was missing until now */
	expect_sql(GRANTED(ACL(PRIVILEGE("x", "plain", "SELECT")), ACL(ITS_OWN("x"))), true, false, 1,
	           "GRANT ALL" ON_T "TO \"x\"");
	/* all, less one: nothing is kept that only the target knows */
	expect_sql(GRANTED(ACL(ITS_OWN("x")), ACL(PRIVILEGE("x", "plain", "SELECT"))), true, false, 2,
	           "REVOKE ALL" ON_T "FROM \"x\" CASCADE", "GRANT SELECT" ON_T "TO \"x\"");
	/* but not where others have theirs from that role */
	expect_sql(GRANTED(ACL(ITS_OWN("x") ", " PRIVILEGE("y", "x", "SELECT")),
	                   ACL(PRIVILEGE("x", "plain", "SELECT") ", " PRIVILEGE("y", "x", "SELECT"))),
	           true, false, 1, "REVOKE INSERT" ON_T "FROM \"x\" CASCADE");
	/* the same privilege from two is one */
	expect_sql(
	    GRANTED("", ACL(PRIVILEGE("x", "plain", "SELECT") ", " PRIVILEGE("x", "y", "SELECT"))),
	    true, false, 3, "REVOKE ALL" ON_T "FROM PUBLIC, \"plain\"", "GRANT SELECT" ON_T "TO \"x\"",
	    "GRANT SELECT" ON_T "TO \"x\"");
}

static void
test_new_label_needs_a_commit(void **state)
{
	Planned p = plan_with(
	    "{\"event\": \"command\", \"tag\": \"ALTER TYPE\", \"commands\": [{\"class\": 1247, "
	    "\"oid\": 9, "
	    "\"tag\": \"ALTER TYPE\"}], \"objects\": [{\"class\": \"pg_type\", \"oid\": 9, \"before\": "
	    "{\"schema\": \"app\", \"name\": \"e\", \"kind\": \"e\", \"labels\": [{\"oid\": 1, "
	    "\"label\": "
	    "\"b\"}]}, \"after\": {\"schema\": \"app\", \"name\": \"e\", \"kind\": \"e\", \"labels\": "
	    "[{\"oid\": 2, \"label\": \"a'\"}, {\"oid\": 1, \"label\": \"c\"}]}}]}",
	    false, NULL, 0);

	(void) state;
	assert_int_equal(p.plan.count, 2);
	assert_string_equal(p.plan.sql[0], "ALTER TYPE \"app\".\"e\" RENAME VALUE 'b' TO 'c'");
	assert_string_equal(p.plan.sql[1], "ALTER TYPE \"app\".\"e\" ADD VALUE 'a''' BEFORE 'c'");
	assert_true(p.plan.commit_before_use);
	done(&p);
}

static void
test_settings(void **state)
{
	Planned p = plan_with(CREATE_T("create table t (a int)", ""), true, NULL, 0);
	int count;
	const char **sql = ddl_session_settings(p.arena, &p.plan, &count);
	bool style = false;

	(void) state;
	for (int i = 0; i < count; i++)
		style = style ||
		        (strstr(sql[i], "'SQL, DMY'") != NULL && strstr(sql[i], "'DateStyle'") != NULL);
	assert_true(style);
	assert_string_equal(sql[count - 1], "SELECT pg_catalog.set_config('search_path', 'app', true)");
	done(&p);
	p = plan_with(CREATE_T("create table t (a int)", ""), false, NULL, 0);
	sql = ddl_session_settings(p.arena, &p.plan, &count);
	assert_string_equal(sql[count - 1],
	                    "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)");
	done(&p);
}

/* Whatever stands in a row: an error or a plan, never more than that. */
static void
test_bad_rows(void **state)
{
	static const char *const bad[] = {"{}",
	                                  "[]",
	                                  "{\"event\": \"command\"}",
	                                  "{\"event\": \"odd\", \"tag\": \"x\"}",
	                                  "{\"event\": \"command\", \"tag\": \"x\", \"objects\": 5}",
	                                  "{\"event\": \"drop\", \"tag\": \"x\", \"commands\": [1]}"};

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		json_t *doc = json_loads(bad[i], 0, NULL);
		DdlRecord record;
		Error err = {0};

		assert_false(ddl_record_read(doc, &record, &err));
		assert_string_equal(err.sqlstate, ERR_PROTOCOL);
		json_decref(doc);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ways),
	    cmocka_unit_test(test_extension_finds_its_schema),
	    cmocka_unit_test(test_unknown_role_owns_nothing),
	    cmocka_unit_test(test_computed_default),
	    cmocka_unit_test(test_rewritten_table),
	    cmocka_unit_test(test_rename_is_a_rename),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_what_the_job_does_not_carry),
	    cmocka_unit_test(test_what_goes_along),
	    cmocka_unit_test(test_all_privileges),
	    cmocka_unit_test(test_new_label_needs_a_commit),
	    cmocka_unit_test(test_settings),
	    cmocka_unit_test(test_bad_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
