/*
 * decoder.h
 *		State of one decoding session, which every file of the decoder works on.
 */
#ifndef DTS_DECODER_H
#define DTS_DECODER_H

#include "compat.h"
#include "options.h"
#include "wire_write.h"

#define DTS_DECODER_VERSION "1.0"

typedef enum TxnMode
{
	TXN_NONE,
	TXN_PLAIN,   /* committed: chunks of TXN */
	TXN_PREPARE, /* at PREPARE TRANSACTION: chunks of PREPARE */
	TXN_STREAM,  /* in progress: pieces of STREAM */
} TxnMode;

/* What a streamed transaction keeps between its pieces (output_plugin_private). */
typedef struct StreamState
{
	uint64 pieces;
} StreamState;

struct RelationCache;

typedef struct Decoder
{
	LogicalDecodingContext *ctx;
	MemoryContext context; /* the session's */
	MemoryContext scratch; /* one row's; reset after it */
	DecoderOptions options;
	bool emit_no_identity;
	bool hello_sent;
	struct RelationCache *relations;

	/* The message being put together; empty between messages.  Bytes past complete are a record
	 * that an error interrupted and that never leaves. */
	WireBuffer out;
	size_t complete;
	WireBuffer row; /* one record, when fragments of it go ahead */

	/* The transaction being written. */
	TxnMode mode;
	WireHeader header;
	const char *gid;
	uint64 chunks;             /* messages of it sent */
	bool skip;                 /* left out by its origin */
	TransactionId message_xid; /* streaming: whose records are being written */
	StreamState *stream;
	int unsent_changes;
	HTAB *prepared; /* ends of PREPARE records by xid; txn.c */

	/* The origin looked up last. */
	RepOriginId origin_id;
	char *origin_name;
	bool origin_skipped;
} Decoder;

#endif /* DTS_DECODER_H */
