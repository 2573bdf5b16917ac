/*
 * copy_keeper.h
 *		The keeper: a process that holds the exported snapshot of a load, and outlives the daemon.
 */
#ifndef DTS_COPY_KEEPER_H
#define DTS_COPY_KEEPER_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "worker.h"

#define SNAPSHOT_NAME_MAX 128

/*
 * Makes what the job's phases need: slot and snapshot (incremental among them), a snapshot alone
 * (full without incremental), or nothing.  A living snapshot of the job's is used again; when it
 * was lost, the slot is dropped and made anew and the data that were copied are loaded again.
 * False: *result says what the phase should return.
 */
bool copy_keeper_create(Worker *w, PhaseResult *result, Error *err) must_check;

/* Name of the job's snapshot, if it can still be used. */
bool copy_keeper_snapshot(Worker *w, char *snapshot, size_t size);

/* Ends the keeper, wherever it runs.  The slot stays. */
void copy_keeper_release(Worker *w);

#endif /* DTS_COPY_KEEPER_H */
