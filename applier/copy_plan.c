/*
 * copy_plan.c
 *		Parts of a load; see copy_plan.h.
 *
 * A part is about a quarter of what one worker will copy in all, so that the last parts to end
 * leave little idle time, within limits that keep the cost of a part's own transaction and the cost
 * of doing one again both small.
 */
#include "copy_plan.h"

#include <stdlib.h>

static int64_t
part_bytes(const PlanTable *tables, int count, int workers)
{
	const char *least_mb = getenv("DTS_COPY_PART_MB"); /* for tests, which have little */
	const int64_t least = least_mb ? atoll(least_mb) * 1024 * 1024 : PLAN_PART_MIN_BYTES;
	int64_t total = 0;
	int64_t bytes;

	for (int i = 0; i < count; i++)
		total += tables[i].bytes;
	bytes = total / (workers > 0 ? workers : 1) / 4;
	if (bytes < least)
		return least;
	return bytes > PLAN_PART_MAX_BYTES ? PLAN_PART_MAX_BYTES : bytes;
}

/* A table that is hardly larger than a part stays whole. */
static int64_t
parts_of(const PlanTable *t, int64_t bytes)
{
	int64_t parts;

	if (t->whole || t->pages < 2 || t->bytes < bytes + bytes / 2)
		return 1;
	parts = (t->bytes + bytes - 1) / bytes;
	return parts > t->pages ? t->pages : parts;
}

static int
compare_parts(const void *a, const void *b)
{
	const PlanPart *x = a;
	const PlanPart *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->from_page != y->from_page)
		return x->from_page < y->from_page ? -1 : 1;
	return 0;
}

PlanPart *
copy_plan_split(const PlanTable *tables, int count, int workers, Arena *arena, int *part_count)
{
	int64_t bytes = part_bytes(tables, count, workers);
	int64_t total = 0;
	PlanPart *parts;
	int n = 0;

	for (int i = 0; i < count; i++)
		total += parts_of(&tables[i], bytes);
	parts = arena_zalloc(arena, sizeof(PlanPart) * (size_t) (total + 1));
	for (int i = 0; i < count; i++)
	{
		const PlanTable *t = &tables[i];
		int64_t pieces = parts_of(t, bytes);

		for (int64_t k = 0; k < pieces; k++)
		{
			PlanPart *p = &parts[n++];

			p->table = i;
			p->from_page = t->pages * k / pieces;
			p->to_page = k == pieces - 1 ? PLAN_OPEN_END : t->pages * (k + 1) / pieces;
			p->bytes = t->bytes / pieces;
			p->rows = t->rows / pieces;
			p->expected = t->expected / pieces;
			p->only = pieces == 1;
		}
	}
	qsort(parts, (size_t) n, sizeof(PlanPart), compare_parts);
	*part_count = n;
	return parts;
}
