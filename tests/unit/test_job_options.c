/*
 * test_job_options.c
 *		The options of a job, and which tables they select.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "job.h"

static Job job;

static int
setup(void **state)
{
	(void) state;
	job = (Job){.arena = arena_create(1024)};
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
parse(const char *json)
{
	Error err;

	if (!job_options_parse(&job, json, &err))
		fail_msg("%s: %s %s", json, err.message, err.detail);
}

static void
complete_options_are_read(void **state)
{
	(void) state;
	parse("{\"phases\": [\"full\", \"incremental\"], \"objects\": null, \"exclude\": null, "
	      "\"workers\": 7, \"same_name_tables\": \"truncate\", \"streaming\": false, "
	      "\"retry\": {\"connection_minutes\": 30, \"other_minutes\": 5}}");
	assert_false(job.options.phases[PHASE_SCHEMA]);
	assert_true(job.options.phases[PHASE_FULL]);
	assert_true(job.options.phases[PHASE_INCREMENTAL]);
	assert_int_equal(job.options.workers, 7);
	assert_int_equal(job.options.same_name_tables, SAME_NAME_TRUNCATE);
	assert_false(job.options.streaming);
	assert_int_equal(job.options.retry_connection_minutes, 30);
	assert_int_equal(job.options.retry_other_minutes, 5);
	assert_null(job.options.objects);
}

static void
what_is_left_out_has_its_default(void **state)
{
	(void) state;
	parse("{\"phases\": [\"schema\"]}");
	assert_int_equal(job.options.same_name_tables, SAME_NAME_FAIL);
	assert_true(job.options.streaming);
	assert_int_equal(job.options.retry_connection_minutes, 720);
	assert_int_equal(job.options.retry_other_minutes, 10);
	assert_int_equal(job.options.decoding_memory_mb, 256);
	parse("{\"phases\": [\"schema\"], \"same_name_tables\": \"keep\"}");
	assert_int_equal(job.options.same_name_tables, SAME_NAME_KEEP);
}

static void
no_objects_select_the_whole_database(void **state)
{
	(void) state;
	parse("{\"phases\": [\"full\"]}");
	assert_true(job_selects(&job, "any", "thing"));
}

static void
a_schema_without_tables_selects_all_of_it(void **state)
{
	(void) state;
	parse("{\"phases\": [\"full\"], \"objects\": [{\"schema\": \"app\"}, {\"schema\": \"b\", "
	      "\"tables\": [{\"name\": \"x\"}, {\"name\": \"Odd \\\"name\"}]}]}");
	assert_true(job_selects(&job, "app", "anything"));
	assert_true(job_selects(&job, "b", "x"));
	assert_true(job_selects(&job, "b", "Odd \"name"));
	assert_false(job_selects(&job, "b", "y"));
	assert_false(job_selects(&job, "b", "X"));
	assert_false(job_selects(&job, "c", "x"));
}

static void
exclusion_wins(void **state)
{
	(void) state;
	parse("{\"phases\": [\"full\"], \"objects\": [{\"schema\": \"app\"}], \"exclude\": "
	      "[{\"schema\": \"app\", \"tables\": [\"log\"]}, {\"schema\": \"old\"}]}");
	assert_true(job_selects(&job, "app", "t"));
	assert_false(job_selects(&job, "app", "log"));
	assert_false(job_selects(&job, "old", "t"));
}

static void
empty_lists_select_nothing(void **state)
{
	(void) state;
	parse("{\"phases\": [\"full\"], \"objects\": [{\"schema\": \"app\", \"tables\": []}]}");
	assert_false(job_selects(&job, "app", "t"));
	parse("{\"phases\": [\"full\"], \"objects\": []}");
	assert_false(job_selects(&job, "app", "t"));
}

/* Each names the path of what it does not understand. */
static void
bad_options_are_refused_with_their_path(void **state)
{
	static const struct
	{
		const char *json;
		const char *path;
	} rows[] = {
	    {"", "$"},
	    {"[]", "$"},
	    {"{", "$"},
	    {"{\"phases\": [\"full\"], \"phases\": [\"full\"]}", "$"},
	    {"{}", "$.phases"},
	    {"{\"phases\": []}", "$.phases"},
	    {"{\"phases\": [\"fuller\"]}", "$.phases"},
	    {"{\"phases\": [1]}", "$.phases"},
	    {"{\"phases\": [\"full\"], \"objects\": {}}", "$.objects"},
	    {"{\"phases\": [\"full\"], \"objects\": [{}]}", "$.objects[0]"},
	    {"{\"phases\": [\"full\"], \"objects\": [{\"schema\": \"\"}]}", "$.objects[0]"},
	    {"{\"phases\": [\"full\"], \"exclude\": [{\"schema\": \"a\"}, {\"schema\": \"b\", "
	     "\"tables\": [{\"nam\": 1}]}]}",
	     "$.exclude[1]"},
	    {"{\"phases\": [\"full\"], \"objects\": [{\"schema\": \"b\", \"tables\": 1}]}",
	     "$.objects[0]"},
	    {"{\"phases\": [\"full\"], \"same_name_tables\": \"drop\"}", "$.same_name_tables"},
	    {"{\"phases\": [\"full\"], \"workers\": 65}", "$.workers"},
	    {"{\"phases\": [\"full\"], \"workers\": -1}", "$.workers"},
	    {"{\"phases\": [\"full\"], \"decoding_memory_mb\": 65537}", "$.decoding_memory_mb"},
	    {"{\"phases\": [\"full\"], \"workers\": \"2\"}", "$.workers"},
	    {"{\"phases\": [\"full\"], \"streaming\": \"on\"}", "$.streaming"},
	    {"{\"phases\": [\"full\"], \"ddl\": \"sometimes\"}", "$.ddl"},
	    {"{\"phases\": [\"full\"], \"ddl\": {\"default\": \"off\"}}", "$.ddl"},
	    {"{\"phases\": [\"full\"], \"ddl\": {\"table\": 1}}", "$.ddl"},
	    {"{\"phases\": [\"full\"], \"retry\": {\"other_minutes\": 99999999999}}",
	     "$.retry.other_minutes"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		char expected[200];
		Error err;

		error_clear(&err);
		assert_false(job_options_parse(&job, rows[i].json, &err));
		snprintf(expected, sizeof(expected), "option %s is", rows[i].path);
		assert_non_null(strstr(err.message, expected));
		assert_true(err.detail[0] != '\0' && err.hint[0] != '\0');
	}
}

static JobDdlPolicy
policy_of(const char *tag)
{
	return job.options.ddl.policies[job_ddl_class(&job.options.ddl, tag)];
}

static void
commands_have_the_policy_of_their_class(void **state)
{
	static const char *const json =
	    "{\"phases\": [\"full\"], \"ddl\": {\"default\": \"approve\", \"index\": \"skip\", "
	    "\"table\": \"apply\", \"grant\": \"skip\"}, "
	    "\"ddl_skips\": [{\"lsn\": \"1/2\", \"number\": 7}, {\"lsn\": \"nonsense\", \"number\": "
	    "8}]}";
	Error err;

	(void) state;
	assert_true(job_options_parse(&job, json, &err));
	assert_true(job.options.ddl.captured);
	assert_int_equal(policy_of("CREATE INDEX"), JOB_DDL_SKIP);
	assert_int_equal(policy_of("DROP INDEX"), JOB_DDL_SKIP);
	assert_int_equal(policy_of("CREATE TABLE AS"), JOB_DDL_APPLY);
	assert_int_equal(policy_of("SELECT INTO"), JOB_DDL_APPLY);
	assert_int_equal(policy_of("ALTER FOREIGN TABLE"), JOB_DDL_APPLY);
	assert_int_equal(policy_of("CREATE TABLESPACE"), JOB_DDL_APPROVE);
	assert_int_equal(policy_of("REVOKE"), JOB_DDL_SKIP);
	assert_int_equal(policy_of("ALTER DEFAULT PRIVILEGES"), JOB_DDL_SKIP);
	assert_int_equal(policy_of("CREATE VIEW"), JOB_DDL_APPROVE);
	assert_int_equal(policy_of("nonsense"), JOB_DDL_APPROVE);
	assert_true(job_ddl_left_out(&job.options.ddl, UINT64_C(0x100000002), 7));
	assert_false(job_ddl_left_out(&job.options.ddl, UINT64_C(0x100000002), 8));
	assert_true(job_options_parse(
	    &job, "{\"phases\": [\"full\"], \"ddl\": {\"drop\": \"approve\"}}", &err));
	assert_int_equal(policy_of("DROP INDEX"), JOB_DDL_APPROVE);
	assert_int_equal(policy_of("CREATE INDEX"), JOB_DDL_APPLY);
	assert_true(job_options_parse(&job, "{\"phases\": [\"full\"], \"ddl\": \"off\"}", &err));
	assert_false(job.options.ddl.captured);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(complete_options_are_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_left_out_has_its_default, setup, teardown),
	    cmocka_unit_test_setup_teardown(no_objects_select_the_whole_database, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_schema_without_tables_selects_all_of_it, setup, teardown),
	    cmocka_unit_test_setup_teardown(exclusion_wins, setup, teardown),
	    cmocka_unit_test_setup_teardown(empty_lists_select_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(commands_have_the_policy_of_their_class, setup, teardown),
	    cmocka_unit_test_setup_teardown(bad_options_are_refused_with_their_path, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
