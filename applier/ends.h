/*
 * ends.h
 *		Taking both ends of a job over, for its start and for every going on.
 */
#ifndef DTS_ENDS_H
#define DTS_ENDS_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"
#include "job.h"

/* Bookkeeping on the target, made where missing, and its epoch raised to ours. */
bool ends_prepare(const Job *job, void *arg, json_t *result, Error *err) must_check;

/*
 * The epoch raised to ours on a target that knows the job (else ERR_LOST), the source reached, and
 * the slot's walsender of an earlier owner ended.  Both block: they run in a child.
 */
bool ends_take_over(const Job *job, void *arg, json_t *result, Error *err) must_check;

#endif /* DTS_ENDS_H */
