/*
 * wire_read.c
 *		Reading of the dts wire format; see wire_read.h, and decoder/wire.h for the format.
 *
 * This file has the reader's session, the messages and the errors; wire_record.c has the records.
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
#include "wire_reader.h"

#define READER_BLOCK_SIZE ((size_t) 8 * 1024)

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
read_header(WireReader *r, WireMessage *m)
{
	WireCursor *c = &r->cursor;
	TxnHeader *h = &m->header;
	const uint8_t *at;
	uint64_t length, time;
	const char *origin;
	size_t origin_len;

	if (!wire_xid(c, &h->xid))
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
			return wire_xid(c, &m->xid) && cursor_uv(c, &m->chunk_number);
		case DTS_MSG_STREAM_COMMIT:
			return read_header(r, m);
		case DTS_MSG_STREAM_ABORT:
			return wire_xid(c, &m->xid) && wire_xid(c, &m->aborted_xid);
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

WireStep
wire_read_next(WireReader *r, Change *change, size_t *bytes, Error *err)
{
	WireCursor *c = &r->cursor;
	bool is_change;

	if (r->used_longs)
	{
		long_values_clear(r->how.longs);
		r->used_longs = false;
	}
	while (c->at < c->end)
	{
		bool drop = r->dropping;

		memset(change, 0, sizeof(*change));
		r->record_at = c->at;
		r->record = *c->at++;
		if (!wire_record_read(r, change, &is_change))
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
