/*
 * test_job_fsm.c
 *		The life of a job: the table itself, and what is derived from it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "job_fsm.h"

#define IS_END(sym, name, is_end, works, text) is_end,
static const int end_state[] = {JOB_STATES(IS_END)};
#define NEEDS_WORKER(sym, name, is_end, works, text) works,
static const int needs_worker[] = {JOB_STATES(NEEDS_WORKER)};

/* States that the daemon leaves by no event of its own, only by a wish, may not need a worker. */
static void
work_is_done_exactly_where_a_worker_is_needed(void **state)
{
	(void) state;
	for (int s = 0; s < JOB_STATE_COUNT; s++)
	{
		if (needs_worker[s])
			assert_int_not_equal(job_fsm_work((JobState) s), WORK_NONE);
		else
			assert_int_equal(job_fsm_work((JobState) s), WORK_NONE);
	}
}

static void
stop_is_followed_in_every_state_that_can_be_stopped(void **state)
{
	(void) state;
	for (int s = 0; s < JOB_STATE_COUNT; s++)
	{
		JobState next;
		bool known = job_fsm_next((JobState) s, EVENT_WISH_STOP, &next, NULL);

		assert_int_equal(known, job_action_allowed((JobState) s, ACTION_STOP));
		if (known)
			assert_int_equal(next, JOB_STOPPING);
		if (!end_state[s] && s != JOB_COMPLETING && s != JOB_STOPPING)
			assert_true(known);
		if (end_state[s])
			assert_false(known);
	}
}

/* What an operator may ask for, the daemon must be able to do, with the same outcome. */
static void
every_allowed_wish_is_a_transition(void **state)
{
#define ALLOWED(from, action, to) {JOB_##from, ACTION_##action, JOB_##to},
	static const struct
	{
		JobState from;
		JobAction action;
		JobState to;
	} rows[] = {JOB_ALLOWED(ALLOWED)};

	(void) state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		JobEvent event;
		JobState next = rows[i].from;

		if (!job_fsm_wish(rows[i].action, &event))
			continue; /* done by SQL */
		assert_true(job_fsm_next(rows[i].from, event, &next, NULL));
		assert_int_equal(next, rows[i].to);
	}
}

static void
no_state_knows_an_event_twice(void **state)
{
	int known[JOB_STATE_COUNT][JOB_EVENT_COUNT] = {{0}};

	(void) state;
#define COUNT(from, event, to, text) known[JOB_##from][EVENT_##event]++;
	JOB_TRANSITIONS(COUNT)
	for (int s = 0; s < JOB_STATE_COUNT; s++)
	{
		for (int e = 0; e < JOB_EVENT_COUNT; e++)
			assert_in_range(known[s][e], 0, 1);
	}
}

/* Whatever a phase or an attempt ends with, the state it runs in has an answer. */
static void
work_never_ends_in_an_event_that_its_state_does_not_know(void **state)
{
	static const struct
	{
		JobState from;
		JobEvent event;
		JobState to;
	} rows[] = {
	    {JOB_CHECKING, EVENT_CHECK_OK, JOB_CHECK_PASSED},
	    {JOB_CHECKING, EVENT_CHECK_BAD, JOB_CHECK_FAILED},
	    {JOB_STARTING, EVENT_START_OK, JOB_RUNNING},
	    {JOB_STARTING, EVENT_START_BAD, JOB_START_FAILED},
	    {JOB_STARTING, EVENT_LOST, JOB_FAILED},
	    {JOB_RUNNING, EVENT_PHASE_OK, JOB_RUNNING},
	    {JOB_RUNNING, EVENT_ALL_DONE, JOB_COMPLETING},
	    {JOB_RUNNING, EVENT_TRANSIENT, JOB_RETRYING},
	    {JOB_RUNNING, EVENT_TROUBLE, JOB_ERROR},
	    {JOB_RUNNING, EVENT_LOST, JOB_FAILED},
	    {JOB_PAUSING, EVENT_HALTED, JOB_PAUSED},
	    {JOB_PAUSING, EVENT_TROUBLE, JOB_ERROR},
	    {JOB_PAUSING, EVENT_LOST, JOB_FAILED},
	    {JOB_RESUMING, EVENT_RESUME_OK, JOB_RUNNING},
	    {JOB_RESUMING, EVENT_TRANSIENT, JOB_RETRYING},
	    {JOB_RESUMING, EVENT_TROUBLE, JOB_ERROR},
	    {JOB_RESUMING, EVENT_LOST, JOB_FAILED},
	    {JOB_RETRYING, EVENT_RESUME_OK, JOB_RUNNING},
	    {JOB_RETRYING, EVENT_TROUBLE, JOB_ERROR},
	    {JOB_RETRYING, EVENT_LOST, JOB_FAILED},
	    {JOB_READY, EVENT_TRANSIENT, JOB_RETRYING},
	    {JOB_READY, EVENT_TROUBLE, JOB_ERROR},
	    {JOB_READY, EVENT_LOST, JOB_FAILED},
	    {JOB_READY, EVENT_WISH_COMPLETE, JOB_COMPLETING},
	    {JOB_COMPLETING, EVENT_CLEAN_OK, JOB_COMPLETED},
	    {JOB_COMPLETING, EVENT_CLEAN_BAD, JOB_STOP_FAILED},
	    {JOB_STOPPING, EVENT_CLEAN_OK, JOB_STOPPED},
	    {JOB_STOPPING, EVENT_CLEAN_BAD, JOB_STOP_FAILED},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		JobState next = JOB_STATE_COUNT;
		const char *doing = "";

		assert_true(job_fsm_next(rows[i].from, rows[i].event, &next, &doing));
		assert_int_equal(next, rows[i].to);
		assert_true(strlen(doing) > 0);
	}
}

static void
an_unknown_event_changes_nothing(void **state)
{
	JobState next = JOB_PAUSED;
	const char *doing = "as it was";

	(void) state;
	assert_false(job_fsm_next(JOB_COMPLETED, EVENT_TRANSIENT, &next, &doing));
	assert_int_equal(next, JOB_PAUSED);
	assert_string_equal(doing, "as it was");
	/* a pause is for a job that is at work */
	assert_false(job_fsm_next(JOB_STARTING, EVENT_WISH_PAUSE, &next, &doing));
}

static void
phases_follow_each_other_as_wanted(void **state)
{
	JobOptions options = {.phases = {true, false, true}};
	JobOptions none = {.workers = 1};
	JobPhase phase = PHASE_FULL;

	(void) state;
	assert_true(job_fsm_first_phase(&options, &phase));
	assert_int_equal(phase, PHASE_SCHEMA);
	assert_true(job_fsm_next_phase(&options, phase, &phase));
	assert_int_equal(phase, PHASE_INCREMENTAL);
	assert_false(job_fsm_next_phase(&options, phase, &phase));
	assert_false(job_fsm_first_phase(&none, &phase));
}

static void
the_end_of_a_phase_reads_as_an_event(void **state)
{
	JobEvent event = EVENT_HALTED;

	(void) state;
	assert_true(job_fsm_phase_event(PHASE_COMPLETED, false, &event));
	assert_int_equal(event, EVENT_PHASE_OK);
	assert_true(job_fsm_phase_event(PHASE_COMPLETED, true, &event));
	assert_int_equal(event, EVENT_ALL_DONE);
	assert_true(job_fsm_phase_event(PHASE_TRANSIENT, false, &event));
	assert_int_equal(event, EVENT_TRANSIENT);
	assert_true(job_fsm_phase_event(PHASE_TROUBLE, false, &event));
	assert_int_equal(event, EVENT_TROUBLE);
	assert_true(job_fsm_phase_event(PHASE_LOST, true, &event));
	assert_int_equal(event, EVENT_LOST);
	assert_false(job_fsm_phase_event(PHASE_YIELDED, true, &event));
}

/* A worker that holds one state for the other must be able to report the same from both. */
static void
running_and_ready_know_the_same_failures(void **state)
{
	static const JobEvent failures[] = {EVENT_TRANSIENT, EVENT_TROUBLE, EVENT_LOST,
	                                    EVENT_WISH_PAUSE, EVENT_WISH_STOP};

	(void) state;
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
	{
		JobState running;
		JobState ready;

		assert_true(job_fsm_next(JOB_RUNNING, failures[i], &running, NULL));
		assert_true(job_fsm_next(JOB_READY, failures[i], &ready, NULL));
		assert_int_equal(running, ready);
	}
	for (int s = 0; s < JOB_STATE_COUNT; s++)
		assert_int_equal(job_state_runs((JobState) s), job_fsm_work((JobState) s) == WORK_PHASE);
}

static void
names_are_read_back(void **state)
{
	JobState s;
	JobAction a;
	JobPhase p;

	(void) state;
	for (int i = 0; i < JOB_STATE_COUNT; i++)
	{
		assert_true(job_state_parse(job_state_name((JobState) i), &s));
		assert_int_equal(s, i);
	}
	for (int i = 0; i < JOB_ACTION_COUNT; i++)
	{
		assert_true(job_action_parse(job_action_name((JobAction) i), &a));
		assert_int_equal(a, i);
	}
	for (int i = 0; i < JOB_PHASE_COUNT; i++)
	{
		assert_true(job_phase_parse(job_phase_name((JobPhase) i), &p));
		assert_int_equal(p, i);
	}
	assert_false(job_state_parse("asleep", &s));
	assert_false(job_action_parse("", &a));
	assert_false(job_phase_parse("SCHEMA", &p));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(work_is_done_exactly_where_a_worker_is_needed),
	    cmocka_unit_test(stop_is_followed_in_every_state_that_can_be_stopped),
	    cmocka_unit_test(every_allowed_wish_is_a_transition),
	    cmocka_unit_test(no_state_knows_an_event_twice),
	    cmocka_unit_test(work_never_ends_in_an_event_that_its_state_does_not_know),
	    cmocka_unit_test(an_unknown_event_changes_nothing),
	    cmocka_unit_test(phases_follow_each_other_as_wanted),
	    cmocka_unit_test(the_end_of_a_phase_reads_as_an_event),
	    cmocka_unit_test(running_and_ready_know_the_same_failures),
	    cmocka_unit_test(names_are_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
