/*
 * txn.c
 *		A transaction's messages: headers, chunks, streamed pieces, two-phase endings.
 *
 * A small transaction is one message, sent from its commit callback: nothing committed is ever
 * held back, because the walsender's keepalive already counts it as sent (when it leaves the process is
 * output.c's matter: the keepalive is behind it then too).  A transaction without
 * selected changes sends nothing.  A prepared one is always announced, even empty: its ending
 * comes from another call, perhaps of another session, that cannot know.
 */
#include "txn.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "output.h"
#include "replication/origin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* Changes of a transaction that what was sent before does not wait for. */
#define LONG_TRANSACTION 256

static void
send_buffer(Decoder *decoder, WireBuffer *buf, bool last)
{
	LogicalDecodingContext *ctx = decoder->ctx;

	OutputPluginPrepareWrite(ctx, last);
	appendBinaryStringInfo(ctx->out, (const char *) buf->data, (int) buf->len);
	output_written(buf->len);
	OutputPluginWrite(ctx, last);
	buf->len = 0;
	decoder->unsent_changes = 0;
}

static void
send_hello(Decoder *decoder)
{
	decoder->row.len = 0;
	wire_put_hello(&decoder->row, PG_VERSION_NUM, GetDatabaseEncodingName(),
	               (uint32) decoder->options.chunk_size, DTS_DECODER_VERSION);
	send_buffer(decoder, &decoder->row, false);
	decoder->hello_sent = true;
}

/* Sends the message in out; a final one ends its transaction. */
static void
send_message(Decoder *decoder, bool final)
{
	if (!decoder->hello_sent)
	{
		/* The record under way may be in the side buffer that HELLO borrows. */
		WireBuffer row = decoder->row;

		memset(&decoder->row, 0, sizeof(WireBuffer));
		decoder->row.grow = row.grow;
		send_hello(decoder);
		pfree(decoder->row.data);
		decoder->row = row;
	}
	decoder->out.len = decoder->complete;
	if (final && (decoder->mode == TXN_PLAIN || decoder->mode == TXN_PREPARE))
		decoder->out.data[WIRE_FLAGS_AT] |= DTS_CHUNK_LAST;
	send_buffer(decoder, &decoder->out, final);
	if (final)
		output_ended(decoder->header.end_lsn);
	decoder->complete = 0;
	decoder->chunks++;
}

static void
start_message(Decoder *decoder)
{
	decoder->out.len = 0;
	if (decoder->mode == TXN_STREAM)
	{
		wire_put_stream(&decoder->out, decoder->header.xid, decoder->stream->pieces++);
		decoder->message_xid = decoder->header.xid;
	}
	else
		wire_put_chunk(&decoder->out, decoder->chunks == 0 ? DTS_CHUNK_FIRST : 0, &decoder->header,
		               decoder->gid, decoder->chunks);
	decoder->complete = decoder->out.len;
}

void
txn_open_message(Decoder *decoder, TransactionId xid)
{
	if (decoder->out.len >= (size_t) decoder->options.chunk_size)
		send_message(decoder, false);
	if (decoder->out.len == 0)
		start_message(decoder);
	if (decoder->mode == TXN_STREAM && decoder->message_xid != xid)
	{
		wire_put_byte(&decoder->out, DTS_REC_SUBXACT);
		wire_put_varint(&decoder->out, xid);
		decoder->message_xid = xid;
		decoder->complete = decoder->out.len;
	}
}

void
txn_put_long(Decoder *decoder, TransactionId xid, const void *data, size_t length)
{
	size_t chunk = (size_t) decoder->options.chunk_size;
	const char *at = data;
	size_t left = length;
	uint8 flags = DTS_FRAGMENT_FIRST;

	do
	{
		size_t room;

		txn_open_record(decoder, xid);
		room = chunk - decoder->out.len;
		/* The last few bytes of a chunk are not worth a fragment, but a piece is never empty. */
		room = Min(left, Max(room, 64));
		if (room == left)
			flags |= DTS_FRAGMENT_LAST;
		wire_put_fragment(&decoder->out, flags, length, at, room);
		txn_close_record(decoder);
		at += room;
		left -= room;
		flags = 0;
	} while (left > 0);
}

/*
 * Looks an origin up: name and whether it is among skip_origins.  Remembered until the catalog
 * changes (plugin.c clears origin_id).  Some callbacks run outside of any transaction.
 */
static void
look_up_origin(Decoder *decoder, RepOriginId origin)
{
	MemoryContext old;
	bool own_transaction = false;
	char *name = NULL;
	ListCell *cell;

	if (origin == decoder->origin_id)
		return;
	old = CurrentMemoryContext;
	if (!IsTransactionState())
	{
		StartTransactionCommand();
		own_transaction = true;
	}
	if (!replorigin_by_oid(origin, true, &name))
		name = NULL;
	MemoryContextSwitchTo(decoder->context);
	if (decoder->origin_name)
		pfree(decoder->origin_name);
	decoder->origin_name = pstrdup(name ? name : "");
	if (own_transaction)
		CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	decoder->origin_skipped = false;
	foreach (cell, decoder->options.skip_origins)
	{
		if (strcmp(((OptionName *) lfirst(cell))->schema, decoder->origin_name) == 0)
			decoder->origin_skipped = true;
	}
	decoder->origin_id = origin;
}

bool
txn_origin_skipped(Decoder *decoder, RepOriginId origin)
{
	if (origin == InvalidRepOriginId || origin == DoNotReplicateId)
		return false;
	if (decoder->options.skip_origins == NIL)
		return false;
	look_up_origin(decoder, origin);
	return decoder->origin_skipped;
}

static const char *
origin_name(Decoder *decoder, RepOriginId origin)
{
	if (origin == InvalidRepOriginId || origin == DoNotReplicateId)
		return "";
	look_up_origin(decoder, origin);
	return decoder->origin_name;
}

static void
set_header(Decoder *decoder, ReorderBufferTXN *txn)
{
	decoder->header.xid = txn->xid;
	decoder->header.commit_lsn = txn->final_lsn;
	decoder->header.end_lsn = txn->end_lsn;
	decoder->header.time = compat_txn_time(txn);
	decoder->header.origin = origin_name(decoder, txn->origin_id);
}

static void
begin(Decoder *decoder, ReorderBufferTXN *txn, TxnMode mode, const char *gid)
{
	if (txn->nentries > LONG_TRANSACTION)
		output_hurry();
	decoder->mode = mode;
	decoder->out.len = decoder->complete = 0;
	decoder->chunks = 0;
	decoder->gid = gid;
	decoder->message_xid = txn->xid;
	set_header(decoder, txn);
	decoder->skip = txn_origin_skipped(decoder, txn->origin_id);
}

void
txn_begin(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	begin(ctx->output_plugin_private, txn, TXN_PLAIN, NULL);
}

void
txn_commit(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr commit_lsn)
{
	Decoder *decoder = ctx->output_plugin_private;

	if (decoder->complete > 0)
		send_message(decoder, true);
	compat_update_progress(ctx, decoder->chunks == 0);
	decoder->mode = TXN_NONE;
}

#if COMPAT_HAS_TWO_PHASE
/* A message that is an ending only. */
static void
send_ending(Decoder *decoder, ReorderBufferTXN *txn, DtsMessageKind kind, XLogRecPtr prepare_end)
{
	decoder->mode = TXN_NONE;
	decoder->chunks = 0;
	set_header(decoder, txn);
	decoder->out.len = 0;
	wire_put_ending(&decoder->out, kind, &decoder->header,
	                kind == DTS_MSG_STREAM_COMMIT ? NULL : txn->gid, prepare_end);
	decoder->complete = decoder->out.len;
	send_message(decoder, true);
	compat_update_progress(decoder->ctx, false);
}

void
txn_begin_prepare(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	begin(ctx->output_plugin_private, txn, TXN_PREPARE, txn->gid);
}

void
txn_prepare(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn)
{
	Decoder *decoder = ctx->output_plugin_private;

	if (!decoder->skip)
	{
		if (decoder->complete == 0)
			start_message(decoder);
		send_message(decoder, true);
	}
	compat_update_progress(ctx, decoder->skip);
	decoder->mode = TXN_NONE;
}

/*
 * The server does not hand the end of the PREPARE record to the callback of its commit, so it is
 * kept from where it passes by: the filter sees every PREPARE record, also those that a restarted
 * session reads but does not send.
 */
typedef struct PreparedEnd
{
	TransactionId xid; /* hash key */
	XLogRecPtr end;
} PreparedEnd;

static void
remember_prepare(Decoder *decoder, TransactionId xid, XLogRecPtr end)
{
	PreparedEnd *entry;

	if (!decoder->prepared)
	{
		HASHCTL control;

		memset(&control, 0, sizeof(control));
		control.keysize = sizeof(TransactionId);
		control.entrysize = sizeof(PreparedEnd);
		control.hcxt = decoder->context;
		decoder->prepared = hash_create("dts_decoder prepared transactions", 16, &control,
		                                HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(decoder->prepared, &xid, HASH_ENTER, NULL);
	entry->end = end;
}

static XLogRecPtr
forget_prepare(Decoder *decoder, TransactionId xid)
{
	PreparedEnd *entry =
	    decoder->prepared ? hash_search(decoder->prepared, &xid, HASH_REMOVE, NULL) : NULL;

	return entry ? entry->end : InvalidXLogRecPtr;
}

bool
txn_filter_prepare(LogicalDecodingContext *ctx, TransactionId xid, const char *gid)
{
	if ((XLogRecGetInfo(ctx->reader) & XLOG_XACT_OPMASK) == XLOG_XACT_PREPARE)
		remember_prepare(ctx->output_plugin_private, xid, ctx->reader->EndRecPtr);
	return false;
}

void
txn_commit_prepared(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn)
{
	Decoder *decoder = ctx->output_plugin_private;
	XLogRecPtr prepare_end = forget_prepare(decoder, txn->xid);

	if (!txn_origin_skipped(decoder, txn->origin_id))
		send_ending(decoder, txn, DTS_MSG_COMMIT_PREPARED, prepare_end);
}

void
txn_rollback_prepared(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr prepare_end,
                      TimestampTz prepare_time)
{
	Decoder *decoder = ctx->output_plugin_private;

	forget_prepare(decoder, txn->xid);
	if (!txn_origin_skipped(decoder, txn->origin_id))
		send_ending(decoder, txn, DTS_MSG_ROLLBACK_PREPARED, prepare_end);
}
#endif

#if COMPAT_HAS_STREAMING
void
txn_stream_start(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	Decoder *decoder = ctx->output_plugin_private;

	if (!txn->output_plugin_private)
		txn->output_plugin_private = MemoryContextAllocZero(decoder->context, sizeof(StreamState));
	output_hurry();
	decoder->stream = txn->output_plugin_private;
	decoder->mode = TXN_STREAM;
	decoder->out.len = decoder->complete = 0;
	decoder->chunks = 0;
	decoder->gid = NULL;
	decoder->skip = false;
	decoder->header.xid = decoder->message_xid = txn->xid;
}

void
txn_stream_stop(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	Decoder *decoder = ctx->output_plugin_private;

	if (decoder->complete > 0)
		send_message(decoder, false);
	decoder->mode = TXN_NONE;
	decoder->stream = NULL;
}

/* Forgets what was kept for a streamed transaction; returns whether any piece of it was sent. */
static bool
stream_forget(ReorderBufferTXN *txn)
{
	StreamState *state = txn->output_plugin_private;
	bool sent = state && state->pieces > 0;

	if (state)
		pfree(state);
	txn->output_plugin_private = NULL;
	return sent;
}

void
txn_stream_abort(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn)
{
	Decoder *decoder = ctx->output_plugin_private;
	ReorderBufferTXN *top = txn->toptxn ? txn->toptxn : txn;
	StreamState *state = top->output_plugin_private;
	bool sent = state && state->pieces > 0;

	if (top == txn)
		stream_forget(txn);
	if (!sent)
		return;
	decoder->mode = TXN_NONE;
	decoder->out.len = 0;
	wire_put_stream_abort(&decoder->out, top->xid, txn->xid);
	decoder->complete = decoder->out.len;
	send_message(decoder, true);
}

void
txn_stream_prepare(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn)
{
	Decoder *decoder = ctx->output_plugin_private;

	if (stream_forget(txn))
		send_ending(decoder, txn, DTS_MSG_STREAM_PREPARE, InvalidXLogRecPtr);
	else
	{
		begin(decoder, txn, TXN_PREPARE, txn->gid);
		txn_prepare(ctx, txn, lsn);
	}
}

void
txn_stream_commit(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn)
{
	Decoder *decoder = ctx->output_plugin_private;

	if (stream_forget(txn))
		send_ending(decoder, txn, DTS_MSG_STREAM_COMMIT, InvalidXLogRecPtr);
	else
		compat_update_progress(ctx, true);
}
#endif
