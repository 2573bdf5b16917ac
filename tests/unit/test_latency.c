/*
 * test_latency.c
 *		The lag as beats and the source's clock tell it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "latency.h"

#define SECOND 1000000LL
#define BASE   (INT64_C(1) << 60)

/* The source's clock is years away from ours. */
#define SOURCE(us) ((us) -4000000 * SECOND)

static void
nothing_is_known_at_first(void **state)
{
	Latency l;

	(void) state;
	latency_init(&l, BASE);
	assert_int_equal(latency_lag(&l, false, 0, 5), LATENCY_UNKNOWN);
	assert_int_equal(latency_lag(&l, false, 77, 5), LATENCY_UNKNOWN);
	assert_int_equal(latency_lag(&l, true, 0, 5), 0);
	assert_false(latency_is_ours(&l, 0));
	assert_false(latency_is_ours(&l, BASE));
}

static void
age_of_a_transaction_is_told_by_the_sources_clock(void **state)
{
	Latency l;

	(void) state;
	latency_init(&l, BASE);
	latency_source_clock(&l, SOURCE(100 * SECOND), 99 * SECOND, 101 * SECOND);
	assert_int_equal(latency_lag(&l, false, SOURCE(95 * SECOND), 102 * SECOND), 7 * SECOND);
	/* a slower answer does not replace it, a later one does */
	latency_source_clock(&l, SOURCE(110 * SECOND), 110 * SECOND, 130 * SECOND);
	assert_int_equal(latency_lag(&l, false, SOURCE(95 * SECOND), 102 * SECOND), 7 * SECOND);
	latency_source_clock(&l, SOURCE(135 * SECOND), 130 * SECOND, 130 * SECOND);
	assert_int_equal(latency_lag(&l, false, SOURCE(130 * SECOND), 130 * SECOND), 5 * SECOND);
	/* a commit in its future is no negative lag */
	assert_int_equal(latency_lag(&l, false, SOURCE(999 * SECOND), 130 * SECOND), 0);
	assert_int_equal(latency_lag(&l, true, SOURCE(1 * SECOND), 130 * SECOND), 0);
}

static void
a_beat_that_is_away_counts_though_all_received_is_applied(void **state)
{
	Latency l;
	int64_t first;
	int64_t second;

	(void) state;
	latency_init(&l, BASE);
	first = latency_send(&l, 10 * SECOND);
	assert_int_equal(latency_lag(&l, true, 0, 12 * SECOND), 2 * SECOND);
	second = latency_send(&l, 20 * SECOND);
	assert_int_equal(latency_lag(&l, true, 0, 25 * SECOND), 15 * SECOND);
	latency_durable(&l, first);
	assert_in_range(latency_lag(&l, true, 0, 25 * SECOND), 5 * SECOND, 15 * SECOND);
	latency_durable(&l, second);
	assert_int_equal(latency_lag(&l, true, 0, 25 * SECOND), 0);
	/* behind again: no longer than since that beat, whatever the last transaction was */
	latency_source_clock(&l, SOURCE(25 * SECOND), 25 * SECOND, 25 * SECOND);
	assert_int_equal(latency_lag(&l, false, SOURCE(1 * SECOND), 26 * SECOND), 6 * SECOND);
	assert_int_equal(latency_lag(&l, false, SOURCE(24 * SECOND), 26 * SECOND), 2 * SECOND);
}

static void
others_numbers_are_no_beats(void **state)
{
	Latency l;
	int64_t beat;

	(void) state;
	latency_init(&l, BASE);
	beat = latency_send(&l, 10 * SECOND);
	assert_true(latency_is_ours(&l, beat));
	assert_false(latency_is_ours(&l, beat + 1));
	assert_false(latency_is_ours(&l, 10 * SECOND));
	assert_false(latency_is_ours(&l, -5));
	latency_durable(&l, beat + 1);
	assert_int_equal(latency_lag(&l, true, 0, 12 * SECOND), 2 * SECOND);
	latency_durable(&l, beat);
	latency_durable(&l, beat);
	assert_int_equal(latency_lag(&l, true, 0, 12 * SECOND), 0);
}

static void
a_beat_that_was_not_written_is_not_waited_for(void **state)
{
	Latency l;
	int64_t beat;

	(void) state;
	latency_init(&l, BASE);
	latency_send(&l, 10 * SECOND);
	latency_unsent(&l);
	assert_int_equal(latency_lag(&l, true, 0, 12 * SECOND), 0);
	beat = latency_send(&l, 20 * SECOND);
	latency_send(&l, 30 * SECOND);
	latency_unsent(&l);
	latency_durable(&l, beat);
	assert_int_equal(latency_lag(&l, true, 0, 32 * SECOND), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_known_at_first),
	    cmocka_unit_test(age_of_a_transaction_is_told_by_the_sources_clock),
	    cmocka_unit_test(a_beat_that_is_away_counts_though_all_received_is_applied),
	    cmocka_unit_test(others_numbers_are_no_beats),
	    cmocka_unit_test(a_beat_that_was_not_written_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
