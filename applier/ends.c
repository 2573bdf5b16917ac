/*
 * ends.c
 *		Taking both ends of a job over; see ends.h.
 *
 * On the source only the walsender that uses the slot is ended.  The snapshot's keeper has a
 *session of the same name there, and is meant to outlive the worker.
 */
#include "ends.h"

#include "fault.h"
#include "log.h"
#include "pg_session.h"
#include "source_heartbeat.h"
#include "source_slot.h"
#include "target_pg_fence.h"

#define RELEASE_MS 10000

static PgSession *
open_target(const Job *job, Error *err)
{
	PgSession *target =
	    pg_session_open(job->target_conninfo, PG_SESSION_TARGET, job->slot_name, NULL, err);

	if (target == NULL)
		error_context(err, "connecting to the target");
	return target;
}

/* A source where this role may make no table does without the heartbeat. */
static bool
prepare_heartbeat(const Job *job, PgSession *source, Error *err)
{
	if (job->options.heartbeat_seconds == 0 || source_heartbeat_create(source, job->slot_name, err))
		return true;
	if (sqlstate_is_transient(err->sqlstate))
		return false;
	log_error(LOG_WARNING, "the job does without a heartbeat", err);
	return true;
}

/* What the job has on the source before its slot. */
static bool
prepare_source(const Job *job, Error *err)
{
	PgSession *source;
	bool ok;

	if (!job->options.phases[PHASE_INCREMENTAL])
		return true;
	source = pg_session_open(job->source_conninfo, PG_SESSION_SOURCE, job->slot_name, NULL, err);
	if (source == NULL)
	{
		error_context(err, "connecting to the source");
		return false;
	}
	ok = prepare_heartbeat(job, source, err);
	if (ok)
		FAULT_POINT("start.source_prepared");
	pg_session_close(source);
	return ok;
}

bool
ends_prepare(const Job *job, void *arg, json_t *result, Error *err)
{
	PgSession *target = open_target(job, err);
	bool ok;

	(void) arg;
	(void) result;
	if (target == NULL)
		return false;
	ok = target_fence_setup(target, job, err) && target_fence_acquire(target, job, err);
	if (ok)
		FAULT_POINT("start.bookkeeping_done");
	pg_session_close(target);
	return ok && prepare_source(job, err);
}

bool
ends_take_over(const Job *job, void *arg, json_t *result, Error *err)
{
	PgSession *target = open_target(job, err);
	PgSession *source;
	bool ok;

	(void) arg;
	(void) result;
	if (target == NULL)
		return false;
	ok = target_fence_acquire(target, job, err);
	pg_session_close(target);
	if (!ok)
		return false;

	source = pg_session_open(job->source_conninfo, PG_SESSION_SOURCE, job->slot_name, NULL, err);
	ok = source != NULL && source_slot_release(source, job->slot_name, RELEASE_MS, err);
	if (!ok)
		error_context(err, "%s",
		              source == NULL ? "connecting to the source"
		                             : "ending the slot's earlier walsender");
	else if (job->options.phases[PHASE_INCREMENTAL])
		ok = prepare_heartbeat(job, source, err);
	pg_session_close(source);
	return ok;
}
