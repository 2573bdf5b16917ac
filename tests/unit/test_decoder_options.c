/*
 * test_decoder_options.c
 *		The job's selection as the decoder's options, with odd names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "decoder_options.h"
#include "incremental.h"

static const char *
find(const SourceOption *options, int count, const char *name)
{
	for (int i = 0; i < count; i++)
	{
		if (strcmp(options[i].name, name) == 0)
			return options[i].value;
	}
	return NULL;
}

static void
test_nothing_selected_means_everything(void **state)
{
	Arena *arena = arena_create(1024);
	SourceOption options[DECODER_OPTIONS_MAX];
	JobOptions job = {0};
	Error err;
	int count = decoder_options(arena, &job, options, &err);

	(void) state;
	assert_null(find(options, count, "schemas"));
	assert_null(find(options, count, "tables"));
	assert_string_equal(find(options, count, "on_no_identity"), "emit");
	assert_string_equal(find(options, count, "messages"), "on");
	arena_destroy(arena);
}

static void
test_names_are_quoted(void **state)
{
	char *tables[] = {"a,b", "c\"d"};
	char *excluded[] = {"e.f"};
	JobObject objects[] = {{.schema = "whole, one"},
	                       {.schema = "s", .tables = tables, .table_count = 2},
	                       {.schema = "Two"}};
	JobObject exclude[] = {{.schema = "s", .tables = excluded, .table_count = 1}, {.schema = "x"}};
	JobOptions job = {
	    .objects = objects, .object_count = 3, .exclude = exclude, .exclude_count = 2};
	SourceOption options[DECODER_OPTIONS_MAX];
	Arena *arena = arena_create(1024);
	Error err;
	int count = decoder_options(arena, &job, options, &err);

	(void) state;
	assert_string_equal(find(options, count, "schemas"), "\"whole, one\",\"Two\"");
	assert_string_equal(find(options, count, "tables"), "\"s\".\"a,b\",\"s\".\"c\"\"d\"");
	assert_string_equal(find(options, count, "exclude_schemas"), "\"x\"");
	assert_string_equal(find(options, count, "exclude_tables"), "\"s\".\"e.f\"");
	arena_destroy(arena);
}

static PhaseResult
classified(const char *sqlstate, bool from_source)
{
	Error err;

	error_clear(&err);
	error_set(&err, sqlstate, "x");
	return incremental_classify(&err, from_source);
}

static void
test_errors_decide_by_sqlstate(void **state)
{
	(void) state;
	assert_int_equal(classified(ERR_CONNECTION, false), PHASE_TRANSIENT);
	assert_int_equal(classified("40P01", false), PHASE_TRANSIENT);
	assert_int_equal(classified("57P01", true), PHASE_TRANSIENT);
	assert_int_equal(classified(ERR_PROTOCOL, true), PHASE_TRANSIENT);
	assert_int_equal(classified(ERR_FENCED, false), PHASE_YIELDED);
	assert_int_equal(classified(ERR_LOST, true), PHASE_LOST);
	assert_int_equal(classified("23505", false), PHASE_TROUBLE);
	assert_int_equal(classified(ERR_ROW_MISSING, false), PHASE_TROUBLE);
	assert_int_equal(classified(ERR_NO_IDENTITY, false), PHASE_TROUBLE);
	/* a slot that is gone: the check at the next start says what it means; on the target not so */
	assert_int_equal(classified("42704", true), PHASE_TRANSIENT);
	assert_int_equal(classified("42704", false), PHASE_TROUBLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_selected_means_everything),
	    cmocka_unit_test(test_names_are_quoted),
	    cmocka_unit_test(test_errors_decide_by_sqlstate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
