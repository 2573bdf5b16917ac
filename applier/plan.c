/*
 * plan.c
 *		Binding relations to tables and changes to shapes; see plan.h.  The SQL text is
 *		plan_sql.c's.
 */
#include "plan.h"

#include <string.h>

#include "strbuf.h"

static const TargetColumn *
column_of(const PlanRelation *bound, int column)
{
	return &bound->table->columns[bound->map[column]];
}

static void
mismatch(Error *err, const Relation *relation, const TargetTable *table)
{
	error_set(err, ERR_RELATION_MISMATCH,
	          "table \"%s\".\"%s\" on the target cannot take the rows of \"%s\".\"%s\"",
	          table->schema, table->name, relation->schema, relation->name);
	error_hint(err, "Make the target's table like the source's, then resume the job.");
}

static bool
same_type(const Column *source, const TargetColumn *target)
{
	/* built-in types have one OID everywhere; the others are known by name, and their schema may
	 * differ, as that of an extension may */
	if (source->type_schema == NULL)
		return source->type_oid == target->type_oid;
	return strcmp(source->type_name, target->type_name) == 0;
}

static bool
bind_columns(PlanRelation *bound, bool *used, Error *err)
{
	const Relation *relation = bound->relation;
	const TargetTable *table = bound->table;

	for (int i = 0; i < relation->column_count; i++)
	{
		int found = -1;

		for (int j = 0; j < table->column_count && found < 0; j++)
		{
			if (strcmp(column_target_name(&relation->columns[i]), table->columns[j].name) == 0)
				found = j;
		}
		if (found < 0)
		{
			mismatch(err, relation, table);
			error_detail(err, "Column \"%s\" does not exist there.",
			             column_target_name(&relation->columns[i]));
			return false;
		}
		if (!same_type(&relation->columns[i], &table->columns[found]))
		{
			mismatch(err, relation, table);
			error_detail(err, "Column \"%s\" is of another type there (\"%s\".\"%s\").",
			             table->columns[found].name, table->columns[found].type_schema,
			             table->columns[found].type_name);
			return false;
		}
		bound->map[i] = found;
		used[found] = true;
	}
	for (int j = 0; j < table->column_count; j++)
	{
		if (used[j] || !table->columns[j].not_null || table->columns[j].has_default)
			continue;
		mismatch(err, relation, table);
		error_detail(err, "Column \"%s\" exists only there, and is NOT NULL without a default.",
		             table->columns[j].name);
		return false;
	}
	return true;
}

static void
bind_key_order(PlanRelation *bound, const TargetUnique *unique)
{
	bound->key_indexed = true;
	for (int k = 0; k < unique->count; k++)
	{
		for (int i = 0; i < bound->relation->column_count; i++)
		{
			if (bound->map[i] == unique->columns[k])
				bound->key_order[bound->key_order_count++] = i;
		}
	}
}

/* The columns that find a row: the source's key, or with identity FULL the target's primary key. */
static void
bind_key(PlanRelation *bound, const bool *used)
{
	const Relation *relation = bound->relation;
	const TargetTable *table = bound->table;
	bool full = relation->identity == 'f';
	int primary = 0;

	for (int j = 0; j < table->column_count; j++)
	{
		if (!table->columns[j].primary_key)
			continue;
		primary++;
		if (!used[j] && full)
			return; /* part of the key is not the source's */
	}
	for (int i = 0; i < relation->column_count; i++)
	{
		bound->key[i] =
		    full ? primary > 0 && column_of(bound, i)->primary_key : relation->columns[i].is_key;
		bound->key_exists |= bound->key[i];
	}
	for (int u = 0; u < table->unique_count && bound->key_exists; u++)
	{
		int within = 0;

		for (int k = 0; k < table->uniques[u].count; k++)
		{
			for (int i = 0; i < relation->column_count; i++)
				within += bound->key[i] && bound->map[i] == table->uniques[u].columns[k];
		}
		if (within < table->uniques[u].count)
			continue;
		bound->key_unique = true;
		if (table->uniques[u].plain && !bound->key_indexed)
			bind_key_order(bound, &table->uniques[u]);
	}
}

PlanRelation *
plan_bind(Arena *arena, const Relation *relation, const TargetTable *table, Error *err)
{
	size_t count = (size_t) relation->column_count;
	PlanRelation *bound = arena_zalloc(arena, sizeof(*bound));
	bool *used = arena_zalloc(arena, (size_t) table->column_count + 1);

	bound->relation = relation;
	bound->table = table;
	bound->map = arena_zalloc(arena, sizeof(int) * (count + 1));
	bound->key = arena_zalloc(arena, count + 1);
	bound->key_order = arena_zalloc(arena, sizeof(int) * (count + 1));
	bound->scratch = arena_zalloc(arena, count + 1);
	if (!bind_columns(bound, used, err))
		return NULL;
	bind_key(bound, used);
	return bound;
}

static bool
no_identity(const PlanRelation *bound, const Change *change, Error *err)
{
	error_set(err, ERR_NO_IDENTITY, "%s of table \"%s\".\"%s\" carries no usable row identity",
	          change->kind == CHANGE_DELETE ? "delete" : "update", bound->relation->schema,
	          bound->relation->name);
	error_hint(err, "Set a replica identity on the source (a primary key, ALTER TABLE ... REPLICA "
	                "IDENTITY USING INDEX, or FULL), then load the table again.");
	return false;
}

void
plan_refused(const Change *change, Error *err)
{
	const Refused *refused = change->refused;
	const char *operation = change->operation == 'I'   ? "insert"
	                        : change->operation == 'U' ? "update"
	                                                   : "delete";
	StrBuf detail;

	error_set(err, ERR_REFUSED, "%s%s%s of table \"%s\".\"%s\" %s: %s",
	          refused->column[0]       ? "computed column \""
	          : refused->expression[0] ? "row filter"
	                                   : "selection of columns",
	          refused->column, refused->column[0] ? "\"" : "", change->relation->schema,
	          change->relation->name, refused->key[0] ? "fails for a row" : "fails",
	          refused->message);
	strbuf_init(&detail);
	if (refused->expression[0])
		strbuf_printf(&detail, "The expression is: %s", refused->expression);
	if (refused->position > 0)
		strbuf_printf(&detail, " (the error is at character %u)", refused->position);
	if (detail.len > 0)
		strbuf_puts(&detail, ". ");
	strbuf_printf(&detail, "The source says so of an %s%s%s%s (SQLSTATE %s).", operation,
	              refused->key[0] ? " of the row " : "", refused->key,
	              refused->detail[0] ? ", and adds: " : "", refused->sqlstate);
	if (refused->detail[0])
		strbuf_printf(&detail, " %s", refused->detail);
	error_detail(err, "%s", detail.data);
	strbuf_free(&detail);
	error_hint(err,
	           "Take the table out with dts_remove_tables, or change what the options say of "
	           "it with dts_modify_objects; then dts_retry_job.%s%s",
	           refused->hint[0] ? " " : "", refused->hint);
}

/* How the row is found, and by which columns. */
static bool
shape_match(PlanRelation *bound, const Change *change, PlanShape *shape, Error *err)
{
	const Relation *relation = bound->relation;
	const Value *old = change->old_row == OLD_NONE ? change->new_values : change->old_values;
	bool by_key = bound->key_exists;

	if (old == NULL || (change->old_row == OLD_NONE && relation->identity == 'f'))
		return no_identity(bound, change, err);
	for (int i = 0; i < relation->column_count && by_key; i++)
	{
		if (bound->key[i] && old[i].state != VALUE_PRESENT)
			by_key = false;
	}
	if (!by_key && change->old_row != OLD_FULL)
		return no_identity(bound, change, err);

	shape->match = by_key ? MATCH_KEY : MATCH_ROW;
	for (int i = 0; i < relation->column_count; i++)
	{
		if (by_key)
			bound->scratch[i] |= bound->key[i] ? COLUMN_MATCH : 0;
		else if (old[i].state == VALUE_PRESENT || old[i].state == VALUE_NULL)
		{
			bound->scratch[i] |= COLUMN_MATCH;
			if (column_of(bound, i)->indexed && old[i].state == VALUE_NULL)
				bound->scratch[i] |= COLUMN_IS_NULL;
		}
	}
	return true;
}

static bool
value_equal(const Value *a, const Value *b)
{
	if (a->state != b->state)
		return false;
	return a->state == VALUE_NULL ||
	       (a->state == VALUE_PRESENT && a->len == b->len && memcmp(a->data, b->data, a->len) == 0);
}

/* What an update writes. */
static void
shape_update(PlanRelation *bound, const Change *change, PlanShape *shape)
{
	bool any = false;

	shape->kind = PLAN_UPDATE;
	for (int i = 0; i < bound->relation->column_count; i++)
	{
		const Value *value = &change->new_values[i];
		const TargetColumn *target = column_of(bound, i);

		if (value->state == VALUE_UNCHANGED || value->state == VALUE_ABSENT || target->generated)
			continue;
		/* without an old image the key is what it was */
		if (change->old_row == OLD_NONE && bound->key[i])
			continue;
		if (target->identity_always)
		{
			if (change->old_row != OLD_NONE && value_equal(value, &change->old_values[i]))
				continue;
			shape->kind = PLAN_REPLACE;
		}
		bound->scratch[i] |= COLUMN_SET;
		any = true;
	}
	if (!any)
		shape->kind = PLAN_PROBE;
}

bool
plan_shape(PlanRelation *bound, const Change *change, PlanShape *shape, Error *err)
{
	memset(bound->scratch, 0, (size_t) bound->relation->column_count);
	shape->columns = bound->scratch;
	shape->match = MATCH_NONE;
	switch (change->kind)
	{
		case CHANGE_INSERT:
			shape->kind = PLAN_INSERT;
			for (int i = 0; i < bound->relation->column_count; i++)
			{
				ValueState state = change->new_values[i].state;

				if (!column_of(bound, i)->generated &&
				    (state == VALUE_PRESENT || state == VALUE_NULL))
					bound->scratch[i] = COLUMN_SET;
			}
			return true;
		case CHANGE_UPDATE:
			shape_update(bound, change, shape);
			return shape_match(bound, change, shape, err);
		case CHANGE_DELETE:
			shape->kind = PLAN_DELETE;
			return shape_match(bound, change, shape, err);
		case CHANGE_NO_IDENTITY:
			return no_identity(bound, change, err);
		case CHANGE_REFUSED:
			plan_refused(change, err);
			return false;
		case CHANGE_TRUNCATE:
		case CHANGE_MESSAGE:
			break;
	}
	error_set(err, ERR_INTERNAL, "change of kind %d has no shape", (int) change->kind);
	return false;
}

bool
plan_shape_equal(const PlanRelation *bound, const PlanShape *a, const PlanShape *b)
{
	return a->kind == b->kind && a->match == b->match &&
	       memcmp(a->columns, b->columns, (size_t) bound->relation->column_count) == 0;
}

const Value *
plan_value(const PlanParam *param, const Change *change)
{
	if (param->match && change->old_row != OLD_NONE)
		return &change->old_values[param->column];
	return &change->new_values[param->column];
}
