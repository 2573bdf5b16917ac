/*
 * sql_map.c
 *		See sql_map.h.  The walk over the tree, and text in and out.
 */
#include "sql_map.h"

#include <stdlib.h>
#include <string.h>

#include "sql_map_internal.h"
#include "strbuf.h"

typedef struct Partition
{
	const char *schema;
	const char *name;
	const char *root_schema;
	const char *root_name;
	struct Partition *next; /* of the same bucket */
} Partition;

typedef struct Computed
{
	const char *schema;
	const char *name;
	const char *column;
	const char *type;
	struct Computed *next;
} Computed;

#define BUCKETS 1024

struct SqlMap
{
	Arena *arena;
	const ObjectMap *objects;
	Partition *partitions[BUCKETS];
	Computed *computed;
};

SqlMap *
sql_map_create(Arena *arena, const ObjectMap *objects)
{
	SqlMap *map = arena_zalloc(arena, sizeof(*map));

	map->arena = arena;
	map->objects = objects;
	return map;
}

static unsigned
bucket_of(const char *name)
{
	unsigned hash = 5381;

	for (; *name != '\0'; name++)
		hash = hash * 33 + (unsigned char) *name;
	return hash % BUCKETS;
}

static Partition *
find_partition(const SqlMap *map, const char *schema, const char *name)
{
	Partition *p = map->partitions[bucket_of(name)];

	while (p != NULL && (strcmp(p->name, name) != 0 || strcmp(p->schema, schema) != 0))
		p = p->next;
	return p;
}

static bool
is_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void
sql_map_partition(SqlMap *map, const char *schema, const char *name, const char *root_schema,
                  const char *root_name)
{
	unsigned bucket = bucket_of(name);
	Partition *p = find_partition(map, schema, name);

	if (p == NULL && root_name == NULL)
		return;
	if (p == NULL)
	{
		p = arena_zalloc(map->arena, sizeof(*p));
		p->schema = arena_strdup(map->arena, schema);
		p->name = arena_strdup(map->arena, name);
		p->next = map->partitions[bucket];
		map->partitions[bucket] = p;
	}
	else if (is_text(p->root_name, root_name) && is_text(p->root_schema, root_schema))
		return;
	p->root_schema = root_name == NULL ? NULL : arena_strdup(map->arena, root_schema);
	p->root_name = root_name == NULL ? NULL : arena_strdup(map->arena, root_name);
}

void
sql_map_computed(SqlMap *map, const char *schema, const char *name, const char *column,
                 const char *type)
{
	Computed *c = arena_alloc(map->arena, sizeof(*c));

	*c = (Computed){schema, name, column, type, map->computed};
	map->computed = c;
}

#ifdef SQL_TREE

const ObjectMap *
sql_map_objects(const SqlMap *map)
{
	return map->objects;
}

/* By the column: a partition's is its root's. */
const char *
sql_map_computed_type(const SqlMap *map, const ObjectTable *table, const char *column)
{
	for (const Computed *c = map->computed; c != NULL; c = c->next)
	{
		if (strcmp(c->column, column) == 0 && strcmp(c->name, table->name) == 0 &&
		    strcmp(c->schema, table->schema) == 0)
			return c->type;
	}
	return NULL;
}

void
mapper_table(const Mapper *m, const char *schema, const char *name, ObjectTable *table)
{
	const Partition *p;

	/* the tree's own texts change while they are looked at */
	schema = arena_strdup(m->arena, schema == NULL ? "" : schema);
	name = arena_strdup(m->arena, name == NULL ? "" : name);
	p = find_partition(m->map, schema, name);
	object_map_leaf(m->map->objects, schema, name, p == NULL ? NULL : p->root_schema,
	                p == NULL ? NULL : p->root_name, table);
}

void
mapper_range(const Mapper *m, const PgQuery__RangeVar *range, ObjectTable *table)
{
	mapper_table(m, range->schemaname, range->relname, table);
}

void
mapper_set(Mapper *m, char **field, const char *text)
{
	sql_tree_set(field, text);
	m->changed = true;
}

void
mapper_needs(Mapper *m, const ObjectTable *table, const char *column)
{
	StrBuf text;

	strbuf_init(&text);
	strbuf_qualified(&text, table->schema, table->name);
	strbuf_putc(&text, '.');
	strbuf_ident(&text, column);
	m->needs = arena_strdup(m->arena, text.data);
	strbuf_free(&text);
}

void
mapper_column(Mapper *m, const ObjectTable *table, char **name)
{
	const char *target = object_table_target(table, *name);

	if (target == NULL)
		mapper_needs(m, table, *name);
	else if (strcmp(target, *name) != 0)
		mapper_set(m, name, target);
}

void
mapper_columns(Mapper *m, const ObjectTable *table, size_t count, SqlNode **names)
{
	for (size_t i = 0; i < count; i++)
	{
		if (sql_tree_text(names[i]) != NULL)
			mapper_column(m, table, &names[i]->string->sval);
	}
}

void
mapper_walk(Mapper *m, ProtobufCMessage *message)
{
	Scope scope = {.outer = m->scope};
	bool inside = mapper_enter_query(m, message, &scope) || mapper_enter_table(m, message, &scope);

	if (inside)
		m->scope = &scope;
	if (message->descriptor == &pg_query__column_ref__descriptor)
		mapper_column_ref(m, (PgQuery__ColumnRef *) message);
	else if (message->descriptor == &pg_query__res_target__descriptor)
		mapper_res_target(m, (PgQuery__ResTarget *) message);
	else if (message->descriptor == &pg_query__create_function_stmt__descriptor)
		mapper_function(m, (PgQuery__CreateFunctionStmt *) message);
	mapper_names(m, message);
	for (unsigned i = 0; i < message->descriptor->n_fields; i++)
	{
		ProtobufCMessage **items;
		size_t count = sql_tree_children(message, i, &items);

		for (size_t k = 0; k < count; k++)
		{
			if (items[k] != NULL)
				mapper_walk(m, items[k]);
		}
	}
	m->scope = scope.outer;
}

static SqlMapEnd
failed(Error *err, const char *what, const char *why, const char *sql)
{
	error_set(err, ERR_CONFIG, "%s", what);
	error_detail(err, "%s: %.400s", why, sql);
	error_hint(err, "Leave that object out of the job and make it on the target by hand, or leave "
	                "the names as they are.");
	return SQL_MAP_FAILED;
}

/* One statement, in a tree of its own. */
static SqlMapEnd
map_statement(SqlMap *map, Arena *arena, const char *sql, SqlMapped *mapped, Error *err)
{
	Mapper m = {.map = map, .arena = arena, .err = err};
	const char *why = "";
	SqlTree *tree = sql_tree_parse(arena, sql, &why);
	SqlMapEnd end = SQL_MAP_DONE;

	mapped->sql = sql;
	if (tree == NULL)
		return failed(err, "a definition cannot be read to give it other names", why, sql);
	mapper_aliases(&m, &tree->base);
	mapper_walk(&m, &tree->base);
	if (m.unread != NULL)
		mapped->unread = m.unread;
	if (m.failed)
		end = SQL_MAP_FAILED;
	else if (m.gone)
		end = SQL_MAP_GONE;
	else if (m.needs != NULL)
	{
		mapped->needs = m.needs;
		end = SQL_MAP_BROKEN;
	}
	else if (m.changed)
	{
		mapped->changed = true;
		mapped->sql = sql_tree_write(arena, tree);
		if (mapped->sql == NULL)
			end = failed(err, "a definition cannot be written with other names",
			             "The parser's library does not know how", sql);
	}
	sql_tree_free(tree);
	return end;
}

SqlMapEnd
sql_map_text(SqlMap *map, Arena *arena, const char *sql, SqlMapped *mapped, Error *err)
{
	PgQuerySplitResult split = pg_query_split_with_parser(sql);
	SqlMapEnd end = SQL_MAP_GONE;
	StrBuf out;

	memset(mapped, 0, sizeof(*mapped));
	mapped->sql = sql;
	if (split.error != NULL)
	{
		end = failed(err, "a definition cannot be read to give it other names",
		             arena_strdup(arena, split.error->message),
		             sql + (split.error->cursorpos > 0 ? split.error->cursorpos - 1 : 0));
		pg_query_free_split_result(split);
		return end;
	}
	strbuf_init(&out);
	for (int i = 0; i < split.n_stmts && end != SQL_MAP_FAILED && end != SQL_MAP_BROKEN; i++)
	{
		const PgQuerySplitStmt *s = split.stmts[i];
		const char *one = arena_strndup(arena, sql + s->stmt_location, (size_t) s->stmt_len);
		SqlMapEnd this = map_statement(map, arena, one, mapped, err);

		if (this == SQL_MAP_GONE)
			continue;
		end = this;
		strbuf_puts(&out, mapped->sql);
		strbuf_puts(&out, ";\n");
	}
	if (split.n_stmts == 0)
		end = SQL_MAP_DONE; /* comments alone */
	mapped->sql = arena_strdup(arena, out.data);
	strbuf_free(&out);
	pg_query_free_split_result(split);
	return end;
}

#else /* built where there is no libpg_query */

SqlMapEnd
sql_map_text(SqlMap *map, Arena *arena, const char *sql, SqlMapped *mapped, Error *err)
{
	(void) map;
	(void) arena;
	memset(mapped, 0, sizeof(*mapped));
	mapped->sql = sql;
	error_set(err, ERR_CONFIG, "this build cannot give objects other names");
	error_detail(err, "It was made without libpg_query.");
	error_hint(err, "Use a dts_applier that was built with it, or make the target's tables by hand "
	                "and leave the phase \"schema\" out.");
	return SQL_MAP_FAILED;
}

#endif

const char *
sql_map_script(SqlMap *map, Arena *arena, const char *sql, Error *err)
{
	SqlMapped mapped;

	switch (sql_map_text(map, arena, sql, &mapped, err))
	{
		case SQL_MAP_DONE:
			return mapped.sql;
		case SQL_MAP_GONE:
			return "";
		case SQL_MAP_FAILED:
			return NULL;
		case SQL_MAP_BROKEN:
			break;
	}
	error_set(err, ERR_INTERNAL, "a definition needs a column that is left out");
	error_detail(err, "%s", mapped.needs);
	return NULL;
}
