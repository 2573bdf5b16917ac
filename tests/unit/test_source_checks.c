/*
 * test_source_checks.c
 *		What prechecks compute: the WAL that a load retains, and which pg_dump is fit.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "dump_program.h"
#include "source_check_wal.h"

static void
retained_wal_grows_with_size_and_rate(void **state)
{
	int64_t gigabyte = INT64_C(1024) * 1024 * 1024;

	(void) state;
	assert_int_equal(wal_forecast(100 * gigabyte, 0), 0);
	assert_int_equal(wal_forecast(0, 1000), 1000);
	/* 20 MB a second: 52 seconds */
	assert_int_equal(wal_forecast(gigabyte, 1000), 52 * 1000);
	assert_int_equal(wal_forecast(100 * gigabyte, 1000), 5121 * 1000);
	assert_true(wal_forecast(INT64_MAX, INT64_MAX) == INT64_MAX);
	assert_int_equal(wal_forecast(gigabyte, -5), 0);
}

static void
no_pg_dump_is_new_enough(void **state)
{
	DumpProgram program;
	Error err = {0};

	(void) state;
	assert_false(dump_program_find(&program, 99, &err));
	assert_non_null(strstr(err.message, "no pg_dump of PostgreSQL 99 or newer"));
	assert_non_null(strstr(err.hint, "postgresql-client-99"));
}

/* Every host that these tests run on has one that is as old as the oldest source. */
static void
the_one_found_says_its_version(void **state)
{
	DumpProgram program;
	Error err = {0};

	(void) state;
	assert_true(dump_program_find(&program, 13, &err));
	assert_in_range(program.version, 13, 18);
	assert_non_null(strstr(program.dump, "pg_dump"));
	assert_non_null(strstr(program.restore, "pg_restore"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(retained_wal_grows_with_size_and_rate),
	    cmocka_unit_test(no_pg_dump_is_new_enough),
	    cmocka_unit_test(the_one_found_says_its_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
