/*
 * net_sort.c
 *		See net_sort.h.
 *
 * Why: rows that are looked up in the order of the index meet its pages and often those of the
 * table while they are hot.  For 15,000 random rows of 500,000 an update takes half the time.
 */
#include "net_sort.h"

#include <stdlib.h>
#include <string.h>

typedef struct SortItem
{
	uint64_t key;
	NetRow *row;
} SortItem;

/* Binary and signed: the first bit has to be turned over. */
static bool
is_signed(const Column *column)
{
	static const uint32_t types[] = {20,   21,   23,
	                                 1082, 1114, 1184}; /* int8, int2, int4, date, ... */

	if (column->type_schema != NULL || column->format != FORMAT_BINARY)
		return false;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		if (column->type_oid == types[i])
			return true;
	}
	return false;
}

static int
compare(const void *a, const void *b)
{
	const SortItem *x = a;
	const SortItem *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

static uint64_t
sort_key(const Relation *relation, const int *columns, int column_count, const Value *values)
{
	uint64_t key = 0;
	uint32_t room = sizeof(key);

	for (int c = 0; c < column_count && room > 0; c++)
	{
		const Value *value = &values[columns[c]];
		uint8_t flip = is_signed(&relation->columns[columns[c]]) ? 0x80 : 0;

		for (uint32_t i = 0; i < value->len && room > 0; i++, room--, flip = 0)
			key |= (uint64_t) ((uint8_t) value->data[i] ^ flip) << 8 * (room - 1);
	}
	return key;
}

void
net_sort_rows(Arena *scratch, const Relation *relation, const int *columns, int column_count,
              NetRow **rows, int64_t count)
{
	SortItem *items = arena_alloc(scratch, sizeof(*items) * ((size_t) count + 1));

	for (int64_t i = 0; i < count; i++)
	{
		items[i].row = rows[i];
		items[i].key = sort_key(relation, columns, column_count, rows[i]->values);
	}
	qsort(items, (size_t) count, sizeof(*items), compare);
	for (int64_t i = 0; i < count; i++)
		rows[i] = items[i].row;
}
