/*
 * worker_main.h
 *		How the supervisor starts a worker.
 */
#ifndef DTS_WORKER_MAIN_H
#define DTS_WORKER_MAIN_H

#include <stdint.h>

#include "settings.h"

#define WORKER_EXIT_OK      0
#define WORKER_EXIT_TROUBLE 1 /* try again later, not at once */

/*
 * The whole life of a worker process.  Signals are blocked already and stay so; SIGHUP
 * reads the settings again.  Returns the exit
 * status.
 */
int
worker_main(const SettingsSource *source, const Settings *settings, int64_t job_id, int64_t epoch);

#endif /* DTS_WORKER_MAIN_H */
