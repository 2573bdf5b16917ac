/*
 * ddl_partition.c
 *		See ddl_partition.h.
 */
#include "ddl_partition.h"

#include <string.h>

/* What becomes of one table of the record. */
typedef struct Move
{
	const json_t *was;
	const json_t *now;
	ObjectTable before;
	ObjectTable after;
} Move;

static void
look_up(const ObjectMap *map, const json_t *doc, ObjectTable *table)
{
	const json_t *root = json_object_get(doc, "root");

	object_map_leaf(map, ddl_text(doc, "schema"), ddl_text(doc, "name"), ddl_text(root, "schema"),
	                ddl_text(root, "name"), table);
}

/* Those below it follow the one that is attached: their columns are renamed with its. */
static bool
is_moved_itself(const Move *move)
{
	bool attached = ddl_text(move->was, "partition_bound") == NULL &&
	                ddl_text(move->now, "partition_bound") != NULL;
	bool detached = ddl_text(move->was, "partition_bound") != NULL &&
	                ddl_text(move->now, "partition_bound") == NULL;

	return attached || detached;
}

static bool
chooses(const ObjectTable *table, const json_t *columns)
{
	if (table->where != NULL)
		return true;
	for (int i = 0; i < table->column_count; i++)
	{
		if (table->columns[i].expr != NULL)
			return true;
	}
	for (size_t i = 0; i < json_array_size(columns); i++)
	{
		if (object_table_target(table, ddl_text(json_array_get(columns, i), "name")) == NULL)
			return true;
	}
	return false;
}

static const char *
rename_line(Arena *arena, const ObjectTable *table, const char *from, const char *to)
{
	return arena_printf(arena, "ALTER TABLE %s RENAME COLUMN %s TO %s",
	                    ddl_qualified(arena, table->target_schema, table->target_name),
	                    ddl_ident(arena, from), ddl_ident(arena, to));
}

/* By way of names that nobody has: two columns may exchange theirs. */
static int
rename_lines(Arena *arena, const Move *move, const char **lines)
{
	const json_t *columns = json_object_get(move->now, "columns");
	int count = 0;

	for (int step = 0; step < 2; step++)
	{
		for (size_t i = 0; i < json_array_size(columns); i++)
		{
			const char *name = ddl_text(json_array_get(columns, i), "name");
			const char *from = object_table_target(&move->before, name);
			const char *to = object_table_target(&move->after, name);
			const char *between = arena_printf(arena, "dts moves column %d", (int) i);

			if (strcmp(from, to) != 0)
				lines[count++] = rename_line(arena, &move->after, step == 0 ? from : between,
				                             step == 0 ? between : to);
		}
	}
	return count;
}

/* The plan's commands with others in front of them or behind. */
static void
put_lines(Arena *arena, DdlPlan *plan, const char **lines, int count, bool in_front)
{
	size_t total = (size_t) (plan->count + count);
	const char **sql = arena_alloc(arena, sizeof(*sql) * (total + 1));
	const char **roles = arena_zalloc(arena, sizeof(*roles) * (total + 1));
	int at = in_front ? count : 0;

	memcpy(sql + (in_front ? 0 : plan->count), lines, sizeof(*sql) * (size_t) count);
	for (int i = 0; i < plan->count; i++)
	{
		sql[at + i] = plan->sql[i];
		roles[at + i] = plan->roles == NULL ? NULL : plan->roles[i];
	}
	plan->sql = sql;
	plan->roles = roles;
	plan->count += count;
}

void
ddl_partition_columns(Arena *arena, const ObjectMap *map, const DdlRecord *record,
                      const DdlScope *scope, DdlPlan *plan)
{
	for (size_t i = 0; i < json_array_size(record->objects); i++)
	{
		DdlObject object = ddl_object_at(record, i);
		Move move = {.was = object.before, .now = object.after};
		const json_t *columns = json_object_get(object.after, "columns");
		const char **lines;
		int count;

		if (strcmp(object.class, "pg_class") != 0 || object.before == NULL ||
		    object.after == NULL || columns == NULL || !is_moved_itself(&move) ||
		    !ddl_in_scope(scope, &object))
			continue;
		look_up(map, object.before, &move.before);
		look_up(map, object.after, &move.after);
		if (move.before.columns == move.after.columns && move.before.where == move.after.where)
			continue;
		if (chooses(&move.before, columns) || chooses(&move.after, columns))
		{
			plan->verdict = DDL_REFUSED;
			plan->reason = arena_printf(
			    arena,
			    "table %s is attached or detached, and the job's options choose rows or columns of "
			    "the partitioned table",
			    ddl_object_name(arena, object.after));
			return;
		}
		lines = arena_alloc(arena, sizeof(*lines) * 2 * (json_array_size(columns) + 1));
		count = rename_lines(arena, &move, lines);
		put_lines(arena, plan, lines, count, ddl_text(object.after, "partition_bound") != NULL);
	}
}
