/*
 * copy_keeper.h
 *		The keeper: a process that holds the exported snapshot of a load, and outlives the daemon.
 */
#ifndef DTS_COPY_KEEPER_H
#define DTS_COPY_KEEPER_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "pg_session.h"
#include "worker.h"

#define SNAPSHOT_NAME_MAX 128

/*
 * Makes what the job's phases need: slot and snapshot (incremental among them), a snapshot alone
 * (full without incremental), or nothing.  A living snapshot of the job's is used again.  When it
 * was lost, the slot stays, and so do the tables that are whole; the others are to be copied under
 * the new snapshot, which gives them a start point of their own.  (A load without a stream has
 * nothing to bring tables of two snapshots together, and starts again.)
 * False: *result says what the phase should return.
 */
bool copy_keeper_create(Worker *w, PhaseResult *result, Error *err) must_check;

/*
 * A snapshot for tables that are loaded beside the stream, which must be looking at them already.
 * Stores it in dts.target_progress, with what it sees and the LSN from where on it sees nothing.
 */
bool copy_keeper_later(Worker *w, PgSession *target, PhaseResult *result, Error *err) must_check;

/* Name of the job's snapshot, if it can still be used. */
bool copy_keeper_snapshot(Worker *w, char *snapshot, size_t size);

/* Ends the keeper, wherever it runs.  The slot stays. */
void copy_keeper_release(Worker *w);

#endif /* DTS_COPY_KEEPER_H */
