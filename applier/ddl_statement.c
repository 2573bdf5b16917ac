/*
 * ddl_statement.c
 *		A command's text through the parse tree: read, judged, edited, written; see
 *		ddl_statement.h.
 *
 * PostgreSQL's own grammar (libpg_query) reads and writes it; nothing here looks at the text.  What
 * was written is read again and compared with the tree: a command that the writer does not know how
 * to write is not run.
 *
 * Only what is created gets its schema here, from the source's event.  Other names stay as they
 * are: the target resolves them by the same search path at the same point in the order of commands,
 * which no list of names of ours would do better.
 *
 * The grammar is that of PostgreSQL 15: newer syntax does not parse, and goes the state way.
 */
#include "ddl_statement.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sql_tree.h"

#ifdef SQL_TREE

typedef SqlTree Tree;
typedef SqlNode Node;

/* X(member of Node, type of the list of names, the list of what it creates) */
#define CREATES_BY_LIST(X)                                                                         \
	X(create_enum_stmt, CREATE_ENUM_STMT, type_name)                                               \
	X(create_range_stmt, CREATE_RANGE_STMT, type_name)                                             \
	X(create_domain_stmt, CREATE_DOMAIN_STMT, domainname)                                          \
	X(define_stmt, DEFINE_STMT, defnames)                                                          \
	X(create_function_stmt, CREATE_FUNCTION_STMT, funcname)                                        \
	X(create_conversion_stmt, CREATE_CONVERSION_STMT, conversion_name)                             \
	X(create_op_class_stmt, CREATE_OP_CLASS_STMT, opclassname)                                     \
	X(create_op_family_stmt, CREATE_OP_FAMILY_STMT, opfamilyname)                                  \
	X(create_stats_stmt, CREATE_STATS_STMT, defnames)

/* Commands whose effect is in the database alone, and the same wherever they run. */
static bool
may_travel(PgQuery__Node__NodeCase kind)
{
	static const PgQuery__Node__NodeCase list[] = {
	    PG_QUERY__NODE__NODE_ALTER_TABLE_STMT,
	    PG_QUERY__NODE__NODE_ALTER_DOMAIN_STMT,
	    PG_QUERY__NODE__NODE_GRANT_STMT,
	    PG_QUERY__NODE__NODE_ALTER_DEFAULT_PRIVILEGES_STMT,
	    PG_QUERY__NODE__NODE_CREATE_STMT,
	    PG_QUERY__NODE__NODE_DEFINE_STMT,
	    PG_QUERY__NODE__NODE_COMMENT_STMT,
	    PG_QUERY__NODE__NODE_INDEX_STMT,
	    PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT,
	    PG_QUERY__NODE__NODE_ALTER_FUNCTION_STMT,
	    PG_QUERY__NODE__NODE_RENAME_STMT,
	    PG_QUERY__NODE__NODE_RULE_STMT,
	    PG_QUERY__NODE__NODE_VIEW_STMT,
	    PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT,
	    PG_QUERY__NODE__NODE_CREATE_SEQ_STMT,
	    PG_QUERY__NODE__NODE_ALTER_SEQ_STMT,
	    PG_QUERY__NODE__NODE_CREATE_TRIG_STMT,
	    PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT,
	    PG_QUERY__NODE__NODE_CREATE_CONVERSION_STMT,
	    PG_QUERY__NODE__NODE_CREATE_CAST_STMT,
	    PG_QUERY__NODE__NODE_CREATE_OP_CLASS_STMT,
	    PG_QUERY__NODE__NODE_CREATE_OP_FAMILY_STMT,
	    PG_QUERY__NODE__NODE_ALTER_OP_FAMILY_STMT,
	    PG_QUERY__NODE__NODE_ALTER_OBJECT_DEPENDS_STMT,
	    PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT,
	    PG_QUERY__NODE__NODE_ALTER_OWNER_STMT,
	    PG_QUERY__NODE__NODE_ALTER_OPERATOR_STMT,
	    PG_QUERY__NODE__NODE_ALTER_TYPE_STMT,
	    PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT,
	    PG_QUERY__NODE__NODE_CREATE_ENUM_STMT,
	    PG_QUERY__NODE__NODE_CREATE_RANGE_STMT,
	    PG_QUERY__NODE__NODE_ALTER_ENUM_STMT,
	    PG_QUERY__NODE__NODE_ALTER_TSDICTIONARY_STMT,
	    PG_QUERY__NODE__NODE_ALTER_TSCONFIGURATION_STMT,
	    PG_QUERY__NODE__NODE_SEC_LABEL_STMT,
	    PG_QUERY__NODE__NODE_CREATE_EXTENSION_STMT,
	    PG_QUERY__NODE__NODE_ALTER_EXTENSION_STMT,
	    PG_QUERY__NODE__NODE_ALTER_EXTENSION_CONTENTS_STMT,
	    PG_QUERY__NODE__NODE_CREATE_POLICY_STMT,
	    PG_QUERY__NODE__NODE_ALTER_POLICY_STMT,
	    PG_QUERY__NODE__NODE_CREATE_STATS_STMT,
	    PG_QUERY__NODE__NODE_ALTER_STATS_STMT,
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
	{
		if (list[i] == kind)
			return true;
	}
	return false;
}

static void
qualify_range(PgQuery__RangeVar *range, const char *schema)
{
	if (range != NULL && range->schemaname[0] == '\0')
		sql_tree_set(&range->schemaname, schema);
}

static void
qualify_list(size_t *count, Node ***names, const char *schema)
{
	Node **list;

	if (*count != 1)
		return;
	list = xmalloc(2 * sizeof(*list));
	list[0] = sql_tree_string(schema);
	list[1] = (*names)[0];
	free(*names);
	*names = list;
	*count = 2;
}

/* The last command of the event is the one that the tag speaks of, unless parts follow it. */
static const json_t *
main_command(const DdlRecord *record)
{
	const json_t *found = NULL;

	for (size_t i = 0; i < json_array_size(record->commands); i++)
	{
		const json_t *command = json_array_get(record->commands, i);
		const char *tag = ddl_text(command, "tag");

		if (tag != NULL && strcmp(tag, record->tag) == 0 && found == NULL)
			found = command;
	}
	return found;
}

static void
edit_index(PgQuery__IndexStmt *index, const DdlRecord *record, const json_t *command)
{
	const json_t *object = ddl_find(record->objects, "oid", ddl_number(command, "oid"));
	const char *name = ddl_text(json_object_get(object, "after"), "name");

	index->concurrent = false;
	sql_tree_set(&index->table_space, "");
	if (index->idxname[0] == '\0' && name != NULL)
		sql_tree_set(&index->idxname, name);
}

/*
 * Detaching concurrently leaves a constraint behind on the source, which the documents tell of; its
 * end after an interruption means nothing where it has not begun.
 */
static bool
detaches_in_steps(const Node *node)
{
	for (size_t i = 0; i < node->alter_table_stmt->n_cmds; i++)
	{
		const Node *command = node->alter_table_stmt->cmds[i];
		const Node *def;

		if (command->node_case != PG_QUERY__NODE__NODE_ALTER_TABLE_CMD)
			continue;
		if (command->alter_table_cmd->subtype ==
		    PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartitionFinalize)
			return true;
		def = command->alter_table_cmd->def;
		if (def != NULL && def->node_case == PG_QUERY__NODE__NODE_PARTITION_CMD &&
		    def->partition_cmd->concurrent)
			return true;
	}
	return false;
}

static void
edit(Node *node, const DdlRecord *record)
{
	const json_t *command = main_command(record);
	const char *schema = ddl_text(command, "schema");

	if (node->node_case == PG_QUERY__NODE__NODE_INDEX_STMT)
		edit_index(node->index_stmt, record, command);
	if (node->node_case == PG_QUERY__NODE__NODE_CREATE_STMT)
		sql_tree_set(&node->create_stmt->tablespacename, "");
	if (schema == NULL)
		return;
	switch ((int) node->node_case)
	{
		case PG_QUERY__NODE__NODE_CREATE_STMT:
			qualify_range(node->create_stmt->relation, schema);
			break;
		case PG_QUERY__NODE__NODE_VIEW_STMT:
			qualify_range(node->view_stmt->view, schema);
			break;
		case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
			qualify_range(node->create_seq_stmt->sequence, schema);
			break;
		case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT:
			qualify_range(node->composite_type_stmt->typevar, schema);
			break;
#define QUALIFY(member, kind, names)                                                               \
	case PG_QUERY__NODE__NODE_##kind:                                                              \
		qualify_list(&node->member->n_##names, &node->member->names, schema);                      \
		break;
			CREATES_BY_LIST(QUALIFY)
#undef QUALIFY
	}
}

static const char *
function_language(const PgQuery__CreateFunctionStmt *function)
{
	for (size_t i = 0; i < function->n_options; i++)
	{
		const Node *option = function->options[i];

		if (option->node_case == PG_QUERY__NODE__NODE_DEF_ELEM &&
		    strcmp(option->def_elem->defname, "language") == 0 && option->def_elem->arg != NULL &&
		    option->def_elem->arg->node_case == PG_QUERY__NODE__NODE_STRING)
			return option->def_elem->arg->string->sval;
	}
	return "sql";
}

static bool
judge(const Node *node, const DdlRecord *record, const char **why_not)
{
	if (!may_travel(node->node_case))
	{
		*why_not = "a command of this kind is not run from its text";
		return false;
	}
	if (main_command(record) == NULL)
	{
		*why_not = "the text is not that of the command that was captured";
		return false;
	}
	if (node->node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_STMT && detaches_in_steps(node))
	{
		*why_not = "the command detaches a partition in steps";
		return false;
	}
	if (node->node_case == PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT)
	{
		const char *language = function_language(node->create_function_stmt);

		if (strcasecmp(language, "c") == 0 || strcasecmp(language, "internal") == 0)
		{
			*why_not = "functions in C are not carried over";
			return false;
		}
	}
	return true;
}

/* A string literal with a backslash means something else under standard_conforming_strings = off. */
static bool
literals_are_standard(const DdlRecord *record)
{
	const char *standard = ddl_text(record->settings, "standard_conforming_strings");

	return strchr(record->query, '\\') == NULL || standard == NULL || strcmp(standard, "on") == 0;
}

bool
ddl_statement(Arena *arena, const DdlRecord *record, const char **sql, const char **why_not)
{
	Tree *tree;
	bool ok = false;

	*why_not = "its literals depend on standard_conforming_strings";
	if (!literals_are_standard(record))
		return false;
	tree = sql_tree_parse(arena, record->query, NULL);
	*why_not = "its text does not parse";
	if (tree == NULL)
		return false;
	if (tree->n_stmts != 1 || tree->stmts[0]->stmt == NULL)
		*why_not = "the client sent several commands at once";
	else if (judge(tree->stmts[0]->stmt, record, why_not))
	{
		edit(tree->stmts[0]->stmt, record);
		*sql = sql_tree_write(arena, tree);
		*why_not = "its text cannot be written again";
		ok = *sql != NULL;
	}
	sql_tree_free(tree);
	return ok;
}

#else /* built where there is no libpg_query */

bool
ddl_statement(Arena *arena, const DdlRecord *record, const char **sql, const char **why_not)
{
	(void) arena;
	(void) record;
	(void) sql;
	*why_not = "this build cannot read commands";
	return false;
}

#endif
