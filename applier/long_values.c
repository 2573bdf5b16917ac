/*
 * long_values.c
 *		Assembly of long values; see long_values.h.
 *
 * Each value has a buffer of its own, reused for the values of later records while it is small.
 * A buffer grows with what arrived and not with what was announced, so that a wrong total costs
 * nothing.
 */
#include "long_values.h"

#include <stdlib.h>
#include <string.h>

#include "../decoder/wire.h"
#include "arena.h"

#define LONG_FIRST_SIZE ((size_t) 256 * 1024)
#define LONG_KEEP_SIZE  ((size_t) 1024 * 1024) /* larger buffers are given back after use */

/* Old and new tuple of one record. */
#define LONG_MAX_VALUES (2 * DTS_WIRE_MAX_COLUMNS)

typedef struct LongValue
{
	char *data;
	size_t size; /* of the buffer */
	uint32_t len;
	uint32_t total;
} LongValue;

struct LongValues
{
	bool keep;
	bool open; /* the newest value is unfinished */
	uint32_t xid;
	int count; /* begun */
	int taken;
	int slots; /* allocated; those past count may own a buffer */
	LongValue *values;
};

LongValues *
long_values_create(bool keep)
{
	LongValues *values = xcalloc(1, sizeof(*values));

	values->keep = keep;
	return values;
}

void
long_values_destroy(LongValues *values)
{
	if (values == NULL)
		return;
	for (int i = 0; i < values->slots; i++)
		free(values->values[i].data);
	free(values->values);
	free(values);
}

void
long_values_clear(LongValues *values)
{
	for (int i = 0; i < values->count; i++)
	{
		LongValue *v = &values->values[i];

		if (v->size > LONG_KEEP_SIZE)
		{
			free(v->data);
			v->data = NULL;
			v->size = 0;
		}
	}
	values->open = false;
	values->count = 0;
	values->taken = 0;
	values->xid = 0;
}

static LongValue *
begin_value(LongValues *values)
{
	LongValue *v;

	if (values->count == values->slots)
	{
		int slots = values->slots ? 2 * values->slots : 4;

		values->values = xrealloc(values->values, sizeof(LongValue) * (size_t) slots);
		memset(values->values + values->slots, 0,
		       sizeof(LongValue) * (size_t) (slots - values->slots));
		values->slots = slots;
	}
	v = &values->values[values->count++];
	v->len = 0;
	return v;
}

static void
store(LongValue *v, const char *bytes, size_t len)
{
	size_t need = v->len + len;

	if (need > v->size)
	{
		size_t size = 2 * need > LONG_FIRST_SIZE ? 2 * need : LONG_FIRST_SIZE;

		v->size = size < v->total ? size : v->total;
		v->data = xrealloc(v->data, v->size);
	}
	memcpy(v->data + v->len, bytes, len);
}

const char *
long_values_add(LongValues *values, uint32_t xid, bool first, bool last, uint64_t total,
                const char *bytes, size_t len)
{
	LongValue *v;

	if (first && values->open)
		return "the rest of the long value that was begun";
	if (!first && !values->open)
		return "the first fragment of a long value";
	if (values->count > 0 && values->xid != xid)
		return "a fragment of the transaction that the earlier ones belong to";
	if (first)
	{
		if (values->count == LONG_MAX_VALUES)
			return "no more long values than a record has columns";
		if (total > DTS_WIRE_MAX_VALUE)
			return "a value of less than 1 GB";
		v = begin_value(values);
		v->total = (uint32_t) total;
		values->xid = xid;
		values->open = true;
	}
	else
		v = &values->values[values->count - 1];
	if (len > v->total - v->len)
		return "no more bytes than the long value was announced with";
	if (values->keep && len > 0)
		store(v, bytes, len);
	v->len += (uint32_t) len;
	if (last)
	{
		if (v->len != v->total)
			return "as many bytes as the long value was announced with";
		values->open = false;
	}
	return NULL;
}

bool
long_values_take(LongValues *values, const char **data, uint32_t *len)
{
	const LongValue *v;

	if (values->taken == values->count || (values->open && values->taken == values->count - 1))
		return false;
	v = &values->values[values->taken++];
	*data = values->keep ? (v->len > 0 ? v->data : "") : NULL;
	*len = v->len;
	return true;
}

bool
long_values_pending(const LongValues *values)
{
	return values->open || values->taken < values->count;
}

bool
long_values_open(const LongValues *values)
{
	return values->open;
}

uint32_t
long_values_xid(const LongValues *values)
{
	return values->xid;
}
