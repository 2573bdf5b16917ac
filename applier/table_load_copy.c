/*
 * table_load_copy.c
 *		The copy of what waits beside the stream: preparation, the crew, and what follows the join; see
 *		table_load.h.
 */
#include <stdio.h>
#include <string.h>

#include "copy_keeper.h"
#include "copy_queue.h"
#include "fault.h"
#include "table_load_internal.h"
#include "table_report.h"

void
load_end_crew(TableLoad *load, bool complete, bool touch_servers, const Error *err)
{
	if (load->progress != NULL)
		copy_progress_close(load->progress, complete, err);
	load->progress = NULL;
	if (load->crew != NULL)
		copy_crew_end(load->crew, complete ? NULL : load->target, touch_servers && !complete);
	load->crew = NULL;
}

/* A copy failed for good: one table, or all that are being copied. */
static TableLoadStep
copy_failed(TableLoad *load, Error *err)
{
	Error reason = *err;

	if (!worker_job(load->w)->options.quarantine)
		return LOAD_FAILED;
	for (int i = 0; i < load->rows.count; i++)
	{
		GateTable *t = &load->rows.tables[i];

		if (t->state != GATE_COPYING || (load->failed_oid != 0 && t->oid != load->failed_oid))
			continue;
		error_clear(err);
		if (!table_load_quarantine(load, t->oid, t->schema, t->name, &reason, err))
			return load_failed(load, err);
	}
	error_clear(err);
	return LOAD_GO_ON;
}

static bool
let_snapshot_go(TableLoad *load, Error *err)
{
	const char *params[] = {worker_job(load->w)->slot_name};

	/* its keeper looks, and leaves by itself */
	return pg_session_exec(load->target, err,
	                       "UPDATE dts.target_progress SET snapshot = NULL WHERE slot_name = $1", 1,
	                       params);
}

static bool
heard(void *arg, const CopyMessage *message, Error *err)
{
	TableLoad *load = arg;
	bool left;

	if (message != NULL && message->kind == COPY_FAILED)
		load->failed_oid = message->table_oid;
	copy_progress_heard(load->progress, message);
	if (message != NULL || load->released || load->ending)
		return true;
	if (!load_need_target(load, err))
		return false;
	if (!copy_queue_left(load->target, worker_job(load->w), STAGE_PRE_DATA, STAGE_DATA, &left, err))
		return load_target_failed(load);
	load->released = !left;
	return left || load_in_transaction(load, let_snapshot_go, err);
}

TableLoadStep
load_start_crew(TableLoad *load, bool ending, Error *err)
{
	const Job *job = worker_job(load->w);
	CopyCrewOptions options = {.last = ending ? STAGE_ANALYZE : STAGE_ATTACH,
	                           .workers = copy_workers(job),
	                           .encoding = load->encoding,
	                           .snapshot = ending ? "" : load->snapshot,
	                           .heard = heard,
	                           .arg = load};

	if (!load_need_target(load, err))
		return load_failed(load, err);
	load->ending = ending;
	load->released = false;
	load->failed_oid = 0;
	load->progress = copy_progress_open(load->w, load->target, err);
	if (load->progress == NULL)
	{
		load_target_failed(load);
		return load_failed(load, err);
	}
	load->crew = copy_crew_start(load->w, &options, err);
	if (load->crew != NULL)
		return LOAD_GO_ON;
	load_end_crew(load, false, false, NULL);
	return load_failed(load, err);
}

/* What is whole is copied; a table that changed on the source meanwhile waits for a new snapshot. */
static bool
finish_copies(TableLoad *load, Error *err)
{
	const Job *job = worker_job(load->w);
	bool left;

	if (!copy_tables_finish(load->target, job, err) ||
	    !copy_queue_left(load->target, job, STAGE_DATA, STAGE_DATA, &left, err))
		return false;
	if (left && !copy_tables_restart(load->target, job, err))
		return false;
	return let_snapshot_go(load, err);
}

/* The crew has ended without finishing. */
static TableLoadStep
crew_failed(TableLoad *load, CrewResult result, Error *err)
{
	load_end_crew(load, false, true, result == CREW_FAILED ? err : NULL);
	load->look = true;
	if (result == CREW_YIELDED)
		return LOAD_YIELD;
	if (result == CREW_SNAPSHOT_LOST)
	{
		worker_event(load->w, "warning", "snapshot_lost",
		             "the snapshot of a load beside the stream was lost; tables that are not whole "
		             "are loaded again under a new one");
		error_clear(err);
		return LOAD_GO_ON;
	}
	if (sqlstate_is_transient(err->sqlstate))
		return load_failed(load, err);
	if (load->ending)
		return LOAD_FAILED;
	return copy_failed(load, err);
}

TableLoadStep
load_step_crew(TableLoad *load, Error *err)
{
	CrewResult result;

	if (load->crew == NULL)
		return LOAD_GO_ON;
	result = copy_crew_step(load->crew, err);
	switch (result)
	{
		case CREW_WORKING:
			return LOAD_GO_ON;
		case CREW_DONE:
			break;
		case CREW_YIELDED:
		case CREW_SNAPSHOT_LOST:
		case CREW_FAILED:
			return crew_failed(load, result, err);
	}
	load_end_crew(load, true, false, NULL);
	load->look = true;
	load_succeeded(load);
	if (!load->ending)
	{
		if (!load_in_transaction(load, finish_copies, err))
			return load_failed(load, err);
		FAULT_POINT("table.copied");
	}
	return LOAD_GO_ON;
}

TableLoadStep
load_prepared(TableLoad *load, WorkerCallEnd end, const json_t *result, Error *err)
{
	const char *snapshot = json_string_value(json_object_get(result, "snapshot"));
	const char *encoding = json_string_value(json_object_get(result, "encoding"));

	load->look = true;
	if (end != CALL_OK)
	{
		load->failed_oid = 0;
		if (sqlstate_is_transient(err->sqlstate) || strcmp(err->sqlstate, ERR_FENCED) == 0)
			return load_failed(load, err);
		return copy_failed(load, err);
	}
	snprintf(load->snapshot, sizeof(load->snapshot), "%s", snapshot ? snapshot : "");
	snprintf(load->encoding, sizeof(load->encoding), "%s", encoding ? encoding : "");
	if (load->join != NULL && !load_look(load, err))
		return load_failed(load, err);
	return load_start_crew(load, false, err);
}
