/*
 * decoder_options.c
 *		The job's selection as lists of quoted identifiers; see decoder_options.h.
 */
#include "decoder_options.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "row_expr.h"
#include "strbuf.h"

#define ROW_OPERATIONS                                                                             \
	(OPERATION_BIT(OPERATION_INSERT) | OPERATION_BIT(OPERATION_UPDATE) |                           \
	 OPERATION_BIT(OPERATION_DELETE) | OPERATION_BIT(OPERATION_TRUNCATE))

/* Lists either the whole schemas or the single tables of objects; NULL when there are none. */
static const char *
object_list(Arena *arena, const JobObject *objects, int count, bool tables)
{
	const char *list = NULL;
	StrBuf text;

	strbuf_init(&text);
	for (int i = 0; i < count; i++)
	{
		if (objects[i].table_count == 0 && !tables)
		{
			if (text.len > 0)
				strbuf_putc(&text, ',');
			strbuf_ident(&text, objects[i].schema);
		}
		for (int j = 0; j < objects[i].table_count && tables; j++)
		{
			if (text.len > 0)
				strbuf_putc(&text, ',');
			strbuf_qualified(&text, objects[i].schema, objects[i].tables[j]);
		}
	}
	if (text.len > 0)
		list = arena_strndup(arena, text.data, text.len);
	strbuf_free(&text);
	return list;
}

bool
decoder_options_shaped(const JobTable *details)
{
	return details != NULL && (details->where != NULL || details->column_count > 0 ||
	                           (details->operations & ROW_OPERATIONS) != ROW_OPERATIONS);
}

static bool
any_shaped(const JobOptions *job)
{
	for (int i = 0; i < job->object_count; i++)
	{
		const JobObject *object = &job->objects[i];

		for (int t = 0; t < object->table_count; t++)
		{
			if (object->details != NULL && decoder_options_shaped(&object->details[t]))
				return true;
		}
	}
	return false;
}

/* Puts the expression, as both phases get it, into the object. */
static bool
put_expr(Arena *arena, json_t *object, const char *member, const char *text, Error *err)
{
	const char *canonical = row_expr_canonical(arena, text, err);

	return canonical != NULL && json_object_set_new(object, member, json_string(canonical)) == 0;
}

static bool
put_columns(Arena *arena, json_t *shape, const JobTable *details, Error *err)
{
	json_t *columns = json_array();
	bool ok = true;

	for (int i = 0; ok && i < details->column_count; i++)
	{
		const JobColumn *column = &details->columns[i];
		json_t *item = json_object();

		json_object_set_new(item, "name", json_string(column->name));
		if (column->expr != NULL)
			ok = put_expr(arena, item, "expr", column->expr, err);
		json_array_append_new(columns, item);
		if (!ok)
			error_context(err, "the expression of column \"%s\"", column->name);
	}
	json_object_set_new(shape, "columns", columns);
	return ok;
}

static void
put_operations(json_t *shape, unsigned wanted)
{
#define OPERATION_NAME(sym, name) name,
	static const char *const names[] = {JOB_OPERATIONS(OPERATION_NAME)};
#undef OPERATION_NAME
	json_t *list = json_array();

	for (int i = 0; i < JOB_OPERATION_COUNT; i++)
	{
		if (ROW_OPERATIONS & wanted & OPERATION_BIT(i))
			json_array_append_new(list, json_string(names[i]));
	}
	json_object_set_new(shape, "operations", list);
}

/* A table of which nothing is said has its entry as well: it is no part of a table above it. */
static bool
put_shape(Arena *arena, json_t *shapes, const char *schema, const char *table,
          const JobTable *details, Error *err)
{
	json_t *shape = json_object();

	json_array_append_new(shapes, shape);
	json_object_set_new(shape, "schema", json_string(schema));
	json_object_set_new(shape, "table", json_string(table));
	if (details == NULL)
		return true;
	if ((details->operations & ROW_OPERATIONS) != ROW_OPERATIONS)
		put_operations(shape, details->operations);
	if ((details->where != NULL && !put_expr(arena, shape, "where", details->where, err)) ||
	    (details->column_count > 0 && !put_columns(arena, shape, details, err)))
	{
		error_context(err, "table \"%s\".\"%s\"", schema, table);
		return false;
	}
	return true;
}

bool
decoder_options_shapes(Arena *arena, const JobOptions *job, const char *schema, const char *table,
                       const char **shapes, Error *err)
{
	json_t *list;
	char *text;
	bool ok = true;

	*shapes = NULL;
	if (!any_shaped(job))
		return true;
	list = json_array();
	for (int i = 0; ok && i < job->object_count; i++)
	{
		const JobObject *object = &job->objects[i];

		if (schema != NULL && strcmp(object->schema, schema) != 0)
			continue;
		for (int t = 0; ok && t < object->table_count; t++)
		{
			if (table == NULL || strcmp(object->tables[t], table) == 0)
				ok = put_shape(arena, list, object->schema, object->tables[t],
				               object->details != NULL ? &object->details[t] : NULL, err);
		}
	}
	if (ok && json_array_size(list) > 0)
	{
		text = json_dumps(list, JSON_COMPACT);
		*shapes = text != NULL ? arena_strdup(arena, text) : NULL;
		free(text);
	}
	json_decref(list);
	return ok;
}

int
decoder_options(Arena *arena, const JobOptions *job, SourceOption *options, Error *err)
{
	const char *shapes;
	const SourceOption all[] = {
	    {"schemas", object_list(arena, job->objects, job->object_count, false)},
	    {"tables", object_list(arena, job->objects, job->object_count, true)},
	    {"exclude_schemas", object_list(arena, job->exclude, job->exclude_count, false)},
	    {"exclude_tables", object_list(arena, job->exclude, job->exclude_count, true)},
	    {"messages", "on"},
	    {"on_no_identity", "emit"},
	    {"ddl", job->ddl.captured ? "on" : NULL},
	    {"rewrites", job->ddl.captured ? "on" : NULL},
	};
	int count = 0;

	if (!decoder_options_shapes(arena, job, NULL, NULL, &shapes, err))
		return -1;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
	{
		if (all[i].value != NULL)
			options[count++] = all[i];
	}
	if (shapes != NULL)
		options[count++] = (SourceOption){"shapes", shapes};
	return count;
}
