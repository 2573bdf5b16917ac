/*
 * copy_large.h
 *		Large objects, with owners, privileges and comments, as the load's snapshot shows them.
 *
 * Changes to them are not decoded, so what happens to them later does not follow; the precheck says
 * so.
 */
#ifndef DTS_COPY_LARGE_H
#define DTS_COPY_LARGE_H

#include <stdbool.h>
#include <stdint.h>

#include "copy_index.h"
#include "copy_pace.h"
#include "copy_roles.h"
#include "error.h"
#include "job.h"
#include "pg_session.h"

/* Adds the tasks that copy them, for a job that takes the whole database.  Under the snapshot. */
bool copy_large_plan(CopyTasks *tasks, PgSession *source, PgSession *target, const Job *job,
                     Error *err) must_check;

/* Copies those of one task.  Both transactions are the caller's, the source's on the snapshot. */
bool copy_large_run(const CopyTask *task, const Job *job, PgSession *source, PgSession *target,
                    CopyPace *pace, int64_t *rows, int64_t *bytes, Error *err) must_check;

#endif /* DTS_COPY_LARGE_H */
