/*
 * copy_watch.h
 *		Lets parts of a load give way to whoever waits for their tables on the source.
 */
#ifndef DTS_COPY_WATCH_H
#define DTS_COPY_WATCH_H

#include "job.h"

/*
 * The life of a process beside the copy workers: about once a second it looks who on the source
 * waits for a lock of the job's sessions, and cancels what these are doing, or ends them.  A copy
 * worker takes that as a wish to come back later.  Ends with its parent.
 */
void copy_watch_main(const Job *job) __attribute__((noreturn));

#endif /* DTS_COPY_WATCH_H */
