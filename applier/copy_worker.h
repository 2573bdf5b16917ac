/*
 * copy_worker.h
 *		A process that does tasks of the queue until none is left.
 */
#ifndef DTS_COPY_WORKER_H
#define DTS_COPY_WORKER_H

#include <stddef.h>

#include "copy_queue.h"
#include "error.h"
#include "job.h"
#include "throttle.h"

/* What a copy worker tells the process that started it, through a pipe of its own. */
typedef enum CopyMessageKind
{
	COPY_HELLO,    /* backend pids */
	COPY_PROGRESS, /* of the task in hand: so far */
	COPY_DONE,     /* the task is committed */
	COPY_NOTE,     /* text: something an operator should know */
	COPY_CHANGED,  /* error: the table in hand is not what the snapshot shows */
	COPY_GAVE_WAY, /* the part in hand was given up for somebody who waits on the source */
	COPY_FAILED,   /* error: the worker ends */
} CopyMessageKind;

typedef struct CopyMessage
{
	CopyMessageKind kind;
	int source_pid; /* HELLO; 0: not connected */
	int target_pid;
	CopyStage stage; /* the others: of the task in hand */
	uint32_t table_oid;
	int64_t task;
	int64_t rows;
	int64_t bytes;
	int worker;         /* which of the crew says it; filled in by the crew */
	bool snapshot_lost; /* FAILED */
	Error error;        /* FAILED, CHANGED; NOTE: message only */
} CopyMessage;

/* How much of a message travels through the pipe. */
size_t copy_message_size(CopyMessageKind kind);

typedef struct CopyWorkerOptions
{
	const Job *job;
	const char *encoding; /* of the source */
	const char *snapshot; /* "" when no data are to be copied */
	CopyStage last;       /* stages beyond it are left alone */
	int workers;          /* that share the target's memory */
	Throttle *throttle;   /* of the phase, shared by all */
	int pipe;             /* to the parent, and back: a byte when others have finished a task */
} CopyWorkerOptions;

/* Returns the exit status of the process.  Does not return before the work is done or failed. */
int copy_worker_main(const CopyWorkerOptions *options);

#endif /* DTS_COPY_WORKER_H */
