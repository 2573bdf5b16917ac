/*
 * worker_call.h
 *		Blocking functions in a child of the worker, beside its event loop.
 */
#ifndef DTS_WORKER_CALL_H
#define DTS_WORKER_CALL_H

#include <jansson.h>

#include "error.h"
#include "job.h"
#include "worker.h"

typedef bool (*WorkerFunction)(const Job *job, void *arg, json_t *result, Error *err);
typedef enum WorkerCallEnd
{
	CALL_OK,
	CALL_FAILED, /* err is filled */
	CALL_LEFT,   /* an order came first; the child has been ended */
} WorkerCallEnd;

typedef struct WorkerCall WorkerCall;

/*
 * Starts the function in a child.  There worker_wait() knows no orders, and events go to the log
 * alone.  NULL: err.
 */
WorkerCall *worker_call_start(Worker *w, WorkerFunction function, void *arg, Error *err) must_check;

/* What to poll for reading. */
int worker_call_fd(const WorkerCall *call);

/*
 * Reads what there is.  True: the function has ended, and the call is freed; *result (NULL unless
 * CALL_OK) is the caller's.
 */
bool worker_call_step(WorkerCall *call, WorkerCallEnd *end, json_t **result, Error *err);

/* Ends the child and frees the call; NULL is allowed. */
void worker_call_cancel(WorkerCall *call);

#endif /* DTS_WORKER_CALL_H */
