/*
 * plugin.c
 *		The output plugin dts_decoder: start-up, and what the server calls for each change.
 *
 * WAL -> plugin -> txn (messages) -> relation (descriptions) -> tuple (rows) -> wire_write.
 * The plugin changes nothing on the source and takes no lock.
 */
#include "decoder.h"

#include "access/xact.h"
#include "fmgr.h"
#include "heartbeat.h"
#include "mb/pg_wchar.h"
#include "output.h"
#include "relation.h"
#include "replication/walsender.h"
#include "shape.h"
#include "tuple.h"
#include "txn.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_output_plugin_init(OutputPluginCallbacks *cb);

/* Buffers start in the context they are made in, the session's, and stay in it. */
static void *
grow_buffer(void *data, size_t size)
{
	return data ? repalloc_huge(data, size) : MemoryContextAllocHuge(CurrentMemoryContext, size);
}

static void
check_encoding(void)
{
	if (pg_get_client_encoding() != GetDatabaseEncoding())
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("dts_decoder does not convert encodings"),
		                errdetail("The client's encoding is %s, the database's %s.",
		                          pg_get_client_encoding_name(), GetDatabaseEncodingName()),
		                errhint("Connect with client_encoding=%s.", GetDatabaseEncodingName())));
}

/* Streaming and two-phase are the client's choice; what the slot allows is decided here. */
static void
choose_modes(LogicalDecodingContext *ctx, const DecoderOptions *options)
{
#if COMPAT_HAS_STREAMING
	ctx->streaming = ctx->streaming && options->streaming;
#endif
#if COMPAT_HAS_TWO_PHASE
	ctx->twophase = ctx->twophase && options->two_phase;
#if PG_VERSION_NUM >= 150000
	ctx->twophase_opt_given = ctx->twophase;
#endif
#endif
}

static void
check_shapes(Decoder *decoder)
{
	if (am_walsender || !IsTransactionState())
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("option \"check_shapes\" needs a caller in SQL"),
		                errhint("Use pg_logical_slot_peek_binary_changes().")));
	shape_check_all(decoder);
}

static void
plugin_startup(LogicalDecodingContext *ctx, OutputPluginOptions *output, bool is_init)
{
	Decoder *decoder;
	MemoryContext old;

	output->output_type = OUTPUT_PLUGIN_BINARY_OUTPUT;
	if (is_init)
	{
		/* Making a slot decodes nothing. */
		static const DecoderOptions none;

		choose_modes(ctx, &none);
		return;
	}
	check_encoding();
	old = MemoryContextSwitchTo(ctx->context);
	decoder = palloc0(sizeof(Decoder));
	decoder->ctx = ctx;
	decoder->context =
	    AllocSetContextCreate(ctx->context, "dts_decoder session", ALLOCSET_DEFAULT_SIZES);
	decoder->scratch =
	    AllocSetContextCreate(decoder->context, "dts_decoder row", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(decoder->context);
	options_parse(&decoder->options, ctx->output_plugin_options);
	decoder->emit_no_identity =
	    decoder->options.on_no_identity == NO_IDENTITY_EMIT ||
	    (decoder->options.on_no_identity == NO_IDENTITY_BY_CALLER && am_walsender);
	decoder->out.grow = decoder->row.grow = grow_buffer;
	wire_reserve(&decoder->out, decoder->options.chunk_size + 16384);
	wire_reserve(&decoder->row, 1024);
	decoder->relations = relation_cache_create(decoder);
	MemoryContextSwitchTo(old);
	output->receive_rewrites = decoder->options.rewrites;
	ctx->output_plugin_private = decoder;
	choose_modes(ctx, &decoder->options);
	output_start(decoder);
	if (decoder->options.check_shapes)
		check_shapes(decoder);
}

static bool
plugin_filter_origin(LogicalDecodingContext *ctx, RepOriginId origin)
{
	Decoder *decoder = ctx->output_plugin_private;

	/* Without a transaction here no name can be looked up: skip_origins waits for txn.c. */
	return decoder && decoder->options.origin == ORIGIN_NONE && origin != InvalidRepOriginId;
}

static void
refuse_no_identity(Relation relation, DtsRecordKind kind)
{
	ereport(
	    ERROR,
	    (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
	     errmsg("%s of table \"%s.%s\" carries no usable row identity",
	            kind == DTS_REC_UPDATE ? "an update" : "a delete",
	            get_namespace_name(RelationGetNamespace(relation)),
	            RelationGetRelationName(relation)),
	     errdetail("Its replica identity has no key, or the key's index is gone."),
	     errhint("Set one with ALTER TABLE ... REPLICA IDENTITY and load the table again; option "
	             "on_no_identity 'emit' reports such changes instead.")));
}

/* The kind of an update's or delete's record, from what WAL holds of the old row. */
static DtsRecordKind
row_kind(const RelationEntry *entry, ReorderBufferChange *change, bool has_old)
{
	bool full = entry->identity == REPLICA_IDENTITY_FULL;

	if (change->action == REORDER_BUFFER_CHANGE_INSERT)
		return DTS_REC_INSERT;
	if (entry->no_identity)
		return DTS_REC_NO_IDENTITY;
	if (change->action == REORDER_BUFFER_CHANGE_UPDATE)
	{
		if (has_old)
			return full ? DTS_REC_UPDATE_OLD : DTS_REC_UPDATE_KEY;
		return full ? DTS_REC_NO_IDENTITY : DTS_REC_UPDATE;
	}
	if (!has_old)
		return DTS_REC_NO_IDENTITY;
	return full ? DTS_REC_DELETE_OLD : DTS_REC_DELETE_KEY;
}

static void
put_no_identity(Decoder *decoder, RelationEntry *entry, Relation relation, bool update)
{
	if (!decoder->emit_no_identity)
		refuse_no_identity(relation, update ? DTS_REC_UPDATE : DTS_REC_DELETE_KEY);
	wire_put_byte(&decoder->out, DTS_REC_NO_IDENTITY);
	wire_put_varint(&decoder->out, entry->number);
	wire_put_byte(&decoder->out, update ? 'U' : 'D');
	txn_close_record(decoder);
}

static int
operation_bit(const ReorderBufferChange *change)
{
	if (change->action == REORDER_BUFFER_CHANGE_INSERT)
		return SHAPE_INSERT;
	return change->action == REORDER_BUFFER_CHANGE_UPDATE ? SHAPE_UPDATE : SHAPE_DELETE;
}

static void
put_refusal(Decoder *decoder, RelationEntry *entry, Relation relation, char operation,
            const Refusal *refusal)
{
	const WireRefusal record = {
	    .relation = entry->number,
	    .operation = (uint8) operation,
	    .sqlstate = unpack_sql_state(refusal->code),
	    .column = refusal->column,
	    .expression = refusal->text,
	    .position = (uint32) refusal->position,
	    .message = refusal->message,
	    .detail = refusal->detail,
	    .hint = refusal->hint,
	    .key = refusal->key,
	};

	if (!decoder->emit_no_identity)
		shape_raise(relation, refusal);
	wire_put_refused(&decoder->out, &record);
	txn_close_record(decoder);
}

/*
 * A change of a table with a shape.  False: it is not sent; what stands in its place has been
 * written.
 */
static bool
apply_shape(Decoder *decoder, RelationEntry *entry, Relation relation, ReorderBufferChange *change,
            ShapedChange *shaped, TransactionId xid)
{
	int operation = operation_bit(change);
	const Refusal *refusal = shape_refusal(entry->shape);
	ShapeResult result;

	if (!shape_wants(entry->shape, operation))
		return false;
	if (!refusal)
	{
		shaped->kind = row_kind(entry, change, shaped->old != NULL);
		if (shaped->kind == DTS_REC_NO_IDENTITY)
			return true;
		result = shape_change(decoder, entry, relation, shaped);
		if (result != SHAPE_REFUSED)
			return result == SHAPE_SEND;
		refusal = &shaped->refusal;
	}
	txn_open_record(decoder, xid);
	relation_describe(decoder, entry);
	put_refusal(decoder, entry, relation,
	            operation == SHAPE_INSERT   ? 'I'
	            : operation == SHAPE_UPDATE ? 'U'
	                                        : 'D',
	            refusal);
	return false;
}

static void
plugin_change(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, Relation relation,
              ReorderBufferChange *change)
{
	Decoder *decoder = ctx->output_plugin_private;
	TransactionId xid = decoder->mode == TXN_STREAM ? change->txn->xid : txn->xid;
	ShapedChange shaped;
	HeapTuple old = NULL;
	HeapTuple new = NULL;
	RelationEntry *entry;
	DtsRecordKind kind;

	txn_count_change(decoder);
	if (decoder->skip ||
	    (decoder->mode == TXN_STREAM && txn_origin_skipped(decoder, change->origin_id)))
		return;
	entry = relation_find(decoder, relation);
	if (entry->heartbeat && decoder->options.messages &&
	    change->action != REORDER_BUFFER_CHANGE_DELETE)
	{
		new = compat_change_new(change);
		if (new)
			heartbeat_put(decoder, relation, new, xid);
	}
	if (!entry->selected)
		return;
	if (change->action != REORDER_BUFFER_CHANGE_INSERT)
		old = compat_change_old(change);
	if (change->action != REORDER_BUFFER_CHANGE_DELETE)
	{
		new = compat_change_new(change);
		if (!new)
			return;
	}
	if (unlikely(entry->shape))
	{
		shaped.old = old;
		shaped.new = new;
		if (!apply_shape(decoder, entry, relation, change, &shaped, xid))
			return;
		kind = shaped.kind;
		old = shaped.old;
		new = shaped.new;
	}
	else
		kind = row_kind(entry, change, old != NULL);
	txn_open_record(decoder, xid);
	relation_describe(decoder, entry);
	if (kind == DTS_REC_NO_IDENTITY ||
	    !tuple_put_row(decoder, entry, RelationGetDescr(relation), kind, old, new, xid))
		put_no_identity(decoder, entry, relation, new != NULL);
}

static void
plugin_truncate(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, int count, Relation relations[],
                ReorderBufferChange *change)
{
	Decoder *decoder = ctx->output_plugin_private;
	TransactionId xid = decoder->mode == TXN_STREAM ? change->txn->xid : txn->xid;
	uint32 *numbers;
	int selected = 0;
	uint8 flags = 0;

	if (decoder->skip ||
	    (decoder->mode == TXN_STREAM && txn_origin_skipped(decoder, change->origin_id)))
		return;
	numbers = palloc(sizeof(uint32) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		RelationEntry *entry = relation_find(decoder, relations[i]);

		if (!entry->selected || (entry->shape && !shape_wants(entry->shape, SHAPE_TRUNCATE)))
			continue;
		txn_open_record(decoder, xid);
		relation_describe(decoder, entry);
		numbers[selected++] = entry->number;
	}
	if (selected > 0)
	{
		if (change->data.truncate.cascade)
			flags |= DTS_TRUNCATE_CASCADE;
		if (change->data.truncate.restart_seqs)
			flags |= DTS_TRUNCATE_RESTART;
		txn_open_record(decoder, xid);
		wire_put_byte(&decoder->out, DTS_REC_TRUNCATE);
		wire_put_byte(&decoder->out, flags);
		wire_put_varint(&decoder->out, selected);
		for (int i = 0; i < selected; i++)
			wire_put_varint(&decoder->out, numbers[i]);
		txn_close_record(decoder);
	}
	pfree(numbers);
}

static bool
is_own_prefix(const char *prefix)
{
	size_t length = strlen(DTS_MESSAGE_PREFIX);

	return strncmp(prefix, DTS_MESSAGE_PREFIX, length) == 0 &&
	       (prefix[length] == '\0' || prefix[length] == '.');
}

/* In a streamed transaction the server does not say which subtransaction wrote it. */
static void
plugin_message(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn,
               bool transactional, const char *prefix, Size size, const char *message)
{
	Decoder *decoder = ctx->output_plugin_private;

	if (!transactional || !decoder->options.messages || decoder->skip || !is_own_prefix(prefix))
		return;
	/* Any role may write a message: an oversized one is none of ours, and an error would block the
	 * slot. */
	if (size > DTS_WIRE_CHUNK_MAX || strlen(prefix) > DTS_WIRE_CHUNK_MAX)
		return;
	txn_open_record(decoder, txn->xid);
	wire_put_message(&decoder->out, prefix, message, size);
	txn_close_record(decoder);
}

void
_PG_output_plugin_init(OutputPluginCallbacks *cb)
{
	cb->startup_cb = plugin_startup;
	cb->begin_cb = txn_begin;
	cb->change_cb = plugin_change;
	cb->truncate_cb = plugin_truncate;
	cb->commit_cb = txn_commit;
	cb->message_cb = plugin_message;
	cb->filter_by_origin_cb = plugin_filter_origin;
#if COMPAT_HAS_TWO_PHASE
	cb->filter_prepare_cb = txn_filter_prepare;
	cb->begin_prepare_cb = txn_begin_prepare;
	cb->prepare_cb = txn_prepare;
	cb->commit_prepared_cb = txn_commit_prepared;
	cb->rollback_prepared_cb = txn_rollback_prepared;
#endif
#if COMPAT_HAS_STREAMING
	cb->stream_start_cb = txn_stream_start;
	cb->stream_stop_cb = txn_stream_stop;
	cb->stream_abort_cb = txn_stream_abort;
	cb->stream_prepare_cb = txn_stream_prepare;
	cb->stream_commit_cb = txn_stream_commit;
	cb->stream_change_cb = plugin_change;
	cb->stream_message_cb = plugin_message;
	cb->stream_truncate_cb = plugin_truncate;
#endif
}
