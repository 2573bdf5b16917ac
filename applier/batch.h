/*
 * batch.h
 *		When a target transaction begins and ends: the decisions only, no I/O.
 *
 * A batch is a run of whole source transactions that share one target transaction.  It opens with
 * the first change, and closes behind a source transaction when it has grown to the limits, when
 * the source has nothing more to give, or at a barrier.  A source transaction larger than the
 * limits is simply the last of its batch.
 */
#ifndef DTS_BATCH_H
#define DTS_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "change.h"
#include "error.h"

/* Where the flow of changes into batches has to halt. */
typedef enum BatchBarrier
{
	BARRIER_NONE,
	BARRIER_RELATION, /* a relation's description changed: what was sent must be answered first */
	BARRIER_TABLE,    /* a table joins the stream: its mark commits with a batch of its own */
	BARRIER_DDL,      /* a command runs by itself: the batch closes before and behind it */
} BatchBarrier;

typedef struct BatchLimits
{
	int64_t rows;
	int64_t bytes;
} BatchLimits;

typedef struct Batch
{
	BatchLimits limits;
	SourceLsn stored; /* transactions that end at or before it are on the target already */

	/* the batch */
	bool open; /* the target transaction has begun */
	bool due;  /* it is to be committed before anything else */
	int64_t rows;
	int64_t bytes;
	int64_t transactions;
	SourceLsn end; /* after its last whole transaction */
	int64_t commit_time;

	/* the source transaction being received */
	bool in_transaction;
	bool skipping;
	int64_t transaction_rows;
	SourceLsn last_end;
	TxnHeader header;

	/* nothing to apply before this position, though no batch carries it */
	SourceLsn idle;
} Batch;

void batch_init(Batch *batch, const BatchLimits *limits, SourceLsn stored);

/* The source's events. False: the source broke its contract (ERR_PROTOCOL). */
bool batch_begin(Batch *batch, const TxnHeader *header, Error *err) must_check;
bool batch_change(Batch *batch, const Change *change, size_t bytes, Error *err) must_check;
bool batch_end(Batch *batch, const TxnHeader *header, Error *err) must_check;
bool batch_keepalive(Batch *batch, SourceLsn wal_end, Error *err) must_check;

/* The source is idle: what is whole is due. */
void batch_idle(Batch *batch);

/* Whether this change goes to the target: row changes and truncates of transactions not skipped. */
bool batch_takes(const Batch *batch, const Change *change);

/* The target transaction was opened, or its commit was handed over. */
void batch_opened(Batch *batch);
void batch_closed(Batch *batch);

/* What must happen before this barrier may be passed. */
bool barrier_closes_batch(BatchBarrier barrier);
bool barrier_waits_for_answers(BatchBarrier barrier);

#endif /* DTS_BATCH_H */
