/*
 * copy_worker.c
 *		The loop of one copy worker: take a task, do it, mark it, commit; see copy_worker.h.
 *
 * The target's transaction holds a task's rows and its mark, so a worker can be killed at any
 * instant: what it had in hand is free again once the server has noticed.  Commits are asynchronous
 * (a lost one loses rows and mark together); the phase makes everything durable with its own.
 * The transfer itself is in copy_part.c.
 */
#include "copy_worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "copy_catalog.h"
#include "copy_large.h"
#include "copy_part.h"
#include "fault.h"
#include "pg_session.h"
#include "strbuf.h"

#define BUSY_SLEEP_US     20000
#define DEADLOCK_ATTEMPTS 20

typedef struct CopyWorker
{
	const CopyWorkerOptions *options;
	PgSession *source; /* opened when first needed */
	PgSession *target;
	Arena *arena;   /* of the task in hand */
	CopyTask task;  /* in hand */
	uint32_t table; /* worked on last: its indexes come first */
	int64_t rows;   /* of the task in hand */
	int64_t bytes;
	bool snapshot_lost;
} CopyWorker;

static void
tell(CopyWorker *cw, CopyMessage *message)
{
	const char *at = (const char *) message;
	size_t left = sizeof(*message);

	message->stage = cw->task.stage;
	message->table_oid = cw->task.table_oid;
	message->rows = cw->rows;
	message->bytes = cw->bytes;
	while (left > 0)
	{
		ssize_t sent = write(cw->options->pipe, at, left);

		if (sent <= 0)
			_exit(1); /* the parent is gone, and with it the reason to go on */
		at += sent;
		left -= (size_t) sent;
	}
}

static void
tell_hello(CopyWorker *cw)
{
	CopyMessage message = {.kind = COPY_HELLO};

	message.source_pid = cw->source ? pg_session_backend_pid(cw->source) : 0;
	message.target_pid = pg_session_backend_pid(cw->target);
	tell(cw, &message);
}

static void
tell_progress(void *arg, int64_t rows, int64_t bytes)
{
	CopyWorker *cw = arg;
	CopyMessage message = {.kind = COPY_PROGRESS};

	cw->rows = rows;
	cw->bytes = bytes;
	tell(cw, &message);
}

/*
 * A share of the memory for building indexes: what the server allows one session, or, when its
 * buffers show that it is larger than that, those divided among us.
 */
static bool
share_memory(CopyWorker *cw, Error *err)
{
	char workers[16];
	const char *params[] = {workers};

	snprintf(workers, sizeof(workers), "%d", cw->options->workers);
	return pg_session_exec(
	    cw->target, err,
	    "SELECT pg_catalog.set_config('maintenance_work_mem', least(2097151, greatest("
	    "(SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'maintenance_work_mem'), "
	    "(SELECT setting::bigint * 8 FROM pg_catalog.pg_settings WHERE name = 'shared_buffers') "
	    "/ $1::bigint))::text || 'kB', false)",
	    1, params);
}

static bool
open_target(CopyWorker *cw, Error *err)
{
	cw->target = copy_target_open(cw->options->job, cw->options->encoding, err);
	if (cw->target == NULL)
		return false;
	if (!pg_session_set_replica(cw->target, err) ||
	    !pg_session_exec(cw->target, err, "SET synchronous_commit = off", 0, NULL) ||
	    !share_memory(cw, err))
		return false;
	tell_hello(cw);
	return true;
}

static bool
open_source(CopyWorker *cw, Error *err)
{
	char encoding[64];

	if (cw->source != NULL)
		return true;
	cw->source = copy_source_open(cw->options->job, encoding, sizeof(encoding), err);
	if (cw->source == NULL)
	{
		error_context(err, "connecting to the source");
		return false;
	}
	tell_hello(cw);
	return true;
}

/*
 * Runs one statement in a savepoint; *skipped, with the reason in err, when it names a role that the
 * target lacks, or asks for more than our role may.
 */
static bool
run_or_skip(CopyWorker *cw, const char *sql, bool *skipped, Error *err)
{
	Error failure;

	*skipped = false;
	if (!pg_session_exec(cw->target, err, "SAVEPOINT dts_grant", 0, NULL))
		return false;
	if (pg_session_exec(cw->target, err, sql, 0, NULL))
		return pg_session_exec(cw->target, err, "RELEASE dts_grant", 0, NULL);
	/* 42704: GRANT to an unknown role; 22023: SET SESSION AUTHORIZATION to one */
	if (strcmp(err->sqlstate, "42704") != 0 && strcmp(err->sqlstate, "22023") != 0 &&
	    strcmp(err->sqlstate, "42501") != 0)
		return false;
	*skipped = true;
	return pg_session_exec(cw->target, &failure, "ROLLBACK TO dts_grant", 0, NULL);
}

/*
 * Privileges and the like statement by statement: a semicolon outside quotes ends one; a quote
 * within quotes is doubled.  After a SET SESSION AUTHORIZATION that is skipped, so is
 * everything until the session's own role is back.
 */
static bool
run_grants(CopyWorker *cw, Error *err)
{
	static const char reset[] = "RESET SESSION AUTHORIZATION";
	char *sql = arena_strdup(cw->arena, cw->task.target_sql);
	char *start = sql;
	char quote = '\0';
	bool muted = false;

	for (char *at = sql; *at != '\0'; at++)
	{
		bool skipped = false;

		if (quote == '\0' && (*at == '"' || *at == '\''))
			quote = *at;
		else if (*at == quote)
			quote = '\0';
		if (*at != ';' || quote != '\0')
			continue;
		*at = '\0';
		start += strspn(start, " \r\n\t");
		if (strncmp(start, reset, sizeof(reset) - 1) == 0)
			muted = false;
		if (!muted && !run_or_skip(cw, start, &skipped, err))
			return false;
		if (skipped || muted)
		{
			CopyMessage note = {.kind = COPY_NOTE};

			error_set(&note.error, "01000", "left out (%.200s): %.600s", err->message, start);
			tell(cw, &note);
			muted = muted || strncmp(start, "SET SESSION AUTHORIZATION", 25) == 0;
		}
		start = at + 1;
	}
	return true;
}

/* TRUNCATE refuses a table that foreign keys point to; then its rows are deleted. */
static bool
run_empty(CopyWorker *cw, Error *err)
{
	StrBuf sql;
	bool ok;

	if (!pg_session_exec(cw->target, err, "SAVEPOINT dts_empty", 0, NULL))
		return false;
	strbuf_init(&sql);
	strbuf_puts(&sql, "TRUNCATE ONLY ");
	strbuf_qualified(&sql, cw->task.schema, cw->task.table);
	ok = pg_session_exec(cw->target, err, sql.data, 0, NULL);
	if (!ok && strcmp(err->sqlstate, "0A000") == 0)
	{
		strbuf_reset(&sql);
		strbuf_puts(&sql, "DELETE FROM ONLY ");
		strbuf_qualified(&sql, cw->task.schema, cw->task.table);
		ok = pg_session_exec(cw->target, err, "ROLLBACK TO dts_empty", 0, NULL) &&
		     pg_session_exec(cw->target, err, sql.data, 0, NULL);
	}
	strbuf_free(&sql);
	return ok;
}

static bool
run_task(CopyWorker *cw, Error *err)
{
	const CopyTask *task = &cw->task;
	const CopyPart part = {.task = task,
	                       .merge = task->kind == TASK_MERGE,
	                       .snapshot = cw->options->snapshot,
	                       .progress = tell_progress,
	                       .arg = cw};

	switch (task->kind)
	{
		case TASK_SQL:
			return pg_session_exec(cw->target, err, task->target_sql, 0, NULL);
		case TASK_GRANTS:
			return run_grants(cw, err);
		case TASK_EMPTY:
			return run_empty(cw, err);
		case TASK_PART:
		case TASK_MERGE:
			return open_source(cw, err) && copy_part_run(&part, cw->source, cw->target, &cw->rows,
			                                             &cw->bytes, &cw->snapshot_lost, err);
		case TASK_LARGE:
			return open_source(cw, err) &&
			       copy_large_run(task, cw->options->job, cw->source, cw->target,
			                      cw->options->snapshot, &cw->rows, &cw->bytes, &cw->snapshot_lost,
			                      err) &&
			       run_grants(cw, err);
		case TASK_SEQUENCES:
			return open_source(cw, err) && copy_sequences_run(cw->options->job, task->source_sql,
			                                                  cw->source, cw->target, err);
		case TASK_COUNT:
			break;
	}
	error_set(err, ERR_INTERNAL, "task of no kind");
	return false;
}

static const char *
doing(CopyStage stage)
{
	switch (stage)
	{
		case STAGE_PRE_DATA:
			return "creating objects";
		case STAGE_PRIVILEGES:
			return "granting privileges";
		case STAGE_EMPTY:
			return "emptying table";
		case STAGE_DATA:
			return "copying table";
		case STAGE_INDEX:
		case STAGE_ATTACH:
			return "building index";
		case STAGE_FOREIGN_KEY:
			return "adding foreign key";
		case STAGE_POST_DATA:
			return "creating what follows the data";
		case STAGE_REFRESH:
			return "setting sequences, refreshing views";
		case STAGE_ANALYZE:
			return "analyzing table";
		case STAGE_COUNT:
			break;
	}
	return "";
}

/* One turn: TAKE_TASK when a task was done, and committed. */
static CopyTake
turn(CopyWorker *cw, Error *err)
{
	const CopyWorkerOptions *o = cw->options;
	CopyMessage done = {.kind = COPY_DONE};
	CopyTake take;

	cw->rows = cw->bytes = 0;
	if (!copy_queue_begin(cw->target, o->job, err))
		return TAKE_FAILED;
	take = copy_queue_take(cw->target, o->job, o->last, cw->table, cw->arena, &cw->task, err);
	if (take != TAKE_TASK)
	{
		copy_queue_rollback(cw->target);
		return take;
	}
	if (!run_task(cw, err) ||
	    !copy_queue_done(cw->target, o->job, cw->task.id, cw->rows, cw->bytes, err))
	{
		if (cw->task.table[0] != '\0')
			error_context(err, "%s \"%s\".\"%s\"", doing(cw->task.stage), cw->task.schema,
			              cw->task.table);
		else
			error_context(err, "%s", doing(cw->task.stage));
		copy_queue_rollback(cw->target);
		return TAKE_FAILED;
	}
	if (cw->task.stage == STAGE_DATA)
		FAULT_POINT("part.before_commit");
	if (!copy_queue_commit(cw->target, err))
		return TAKE_FAILED;
	if (cw->task.stage == STAGE_DATA)
		FAULT_POINT("part.after_commit");
	cw->table = cw->task.table_oid;
	tell(cw, &done);
	return TAKE_TASK;
}

int
copy_worker_main(const CopyWorkerOptions *options)
{
	CopyWorker cw = {.options = options};
	CopyMessage failed = {.kind = COPY_FAILED};
	int deadlocks = 0;
	bool ok;

	cw.arena = arena_create(64 * 1024);
	ok = open_target(&cw, &failed.error);
	if (!ok)
		error_context(&failed.error, "connecting to the target");
	while (ok)
	{
		CopyTake take = turn(&cw, &failed.error);

		if (take == TAKE_NONE)
			break;
		if (take == TAKE_BUSY)
			usleep(BUSY_SLEEP_US);
		else if (take == TAKE_FAILED && strcmp(failed.error.sqlstate, "40P01") == 0 &&
		         ++deadlocks < DEADLOCK_ATTEMPTS)
			usleep(
			    (useconds_t) (BUSY_SLEEP_US * (1 + getpid() % 7))); /* two foreign keys crossed */
		else if (take == TAKE_FAILED)
			ok = false;
		else
			deadlocks = 0;
		if (!ok)
			break; /* the message below tells of the task in hand */
		arena_reset(cw.arena);
		memset(&cw.task, 0, sizeof(cw.task));
	}
	if (!ok)
	{
		failed.snapshot_lost = cw.snapshot_lost;
		tell(&cw, &failed);
	}
	pg_session_close(cw.source);
	pg_session_close(cw.target);
	arena_destroy(cw.arena);
	return ok ? 0 : 1;
}
