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

#if __has_include(<pg_query.h>) && __has_include(<protobuf-c/protobuf-c.h>)
#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

typedef PgQuery__ParseResult Tree;
typedef PgQuery__Node Node;

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

/* Where a field of a message is that may be absent, repeated or one of several. */
typedef void (*Visit)(ProtobufCMessage *message);

static void
walk(ProtobufCMessage *message, Visit visit)
{
	char *base = (char *) message;

	visit(message);
	for (unsigned i = 0; i < message->descriptor->n_fields; i++)
	{
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
		{
			size_t count = *(size_t *) (void *) (base + field->quantifier_offset);
			ProtobufCMessage **items = *(ProtobufCMessage ***) (void *) (base + field->offset);

			for (size_t k = 0; k < count; k++)
				walk(items[k], visit);
		}
		else if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
		         *(uint32_t *) (void *) (base + field->quantifier_offset) == field->id)
		{
			ProtobufCMessage *one = *(ProtobufCMessage **) (void *) (base + field->offset);

			if (one != NULL)
				walk(one, visit);
		}
	}
}

/* Positions in the text are not part of what a command means. */
static void
forget_positions(ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; i++)
	{
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (field->type == PROTOBUF_C_TYPE_INT32 &&
		    (strcmp(field->name, "location") == 0 || strcmp(field->name, "stmt_location") == 0 ||
		     strcmp(field->name, "stmt_len") == 0))
			*(int32_t *) (void *) ((char *) message + field->offset) = 0;
	}
}

static void
set_text(char **field, const char *text)
{
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = xstrdup(text);
}

static void
qualify_range(PgQuery__RangeVar *range, const char *schema)
{
	if (range != NULL && range->schemaname[0] == '\0')
		set_text(&range->schemaname, schema);
}

static void
qualify_list(size_t *count, Node ***names, const char *schema)
{
	Node *node;
	Node **list;

	if (*count != 1)
		return;
	node = xmalloc(sizeof(*node));
	pg_query__node__init(node);
	node->node_case = PG_QUERY__NODE__NODE_STRING;
	node->string = xmalloc(sizeof(*node->string));
	pg_query__string__init(node->string);
	node->string->sval = xstrdup(schema);
	list = xmalloc(2 * sizeof(*list));
	list[0] = node;
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
	set_text(&index->table_space, "");
	if (index->idxname[0] == '\0' && name != NULL)
		set_text(&index->idxname, name);
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
		set_text(&node->create_stmt->tablespacename, "");
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

static Tree *
parse(const char *text, const char **why_not)
{
	PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(text);
	Tree *tree = NULL;

	if (parsed.error == NULL)
		tree = pg_query__parse_result__unpack(NULL, parsed.parse_tree.len,
		                                      (const uint8_t *) parsed.parse_tree.data);
	pg_query_free_protobuf_parse_result(parsed);
	if (tree == NULL)
		*why_not = "its text does not parse";
	else
		walk(&tree->base, forget_positions);
	return tree;
}

static bool
same_tree(const Tree *a, const Tree *b)
{
	size_t size = pg_query__parse_result__get_packed_size(a);
	uint8_t *x = xmalloc(size);
	uint8_t *y = xmalloc(size);
	bool same = size == pg_query__parse_result__get_packed_size(b);

	if (same)
	{
		pg_query__parse_result__pack(a, x);
		pg_query__parse_result__pack(b, y);
		same = memcmp(x, y, size) == 0;
	}
	free(x);
	free(y);
	return same;
}

/* The tree as text, if that text reads as the tree. */
static bool
deparse(Arena *arena, const Tree *tree, const char **sql, const char **why_not)
{
	size_t size = pg_query__parse_result__get_packed_size(tree);
	PgQueryProtobuf packed = {.len = size, .data = xmalloc(size + 1)};
	PgQueryDeparseResult written;
	Tree *again = NULL;

	pg_query__parse_result__pack(tree, (uint8_t *) packed.data);
	written = pg_query_deparse_protobuf(packed);
	free(packed.data);
	if (written.error == NULL && written.query != NULL)
	{
		*sql = arena_strdup(arena, written.query);
		again = parse(*sql, why_not);
	}
	pg_query_free_deparse_result(written);
	*why_not = "its text cannot be written again";
	if (again == NULL)
		return false;
	if (!same_tree(tree, again))
	{
		pg_query__parse_result__free_unpacked(again, NULL);
		return false;
	}
	pg_query__parse_result__free_unpacked(again, NULL);
	return true;
}

bool
ddl_statement(Arena *arena, const DdlRecord *record, const char **sql, const char **why_not)
{
	Tree *tree;
	bool ok = false;

	*why_not = "its literals depend on standard_conforming_strings";
	if (!literals_are_standard(record))
		return false;
	tree = parse(record->query, why_not);
	if (tree == NULL)
		return false;
	if (tree->n_stmts != 1 || tree->stmts[0]->stmt == NULL)
		*why_not = "the client sent several commands at once";
	else if (judge(tree->stmts[0]->stmt, record, why_not))
	{
		edit(tree->stmts[0]->stmt, record);
		ok = deparse(arena, tree, sql, why_not);
	}
	pg_query__parse_result__free_unpacked(tree, NULL);
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
