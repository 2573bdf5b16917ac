/*
 * copy_worker.c
 *		The loop of one copy worker: take tasks, do them, mark them, commit; see copy_worker.h.
 *
 * The target's transaction holds a task's rows and its mark, so a worker can be killed at any
 * instant: what it had in hand is free again once the server has noticed.  Commits are asynchronous
 * (a lost one loses rows and mark together); the phase makes everything durable with its own.
 * What to take is copy_take.c's business, how to do it copy_task.c's.
 *
 * Trouble with one table on the source is not trouble with the load: a table that changed is set
 * aside, one that somebody else wants or has is left alone for a while, and the worker goes on with
 * others.
 */
#include "copy_worker.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "copy_catalog.h"
#include "copy_take.h"
#include "copy_task.h"
#include "fault.h"
#include "pg_session.h"
#include "strbuf.h"

#define IDLE_MIN_MS       20
#define IDLE_MAX_MS       1000
#define DEADLOCK_ATTEMPTS 20
#define AVOID_MAX         32
#define AVOID_MIN_MS      1000
#define AVOID_MAX_MS      15000

/* A table on the source that is somebody else's for the time being. */
typedef struct Avoided
{
	uint32_t oid; /* 0: free */
	int64_t until_ms;
	int pause_ms; /* the last one, from which the next grows */
} Avoided;

typedef struct CopyWorker
{
	const CopyWorkerOptions *options;
	PgSession *source; /* opened when first needed */
	bool source_begun; /* stands in a transaction on the snapshot */
	PgSession *target;
	Arena *arena;     /* of the batch in hand */
	CopyBatch *batch; /* in hand */
	CopyTakeFrom from;
	const CopyTask *task; /* of it; NULL: none */
	int64_t rows;         /* of the task in hand */
	int64_t bytes;
	CopyPace pace;
	CopyPartEnd end; /* how the last task failed */
	Avoided avoided[AVOID_MAX];
	int idle_ms; /* how long it last waited for others */
	bool deaf;   /* to what the target says during a COPY: notices, changed settings */
} CopyWorker;

size_t
copy_message_size(CopyMessageKind kind)
{
	switch (kind)
	{
		case COPY_HELLO:
		case COPY_PROGRESS:
		case COPY_DONE:
		case COPY_GAVE_WAY:
			return offsetof(CopyMessage, error);
		case COPY_NOTE:
		case COPY_CHANGED:
		case COPY_FAILED:
			break;
	}
	return sizeof(CopyMessage);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
tell(CopyWorker *cw, CopyMessage *message)
{
	const char *at = (const char *) message;
	size_t left = copy_message_size(message->kind);

	message->stage = cw->task != NULL ? cw->task->stage : STAGE_COUNT;
	message->table_oid = cw->task != NULL ? cw->task->table_oid : 0;
	message->task = cw->task != NULL ? cw->task->id : 0;
	message->rows = cw->rows;
	message->bytes = cw->bytes;
	while (left > 0)
	{
		ssize_t sent = write(cw->options->pipe, at, left);

		if (sent < 0 && errno == EINTR)
			continue;
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

static void
before_query(void *arg)
{
	copy_pace_query(arg);
}

static bool
open_source(CopyWorker *cw, Error *err)
{
	char encoding[64];

	if (cw->source != NULL)
		return true;
	cw->source_begun = false;
	cw->source = copy_source_open(cw->options->job, encoding, sizeof(encoding), err);
	if (cw->source == NULL)
	{
		error_context(err, "connecting to the source");
		return false;
	}
	pg_session_set_gate(cw->source, before_query, &cw->pace);
	/* whoever has a table locked may have it for hours: others are copied meanwhile */
	if (!pg_session_exec(cw->source, err, "SET lock_timeout = '1s'", 0, NULL))
		return false;
	tell_hello(cw);
	return true;
}

/* The session for a task; sequences (end NULL) are read outside of the snapshot. */
static PgSession *
source_for(void *arg, CopyPartEnd *end, Error *err)
{
	CopyWorker *cw = arg;

	if (!open_source(cw, err))
		return NULL;
	if (end != NULL && !cw->source_begun)
	{
		if (!copy_part_begin(cw->source, cw->options->snapshot, end, err))
			return NULL;
		cw->source_begun = true;
	}
	return cw->source;
}

static void
end_source(CopyWorker *cw)
{
	if (cw->source == NULL || !cw->source_begun)
		return;
	cw->source_begun = false;
	if (copy_part_end(cw->source))
		return;
	pg_session_close(cw->source);
	cw->source = NULL;
}

static void
tell_note(void *arg, const char *text)
{
	CopyMessage note = {.kind = COPY_NOTE};

	error_set(&note.error, "01000", "%s", text);
	tell(arg, &note);
}

/*
 * Tables on the source that are left alone.
 */
static void
avoid_table(CopyWorker *cw, uint32_t oid)
{
	Avoided *slot = &cw->avoided[0];

	for (int i = 0; i < AVOID_MAX; i++)
	{
		Avoided *a = &cw->avoided[i];

		if (a->oid == oid)
		{
			slot = a;
			break;
		}
		if (a->until_ms < slot->until_ms)
			slot = a; /* the one that may be tried again first */
	}
	slot->pause_ms = slot->oid == oid ? slot->pause_ms * 2 : AVOID_MIN_MS;
	if (slot->pause_ms > AVOID_MAX_MS)
		slot->pause_ms = AVOID_MAX_MS;
	slot->oid = oid;
	slot->until_ms = now_ms() + slot->pause_ms;
}

static void
avoid_no_more(CopyWorker *cw, uint32_t oid)
{
	for (int i = 0; i < AVOID_MAX; i++)
	{
		if (cw->avoided[i].oid == oid)
			memset(&cw->avoided[i], 0, sizeof(cw->avoided[i]));
	}
}

/* Those whose time has not come, as a list for SQL.  Lowers *wait_ms to the first one's. */
static void
list_avoided(const CopyWorker *cw, StrBuf *list, int *wait_ms)
{
	int64_t now = now_ms();

	strbuf_reset(list);
	for (int i = 0; i < AVOID_MAX; i++)
	{
		const Avoided *a = &cw->avoided[i];

		if (a->oid == 0 || a->until_ms <= now)
			continue;
		strbuf_printf(list, "%s%" PRIu32, list->len > 0 ? "," : "", a->oid);
		if (a->until_ms - now < *wait_ms)
			*wait_ms = (int) (a->until_ms - now);
	}
}

/* Waits until the parent says that others have finished something, or for a while. */
static void
wait_for_others(CopyWorker *cw, int wait_ms)
{
	struct pollfd fd = {.fd = cw->options->pipe, .events = POLLIN};
	char bytes[64];

	cw->idle_ms = cw->idle_ms == 0 ? IDLE_MIN_MS : cw->idle_ms * 2;
	if (cw->idle_ms > IDLE_MAX_MS)
		cw->idle_ms = IDLE_MAX_MS;
	if (poll(&fd, 1, wait_ms < cw->idle_ms ? wait_ms : cw->idle_ms) > 0)
	{
		if (read(cw->options->pipe, bytes, sizeof(bytes)) <= 0)
			_exit(1); /* the parent is gone */
		cw->idle_ms = 0;
	}
}

static bool
run_batch(CopyWorker *cw, Error *err)
{
	CopyBatch *b = cw->batch;
	const CopyTaskRun run = {.job = cw->options->job,
	                         .target = cw->target,
	                         .arena = cw->arena,
	                         .pace = &cw->pace,
	                         .deaf = cw->deaf,
	                         .source = source_for,
	                         .progress = tell_progress,
	                         .note = tell_note,
	                         .arg = cw};

	for (int i = 0; i < b->count; i++)
	{
		cw->task = &b->tasks[i];
		cw->rows = cw->bytes = 0;
		if (cw->task->stage != STAGE_DATA)
			end_source(cw); /* its locks are not needed for what follows */
		if (!copy_task_run(&run, cw->task, &cw->rows, &cw->bytes, &cw->end, err))
		{
			if (cw->task->table[0] != '\0')
				error_context(err, "%s \"%s\".\"%s\"", copy_task_doing(cw->task->stage),
				              cw->task->schema, cw->task->table);
			else
				error_context(err, "%s", copy_task_doing(cw->task->stage));
			return false;
		}
		b->rows[i] = cw->rows;
		b->bytes[i] = cw->bytes;
	}
	return true;
}

/* Takes a batch and does it, up to the commit. */
static CopyTake
do_batch(CopyWorker *cw, const char *avoid, Error *err)
{
	const CopyWorkerOptions *o = cw->options;
	CopyTake take =
	    copy_take_next(cw->target, o->job, o->last, avoid, &cw->from, cw->arena, cw->batch, err);
	bool data;

	if (take != TAKE_TASK)
		return take;
	data = cw->batch->tasks[0].stage == STAGE_DATA;
	if (!run_batch(cw, err) || !copy_take_mark(cw->target, o->job, cw->batch, err))
		return TAKE_FAILED;
	end_source(cw);
	if (data)
		FAULT_POINT("part.before_commit");
	if (!copy_queue_commit(cw->target, err))
		return TAKE_FAILED;
	if (data)
		FAULT_POINT("part.after_commit");
	return TAKE_TASK;
}

/* In a transaction of its own: the failed one took the part's lock with it. */
static bool
set_aside(CopyWorker *cw, Error *err)
{
	FAULT_POINT("part.set_aside");
	if (!copy_queue_begin(cw->target, cw->options->job, err))
		return false;
	if (copy_take_set_aside(cw->target, cw->options->job, cw->task->table_oid, err) &&
	    copy_queue_commit(cw->target, err))
		return true;
	copy_queue_rollback(cw->target);
	return false;
}

/*
 * Objects made at once may want the same name for a moment: the array type of "t" that of a table
 * "_t".  Once the other is committed, the server chooses another one.
 */
static bool
names_met(const CopyWorker *cw, const Error *err)
{
	return cw->task != NULL && cw->task->kind == TASK_ABREAST &&
	       strcmp(err->sqlstate, "23505") == 0;
}

/* The batch failed.  True: the worker can go on with others. */
static bool
goes_on(CopyWorker *cw, int *deadlocks, Error *err)
{
	CopyMessage message = {.kind = COPY_GAVE_WAY};

	if (cw->task != NULL && (cw->end == PART_CHANGED || cw->end == PART_GAVE_WAY))
	{
		if (cw->end == PART_CHANGED)
		{
			message.kind = COPY_CHANGED;
			message.error = *err;
			error_clear(err);
			if (!set_aside(cw, err))
				return false;
		}
		else
			avoid_table(cw, cw->task->table_oid);
		/* a lock that is not to be had at once is nothing to tell about */
		if (cw->end == PART_CHANGED || strncmp(err->sqlstate, "57", 2) == 0)
			tell(cw, &message);
		error_clear(err);
		return true;
	}
	if (cw->end == PART_AGAIN)
	{
		cw->deaf = true;
		error_clear(err);
		return true;
	}
	if ((strcmp(err->sqlstate, "40P01") != 0 && !names_met(cw, err)) ||
	    ++*deadlocks >= DEADLOCK_ATTEMPTS)
		return false;
	usleep((useconds_t) (20000 * (1 + getpid() % 7))); /* two foreign keys crossed */
	return true;
}

/* One turn: TAKE_TASK when a batch was done, and committed. */
static CopyTake
turn(CopyWorker *cw, Error *err)
{
	CopyMessage done = {.kind = COPY_DONE};
	int wait_ms = IDLE_MAX_MS;
	StrBuf avoid;
	CopyTake take;

	strbuf_init(&avoid);
	list_avoided(cw, &avoid, &wait_ms);
	cw->task = NULL;
	error_clear(err); /* what an earlier task got over must not be taken for this one's */
	cw->end = PART_FAILED;
	take = copy_queue_begin(cw->target, cw->options->job, err) ? do_batch(cw, avoid.data, err)
	                                                           : TAKE_FAILED;
	strbuf_free(&avoid);
	if (take != TAKE_TASK)
	{
		end_source(cw);
		copy_queue_rollback(cw->target);
		if (take == TAKE_BUSY)
			wait_for_others(cw, wait_ms);
		return take;
	}
	cw->idle_ms = 0;
	for (int i = 0; i < cw->batch->count; i++)
	{
		cw->task = &cw->batch->tasks[i];
		cw->rows = cw->batch->rows[i];
		cw->bytes = cw->batch->bytes[i];
		if (cw->task->stage == STAGE_DATA)
			avoid_no_more(cw, cw->task->table_oid);
		tell(cw, &done);
	}
	return take;
}

int
copy_worker_main(const CopyWorkerOptions *options)
{
	CopyWorker cw = {.options = options};
	CopyMessage failed = {.kind = COPY_FAILED};
	int deadlocks = 0;
	bool ok;

	cw.arena = arena_create(64 * 1024);
	cw.batch = xcalloc(1, sizeof(*cw.batch));
	copy_pace_init(&cw.pace, options->throttle);
	ok = open_target(&cw, &failed.error);
	if (!ok)
		error_context(&failed.error, "connecting to the target");
	while (ok)
	{
		CopyTake take = turn(&cw, &failed.error);

		if (take == TAKE_NONE)
			break;
		if (take == TAKE_FAILED)
			ok = goes_on(&cw, &deadlocks, &failed.error);
		else if (take == TAKE_TASK)
			deadlocks = 0;
		if (ok) /* else the message below tells of the task in hand */
			arena_reset(cw.arena);
	}
	if (!ok)
	{
		failed.snapshot_lost = cw.end == PART_SNAPSHOT_LOST;
		tell(&cw, &failed);
	}
	pg_session_close(cw.source);
	pg_session_close(cw.target);
	free(cw.batch);
	arena_destroy(cw.arena);
	return ok ? 0 : 1;
}
