/*
 * plan_group.c
 *		Statements for many rows; see plan_group.h.
 *
 * The arrays are expanded by calls of unnest() in a select list: in step, row by row, and without
 * the temporary storage of a call in FROM.  The planner's guess of their length is the same for all,
 * so such a statement is planned each time anew, for the size that the table has then, in a session
 * in which nothing but a nested loop is left: the arrays outside, the index of the key inside.
 *
 * COPY costs the server a fifth less time and a quarter less WAL than an insert of this kind, but needs an
 * empty pipeline and a round trip, before and after; target_pg_load.c takes it where that pays.
 *
 * The number of rows hit is checked by the server, in the statement, as in plan_sql.c and for the
 * same reason.  An insert without triggers and rules inserts every row or fails.
 */
#include "plan_group.h"

#include <string.h>

#include "strbuf.h"

static const TargetColumn *
column_of(const PlanRelation *bound, int column)
{
	return &bound->table->columns[bound->map[column]];
}

EngineOrder
group_order(const PlanRelation *bound)
{
	if (bound->table->triggers)
		return ORDER_TRIGGER;
	if (bound->table->partitioned || bound->table->is_root)
		return ORDER_PARTITIONED;
	return ORDER_NONE;
}

bool
group_by_key(const PlanRelation *bound, EngineOrder *why_not)
{
	*why_not = ORDER_NO_KEY;
	if (!bound->key_exists || !bound->key_indexed)
		return false;
	for (int i = 0; i < bound->relation->column_count; i++)
	{
		/* what does not fit into an array is looked for row by row */
		if (bound->key[i] && column_of(bound, i)->array_type == 0)
			return false;
	}
	*why_not = ORDER_IDENTITY;
	for (int i = 0; i < bound->relation->column_count; i++)
	{
		if (column_of(bound, i)->identity_always && !bound->key[i])
			return false;
	}
	*why_not = ORDER_NONE;
	return true;
}

static bool
is_written(const PlanRelation *bound, GroupKind kind, const Value *values, int column)
{
	const Value *value = &values[column];

	if (value->state != VALUE_PRESENT && value->state != VALUE_NULL)
		return false;
	return !column_of(bound, column)->generated && (kind == GROUP_INSERT || !bound->key[column]);
}

bool
group_fits(const PlanRelation *bound, const GroupPlan *plan, GroupKind kind, const Value *values)
{
	if (plan->kind != kind)
		return false;
	if (kind == GROUP_DELETE || kind == GROUP_ABSENT)
		return true;
	for (int i = 0; i < bound->relation->column_count; i++)
	{
		if (plan->writes[i] != is_written(bound, kind, values, i))
			return false;
	}
	return true;
}

static void
put_table(StrBuf *sql, const PlanRelation *bound, bool only)
{
	if (only)
		strbuf_puts(sql, "ONLY ");
	strbuf_qualified(sql, bound->table->schema, bound->table->name);
}

/* The arrays' rows, "SELECT unnest($1) AS p1, ..." */
static void
put_arrays(StrBuf *sql, const GroupPlan *plan)
{
	strbuf_puts(sql, "SELECT ");
	for (int p = 0; p < plan->column_count; p++)
		strbuf_printf(sql, "%spg_catalog.unnest($%d) AS p%d", p > 0 ? ", " : "", p + 1, p + 1);
}

static void
put_match(StrBuf *sql, const PlanRelation *bound, const GroupPlan *plan)
{
	const char *word = "";

	for (int p = 0; p < plan->column_count; p++)
	{
		if (!bound->key[plan->columns[p]])
			continue;
		strbuf_printf(sql, "%st.", word);
		strbuf_ident(sql, column_of(bound, plan->columns[p])->name);
		strbuf_printf(sql, " OPERATOR(%s) s.p%d", column_of(bound, plan->columns[p])->equality,
		              p + 1);
		word = " AND ";
	}
}

/* The arrays as s, joined to the table t by its key. */
static void
put_joined(StrBuf *sql, const PlanRelation *bound, const GroupPlan *plan)
{
	strbuf_putc(sql, '(');
	put_arrays(sql, plan);
	strbuf_puts(sql, ") AS s WHERE ");
	put_match(sql, bound, plan);
}

/* "(col, ...)" of what an insert writes */
static void
put_columns(StrBuf *sql, const PlanRelation *bound, const GroupPlan *plan)
{
	for (int p = 0; p < plan->column_count; p++)
	{
		strbuf_puts(sql, p > 0 ? ", " : " (");
		strbuf_ident(sql, column_of(bound, plan->columns[p])->name);
	}
	strbuf_putc(sql, ')');
}

static void
put_set(StrBuf *sql, const PlanRelation *bound, const GroupPlan *plan)
{
	const char *word = " AS t SET ";

	for (int p = 0; p < plan->column_count; p++)
	{
		if (!plan->writes[plan->columns[p]])
			continue;
		strbuf_puts(sql, word);
		strbuf_ident(sql, column_of(bound, plan->columns[p])->name);
		strbuf_printf(sql, " = s.p%d", p + 1);
		word = ", ";
	}
}

static void
put_count(StrBuf *sql, const GroupPlan *plan)
{
	strbuf_printf(sql,
	              " RETURNING 1) SELECT dts.target_rows_wrong(pg_catalog.count(*)) FROM u "
	              "HAVING pg_catalog.count(*) <> $%d",
	              plan->column_count + 1);
}

static void
put_statement(StrBuf *sql, const PlanRelation *bound, const GroupPlan *plan)
{
	switch (plan->kind)
	{
		case GROUP_DELETE:
			strbuf_puts(sql, "WITH u AS (DELETE FROM ");
			put_table(sql, bound, true);
			strbuf_puts(sql, " AS t USING ");
			put_joined(sql, bound, plan);
			put_count(sql, plan);
			break;
		case GROUP_ABSENT:
			strbuf_puts(sql, "SELECT dts.target_rows_wrong(pg_catalog.count(*)) FROM ");
			put_table(sql, bound, true);
			strbuf_puts(sql, " AS t, ");
			put_joined(sql, bound, plan);
			strbuf_printf(sql, " HAVING pg_catalog.count(*) <> 0 AND $%d::bigint IS NOT NULL",
			              plan->column_count + 1);
			break;
		case GROUP_UPDATE:
			strbuf_puts(sql, "WITH u AS (UPDATE ");
			put_table(sql, bound, true);
			put_set(sql, bound, plan);
			strbuf_puts(sql, " FROM ");
			put_joined(sql, bound, plan);
			put_count(sql, plan);
			break;
		case GROUP_INSERT:
			strbuf_puts(sql, "INSERT INTO ");
			put_table(sql, bound, false);
			put_columns(sql, bound, plan);
			strbuf_puts(sql, " OVERRIDING SYSTEM VALUE ");
			put_arrays(sql, plan);
			break;
	}
}

GroupPlan *
group_plan(Arena *arena, const PlanRelation *bound, GroupKind kind, const Value *values)
{
	size_t count = (size_t) bound->relation->column_count;
	GroupPlan *plan = arena_zalloc(arena, sizeof(*plan));
	bool *writes = arena_zalloc(arena, count + 1);
	bool arrays = true;
	bool any = false;
	StrBuf sql;

	plan->kind = kind;
	plan->writes = writes;
	plan->columns = arena_zalloc(arena, sizeof(int) * (count + 1));
	for (int i = 0; i < bound->relation->column_count; i++)
	{
		if (kind == GROUP_UPDATE || kind == GROUP_INSERT)
			writes[i] = is_written(bound, kind, values, i);
		any |= writes[i];
		if (!writes[i] && (kind == GROUP_INSERT || !bound->key[i]))
			continue;
		plan->columns[plan->column_count++] = i;
		arrays &= column_of(bound, i)->array_type != 0;
	}
	if (!any && (kind == GROUP_UPDATE || kind == GROUP_INSERT))
		return plan;
	strbuf_init(&sql);
	if (arrays)
	{
		put_statement(&sql, bound, plan);
		plan->sql = arena_strndup(arena, sql.data, sql.len);
	}
	strbuf_free(&sql);
	return plan;
}

const char *
group_copy(Arena *arena, const PlanRelation *bound, const GroupPlan *plan)
{
	const char *result;
	StrBuf sql;

	for (int p = 0; p < plan->column_count; p++)
	{
		/* the format of a COPY is that of all its columns */
		if (bound->relation->columns[plan->columns[p]].format != FORMAT_BINARY)
			return NULL;
	}
	if (plan->kind != GROUP_INSERT || plan->column_count == 0 || bound->table->row_security)
		return NULL;
	strbuf_init(&sql);
	strbuf_puts(&sql, "COPY ");
	put_table(&sql, bound, false);
	put_columns(&sql, bound, plan);
	strbuf_puts(&sql, " FROM STDIN (FORMAT binary)");
	result = arena_strndup(arena, sql.data, sql.len);
	strbuf_free(&sql);
	return result;
}

void
group_change(const PlanRelation *bound, GroupKind kind, const NetRow *row, Change *change)
{
	memset(change, 0, sizeof(*change));
	change->relation = bound->relation;
	change->new_values = row->values;
	switch (kind)
	{
		case GROUP_INSERT:
			change->kind = CHANGE_INSERT;
			break;
		case GROUP_UPDATE:
			change->kind = CHANGE_UPDATE;
			/* the key is what it was; with identity FULL a row is never found without an image */
			if (bound->relation->identity == 'f')
			{
				change->old_row = OLD_KEY;
				change->old_values = row->values;
			}
			break;
		case GROUP_DELETE:
		case GROUP_ABSENT:
			change->kind = CHANGE_DELETE;
			change->old_row = OLD_KEY;
			change->old_values = row->values;
			change->new_values = NULL;
			break;
	}
}
