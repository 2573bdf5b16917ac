/*
 * worker_job.c
 *		Taking over what the control database says of the job.
 */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "worker_internal.h"

enum
{
	COL_NAME,
	COL_KIND,
	COL_SOURCE,
	COL_TARGET,
	COL_SOURCE_CONNINFO,
	COL_TARGET_CONNINFO,
	COL_SLOT_NAME,
	COL_STATE,
	COL_PHASE,
	COL_STEP,
	COL_WISH,
	COL_OPTIONS,
	COL_FOOTPRINT,
	COL_CHANGE,
	COL_THROTTLE
};

static char *
take(Arena *arena, const ControlReply *reply, int column)
{
	const char *text = control_reply_get(reply, 0, column);

	return arena_strdup(arena, text ? text : "");
}

bool
worker_job_take(Worker *w, const ControlReply *reply, Error *err)
{
	Job job = {.arena = arena_create(4096), .id = w->job_id, .epoch = w->epoch};
	const char *phase = control_reply_get(reply, 0, COL_PHASE);
	const char *wish = control_reply_get(reply, 0, COL_WISH);
	const char *state = control_reply_get(reply, 0, COL_STATE);

	job.name = take(job.arena, reply, COL_NAME);
	job.kind = take(job.arena, reply, COL_KIND);
	job.source_name = take(job.arena, reply, COL_SOURCE);
	job.target_name = take(job.arena, reply, COL_TARGET);
	job.source_conninfo = take(job.arena, reply, COL_SOURCE_CONNINFO);
	job.target_conninfo = take(job.arena, reply, COL_TARGET_CONNINFO);
	job.slot_name = take(job.arena, reply, COL_SLOT_NAME);
	job.step = take(job.arena, reply, COL_STEP);
	job.has_phase = phase != NULL && job_phase_parse(phase, &job.phase);
	if (state == NULL || !job_state_parse(state, &job.state))
	{
		error_set(err, ERR_CONFIG, "the job is in a state that this daemon does not know");
		arena_destroy(job.arena);
		return false;
	}
	if (!job_options_parse(&job, take(job.arena, reply, COL_OPTIONS), err))
	{
		arena_destroy(job.arena);
		return false;
	}
	arena_destroy(w->job.arena);
	w->job = job;
	w->footprint = control_reply_bool(reply, 0, COL_FOOTPRINT);
	w->view.has_wish = wish != NULL && job_action_parse(wish, &w->view.wish);
	worker_change_take(w, control_reply_get(reply, 0, COL_CHANGE));
	worker_throttle_take(w, control_reply_get(reply, 0, COL_THROTTLE));
	log_set_job(job.name);
	return true;
}
