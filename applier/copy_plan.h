/*
 * copy_plan.h
 *		Cuts tables into parts of ctid ranges and puts the largest first.  Pure: no server.
 */
#ifndef DTS_COPY_PLAN_H
#define DTS_COPY_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

#define PLAN_PART_MIN_BYTES (32LL * 1024 * 1024)
#define PLAN_PART_MAX_BYTES (1024LL * 1024 * 1024)
#define PLAN_OPEN_END       (-1)

typedef struct PlanTable
{
	int64_t bytes; /* on the source's disk */
	int64_t pages;
	int64_t rows;     /* estimated */
	int64_t expected; /* bytes as they travel, estimated */
	bool whole;       /* must not be cut */
} PlanTable;

typedef struct PlanPart
{
	int table;
	int64_t from_page;
	int64_t to_page; /* exclusive; PLAN_OPEN_END: whatever the table has grown to */
	int64_t bytes;
	int64_t rows;
	int64_t expected;
	bool only; /* the table's only part: no range needed */
} PlanPart;

/* Parts in the order to be worked on.  The array lives in the arena. */
PlanPart *
copy_plan_split(const PlanTable *tables, int count, int workers, Arena *arena, int *part_count);

#endif /* DTS_COPY_PLAN_H */
