/*
 * test_flow.c
 *		The flow between a scripted source and a recording target: batching, back pressure,
 *		skipping, acknowledging, markers, idle positions, failures, yielding.
 */
#include "flow_case.h"

#define SECOND 1000000LL

static const Change marker = {
    .kind = CHANGE_MESSAGE, .prefix = "dts.marker", .content = "slot/token/7", .content_len = 12};
static const Change forged = {
    .kind = CHANGE_MESSAGE, .prefix = "dts.marker", .content = "slot/other/7", .content_len = 12};

#define BEGIN(n)  EVENT(BEGIN, n)
#define COMMIT(n) EVENT(COMMIT, n)
#define KEEPALIVE(at)                                                                              \
	{                                                                                              \
		.kind = SOURCE_KEEPALIVE, .wal_end = { at }                                                \
	}

static void
test_whole_transactions_share_a_batch_until_idle(void **state)
{
	const SourceEvent events[] = {ONE(1), ONE(2)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	step(&c, 0);
	said(&c, "begin insert(1) insert(2) commit(210) ");
	fake_target_free(&c.target);
}

static void
test_batch_closes_at_the_limit_but_never_inside_a_transaction(void **state)
{
	const SourceEvent events[] = {BEGIN(1),  CHANGE(insert), CHANGE(insert), CHANGE(insert),
	                              COMMIT(1), BEGIN(2),       CHANGE(insert), CHANGE(insert),
	                              COMMIT(2), ONE(3)};
	FlowCase c;

	(void) state;
	START(&c, events, 2, 0);
	step(&c, 0);
	said(&c, "begin insert(1) insert(1) insert(1) commit(110) "
	         "begin insert(2) insert(2) commit(210) begin insert(3) ");
	/* idle, but the target still has work: the batch may grow until it has less */
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	said(&c, "begin insert(1) insert(1) insert(1) commit(110) "
	         "begin insert(2) insert(2) commit(210) begin insert(3) commit(310) ");
	fake_target_free(&c.target);
}

/* A wait for the limit sends what is whole, takes nothing more, and acknowledges all the same. */
static void
test_a_throttled_flow_waits_and_goes_on(void **state)
{
	const SourceEvent events[] = {ONE(1),         BEGIN(2),       CHANGE(insert),
	                              CHANGE(insert), CHANGE(insert), COMMIT(2)};
	const ThrottleLimits limits = {.per_second[THROTTLE_ROWS] = 1};
	Throttle throttle = {0};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	throttle_set(&throttle, &limits, SECOND);
	c.flow.throttle = &throttle;
	step(&c, SECOND);
	said(&c, "begin insert(1) ");
	assert_in_range(c.flow.throttled_us, SECOND / 2, SECOND);
	assert_false(flow_caught_up(&c.flow));
	/* due, but the next row is not: the first transaction does not wait for it */
	step(&c, 2 * SECOND);
	said(&c, "begin insert(1) commit(110) begin insert(2) ");
	fake_target_answer(&c.target, 1);
	step(&c, 2 * SECOND + 1);
	said(&c, "begin insert(1) commit(110) begin insert(2) ");
	assert_int_equal(c.source.acknowledged.value, 110);
	/* the limit is lifted */
	throttle_set(&throttle, &(ThrottleLimits){{0}}, 2 * SECOND + 2);
	step(&c, 2 * SECOND + 2);
	said(&c, "begin insert(1) commit(110) begin insert(2) insert(2) insert(2) commit(210) ");
	assert_int_equal(c.flow.throttled_us, 0);
	fake_target_free(&c.target);
}

static void
test_a_throttled_flow_finishes_at_once(void **state)
{
	const SourceEvent events[] = {BEGIN(1), CHANGE(insert), CHANGE(insert), COMMIT(1), ONE(2)};
	const ThrottleLimits limits = {.per_second[THROTTLE_ROWS] = 1};
	Throttle throttle = {0};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	throttle_set(&throttle, &limits, SECOND);
	c.flow.throttle = &throttle;
	step(&c, SECOND);
	said(&c, "begin insert(1) ");
	flow_finish(&c.flow);
	step(&c, SECOND + 1);
	said(&c, "begin insert(1) insert(1) commit(110) ");
	fake_target_free(&c.target);
}

/*
 * What comes while one batch is under way goes at once.  While the target has two, what arrives joins one batch,
 * though the source is idle in between.
 */
static void
test_batch_grows_while_the_target_has_work(void **state)
{
	const SourceEvent events[] = {ONE(1)};
	const SourceEvent second[] = {ONE(2)};
	const SourceEvent more[] = {ONE(3), ONE(4)};
	const SourceEvent last[] = {ONE(5)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	step(&c, 0);
	said(&c, "begin insert(1) commit(110) ");
	c.source.events = second;
	c.source.at = 0;
	c.source.count = sizeof(second) / sizeof(second[0]);
	step(&c, 0);
	said(&c, "begin insert(1) commit(110) begin insert(2) commit(210) ");
	c.source.events = more;
	c.source.at = 0;
	c.source.count = sizeof(more) / sizeof(more[0]);
	step(&c, 0);
	c.source.events = last;
	c.source.at = 0;
	c.source.count = sizeof(last) / sizeof(last[0]);
	step(&c, 0);
	said(&c, "begin insert(1) commit(110) begin insert(2) commit(210) "
	         "begin insert(3) insert(4) insert(5) ");
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	said(&c, "begin insert(1) commit(110) begin insert(2) commit(210) "
	         "begin insert(3) insert(4) insert(5) commit(510) ");
	fake_target_free(&c.target);
}

/* A far target that answers in the time of the way gets every batch at once. */
static void
test_far_target_gets_every_batch_at_once(void **state)
{
	SourceEvent events[] = {ONE(1), ONE(2), ONE(3), ONE(4)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	c.target.status.round_trip_us = FLOW_SPACING_US;
	for (int i = 1; i <= 4; i++)
	{
		c.source.count = 3 * i;
		step(&c, i);
	}
	said(&c, "begin insert(1) commit(110) begin insert(2) commit(210) "
	         "begin insert(3) commit(310) begin insert(4) commit(410) ");
	fake_target_free(&c.target);
}

/*
 * When it answers late it gets the next batch before it has answered, at a distance, as many as the way
 * holds.
 */
static void
test_late_far_target_has_several_batches_in_flight(void **state)
{
	SourceEvent events[] = {ONE(1), ONE(2), ONE(3), ONE(4), ONE(5), ONE(6)};
	const int64_t way_us = 2 * FLOW_SPACING_US + 1;
	const int64_t late_us = way_us + FLOW_SPACING_US;
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	c.target.status.round_trip_us = way_us;
	c.source.count = 3;
	step(&c, 0);
	fake_target_answer(&c.target, 1);
	c.source.count = 6;
	step(&c, late_us);
	said(&c, "begin insert(1) commit(110) begin insert(2) commit(210) ");
	c.source.count = 9;
	step(&c, late_us + FLOW_SPACING_US - 1);
	said(&c,
	     "begin insert(1) commit(110) begin insert(2) commit(210) begin insert(3) commit(310) ");
	c.source.count = 12;
	step(&c, late_us + FLOW_SPACING_US);
	said(&c, "begin insert(1) commit(110) begin insert(2) commit(210) begin insert(3) commit(310) "
	         "begin insert(4) ");
	assert_int_equal(c.flow.wake_us, late_us + 2 * FLOW_SPACING_US - 1);
	step(&c, late_us + 2 * FLOW_SPACING_US - 1);
	said(&c, "begin insert(1) commit(110) begin insert(2) commit(210) begin insert(3) commit(310) "
	         "begin insert(4) commit(410) ");
	/* that is all that fits between here and there */
	c.source.count = 15;
	step(&c, late_us + 4 * FLOW_SPACING_US);
	c.source.count = 18;
	step(&c, late_us + 5 * FLOW_SPACING_US);
	assert_int_equal(c.flow.status.batches_in_flight, 3);
	/* only its answer can change that: nothing to wake up for */
	assert_int_equal(c.flow.wake_us, 0);
	fake_target_answer(&c.target, 1);
	step(&c, late_us + 6 * FLOW_SPACING_US);
	said(&c, "begin insert(1) commit(110) begin insert(2) commit(210) begin insert(3) commit(310) "
	         "begin insert(4) commit(410) begin insert(5) insert(6) commit(610) ");
	fake_target_free(&c.target);
}

/* Many transactions a millisecond: the source is looked at now and then, and batches grow meanwhile. */
static void
test_rush_makes_larger_batches_and_ends_by_itself(void **state)
{
	SourceEvent events[3 * 2 * FLOW_RUSH_TRANSACTIONS];
	TxnHeader many[2 * FLOW_RUSH_TRANSACTIONS];
	int64_t now_us = 100 * FLOW_RUSH_LOOK_US;
	FlowCase c;

	(void) state;
	for (int i = 0; i < 2 * FLOW_RUSH_TRANSACTIONS; i++)
	{
		uint64_t at = 100 * ((uint64_t) i + 1);

		many[i] = (TxnHeader){.xid = (uint32_t) i + 1, .commit = {at}, .end = {at + 10}};
		events[3 * i] = (SourceEvent){.kind = SOURCE_BEGIN, .header = &many[i]};
		events[3 * i + 1] = (SourceEvent) CHANGE(insert);
		events[3 * i + 2] = (SourceEvent){.kind = SOURCE_COMMIT, .header = &many[i]};
	}
	START(&c, events, 1000, 0);
	c.source.count = 0;
	step(&c, now_us);
	assert_false(c.flow.rush);
	c.source.count = 3 * FLOW_RUSH_TRANSACTIONS;
	step(&c, now_us + 10);
	assert_int_equal(c.target.committed_count, 1);
	fake_target_answer(&c.target, 1);
	now_us += FLOW_RUSH_LOOK_US;
	c.source.count = 6 * FLOW_RUSH_TRANSACTIONS;
	step(&c, now_us);
	assert_true(c.flow.rush);
	assert_true(c.flow.batch.open);
	assert_int_equal(c.target.committed_count, 1);
	assert_int_equal(c.flow.wake_us, now_us + FLOW_RUSH_LOOK_US);
	/* one that commits wait for does not hold them up for company */
	c.flow.synchronous = true;
	step(&c, now_us + 1);
	assert_int_equal(c.target.committed_count, 2);
	now_us += FLOW_RUSH_LOOK_US;
	step(&c, now_us);
	step(&c, now_us + FLOW_RUSH_LOOK_US);
	assert_false(c.flow.rush);
	assert_int_equal(c.flow.wake_us, 0);
	fake_target_free(&c.target);
}

static void
test_idle_inside_a_transaction_commits_nothing(void **state)
{
	const SourceEvent events[] = {BEGIN(1), CHANGE(insert), CHANGE(insert), COMMIT(1)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	c.source.idle_before = 2;
	step(&c, 0);
	said(&c, "begin insert(1) ");
	step(&c, 0);
	said(&c, "begin insert(1) insert(1) commit(110) ");
	fake_target_free(&c.target);
}

static void
test_acknowledges_only_what_is_durable(void **state)
{
	const SourceEvent events[] = {ONE(1), ONE(2), ONE(3)};
	FlowCase c;

	(void) state;
	START(&c, events, 1, 50);
	step(&c, 0);
	assert_int_equal(c.flow.status.batches_in_flight, 3);
	assert_int_equal(c.source.acknowledged.value, 50);
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	assert_int_equal(c.source.acknowledged.value, 110);
	fake_target_answer(&c.target, 2);
	step(&c, 0);
	assert_int_equal(c.source.acknowledged.value, 310);
	assert_int_equal(c.flow.progress.stream.commit_time, 13);
	assert_true(c.flow.progress.stream.caught_up);
	fake_target_free(&c.target);
}

static void
test_stored_transactions_are_skipped(void **state)
{
	const SourceEvent events[] = {ONE(1), ONE(2), ONE(3)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 210);
	step(&c, 0);
	said(&c, "begin insert(3) commit(310) ");
	fake_target_free(&c.target);
}

static void
test_full_target_holds_the_source_back(void **state)
{
	const SourceEvent events[] = {ONE(1), ONE(2), ONE(3), ONE(4), ONE(5), ONE(6)};
	FlowCase c;

	(void) state;
	START(&c, events, 1, 0);
	step(&c, 0);
	assert_int_equal(c.flow.status.batches_in_flight, FAKE_BATCHES_MAX);
	assert_true(c.flow.blocked);
	assert_true(c.source.at < c.source.count);
	fake_target_answer(&c.target, 4);
	step(&c, 0);
	step(&c, 0);
	said(&c,
	     "begin insert(1) commit(110) begin insert(2) commit(210) begin insert(3) commit(310) "
	     "begin insert(4) commit(410) begin insert(5) commit(510) begin insert(6) commit(610) ");
	fake_target_free(&c.target);
}

/* The last pump of a step read what the flow was blocked for: nothing would wake a poll. */
static void
test_does_not_wait_for_answers_it_has_read(void **state)
{
	const SourceEvent events[] = {ONE(1), ONE(2), ONE(3), ONE(4), ONE(5)};
	FlowCase c;

	(void) state;
	START(&c, events, 1, 0);
	c.target.answer_at_pump = 2;
	step(&c, 0);
	assert_true(c.flow.blocked);
	assert_true(c.flow.again);
	step(&c, 0);
	assert_false(c.flow.again);
	assert_true(c.flow.source_idle);
	fake_target_free(&c.target);
}

static void
test_waiting_change_is_offered_again_once(void **state)
{
	const SourceEvent events[] = {BEGIN(1), CHANGE(insert), CHANGE(insert), COMMIT(1)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	for (int waits = 0; waits < 4; waits++)
	{
		c.target.waits = 1;
		step(&c, 0);
	}
	step(&c, 0);
	said(&c, "begin insert(1) insert(1) commit(110) ");
	assert_int_equal(c.flow.progress.stream.rows, 2);
	fake_target_free(&c.target);
}

/* Batch two fails while its successors are in flight: nothing beyond batch one is acknowledged. */
static void
test_nothing_behind_a_failure_is_acknowledged(void **state)
{
	const SourceEvent events[] = {ONE(1), ONE(2), ONE(3), ONE(4)};
	FlowCase c;

	(void) state;
	START(&c, events, 1, 50);
	step(&c, 0);
	assert_int_equal(c.flow.status.batches_in_flight, 4);
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	c.target.failed = true;
	assert_false(flow_step(&c.flow, 0, &c.err));
	assert_string_equal(c.err.sqlstate, "23505");
	assert_false(c.flow.source_failed);
	assert_int_equal(c.source.acknowledged.value, 110);
	fake_target_free(&c.target);
}

static void
test_target_failure_stops_at_once(void **state)
{
	const SourceEvent events[] = {ONE(1), ONE(2), ONE(3)};
	FlowCase c;

	(void) state;
	START(&c, events, 1, 0);
	c.target.fail_at = 5; /* the second insert */
	assert_false(flow_step(&c.flow, 0, &c.err));
	said(&c, "begin insert(1) commit(110) begin ");
	fake_target_free(&c.target);
}

static void
test_source_failure_is_told_apart(void **state)
{
	const SourceEvent events[] = {ONE(1)};
	FlowCase c;

	(void) state;
	START(&c, events, 1, 0);
	c.source.broken = true;
	assert_false(flow_step(&c.flow, 0, &c.err));
	assert_true(c.flow.source_failed);
	fake_target_free(&c.target);
}

static void
test_idle_position_waits_its_time_and_for_the_batches(void **state)
{
	const SourceEvent events[] = {ONE(1), KEEPALIVE(1000)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	step(&c, 20 * SECOND);
	said(&c, "begin insert(1) commit(110) ");
	step(&c, 21 * SECOND);
	said(&c, "begin insert(1) commit(110) ");
	assert_int_equal(c.source.acknowledged.value, 0);
	fake_target_answer(&c.target, 1);
	step(&c, 22 * SECOND);
	said(&c, "begin insert(1) commit(110) begin commit(1000) ");
	assert_int_equal(c.source.acknowledged.value, 110);
	fake_target_answer(&c.target, 1);
	step(&c, 23 * SECOND);
	assert_int_equal(c.source.acknowledged.value, 1000);
	/* idle progress has no commit time of its own */
	assert_int_equal(c.flow.progress.stream.commit_time, 11);
	fake_target_free(&c.target);
}

static void
test_idle_position_is_stored_every_ten_seconds_only(void **state)
{
	const SourceEvent events[] = {KEEPALIVE(1000)};
	const SourceEvent more[] = {KEEPALIVE(2000)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	step(&c, 9 * SECOND);
	said(&c, "");
	step(&c, 10 * SECOND);
	said(&c, "begin commit(1000) ");
	fake_target_answer(&c.target, 1);
	c.source.events = more;
	c.source.at = 0;
	step(&c, 19 * SECOND);
	said(&c, "begin commit(1000) ");
	step(&c, 20 * SECOND);
	said(&c, "begin commit(1000) begin commit(2000) ");
	fake_target_free(&c.target);
}

static void
test_idle_position_is_stored_soon_when_commits_wait_for_it(void **state)
{
	const SourceEvent events[] = {KEEPALIVE(1000)};
	const SourceEvent more[] = {KEEPALIVE(2000)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	c.flow.synchronous = true;
	step(&c, 0);
	said(&c, "begin commit(1000) ");
	fake_target_answer(&c.target, 1);
	c.source.events = more;
	c.source.at = 0;
	step(&c, 19000);
	said(&c, "begin commit(1000) ");
	assert_int_equal(c.source.acknowledged.value, 1000);
	step(&c, 20000);
	said(&c, "begin commit(1000) begin commit(2000) ");
	fake_target_free(&c.target);
}

static void
test_empty_transaction_moves_the_idle_position(void **state)
{
	const SourceEvent events[] = {BEGIN(1), COMMIT(1)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	step(&c, 0);
	said(&c, "");
	step(&c, 10 * SECOND);
	said(&c, "begin commit(110) ");
	fake_target_free(&c.target);
}

static void
test_marker_is_durable_with_its_position(void **state)
{
	const SourceEvent events[] = {BEGIN(1), CHANGE(marker), COMMIT(1)};
	int64_t number = 0;
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	step(&c, 0);
	said(&c, "begin commit(110) ");
	assert_false(progress_marker_durable(&c.flow.progress, &number));
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	assert_true(progress_marker_durable(&c.flow.progress, &number));
	assert_int_equal(number, 7);
	assert_false(progress_marker_durable(&c.flow.progress, &number));
	fake_target_free(&c.target);
}

static void
test_forged_marker_means_nothing(void **state)
{
	const SourceEvent events[] = {BEGIN(1), CHANGE(forged), COMMIT(1)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	step(&c, 0);
	said(&c, "");
	assert_int_equal(c.flow.progress.markers.count, 0);
	fake_target_free(&c.target);
}

/* A beat of ours opens a batch like a marker; anybody else's number does not. */
static void
test_beat_is_durable_with_its_position(void **state)
{
	static const Change beat = {
	    .kind = CHANGE_MESSAGE, .prefix = "dts.heartbeat", .content = "1005", .content_len = 4};
	static const Change other = {
	    .kind = CHANGE_MESSAGE, .prefix = "dts.heartbeat", .content = "5", .content_len = 1};
	const SourceEvent events[] = {BEGIN(1), CHANGE(other), COMMIT(1),
	                              BEGIN(2), CHANGE(beat),  COMMIT(2)};
	Latency latency;
	int64_t number = 0;
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	latency_init(&latency, 1000);
	assert_int_equal(latency_send(&latency, 5), 1005);
	c.flow.beats = &latency;
	step(&c, 0);
	said(&c, "begin commit(210) ");
	assert_false(progress_beat_durable(&c.flow.progress, &number));
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	assert_true(progress_beat_durable(&c.flow.progress, &number));
	assert_int_equal(number, 1005);
	assert_false(progress_marker_durable(&c.flow.progress, &number));
	fake_target_free(&c.target);
}

/* A source that shuts down sends keepalives that ask for an answer until all is acknowledged. */
static void
test_idle_position_is_stored_at_once_when_the_source_asks(void **state)
{
	const SourceEvent events[] = {
	    {.kind = SOURCE_KEEPALIVE, .wal_end = {500}, .reply_wanted = true}};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	step(&c, 1000);
	said(&c, "begin commit(500) ");
	fake_target_free(&c.target);
}

static void
test_finishing_takes_no_new_transaction(void **state)
{
	const SourceEvent events[] = {BEGIN(1), CHANGE(insert), CHANGE(insert), COMMIT(1), ONE(2)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	c.source.idle_before = 2;
	step(&c, 0);
	flow_finish(&c.flow);
	step(&c, 0);
	said(&c, "begin insert(1) insert(1) commit(110) ");
	assert_false(flow_finished(&c.flow));
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	assert_true(flow_finished(&c.flow));
	assert_int_equal(c.source.acknowledged.value, 110);
	fake_target_free(&c.target);
}

static void
test_finishing_stores_the_idle_position_at_once(void **state)
{
	const SourceEvent events[] = {KEEPALIVE(1000)};
	FlowCase c;

	(void) state;
	START(&c, events, 100, 0);
	step(&c, 0);
	said(&c, "");
	flow_finish(&c.flow);
	step(&c, 0);
	said(&c, "begin commit(1000) ");
	assert_false(flow_finished(&c.flow));
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	assert_true(flow_finished(&c.flow));
	fake_target_free(&c.target);
}

static void
test_broken_order_is_a_protocol_error(void **state)
{
	const SourceEvent back[] = {ONE(2), ONE(1)};
	const SourceEvent nested[] = {BEGIN(1), BEGIN(2)};
	const SourceEvent outside[] = {CHANGE(insert)};
	const SourceEvent between[] = {BEGIN(1), KEEPALIVE(1000)};
	FlowCase c;

	(void) state;
	START(&c, back, 100, 0);
	assert_false(flow_step(&c.flow, 0, &c.err));
	assert_string_equal(c.err.sqlstate, ERR_PROTOCOL);
	fake_target_free(&c.target);
	START(&c, nested, 100, 0);
	assert_false(flow_step(&c.flow, 0, &c.err));
	fake_target_free(&c.target);
	START(&c, outside, 100, 0);
	assert_false(flow_step(&c.flow, 0, &c.err));
	fake_target_free(&c.target);
	START(&c, between, 100, 0);
	assert_false(flow_step(&c.flow, 0, &c.err));
	fake_target_free(&c.target);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole_transactions_share_a_batch_until_idle),
	    cmocka_unit_test(test_batch_closes_at_the_limit_but_never_inside_a_transaction),
	    cmocka_unit_test(test_batch_grows_while_the_target_has_work),
	    cmocka_unit_test(test_far_target_gets_every_batch_at_once),
	    cmocka_unit_test(test_late_far_target_has_several_batches_in_flight),
	    cmocka_unit_test(test_rush_makes_larger_batches_and_ends_by_itself),
	    cmocka_unit_test(test_idle_inside_a_transaction_commits_nothing),
	    cmocka_unit_test(test_acknowledges_only_what_is_durable),
	    cmocka_unit_test(test_stored_transactions_are_skipped),
	    cmocka_unit_test(test_full_target_holds_the_source_back),
	    cmocka_unit_test(test_does_not_wait_for_answers_it_has_read),
	    cmocka_unit_test(test_waiting_change_is_offered_again_once),
	    cmocka_unit_test(test_nothing_behind_a_failure_is_acknowledged),
	    cmocka_unit_test(test_target_failure_stops_at_once),
	    cmocka_unit_test(test_source_failure_is_told_apart),
	    cmocka_unit_test(test_idle_position_waits_its_time_and_for_the_batches),
	    cmocka_unit_test(test_idle_position_is_stored_every_ten_seconds_only),
	    cmocka_unit_test(test_idle_position_is_stored_soon_when_commits_wait_for_it),
	    cmocka_unit_test(test_empty_transaction_moves_the_idle_position),
	    cmocka_unit_test(test_marker_is_durable_with_its_position),
	    cmocka_unit_test(test_forged_marker_means_nothing),
	    cmocka_unit_test(test_beat_is_durable_with_its_position),
	    cmocka_unit_test(test_idle_position_is_stored_at_once_when_the_source_asks),
	    cmocka_unit_test(test_finishing_takes_no_new_transaction),
	    cmocka_unit_test(test_finishing_stores_the_idle_position_at_once),
	    cmocka_unit_test(test_a_throttled_flow_waits_and_goes_on),
	    cmocka_unit_test(test_a_throttled_flow_finishes_at_once),
	    cmocka_unit_test(test_broken_order_is_a_protocol_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
