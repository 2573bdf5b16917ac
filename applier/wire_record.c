/*
 * wire_record.c
 *		Reading of the records of a message, and the tuples and long values in them; see
 *		wire_read.h and wire_reader.h.
 */
#include <stdlib.h>

#include "wire_reader.h"

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

static bool
read_text(WireReader *r, const char **text)
{
	size_t len;

	return cursor_str(&r->cursor, text, &len, "a text of a refused change") &&
	       (*text = arena_strndup(r->message, *text, len)) != NULL;
}

/* Kept for the session: a table that fails for one row may fail for a million. */
static const Refused *
keep_refused(WireReader *r, const Refused *read)
{
	const Refused *last = r->refused;
	Refused *kept;

	if (last != NULL && strcmp(last->column, read->column) == 0 &&
	    strcmp(last->expression, read->expression) == 0 &&
	    strcmp(last->message, read->message) == 0 && strcmp(last->detail, read->detail) == 0)
		return last;
	kept = arena_alloc(r->session, sizeof(*kept));
	*kept = (Refused){
	    .sqlstate = arena_strdup(r->session, read->sqlstate),
	    .column = arena_strdup(r->session, read->column),
	    .expression = arena_strdup(r->session, read->expression),
	    .position = read->position,
	    .message = arena_strdup(r->session, read->message),
	    .detail = arena_strdup(r->session, read->detail),
	    .hint = arena_strdup(r->session, read->hint),
	    .key = arena_strdup(r->session, read->key),
	};
	r->refused = kept;
	return kept;
}

static bool
read_refused(WireReader *r, Change *change)
{
	WireCursor *c = &r->cursor;
	Refused read;
	uint64_t position;
	uint8_t operation;

	change->kind = CHANGE_REFUSED;
	if (!read_relation_number(r, &change->relation) || !cursor_u8(c, &operation))
		return false;
	if (operation != 'I' && operation != 'U' && operation != 'D')
		return cursor_fail(c, c->at - 1, "the operation (I, U or D)");
	change->operation = (char) operation;
	if (!read_text(r, &read.sqlstate))
		return false;
	if (strlen(read.sqlstate) != 5)
		return cursor_fail(c, c->at, "an SQLSTATE of five characters");
	if (!read_text(r, &read.column) || !read_text(r, &read.expression) ||
	    !cursor_uv_range(c, 0, UINT32_MAX, &position, "a position") ||
	    !read_text(r, &read.message) || !read_text(r, &read.detail) || !read_text(r, &read.hint) ||
	    !read_text(r, &read.key))
		return false;
	read.position = (uint32_t) position;
	change->refused = keep_refused(r, &read);
	return true;
}

/* Subtransactions exist in STREAM only: elsewhere the aborted ones are gone. */
static bool
read_subxact(WireReader *r)
{
	WireCursor *c = &r->cursor;

	if (r->current.kind != DTS_MSG_STREAM)
		return cursor_fail(c, c->at - 1, "no subtransaction outside of a streamed transaction");
	if (!wire_xid(c, &r->xid))
		return false;
	r->dropping = r->how.dropped != NULL && r->how.dropped(r->how.arg, r->xid);
	return true;
}

static bool
read_kind(WireReader *r, Change *change, bool *is_change)
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
		case DTS_REC_REFUSED:
			return read_refused(r, change);
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

bool
wire_record_read(WireReader *r, Change *change, bool *is_change)
{
	return read_kind(r, change, is_change) && (!*is_change || check_longs(r));
}
