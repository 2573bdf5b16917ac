/*
 * tuple.c
 *		Rows: from the stored form of a tuple to records on the wire.
 *
 * The tuple is walked once and each column goes straight into the message: deforming it into arrays
 * first, or calling send functions for what is only a copy or a byte swap, would cost more than all
 *the rest.
 *
 * Most records are written in place.  When one turns out to hold a long value, or to be long by
 *itself, what was written is dropped and the record is put together beside the message, while its
 *long values go ahead as fragments.
 */
#include "tuple.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "settings.h"
#include "shape.h"
#include "txn.h"
#include "utils/memutils.h"

/* A record of more bytes than this sends all but its shortest values as fragments. */
#define RECORD_LIMIT (1024 * 1024)

/* In a record beyond that. */
#define RECORD_SHORT 64

typedef enum PutResult
{
	PUT_DONE,
	PUT_LONG,    /* written in place, but too long for that */
	PUT_MISSING, /* a value is not in WAL */
} PutResult;

typedef struct RowWriter
{
	Decoder *decoder;
	RelationEntry *entry;
	TupleDesc desc;
	TransactionId xid;
	WireBuffer *buf;
	bool fragments; /* long values go ahead */
	bool keys_only;
	bool is_new;
	size_t states;     /* where the tuple's state map begins; 0 = none */
	size_t long_limit; /* bytes */
	int guc_level;     /* settings for text output, when they had to be changed */
} RowWriter;

static void
set_state(RowWriter *w, int column, uint8 state)
{
	w->buf->data[w->states + column / 4] |= (uint8) (state << (column % 4 * 2));
}

static PutResult
put_counted(RowWriter *w, int column, const void *data, size_t length)
{
	if (unlikely(length > w->long_limit ||
	             (w->fragments && w->buf->len > RECORD_LIMIT && length > RECORD_SHORT)))
	{
		if (!w->fragments)
			return PUT_LONG;
		set_state(w, column, DTS_STATE_LONG);
		txn_put_long(w->decoder, w->xid, data, length);
		return PUT_DONE;
	}
	wire_put_counted(w->buf, data, length);
	return PUT_DONE;
}

/* The payload of a varlena that is neither compressed nor elsewhere. */
static PutResult
put_varlena(RowWriter *w, int column, struct varlena *value)
{
	struct varlena *plain;
	PutResult result;

	if (!VARATT_IS_EXTENDED(value) || VARATT_IS_SHORT(value))
		return put_counted(w, column, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	if (!w->fragments && toast_raw_datum_size(PointerGetDatum(value)) > w->long_limit + VARHDRSZ)
		return PUT_LONG;
	plain = detoast_attr(value);
	result = put_counted(w, column, VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
	pfree(plain);
	return result;
}

/* A value whose type's own function has to give its bytes. */
static PutResult
put_by_function(RowWriter *w, int column, const ColumnPlan *plan, Datum value)
{
	PutResult result;

	if (plan->op == OP_TEXT)
	{
		char *text;

		if (w->guc_level == 0)
			w->guc_level = settings_fix();
		text = OutputFunctionCall(plan->function, value);
		result = put_counted(w, column, text, strlen(text));
		pfree(text);
	}
	else
	{
		bytea *data = SendFunctionCall(plan->function, value);

		result = put_counted(w, column, VARDATA(data), VARSIZE(data) - VARHDRSZ);
		pfree(data);
	}
	return result;
}

/* A value that is not of fixed length on the wire; ptr is where it is stored. */
static PutResult
put_variable(RowWriter *w, int column, const ColumnPlan *plan, const char *ptr)
{
	if (plan->op == OP_NAME)
	{
		wire_put_counted(w->buf, ptr, strnlen(ptr, NAMEDATALEN));
		return PUT_DONE;
	}
	if (plan->length == -1)
	{
		struct varlena *value = (struct varlena *) ptr;

		if (VARATT_IS_EXTERNAL_ONDISK(value))
		{
			/* An old tuple has its values inline; without this one it identifies nothing. */
			if (!w->is_new)
				return PUT_MISSING;
			set_state(w, column, DTS_STATE_UNCHANGED);
			return PUT_DONE;
		}
		if (VARATT_IS_EXTERNAL_INDIRECT(value))
		{
			struct varatt_indirect redirect;

			VARATT_EXTERNAL_GET_POINTER(redirect, value);
			value = (struct varlena *) redirect.pointer;
		}
		if (plan->op == OP_VARLENA)
			return put_varlena(w, column, value);
		return put_by_function(w, column, plan, PointerGetDatum(value));
	}
	return put_by_function(w, column, plan, fetch_att(ptr, plan->byval, plan->length));
}

/* A value of fixed length at a place that has room for it. */
static inline uint8 *
put_fixed(uint8 *at, const ColumnPlan *plan, const char *ptr)
{
	switch ((ColumnOp) plan->op)
	{
		case OP_INT32:
			return wire_raw_copy32(at, ptr);
		case OP_INT64:
			return wire_raw_copy64(at, ptr);
		case OP_INT16:
			return wire_raw_copy16(at, ptr);
		case OP_BYTES:
			return wire_raw_bytes(at, ptr, plan->length);
		case OP_INT64S:
			for (int i = 0; i < plan->length; i += 8)
				at = wire_raw_copy64(at, ptr + i);
			return at;
		case OP_TIMETZ:
			at = wire_raw_copy64(at, ptr);
			return wire_raw_copy32(at, ptr + 8);
		case OP_INTERVAL:
			at = wire_raw_copy64(at, ptr);
			at = wire_raw_copy32(at, ptr + 8);
			return wire_raw_copy32(at, ptr + 12);
		case OP_TID:
			at = wire_raw_copy16(at, ptr);
			at = wire_raw_copy16(at, ptr + 2);
			return wire_raw_copy16(at, ptr + 4);
		case OP_SKIP:
		case OP_NAME:
		case OP_VARLENA:
		case OP_SEND:
		case OP_TEXT:
			break;
	}
	return at;
}

/* Columns that were added after the tuple was written have the default they were added with. */
static PutResult
put_missing(RowWriter *w, int attribute, int column, const ColumnPlan *plan)
{
	bool null;
	Datum value = getmissingattr(w->desc, attribute + 1, &null);
	char stored[sizeof(Datum)];
	const char *ptr;

	if (null)
	{
		set_state(w, column, DTS_STATE_NULL);
		return PUT_DONE;
	}
	if (plan->byval)
	{
		store_att_byval(stored, value, plan->length);
		ptr = stored;
	}
	else
		ptr = DatumGetPointer(value);
	if (plan->op >= OP_NAME)
		return put_variable(w, column, plan, ptr);
	wire_reserve(w->buf, plan->length);
	w->buf->len = put_fixed(w->buf->data + w->buf->len, plan, ptr) - w->buf->data;
	return PUT_DONE;
}

/* A computed column stands as NULL in the tuple where an update leaves it unchanged. */
static uint8
null_state(const RowWriter *w, int attribute)
{
	const bool *unchanged = w->entry->shape ? shape_unchanged(w->entry->shape) : NULL;

	return w->is_new && unchanged && unchanged[attribute] ? DTS_STATE_UNCHANGED : DTS_STATE_NULL;
}

/* In front of the columns: whether states of them follow, and room for these. */
static inline uint8 *
put_head(RowWriter *w, uint8 *at, int columns, bool states)
{
	size_t bytes = (columns + 3) / 4;

	w->states = 0;
	*at++ = states ? DTS_TUPLE_STATES : 0;
	if (!states)
		return at;
	w->states = at - w->buf->data;
	memset(at, 0, bytes);
	return at + bytes;
}

/*
 * Writes one tuple.  The room made at the beginning is enough for every value as it is stored; what
 * may take more makes room by itself and leaves that much behind.
 */
static PutResult
put_tuple(RowWriter *w, HeapTuple tuple)
{
	const RelationEntry *entry = w->entry;
	HeapTupleHeader header = tuple->t_data;
	int stored = Min(HeapTupleHeaderGetNatts(header), entry->stored_columns);
	bool has_nulls = HeapTupleHasNulls(tuple);
	bits8 *nulls = has_nulls ? header->t_bits : NULL;
	const char *base = (const char *) header + header->t_hoff;
	int columns = w->keys_only ? entry->keys : entry->columns;
	size_t room = tuple->t_len + (size_t) columns * 6 + 64;
	WireBuffer *buf = w->buf;
	size_t offset = 0;
	int column = 0;
	uint8 *at;

	wire_reserve(buf, room);
	at = buf->data + buf->len;
	at = put_head(w, at, columns,
	              w->fragments || has_nulls || stored < entry->stored_columns ||
	                  HeapTupleHasExternal(tuple));
	for (int i = 0; i < entry->stored_columns; i++)
	{
		const ColumnPlan *plan = &entry->plan[i];
		bool wanted = plan->op != OP_SKIP && (!w->keys_only || plan->key);
		const char *ptr = NULL;
		PutResult result;

		if (likely(i < stored))
		{
			if (has_nulls && att_isnull(i, nulls))
			{
				if (wanted)
					set_state(w, column++, null_state(w, i));
				continue;
			}
			if (plan->length != -1 || !VARATT_NOT_PAD_BYTE(base + offset))
				offset = TYPEALIGN(plan->align, offset);
			ptr = base + offset;
			if (plan->length > 0)
				offset += plan->length;
			else if (plan->length == -1)
				offset += VARSIZE_ANY(ptr);
			else
				offset += strlen(ptr) + 1;
		}
		if (!wanted)
			continue;
		if (likely(ptr && plan->op < OP_NAME))
		{
			at = put_fixed(at, plan, ptr);
			column++;
			continue;
		}
		if (likely(ptr && plan->op == OP_VARLENA && VARATT_IS_1B(ptr) && !VARATT_IS_1B_E(ptr)))
		{
			size_t length = VARSIZE_1B(ptr) - VARHDRSZ_SHORT;

			/* 126 bytes at most: never long, one byte of length. */
			*at++ = (uint8) length;
			at = wire_raw_bytes(at, VARDATA_1B(ptr), length);
			column++;
			continue;
		}
		buf->len = at - buf->data;
		result = ptr ? put_variable(w, column, plan, ptr) : put_missing(w, i, column, plan);
		if (unlikely(result != PUT_DONE))
			return result;
		wire_reserve(buf, room);
		at = buf->data + buf->len;
		column++;
	}
	buf->len = at - buf->data;
	return PUT_DONE;
}

static PutResult
put_record(RowWriter *w, DtsRecordKind kind, HeapTuple old, HeapTuple new)
{
	PutResult result = PUT_DONE;
	WireBuffer *buf = w->buf;

	wire_reserve(buf, 1 + DTS_WIRE_MAX_VARINT);
	buf->data[buf->len] = (uint8) kind;
	buf->len = wire_raw_varint(buf->data + buf->len + 1, w->entry->number) - buf->data;
	if (old)
	{
		w->keys_only = kind == DTS_REC_UPDATE_KEY || kind == DTS_REC_DELETE_KEY;
		w->is_new = false;
		result = put_tuple(w, old);
	}
	if (new &&result == PUT_DONE)
	{
		w->keys_only = false;
		w->is_new = true;
		result = put_tuple(w, new);
	}
	return result;
}

bool
tuple_put_row(Decoder *decoder, RelationEntry *entry, TupleDesc desc, DtsRecordKind kind,
              HeapTuple old, HeapTuple new, TransactionId xid)
{
	RowWriter w = {
	    .decoder = decoder, .entry = entry, .desc = desc, .xid = xid, .buf = &decoder->out};
	size_t start = decoder->out.len;
	MemoryContext outer = MemoryContextSwitchTo(decoder->scratch);
	PutResult result;

	w.long_limit = decoder->options.chunk_size / 4;
	result = put_record(&w, kind, old, new);
	if (unlikely(result == PUT_LONG || decoder->out.len - start > RECORD_LIMIT))
	{
		decoder->out.len = start;
		decoder->row.len = 0;
		w.buf = &decoder->row;
		w.fragments = true;
		result = put_record(&w, kind, old, new);
		if (result == PUT_DONE)
		{
			txn_open_record(decoder, xid);
			wire_put_bytes(&decoder->out, decoder->row.data, decoder->row.len);
		}
	}
	settings_restore(w.guc_level);
	MemoryContextSwitchTo(outer);
	MemoryContextReset(decoder->scratch);
	if (result == PUT_DONE)
		txn_close_record(decoder);
	else
		decoder->out.len = decoder->complete;
	return result == PUT_DONE;
}
