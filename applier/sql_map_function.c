/*
 * sql_map_function.c
 *		Functions: bodies that are SQL are rewritten like any statement; the text of other languages
 *		is left alone, and it is told when it names something that is renamed.
 *
 * Names without a schema in a body are resolved when it runs, by whatever search path is set then;
 * they too are left alone, and told of.
 */
#include "sql_map_internal.h"

#ifdef SQL_TREE

#include <string.h>
#include <strings.h>

static const char *
language_of(const PgQuery__CreateFunctionStmt *function)
{
	for (size_t i = 0; i < function->n_options; i++)
	{
		const SqlNode *option = function->options[i];

		if (option->node_case == PG_QUERY__NODE__NODE_DEF_ELEM &&
		    strcmp(option->def_elem->defname, "language") == 0 &&
		    sql_tree_text(option->def_elem->arg) != NULL)
			return option->def_elem->arg->string->sval;
	}
	return "sql";
}

/* A word of the text that the options give another name, or NULL. */
static const char *
renamed_word(Mapper *m, const char *text)
{
	PgQueryScanResult scanned = pg_query_scan(text);
	PgQuery__ScanResult *tokens = NULL;
	const char *found = NULL;

	if (scanned.error == NULL)
		tokens = pg_query__scan_result__unpack(NULL, scanned.pbuf.len,
		                                       (const uint8_t *) scanned.pbuf.data);
	for (size_t i = 0; tokens != NULL && i < tokens->n_tokens && found == NULL; i++)
	{
		const PgQuery__ScanToken *token = tokens->tokens[i];
		size_t len = (size_t) (token->end - token->start);
		const char *at = text + token->start;
		char *word;

		if (len >= 2 && *at == '"')
			word = arena_strndup(m->arena, at + 1, len - 2);
		else
			word = arena_strndup(m->arena, at, len);
		if (object_map_mentions(sql_map_objects(m->map), word))
			found = word;
	}
	if (tokens != NULL)
		pg_query__scan_result__free_unpacked(tokens, NULL);
	pg_query_free_scan_result(scanned);
	return found;
}

static void
map_body(Mapper *m, SqlNode *text)
{
	SqlMapped mapped;
	Error ignored = {0};
	SqlMapEnd end = sql_map_text(m->map, m->arena, text->string->sval, &mapped, &ignored);

	if (end == SQL_MAP_BROKEN)
		m->needs = mapped.needs;
	if (end != SQL_MAP_DONE)
	{
		m->unread = end == SQL_MAP_FAILED ? renamed_word(m, text->string->sval) : NULL;
		return;
	}
	/* the same statements in other words would only hide what was written */
	if (mapped.changed)
		mapper_set(m, &text->string->sval, mapped.sql);
	m->unread = renamed_word(m, mapped.sql);
}

static void
map_setting(Mapper *m, PgQuery__VariableSetStmt *set)
{
	if (strcmp(set->name, "search_path") != 0)
		return;
	for (size_t i = 0; i < set->n_args; i++)
	{
		PgQuery__AConst *value =
		    set->args[i]->node_case == PG_QUERY__NODE__NODE_A_CONST ? set->args[i]->a_const : NULL;
		const char *target;

		if (value == NULL || value->val_case != PG_QUERY__A__CONST__VAL_SVAL)
			continue;
		target = object_map_schema(sql_map_objects(m->map), value->sval->sval);
		if (strcmp(target, value->sval->sval) != 0)
			mapper_set(m, &value->sval->sval, target);
	}
}

void
mapper_function(Mapper *m, PgQuery__CreateFunctionStmt *function)
{
	bool sql = strcasecmp(language_of(function), "sql") == 0;

	for (size_t i = 0; i < function->n_options; i++)
	{
		SqlNode *option = function->options[i];
		SqlNode *arg =
		    option->node_case == PG_QUERY__NODE__NODE_DEF_ELEM ? option->def_elem->arg : NULL;

		if (arg == NULL)
			continue;
		if (strcmp(option->def_elem->defname, "set") == 0 &&
		    arg->node_case == PG_QUERY__NODE__NODE_VARIABLE_SET_STMT)
			map_setting(m, arg->variable_set_stmt);
		else if (strcmp(option->def_elem->defname, "as") == 0 &&
		         arg->node_case == PG_QUERY__NODE__NODE_LIST && arg->list->n_items == 1 &&
		         sql_tree_text(arg->list->items[0]) != NULL)
		{
			if (sql)
				map_body(m, arg->list->items[0]);
			else
				m->unread = renamed_word(m, arg->list->items[0]->string->sval);
		}
	}
}

#endif
