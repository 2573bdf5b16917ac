/*
 * test_throttle.c
 *		Limits: kept over time, by several takers, under late wake-ups and changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "throttle.h"

#define SECOND INT64_C(1000000)
#define START  (1000 * SECOND)

static void
set(Throttle *t, int64_t queries, int64_t rows, int64_t bytes, int64_t now)
{
	const ThrottleLimits limits = {{queries, rows, bytes}};

	throttle_set(t, &limits, now);
}

/*
 * Takes rows of so many at a time for ten seconds, waking up late by at most late_us: how many were
 * taken.
 */
static int64_t
rows_in_ten_seconds(int64_t limit, int64_t at_once, int64_t late_us, int takers)
{
	Throttle t = {0};
	int64_t due[8] = {START};
	int64_t taken = 0;

	set(&t, 0, limit, 0, START);
	for (int i = 0; i < takers; i++)
		due[i] = START;
	for (;;)
	{
		int next = 0;
		int64_t wait;

		for (int i = 1; i < takers; i++)
			next = due[i] < due[next] ? i : next;
		if (due[next] >= START + 10 * SECOND)
			return taken;
		throttle_take(&t, THROTTLE_ROWS, at_once, due[next]);
		taken += at_once;
		wait = throttle_wait_us(&t, due[next]);
		due[next] += wait + (wait > 0 && late_us > 0 ? rand() % late_us : 1);
	}
}

static void
assert_near(int64_t value, int64_t wanted, int percent)
{
	assert_in_range(value, wanted - wanted * percent / 100, wanted + wanted * percent / 100);
}

static void
without_limits_nothing_waits(void **state)
{
	Throttle t = {0};

	(void) state;
	assert_false(throttle_on(&t));
	throttle_take(&t, THROTTLE_ROWS, 1000000, START);
	throttle_take(&t, THROTTLE_BYTES, INT64_MAX, START);
	assert_int_equal(throttle_wait_us(&t, START), 0);
	assert_int_equal(throttle_quantum(&t, THROTTLE_BYTES, 4096), 4096);
}

static void
the_limit_is_kept(void **state)
{
	static const int64_t limits[] = {1, 7, 100, 5000, 1000000, 50000000};

	(void) state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
	{
		int64_t at_once = limits[i] / 50 > 0 ? limits[i] / 50 : 1;

		assert_near(rows_in_ten_seconds(limits[i], at_once, 0, 1), limits[i] * 10, 10);
	}
}

static void
late_wakers_make_up_for_it(void **state)
{
	(void) state;
	srand(7);
	for (int late = 1; late < 200; late += 20)
		assert_near(rows_in_ten_seconds(1000, 20, late * 1000, 1), 10000, 5);
}

static void
several_share_one_limit(void **state)
{
	(void) state;
	for (int takers = 1; takers <= 8; takers++)
		assert_near(rows_in_ten_seconds(2000, 40, 30000, takers), 20000, 5);
}

static void
a_large_piece_is_waited_for_as_a_whole(void **state)
{
	Throttle t = {0};

	(void) state;
	set(&t, 0, 0, 1000, START);
	throttle_take(&t, THROTTLE_BYTES, 60000, START);
	assert_in_range(throttle_wait_us(&t, START), 60 * SECOND - 300000, 60 * SECOND);
	assert_in_range(throttle_wait_us(&t, START + 59 * SECOND), 1, SECOND);
	assert_int_equal(throttle_wait_us(&t, START + 60 * SECOND), 0);
	/* nor does it overflow */
	throttle_take(&t, THROTTLE_BYTES, INT64_MAX, START);
	throttle_take(&t, THROTTLE_BYTES, INT64_MAX, START);
	assert_in_range(throttle_wait_us(&t, START), 1, 86400 * SECOND);
}

static void
unused_time_is_saved_for_a_moment_only(void **state)
{
	Throttle t = {0};

	(void) state;
	set(&t, 0, 100, 0, START);
	throttle_take(&t, THROTTLE_ROWS, 30, START + 3600 * SECOND);
	assert_int_equal(throttle_wait_us(&t, START + 3600 * SECOND), 0);
	throttle_take(&t, THROTTLE_ROWS, 10, START + 3600 * SECOND);
	assert_int_equal(throttle_wait_us(&t, START + 3600 * SECOND), 100000);
}

static void
the_scarcest_unit_decides(void **state)
{
	Throttle t = {0};

	(void) state;
	set(&t, 10, 1000, 1000000, START);
	throttle_take(&t, THROTTLE_ROWS, 2000, START);
	throttle_take(&t, THROTTLE_BYTES, 10000000, START);
	throttle_take(&t, THROTTLE_QUERIES, 50, START);
	assert_in_range(throttle_wait_us(&t, START), 9 * SECOND, 10 * SECOND);
}

static void
a_change_forgives_what_was_taken(void **state)
{
	Throttle t = {0};

	(void) state;
	set(&t, 0, 1, 0, START);
	throttle_take(&t, THROTTLE_ROWS, 100000, START);
	assert_true(throttle_wait_us(&t, START) > 3600 * SECOND);
	/* the same again is no change */
	set(&t, 0, 1, 0, START + SECOND);
	assert_true(throttle_wait_us(&t, START) > 3600 * SECOND);
	set(&t, 0, 1000, 0, START + SECOND);
	assert_int_equal(throttle_wait_us(&t, START + SECOND), 0);
	throttle_take(&t, THROTTLE_ROWS, 100000, START + SECOND);
	set(&t, 0, 0, 0, START + SECOND);
	assert_int_equal(throttle_wait_us(&t, START + SECOND), 0);
	assert_false(throttle_on(&t));
}

static void
the_quantum_is_small_where_the_limit_is_low(void **state)
{
	Throttle t = {0};

	(void) state;
	set(&t, 0, 10, 1048576, START);
	assert_int_equal(throttle_quantum(&t, THROTTLE_ROWS, 65536), 1);
	assert_int_equal(throttle_quantum(&t, THROTTLE_BYTES, 65536), 20971);
	assert_int_equal(throttle_quantum(&t, THROTTLE_BYTES, 4096), 4096);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_limits_nothing_waits),
	    cmocka_unit_test(the_limit_is_kept),
	    cmocka_unit_test(late_wakers_make_up_for_it),
	    cmocka_unit_test(several_share_one_limit),
	    cmocka_unit_test(a_large_piece_is_waited_for_as_a_whole),
	    cmocka_unit_test(unused_time_is_saved_for_a_moment_only),
	    cmocka_unit_test(the_scarcest_unit_decides),
	    cmocka_unit_test(a_change_forgives_what_was_taken),
	    cmocka_unit_test(the_quantum_is_small_where_the_limit_is_low),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
