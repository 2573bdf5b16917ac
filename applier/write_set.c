/*
 * write_set.c
 *		An open hash table of tokens; see write_set.h.
 *
 * What is forgotten stays where it is until the table is full; then it is built anew without it.
 */
#include "write_set.h"

#include <stdlib.h>

#include "arena.h"

#define SLOTS_MIN 4096
#define LIMIT     1000000

typedef struct Slot
{
	uint64_t token;
	int64_t number; /* 0: empty */
} Slot;

struct WriteSet
{
	Slot *slots;
	uint64_t size; /* a power of two */
	uint64_t used;
	uint64_t limit;
	int64_t over; /* transactions up to it are */
	int64_t all;  /* the newest that writes everything */
};

static uint64_t
mix(uint64_t hash)
{
	hash = (hash ^ (hash >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
	hash = (hash ^ (hash >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
	return hash ^ (hash >> 32);
}

uint64_t
write_set_table(uint32_t table)
{
	return mix(((uint64_t) table << 32) | 1);
}

uint64_t
write_set_row(uint32_t table, uint64_t key_hash)
{
	return mix(key_hash + write_set_table(table));
}

WriteSet *
write_set_create(uint64_t limit)
{
	WriteSet *set = xcalloc(1, sizeof(*set));

	set->limit = limit > 0 ? limit : LIMIT;
	set->size = SLOTS_MIN;
	set->slots = xcalloc(set->size, sizeof(Slot));
	return set;
}

void
write_set_destroy(WriteSet *set)
{
	if (set == NULL)
		return;
	free(set->slots);
	free(set);
}

/* The token's slot, or the empty one where it belongs. */
static Slot *
find_slot(Slot *slots, uint64_t size, uint64_t token)
{
	uint64_t at = token & (size - 1);

	while (slots[at].number != 0 && slots[at].token != token)
		at = (at + 1) & (size - 1);
	return &slots[at];
}

/* Leaves out what is over, and makes room for as many again as stay. */
static void
rebuild(WriteSet *set)
{
	uint64_t live = 0;
	uint64_t size = SLOTS_MIN;
	Slot *slots;

	for (uint64_t i = 0; i < set->size; i++)
		live += set->slots[i].number > set->over;
	while (size < live * 4)
		size *= 2;
	slots = xcalloc(size, sizeof(Slot));
	for (uint64_t i = 0; i < set->size; i++)
	{
		if (set->slots[i].number > set->over)
			*find_slot(slots, size, set->slots[i].token) = set->slots[i];
	}
	free(set->slots);
	set->slots = slots;
	set->size = size;
	set->used = live;
}

void
write_set_add(WriteSet *set, uint64_t token, int64_t number)
{
	Slot *slot;

	if (set->all == number)
		return;
	if (set->used * 2 >= set->size)
		rebuild(set);
	slot = find_slot(set->slots, set->size, token);
	if (slot->number == 0)
	{
		if (set->used >= set->limit)
		{
			rebuild(set);
			if (set->used >= set->limit)
			{
				set->all = number;
				return;
			}
			slot = find_slot(set->slots, set->size, token);
		}
		set->used++;
		slot->token = token;
	}
	if (slot->number < number)
		slot->number = number;
}

void
write_set_add_all(WriteSet *set, int64_t number)
{
	if (set->all < number)
		set->all = number;
}

int64_t
write_set_find(const WriteSet *set, uint64_t token)
{
	int64_t number = find_slot(set->slots, set->size, token)->number;

	if (number < set->all)
		number = set->all;
	return number > set->over ? number : 0;
}

void
write_set_forget(WriteSet *set, int64_t number)
{
	if (set->over < number)
		set->over = number;
}

uint64_t
write_set_count(const WriteSet *set)
{
	return set->used;
}
