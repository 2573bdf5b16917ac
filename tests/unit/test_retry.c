/*
 * test_retry.c
 *		Back-off: pauses that grow, inside a window.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "retry.h"

#define MINUTE_US INT64_C(60000000)

static void
pauses_double_up_to_a_minute(void **state)
{
	static const int expected[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
	Retry retry = {.failures = 0};
	int64_t now = 5 * MINUTE_US;

	(void) state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
	{
		int pause = -1;

		assert_true(retry_failed(&retry, now, 720, 0, &pause));
		assert_int_equal(pause, expected[i]);
		now += (int64_t) pause * 1000;
	}
}

static void
jitter_takes_off_a_quarter_at_most(void **state)
{
	(void) state;
	for (uint32_t jitter = 0; jitter < 3000; jitter += 7)
	{
		Retry retry = {.failures = 3, .since_us = 1};
		int pause = -1;

		assert_true(retry_failed(&retry, 2, 720, jitter, &pause));
		assert_in_range(pause, 6000, 8000);
	}
	{
		Retry retry = {.failures = 3, .since_us = 1};
		int pause = -1;

		assert_true(retry_failed(&retry, 2, 720, 999, &pause));
		assert_in_range(pause, 6000, 6010);
	}
}

static void
the_window_counts_from_the_first_failure(void **state)
{
	Retry retry = {.failures = 0};
	int pause;

	(void) state;
	assert_true(retry_failed(&retry, 10 * MINUTE_US, 10, 0, &pause));
	assert_true(retry_failed(&retry, 20 * MINUTE_US - 1, 10, 0, &pause));
	assert_false(retry_failed(&retry, 20 * MINUTE_US, 10, 0, &pause));
	assert_false(retry_failed(&retry, 21 * MINUTE_US, 10, 0, &pause));
}

static void
the_last_pause_ends_with_the_window(void **state)
{
	Retry retry = {.failures = 8, .since_us = 1};
	int pause = -1;

	(void) state;
	assert_true(retry_failed(&retry, 10 * MINUTE_US - 5000000 + 1, 10, 0, &pause));
	assert_int_equal(pause, 5000);
}

static void
success_opens_a_new_window(void **state)
{
	Retry retry = {.failures = 0};
	int pause;

	(void) state;
	assert_true(retry_failed(&retry, 1, 1, 0, &pause));
	assert_true(retry_failed(&retry, 2, 1, 0, &pause));
	retry_succeeded(&retry);
	assert_true(retry_failed(&retry, 30 * MINUTE_US, 1, 0, &pause));
	assert_int_equal(pause, 1000);
}

static void
no_window_means_no_retry(void **state)
{
	Retry retry = {.failures = 0};
	int pause;

	(void) state;
	assert_false(retry_failed(&retry, 1, 0, 0, &pause));
}

static void
thousands_of_failures_overflow_nothing(void **state)
{
	Retry retry = {.failures = 0};
	int pause;

	(void) state;
	for (int i = 0; i < 5000; i++)
	{
		assert_true(retry_failed(&retry, 1, 1440, (uint32_t) i * 2654435761u, &pause));
		assert_in_range(pause, 750, 60000);
	}
}

static void
lost_connections_have_a_window_of_their_own(void **state)
{
	(void) state;
	assert_true(retry_is_connection("08006"));
	assert_true(retry_is_connection("57P01"));
	assert_true(retry_is_connection("57P03"));
	assert_false(retry_is_connection("40P01"));
	assert_false(retry_is_connection("53100"));
	assert_false(retry_is_connection("57014"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pauses_double_up_to_a_minute),
	    cmocka_unit_test(jitter_takes_off_a_quarter_at_most),
	    cmocka_unit_test(the_window_counts_from_the_first_failure),
	    cmocka_unit_test(the_last_pause_ends_with_the_window),
	    cmocka_unit_test(success_opens_a_new_window),
	    cmocka_unit_test(no_window_means_no_retry),
	    cmocka_unit_test(thousands_of_failures_overflow_nothing),
	    cmocka_unit_test(lost_connections_have_a_window_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
