/*
 * plan_sql.c
 *		The SQL text of a shape; see plan.h.
 *
 * Every update counts its rows on the server, in the statement itself: the COMMIT behind it is
 * already on its way when the answer arrives, so only an error raised there can stop it.  The
 * check is a HAVING that calls dts.target_rows_wrong() when the count is not one; it costs about a
 * tenth of an update by primary key.  A delete that finds nothing is no error, so a plain DELETE
 * serves, and its tag tells; only where no unique index of the target guarantees one row at most
 * does a delete count too.
 *
 * A row without a key is found by comparing row images (record_image_eq): exact for NULLs, for
 * types without equality and for values that are equal but not the same.  One of several equal
 * rows is taken, by its physical place.
 */
#include <stdio.h>
#include <string.h>

#include "plan.h"
#include "strbuf.h"

#define ROWS_WRONG "SELECT dts.target_rows_wrong(pg_catalog.count(*)) FROM u "

typedef struct Builder
{
	Arena *arena;
	const PlanRelation *bound;
	Plan *plan;
	StrBuf sql;
} Builder;

static const TargetColumn *
column_of(const Builder *b, int column)
{
	return &b->bound->table->columns[b->bound->map[column]];
}

static int
columns(const Builder *b)
{
	return b->bound->relation->column_count;
}

static bool
has(const Builder *b, int column, uint8_t bit)
{
	return (b->plan->shape.columns[column] & bit) != 0;
}

/* Adds "$n" for a value of this column. */
static void
add_param(Builder *b, int column, bool match)
{
	PlanParam *param = &b->plan->params[b->plan->param_count++];

	param->column = column;
	param->match = match;
	param->binary = b->bound->relation->columns[column].format == FORMAT_BINARY;
	param->type = column_of(b, column)->type_oid;
	strbuf_printf(&b->sql, "$%d", b->plan->param_count);
}

static void
add_table(Builder *b, bool only)
{
	if (only && !b->bound->table->partitioned)
		strbuf_puts(&b->sql, "ONLY ");
	strbuf_qualified(&b->sql, b->bound->table->schema, b->bound->table->name);
}

static void
add_column(Builder *b, const char *alias, const char *name)
{
	if (alias != NULL)
	{
		strbuf_puts(&b->sql, alias);
		strbuf_putc(&b->sql, '.');
	}
	strbuf_ident(&b->sql, name);
}

/* "alias.col = $n AND ..." for the key. */
static void
add_key_match(Builder *b, const char *alias)
{
	bool first = true;

	for (int i = 0; i < columns(b); i++)
	{
		if (!has(b, i, COLUMN_MATCH))
			continue;
		if (!first)
			strbuf_puts(&b->sql, " AND ");
		first = false;
		add_column(b, alias, column_of(b, i)->name);
		strbuf_printf(&b->sql, " OPERATOR(%s) ", column_of(b, i)->equality);
		add_param(b, i, true);
	}
}

/* Equality of row images, and for the sake of indexes plain comparisons of what they begin with. */
static void
add_row_match(Builder *b, const char *alias)
{
	bool first = true;

	strbuf_puts(&b->sql, "ROW(");
	for (int i = 0; i < columns(b); i++)
	{
		if (!has(b, i, COLUMN_MATCH))
			continue;
		if (!first)
			strbuf_puts(&b->sql, ", ");
		first = false;
		add_column(b, alias, column_of(b, i)->name);
	}
	/* the cast keeps the parser from comparing column by column */
	strbuf_puts(&b->sql, ")::record OPERATOR(pg_catalog.*=) ROW(");
	first = true;
	for (int i = 0; i < columns(b); i++)
	{
		if (!has(b, i, COLUMN_MATCH))
			continue;
		if (!first)
			strbuf_puts(&b->sql, ", ");
		first = false;
		add_param(b, i, true);
	}
	strbuf_puts(&b->sql, ")::record");
	for (int i = 0; i < columns(b); i++)
	{
		if (!has(b, i, COLUMN_MATCH) || !column_of(b, i)->indexed)
			continue;
		strbuf_puts(&b->sql, " AND ");
		add_column(b, alias, column_of(b, i)->name);
		if (has(b, i, COLUMN_IS_NULL))
			strbuf_puts(&b->sql, " IS NULL");
		else
		{
			strbuf_puts(&b->sql, " OPERATOR(pg_catalog.=) ");
			add_param(b, i, true);
		}
	}
}

/*
 * The row by its place: a sub-select finds one, joined by `word` (FROM or USING).  Place means
 * ctid, and for a partitioned table the partition too.  The sub-select is evaluated once.
 */
static void
add_place_match(Builder *b, const char *word)
{
	strbuf_printf(&b->sql, " %s (SELECT x.tableoid AS part, x.ctid AS place FROM ", word);
	add_table(b, true);
	strbuf_puts(&b->sql, " AS x WHERE ");
	if (b->plan->shape.match == MATCH_KEY)
		add_key_match(b, "x");
	else
	{
		bool any = false;

		for (int i = 0; i < columns(b); i++)
			any |= has(b, i, COLUMN_MATCH);
		if (any)
			add_row_match(b, "x");
		else
			strbuf_puts(&b->sql, "true");
	}
	strbuf_puts(&b->sql, " LIMIT 1) AS m WHERE t.ctid = m.place AND t.tableoid = m.part");
}

static void
add_match(Builder *b, const char *word)
{
	if (b->plan->shape.match == MATCH_KEY)
	{
		strbuf_puts(&b->sql, " WHERE ");
		add_key_match(b, "t");
	}
	else
		add_place_match(b, word);
}

static void
build_insert(Builder *b)
{
	bool first = true;

	strbuf_puts(&b->sql, "INSERT INTO ");
	add_table(b, false);
	for (int i = 0; i < columns(b); i++)
	{
		if (!has(b, i, COLUMN_SET))
			continue;
		strbuf_puts(&b->sql, first ? " (" : ", ");
		first = false;
		add_column(b, NULL, column_of(b, i)->name);
	}
	if (first)
	{
		strbuf_puts(&b->sql, " DEFAULT VALUES");
		return;
	}
	strbuf_puts(&b->sql, ") OVERRIDING SYSTEM VALUE VALUES (");
	first = true;
	for (int i = 0; i < columns(b); i++)
	{
		if (!has(b, i, COLUMN_SET))
			continue;
		if (!first)
			strbuf_puts(&b->sql, ", ");
		first = false;
		add_param(b, i, false);
	}
	strbuf_putc(&b->sql, ')');
}

static void
build_update(Builder *b)
{
	bool first = true;

	strbuf_puts(&b->sql, "WITH u AS (UPDATE ");
	add_table(b, true);
	strbuf_puts(&b->sql, " AS t SET ");
	for (int i = 0; i < columns(b); i++)
	{
		if (!has(b, i, COLUMN_SET))
			continue;
		if (!first)
			strbuf_puts(&b->sql, ", ");
		first = false;
		add_column(b, NULL, column_of(b, i)->name);
		strbuf_puts(&b->sql, " = ");
		add_param(b, i, false);
	}
	add_match(b, "FROM");
	strbuf_puts(&b->sql, " RETURNING 1) " ROWS_WRONG "HAVING pg_catalog.count(*) <> 1");
}

/* The place of a source column's value in the row that a PLAN_REPLACE inserts, or -1. */
static int
set_column_at(const Builder *b, int target_column)
{
	for (int i = 0; i < columns(b); i++)
	{
		if (b->bound->map[i] == target_column && has(b, i, COLUMN_SET))
			return i;
	}
	return -1;
}

static void
build_replace(Builder *b)
{
	const TargetTable *table = b->bound->table;
	bool first = true;

	strbuf_puts(&b->sql, "WITH d AS (DELETE FROM ");
	add_table(b, true);
	strbuf_puts(&b->sql, " AS t");
	add_match(b, "USING");
	strbuf_puts(&b->sql, " RETURNING t.*), u AS (INSERT INTO ");
	add_table(b, false);
	for (int j = 0; j < table->column_count; j++)
	{
		if (table->columns[j].generated)
			continue;
		strbuf_puts(&b->sql, first ? " (" : ", ");
		first = false;
		add_column(b, NULL, table->columns[j].name);
	}
	strbuf_puts(&b->sql, ") OVERRIDING SYSTEM VALUE SELECT ");
	first = true;
	for (int j = 0; j < table->column_count; j++)
	{
		int column = set_column_at(b, j);

		if (table->columns[j].generated)
			continue;
		if (!first)
			strbuf_puts(&b->sql, ", ");
		first = false;
		if (column >= 0)
			add_param(b, column, false);
		else
			add_column(b, "d", table->columns[j].name);
	}
	strbuf_puts(&b->sql, " FROM d RETURNING 1) " ROWS_WRONG "HAVING pg_catalog.count(*) <> 1");
}

static void
build_probe(Builder *b)
{
	strbuf_puts(&b->sql, "WITH u AS (SELECT FROM ");
	add_table(b, true);
	if (b->plan->shape.match == MATCH_KEY)
		strbuf_puts(&b->sql, " AS t");
	else
		strbuf_puts(&b->sql, " AS t,");
	add_match(b, "");
	strbuf_puts(&b->sql, ") " ROWS_WRONG "HAVING pg_catalog.count(*) <> 1");
}

static void
build_delete(Builder *b)
{
	/* by its place there is one row at most; so there is by a unique key */
	b->plan->counts_rows = b->plan->shape.match == MATCH_KEY && !b->bound->key_unique;
	if (b->plan->counts_rows)
		strbuf_puts(&b->sql, "WITH u AS (");
	strbuf_puts(&b->sql, "DELETE FROM ");
	add_table(b, true);
	strbuf_puts(&b->sql, " AS t");
	add_match(b, "USING");
	if (b->plan->counts_rows)
		strbuf_puts(&b->sql, " RETURNING 1) SELECT CASE WHEN pg_catalog.count(*) > 1 THEN "
		                     "dts.target_rows_wrong(pg_catalog.count(*)) "
		                     "ELSE pg_catalog.count(*) END FROM u");
}

Plan *
plan_build(Arena *arena, const PlanRelation *bound, const PlanShape *shape)
{
	size_t count = (size_t) bound->relation->column_count;
	Plan *plan = arena_zalloc(arena, sizeof(*plan));
	uint8_t *copy = arena_alloc(arena, count + 1);
	Builder b = {.arena = arena, .bound = bound, .plan = plan};

	memcpy(copy, shape->columns, count);
	plan->shape = *shape;
	plan->shape.columns = copy;
	/* each column once as written, once as compared, once for an index */
	plan->params = arena_zalloc(arena, sizeof(PlanParam) * (count * 3 + 1));
	strbuf_init(&b.sql);
	switch (shape->kind)
	{
		case PLAN_INSERT:
			build_insert(&b);
			break;
		case PLAN_UPDATE:
			build_update(&b);
			break;
		case PLAN_REPLACE:
			build_replace(&b);
			break;
		case PLAN_PROBE:
			build_probe(&b);
			break;
		case PLAN_DELETE:
			build_delete(&b);
			break;
	}
	plan->sql = arena_strndup(arena, b.sql.data, b.sql.len);
	strbuf_free(&b.sql);
	return plan;
}

/* Whether the root that stands in for this leaf is truncated by the same command. */
static bool
root_is_truncated(const PlanRelation *leaf, const Change *change)
{
	for (int i = 0; i < change->truncated_count; i++)
	{
		const Relation *other = change->truncated[i];

		if (strcmp(other->schema, leaf->table->schema) == 0 &&
		    strcmp(other->name, leaf->table->name) == 0)
			return true;
	}
	return false;
}

/* "WITH d0 AS (DELETE ...), d1 AS (DELETE ...) SELECT": one statement whatever their number. */
static const char *
plan_deletes(Arena *arena, const PlanRelation *const *bound, const Change *change)
{
	StrBuf sql;
	const char *text;
	int n = 0;

	strbuf_init(&sql);
	for (int i = 0; i < change->truncated_count; i++)
	{
		const TargetTable *table = bound[i]->table;

		if (table->is_root)
			continue;
		strbuf_printf(&sql, "%s d%d AS (DELETE FROM ", n == 0 ? "WITH" : ",", n);
		n++;
		if (!table->partitioned)
			strbuf_puts(&sql, "ONLY ");
		strbuf_qualified(&sql, table->schema, table->name);
		strbuf_putc(&sql, ')');
	}
	strbuf_puts(&sql, " SELECT");
	text = arena_strndup(arena, sql.data, sql.len);
	strbuf_free(&sql);
	return text;
}

const char *
plan_truncate(Arena *arena, const PlanRelation *const *bound, const Change *change, Error *err)
{
	StrBuf sql;
	const char *text;
	bool first = true;

	if (change->by_delete)
		return plan_deletes(arena, bound, change);
	strbuf_init(&sql);
	for (int i = 0; i < change->truncated_count; i++)
	{
		const TargetTable *table = bound[i]->table;

		if (table->is_root)
		{
			if (root_is_truncated(bound[i], change))
				continue;
			error_set(err, ERR_RELATION_MISMATCH,
			          "truncate of partition \"%s\".\"%s\", which does not exist on the target",
			          bound[i]->relation->schema, bound[i]->relation->name);
			error_hint(err, "Create the partition on the target, or load the table again.");
			strbuf_free(&sql);
			return NULL;
		}
		strbuf_puts(&sql, first ? "TRUNCATE " : ", ");
		first = false;
		if (!table->partitioned)
			strbuf_puts(&sql, "ONLY ");
		strbuf_qualified(&sql, table->schema, table->name);
	}
	if (first)
		strbuf_puts(&sql, "SELECT");
	else
	{
		strbuf_puts(&sql, change->restart_identity ? " RESTART IDENTITY" : " CONTINUE IDENTITY");
		strbuf_puts(&sql, change->cascade ? " CASCADE" : " RESTRICT");
	}
	text = arena_strndup(arena, sql.data, sql.len);
	strbuf_free(&sql);
	return text;
}
