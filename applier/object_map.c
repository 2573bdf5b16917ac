/*
 * object_map.c
 *		See object_map.h.
 *
 * Tables that the options list stand in two sorted arrays, by their names on the source and on the
 * target: jobs may list very many.
 */
#include "object_map.h"

#include <stdlib.h>
#include <string.h>

typedef struct Listed
{
	const JobObject *object;
	const char *name;
	const JobTable *details; /* NULL: nothing is said of it */
} Listed;

struct ObjectMap
{
	const JobObject *objects;
	int object_count;
	Listed *by_source;
	Listed *by_target;
	int listed_count;
	bool changes;
};

static const char *
target_schema_of(const JobObject *object)
{
	return object->rename != NULL ? object->rename : object->schema;
}

static const char *
target_name_of(const Listed *listed)
{
	return listed->details != NULL && listed->details->rename != NULL ? listed->details->rename
	                                                                  : listed->name;
}

static int
compare_source(const void *a, const void *b)
{
	const Listed *x = a;
	const Listed *y = b;
	int order = strcmp(x->object->schema, y->object->schema);

	return order != 0 ? order : strcmp(x->name, y->name);
}

static int
compare_target(const void *a, const void *b)
{
	const Listed *x = a;
	const Listed *y = b;
	int order = strcmp(target_schema_of(x->object), target_schema_of(y->object));

	return order != 0 ? order : strcmp(target_name_of(x), target_name_of(y));
}

ObjectMap *
object_map_create(Arena *arena, const JobOptions *options)
{
	ObjectMap *map = arena_zalloc(arena, sizeof(*map));
	size_t room = 1;

	map->objects = options->objects;
	map->object_count = options->object_count;
	for (int i = 0; i < map->object_count; i++)
		room += (size_t) map->objects[i].table_count;
	map->by_source = arena_zalloc(arena, sizeof(Listed) * room);
	map->by_target = arena_zalloc(arena, sizeof(Listed) * room);
	for (int i = 0; i < map->object_count; i++)
	{
		const JobObject *object = &map->objects[i];

		map->changes = map->changes || strcmp(target_schema_of(object), object->schema) != 0;
		for (int t = 0; t < object->table_count; t++)
		{
			Listed *listed = &map->by_source[map->listed_count++];

			listed->object = object;
			listed->name = object->tables[t];
			listed->details = object->details != NULL ? &object->details[t] : NULL;
			map->changes = map->changes || strcmp(target_name_of(listed), listed->name) != 0 ||
			               (listed->details != NULL && listed->details->column_count > 0);
		}
	}
	memcpy(map->by_target, map->by_source, sizeof(Listed) * (size_t) map->listed_count);
	qsort(map->by_source, (size_t) map->listed_count, sizeof(Listed), compare_source);
	qsort(map->by_target, (size_t) map->listed_count, sizeof(Listed), compare_target);
	return map;
}

bool
object_map_changes(const ObjectMap *map)
{
	return map != NULL && map->changes;
}

const char *
object_map_schema(const ObjectMap *map, const char *schema)
{
	for (int i = 0; map != NULL && i < map->object_count; i++)
	{
		if (strcmp(map->objects[i].schema, schema) == 0)
			return target_schema_of(&map->objects[i]);
	}
	return schema;
}

static const Listed *
find(const ObjectMap *map, const char *schema, const char *name)
{
	const JobObject object = {.schema = (char *) schema};
	const Listed key = {.object = &object, .name = name};

	return map == NULL || map->listed_count == 0
	           ? NULL
	           : bsearch(&key, map->by_source, (size_t) map->listed_count, sizeof(Listed),
	                     compare_source);
}

const JobObject *
object_map_objects(const ObjectMap *map, int *count)
{
	*count = map->object_count;
	return map->objects;
}

bool
object_map_lists(const ObjectMap *map, const char *schema, const char *name)
{
	return find(map, schema, name) != NULL;
}

static void
take_details(ObjectTable *table, const Listed *listed)
{
	if (listed == NULL || listed->details == NULL)
		return;
	table->where = listed->details->where;
	table->columns = listed->details->columns;
	table->column_count = listed->details->column_count;
	table->operations = listed->details->operations;
}

void
object_map_table(const ObjectMap *map, const char *schema, const char *name, ObjectTable *table)
{
	const Listed *listed = find(map, schema, name);

	*table = (ObjectTable){
	    .schema = schema,
	    .name = name,
	    .target_schema = object_map_schema(map, schema),
	    .target_name = listed != NULL ? target_name_of(listed) : name,
	    .operations = OPERATIONS_ALL,
	};
	take_details(table, listed);
}

void
object_map_leaf(const ObjectMap *map, const char *schema, const char *name, const char *root_schema,
                const char *root_name, ObjectTable *table)
{
	object_map_table(map, schema, name, table);
	if (root_name != NULL && find(map, schema, name) == NULL)
		take_details(table, find(map, root_schema, root_name));
}

void
object_map_put(const ObjectMap *map, StrBuf *to, const char *schema, const char *name)
{
	ObjectTable table;

	object_map_table(map, schema, name, &table);
	strbuf_qualified(to, table.target_schema, table.target_name);
}

const JobColumn *
object_table_column(const ObjectTable *table, const char *name)
{
	for (int i = 0; i < table->column_count; i++)
	{
		if (strcmp(table->columns[i].name, name) == 0)
			return &table->columns[i];
	}
	return NULL;
}

const char *
object_table_target(const ObjectTable *table, const char *name)
{
	const JobColumn *column = object_table_column(table, name);

	if (table->column_count == 0)
		return name;
	if (column == NULL)
		return NULL;
	return column->rename != NULL ? column->rename : column->name;
}

bool
object_table_columns_change(const ObjectTable *table)
{
	return table->column_count > 0;
}

bool
object_map_source(const ObjectMap *map, const char *target_schema, const char *target_name,
                  const char **schema, const char **name)
{
	const JobObject object = {.schema = (char *) target_schema};
	const Listed key = {.object = &object, .name = target_name};
	const Listed *listed = map == NULL || map->listed_count == 0
	                           ? NULL
	                           : bsearch(&key, map->by_target, (size_t) map->listed_count,
	                                     sizeof(Listed), compare_target);

	if (listed != NULL)
	{
		*schema = listed->object->schema;
		*name = listed->name;
		return true;
	}
	*schema = target_schema;
	*name = target_name;
	for (int i = 0; map != NULL && i < map->object_count; i++)
	{
		if (strcmp(target_schema_of(&map->objects[i]), target_schema) != 0)
			continue;
		*schema = map->objects[i].schema;
		break;
	}
	listed = find(map, *schema, *name);
	return (listed == NULL || strcmp(target_name_of(listed), target_name) == 0) &&
	       strcmp(object_map_schema(map, *schema), target_schema) == 0;
}

bool
object_map_mentions(const ObjectMap *map, const char *word)
{
	for (int i = 0; map != NULL && i < map->object_count; i++)
	{
		const JobObject *object = &map->objects[i];

		if (object->rename != NULL && strcmp(object->schema, word) == 0)
			return true;
		for (int t = 0; t < object->table_count && object->details != NULL; t++)
		{
			const JobTable *table = &object->details[t];

			if (table->rename != NULL && strcmp(object->tables[t], word) == 0)
				return true;
			for (int c = 0; c < table->column_count; c++)
			{
				if (table->columns[c].rename != NULL && strcmp(table->columns[c].name, word) == 0)
					return true;
			}
		}
	}
	return false;
}

/* NULL when the two are the same. */
static const char *
if_other(const char *target, const char *source)
{
	return target != NULL && strcmp(target, source) != 0 ? target : NULL;
}

const Relation *
object_map_relation(const ObjectMap *map, Arena *arena, const Relation *relation)
{
	ObjectTable table, root;
	Relation *mapped;
	size_t size = sizeof(Column) * (size_t) relation->column_count;

	if (!object_map_changes(map))
		return relation;
	object_map_leaf(map, relation->schema, relation->name, relation->root_schema,
	                relation->root_name, &table);
	mapped = arena_alloc(arena, sizeof(*mapped));
	*mapped = *relation;
	mapped->target_schema = if_other(table.target_schema, relation->schema);
	mapped->target_name = if_other(table.target_name, relation->name);
	if (relation->root_name != NULL)
	{
		object_map_table(map, relation->root_schema, relation->root_name, &root);
		mapped->target_root_schema = root.target_schema;
		mapped->target_root_name = root.target_name;
	}
	mapped->columns = arena_alloc(arena, size + 1);
	memcpy(mapped->columns, relation->columns, size);
	for (int i = 0; i < relation->column_count; i++)
	{
		Column *column = &mapped->columns[i];

		column->target_name = if_other(object_table_target(&table, column->name), column->name);
	}
	return mapped;
}
