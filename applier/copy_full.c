/*
 * copy_full.c
 *		The phase "full"; see copy_full.h.
 *
 * Steps, each durable on the target: parts planned, data done (the snapshot is let go), all done.
 * A restart goes on with the queue.  When the snapshot was lost before the data were done, the
 * tables whose rows are all there stay, and the others are emptied and planned anew under a new one
 * (copy_keeper_create() has forgotten their parts).  Each table's start point says from where on
 * the stream is for it.  Tables of different snapshots may hold rows that refer to what is not there yet,
 * or no longer: then foreign keys and all that comes after them are left to the stream's phase, which
 * has them made when it has brought the tables together (table_load.c).
 */
#include "copy_full.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy_catalog.h"
#include "copy_crew.h"
#include "copy_keeper.h"
#include "copy_load.h"
#include "copy_progress.h"
#include "copy_queue.h"
#include "copy_table.h"
#include "fault.h"
#include "strbuf.h"

typedef struct FullLoad
{
	Worker *w;
	const Job *job;
	PgSession *target;
	char encoding[64];
	char snapshot[SNAPSHOT_NAME_MAX];
	CopyStep step;
	CopyProgress *progress;
} FullLoad;

static PhaseResult
failed(const Error *err)
{
	if (strcmp(err->sqlstate, ERR_FENCED) == 0)
		return PHASE_YIELDED;
	if (strcmp(err->sqlstate, ERR_LOST) == 0)
		return PHASE_LOST;
	return sqlstate_is_transient(err->sqlstate) ? PHASE_TRANSIENT : PHASE_TROUBLE;
}

/* A step with a synchronous commit, which also makes everything durable that came before it. */
static bool
reach(FullLoad *full, CopyStep step, Error *err)
{
	if (!copy_queue_begin(full->target, full->job, err))
		return false;
	if (!copy_step_write(full->target, full->job, step, err) ||
	    !copy_tables_finish(full->target, full->job, err) ||
	    (step == STEP_FULL_DONE && !copy_tables_join(full->target, full->job, err)))
	{
		copy_queue_rollback(full->target);
		return false;
	}
	if (!copy_queue_commit(full->target, err))
		return false;
	full->step = step;
	return true;
}

/* The last part has committed: the source needs to hold nothing back for us any longer. */
static bool
check_data_done(FullLoad *full, Error *err)
{
	bool left;

	if (full->step >= STEP_DATA_DONE)
		return true;
	if (!copy_queue_left(full->target, full->job, STAGE_PRE_DATA, STAGE_DATA, &left, err))
		return false;
	if (left)
		return true;
	if (!reach(full, STEP_DATA_DONE, err))
		return false;
	FAULT_POINT("full.data_done");
	copy_keeper_release(full->w);
	worker_set_step(full->w, "building indexes and constraints");
	return true;
}

static bool
heard(void *arg, const CopyMessage *message, Error *err)
{
	FullLoad *full = arg;

	copy_progress_heard(full->progress, message);
	return message != NULL || check_data_done(full, err);
}

/* The parts of all tables, under the snapshot. */
static PhaseResult
plan(FullLoad *full, Error *err)
{
	PgSession *source;
	char encoding[64];
	bool lost = false;
	WorkerOrder order = ORDER_GO_ON;
	bool ok;

	worker_set_step(full->w, "planning the load");
	source = copy_source_open(full->job, encoding, sizeof(encoding), err);
	ok = source != NULL && copy_snapshot_begin(source, full->snapshot, &lost, err) &&
	     copy_load_plan(full->w, source, full->target, &order, err);
	pg_session_close(source);
	if (order != ORDER_GO_ON)
		return PHASE_YIELDED;
	if (!ok && lost)
		return PHASE_TRANSIENT;
	/* whoever mends it may do so on the source: the next try must see that */
	if (!ok && strcmp(err->sqlstate, ERR_RELATION_MISMATCH) == 0)
		copy_keeper_release(full->w);
	return ok ? PHASE_COMPLETED : failed(err);
}

/* A usable snapshot, made anew when it was lost; the step may go back. */
static PhaseResult
ready_snapshot(FullLoad *full, Error *err)
{
	PhaseResult result = PHASE_TROUBLE;

	full->snapshot[0] = '\0';
	if (full->step >= STEP_DATA_DONE)
		return PHASE_COMPLETED;
	if (!copy_keeper_create(full->w, &result, err))
		return result;
	if (!copy_step_read(full->target, full->job, &full->step, err))
		return failed(err);
	if (!copy_keeper_snapshot(full->w, full->snapshot, sizeof(full->snapshot)))
	{
		error_set(err, ERR_CONNECTION, "the load's snapshot was lost just now");
		return PHASE_TRANSIENT;
	}
	return PHASE_COMPLETED;
}

static PhaseResult
work(FullLoad *full, Error *err)
{
	CopyCrewOptions crew = {.last = STAGE_ANALYZE,
	                        .workers = copy_workers(full->job),
	                        .encoding = full->encoding,
	                        .snapshot = full->snapshot,
	                        .heard = heard,
	                        .arg = full};
	CrewResult result;
	bool diverge;
	bool ok;

	if (!copy_tables_diverge(full->target, full->job, &diverge, err))
		return failed(err);
	if (diverge)
		crew.last = STAGE_ATTACH;
	worker_set_step(full->w, full->step >= STEP_DATA_DONE ? "building indexes and constraints"
	                                                      : "copying data");
	full->progress = copy_progress_open(full->w, full->target, err);
	if (full->progress == NULL)
		return failed(err);
	result = copy_crew_run(full->w, &crew, full->target, err);
	ok = result != CREW_DONE || check_data_done(full, err);
	copy_progress_close(full->progress, result == CREW_DONE && full->step >= STEP_DATA_DONE,
	                    !ok || result == CREW_FAILED ? err : NULL);
	full->progress = NULL;
	if (!ok)
		return failed(err);
	switch (result)
	{
		case CREW_DONE:
			if (full->step < STEP_DATA_DONE)
			{
				/* tables changed on the source; under a new snapshot they are what they are now */
				copy_keeper_release(full->w);
				worker_event(full->w, "warning", "load_again",
				             "tables that changed on the source are loaded again under a new "
				             "snapshot");
				return PHASE_LOST;
			}
			FAULT_POINT("full.post_data_done");
			return reach(full, STEP_FULL_DONE, err) ? PHASE_COMPLETED : failed(err);
		case CREW_YIELDED:
			return PHASE_YIELDED;
		case CREW_SNAPSHOT_LOST:
			worker_event(full->w, "warning", "snapshot_lost",
			             "the load's snapshot was lost; the data are loaded again under a new one");
			return PHASE_LOST; /* the caller makes a new one */
		case CREW_FAILED:
		case CREW_WORKING:
			break;
	}
	return failed(err);
}

static PhaseResult
run_steps(FullLoad *full, Error *err)
{
	for (;;)
	{
		PhaseResult result;

		if (!copy_step_read(full->target, full->job, &full->step, err))
			return failed(err);
		if (full->step == STEP_FULL_DONE)
			return PHASE_COMPLETED;
		result = ready_snapshot(full, err);
		if (result != PHASE_COMPLETED)
			return result;
		if (full->step < STEP_FULL_PLANNED)
		{
			result = plan(full, err);
			if (result != PHASE_COMPLETED)
				return result;
			full->step = STEP_FULL_PLANNED;
		}
		result = work(full, err);
		if (result != PHASE_LOST || strcmp(err->sqlstate, ERR_LOST) == 0)
			return result;
		error_clear(err);
	}
}

PhaseResult
copy_full_run(Worker *w, Error *err)
{
	FullLoad full = {.w = w, .job = worker_job(w)};
	PgSession *source = copy_source_open(full.job, full.encoding, sizeof(full.encoding), err);
	PhaseResult result;

	if (source == NULL)
		return failed(err);
	pg_session_close(source);
	full.target = copy_target_open(full.job, full.encoding, err);
	result = full.target == NULL ? failed(err) : run_steps(&full, err);
	pg_session_close(full.target);
	if (result == PHASE_COMPLETED && full.step < STEP_FULL_DONE)
		return PHASE_TROUBLE;
	return result;
}
