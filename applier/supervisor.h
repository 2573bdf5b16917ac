/*
 * supervisor.h
 *		The daemon's first process: claims jobs and keeps one worker process for each, and the
 *		processes of watch.h.
 */
#ifndef DTS_SUPERVISOR_H
#define DTS_SUPERVISOR_H

#include "worker_main.h"

typedef struct SupervisorConfig
{
	WorkerConfig worker;
	int max_jobs;
	const char *alert_ca; /* NULL: the system's certificates */
} SupervisorConfig;

/* Runs until told to end.  Returns the daemon's exit status. */
int supervisor_run(const SupervisorConfig *config);

#endif /* DTS_SUPERVISOR_H */
