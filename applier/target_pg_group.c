/*
 * target_pg_group.c
 *		Net rows of a table to statements: grouped by what they write, many rows in each.
 *
 * A statement is planned each time (plan_group.c says why), which costs as much as some ten rows
 * by themselves; so a few rows go by the prepared statements of the ordered path.
 */
#include <stdlib.h>
#include <string.h>

#include "net_sort.h"
#include "target_pg_internal.h"

#define GROUP_ROWS  8192
#define GROUP_BYTES ((size_t) 1 << 20)
#define FEW_ROWS    12

GroupPlan *
target_pg_group_plan(TargetPg *t, RelationEntry *entry, GroupKind kind, const Value *values)
{
	GroupPlan **link = &entry->groups;
	GroupPlan *plan;

	while (*link != NULL && !group_fits(entry->bound, *link, kind, values))
		link = &(*link)->next;
	plan = *link;
	if (plan == NULL)
		plan = group_plan(t->arena, entry->bound, kind, values);
	else
		*link = plan->next;
	plan->next = entry->groups;
	entry->groups = plan;
	return plan;
}

/* Whether the pass at hand sends this row. */
static bool
in_pass(const Unit *unit, const NetRow *row)
{
	switch (unit->pass)
	{
		case PASS_ALL:
			return true;
		case PASS_EARLY:
			return !row->waits;
		case PASS_LATE:
			return row->waits;
	}
	return true;
}

/* The number of the unit's group for this row, which it counts. */
static int
group_of(TargetPg *t, Unit *unit, GroupKind kind, const NetRow *row)
{
	RelationEntry *entry = unit->table->subject->owner;
	Group *group;
	int at = unit->group_count - 1;

	while (at >= 0 && !group_fits(entry->bound, unit->groups[at].plan, kind, row->values))
		at--;
	if (at < 0)
	{
		if ((unit->group_count & (unit->group_count - 1)) == 0)
		{
			Group *groups =
			    arena_alloc(unit->arena, sizeof(Group) * (size_t) (unit->group_count * 2 + 1));

			memcpy(groups, unit->groups, sizeof(Group) * (size_t) unit->group_count);
			unit->groups = groups;
		}
		at = unit->group_count++;
		memset(&unit->groups[at], 0, sizeof(Group));
		unit->groups[at].kind = kind;
		unit->groups[at].plan = target_pg_group_plan(t, entry, kind, row->values);
	}
	group = &unit->groups[at];
	group->count++;
	group->needs_count |=
	    kind == GROUP_ABSENT || (kind == GROUP_DELETE && (row->merged || unit->pass == PASS_EARLY));
	return at;
}

static void
put_row(Unit *unit, int at, NetRow *row)
{
	Group *group = &unit->groups[at];

	if (group->rows == NULL)
	{
		group->rows = arena_alloc(unit->arena, sizeof(NetRow *) * (size_t) group->count);
		group->count = 0;
	}
	group->rows[group->count++] = row;
}

static GroupKind
first_kind(NetKind kind)
{
	switch (kind)
	{
		case NET_DELETE:
		case NET_REPLACE:
			return GROUP_DELETE;
		case NET_NOTHING:
			return GROUP_ABSENT;
		case NET_UPDATE:
			return GROUP_UPDATE;
		case NET_INSERT:
		case NET_KINDS:
			break;
	}
	return GROUP_INSERT;
}

static int
compare_groups(const void *a, const void *b)
{
	return (int) ((const Group *) a)->kind - (int) ((const Group *) b)->kind;
}

/*
 * Rows that are looked up go in the order of the key's index.  With a further unique index they stay
 * as they came, because there values may be handed on from one to the next.
 */
static void
sort_lookups(TargetPg *t, Unit *unit)
{
	const RelationEntry *entry = unit->table->subject->owner;
	const PlanRelation *bound = entry->bound;

	for (int i = 0; i < unit->group_count; i++)
	{
		Group *group = &unit->groups[i];

		if (group->kind == GROUP_DELETE ||
		    (group->kind == GROUP_UPDATE && entry->table->unique_count == 1))
			net_sort_rows(t->scratch, entry->relation, bound->key_order, bound->key_order_count,
			              group->rows, group->count);
	}
}

/* Shares the table's rows out.  A replaced row is in two groups. */
static void
share_out(TargetPg *t, Unit *unit)
{
	int64_t replaced = unit->table->kinds[NET_REPLACE];

	unit->groups = arena_alloc(unit->arena, sizeof(Group));
	unit->group_count = 0;
	unit->group_at = 0;
	unit->row_at = 0;
	for (NetRow *row = unit->table->rows; row != NULL; row = row->next)
	{
		if (in_pass(unit, row))
			row->shape = group_of(t, unit, first_kind(row->kind), row);
	}
	for (NetRow *row = unit->table->rows; row != NULL; row = row->next)
	{
		if (!in_pass(unit, row))
			continue;
		put_row(unit, row->shape, row);
		t->status.stats.rows_early += unit->pass == PASS_EARLY;
	}
	if (replaced > 0)
	{
		for (NetRow *row = unit->table->rows; row != NULL; row = row->next)
		{
			if (row->kind == NET_REPLACE && in_pass(unit, row))
				row->shape = group_of(t, unit, GROUP_INSERT, row);
		}
		/* the counts of inserts were complete and have grown: their lists are made anew */
		for (int i = 0; i < unit->group_count; i++)
		{
			if (unit->groups[i].kind == GROUP_INSERT)
				unit->groups[i].rows = NULL;
		}
		for (NetRow *row = unit->table->rows; row != NULL; row = row->next)
		{
			if ((row->kind == NET_INSERT || row->kind == NET_REPLACE) && in_pass(unit, row))
				put_row(unit, row->shape, row);
		}
	}
	qsort(unit->groups, (size_t) unit->group_count, sizeof(Group), compare_groups);
	sort_lookups(t, unit);
}

static bool
send_single(TargetPg *t, Unit *unit, const Group *group, Error *err)
{
	const RelationEntry *entry = unit->table->subject->owner;
	const NetRow *row = group->rows[unit->row_at++];
	Change change;

	group_change(entry->bound, group->kind, row, &change);
	t->status.stats.rows_single++;
	return target_pg_send_change(t, row->commit, &change, err);
}

static void
reserve_arrays(TargetPg *t, int count)
{
	target_pg_reserve_params(t, count + 1);
	if (count <= t->array_size)
		return;
	t->arrays = xrealloc(t->arrays, sizeof(NetArray) * (size_t) count);
	for (; t->array_size < count; t->array_size++)
		strbuf_init(&t->arrays[t->array_size].data);
}

/* What a single large value has blown up does not stay. */
static void
shrink_arrays(TargetPg *t, int count)
{
	for (int p = 0; p < count; p++)
	{
		if (t->arrays[p].data.size <= 4 * GROUP_BYTES)
			continue;
		strbuf_free(&t->arrays[p].data);
		strbuf_init(&t->arrays[p].data);
	}
}

/* Fills the arrays with as many rows as a statement takes; returns how many. */
static int64_t
fill_arrays(TargetPg *t, const RelationEntry *entry, const Group *group, int64_t from,
            size_t *bytes)
{
	const GroupPlan *plan = group->plan;
	int64_t at = from;

	for (int p = 0; p < plan->column_count; p++)
	{
		const Column *column = &entry->relation->columns[plan->columns[p]];
		const TargetColumn *target = &entry->table->columns[entry->bound->map[plan->columns[p]]];

		t->types[p] = target->array_type;
		net_array_begin(&t->arrays[p], column->format == FORMAT_BINARY, target->type_oid,
		                target->delimiter);
	}
	*bytes = 0;
	while (at < group->count && at - from < GROUP_ROWS && *bytes < GROUP_BYTES)
	{
		const Value *values = group->rows[at++]->values;

		for (int p = 0; p < plan->column_count; p++)
		{
			const Value *value = &values[plan->columns[p]];

			net_array_add(&t->arrays[p], value);
			*bytes += 4 + (value->state == VALUE_PRESENT ? value->len : 0);
		}
	}
	for (int p = 0; p < plan->column_count; p++)
	{
		net_array_end(&t->arrays[p]);
		t->values[p] = t->arrays[p].data.data;
		t->lengths[p] = (int) t->arrays[p].data.len;
		t->formats[p] = t->arrays[p].binary;
	}
	return at - from;
}

static bool
send_rows(TargetPg *t, Unit *unit, const Group *group, Error *err)
{
	enum
	{
		OID_INT8 = 20
	};
	RelationEntry *entry = unit->table->subject->owner;
	int arrays = group->plan->column_count;
	Request request = {.kind = REQUEST_GROUP, .relation = entry};
	char expected[8];
	size_t bytes;
	int64_t rows;
	int params = arrays;
	int sent;

	reserve_arrays(t, arrays);
	rows = fill_arrays(t, entry, group, unit->row_at, &bytes);
	if (group->kind != GROUP_INSERT)
	{
		for (int i = 0; i < 8; i++)
			expected[i] = (char) ((uint64_t) rows >> (56 - 8 * i));
		t->types[params] = OID_INT8;
		t->values[params] = expected;
		t->lengths[params] = sizeof(expected);
		t->formats[params++] = 1;
	}
	unit->row_at += rows;
	request.bytes = (uint32_t) bytes;
	sent = PQsendQueryParams(t->conn, group->plan->sql, params, t->types, t->values, t->lengths,
	                         t->formats, 0);
	shrink_arrays(t, arrays);
	return pipeline_sent(&t->pipeline, sent, &request, err);
}

bool
target_pg_send_group(TargetPg *t, Unit *unit, bool *done, Error *err)
{
	const Group *group;

	if (unit->groups == NULL)
	{
		share_out(t, unit);
		if (unit->pass != PASS_LATE)
			t->status.stats.rows_net += unit->table->row_count;
	}
	while (unit->group_at < unit->group_count && unit->row_at == unit->groups[unit->group_at].count)
	{
		unit->group_at++;
		unit->row_at = 0;
	}
	*done = unit->group_at == unit->group_count;
	if (*done)
		return true;
	group = &unit->groups[unit->group_at];
	if (group->plan->sql == NULL || (group->count <= FEW_ROWS && !group->needs_count))
		return send_single(t, unit, group, err);
	return send_rows(t, unit, group, err);
}
