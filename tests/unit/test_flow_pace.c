/*
 * test_flow_pace.c
 *		When the batch at hand goes to the target: numbers in, a decision out.
 */
#include "flow_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define FAR_US (20 * FLOW_SPACING_US)

static bool
goes(const FlowPace *pace, int in_flight, int64_t round_trip_us, bool quick, int64_t now_us)
{
	const TargetStatus status = {.batches_in_flight = in_flight, .round_trip_us = round_trip_us};

	return flow_pace_goes(pace, &status, quick, now_us);
}

/* What was handed over at 0 was answered after so long. */
static FlowPace
answered_after(int64_t answer_us, int64_t round_trip_us)
{
	const TargetStatus status = {.batches_in_flight = 0, .round_trip_us = round_trip_us};
	FlowPace pace;

	flow_pace_init(&pace, 0);
	flow_pace_handed(&pace, 0);
	flow_pace_look(&pace, &status, answer_us);
	return pace;
}

static void
test_near_target_gets_two_at_once_however_fast_it_answers(void **state)
{
	FlowPace pace = answered_after(100, 100);

	(void) state;
	assert_true(goes(&pace, FLOW_AT_ONCE - 1, 100, true, 200));
	assert_false(goes(&pace, FLOW_AT_ONCE, 100, true, 200));
	assert_false(goes(&pace, FLOW_AT_ONCE, FLOW_SPACING_US - 1, true, 200));
	/* one that waits for company waits for the answer, and a while since the last one */
	assert_false(goes(&pace, 0, 100, false, FLOW_SPACING_US - 1));
	assert_true(goes(&pace, 0, 100, false, FLOW_SPACING_US));
	assert_false(goes(&pace, 1, 100, false, FLOW_SPACING_US));
}

static void
test_far_target_in_time_gets_all_at_once(void **state)
{
	FlowPace pace = answered_after(FAR_US + FLOW_SPACING_US - 1, FAR_US);
	const int most = TARGET_BATCHES_MAX - FLOW_AT_ONCE;

	(void) state;
	assert_true(goes(&pace, most - 1, FAR_US, true, FAR_US));
	assert_false(goes(&pace, most, FAR_US, true, FAR_US));
	/* but not in a rush, beyond what the way holds */
	assert_true(goes(&pace, 20, FAR_US, false, FAR_US));
	assert_false(goes(&pace, 21, FAR_US, false, FAR_US));
}

static void
test_far_target_that_is_late_gets_what_the_way_holds(void **state)
{
	FlowPace pace = answered_after(FAR_US + FLOW_SPACING_US, FAR_US);
	const TargetStatus soon = {.batches_in_flight = 0, .round_trip_us = FAR_US};
	int64_t now_us = 10 * FAR_US;

	(void) state;
	flow_pace_handed(&pace, now_us);
	assert_true(goes(&pace, FLOW_AT_ONCE - 1, FAR_US, true, now_us));
	assert_false(goes(&pace, FLOW_AT_ONCE, FAR_US, true, now_us + FLOW_SPACING_US - 1));
	assert_true(goes(&pace, FLOW_AT_ONCE, FAR_US, true, now_us + FLOW_SPACING_US));
	/* until one is answered in time */
	flow_pace_look(&pace, &soon, now_us + FAR_US);
	assert_true(goes(&pace, FLOW_AT_ONCE, FAR_US, true, now_us + 1));
}

/* More batches than there is memory of, many of them in flight, answered one after the other. */
static void
test_each_answer_is_measured_from_its_own_batch(void **state)
{
	const int in_flight = TARGET_BATCHES_MAX - 1;
	TargetStatus status = {.round_trip_us = FAR_US, .batches_in_flight = in_flight};
	FlowPace pace;

	(void) state;
	flow_pace_init(&pace, 0);
	for (int i = 0; i < 3 * TARGET_BATCHES_MAX; i++)
	{
		const int answered = i - in_flight;

		flow_pace_handed(&pace, 1000 * i);
		flow_pace_look(&pace, &status, 1000 * answered + FAR_US + 10 * answered);
		assert_int_equal(pace.late_us, answered < 0 ? 0 : 10 * answered);
		/* nothing new: the last word holds */
		flow_pace_look(&pace, &status, 1000 * i + 2 * FAR_US);
		assert_int_equal(pace.late_us, answered < 0 ? 0 : 10 * answered);
	}
	/* several at one look: the newest of them */
	status.batches_in_flight = 3;
	flow_pace_look(&pace, &status, 1000 * (3 * TARGET_BATCHES_MAX - 4) + FAR_US + 77);
	assert_int_equal(pace.late_us, 77);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_near_target_gets_two_at_once_however_fast_it_answers),
	    cmocka_unit_test(test_far_target_in_time_gets_all_at_once),
	    cmocka_unit_test(test_far_target_that_is_late_gets_what_the_way_holds),
	    cmocka_unit_test(test_each_answer_is_measured_from_its_own_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
