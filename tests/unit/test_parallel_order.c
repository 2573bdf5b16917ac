/*
 * test_parallel_order.c
 *		Lanes for transactions: when the rotation starts and stops, who waits for whom, what a failure
 *		takes along; and a simulated target, with random failures, that must end in order.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "parallel_order.h"

#define MANY (2 * PARALLEL_ROWS_MIN)

static int64_t
hand_over(ParallelOrder *order, int64_t rows)
{
	int lane = parallel_order_choose(order);
	int64_t number;

	assert_true(lane >= 0);
	number = parallel_order_next(order, lane);
	order->rows = rows;
	return number;
}

static int
lane_of_next(ParallelOrder *order, int64_t rows)
{
	return parallel_order_lane(order, hand_over(order, rows));
}

static void
one_lane_is_one_lane(void **state)
{
	ParallelOrder order;

	(void) state;
	parallel_order_init(&order, 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(lane_of_next(&order, MANY), 0);
	assert_false(parallel_order_announced(&order, 10));
	assert_false(parallel_order_follows(&order, 10));
}

static void
a_backlog_takes_lanes_in_rotation(void **state)
{
	ParallelOrder order;

	(void) state;
	parallel_order_init(&order, 3);
	/* nobody can wait for the first, and the second tells of the first's size */
	assert_int_equal(lane_of_next(&order, MANY), 0);
	assert_int_equal(lane_of_next(&order, MANY), 0);
	assert_true(parallel_order_announced(&order, 2));
	assert_int_equal(lane_of_next(&order, MANY), 1);
	assert_int_equal(lane_of_next(&order, MANY), 2);
	assert_int_equal(lane_of_next(&order, MANY), 0);
	assert_true(parallel_order_follows(&order, 3));
	assert_false(parallel_order_follows(&order, 2));
	/* the first of the rotation does not begin before the one in front of it can have */
	assert_false(parallel_order_may_begin(&order, 3));
	assert_true(parallel_order_may_begin(&order, 4));
	parallel_order_committed(&order, 1);
	assert_true(parallel_order_may_begin(&order, 3));
}

static void
small_transactions_stay_where_they_are(void **state)
{
	ParallelOrder order;

	(void) state;
	parallel_order_init(&order, 2);
	for (int i = 0; i < 20; i++)
		assert_int_equal(lane_of_next(&order, 3), 0);
	/* and so does a large one when nothing is under way */
	parallel_order_committed(&order, 20);
	assert_int_equal(lane_of_next(&order, MANY), 0);
	parallel_order_committed(&order, 21);
	assert_int_equal(lane_of_next(&order, MANY), 0);
}

static void
rows_wait_for_other_lanes_only(void **state)
{
	ParallelOrder order;

	(void) state;
	parallel_order_init(&order, 2);
	for (int i = 0; i < 3; i++)
		hand_over(&order, MANY);
	assert_true(parallel_order_waits(&order, 1, 2));
	assert_false(parallel_order_waits(&order, 0, 2));
	assert_false(parallel_order_waits(&order, 1, 0));
	parallel_order_committed(&order, 2);
	assert_false(parallel_order_waits(&order, 1, 2));
}

static void
a_barrier_waits_for_its_commit(void **state)
{
	ParallelOrder order;

	(void) state;
	parallel_order_init(&order, 2);
	order.barrier = hand_over(&order, MANY);
	assert_int_equal(parallel_order_choose(&order), -1);
	parallel_order_committed(&order, 1);
	assert_int_equal(parallel_order_choose(&order), 0);
}

static void
a_failure_takes_along_what_is_behind_it(void **state)
{
	ParallelOrder order;

	(void) state;
	parallel_order_init(&order, 3);
	for (int i = 0; i < 6; i++)
		hand_over(&order, MANY); /* lanes 0 0 1 2 0 1 */
	parallel_order_committed(&order, 2);
	parallel_order_failed(&order, 4, true);
	/* lane 1 is before it, lane 0 behind it */
	assert_false(parallel_order_restarts(&order, 1, 3));
	assert_true(parallel_order_restarts(&order, 0, 5));
	assert_false(parallel_order_may_begin(&order, 4));
	parallel_order_committed(&order, 3);
	assert_true(parallel_order_restarts(&order, 1, 6));
	assert_false(parallel_order_may_begin(&order, 4));
	parallel_order_restarted(&order, 0);
	assert_false(parallel_order_may_begin(&order, 4));
	parallel_order_restarted(&order, 1);
	assert_true(parallel_order_may_begin(&order, 4));
	assert_false(parallel_order_may_begin(&order, 5));
	/* and then it is quiet for a while */
	parallel_order_committed(&order, 6);
	for (int i = 0; i < 8; i++)
		assert_int_equal(lane_of_next(&order, MANY), 1);
}

static void
a_lane_that_still_has_earlier_work_holds_up_nobody(void **state)
{
	ParallelOrder order;

	(void) state;
	parallel_order_init(&order, 3);
	for (int i = 0; i < 6; i++)
		hand_over(&order, MANY);
	parallel_order_committed(&order, 2);
	parallel_order_failed(&order, 4, true);
	parallel_order_restarted(&order, 0);
	/* number 3, on lane 1, fails too: it is the oldest, and lane 1 itself has no other */
	parallel_order_failed(&order, 3, false);
	parallel_order_restarted(&order, 0);
	parallel_order_restarted(&order, 2);
	assert_true(parallel_order_may_begin(&order, 3));
}

static void
fewer_lanes_are_left_when_nothing_is_under_way(void **state)
{
	ParallelOrder order;

	(void) state;
	parallel_order_init(&order, 2);
	for (int i = 0; i < 3; i++)
		hand_over(&order, MANY);
	order.lanes = 1;
	assert_int_equal(parallel_order_choose(&order), -1);
	parallel_order_committed(&order, 3);
	assert_int_equal(parallel_order_choose(&order), 0);
}

/*
 * A target of lanes that do one thing at a time, each lane in its order: begin when allowed, wait for the turn if
 * there is one before, commit.  A transaction may fail once or twice.  Commits must come in order, each once,
 * and all of them must come.
 */
typedef struct Simulated
{
	ParallelOrder order;
	int64_t queue[PARALLEL_LANES_MAX][64];
	int count[PARALLEL_LANES_MAX];
	bool begun[PARALLEL_LANES_MAX];
	int64_t last;
	int failures; /* one in so many steps */
} Simulated;

static int64_t
head(const Simulated *s, int lane)
{
	return s->count[lane] > 0 ? s->queue[lane][0] : 0;
}

static void
lane_step(Simulated *s, int lane)
{
	int64_t number = head(s, lane);

	if (parallel_order_restarts(&s->order, lane, number))
	{
		s->begun[lane] = false;
		parallel_order_restarted(&s->order, lane);
		return;
	}
	if (number == 0)
		return;
	if (!s->begun[lane])
	{
		s->begun[lane] = parallel_order_may_begin(&s->order, number);
		return;
	}
	if (rand() % s->failures == 0)
	{
		s->begun[lane] = false;
		parallel_order_failed(&s->order, number, rand() % 2 == 0);
		return;
	}
	/* the turn, as the server sees it */
	if (s->last != number - 1)
		return;
	s->last = number;
	parallel_order_committed(&s->order, number);
	memmove(s->queue[lane], s->queue[lane] + 1, sizeof(int64_t) * 63);
	s->count[lane]--;
	s->begun[lane] = false;
}

static void
random_failures_end_in_order(void **state)
{
	unsigned seed = (unsigned) time(NULL);
	const char *given = getenv("SEED");
	int rotations = 0;

	(void) state;
	if (given != NULL)
		seed = (unsigned) strtoul(given, NULL, 10);
	print_message("seed %u\n", seed);
	srand(seed);
	for (int round = 0; round < 200; round++)
	{
		Simulated s;
		int lanes = 1 + rand() % 4;

		memset(&s, 0, sizeof(s));
		s.failures = round % 2 == 0 ? 12 : 400;
		parallel_order_init(&s.order, lanes);
		for (int step = 0; step < 4000 || s.last < s.order.newest; step++)
		{
			int lane = step < 2000 ? parallel_order_choose(&s.order) : -1;

			assert_true(step < 100000);
			if (lane >= 0 && s.count[lane] < 4 && rand() % 2 == 0)
			{
				s.queue[lane][s.count[lane]++] = parallel_order_next(&s.order, lane);
				s.order.rows = rand() % 8 == 0 ? 1 : MANY;
				rotations += lane > 0;
			}
			lane_step(&s, rand() % lanes);
		}
		assert_int_equal(s.last, s.order.newest);
	}
	assert_true(rotations > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_lane_is_one_lane),
	    cmocka_unit_test(a_backlog_takes_lanes_in_rotation),
	    cmocka_unit_test(small_transactions_stay_where_they_are),
	    cmocka_unit_test(rows_wait_for_other_lanes_only),
	    cmocka_unit_test(a_barrier_waits_for_its_commit),
	    cmocka_unit_test(a_failure_takes_along_what_is_behind_it),
	    cmocka_unit_test(a_lane_that_still_has_earlier_work_holds_up_nobody),
	    cmocka_unit_test(fewer_lanes_are_left_when_nothing_is_under_way),
	    cmocka_unit_test(random_failures_end_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
