/*
 * worker_main.h
 *		How the supervisor starts a worker.
 */
#ifndef DTS_WORKER_MAIN_H
#define DTS_WORKER_MAIN_H

#include <stdint.h>

typedef struct WorkerConfig
{
	const char *control;      /* connection string; secret */
	const char *control_file; /* reread on SIGHUP; or NULL */
	int lease_seconds;
} WorkerConfig;

#define WORKER_EXIT_OK      0
#define WORKER_EXIT_TROUBLE 1 /* try again later, not at once */

/*
 * The whole life of a worker process.  Signals are blocked already and stay so.  Returns the exit
 * status.
 */
int worker_main(const WorkerConfig *config, int64_t job_id, int64_t epoch);

#endif /* DTS_WORKER_MAIN_H */
