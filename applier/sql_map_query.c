/*
 * sql_map_query.c
 *		Columns in expressions: which table each belongs to, by the queries around it.
 *
 * What refers to a table follows its name, as it does when PostgreSQL renames a table.  Where the new
 * name would be mistaken for something else of the statement, the table keeps its old one there as an
 * alias.
 */
#include "sql_map_internal.h"

#ifdef SQL_TREE

#include <string.h>

void
mapper_scope_add(Mapper *m, Scope *scope, const PgQuery__RangeVar *range, const char *alias,
                 bool follows)
{
	ScopeItem *item = arena_zalloc(m->arena, sizeof(*item));

	item->alias = arena_strdup(m->arena, alias);
	if (range != NULL && range->schemaname[0] != '\0')
	{
		item->is_table = true;
		mapper_range(m, range, &item->table);
		if (follows && strcmp(item->table.target_name, alias) != 0)
			item->new_alias = item->table.target_name;
	}
	item->next = scope->items;
	scope->items = item;
}

/* Both rows that triggers and rules speak of. */
void
mapper_scope_pair(Mapper *m, Scope *scope, const PgQuery__RangeVar *range)
{
	mapper_scope_add(m, scope, range, "new", false);
	mapper_scope_add(m, scope, range, "old", false);
}

static void
add_alias(PgQuery__RangeVar *range, const char *name)
{
	range->alias = xmalloc(sizeof(*range->alias));
	pg_query__alias__init(range->alias);
	range->alias->aliasname = xstrdup(name);
}

static void
note_alias(Mapper *m, const char *before, const char *after)
{
	MapperAlias *alias = arena_alloc(m->arena, sizeof(*alias));

	*alias =
	    (MapperAlias){arena_strdup(m->arena, before), arena_strdup(m->arena, after), m->aliases};
	m->aliases = alias;
}

/* Gathers the names that a statement refers by, before anything is changed. */
void
mapper_aliases(Mapper *m, ProtobufCMessage *message)
{
	if (message->descriptor == &pg_query__range_var__descriptor)
	{
		const PgQuery__RangeVar *range = (PgQuery__RangeVar *) message;
		ObjectTable table;

		mapper_range(m, range, &table);
		if (range->alias == NULL)
			note_alias(m, range->relname,
			           range->schemaname[0] != '\0' ? table.target_name : range->relname);
	}
	else if (message->descriptor == &pg_query__alias__descriptor)
	{
		const PgQuery__Alias *alias = (PgQuery__Alias *) message;

		note_alias(m, alias->aliasname, alias->aliasname);
	}
	for (unsigned i = 0; i < message->descriptor->n_fields; i++)
	{
		ProtobufCMessage **items;
		size_t count = sql_tree_children(message, i, &items);

		for (size_t k = 0; k < count; k++)
		{
			if (items[k] != NULL)
				mapper_aliases(m, items[k]);
		}
	}
}

/* Whether something else in the statement goes by this name, or will. */
static bool
is_taken(const Mapper *m, const char *before, const char *after)
{
	for (const MapperAlias *alias = m->aliases; alias != NULL; alias = alias->next)
	{
		if (strcmp(alias->after, after) == 0 && strcmp(alias->before, before) != 0)
			return true;
	}
	return false;
}

static void
scope_range(Mapper *m, Scope *scope, PgQuery__RangeVar *range)
{
	if (range->alias == NULL && range->schemaname[0] != '\0')
	{
		ObjectTable table;

		mapper_range(m, range, &table);
		if (strcmp(table.target_name, table.name) != 0 &&
		    is_taken(m, table.name, table.target_name))
			add_alias(range, range->relname);
	}
	mapper_scope_add(m, scope, range,
	                 range->alias != NULL ? range->alias->aliasname : range->relname,
	                 range->alias == NULL);
}

static void scope_from(Mapper *m, Scope *scope, size_t count, SqlNode **nodes);

static void
scope_join(Mapper *m, Scope *scope, PgQuery__JoinExpr *join)
{
	scope_from(m, scope, 1, &join->larg);
	scope_from(m, scope, 1, &join->rarg);
	/* the columns would have to keep one name on both sides */
	for (size_t i = 0; i < join->n_using_clause; i++)
	{
		for (ScopeItem *item = scope->items; item != NULL; item = item->next)
		{
			const char *column = sql_tree_text(join->using_clause[i]);
			const char *target = item->is_table && column != NULL && item->table.column_count > 0
			                         ? object_table_target(&item->table, column)
			                         : column;

			if (target != NULL && strcmp(target, column) != 0)
				mapper_needs(m, &item->table, column);
		}
	}
}

static void
scope_from(Mapper *m, Scope *scope, size_t count, SqlNode **nodes)
{
	for (size_t i = 0; i < count; i++)
	{
		SqlNode *node = nodes[i];

		if (node == NULL)
			continue;
		if (node->node_case == PG_QUERY__NODE__NODE_RANGE_VAR)
			scope_range(m, scope, node->range_var);
		else if (node->node_case == PG_QUERY__NODE__NODE_JOIN_EXPR)
			scope_join(m, scope, node->join_expr);
		else if (node->node_case == PG_QUERY__NODE__NODE_RANGE_SUBSELECT)
			mapper_scope_add(
			    m, scope, NULL,
			    node->range_subselect->alias != NULL ? node->range_subselect->alias->aliasname : "",
			    false);
		else if (node->node_case == PG_QUERY__NODE__NODE_RANGE_FUNCTION)
			mapper_scope_add(
			    m, scope, NULL,
			    node->range_function->alias != NULL ? node->range_function->alias->aliasname : "",
			    false);
		else if (node->node_case == PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE)
			scope_from(m, scope, 1, &node->range_table_sample->relation);
	}
}

static void
written_columns(Mapper *m, const PgQuery__RangeVar *range, size_t count, SqlNode **targets)
{
	ObjectTable table;

	if (range == NULL || range->schemaname[0] == '\0')
		return;
	mapper_range(m, range, &table);
	for (size_t i = 0; i < count; i++)
	{
		if (targets[i]->node_case == PG_QUERY__NODE__NODE_RES_TARGET)
			mapper_column(m, &table, &targets[i]->res_target->name);
	}
}

bool
mapper_enter_query(Mapper *m, ProtobufCMessage *message, Scope *scope)
{
	if (message->descriptor == &pg_query__select_stmt__descriptor)
	{
		PgQuery__SelectStmt *select = (PgQuery__SelectStmt *) message;

		scope_from(m, scope, select->n_from_clause, select->from_clause);
		return true;
	}
	if (message->descriptor == &pg_query__insert_stmt__descriptor)
	{
		PgQuery__InsertStmt *insert = (PgQuery__InsertStmt *) message;

		written_columns(m, insert->relation, insert->n_cols, insert->cols);
		scope_range(m, scope, insert->relation);
		return true;
	}
	if (message->descriptor == &pg_query__update_stmt__descriptor)
	{
		PgQuery__UpdateStmt *update = (PgQuery__UpdateStmt *) message;

		written_columns(m, update->relation, update->n_target_list, update->target_list);
		scope_range(m, scope, update->relation);
		scope_from(m, scope, update->n_from_clause, update->from_clause);
		return true;
	}
	if (message->descriptor == &pg_query__delete_stmt__descriptor)
	{
		PgQuery__DeleteStmt *delete = (PgQuery__DeleteStmt *) message;

		scope_range(m, scope, delete->relation);
		scope_from(m, scope, delete->n_using_clause, delete->using_clause);
		return true;
	}
	return false;
}

static ScopeItem *
find_alias(const Mapper *m, const char *alias)
{
	for (const Scope *scope = m->scope; scope != NULL; scope = scope->outer)
	{
		for (ScopeItem *item = scope->items; item != NULL; item = item->next)
		{
			if (strcmp(item->alias, alias) == 0)
				return item;
		}
	}
	return NULL;
}

/* Columns stand alone only where one table is all there is. */
static const ScopeItem *
only_item(const Mapper *m)
{
	const ScopeItem *items = m->scope != NULL ? m->scope->items : NULL;

	return items != NULL && items->next == NULL ? items : NULL;
}

void
mapper_column_ref(Mapper *m, PgQuery__ColumnRef *ref)
{
	size_t last = ref->n_fields - 1;
	const char *column = sql_tree_text(ref->fields[last]);
	const ScopeItem *item = NULL;

	if (ref->location == REF_DONE)
		return;
	if (ref->n_fields == 1)
		item = only_item(m);
	else if (ref->n_fields == 2 && sql_tree_text(ref->fields[0]) != NULL)
	{
		item = find_alias(m, sql_tree_text(ref->fields[0]));
		if (item != NULL && item->new_alias != NULL)
			mapper_set(m, &ref->fields[0]->string->sval, item->new_alias);
	}
	else if (ref->n_fields == 3)
	{
		ObjectTable table;

		mapper_table(m, sql_tree_text(ref->fields[0]), sql_tree_text(ref->fields[1]), &table);
		if (column != NULL)
			mapper_column(m, &table, &ref->fields[2]->string->sval);
		mapper_relation_list(m, 2, ref->fields);
		return;
	}
	if (item != NULL && item->is_table && column != NULL)
		mapper_column(m, &item->table, &ref->fields[last]->string->sval);
}

/* What a query gives out keeps its name when the column behind it gets another. */
void
mapper_res_target(Mapper *m, PgQuery__ResTarget *target)
{
	SqlNode *value = target->val;
	PgQuery__ColumnRef *ref;
	SqlNode **last;
	char *before;

	if (target->name[0] != '\0' || value == NULL ||
	    value->node_case != PG_QUERY__NODE__NODE_COLUMN_REF)
		return;
	ref = value->column_ref;
	last = &ref->fields[ref->n_fields - 1];
	if (sql_tree_text(*last) == NULL)
		return;
	before = arena_strdup(m->arena, sql_tree_text(*last));
	mapper_column_ref(m, ref);
	/* a second time it would be another table's, or a name that is taken over */
	ref->location = REF_DONE;
	if (strcmp(before, sql_tree_text(*last)) != 0)
		mapper_set(m, &target->name, before);
}

#endif
