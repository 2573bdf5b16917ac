/*
 * test_lsn.c
 *		Reading and printing of LSNs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lsn.h"

static void
reads_what_it_prints(void **state)
{
	static const uint64_t values[] = {0, 1, 0x16B374D848, UINT32_MAX, UINT64_MAX};

	(void) state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
	{
		SourceLsn lsn = source_lsn(values[i]);
		char text[LSN_TEXT_MAX];
		uint64_t back = 42;

		snprintf(text, sizeof(text), LSN_FORMAT, LSN_ARGS(lsn));
		assert_true(lsn_parse(text, &back));
		assert_true(back == values[i]);
	}
}

static void
reads_lower_case(void **state)
{
	uint64_t value;

	(void) state;
	assert_true(lsn_parse("a/0b", &value));
	assert_true(value == ((uint64_t) 0xa << 32 | 0xb));
}

static void
refuses_what_is_no_lsn(void **state)
{
	static const char *const texts[] = {"",     "/",           "0",     "0/",          "/0",
	                                    "0/0 ", " 0/0",        "0x0/0", "0/123456789", "-1/0",
	                                    "0/g",  "123456789/0", "0/0/0"};

	(void) state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		uint64_t value = 42;

		assert_false(lsn_parse(texts[i], &value));
		assert_true(value == 42);
	}
}

static void
takes_the_later_of_two(void **state)
{
	(void) state;
	assert_true(source_lsn_max(source_lsn(5), source_lsn(9)).value == 9);
	assert_true(source_lsn_max(source_lsn(9), source_lsn(5)).value == 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_it_prints),
	    cmocka_unit_test(reads_lower_case),
	    cmocka_unit_test(refuses_what_is_no_lsn),
	    cmocka_unit_test(takes_the_later_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
