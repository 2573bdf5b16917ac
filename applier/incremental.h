/*
 * incremental.h
 *		The phase "incremental": applies the source's stream until the job is to pause or stop.
 */
#ifndef DTS_INCREMENTAL_H
#define DTS_INCREMENTAL_H

#include "error.h"
#include "worker.h"

/* Starts at the position stored on the target; never completes by itself. */
PhaseResult incremental_run(Worker *w, Error *err);

/* How the phase ends after this error. */
PhaseResult incremental_classify(const Error *err, bool from_source);

#endif /* DTS_INCREMENTAL_H */
