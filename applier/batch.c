/*
 * batch.c
 *		Batching decisions; see batch.h.  Knows neither target nor source, clock nor socket.
 */
#include "batch.h"

#include <string.h>

static const struct
{
	bool closes_batch;
	bool waits_for_answers;
} barriers[] = {
    [BARRIER_NONE] = {false, false},
    [BARRIER_RELATION] = {false, true},
    [BARRIER_TABLE] = {true, false},
    [BARRIER_DDL] = {true, true},
};

bool
barrier_closes_batch(BatchBarrier barrier)
{
	return barriers[barrier].closes_batch;
}

bool
barrier_waits_for_answers(BatchBarrier barrier)
{
	return barriers[barrier].waits_for_answers;
}

void
batch_init(Batch *batch, const BatchLimits *limits, SourceLsn stored)
{
	memset(batch, 0, sizeof(*batch));
	batch->limits = *limits;
	batch->stored = stored;
	batch->last_end = source_lsn(0);
	batch->idle = stored;
}

bool
batch_begin(Batch *batch, const TxnHeader *header, Error *err)
{
	if (batch->in_transaction)
	{
		error_set(err, ERR_PROTOCOL, "transaction %u begins inside transaction %u", header->xid,
		          batch->header.xid);
		return false;
	}
	if (header->end.value <= batch->last_end.value || header->end.value <= header->commit.value)
	{
		error_set(err, ERR_PROTOCOL,
		          "transaction %u, which ends at " LSN_FORMAT ", is out of commit order",
		          header->xid, LSN_ARGS(header->end));
		error_detail(err, "The transaction before it ended at " LSN_FORMAT ".",
		             LSN_ARGS(batch->last_end));
		return false;
	}
	batch->in_transaction = true;
	batch->header = *header;
	batch->transaction_rows = 0;
	batch->skipping = header->end.value <= batch->stored.value;
	return true;
}

bool
batch_takes(const Batch *batch, const Change *change)
{
	return batch->in_transaction && !batch->skipping && change->kind != CHANGE_MESSAGE;
}

bool
batch_change(Batch *batch, const Change *change, size_t bytes, Error *err)
{
	if (!batch->in_transaction)
	{
		error_set(err, ERR_PROTOCOL, "change outside of a transaction");
		return false;
	}
	if (!batch_takes(batch, change))
		return true;
	batch->rows++;
	batch->transaction_rows++;
	batch->bytes += (int64_t) bytes;
	return true;
}

bool
batch_end(Batch *batch, const TxnHeader *header, Error *err)
{
	if (!batch->in_transaction || header->xid != batch->header.xid ||
	    header->end.value != batch->header.end.value)
	{
		error_set(err, ERR_PROTOCOL, "commit of transaction %u does not match its begin",
		          header->xid);
		return false;
	}
	batch->in_transaction = false;
	batch->last_end = header->end;
	if (batch->skipping)
	{
		batch->skipping = false;
		return true;
	}
	if (!batch->open)
	{
		/* without any change for the target: its position goes along when there is time */
		batch->idle = source_lsn_max(batch->idle, header->end);
		return true;
	}
	batch->transactions++;
	batch->end = header->end;
	batch->commit_time = header->commit_time;
	if (batch->rows >= batch->limits.rows || batch->bytes >= batch->limits.bytes)
		batch->due = true;
	return true;
}

bool
batch_keepalive(Batch *batch, SourceLsn wal_end, Error *err)
{
	if (batch->in_transaction)
	{
		error_set(err, ERR_PROTOCOL, "keepalive inside of transaction %u", batch->header.xid);
		return false;
	}
	batch->idle = source_lsn_max(batch->idle, wal_end);
	return true;
}

void
batch_idle(Batch *batch)
{
	if (batch->open && !batch->in_transaction)
		batch->due = true;
}

void
batch_opened(Batch *batch)
{
	batch->open = true;
	batch->due = false;
	batch->rows = 0;
	batch->bytes = 0;
	batch->transactions = 0;
}

void
batch_closed(Batch *batch)
{
	batch->open = false;
	batch->due = false;
	batch->idle = source_lsn_max(batch->idle, batch->end);
}
