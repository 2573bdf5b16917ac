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

#define TAKE_BATCH_MAX 256

/* The indexes of a table this large are not left for later. */
#define TAKE_LARGE_BYTES (32 * 1024 * 1024)

/* Tasks of one transaction, in the order in which they are to be done. */
typedef struct CopyBatch
{
	CopyTask tasks[TAKE_BATCH_MAX];
	int64_t rows[TAKE_BATCH_MAX];
	int64_t bytes[TAKE_BATCH_MAX];
	int count;
} CopyBatch;

/*
 * How far a worker has come, so that it need not pass over what is done each time; {0} at first.
 * What lies before it and has become free again is found when there is nothing else.
 */
typedef struct CopyTakeFrom
{
	CopyStage stage;
	int64_t part_id; /* of the stage DATA; those up to it are done, in hand or held back */
	bool small;      /* the last ones were small tables */
} CopyTakeFrom;

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
                        CopyTakeFrom *from, Arena *arena, CopyBatch *batch, Error *err) must_check;

/* Marks what the batch holds as done, with its rows and bytes. */
bool
copy_take_mark(PgSession *target, const Job *job, const CopyBatch *batch, Error *err) must_check;

/*
 * The table is no longer what the snapshot shows: nobody takes its parts any more, and the load
 * needs a new snapshot for it.  Inside the caller's transaction.
 */
bool
copy_take_set_aside(PgSession *target, const Job *job, uint32_t table_oid, Error *err) must_check;

#endif /* DTS_COPY_TAKE_H */
