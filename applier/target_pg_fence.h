/*
 * target_pg_fence.h
 *		Who may write to the target for a job, and the bookkeeping that lies there.
 *
 * Every writing transaction of a job locks its row of dts.target_fence FOR SHARE and compares the
 *epoch.  Taking over means: end the sessions of whoever was there, raise the epoch (which waits for
 *transactions that still hold the row), and end again what came in between.  From then on nothing
 *of the old owner can commit, not even a worker that was stopped just before its COMMIT.
 */
#ifndef DTS_TARGET_PG_FENCE_H
#define DTS_TARGET_PG_FENCE_H

#include <stdbool.h>

#include "error.h"
#include "job.h"
#include "pg_session.h"

/* Creates schema and tables where missing, and the job's rows.  One transaction. */
bool target_fence_setup(PgSession *target, const Job *job, Error *err) must_check;

/*
 * Creates what the bookkeeping lacks: runs the commands unless the query, one boolean, says that everything is there.
 * No other job of this database sets up or removes meanwhile.
 */
bool target_fence_create(PgSession *target, const char *there, const char *commands,
                         Error *err) must_check;

/*
 * Makes the job's epoch the one in force.  ERR_FENCED: a higher one is; ERR_LOST: the target holds
 * no bookkeeping of this job.
 */
bool target_fence_acquire(PgSession *target, const Job *job, Error *err) must_check;

/* Whether the target has bookkeeping of this job at all. */
bool target_fence_exists(PgSession *target, const Job *job, bool *exists, Error *err) must_check;

/*
 * Removes the job's rows and origin and, when no other job is left, the tables, the functions and
 * the schema, as far as they are ours.  Nothing there is fine.
 */
bool target_fence_remove(PgSession *target, const Job *job, Error *err) must_check;

/* Ends all other sessions of the job on this server and waits until they are gone. */
bool fence_end_sessions(PgSession *session, const Job *job, Error *err) must_check;

#endif /* DTS_TARGET_PG_FENCE_H */
