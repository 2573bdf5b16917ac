/*
 * sql_tree.c
 *		See sql_tree.h.
 */
#include "sql_tree.h"

#ifdef SQL_TREE

#include <stdlib.h>
#include <string.h>

size_t
sql_tree_children(ProtobufCMessage *message, unsigned field, ProtobufCMessage ***items)
{
	const ProtobufCFieldDescriptor *f = &message->descriptor->fields[field];
	char *base = (char *) message;

	if (f->type != PROTOBUF_C_TYPE_MESSAGE)
		return 0;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
	{
		*items = *(ProtobufCMessage ***) (void *) (base + f->offset);
		return *(size_t *) (void *) (base + f->quantifier_offset);
	}
	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
	    *(uint32_t *) (void *) (base + f->quantifier_offset) != f->id)
		return 0;
	*items = (ProtobufCMessage **) (void *) (base + f->offset);
	return **items != NULL ? 1 : 0;
}

/* Positions in the text are not part of what a command means. */
static void
forget_positions(ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; i++)
	{
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		ProtobufCMessage **items;
		size_t count = sql_tree_children(message, i, &items);

		if (field->type == PROTOBUF_C_TYPE_INT32 &&
		    (strcmp(field->name, "location") == 0 || strcmp(field->name, "stmt_location") == 0 ||
		     strcmp(field->name, "stmt_len") == 0))
			*(int32_t *) (void *) ((char *) message + field->offset) = 0;
		for (size_t k = 0; k < count; k++)
			forget_positions(items[k]);
	}
}

void
sql_tree_forget_positions(SqlTree *tree)
{
	forget_positions(&tree->base);
}

SqlTree *
sql_tree_parse(Arena *arena, const char *text, const char **why)
{
	PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(text);
	SqlTree *tree = NULL;

	if (parsed.error == NULL)
		tree = pg_query__parse_result__unpack(NULL, parsed.parse_tree.len,
		                                      (const uint8_t *) parsed.parse_tree.data);
	else if (why != NULL)
		*why = arena_printf(arena, "%s at position %d", parsed.error->message,
		                    parsed.error->cursorpos);
	pg_query_free_protobuf_parse_result(parsed);
	return tree;
}

void
sql_tree_free(SqlTree *tree)
{
	if (tree != NULL)
		pg_query__parse_result__free_unpacked(tree, NULL);
}

static bool
same_tree(const SqlTree *a, const SqlTree *b)
{
	size_t size = pg_query__parse_result__get_packed_size(a);
	uint8_t *x, *y;
	bool same = size == pg_query__parse_result__get_packed_size(b);

	if (!same)
		return false;
	x = xmalloc(size + 1);
	y = xmalloc(size + 1);
	pg_query__parse_result__pack(a, x);
	pg_query__parse_result__pack(b, y);
	same = memcmp(x, y, size) == 0;
	free(x);
	free(y);
	return same;
}

const char *
sql_tree_write(Arena *arena, SqlTree *tree)
{
	size_t size = pg_query__parse_result__get_packed_size(tree);
	PgQueryProtobuf packed = {.len = size, .data = xmalloc(size + 1)};
	PgQueryDeparseResult written;
	SqlTree *again = NULL;
	const char *sql = NULL;

	pg_query__parse_result__pack(tree, (uint8_t *) packed.data);
	written = pg_query_deparse_protobuf(packed);
	free(packed.data);
	if (written.error == NULL && written.query != NULL)
	{
		sql = arena_strdup(arena, written.query);
		again = sql_tree_parse(arena, sql, NULL);
	}
	pg_query_free_deparse_result(written);
	if (again == NULL)
		return NULL;
	sql_tree_forget_positions(tree);
	sql_tree_forget_positions(again);
	if (!same_tree(tree, again))
		sql = NULL;
	sql_tree_free(again);
	return sql;
}

void
sql_tree_set(char **field, const char *text)
{
	char *copy = xstrdup(text);

	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = copy;
}

SqlNode *
sql_tree_string(const char *text)
{
	SqlNode *node = xmalloc(sizeof(*node));

	pg_query__node__init(node);
	node->node_case = PG_QUERY__NODE__NODE_STRING;
	node->string = xmalloc(sizeof(*node->string));
	pg_query__string__init(node->string);
	node->string->sval = xstrdup(text);
	return node;
}

const char *
sql_tree_text(const SqlNode *node)
{
	return node != NULL && node->node_case == PG_QUERY__NODE__NODE_STRING ? node->string->sval
	                                                                      : NULL;
}

#endif
