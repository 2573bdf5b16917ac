/*
 * copy_take.h
 *		Which tasks of a load's queue a copy worker does next: chosen, locked and marked in its
 *		transaction on the target.
 *
 * What takes longest comes first: the parts of the largest tables, and the indexes of a large table
 * as soon as its rows are all there, before further rows of smaller ones.  Small tables come in
 * batches, each with its indexes and statistics in the one transaction.
 */
#ifndef DTS_COPY_TAKE_H
#define DTS_COPY_TAKE_H

#include "copy_queue.h"

#define TAKE_BATCH_MAX 96

/* A table this small shares its transaction with others. */
#define TAKE_SMALL_BYTES (1024 * 1024)

/* The indexes of a table this large are not left for later. */
#define TAKE_LARGE_BYTES (32 * 1024 * 1024)

typedef struct CopyBatch
{
	CopyTask tasks[TAKE_BATCH_MAX];
	int64_t rows[TAKE_BATCH_MAX];
	int64_t bytes[TAKE_BATCH_MAX];
	int count;
	int marked; /* of them are recorded as done, in this transaction */
} CopyBatch;

typedef enum CopyTake
{
	TAKE_FAILED, /* err */
	TAKE_TASK,
	TAKE_BUSY, /* what is left waits for others, or for tables in `avoid` */
	TAKE_NONE, /* nothing is left up to that stage, or nothing that can be done */
} CopyTake;

/*
 * Locks the next tasks up to `last` inside the caller's transaction.  avoid: OIDs of tables whose
 * rows must wait, as "1,2", or "".  The tasks' texts live in the arena.
 */
CopyTake copy_take_next(PgSession *target, const Job *job, CopyStage last, const char *avoid,
                        Arena *arena, CopyBatch *batch, Error *err) must_check;

/*
 * Marks what the batch holds, with its rows and bytes, and adds what it makes possible: indexes and
 * statistics of small tables that have become whole by it.
 */
bool copy_take_mark(PgSession *target, const Job *job, CopyStage last, Arena *arena,
                    CopyBatch *batch, Error *err) must_check;

/*
 * The table is no longer what the snapshot shows: nobody takes its parts any more, and the load
 * needs a new snapshot for it.  Inside the caller's transaction.
 */
bool
copy_take_set_aside(PgSession *target, const Job *job, uint32_t table_oid, Error *err) must_check;

#endif /* DTS_COPY_TAKE_H */
