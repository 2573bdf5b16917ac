/*
 * net_changes.c
 *		Keeping and merging of changes; see net_changes.h.
 *
 * Rows are told apart by the bytes of their key.  Two keys that are equal for the server and differ
 * in bytes (1.0 and 1.00) cannot both belong to rows that exist at the same time, so they do not
 * both have an update or a delete among their net rows, nor both an insert; that is all the target
 * needs, because deletes go before inserts.  An update that changes the bytes of a key is a key
 * change and ends the netting of its table.
 *
 * As long as a table gets nothing but inserts, no row is looked for and no hash is built.
 */
#include "net_changes.h"

#include <string.h>

#define BUCKETS_MIN 1024

void
net_run_init(NetRun *run, Arena *arena)
{
	memset(run, 0, sizeof(*run));
	run->arena = arena;
	run->tables_end = &run->tables;
}

NetTable *
net_run_table(NetRun *run, const NetSubject *subject)
{
	NetTable *table = arena_zalloc(run->arena, sizeof(*table));

	table->subject = subject;
	table->order = subject->order;
	table->rows_end = &table->rows;
	*run->tables_end = table;
	run->tables_end = &table->next;
	return table;
}

/* One copy of the values, in one piece: first the array, then the bytes. */
static const Value *
copy_values(Arena *arena, const Value *values, int count)
{
	size_t bytes = sizeof(Value) * (size_t) count;
	size_t at = bytes;
	Value *copy;
	char *to;

	if (values == NULL)
		return NULL;
	for (int i = 0; i < count; i++)
		bytes += values[i].state == VALUE_PRESENT ? values[i].len : 0;
	copy = arena_alloc(arena, bytes);
	memcpy(copy, values, sizeof(Value) * (size_t) count);
	to = (char *) copy + at;
	for (int i = 0; i < count; i++)
	{
		if (values[i].state != VALUE_PRESENT)
			continue;
		if (values[i].len > 0)
			memcpy(to, values[i].data, values[i].len);
		copy[i].data = to;
		to += values[i].len;
	}
	return copy;
}

static NetChange *
keep(NetRun *run)
{
	if (run->last == NULL || run->last->count == NET_BLOCK)
	{
		NetBlock *block = arena_alloc(run->arena, sizeof(*block));

		block->next = NULL;
		block->count = 0;
		*(run->last ? &run->last->next : &run->first) = block;
		run->last = block;
	}
	run->count++;
	return &run->last->changes[run->last->count++];
}

static uint64_t
mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
	return hash ^ (hash >> 29);
}

static uint64_t
hash_bytes(uint64_t hash, const char *data, uint32_t len)
{
	uint64_t word = 0;

	hash = mix(hash, len);
	for (; len >= sizeof(word); len -= sizeof(word), data += sizeof(word))
	{
		memcpy(&word, data, sizeof(word));
		hash = mix(hash, word);
	}
	word = 0;
	memcpy(&word, data, len);
	return mix(hash, word);
}

static uint64_t
hash_key(const NetSubject *subject, const Value *values)
{
	uint64_t hash = 0;

	for (int k = 0; k < subject->key_count; k++)
	{
		const Value *value = &values[subject->key_columns[k]];

		hash = hash_bytes(hash, value->data, value->len);
	}
	return hash;
}

static bool
same_bytes(const Value *a, const Value *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool
same_key(const NetSubject *subject, const Value *a, const Value *b)
{
	for (int k = 0; k < subject->key_count; k++)
	{
		if (!same_bytes(&a[subject->key_columns[k]], &b[subject->key_columns[k]]))
			return false;
	}
	return true;
}

/* Every value of the key is there. */
static bool
whole_key(const NetSubject *subject, const Value *values)
{
	for (int k = 0; values != NULL && k < subject->key_count; k++)
	{
		if (values[subject->key_columns[k]].state != VALUE_PRESENT)
			return false;
	}
	return values != NULL;
}

static void
index_row(NetTable *table, NetRow *row)
{
	NetRow **bucket = &table->buckets[row->hash & (table->bucket_count - 1)];

	row->chain = *bucket;
	*bucket = row;
}

/* Builds the hash anew, twice as large as the rows need. */
static void
index_build(NetRun *run, NetTable *table, bool hashed)
{
	uint64_t count = BUCKETS_MIN;

	while (count < (uint64_t) table->row_count * 4)
		count *= 2;
	table->bucket_count = count;
	table->buckets = arena_zalloc(run->arena, sizeof(NetRow *) * count);
	for (NetRow *row = table->rows; row != NULL; row = row->next)
	{
		if (!hashed)
			row->hash = hash_key(table->subject, row->values);
		index_row(table, row);
	}
}

static NetRow *
find(const NetTable *table, uint64_t hash, const Value *values)
{
	NetRow *row = table->buckets[hash & (table->bucket_count - 1)];

	while (row != NULL && (row->hash != hash || !same_key(table->subject, row->values, values)))
		row = row->chain;
	return row;
}

static NetRow *
append(NetRun *run, NetTable *table, NetKind kind, const Value *values, SourceLsn commit)
{
	NetRow *row = arena_alloc(run->arena, sizeof(*row));

	row->next = NULL;
	row->values = values;
	row->kind = kind;
	row->commit = commit;
	row->merged = false;
	row->waits = false;
	*table->rows_end = row;
	table->rows_end = &row->next;
	table->row_count++;
	table->kinds[kind]++;
	return row;
}

static void
become(NetTable *table, NetRow *row, NetKind kind, const Value *values)
{
	table->kinds[row->kind]--;
	table->kinds[kind]++;
	row->kind = kind;
	row->values = values;
}

static bool
is_gap(const Value *value)
{
	return value->state == VALUE_UNCHANGED || value->state == VALUE_ABSENT;
}

/* The newer values; where an update carries none, the ones before. */
static const Value *
merge_values(NetRun *run, const NetTable *table, const Value *before, const Value *after)
{
	int count = table->subject->relation->column_count;
	Value *merged;
	int gaps = 0;

	for (int i = 0; i < count; i++)
		gaps += is_gap(&after[i]);
	if (gaps == 0)
		return after;
	merged = arena_alloc(run->arena, sizeof(Value) * (size_t) count);
	for (int i = 0; i < count; i++)
		merged[i] = is_gap(&after[i]) ? before[i] : after[i];
	return merged;
}

/* What an existing net row becomes by another change of its key; false: they do not follow. */
static bool
merge(NetRun *run, NetTable *table, NetRow *row, ChangeKind kind, const Value *values)
{
	bool exists = row->kind == NET_INSERT || row->kind == NET_UPDATE || row->kind == NET_REPLACE;

	if (exists == (kind == CHANGE_INSERT))
		return false;
	switch (kind)
	{
		case CHANGE_INSERT:
			become(table, row, row->kind == NET_NOTHING ? NET_INSERT : NET_REPLACE, values);
			return true;
		case CHANGE_UPDATE:
			become(table, row, row->kind, merge_values(run, table, row->values, values));
			return true;
		case CHANGE_DELETE:
			become(table, row, row->kind == NET_INSERT ? NET_NOTHING : NET_DELETE, values);
			return true;
		case CHANGE_TRUNCATE:
		case CHANGE_MESSAGE:
		case CHANGE_NO_IDENTITY:
		case CHANGE_REFUSED:
			break;
	}
	return false;
}

/*
 * The values by which the change's row is found, and with them what an update writes: its key is
 * filled in where it was not carried.  NULL: not by the key, or the key changes (*order says).
 */
static const Value *
values_of(NetRun *run, const NetTable *table, const NetChange *kept, EngineOrder *order)
{
	const NetSubject *subject = table->subject;
	const Value *old = kept->old_row == OLD_NONE ? kept->new_values : kept->old_values;
	int count = subject->relation->column_count;
	Value *filled = NULL;

	*order = subject->key_count == 0 ? subject->keyless : ORDER_NO_KEY;
	if (kept->kind == CHANGE_INSERT)
		return whole_key(subject, kept->new_values) ? kept->new_values : NULL;
	if (subject->key_count == 0 || !whole_key(subject, old) ||
	    (kept->old_row == OLD_NONE && subject->relation->identity == 'f'))
		return NULL;
	if (kept->kind == CHANGE_DELETE || kept->old_row == OLD_NONE)
		return old;
	for (int k = 0; k < subject->key_count; k++)
	{
		int column = subject->key_columns[k];
		const Value *value = &kept->new_values[column];

		if (value->state == VALUE_PRESENT && same_bytes(value, &old[column]))
			continue;
		if (!is_gap(value))
		{
			*order = ORDER_KEY_CHANGE;
			return NULL;
		}
		if (filled == NULL)
		{
			filled = arena_alloc(run->arena, sizeof(Value) * (size_t) count);
			memcpy(filled, kept->new_values, sizeof(Value) * (size_t) count);
		}
		filled[column] = old[column];
	}
	return filled != NULL ? filled : kept->new_values;
}

static void
add_net(NetRun *run, NetTable *table, const NetChange *kept)
{
	const Value *values;
	EngineOrder order;
	uint64_t hash;
	NetRow *row;

	if (kept->kind == CHANGE_NO_IDENTITY)
	{
		table->order = ORDER_NO_KEY;
		return;
	}
	/* inserts alone need no key */
	if (kept->kind == CHANGE_INSERT && table->buckets == NULL)
	{
		append(run, table, NET_INSERT, kept->new_values, kept->commit);
		return;
	}
	values = values_of(run, table, kept, &order);
	if (values != NULL && table->buckets == NULL)
	{
		for (row = table->rows; row != NULL && values != NULL; row = row->next)
		{
			if (!whole_key(table->subject, row->values))
				values = NULL;
		}
		if (values != NULL)
			index_build(run, table, false);
	}
	if (values == NULL)
	{
		table->order = order;
		return;
	}
	hash = hash_key(table->subject, values);
	row = find(table, hash, values);
	if (row != NULL)
	{
		if (!merge(run, table, row, (ChangeKind) kept->kind, values))
			table->order = ORDER_SEQUENCE;
		row->merged = true;
		row->commit = kept->commit;
		return;
	}
	row = append(run, table,
	             kept->kind == CHANGE_INSERT   ? NET_INSERT
	             : kept->kind == CHANGE_UPDATE ? NET_UPDATE
	                                           : NET_DELETE,
	             values, kept->commit);
	row->hash = hash;
	if ((uint64_t) table->row_count * 2 > table->bucket_count)
		index_build(run, table, true);
	else
		index_row(table, row);
}

void
net_run_add(NetRun *run, NetTable *table, const Change *change, SourceLsn commit)
{
	int count = table->subject->relation->column_count;
	NetChange *kept = keep(run);

	kept->table = table;
	kept->commit = commit;
	kept->kind = (uint8_t) change->kind;
	kept->old_row = (uint8_t) change->old_row;
	kept->operation = change->operation;
	kept->old_values = copy_values(run->arena, change->old_values, count);
	kept->new_values = copy_values(run->arena, change->new_values, count);
	table->changes++;
	if (table->order == ORDER_NONE)
		add_net(run, table, kept);
}

void
net_run_truncate(NetRun *run, const Change *change, SourceLsn commit)
{
	NetChange *kept = keep(run);
	Change *copy = arena_alloc(run->arena, sizeof(*copy));
	const Relation **relations =
	    arena_alloc(run->arena, sizeof(*relations) * ((size_t) change->truncated_count + 1));

	for (int i = 0; i < change->truncated_count; i++)
		relations[i] = change->truncated[i];
	*copy = *change;
	copy->truncated = relations;
	memset(kept, 0, sizeof(*kept));
	kept->kind = CHANGE_TRUNCATE;
	kept->truncate = copy;
	kept->commit = commit;
}

bool
net_row_key(const NetTable *table, const NetRow *row, uint64_t *hash)
{
	if (table->subject->key_count == 0 || !whole_key(table->subject, row->values))
		return false;
	*hash = table->buckets != NULL ? row->hash : hash_key(table->subject, row->values);
	return true;
}

void
net_change_restore(const NetChange *kept, Change *change)
{
	if (kept->table == NULL)
	{
		*change = *kept->truncate;
		return;
	}
	memset(change, 0, sizeof(*change));
	change->kind = (ChangeKind) kept->kind;
	change->relation = kept->table->subject->relation;
	change->old_row = (OldRow) kept->old_row;
	change->old_values = kept->old_values;
	change->new_values = kept->new_values;
	change->operation = kept->operation;
}
