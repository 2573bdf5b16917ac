/*
 * copy_schema.c
 *		The phase "schema"; see copy_schema.h.
 *
 * pg_dump writes an archive under the load's snapshot, its list is edited, and everything that is
 * left becomes tasks of the queue together with the step that says so, in one transaction on the
 * target.  From there on no file is needed: a restart, on whatever host, goes on with the queue,
 * and each piece of SQL commits with its mark, so that none is run twice.
 */
#include "copy_schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "copy_catalog.h"
#include "copy_crew.h"
#include "copy_database.h"
#include "copy_index.h"
#include "copy_keeper.h"
#include "copy_part.h"
#include "copy_program.h"
#include "copy_queue.h"
#include "copy_select.h"
#include "fault.h"
#include "object_map.h"
#include "source_computed.h"
#include "strbuf.h"

#define SEQUENCES_PER_TASK 100

static PhaseResult
failed(const Error *err)
{
	if (strcmp(err->sqlstate, ERR_FENCED) == 0)
		return PHASE_YIELDED;
	if (strcmp(err->sqlstate, ERR_LOST) == 0)
		return PHASE_LOST;
	return sqlstate_is_transient(err->sqlstate) ? PHASE_TRANSIENT : PHASE_TROUBLE;
}

/* Materialized views that hold rows on the source, in the order in which they can be filled. */
static bool
plan_refresh(CopyTasks *tasks, const Archive *archive, const CopySelection *selection,
             PgSession *source, const Job *job, Error *err)
{
	PgRows *rows = pg_session_query(source, err,
	                                "SELECT oid FROM pg_catalog.pg_class WHERE relkind = 'm' AND "
	                                "relispopulated",
	                                0, NULL);
	StrBuf sql;

	if (rows == NULL)
		return false;
	strbuf_init(&sql);
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];
		bool filled = false;

		if (selection->verdict[e->id] != ENTRY_KEEP || strcmp(e->desc, "MATERIALIZED VIEW") != 0)
			continue;
		for (int k = 0; k < pg_rows_count(rows); k++)
			filled = filled || pg_rows_int(rows, k, 0) == (int64_t) e->oid;
		if (!filled)
			continue;
		strbuf_reset(&sql);
		strbuf_puts(&sql, "REFRESH MATERIALIZED VIEW ");
		object_map_put(job->options.map, &sql, e->schema, e->tag);
		copy_tasks_add(tasks, STAGE_REFRESH, TASK_SQL)->target_sql =
		    arena_strdup(tasks->arena, sql.data);
	}
	strbuf_free(&sql);
	pg_rows_free(rows);
	return true;
}

/* Sequences that a selection needed from elsewhere; all others the phase "full" sets by itself. */
static void
plan_sequences(CopyTasks *tasks, const Archive *archive, const CopySelection *selection,
               const Job *job)
{
	StrBuf sql;
	int gathered = 0;

	strbuf_init(&sql);
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];

		if (selection->verdict[e->id] == ENTRY_KEEP && strcmp(e->desc, "SEQUENCE") == 0 &&
		    !job_selects(job, e->schema, e->tag))
		{
			strbuf_puts(&sql, gathered++ == 0 ? "SELECT " : " UNION ALL SELECT ");
			copy_sequence_put(job, &sql, e->schema, e->tag);
		}
		if (gathered == SEQUENCES_PER_TASK || (gathered > 0 && i == archive->count - 1))
		{
			copy_tasks_add(tasks, STAGE_REFRESH, TASK_SEQUENCES)->source_sql =
			    arena_strdup(tasks->arena, sql.data);
			strbuf_reset(&sql);
			gathered = 0;
		}
	}
	strbuf_free(&sql);
}

static bool
store_plan(PgSession *target, const Job *job, CopyTasks *tasks, Error *err)
{
	if (!copy_queue_begin(target, job, err))
		return false;
	if (!copy_queue_add(target, job, tasks->tasks, tasks->count, err) ||
	    !copy_queue_analyze(target, err) || !copy_step_write(target, job, STEP_SCHEMA_PLANNED, err))
	{
		copy_queue_rollback(target);
		return false;
	}
	return copy_queue_commit(target, err);
}

/* Dump, edit, store.  False with *order other than ORDER_GO_ON: the worker wants to leave. */
static bool
plan(Worker *w, PgSession *source, PgSession *target, const char *snapshot, const char *encoding,
     Arena *arena, WorkerOrder *order, Error *err)
{
	const Job *job = worker_job(w);
	CopyTasks tasks = {.arena = arena};
	CopySelection selection;
	CopyRoles *roles;
	Archive archive;
	const char *database = NULL;
	CopyProgram *program = copy_program_open(w, pg_session_version(source), err);
	bool ok;

	*order = ORDER_GO_ON;
	if (program == NULL)
		return false;
	ok = copy_program_dump(program, source, snapshot, encoding, order, err) &&
	     copy_archive_read(&archive, copy_program_archive(program), arena, err) &&
	     (roles = copy_roles_read(job, target, arena, err)) != NULL &&
	     (job->options.object_count > 0 ||
	      (database = copy_database_sql(source, target, roles, arena, err)) != NULL) &&
	     source_computed_types(source, job, err) &&
	     copy_select(&selection, &archive, job, target, roles, arena, err) &&
	     copy_index_plan(&tasks, &archive, &selection, program, source, copy_workers(job), order,
	                     err) &&
	     (!job->options.phases[PHASE_FULL] ||
	      plan_refresh(&tasks, &archive, &selection, source, job, err));
	copy_program_close(program);
	if (ok && job->options.phases[PHASE_FULL])
		plan_sequences(&tasks, &archive, &selection, job);
	if (ok && database != NULL && database[0] != '\0')
		copy_tasks_add(&tasks, STAGE_REFRESH, TASK_GRANTS)->target_sql = database;
	if (!ok || !store_plan(target, job, &tasks, err))
		return false;
	for (int i = 0; i < selection.warning_count; i++)
		worker_event(w, "warning", "schema", "%s", selection.warnings[i]);
	return true;
}

static bool
heard(void *arg, const CopyMessage *message, Error *err)
{
	(void) arg;
	(void) message;
	(void) err;
	return true;
}

/* Runs the tasks; what follows the data only when no data are to come. */
static PhaseResult
create(Worker *w, PgSession *target, const char *encoding, Error *err)
{
	const Job *job = worker_job(w);
	CopyCrewOptions crew = {.last = STAGE_PRIVILEGES,
	                        .workers = 1,
	                        .encoding = encoding,
	                        .snapshot = "",
	                        .heard = heard};
	CrewResult result;
	bool abreast;

	worker_set_step(w, "creating objects");
	if (!copy_queue_abreast(target, job, &abreast, err))
		return failed(err);
	crew.workers = abreast ? copy_workers(job) : 1;
	result = copy_crew_run(w, &crew, target, err);
	if (result == CREW_DONE)
	{
		FAULT_POINT("schema.pre_data_done");
		if (job->options.phases[PHASE_FULL])
			return PHASE_COMPLETED;
		worker_set_step(w, "creating indexes and constraints");
		crew.last = STAGE_ANALYZE;
		crew.workers = copy_workers(job);
		result = copy_crew_run(w, &crew, target, err);
	}
	switch (result)
	{
		case CREW_DONE:
			return PHASE_COMPLETED;
		case CREW_YIELDED:
			return PHASE_YIELDED;
		case CREW_SNAPSHOT_LOST:
		case CREW_FAILED:
		case CREW_WORKING:
			break;
	}
	return failed(err);
}

static PhaseResult
run_steps(Worker *w, PgSession *source, PgSession *target, const char *encoding, Error *err)
{
	const Job *job = worker_job(w);
	char snapshot[SNAPSHOT_NAME_MAX] = "";
	PhaseResult result;
	CopyStep step;

	if (!copy_step_read(target, job, &step, err))
		return failed(err);
	if (step == STEP_NONE)
	{
		Arena *arena = arena_create(256 * 1024);
		WorkerOrder order = ORDER_GO_ON;
		bool ok;

		result = PHASE_TROUBLE;
		if (job->options.phases[PHASE_FULL] && !copy_keeper_create(w, &result, err))
		{
			arena_destroy(arena);
			return result;
		}
		if (job->options.phases[PHASE_FULL] && !copy_keeper_snapshot(w, snapshot, sizeof(snapshot)))
		{
			arena_destroy(arena);
			error_set(err, ERR_CONNECTION, "the load's snapshot was lost just now");
			return PHASE_TRANSIENT;
		}
		worker_set_step(w, "reading the source's schema");
		ok = plan(w, source, target, snapshot, encoding, arena, &order, err);
		arena_destroy(arena);
		if (order != ORDER_GO_ON)
			return PHASE_YIELDED;
		if (!ok && strcmp(err->sqlstate, ERR_OUTDATED) == 0)
			copy_keeper_release(w); /* the next attempt has a snapshot of its own */
		if (!ok)
			return failed(err);
		step = STEP_SCHEMA_PLANNED;
	}
	if (step == STEP_SCHEMA_PLANNED)
	{
		result = create(w, target, encoding, err);
		if (result != PHASE_COMPLETED)
			return result;
		if (!copy_queue_begin(target, job, err))
			return failed(err);
		if (!copy_step_write(target, job, STEP_SCHEMA_DONE, err) || !copy_queue_commit(target, err))
		{
			copy_queue_rollback(target);
			return failed(err);
		}
	}
	return PHASE_COMPLETED;
}

PhaseResult
copy_schema_run(Worker *w, Error *err)
{
	const Job *job = worker_job(w);
	char encoding[64];
	PgSession *source = copy_source_open(job, encoding, sizeof(encoding), err);
	PgSession *target = source == NULL ? NULL : copy_target_open(job, encoding, err);
	PhaseResult result = target == NULL ? failed(err) : run_steps(w, source, target, encoding, err);

	pg_session_close(source);
	pg_session_close(target);
	return result;
}
