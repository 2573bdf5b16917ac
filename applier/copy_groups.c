/*
 * copy_groups.c
 *		Groups of entries that need one another; see copy_groups.h.
 *
 * Sets are joined along the dependencies, each named after its first entry.
 */
#include "copy_groups.h"

#include <stdlib.h>
#include <string.h>

typedef struct Placed
{
	int group; /* place of its group's first entry */
	int at;    /* its own place */
	ArchiveEntry *entry;
} Placed;

bool
copy_groups_take(const ArchiveEntry *e)
{
	static const char *const kinds[] = {"TABLE",   "SEQUENCE", "SEQUENCE OWNED BY", "DEFAULT",
	                                    "COMMENT", "VIEW",     "TABLE ATTACH"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		if (strcmp(e->desc, kinds[i]) == 0)
			return true;
	}
	return false;
}

static int
find_first(int *parent, int at)
{
	while (parent[at] != at)
	{
		parent[at] = parent[parent[at]];
		at = parent[at];
	}
	return at;
}

static int
compare_placed(const void *a, const void *b)
{
	const Placed *x = a;
	const Placed *y = b;

	return x->group != y->group ? x->group - y->group : x->at - y->at;
}

int
copy_groups_order(const Archive *archive, ArchiveEntry **entries, int count, int *sizes,
                  Arena *arena)
{
	int *place = arena_zalloc(arena, sizeof(int) * ((size_t) archive->max_id + 1)); /* from 1 */
	int *parent = arena_alloc(arena, sizeof(int) * ((size_t) count + 1));
	Placed *placed = arena_alloc(arena, sizeof(Placed) * ((size_t) count + 1));
	int groups = 0;

	for (int i = 0; i < count; i++)
	{
		place[entries[i]->id] = i + 1;
		parent[i] = i;
	}
	for (int i = 0; i < count; i++)
	{
		for (int k = 0; k < entries[i]->depend_count; k++)
		{
			int id = entries[i]->depends[k];
			int one = find_first(parent, i);
			int other = id > 0 && id <= archive->max_id && place[id] > 0
			                ? find_first(parent, place[id] - 1)
			                : one;

			if (one < other)
				parent[other] = one;
			else
				parent[one] = other;
		}
	}
	for (int i = 0; i < count; i++)
		placed[i] = (Placed){find_first(parent, i), i, entries[i]};
	qsort(placed, (size_t) count, sizeof(*placed), compare_placed);
	for (int i = 0; i < count; i++)
	{
		entries[i] = placed[i].entry;
		if (i > 0 && placed[i].group == placed[i - 1].group)
			sizes[groups - 1]++;
		else
			sizes[groups++] = 1;
	}
	return groups;
}
