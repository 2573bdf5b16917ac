/*
 * sql_map_name.c
 *		Qualified names in a tree: of relations, which may be renamed with their schema, and of
 *		everything else, which only changes its schema.
 *
 * A type may be the row type of a table, and the two share one space of names, so that types are
 * treated as relations.
 */
#include "sql_map_internal.h"

#ifdef SQL_TREE

#include <string.h>

#include "strbuf.h"

static void
set_schema(Mapper *m, char **schema)
{
	const char *target = object_map_schema(sql_map_objects(m->map), *schema);

	if (strcmp(target, *schema) != 0)
		mapper_set(m, schema, target);
}

/* [schema, name]: functions, operators, collations and the like. */
void
mapper_name_list(Mapper *m, size_t count, SqlNode **names)
{
	if (count >= 2 && sql_tree_text(names[0]) != NULL)
		set_schema(m, &names[0]->string->sval);
}

/* [schema, relation, ...] */
void
mapper_relation_list(Mapper *m, size_t count, SqlNode **names)
{
	ObjectTable table;

	if (count < 2 || sql_tree_text(names[0]) == NULL || sql_tree_text(names[1]) == NULL)
		return;
	mapper_table(m, sql_tree_text(names[0]), sql_tree_text(names[1]), &table);
	if (strcmp(table.target_name, table.name) != 0)
		mapper_set(m, &names[1]->string->sval, table.target_name);
	set_schema(m, &names[0]->string->sval);
}

/* One part of a name as SQL writes it; false at what is none. */
static bool
read_part(const char **at, StrBuf *part)
{
	const char *p = *at;

	strbuf_reset(part);
	if (*p == '"')
	{
		for (p++; *p != '\0' && (*p != '"' || p[1] == '"'); p++)
		{
			p += *p == '"';
			strbuf_putc(part, *p);
		}
		if (*p++ != '"')
			return false;
	}
	else
	{
		for (; *p != '\0' && strchr(".\"([ ", *p) == NULL; p++)
			strbuf_putc(part, *p);
	}
	*at = p;
	return part->len > 0;
}

const char *
mapper_identifier(Mapper *m, const char *text, bool relation)
{
	const char *at = text;
	const char *answer = NULL;
	StrBuf schema, name, out;
	ObjectTable table;

	strbuf_init(&schema);
	strbuf_init(&name);
	strbuf_init(&out);
	if (read_part(&at, &schema) && *at == '.')
	{
		at++;
		if (read_part(&at, &name) && (*at == '\0' || *at == '(' || *at == '['))
		{
			mapper_table(m, schema.data, name.data, &table);
			if (strcmp(table.target_schema, schema.data) != 0 ||
			    (relation && strcmp(table.target_name, name.data) != 0))
			{
				strbuf_qualified(&out, table.target_schema,
				                 relation ? table.target_name : name.data);
				strbuf_puts(&out, at);
				answer = arena_strdup(m->arena, out.data);
			}
		}
	}
	strbuf_free(&schema);
	strbuf_free(&name);
	strbuf_free(&out);
	return answer;
}

/* 'schema.name'::regclass, as in nextval() */
static void
map_cast(Mapper *m, PgQuery__TypeCast *cast)
{
	const PgQuery__TypeName *type = cast->type_name;
	const char *name =
	    type != NULL && type->n_names > 0 ? sql_tree_text(type->names[type->n_names - 1]) : NULL;
	PgQuery__AConst *literal;
	const char *mapped = NULL;

	if (name == NULL || cast->arg == NULL || cast->arg->node_case != PG_QUERY__NODE__NODE_A_CONST ||
	    cast->arg->a_const->val_case != PG_QUERY__A__CONST__VAL_SVAL)
		return;
	literal = cast->arg->a_const;
	if (strcmp(name, "regclass") == 0 || strcmp(name, "regtype") == 0)
		mapped = mapper_identifier(m, literal->sval->sval, true);
	else if (strcmp(name, "regproc") == 0 || strcmp(name, "regprocedure") == 0 ||
	         strcmp(name, "regoper") == 0 || strcmp(name, "regcollation") == 0 ||
	         strcmp(name, "regconfig") == 0 || strcmp(name, "regdictionary") == 0)
		mapped = mapper_identifier(m, literal->sval->sval, false);
	if (mapped != NULL)
		mapper_set(m, &literal->sval->sval, mapped);
}

/* Members that are a list of strings which together are the name of something with a schema. */
static bool
is_name_field(const char *field)
{
	static const char *const list[] = {
	    "funcname",  "objname",     "name",         "oper_name",    "use_op",    "collation",
	    "opclass",   "collname",    "defnames",     "domainname",   "type_name", "conversion_name",
	    "func_name", "opclassname", "opfamilyname", "order_family", "cfgname",   "dictname"};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
	{
		if (strcmp(field, list[i]) == 0)
			return true;
	}
	return false;
}

static void
map_element(Mapper *m, PgQuery__DefElem *element)
{
	SqlNode *arg = element->arg;

	if (arg == NULL)
		return;
	if (strcmp(element->defname, "schema") == 0 && sql_tree_text(arg) != NULL)
		set_schema(m, &arg->string->sval);
	else if (arg->node_case != PG_QUERY__NODE__NODE_LIST)
		return;
	else if (strcmp(element->defname, "sequence_name") == 0)
		mapper_relation_list(m, arg->list->n_items, arg->list->items);
	else if (strcmp(element->defname, "schemas") == 0)
	{
		for (size_t i = 0; i < arg->list->n_items; i++)
		{
			if (sql_tree_text(arg->list->items[i]) != NULL)
				set_schema(m, &arg->list->items[i]->string->sval);
		}
	}
	else if (strcmp(element->defname, "owned_by") == 0 && arg->list->n_items == 3)
	{
		SqlNode **items = arg->list->items;
		ObjectTable table;

		mapper_table(m, sql_tree_text(items[0]), sql_tree_text(items[1]), &table);
		if (object_table_target(&table, sql_tree_text(items[2])) == NULL)
			m->gone = true;
		else
			mapper_column(m, &table, &items[2]->string->sval);
		mapper_relation_list(m, 2, items);
	}
	else if (strcmp(element->defname, "as") != 0)
		mapper_name_list(m, arg->list->n_items, arg->list->items);
}

/* The names that a message of any kind has itself. */
void
mapper_names(Mapper *m, ProtobufCMessage *message)
{
	if (message->descriptor == &pg_query__range_var__descriptor)
	{
		PgQuery__RangeVar *range = (PgQuery__RangeVar *) message;
		ObjectTable table;

		if (range->schemaname[0] == '\0')
			return;
		mapper_range(m, range, &table);
		if (strcmp(table.target_name, range->relname) != 0)
			mapper_set(m, &range->relname, table.target_name);
		set_schema(m, &range->schemaname);
	}
	else if (message->descriptor == &pg_query__type_name__descriptor)
	{
		PgQuery__TypeName *type = (PgQuery__TypeName *) message;

		mapper_relation_list(m, type->n_names, type->names);
	}
	else if (message->descriptor == &pg_query__type_cast__descriptor)
		map_cast(m, (PgQuery__TypeCast *) message);
	else if (message->descriptor == &pg_query__def_elem__descriptor)
		map_element(m, (PgQuery__DefElem *) message);
	else if (message->descriptor == &pg_query__create_schema_stmt__descriptor)
	{
		PgQuery__CreateSchemaStmt *create = (PgQuery__CreateSchemaStmt *) message;

		set_schema(m, &create->schemaname);
		/* it may be there, as public is in every database, or two of the source become one */
		create->if_not_exists = true;
		m->changed = true;
	}
	else
	{
		for (unsigned i = 0; i < message->descriptor->n_fields; i++)
		{
			const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
			ProtobufCMessage **items;
			size_t count;

			if (field->label != PROTOBUF_C_LABEL_REPEATED || !is_name_field(field->name))
				continue;
			count = sql_tree_children(message, i, &items);
			if (count > 0)
				mapper_name_list(m, count, (SqlNode **) (void *) items);
		}
	}
}

#endif
