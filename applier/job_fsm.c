/*
 * job_fsm.c
 *		The state machine over the tables of job_state.h; see job_fsm.h.
 */
#include "job_fsm.h"

#include <string.h>

typedef struct Transition
{
	JobState from;
	JobEvent event;
	JobState to;
	const char *doing;
} Transition;

#define TRANSITION_ROW(from, event, to, doing) {JOB_##from, EVENT_##event, JOB_##to, doing},
static const Transition transitions[] = {JOB_TRANSITIONS(TRANSITION_ROW)};

typedef struct Allowed
{
	JobState state;
	JobAction action;
} Allowed;

#define ALLOWED_ROW(state, action, to) {JOB_##state, ACTION_##action},
static const Allowed allowed[] = {JOB_ALLOWED(ALLOWED_ROW)};

#define NAME_ROW(sym, name, ...) name,
static const char *const state_names[] = {JOB_STATES(NAME_ROW)};
static const char *const action_names[] = {JOB_ACTIONS(NAME_ROW)};
static const char *const phase_names[] = {JOB_PHASES(NAME_ROW)};
static const char *const event_texts[] = {JOB_EVENTS(NAME_ROW)};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

bool
job_fsm_next(JobState state, JobEvent event, JobState *next, const char **doing)
{
	for (size_t i = 0; i < LENGTH(transitions); i++)
	{
		if (transitions[i].from == state && transitions[i].event == event)
		{
			*next = transitions[i].to;
			if (doing != NULL)
				*doing = transitions[i].doing;
			return true;
		}
	}
	return false;
}

JobWork
job_fsm_work(JobState state)
{
	switch (state)
	{
		case JOB_CHECKING:
			return WORK_CHECK;
		case JOB_STARTING:
			return WORK_START;
		case JOB_RUNNING:
		case JOB_READY:
		case JOB_MODIFYING:
			return WORK_PHASE;
		case JOB_PAUSING:
			return WORK_HALT;
		case JOB_RESUMING:
			return WORK_ATTACH;
		case JOB_RETRYING:
			return WORK_RETRY;
		case JOB_COMPLETING:
		case JOB_STOPPING:
			return WORK_CLEAN;
		case JOB_DRAFT:
		case JOB_CHECK_FAILED:
		case JOB_CHECK_PASSED:
		case JOB_SCHEDULED:
		case JOB_START_FAILED:
		case JOB_PAUSED:
		case JOB_ERROR:
		case JOB_FAILED:
		case JOB_COMPLETED:
		case JOB_STOPPED:
		case JOB_STOP_FAILED:
		case JOB_ISOLATED:
		case JOB_STATE_COUNT:
			break;
	}
	return WORK_NONE;
}

bool
job_fsm_wish(JobAction wish, JobEvent *event)
{
	switch (wish)
	{
		case ACTION_CHECK:
			*event = EVENT_WISH_CHECK;
			return true;
		case ACTION_START:
			*event = EVENT_WISH_START;
			return true;
		case ACTION_PAUSE:
			*event = EVENT_WISH_PAUSE;
			return true;
		case ACTION_RESUME:
			*event = EVENT_WISH_RESUME;
			return true;
		case ACTION_RETRY:
			*event = EVENT_WISH_RETRY;
			return true;
		case ACTION_COMPLETE:
			*event = EVENT_WISH_COMPLETE;
			return true;
		case ACTION_RESET:
			*event = EVENT_WISH_RESET;
			return true;
		case ACTION_STOP:
			*event = EVENT_WISH_STOP;
			return true;
		case ACTION_CONFIGURE:
		case ACTION_SCHEDULE:
		case ACTION_UNSCHEDULE:
		case ACTION_IGNORE_CHECK:
		case ACTION_RESIZE:
		case ACTION_MODIFY:
		case ACTION_THROTTLE:
		case ACTION_ISOLATE:
		case ACTION_RECOVER:
		case ACTION_DESTROY:
		case JOB_ACTION_COUNT:
			break;
	}
	return false;
}

bool
job_fsm_phase_event(PhaseResult result, bool last_phase, JobEvent *event)
{
	switch (result)
	{
		case PHASE_COMPLETED:
			*event = last_phase ? EVENT_ALL_DONE : EVENT_PHASE_OK;
			return true;
		case PHASE_YIELDED:
			return false;
		case PHASE_TRANSIENT:
			*event = EVENT_TRANSIENT;
			return true;
		case PHASE_TROUBLE:
			*event = EVENT_TROUBLE;
			return true;
		case PHASE_LOST:
			*event = EVENT_LOST;
			return true;
	}
	return false;
}

/* The first phase of the job at or after `from`. */
static bool
phase_from(const JobOptions *options, int from, JobPhase *phase)
{
	for (int i = from; i < JOB_PHASE_COUNT; i++)
	{
		if (options->phases[i])
		{
			*phase = (JobPhase) i;
			return true;
		}
	}
	return false;
}

bool
job_fsm_first_phase(const JobOptions *options, JobPhase *phase)
{
	return phase_from(options, 0, phase);
}

bool
job_fsm_next_phase(const JobOptions *options, JobPhase phase, JobPhase *next)
{
	return phase_from(options, (int) phase + 1, next);
}

const char *
job_state_name(JobState state)
{
	return state_names[state];
}

const char *
job_action_name(JobAction action)
{
	return action_names[action];
}

const char *
job_phase_name(JobPhase phase)
{
	return phase_names[phase];
}

const char *
job_event_text(JobEvent event)
{
	return event_texts[event];
}

static bool
name_index(const char *const *names, size_t count, const char *name, int *found)
{
	for (size_t i = 0; i < count; i++)
	{
		if (strcmp(names[i], name) == 0)
		{
			*found = (int) i;
			return true;
		}
	}
	return false;
}

bool
job_state_parse(const char *name, JobState *state)
{
	int found;

	if (!name_index(state_names, LENGTH(state_names), name, &found))
		return false;
	*state = (JobState) found;
	return true;
}

bool
job_action_parse(const char *name, JobAction *action)
{
	int found;

	if (!name_index(action_names, LENGTH(action_names), name, &found))
		return false;
	*action = (JobAction) found;
	return true;
}

bool
job_phase_parse(const char *name, JobPhase *phase)
{
	int found;

	if (!name_index(phase_names, LENGTH(phase_names), name, &found))
		return false;
	*phase = (JobPhase) found;
	return true;
}

bool
job_action_allowed(JobState state, JobAction action)
{
	for (size_t i = 0; i < LENGTH(allowed); i++)
	{
		if (allowed[i].state == state && allowed[i].action == action)
			return true;
	}
	return false;
}

bool
job_state_runs(JobState state)
{
	return state == JOB_RUNNING || state == JOB_READY || state == JOB_MODIFYING;
}

bool
job_state_keeps_error(JobState state)
{
	switch (state)
	{
		case JOB_START_FAILED:
		case JOB_RETRYING:
		case JOB_ERROR:
		case JOB_FAILED:
		case JOB_STOP_FAILED:
			return true;
		case JOB_DRAFT:
		case JOB_CHECKING:
		case JOB_CHECK_FAILED:
		case JOB_CHECK_PASSED:
		case JOB_SCHEDULED:
		case JOB_STARTING:
		case JOB_RUNNING:
		case JOB_READY:
		case JOB_MODIFYING:
		case JOB_PAUSING:
		case JOB_PAUSED:
		case JOB_RESUMING:
		case JOB_COMPLETING:
		case JOB_COMPLETED:
		case JOB_STOPPING:
		case JOB_STOPPED:
		case JOB_ISOLATED:
		case JOB_STATE_COUNT:
			break;
	}
	return false;
}
