/*
 * cleanup.h
 *		Removing everything of a job from both ends.
 */
#ifndef DTS_CLEANUP_H
#define DTS_CLEANUP_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"
#include "job.h"

/*
 * Ends the job's sessions on both ends, drops its slot on the source and its bookkeeping and origin
 * on the target.  Each end is tried whatever the other does, so that as little as possible is left.
 * False: an end could not be cleaned.  result receives "left": an array of {side, object, remedy,
 * reason}, empty when all is gone.  Blocks, so it runs in a child.
 */
bool cleanup_run(const Job *job, void *arg, json_t *result, Error *err) must_check;

#endif /* DTS_CLEANUP_H */
