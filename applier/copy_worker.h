/*
 * copy_worker.h
 *		A process that does tasks of the queue until none is left.
 */
#ifndef DTS_COPY_WORKER_H
#define DTS_COPY_WORKER_H

#include "copy_queue.h"
#include "error.h"
#include "job.h"

/* What a copy worker tells the process that started it, through a pipe of its own. */
typedef enum CopyMessageKind
{
	COPY_HELLO,    /* backend pids */
	COPY_PROGRESS, /* of the task in hand: so far */
	COPY_DONE,     /* the task is committed */
	COPY_NOTE,     /* text: something an operator should know */
	COPY_FAILED,   /* error: the worker ends */
} CopyMessageKind;

typedef struct CopyMessage
{
	CopyMessageKind kind;
	int source_pid; /* HELLO; 0: not connected */
	int target_pid;
	CopyStage stage; /* the others: of the task in hand */
	uint32_t table_oid;
	int64_t rows;
	int64_t bytes;
	bool snapshot_lost; /* FAILED */
	Error error;        /* FAILED; NOTE: message only */
} CopyMessage;

typedef struct CopyWorkerOptions
{
	const Job *job;
	const char *encoding; /* of the source */
	const char *snapshot; /* "" when no data are to be copied */
	CopyStage last;       /* stages beyond it are left alone */
	int workers;          /* that share the target's memory */
	int pipe;             /* to the parent */
} CopyWorkerOptions;

/* Returns the exit status of the process.  Does not return before the work is done or failed. */
int copy_worker_main(const CopyWorkerOptions *options);

#endif /* DTS_COPY_WORKER_H */
