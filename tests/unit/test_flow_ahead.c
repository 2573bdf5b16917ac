/*
 * test_flow_ahead.c
 *		A transaction that goes ahead: in what order its changes and commit go to the target among others',
 *		and all the ways in which it comes to wait for its commit after all.
 */
#include "flow_case.h"

static const Change truncate = {.kind = CHANGE_TRUNCATE};

static const TxnHeader in_progress[] = {{.xid = 1}, {.xid = 2}, {.xid = 3}};

#define AHEAD_OF(n, c)                                                                             \
	{                                                                                              \
		.kind = SOURCE_CHANGE, .header = &in_progress[(n) -1], .change = &(c), .ahead = true       \
	}
#define AHEAD(n)      AHEAD_OF(n, insert)
#define ENDS_AHEAD(n) EVENT(BEGIN, n, .ahead = true), EVENT(COMMIT, n, .ahead = true)
#define REVOKE                                                                                     \
	{                                                                                              \
		.kind = SOURCE_REVOKE                                                                      \
	}

static void
start_ahead(FlowCase *c, const SourceEvent *events, int count)
{
	start(c, events, count, 100, 0);
	c->flow.ahead.allowed = true;
}

#define START_AHEAD(c, events) start_ahead(c, events, (int) (sizeof(events) / sizeof((events)[0])))

static void
test_changes_wait_for_what_was_before_and_the_commit_for_its_turn(void **state)
{
	const SourceEvent events[] = {ONE(1), AHEAD(3), AHEAD(3), ONE(2), AHEAD(3), ENDS_AHEAD(3)};
	FlowCase c;

	(void) state;
	START_AHEAD(&c, events);
	step(&c, 0);
	said(&c, "begin insert(1) commit(110) ");
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	said(&c,
	     "begin insert(1) commit(110) ahead-begin ahead(3) ahead(3) begin insert(2) commit(210) ");
	assert_int_equal(c.source.acknowledged.value, 110);
	fake_target_answer(&c.target, 1);
	c.target.ahead_waits = 1;
	step(&c, 0);
	step(&c, 0);
	said(&c,
	     "begin insert(1) commit(110) ahead-begin ahead(3) ahead(3) begin insert(2) commit(210) "
	     "ahead(3) settled ahead-commit(310) ");
	assert_int_equal(c.source.acknowledged.value, 210);
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	step(&c, 0);
	assert_int_equal(c.source.acknowledged.value, 310);
	assert_int_equal(c.flow.progress.stream.rows, 5);
	assert_int_equal(c.source.holds, 0);
	assert_true(flow_caught_up(&c.flow));
	fake_target_free(&c.target);
}

/* Its commit is not handed over before those in front of it are answered. */
static void
test_its_commit_waits_for_those_before(void **state)
{
	const SourceEvent events[] = {AHEAD(3), ONE(1), ENDS_AHEAD(3)};
	FlowCase c;

	(void) state;
	START_AHEAD(&c, events);
	step(&c, 0);
	step(&c, 0);
	said(&c, "ahead-begin ahead(3) begin insert(1) commit(110) ");
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	said(&c, "ahead-begin ahead(3) begin insert(1) commit(110) settled ahead-commit(310) ");
	fake_target_free(&c.target);
}

/* Nothing behind it is handed over before its commit is answered. */
static void
test_what_follows_waits_for_its_commit(void **state)
{
	const SourceEvent events[] = {AHEAD(1), ENDS_AHEAD(1), ONE(2)};
	FlowCase c;

	(void) state;
	START_AHEAD(&c, events);
	step(&c, 0);
	said(&c, "ahead-begin ahead(1) settled ahead-commit(110) ");
	step(&c, 0);
	said(&c, "ahead-begin ahead(1) settled ahead-commit(110) ");
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	said(&c, "ahead-begin ahead(1) settled ahead-commit(110) begin insert(2) commit(210) ");
	fake_target_free(&c.target);
}

static void
test_an_abort_rolls_it_back(void **state)
{
	const SourceEvent events[] = {AHEAD(1), AHEAD(1), REVOKE, ONE(2)};
	FlowCase c;

	(void) state;
	START_AHEAD(&c, events);
	step(&c, 0);
	said(&c, "ahead-begin ahead(1) ahead(1) ahead-drop begin insert(2) commit(210) ");
	assert_int_equal(c.source.holds, 0);
	fake_target_free(&c.target);
}

static void
test_a_failure_is_none_of_the_job(void **state)
{
	/* the source hands the changes out again */
	const SourceEvent events[] = {AHEAD(1), AHEAD(1), ONE(2), ONE(3)};
	FlowCase c;

	(void) state;
	START_AHEAD(&c, events);
	c.target.ahead_fail_at = 2;
	step(&c, 0);
	said(&c, "ahead-begin ahead(1) ahead-drop begin insert(2) insert(3) commit(310) ");
	assert_int_equal(c.source.holds, 1);
	fake_target_free(&c.target);
}

static void
test_a_late_failure_makes_it_come_again(void **state)
{
	const SourceEvent events[] = {AHEAD(1), EVENT(BEGIN, 1, .ahead = true),
	                              EVENT(CHANGE, 1, .change = &insert), EVENT(COMMIT, 1)};
	FlowCase c;

	(void) state;
	START_AHEAD(&c, events);
	c.target.ahead_unsettled = true;
	step(&c, 0);
	said(&c, "ahead-begin ahead(1) ahead-drop begin insert(1) commit(110) ");
	assert_int_equal(c.source.holds, 1);
	fake_target_free(&c.target);
}

static void
test_what_others_may_decide_does_not_go_ahead(void **state)
{
	const SourceEvent refused[] = {AHEAD(1), ONE(2)};
	const SourceEvent truncates[] = {AHEAD(1), AHEAD_OF(1, truncate), ONE(2)};
	FlowCase c;

	(void) state;
	START_AHEAD(&c, refused);
	c.target.ahead_refuses = true;
	step(&c, 0);
	said(&c, "ahead-refused begin insert(2) commit(210) ");
	assert_int_equal(c.source.holds, 1);
	fake_target_free(&c.target);
	START_AHEAD(&c, truncates);
	step(&c, 0);
	said(&c, "ahead-begin ahead(1) ahead-drop begin insert(2) commit(210) ");
	assert_int_equal(c.source.holds, 1);
	fake_target_free(&c.target);
	START_AHEAD(&c, refused);
	c.flow.ahead.allowed = false;
	step(&c, 0);
	said(&c, "begin insert(2) commit(210) ");
	assert_int_equal(c.source.holds, 1);
	fake_target_free(&c.target);
}

/* After two in vain the next four wait for their commits. */
static void
test_fewer_go_ahead_after_some_in_vain(void **state)
{
	SourceEvent events[16];
	TxnHeader many[8];
	FlowCase c;

	(void) state;
	for (int i = 0; i < 8; i++)
	{
		many[i] = (TxnHeader){.xid = (uint32_t) i + 1};
		events[2 * i] = (SourceEvent){
		    .kind = SOURCE_CHANGE, .header = &many[i], .change = &insert, .ahead = true};
		events[2 * i + 1] = (SourceEvent){.kind = SOURCE_REVOKE};
	}
	start_ahead(&c, events, 16);
	step(&c, 0);
	said(&c, "ahead-begin ahead(1) ahead-drop ahead-begin ahead(4) ahead-drop ");
	fake_target_free(&c.target);
}

static void
test_others_do_not_wait_for_it_for_long(void **state)
{
	const SourceEvent events[] = {AHEAD(3), ONE(1)};
	FlowCase c;

	(void) state;
	START_AHEAD(&c, events);
	step(&c, 0);
	step(&c, FLOW_AHEAD_PATIENCE_US - 1);
	said(&c, "ahead-begin ahead(3) begin insert(1) commit(110) ");
	step(&c, FLOW_AHEAD_PATIENCE_US);
	said(&c, "ahead-begin ahead(3) begin insert(1) commit(110) ahead-drop ");
	assert_int_equal(c.source.holds, 1);
	fake_target_free(&c.target);
}

static void
test_finishing_leaves_it(void **state)
{
	const SourceEvent events[] = {ONE(1), AHEAD(3)};
	FlowCase c;

	(void) state;
	START_AHEAD(&c, events);
	step(&c, 0);
	fake_target_answer(&c.target, 1);
	step(&c, 0);
	said(&c, "begin insert(1) commit(110) ahead-begin ahead(3) ");
	flow_finish(&c.flow);
	step(&c, 0);
	said(&c, "begin insert(1) commit(110) ahead-begin ahead(3) ahead-drop ");
	assert_true(flow_finished(&c.flow));
	fake_target_free(&c.target);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_changes_wait_for_what_was_before_and_the_commit_for_its_turn),
	    cmocka_unit_test(test_its_commit_waits_for_those_before),
	    cmocka_unit_test(test_what_follows_waits_for_its_commit),
	    cmocka_unit_test(test_an_abort_rolls_it_back),
	    cmocka_unit_test(test_a_failure_is_none_of_the_job),
	    cmocka_unit_test(test_a_late_failure_makes_it_come_again),
	    cmocka_unit_test(test_what_others_may_decide_does_not_go_ahead),
	    cmocka_unit_test(test_fewer_go_ahead_after_some_in_vain),
	    cmocka_unit_test(test_others_do_not_wait_for_it_for_long),
	    cmocka_unit_test(test_finishing_leaves_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
