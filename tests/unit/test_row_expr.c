/*
 * test_row_expr.c
 *		Expressions of the options: what is exactly one, where the others are wrong, and what of the
 *		options goes to the decoder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "decoder_options.h"
#include "plan.h"
#include "row_expr.h"
#include "sql_tree.h"

static Arena *arena;
static Error err;

static int
setup(void **state)
{
	(void) state;
	arena = arena_create(4096);
	return 0;
}

static int
teardown(void **state)
{
	(void) state;
	arena_destroy(arena);
	return 0;
}

#ifdef SQL_TREE
static void
written_as(const char *text, const char *wanted)
{
	const char *canonical = row_expr_canonical(arena, text, &err);

	if (canonical == NULL)
		fail_msg("%s: %s", text, err.message);
	assert_string_equal(canonical, wanted);
	/* once more it is the same */
	assert_string_equal(row_expr_canonical(arena, canonical, &err), wanted);
}

static void
test_written_from_the_tree(void **state)
{
	(void) state;
	written_as("id%2=0", "(id % 2) = 0");
	written_as("id = 1 -- the end of the line", "id = 1");
	written_as("/* a */ \"Odd \"\"name\" is not null", "\"Odd \"\"name\" IS NOT NULL");
	written_as("v = 'it''s' and (a or b)", "v = 'it''s' AND (a OR b)");
	/* the writer would leave out what has to stand */
	written_as("(a IS DISTINCT FROM b) IS TRUE", "(a IS DISTINCT FROM b) IS TRUE");
	written_as("(a IS DISTINCT FROM b) IS TRUE -- x", "(a IS DISTINCT FROM b) IS TRUE -- x\n");
	written_as("v = e'a\\nb'", "v = 'a\nb'");
}

static void
refused(const char *text, const char *message, const char *mark)
{
	assert_null(row_expr_canonical(arena, text, &err));
	assert_string_equal(err.sqlstate, "42601");
	assert_non_null(strstr(err.message, message));
	assert_non_null(strstr(err.detail, mark));
	assert_true(err.hint[0] != '\0');
}

static void
test_refused_with_the_place(void **state)
{
	(void) state;
	refused("id %", "syntax error", "Character 5 of the expression: id %<HERE>");
	refused("id = 1) OR (true", "syntax error", "id = 1<HERE>) OR (true");
	refused("true) TO PROGRAM 'x' --", "syntax error", "true<HERE>) TO");
	refused("id = 1; DROP TABLE t", "not exactly one", "id = 1; DROP TABLE t");
	refused("id, v", "not exactly one", "id, v");
	refused("id AS x", "not exactly one", "id AS x");
	refused("id FROM t", "not exactly one", "id FROM t");
	refused("*", "whole row", "<HERE>*");
	refused("a = 1 AND t.id = 1", "qualified", "a = 1 AND <HERE>t.id = 1");
	refused("id IN (SELECT 1)", "subquery", "<HERE>");
	refused("$1 = 2", "parameter", "<HERE>$1");
	refused("'\xc3\xa4' = v AND $1", "parameter",
	        "Character 13 of the expression: '\xc3\xa4' = v AND <HERE>$1");
	refused("sum(a) OVER () > 1", "window", "<HERE>sum");
	refused("public.f(a) > 1", "not built in", "<HERE>public.f");
	refused("count(*) > 1", "aggregate", "<HERE>count");
	refused("ts > current_timestamp", "time", "ts > <HERE>current");
	refused("", "not exactly one", "");
}

static void
test_shapes_for_the_decoder(void **state)
{
	Job job = {.arena = arena};
	SourceOption options[DECODER_OPTIONS_MAX];
	const char *shapes;
	int count;

	(void) state;
	if (!job_options_parse(
	        &job,
	        "{\"phases\": [\"full\"], \"objects\": [{\"schema\": \"a\", \"tables\": [\"plain\", "
	        "{\"name\": \"t\", \"where\": \"id>1\", \"columns\": [\"id\", {\"name\": \"v\", "
	        "\"rename\": \"w\"}, {\"name\": \"l\", \"expr\": \"upper( v )\"}], "
	        "\"operations\": [\"insert\", \"ddl\"]}]}]}",
	        &err))
		fail_msg("%s", err.message);
	count = decoder_options(arena, &job.options, options, &err);
	assert_string_equal(options[count - 1].name, "shapes");
	assert_string_equal(
	    options[count - 1].value,
	    "[{\"schema\":\"a\",\"table\":\"plain\"},{\"schema\":\"a\",\"table\":\"t\","
	    "\"operations\":[\"insert\"],\"where\":\"id > 1\",\"columns\":[{\"name\":\"id\"},"
	    "{\"name\":\"v\"},{\"name\":\"l\",\"expr\":\"upper(v)\"}]}]");
	assert_true(decoder_options_shapes(arena, &job.options, "a", "plain", &shapes, &err));
	assert_string_equal(shapes, "[{\"schema\":\"a\",\"table\":\"plain\"}]");
	job.options.objects[0].details[1].where = arena_strdup(arena, "id >");
	assert_int_equal(decoder_options(arena, &job.options, options, &err), -1);
	assert_non_null(strstr(err.context, "\"a\".\"t\""));
	job.options.objects[0].details[1] = job.options.objects[0].details[0];
	assert_true(decoder_options_shapes(arena, &job.options, NULL, NULL, &shapes, &err));
	assert_null(shapes);
}
#endif

static void
test_a_refused_change_tells_all(void **state)
{
	const Relation relation = {.schema = "s", .name = "t"};
	const Refused row = {"22012", "", "1 / a > 0", 0, "division by zero", "", "", "id = 5"};
	const Refused all = {"42703", "l",      "upper(z)", 7, "column \"z\" does not exist",
	                     "d.",    "Do it.", ""};
	Change change = {
	    .kind = CHANGE_REFUSED, .relation = &relation, .operation = 'U', .refused = &row};

	(void) state;
	plan_refused(&change, &err);
	assert_string_equal(err.sqlstate, ERR_REFUSED);
	assert_string_equal(err.message,
	                    "row filter of table \"s\".\"t\" fails for a row: division by zero");
	assert_non_null(strstr(err.detail, "1 / a > 0"));
	assert_non_null(strstr(err.detail, "id = 5"));
	assert_non_null(strstr(err.detail, "22012"));
	change.refused = &all;
	plan_refused(&change, &err);
	assert_string_equal(
	    err.message,
	    "computed column \"l\" of table \"s\".\"t\" fails: column \"z\" does not exist");
	assert_non_null(strstr(err.detail, "character 7"));
	assert_non_null(strstr(err.hint, "Do it."));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef SQL_TREE
	    cmocka_unit_test(test_written_from_the_tree),
	    cmocka_unit_test(test_refused_with_the_place),
	    cmocka_unit_test(test_shapes_for_the_decoder),
#endif
	    cmocka_unit_test(test_a_refused_change_tells_all),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
