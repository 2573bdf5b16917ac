/*
 * txn.h
 *		Messages of a transaction: opening, closing at the chunk size, sending.
 */
#ifndef DTS_TXN_H
#define DTS_TXN_H

#include "decoder.h"
#include "replication/origin.h"

/* Callbacks of the output plugin; see plugin.c for the list. */
extern void txn_begin(LogicalDecodingContext *ctx, ReorderBufferTXN *txn);
extern void txn_commit(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr commit_lsn);
#if COMPAT_HAS_TWO_PHASE
extern bool txn_filter_prepare(LogicalDecodingContext *ctx, TransactionId xid, const char *gid);
extern void txn_begin_prepare(LogicalDecodingContext *ctx, ReorderBufferTXN *txn);
extern void txn_prepare(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn);
extern void txn_commit_prepared(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn);
extern void txn_rollback_prepared(LogicalDecodingContext *ctx, ReorderBufferTXN *txn,
                                  XLogRecPtr prepare_end, TimestampTz prepare_time);
#endif
#if COMPAT_HAS_STREAMING
extern void txn_stream_start(LogicalDecodingContext *ctx, ReorderBufferTXN *txn);
extern void txn_stream_stop(LogicalDecodingContext *ctx, ReorderBufferTXN *txn);
extern void txn_stream_abort(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn);
extern void txn_stream_prepare(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn);
extern void txn_stream_commit(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn);
#endif

/* Whether changes of this origin are left out. */
extern bool txn_origin_skipped(Decoder *decoder, RepOriginId origin);
/* Writes a long value ahead of the record that uses it, through as many messages as it takes. */
extern void txn_put_long(Decoder *decoder, TransactionId xid, const void *data, size_t length);
extern void txn_open_message(Decoder *decoder, TransactionId xid);

/*
 * Makes room for a record of transaction xid: afterwards out is within a message and shorter than a
 * chunk.
 */
static inline void
txn_open_record(Decoder *decoder, TransactionId xid)
{
	decoder->out.len = decoder->complete;
	if (decoder->out.len == 0 || decoder->out.len >= (size_t) decoder->options.chunk_size ||
	    (decoder->mode == TXN_STREAM && decoder->message_xid != xid))
		txn_open_message(decoder, xid);
}

static inline void
txn_close_record(Decoder *decoder)
{
	decoder->complete = decoder->out.len;
}

/*
 * Counts a change that sent nothing, so that a long run of them still answers the receiver in time.
 */
static inline void
txn_count_change(Decoder *decoder)
{
	if (++decoder->unsent_changes >= 100)
	{
		decoder->unsent_changes = 0;
		compat_update_progress(decoder->ctx, false);
	}
}

#endif /* DTS_TXN_H */
