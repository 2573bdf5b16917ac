/*
 * test_stream_stats.c
 *		Where a stream's time goes, and counts over several sessions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "stream_stats.h"

typedef struct Wanted
{
	const char *name;
	int64_t value;
	int seen;
	int all;
} Wanted;

static void
put(void *arg, const char *name, int64_t value)
{
	Wanted *wanted = arg;

	wanted->all++;
	if (strcmp(name, wanted->name) != 0)
		return;
	wanted->value = value;
	wanted->seen++;
}

static int64_t
value_of(const StreamStats *stats, const char *name)
{
	Wanted wanted = {.name = name};

	stream_stats_list(stats, put, &wanted);
	assert_int_equal(wanted.seen, 1);
	return wanted.value;
}

static void
test_time_is_shared_out_without_gaps(void **state)
{
	StreamStats stats;

	(void) state;
	memset(&stats, 0, sizeof(stats));
	stream_stats_begin(&stats, 1000);
	stream_stats_worked(&stats, 1010);
	stream_stats_waited(&stats, WAITS_FOR_SOURCE, 1110);
	stream_stats_worked(&stats, 1115);
	stream_stats_waited(&stats, WAITS_FOR_TARGET, 1200);
	stream_stats_worked(&stats, 1201);
	stream_stats_end(&stats, 1204);
	assert_int_equal(value_of(&stats, "work_us"), 10 + 5 + 1 + 3);
	assert_int_equal(value_of(&stats, "wait_source_us"), 100);
	assert_int_equal(value_of(&stats, "wait_target_us"), 85);

	/* the time between two sessions is nobody's */
	stream_stats_begin(&stats, 9000);
	stream_stats_worked(&stats, 9001);
	assert_int_equal(value_of(&stats, "work_us"), 20);
}

static void
test_counts_go_on_over_sessions_and_gauges_do_not(void **state)
{
	StreamStats stats;

	(void) state;
	memset(&stats, 0, sizeof(stats));
	stats.session.inserts = 5;
	stats.session.ordered[ORDER_NO_KEY] = 2;
	stats.session.bytes_in_flight = 100;
	stats.session.bytes_held = 200;
	stats.bytes_spooled = 300;
	assert_int_equal(value_of(&stats, "bytes_in_flight"), 100);
	stream_stats_end(&stats, 0);
	assert_int_equal(value_of(&stats, "inserts"), 5);
	assert_int_equal(value_of(&stats, "bytes_in_flight"), 0);
	assert_int_equal(value_of(&stats, "bytes_held"), 0);
	assert_int_equal(value_of(&stats, "bytes_spooled"), 0);
	stats.session.inserts = 7;
	stats.session.ordered[ORDER_NO_KEY] = 1;
	assert_int_equal(value_of(&stats, "inserts"), 12);
	assert_int_equal(value_of(&stats, "ordered_no_key"), 3);
}

static void
test_every_measure_is_listed_once(void **state)
{
	StreamStats stats;
	Wanted wanted = {.name = ""};
	int number = ORDER_NONE;

	(void) state;
	memset(&stats, 0, sizeof(stats));
	stream_stats_list(&stats, put, &wanted);
#define ONE(name, text)                                                                            \
	number++;                                                                                      \
	(void) value_of(&stats, text);
	STREAM_COUNTERS(ONE)
	ENGINE_COUNTERS(ONE)
#undef ONE
	assert_int_equal(wanted.all, number);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_time_is_shared_out_without_gaps),
	    cmocka_unit_test(test_counts_go_on_over_sessions_and_gauges_do_not),
	    cmocka_unit_test(test_every_measure_is_listed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
