/*
 * row_expr.c
 *		See row_expr.h.
 */
#include "row_expr.h"

#include <string.h>

#include "sql_tree.h"

#define MARK   "<HERE>"

#define PREFIX "SELECT "

#define ALLOWED                                                                                    \
	"Write one expression over the table's columns, with constants and built-in functions, "       \
	"operators and casts that are immutable."

const char *
row_expr_mark(Arena *arena, const char *text, int position)
{
	const char *at = text;

	for (int n = 1; n < position && *at != '\0'; n++)
	{
		at++;
		while (((unsigned char) *at & 0xc0) == 0x80)
			at++;
	}
	return arena_printf(arena, "%.*s" MARK "%s", (int) (at - text), text, at);
}

static void
refused(Arena *arena, const char *text, int position, const char *why, Error *err)
{
	error_set(err, "42601", "%s", why);
	if (position > 0)
		error_detail(err, "Character %d of the expression: %s", position,
		             row_expr_mark(arena, text, position));
	else
		error_detail(err, "The expression is: %s", text);
	error_hint(err, "%s", ALLOWED);
}

#ifdef SQL_TREE

#define KIND(node) PG_QUERY__NODE__NODE_##node

/* Characters of the first so many bytes. */
static int
characters(const char *text, int bytes)
{
	int count = 0;

	for (int i = 0; i < bytes && text[i] != '\0'; i++)
		count += ((unsigned char) text[i] & 0xc0) != 0x80;
	return count;
}

static const char *
function_part(const SqlNode *node, size_t i)
{
	const char *part = sql_tree_text(node->func_call->funcname[i]);

	return part != NULL ? part : "";
}

/* What is wrong with a node by its kind alone, and where it stands in the parsed text; or NULL. */
static const char *
judge_node(const SqlNode *node, int *location)
{
	switch ((int) node->node_case)
	{
		case KIND(SUB_LINK):
			*location = node->sub_link->location;
			return "a subquery is not allowed here";
		case KIND(PARAM_REF):
			*location = node->param_ref->location;
			return "a parameter is not allowed here";
		case KIND(SET_TO_DEFAULT):
			*location = node->set_to_default->location;
			return "DEFAULT is not allowed here";
		case KIND(GROUPING_FUNC):
			*location = node->grouping_func->location;
			return "an aggregate function is not allowed here";
		case KIND(SQLVALUE_FUNCTION):
			*location = node->sqlvalue_function->location;
			return "what depends on session or time is not allowed here";
		case KIND(FUNC_CALL):
			*location = node->func_call->location;
			if (node->func_call->over != NULL)
				return "a window function is not allowed here";
			if (node->func_call->agg_star || node->func_call->agg_distinct ||
			    node->func_call->agg_within_group || node->func_call->n_agg_order > 0 ||
			    node->func_call->agg_filter != NULL)
				return "an aggregate function is not allowed here";
			if (node->func_call->n_funcname > 1 &&
			    (node->func_call->n_funcname > 2 ||
			     strcmp(function_part(node, 0), "pg_catalog") != 0))
				return "a function that is not built in is not allowed here";
			return NULL;
		case KIND(COLUMN_REF):
			*location = node->column_ref->location;
			if (node->column_ref->n_fields > 0 &&
			    node->column_ref->fields[node->column_ref->n_fields - 1]->node_case == KIND(A_STAR))
				return "a whole row is not allowed here";
			if (node->column_ref->n_fields != 1)
				return "a qualified name is not allowed here: write the name of the column alone";
			return NULL;
		default:
			return NULL;
	}
}

static const char *
judge(ProtobufCMessage *message, int *location)
{
	const char *why = NULL;

	if (message->descriptor == &pg_query__node__descriptor)
		why = judge_node((const SqlNode *) (const void *) message, location);
	for (unsigned i = 0; i < message->descriptor->n_fields && why == NULL; i++)
	{
		ProtobufCMessage **items;
		size_t count = sql_tree_children(message, i, &items);

		for (size_t k = 0; k < count && why == NULL; k++)
			why = judge(items[k], location);
	}
	return why;
}

/* The one expression that the tree selects; NULL when it is more, or something else. */
static SqlNode *
only_expression(const SqlTree *tree)
{
	const PgQuery__SelectStmt *select;
	const PgQuery__ResTarget *target;

	if (tree->n_stmts != 1 || tree->stmts[0]->stmt == NULL ||
	    tree->stmts[0]->stmt->node_case != KIND(SELECT_STMT))
		return NULL;
	select = tree->stmts[0]->stmt->select_stmt;
	if (select->n_target_list != 1 || select->target_list[0]->node_case != KIND(RES_TARGET) ||
	    select->n_distinct_clause > 0 || select->into_clause != NULL || select->n_from_clause > 0 ||
	    select->where_clause != NULL || select->n_group_clause > 0 ||
	    select->having_clause != NULL || select->n_window_clause > 0 ||
	    select->n_values_lists > 0 || select->n_sort_clause > 0 || select->limit_offset != NULL ||
	    select->limit_count != NULL || select->n_locking_clause > 0 ||
	    select->with_clause != NULL || select->op != PG_QUERY__SET_OPERATION__SETOP_NONE)
		return NULL;
	target = select->target_list[0]->res_target;
	return target->name[0] != '\0' || target->n_indirection > 0 ? NULL : target->val;
}

/* Where the grammar stopped. */
static void
syntax_error(Arena *arena, const char *text, const char *sql, Error *err)
{
	PgQueryParseResult parsed = pg_query_parse(sql);
	const char *message =
	    parsed.error != NULL ? arena_strdup(arena, parsed.error->message) : "syntax error";
	int position = parsed.error != NULL ? parsed.error->cursorpos - (int) strlen(PREFIX) : 0;

	pg_query_free_parse_result(parsed);
	refused(arena, text, position, message, err);
}

static bool
ends_in_remark(const char *text)
{
	size_t len = strlen(text);

	return strstr(text, "--") != NULL && text[len - 1] != '\n';
}

const char *
row_expr_canonical(Arena *arena, const char *text, Error *err)
{
	const char *sql = arena_printf(arena, PREFIX "%s", text);
	SqlTree *tree = sql_tree_parse(arena, sql, NULL);
	const char *written = NULL;
	const char *why;
	SqlNode *expression;
	int location = 0;

	if (tree == NULL)
	{
		syntax_error(arena, text, sql, err);
		return NULL;
	}
	expression = only_expression(tree);
	why = expression != NULL ? judge(&expression->base, &location)
	                         : "the text is not exactly one expression";
	if (why != NULL)
		refused(arena, text,
		        expression != NULL ? characters(sql, location) + 1 - (int) strlen(PREFIX) : 0, why,
		        err);
	else
	{
		written = sql_tree_write(arena, tree);
		/* what the writer cannot do stays as it is: it was read as one expression; a remark ends */
		if (written == NULL || strncmp(written, PREFIX, strlen(PREFIX)) != 0)
			written = arena_printf(arena, "%s%s", sql, ends_in_remark(text) ? "\n" : "");
	}
	sql_tree_free(tree);
	return written != NULL ? written + strlen(PREFIX) : NULL;
}

typedef struct TakeFunctions
{
	void (*take)(void *arg, const char *name);
	void *arg;
} TakeFunctions;

static void
take_functions(ProtobufCMessage *message, const TakeFunctions *t)
{
	const SqlNode *node = (const SqlNode *) (const void *) message;

	if (message->descriptor == &pg_query__node__descriptor && node->node_case == KIND(FUNC_CALL) &&
	    node->func_call->n_funcname > 0)
		t->take(t->arg, function_part(node, node->func_call->n_funcname - 1));
	for (unsigned i = 0; i < message->descriptor->n_fields; i++)
	{
		ProtobufCMessage **items;
		size_t count = sql_tree_children(message, i, &items);

		for (size_t k = 0; k < count; k++)
			take_functions(items[k], t);
	}
}

void
row_expr_functions(Arena *arena, const char *text, void (*take)(void *arg, const char *name),
                   void *arg)
{
	SqlTree *tree = sql_tree_parse(arena, arena_printf(arena, PREFIX "%s", text), NULL);
	const TakeFunctions t = {take, arg};

	if (tree != NULL)
		take_functions(&tree->base, &t);
	sql_tree_free(tree);
}

#else

void
row_expr_functions(Arena *arena, const char *text, void (*take)(void *arg, const char *name),
                   void *arg)
{
	(void) arena;
	(void) text;
	(void) take;
	(void) arg;
}

const char *
row_expr_canonical(Arena *arena, const char *text, Error *err)
{
	refused(arena, text, 0, "this build of dts_applier cannot read expressions", err);
	error_hint(err, "Build it where libpg_query is installed.");
	return NULL;
}

#endif
