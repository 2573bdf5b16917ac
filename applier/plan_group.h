/*
 * plan_group.h
 *		The statement that brings many net rows of one table to the target at once.
 *
 * Its parameters are arrays, one for each column, of equal length, and behind them the number of
 * rows.  Pure text work like plan.h.
 */
#ifndef DTS_PLAN_GROUP_H
#define DTS_PLAN_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "net_changes.h"
#include "plan.h"

/* In the order in which the groups of a table are sent. */
typedef enum GroupKind
{
	GROUP_DELETE,
	GROUP_ABSENT, /* the rows must not be there */
	GROUP_UPDATE,
	GROUP_INSERT,
} GroupKind;

typedef struct GroupPlan
{
	struct GroupPlan *next; /* the owner's list */
	GroupKind kind;
	const bool *writes; /* which of the relation's columns an update or insert writes */
	const char *sql;    /* NULL: rows of this shape need a statement each */
	int column_count;   /* arrays, in order */
	int *columns;       /* of the relation */
} GroupPlan;

/* Why changes of this table cannot become net rows, and whether its updates and deletes can. */
EngineOrder group_order(const PlanRelation *bound);
bool group_by_key(const PlanRelation *bound, EngineOrder *why_not);

/* Whether a net row of these values, in a group of this kind, has the plan's shape. */
bool
group_fits(const PlanRelation *bound, const GroupPlan *plan, GroupKind kind, const Value *values);

/* A plan for rows like this one. */
GroupPlan *group_plan(Arena *arena, const PlanRelation *bound, GroupKind kind, const Value *values);

/* The COPY for a plan of inserts, its data the plan's columns in order, binary.  NULL: there is none. */
const char *group_copy(Arena *arena, const PlanRelation *bound, const GroupPlan *plan);

/* The change that does for one row what the group does for many. */
void group_change(const PlanRelation *bound, GroupKind kind, const NetRow *row, Change *change);

#endif /* DTS_PLAN_GROUP_H */
