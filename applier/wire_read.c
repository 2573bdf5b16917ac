/*
 * wire_read.c
 *		Reading of the dts wire format; see wire_read.h, and decoder/wire.h for the format.
 *
 * Built for one pass at memory speed: a record becomes a Change whose values point into the
 * message, in arrays that the reader allocates once.  Only descriptions of relations, new origin
 * names and long values are copied.  Nothing here knows a socket, a clock or a file.
 */
#include "wire_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "relation.h"
#include "wire_cursor.h"

#define READER_BLOCK_SIZE ((size_t) 8 * 1024)

/* Origin names are interned; a source has few. */
typedef struct Origin
{
	struct Origin *next;
	const char *name;
	size_t len;
} Origin;

struct WireReader
{
	Arena *session; /* origins, texts of HELLO */
	Arena *message; /* reset with each message: gid, prefixes */
	RelationMap *relations;
	Origin *origins;

	WireCursor cursor;
	WireMessage current;
	unsigned record; /* kind of the record being read; 0: none */
	const uint8_t *record_at;
	const uint8_t *handed_out; /* end of the last change */

	/* of the records of the current message */
	WireRecords how;
	uint32_t xid;    /* that the next records belong to */
	bool dropping;   /* its records are left out */
	bool used_longs; /* the last change used up long values */

	Value *old_values;
	Value *new_values;
	const Relation **truncated;
	uint64_t truncated_size;
};

#define WIRE_NAME(sym, letter, text)                                                               \
	case sym:                                                                                      \
		return text;

const char *
wire_message_name(unsigned kind)
{
	switch (kind)
	{
		DTS_MESSAGES(WIRE_NAME)
	}
	return NULL;
}

const char *
wire_record_name(unsigned kind)
{
	switch (kind)
	{
		DTS_RECORDS(WIRE_NAME)
	}
	return NULL;
}
#undef WIRE_NAME

WireReader *
wire_reader_create(void)
{
	WireReader *r = xcalloc(1, sizeof(*r));

	r->session = arena_create(READER_BLOCK_SIZE);
	r->message = arena_create(READER_BLOCK_SIZE);
	r->relations = relation_map_create();
	r->old_values = xcalloc(DTS_WIRE_MAX_COLUMNS, sizeof(Value));
	r->new_values = xcalloc(DTS_WIRE_MAX_COLUMNS, sizeof(Value));
	cursor_init(&r->cursor, "", 0);
	return r;
}

void
wire_reader_destroy(WireReader *r)
{
	if (r == NULL)
		return;
	relation_map_destroy(r->relations);
	arena_destroy(r->session);
	arena_destroy(r->message);
	free(r->old_values);
	free(r->new_values);
	free(r->truncated);
	free(r);
}

/* Where the reader stands, for a person who has the message in a hex dump. */
static void
describe_place(const WireReader *r, Error *err, const uint8_t *at, const char *what)
{
	const char *record = wire_record_name(r->record);
	const WireCursor *c = &r->cursor;

	error_detail(err, "%s at byte %zu of %zu%s%s%s.", what, (size_t) (at - c->start),
	             (size_t) (c->end - c->start), record ? ", in record \"" : "", record ? record : "",
	             record ? "\"" : "");
	error_hint(err, "The connection, or a dts_decoder of another version on the source, may be "
	                "the cause.");
}

/* Makes an Error of the cursor's failure. */
static void
report(const WireReader *r, Error *err)
{
	const char *message = wire_message_name(r->current.kind);
	char what[256];

	snprintf(what, sizeof(what), "Expected %s", r->cursor.expected);
	error_set(err, ERR_PROTOCOL, "malformed message \"%s\" from the source",
	          message ? message : "unknown");
	describe_place(r, err, r->cursor.failed_at, what);
}

void
wire_read_error(const WireReader *r, Error *err, const char *format, ...)
{
	const char *message = wire_message_name(r->current.kind);
	char what[512];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	error_set(err, ERR_PROTOCOL, "unexpected message \"%s\" from the source",
	          message ? message : "unknown");
	describe_place(r, err, r->cursor.at, what);
}

static const char *
intern_origin(WireReader *r, const char *name, size_t len)
{
	Origin *o;

	if (len == 0)
		return "";
	for (o = r->origins; o != NULL; o = o->next)
	{
		if (o->len == len && memcmp(o->name, name, len) == 0)
			return o->name;
	}
	o = arena_alloc(r->session, sizeof(*o));
	o->name = arena_strndup(r->session, name, len);
	o->len = len;
	o->next = r->origins;
	r->origins = o;
	return o->name;
}

static bool
read_xid(WireCursor *c, uint32_t *xid)
{
	uint64_t number;

	if (!cursor_uv_range(c, 1, UINT32_MAX, &number, "a transaction ID"))
		return false;
	*xid = (uint32_t) number;
	return true;
}

static bool
read_header(WireReader *r, WireMessage *m)
{
	WireCursor *c = &r->cursor;
	TxnHeader *h = &m->header;
	const uint8_t *at;
	uint64_t length, time;
	const char *origin;
	size_t origin_len;

	if (!read_xid(c, &h->xid))
		return false;
	m->xid = h->xid;
	at = c->at;
	if (!cursor_u64(c, &h->commit.value))
		return false;
	if (h->commit.value == 0)
		return cursor_fail(c, at, "the position of a commit record");
	at = c->at;
	if (!cursor_uv(c, &length))
		return false;
	if (length == 0 || length > UINT64_MAX - h->commit.value)
		return cursor_fail(c, at, "the length of a commit record");
	h->end = source_lsn(h->commit.value + length);
	if (!cursor_u64(c, &time) || !cursor_str(c, &origin, &origin_len, "the name of an origin"))
		return false;
	h->commit_time = (int64_t) time;
	h->origin = intern_origin(r, origin, origin_len);
	return true;
}

static bool
read_gid(WireReader *r, WireMessage *m)
{
	const char *gid;
	size_t len;

	if (!cursor_str(&r->cursor, &gid, &len, "the name of a prepared transaction"))
		return false;
	m->gid = arena_strndup(r->message, gid, len);
	return true;
}

static bool
read_hello(WireReader *r, WireMessage *m)
{
	WireCursor *c = &r->cursor;
	const uint8_t *at = c->at;
	const char *text;
	size_t len;
	uint8_t version;
	uint64_t number;

	if (!cursor_bytes(c, DTS_WIRE_MAGIC_LEN, &text, "the magic \"" DTS_WIRE_MAGIC "\""))
		return false;
	if (memcmp(text, DTS_WIRE_MAGIC, DTS_WIRE_MAGIC_LEN) != 0)
		return cursor_fail(c, at, "the magic \"" DTS_WIRE_MAGIC "\"");
	if (!cursor_u8(c, &version))
		return false;
	if (version != DTS_WIRE_VERSION)
		return cursor_fail(c, c->at - 1, "version 1 of the wire format");
	if (!cursor_uv_range(c, 90000, INT32_MAX, &number, "a server version"))
		return false;
	m->server_version = (uint32_t) number;
	at = c->at;
	if (!cursor_str(c, &text, &len, "the name of an encoding"))
		return false;
	if (len == 0)
		return cursor_fail(c, at, "the name of an encoding");
	m->encoding = arena_strndup(r->session, text, len);
	if (!cursor_uv_range(c, DTS_WIRE_CHUNK_MIN, DTS_WIRE_CHUNK_MAX, &m->chunk_size,
	                     "a chunk size from 1024 to 1048576") ||
	    !cursor_str(c, &text, &len, "the decoder's version"))
		return false;
	m->decoder_version = arena_strndup(r->session, text, len);
	return true;
}

static bool
read_chunk_flags(WireCursor *c, WireMessage *m)
{
	if (!cursor_u8(c, &m->flags))
		return false;
	if (m->flags & ~(DTS_CHUNK_FIRST | DTS_CHUNK_LAST))
		return cursor_fail(c, c->at - 1, "known flags of a chunk");
	return true;
}

/* A chunk is the first by its flag and by its number, or by neither. */
static bool
read_chunk_number(WireCursor *c, WireMessage *m)
{
	const uint8_t *at = c->at;

	if (!cursor_uv(c, &m->chunk_number))
		return false;
	if ((m->chunk_number == 0) != ((m->flags & DTS_CHUNK_FIRST) != 0))
		return cursor_fail(c, at, "number 0 for the first chunk and for no other");
	return true;
}

static bool
read_message(WireReader *r, WireMessage *m, unsigned kind)
{
	WireCursor *c = &r->cursor;

	m->kind = (DtsMessageKind) kind;
	switch (m->kind)
	{
		case DTS_MSG_HELLO:
			return read_hello(r, m);
		case DTS_MSG_TXN:
			m->has_records = true;
			return read_chunk_flags(c, m) && read_header(r, m) && read_chunk_number(c, m);
		case DTS_MSG_STREAM:
			m->has_records = true;
			return read_xid(c, &m->xid) && cursor_uv(c, &m->chunk_number);
		case DTS_MSG_STREAM_COMMIT:
			return read_header(r, m);
		case DTS_MSG_STREAM_ABORT:
			return read_xid(c, &m->xid) && read_xid(c, &m->aborted_xid);
		case DTS_MSG_PREPARE:
			m->has_records = true;
			return read_chunk_flags(c, m) && read_header(r, m) && read_gid(r, m) &&
			       read_chunk_number(c, m);
		case DTS_MSG_STREAM_PREPARE:
			return read_header(r, m) && read_gid(r, m);
		case DTS_MSG_COMMIT_PREPARED:
		case DTS_MSG_ROLLBACK_PREPARED:
			return read_header(r, m) && read_gid(r, m) && cursor_u64(c, &m->prepare_end.value);
	}
	return cursor_fail(c, c->at - 1, "a known kind of message");
}

bool
wire_read_begin(WireReader *r, const void *bytes, size_t len, WireMessage *message, Error *err)
{
	uint8_t kind;
	bool ok;

	arena_reset(r->message);
	memset(&r->current, 0, sizeof(r->current));
	memset(&r->how, 0, sizeof(r->how));
	r->record = 0;
	cursor_init(&r->cursor, bytes, len);
	if (len > DTS_WIRE_MAX_MESSAGE)
		ok = cursor_fail(&r->cursor, r->cursor.at, "a message of at most 4 MB");
	else
		ok = cursor_u8(&r->cursor, &kind) && read_message(r, &r->current, kind);
	if (ok && !r->current.has_records && cursor_left(&r->cursor) > 0)
		ok = cursor_fail(&r->cursor, r->cursor.at, "the end of the message");
	if (!ok)
	{
		report(r, err);
		r->cursor.at = r->cursor.end;
		return false;
	}
	r->handed_out = r->cursor.at;
	r->xid = r->current.xid;
	r->dropping = false;
	r->used_longs = false;
	*message = r->current;
	return true;
}

uint32_t
wire_read_xid(const WireReader *r)
{
	return r->xid;
}

const Relation *
wire_read_relation(const WireReader *r, uint64_t number)
{
	return relation_by_number(r->relations, number);
}

void
wire_read_records(WireReader *r, const WireRecords *records)
{
	r->how = *records;
	r->dropping = r->how.dropped != NULL && r->how.dropped(r->how.arg, r->xid);
}

static LongValues *
current_longs(const WireReader *r)
{
	return r->dropping ? r->how.dropped_longs : r->how.longs;
}

/*
 * Whether long values that nobody will use may be forgotten.  Those of records that are left out
 * always may: that such a run breaks off was accepted when it arrived.
 */
static bool
forget_longs(WireReader *r)
{
	LongValues *longs = current_longs(r);

	if (!r->dropping)
	{
		if (r->how.cut_off == NULL)
			return false;
		r->how.cut_off(r->how.arg, long_values_xid(longs));
	}
	long_values_clear(longs);
	return true;
}

/* What is pending can not go on with a fragment or record of the current (sub)transaction. */
static bool
longs_cut_off(const WireReader *r, bool first)
{
	const LongValues *longs = current_longs(r);

	return long_values_pending(longs) &&
	       (long_values_xid(longs) != r->xid || (first && long_values_open(longs)));
}

static bool
read_fragment(WireReader *r)
{
	WireCursor *c = &r->cursor;
	const uint8_t *at = c->at;
	const char *bytes, *expected;
	size_t len;
	uint8_t flags;
	uint64_t total = 0;

	if (!cursor_u8(c, &flags))
		return false;
	if (flags & ~(DTS_FRAGMENT_FIRST | DTS_FRAGMENT_LAST))
		return cursor_fail(c, at, "known flags of a fragment");
	if ((flags & DTS_FRAGMENT_FIRST) && !cursor_uv(c, &total))
		return false;
	if (!cursor_counted(c, &bytes, &len, "the bytes of a fragment"))
		return false;
	if (longs_cut_off(r, (flags & DTS_FRAGMENT_FIRST) != 0))
		forget_longs(r);
	expected = long_values_add(current_longs(r), r->xid, (flags & DTS_FRAGMENT_FIRST) != 0,
	                           (flags & DTS_FRAGMENT_LAST) != 0, total, bytes, len);
	return expected == NULL || cursor_fail(c, at, expected);
}

/* The data of one column in state VALUE. */
static inline bool
read_value(WireCursor *c, const Column *column, Value *value)
{
	const uint8_t *at = c->at;
	size_t len = column->fixed_len;

	value->state = VALUE_PRESENT;
	if (len > 0)
	{
		value->len = (uint32_t) len;
		return cursor_bytes(c, len, &value->data, "the bytes of a fixed value");
	}
	if (!cursor_counted(c, &value->data, &len, "the bytes of a value"))
		return false;
	value->len = (uint32_t) len;
	if (column->format == FORMAT_TEXT && memchr(value->data, '\0', len) != NULL)
		return cursor_fail(c, at, "a text value without a NUL byte");
	return true;
}

static bool
read_long_value(WireReader *r, const Column *column, Value *value)
{
	WireCursor *c = &r->cursor;

	value->state = VALUE_PRESENT;
	if (longs_cut_off(r, false) && !forget_longs(r))
		return cursor_fail(c, r->record_at,
		                   "long values of the transaction that the record belongs to");
	if (!long_values_take(current_longs(r), &value->data, &value->len))
		return cursor_fail(c, c->at, "a complete long value before the record that uses it");
	if (column->fixed_len > 0 && value->len != column->fixed_len && !r->dropping)
		return cursor_fail(c, c->at, "a long value of the column's fixed length");
	if (column->format == FORMAT_TEXT && value->data != NULL &&
	    memchr(value->data, '\0', value->len) != NULL)
		return cursor_fail(c, c->at, "a text value without a NUL byte");
	r->used_longs = true;
	return true;
}

/* What a tuple may hold. */
typedef enum TupleKind
{
	TUPLE_INSERTED, /* all columns, none of them unchanged */
	TUPLE_NEW,
	TUPLE_OLD_KEY, /* key columns only */
	TUPLE_OLD_FULL,
} TupleKind;

static bool
read_state(WireReader *r, const Column *column, unsigned state, TupleKind kind, Value *value)
{
	WireCursor *c = &r->cursor;

	switch (state)
	{
		case DTS_STATE_VALUE:
			return read_value(c, column, value);
		case DTS_STATE_LONG:
			return read_long_value(r, column, value);
		case DTS_STATE_UNCHANGED:
			if (kind != TUPLE_NEW)
				return cursor_fail(c, c->at, "unchanged values in the new row of an update only");
			value->state = VALUE_UNCHANGED;
			break;
		default:
			value->state = VALUE_NULL;
	}
	value->data = NULL;
	value->len = 0;
	return true;
}

static bool
read_tuple(WireReader *r, const Relation *relation, TupleKind kind, Value *values)
{
	WireCursor *c = &r->cursor;
	const char *states;
	int columns = kind == TUPLE_OLD_KEY ? relation->key_count : relation->column_count;
	size_t states_len = ((size_t) columns + 3) / 4;
	int n = 0;
	uint8_t flags;

	if (!cursor_u8(c, &flags))
		return false;
	if (flags & ~DTS_TUPLE_STATES)
		return cursor_fail(c, c->at - 1, "known flags of a tuple");
	if (flags == 0 && kind != TUPLE_OLD_KEY)
	{
		for (int i = 0; i < columns; i++)
		{
			if (!read_value(c, &relation->columns[i], &values[i]))
				return false;
		}
		return true;
	}
	states = NULL;
	if (flags & DTS_TUPLE_STATES)
	{
		if (!cursor_bytes(c, states_len, &states, "the states of a tuple's columns"))
			return false;
		if (columns % 4 != 0 && (uint8_t) states[states_len - 1] >> (2 * (columns % 4)) != 0)
			return cursor_fail(c, c->at - 1, "zero bits behind the states of a tuple's columns");
	}
	for (int i = 0; i < relation->column_count; i++)
	{
		unsigned state = DTS_STATE_VALUE;

		if (kind == TUPLE_OLD_KEY && !relation->columns[i].is_key)
		{
			values[i] = (Value){NULL, 0, VALUE_ABSENT};
			continue;
		}
		if (states != NULL)
			state = (uint8_t) states[n / 4] >> (2 * (n % 4)) & 3;
		n++;
		if (!read_state(r, &relation->columns[i], state, kind, &values[i]))
			return false;
	}
	return true;
}

static bool
read_relation_number(WireReader *r, const Relation **relation)
{
	WireCursor *c = &r->cursor;
	const uint8_t *at = c->at;
	uint64_t number;

	if (!cursor_uv(c, &number))
		return false;
	*relation = relation_by_number(r->relations, number);
	if (*relation == NULL)
		return cursor_fail(c, at, "the number of a relation that was described before");
	return true;
}

static bool
read_old(WireReader *r, Change *change, OldRow old)
{
	WireCursor *c = &r->cursor;

	change->old_row = old;
	change->old_values = r->old_values;
	if (old == OLD_KEY && change->relation->key_count == 0)
		return cursor_fail(c, c->at, "a relation with a key");
	return read_tuple(r, change->relation, old == OLD_KEY ? TUPLE_OLD_KEY : TUPLE_OLD_FULL,
	                  r->old_values);
}

static bool
read_new(WireReader *r, Change *change)
{
	change->new_values = r->new_values;
	return read_tuple(r, change->relation,
	                  change->kind == CHANGE_INSERT ? TUPLE_INSERTED : TUPLE_NEW, r->new_values);
}

static bool
read_truncate(WireReader *r, Change *change)
{
	WireCursor *c = &r->cursor;
	uint64_t count;
	uint8_t flags;

	change->kind = CHANGE_TRUNCATE;
	if (!cursor_u8(c, &flags))
		return false;
	if (flags & ~(DTS_TRUNCATE_CASCADE | DTS_TRUNCATE_RESTART))
		return cursor_fail(c, c->at - 1, "known flags of a truncate");
	change->cascade = (flags & DTS_TRUNCATE_CASCADE) != 0;
	change->restart_identity = (flags & DTS_TRUNCATE_RESTART) != 0;
	if (!cursor_uv_range(c, 1, cursor_left(c), &count, "as many relations as were announced"))
		return false;
	if (count > r->truncated_size)
	{
		r->truncated_size = count;
		r->truncated = xrealloc(r->truncated, sizeof(Relation *) * count);
	}
	for (uint64_t i = 0; i < count; i++)
	{
		if (!read_relation_number(r, &r->truncated[i]))
			return false;
	}
	change->truncated = r->truncated;
	change->truncated_count = (int) count;
	return true;
}

static bool
read_logical_message(WireReader *r, Change *change)
{
	WireCursor *c = &r->cursor;
	const uint8_t *at = c->at;
	const char *prefix;
	size_t own = strlen(DTS_MESSAGE_PREFIX);
	size_t len;

	change->kind = CHANGE_MESSAGE;
	if (!cursor_str(c, &prefix, &len, "the prefix of a message"))
		return false;
	if (len < own || memcmp(prefix, DTS_MESSAGE_PREFIX, own) != 0 ||
	    (len > own && prefix[own] != '.'))
		return cursor_fail(c, at, "a prefix of ours");
	change->prefix = arena_strndup(r->message, prefix, len);
	return cursor_counted(c, &change->content, &change->content_len, "the content of a message");
}

static bool
read_no_identity(WireReader *r, Change *change)
{
	WireCursor *c = &r->cursor;
	uint8_t operation;

	change->kind = CHANGE_NO_IDENTITY;
	if (!read_relation_number(r, &change->relation) || !cursor_u8(c, &operation))
		return false;
	if (operation != 'U' && operation != 'D')
		return cursor_fail(c, c->at - 1, "the operation (U or D)");
	change->operation = (char) operation;
	return true;
}

/* Subtransactions exist in STREAM only: elsewhere the aborted ones are gone. */
static bool
read_subxact(WireReader *r)
{
	WireCursor *c = &r->cursor;

	if (r->current.kind != DTS_MSG_STREAM)
		return cursor_fail(c, c->at - 1, "no subtransaction outside of a streamed transaction");
	if (!read_xid(c, &r->xid))
		return false;
	r->dropping = r->how.dropped != NULL && r->how.dropped(r->how.arg, r->xid);
	return true;
}

/* One record.  *is_change: it is one to hand out. */
static bool
read_record(WireReader *r, Change *change, bool *is_change)
{
	WireCursor *c = &r->cursor;

	*is_change = true;
	switch ((DtsRecordKind) r->record)
	{
		case DTS_REC_RELATION:
			*is_change = false;
			return relation_read(r->relations, c, r->how.known);
		case DTS_REC_FRAGMENT:
			*is_change = false;
			return read_fragment(r);
		case DTS_REC_SUBXACT:
			*is_change = false;
			return read_subxact(r);
		case DTS_REC_INSERT:
			change->kind = CHANGE_INSERT;
			return read_relation_number(r, &change->relation) && read_new(r, change);
		case DTS_REC_UPDATE:
			change->kind = CHANGE_UPDATE;
			return read_relation_number(r, &change->relation) && read_new(r, change);
		case DTS_REC_UPDATE_KEY:
		case DTS_REC_UPDATE_OLD:
			change->kind = CHANGE_UPDATE;
			return read_relation_number(r, &change->relation) &&
			       read_old(r, change, r->record == DTS_REC_UPDATE_KEY ? OLD_KEY : OLD_FULL) &&
			       read_new(r, change);
		case DTS_REC_DELETE_KEY:
		case DTS_REC_DELETE_OLD:
			change->kind = CHANGE_DELETE;
			return read_relation_number(r, &change->relation) &&
			       read_old(r, change, r->record == DTS_REC_DELETE_KEY ? OLD_KEY : OLD_FULL);
		case DTS_REC_NO_IDENTITY:
			return read_no_identity(r, change);
		case DTS_REC_TRUNCATE:
			return read_truncate(r, change);
		case DTS_REC_MESSAGE:
			return read_logical_message(r, change);
	}
	return cursor_fail(c, r->record_at, "a known kind of record");
}

/* Long values belong to the very next change: all of them. */
static bool
check_longs(WireReader *r)
{
	return !long_values_pending(current_longs(r)) || forget_longs(r) ||
	       cursor_fail(&r->cursor, r->record_at, "a record that uses the long values before it");
}

WireStep
wire_read_next(WireReader *r, Change *change, size_t *bytes, Error *err)
{
	WireCursor *c = &r->cursor;
	bool is_change;

	if (r->used_longs)
	{
		long_values_clear(current_longs(r));
		r->used_longs = false;
	}
	while (c->at < c->end)
	{
		bool drop = r->dropping;

		memset(change, 0, sizeof(*change));
		r->record_at = c->at;
		r->record = *c->at++;
		if (!read_record(r, change, &is_change) || (is_change && !check_longs(r)))
		{
			report(r, err);
			c->at = c->end;
			return WIRE_FAILED;
		}
		if (!is_change)
			continue;
		if (drop)
		{
			long_values_clear(r->how.dropped_longs);
			r->used_longs = false;
			continue;
		}
		*bytes = (size_t) (c->at - r->handed_out);
		r->handed_out = c->at;
		return WIRE_CHANGE;
	}
	r->record = 0;
	return WIRE_END;
}
