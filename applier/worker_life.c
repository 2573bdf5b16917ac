/*
 * worker_life.c
 *		The steps of a job's life: what a worker does in each state.
 *
 * One loop: read the job, consume a wish that the state allows, else do the state's work, which
 *ends in an event; worker_control_event() turns that into the next state in the control database,
 *and the loop goes on with what the database has.  So a worker that died anywhere is followed by
 *one that finds the state and does its work again: every work below can be done twice.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cleanup.h"
#include "copy_full.h"
#include "copy_keeper.h"
#include "ddl_job.h"
#include "copy_schema.h"
#include "ends.h"
#include "incremental.h"
#include "log.h"
#include "pg_session.h"
#include "precheck.h"
#include "worker_internal.h"

#define CLEAN_TRIES          5 /* of a clean-up whose process was killed */
#define DESTROY_TRIES        3
#define DESTROY_PAUSE_US     1500000 /* times the number of tries */

#define START_WINDOW_MINUTES 1
#define STEADY_US            (30 * INT64_C(1000000)) /* a phase that ran so long has got over it */

/* How a state's work ended for the loop. */
typedef enum Step
{
	STEP_ON,      /* a new state: go round again */
	STEP_LEAVE,   /* nothing more to do here */
	STEP_TROUBLE, /* could not even be recorded: let the supervisor wait before the next try */
} Step;

static Step
step_event(Worker *w, JobEvent event, const JobPhase *phase, const Error *err)
{
	if (worker_control_event(w, event, phase, err))
		return STEP_ON;
	return w->leave || w->terminate ? STEP_LEAVE : STEP_TROUBLE;
}

static JobEvent
failure_event(const Error *err)
{
	if (strcmp(err->sqlstate, ERR_LOST) == 0)
		return EVENT_LOST;
	if (sqlstate_is_transient(err->sqlstate))
		return EVENT_TRANSIENT;
	return EVENT_TROUBLE;
}

/* Sleeps until the pause is over or an order comes.  False: an order came. */
static bool
pause_for(Worker *w, int pause_ms)
{
	int64_t until = w->now_us + (int64_t) pause_ms * 1000;

	while (w->now_us < until)
	{
		if (worker_wait(w, NULL, 0, (int) ((until - w->now_us + 999) / 1000)) != ORDER_GO_ON)
			return false;
	}
	return true;
}

static uint32_t
next_random(Worker *w)
{
	w->random = w->random * 1664525u + 1013904223u;
	return w->random >> 8;
}

/* Whether another attempt fits the window for this error; waits its pause.  yields on orders. */
static bool
wait_before_retry(Worker *w, const Error *err, int window_minutes, bool *ordered)
{
	int pause_ms;

	*ordered = false;
	if (!retry_failed(&w->retry, w->now_us, window_minutes, next_random(w), &pause_ms))
		return false;
	log_error(LOG_WARNING, "will try again", err);
	log_info("next attempt in %d ms", pause_ms);
	*ordered = !pause_for(w, pause_ms);
	return true;
}

static int
window_for(const Worker *w, const Error *err)
{
	return retry_is_connection(err->sqlstate) ? w->job.options.retry_connection_minutes
	                                          : w->job.options.retry_other_minutes;
}

static Step
do_check(Worker *w)
{
	json_t *result = NULL;
	Error err;
	bool ok;
	Step step;

	switch (worker_call(w, precheck_run, NULL, true, &result, &err))
	{
		case CALL_LEFT:
			return STEP_ON;
		case CALL_FAILED:
			precheck_failed_itself(&err, &result);
			break;
		case CALL_OK:
			break;
	}
	ok = precheck_passed(result);
	step = STEP_LEAVE;
	if (worker_control_checks(w, result))
		step = step_event(w, ok ? EVENT_CHECK_OK : EVENT_CHECK_BAD, NULL, NULL);
	else if (!w->leave && !w->terminate)
		step = STEP_TROUBLE;
	json_decref(result);
	return step;
}

/* Removes what the attempt to start has made; the error of the start is what counts. */
static Step
start_failed(Worker *w, const Error *why)
{
	Error err;

	worker_event(w, "error", "start_failed", "%s", why->message);
	copy_keeper_release(w);
	switch (worker_call(w, cleanup_run, NULL, true, NULL, &err))
	{
		case CALL_LEFT:
			return STEP_ON;
		case CALL_FAILED:
			worker_event(w, "warning", "left_over", "%s: %s %s", err.message, err.detail, err.hint);
			break;
		case CALL_OK:
			if (!worker_control_footprint(w, false))
				return STEP_LEAVE;
			break;
	}
	return step_event(w, EVENT_START_BAD, NULL, why);
}

/* One attempt; err is filled unless PHASE_COMPLETED or PHASE_YIELDED. */
static PhaseResult
start_once(Worker *w, Error *err)
{
	PhaseResult result = PHASE_TROUBLE;
	json_t *captured;

	switch (worker_call(w, ends_prepare, NULL, true, NULL, err))
	{
		case CALL_LEFT:
			return PHASE_YIELDED;
		case CALL_FAILED:
			return sqlstate_is_transient(err->sqlstate) ? PHASE_TRANSIENT : PHASE_TROUBLE;
		case CALL_OK:
			break;
	}
	captured = NULL;
	switch (worker_call(w, ddl_job_join, NULL, true, &captured, err))
	{
		case CALL_LEFT:
			return PHASE_YIELDED;
		case CALL_FAILED:
			return sqlstate_is_transient(err->sqlstate) ? PHASE_TRANSIENT : PHASE_TROUBLE;
		case CALL_OK:
			break;
	}
	if (json_object_get(captured, "not_captured") != NULL)
		worker_event(w, "warning", "ddl_not_captured",
		             "commands that change the schema will not be followed: %s",
		             json_string_value(json_object_get(captured, "not_captured")));
	json_decref(captured);
	if (copy_keeper_create(w, &result, err))
		return PHASE_COMPLETED;
	return result;
}

static Step
do_start(Worker *w)
{
	JobPhase phase;
	Error err;

	if (w->clean_first && w->footprint)
	{
		if (worker_call(w, cleanup_run, NULL, true, NULL, &err) == CALL_FAILED)
			return step_event(w, EVENT_START_BAD, NULL, &err);
	}
	w->clean_first = false;
	if (!job_fsm_first_phase(&w->job.options, &phase))
	{
		error_set(&err, ERR_CONFIG, "the job has no phases");
		return start_failed(w, &err);
	}
	/* from here on something may exist on the ends, whatever happens to us */
	if (!w->footprint && !worker_control_footprint(w, true))
		return STEP_LEAVE;
	for (;;)
	{
		bool ordered;

		switch (start_once(w, &err))
		{
			case PHASE_COMPLETED:
				retry_succeeded(&w->retry);
				return step_event(w, EVENT_START_OK, &phase, NULL);
			case PHASE_YIELDED:
				return STEP_ON;
			case PHASE_TRANSIENT:
				if (!wait_before_retry(w, &err, START_WINDOW_MINUTES, &ordered))
				{
					retry_succeeded(&w->retry);
					return start_failed(w, &err);
				}
				if (ordered)
					return STEP_ON;
				break;
			case PHASE_TROUBLE:
				return start_failed(w, &err);
			case PHASE_LOST:
				return step_event(w, EVENT_LOST, NULL, &err);
		}
	}
}

/* How something failed while the job runs, resumes or retries. */
static Step
report_failure(Worker *w, JobEvent event, const Error *err)
{
	JobState to;

	log_error(event == EVENT_TRANSIENT ? LOG_WARNING : LOG_ERROR, "the job failed", err);
	if (strcmp(err->sqlstate, ERR_FENCED) == 0)
	{
		/* not an error of the job's: somebody else goes on with it */
		w->leave = true;
		return STEP_LEAVE;
	}
	/* a pause that was asked for comes first: the job is halted then, or halted with its error */
	if (job_state_runs(w->job.state) && w->view.has_wish && w->view.wish == ACTION_PAUSE)
	{
		Step step = step_event(w, EVENT_WISH_PAUSE, NULL, NULL);

		if (step != STEP_ON || w->job.state != JOB_PAUSING || event == EVENT_TRANSIENT)
			return step;
	}
	if (event == EVENT_TRANSIENT && !job_fsm_next(w->job.state, event, &to, NULL))
		return STEP_ON; /* retrying already */
	return step_event(w, event, NULL, err);
}

/*
 * Takes both ends over, with pauses while that fails.  Only the first failure changes the state: a
 * job that resumes or runs is retrying from then on.
 */
static Step
attach(Worker *w, bool *attached)
{
	*attached = false;
	for (;;)
	{
		Error err;
		JobEvent event;
		bool ordered;

		switch (worker_call(w, ends_take_over, NULL, true, NULL, &err))
		{
			case CALL_LEFT:
				return STEP_ON;
			case CALL_OK:
				*attached = true;
				return STEP_ON;
			case CALL_FAILED:
				break;
		}
		event = failure_event(&err);
		if (event != EVENT_TRANSIENT)
			return report_failure(w, event, &err);
		if (w->job.state != JOB_RETRYING && worker_control_is_up(w))
		{
			Step step = report_failure(w, event, &err);

			if (step != STEP_ON || w->job.state != JOB_RETRYING)
				return step;
		}
		if (!wait_before_retry(w, &err, window_for(w, &err), &ordered))
		{
			error_context(&err, "trying again; the retry window is over");
			return report_failure(w, EVENT_TROUBLE, &err);
		}
		if (ordered)
			return STEP_ON;
	}
}

static PhaseResult
run_phase(Worker *w, Error *err)
{
	switch (w->job.phase)
	{
		case PHASE_SCHEMA:
			return copy_schema_run(w, err);
		case PHASE_FULL:
			return copy_full_run(w, err);
		case PHASE_INCREMENTAL:
			return incremental_run(w, err);
		case JOB_PHASE_COUNT:
			break;
	}
	error_set(err, ERR_INTERNAL, "unknown phase");
	return PHASE_TROUBLE;
}

/* A phase ended well: the next one, or none. */
static Step
phase_done(Worker *w)
{
	JobPhase next;
	bool more = job_fsm_next_phase(&w->job.options, w->job.phase, &next);

	worker_event(w, "info", "phase_done", "phase %s is done", job_phase_name(w->job.phase));
	retry_succeeded(&w->retry);
	if (w->job.phase == PHASE_FULL || !more)
		copy_keeper_release(w);
	if (more)
		return step_event(w, EVENT_PHASE_OK, &next, NULL);
	return step_event(w, EVENT_ALL_DONE, NULL, NULL);
}

/* The phase failed; a lost end is tried again from here on by attach(). */
static Step
phase_failed(Worker *w, PhaseResult result, const Error *err)
{
	JobEvent event;
	bool ordered;
	Step step;

	if (!job_fsm_phase_event(result, false, &event))
		return STEP_ON;
	if (event != EVENT_TRANSIENT)
		return report_failure(w, event, err);
	/* with the control database away, too, the job goes on trying as "running" */
	if (worker_control_is_up(w))
	{
		step = report_failure(w, event, err);
		if (step != STEP_ON || w->job.state != JOB_RETRYING)
			return step;
	}
	if (!wait_before_retry(w, err, window_for(w, err), &ordered))
		return report_failure(w, EVENT_TROUBLE, err);
	return STEP_ON;
}

static const char *
phase_result_text(PhaseResult result)
{
#define PHASE_RESULT_TEXT(sym, text) [PHASE_##sym] = (text),
	static const char *const texts[] = {PHASE_RESULTS(PHASE_RESULT_TEXT)};
#undef PHASE_RESULT_TEXT

	return texts[result];
}

/*
 * Runs the phase the job is in.  *attached: both ends are ours since no more than this worker has
 * lost them.
 */
static Step
do_phase(Worker *w, bool *attached)
{
	PhaseResult result;
	int64_t since;
	Error err;

	if (!w->job.has_phase)
	{
		error_set(&err, ERR_INTERNAL, "the job runs in no phase");
		return report_failure(w, EVENT_TROUBLE, &err);
	}
	if (!*attached)
	{
		Step step = attach(w, attached);

		if (!*attached || !job_state_runs(w->job.state))
			return step;
	}
	worker_marker_reset(w);
	error_clear(&err);
	since = w->now_us;
	log_info("phase %s begins", job_phase_name(w->job.phase));
	result = run_phase(w, &err);
	log_info("phase %s %s", job_phase_name(w->job.phase), phase_result_text(result));
	if (w->now_us - since > STEADY_US)
		retry_succeeded(&w->retry);
	if (w->leave)
		return STEP_LEAVE;
	if (result == PHASE_COMPLETED)
		return phase_done(w);
	if (result != PHASE_YIELDED)
		*attached = false;
	return phase_failed(w, result, &err);
}

/* Resuming or retrying: both ends, then on in the phase. */
static Step
do_attach(Worker *w, bool *attached)
{
	if (!*attached)
	{
		Step step = attach(w, attached);

		if (!*attached)
			return step;
	}
	/* the state may have become retrying on the way; both know the event */
	return step_event(w, EVENT_RESUME_OK, NULL, NULL);
}

/* Removes what is on both ends and keeps the list of what is left.  err is filled on CALL_FAILED. */
static WorkerCallEnd
clean_ends(Worker *w, bool yields, Error *err)
{
	json_t *result;
	WorkerCallEnd end;
	int tries = 0;

	copy_keeper_release(w);
	/* Cleaning twice does no harm, so a process that was killed at it is simply started again. */
	do
	{
		result = NULL;
		end = worker_call(w, cleanup_run, NULL, yields, &result, err);
		if (end != CALL_LEFT && json_object_get(result, "left") != NULL &&
		    !worker_control_leftovers(w, json_object_get(result, "left")) && w->leave)
			end = CALL_LEFT;
		json_decref(result);
	} while (end == CALL_FAILED && strcmp(err->sqlstate, ERR_KILLED) == 0 && ++tries < CLEAN_TRIES);
	if (end == CALL_FAILED && strcmp(err->sqlstate, ERR_FENCED) == 0)
		end = CALL_LEFT;
	return end;
}

static Step
do_clean(Worker *w)
{
	Error err;

	if (!w->footprint)
		return step_event(w, EVENT_CLEAN_OK, NULL, NULL);
	switch (clean_ends(w, true, &err))
	{
		case CALL_LEFT:
			return STEP_LEAVE;
		case CALL_FAILED:
			log_error(LOG_ERROR, "cleaning up", &err);
			/* force may have been asked for meanwhile */
			if (!worker_control_read(w))
				return STEP_LEAVE;
			if (!w->job.options.force)
				return step_event(w, EVENT_CLEAN_BAD, NULL, &err);
			worker_event(w, "warning", "left_over", "%s: %s", err.message, err.detail);
			break;
		case CALL_OK:
			break;
	}
	if (!worker_control_footprint(w, false))
		return STEP_LEAVE;
	return step_event(w, EVENT_CLEAN_OK, NULL, NULL);
}

/* To be loaded anew: nothing of the old load may be left.  When that fails, the job stays put. */
static Step
do_reset(Worker *w)
{
	Error err;

	if (w->footprint)
	{
		/* the wish stands until it is carried out, so it must not end its own work */
		switch (clean_ends(w, false, &err))
		{
			case CALL_LEFT:
				return STEP_LEAVE;
			case CALL_FAILED:
				log_error(LOG_ERROR, "resetting", &err);
				return worker_control_wish_failed(w, &err) ? STEP_ON : STEP_TROUBLE;
			case CALL_OK:
				break;
		}
		if (!worker_control_footprint(w, false))
			return STEP_LEAVE;
	}
	return step_event(w, EVENT_WISH_RESET, NULL, NULL);
}

/* An end may be away for a moment only. */
static WorkerCallEnd
clean_patiently(Worker *w, Error *err)
{
	WorkerCallEnd end = clean_ends(w, false, err);

	for (int tries = 1; end == CALL_FAILED && tries < DESTROY_TRIES && !w->job.options.force;
	     tries++)
	{
		int64_t until = w->now_us + tries * DESTROY_PAUSE_US;

		while (w->now_us < until && worker_order(w) == ORDER_GO_ON)
			worker_wait(w, NULL, 0, 200);
		if (worker_order(w) != ORDER_GO_ON)
			return CALL_LEFT;
		end = clean_ends(w, false, err);
	}
	return end;
}

/*
 * The job is to go: when nothing of it is left on either end, or with force, which leaves the list of
 * what is.
 */
static Step
do_destroy(Worker *w)
{
	Error err;

	if (w->footprint)
	{
		switch (clean_patiently(w, &err))
		{
			case CALL_LEFT:
				return STEP_LEAVE;
			case CALL_FAILED:
				log_error(LOG_ERROR, "destroying", &err);
				/* force may have been asked for meanwhile */
				if (!worker_control_read(w))
					return STEP_LEAVE;
				if (!w->job.options.force)
				{
					error_hint(&err, "Bring the end back and ask again, or leave it behind with "
					                 "dts_destroy_job(job, force => true).");
					return worker_control_wish_failed(w, &err) ? STEP_ON : STEP_TROUBLE;
				}
				worker_event(w, "warning", "left_over", "%s: %s", err.message, err.detail);
				break;
			case CALL_OK:
				break;
		}
		if (!worker_control_footprint(w, false))
			return STEP_LEAVE;
	}
	if (worker_control_destroyed(w))
		log_info("the job is destroyed");
	w->leave = true;
	return STEP_LEAVE;
}

/* A wish that this state can follow is followed first.  *done: it was. */
static Step
follow_wish(Worker *w, bool *done)
{
	JobEvent event;
	JobState to;

	*done = true;
	if (w->view.has_wish && w->view.wish == ACTION_DESTROY)
		return do_destroy(w);
	if (w->view.has_wish && job_fsm_wish(w->view.wish, &event) &&
	    job_fsm_next(w->job.state, event, &to, NULL))
	{
		if (event == EVENT_WISH_RESET)
			return do_reset(w);
		if (event == EVENT_WISH_RETRY && w->job.state == JOB_START_FAILED)
			w->clean_first = true;
		retry_succeeded(&w->retry);
		return step_event(w, event, NULL, NULL);
	}
	*done = false;
	return STEP_ON;
}

/* Nothing to do: the lease goes back, unless a wish would bring the job here again at once. */
static Step
rest(Worker *w)
{
	if (!w->view.has_wish)
		return STEP_LEAVE;
	log_warn("state %s cannot follow the wish \"%s\"", job_state_name(w->job.state),
	         job_action_name(w->view.wish));
	return STEP_TROUBLE;
}

static Step
do_work(Worker *w, bool *attached)
{
	switch (job_fsm_work(w->job.state))
	{
		case WORK_NONE:
			return rest(w);
		case WORK_CHECK:
			return do_check(w);
		case WORK_START:
		{
			Step step = do_start(w);

			*attached = job_state_runs(w->job.state);
			return step;
		}
		case WORK_PHASE:
			return do_phase(w, attached);
		case WORK_HALT:
			return step_event(w, EVENT_HALTED, NULL, NULL);
		case WORK_ATTACH:
		case WORK_RETRY:
			return do_attach(w, attached);
		case WORK_CLEAN:
			return do_clean(w);
	}
	return STEP_LEAVE;
}

int
worker_live(Worker *w)
{
	bool attached = false;
	Step step = STEP_ON;

	while (step == STEP_ON && !w->leave && !w->terminate)
	{
		bool followed;

		if (!worker_control_read(w))
			break;
		step = follow_wish(w, &followed);
		if (step == STEP_ON && !followed)
			step = do_work(w, &attached);
	}
	/* a job whose trouble could not be recorded keeps its lease, so that nobody spins on it */
	if (step == STEP_TROUBLE)
	{
		worker_control_flush(w);
		return WORKER_EXIT_TROUBLE;
	}
	if (!w->leave)
		worker_control_release(w);
	return WORKER_EXIT_OK;
}
