/*
 * object_map.h
 *		What a job's option "objects" says of names: which table of the source is which on the
 *		target, and what of it takes part.
 *
 * Pure lookups, made once from the options and living as long as they.  A NULL map is that of a job
 * that renames nothing.  Whether a table takes part at all is job_selects()'s matter; a table that
 * the options do not list has the name of its own in its schema's, and takes part as a whole.
 */
#ifndef DTS_OBJECT_MAP_H
#define DTS_OBJECT_MAP_H

#include <stdbool.h>

#include "arena.h"
#include "change.h"
#include "job.h"
#include "strbuf.h"

typedef struct ObjectMap ObjectMap;

typedef struct ObjectTable
{
	const char *schema;
	const char *name;
	const char *target_schema;
	const char *target_name;
	const char *where;        /* NULL: every row */
	const JobColumn *columns; /* in the order of the options; NULL: every column */
	int column_count;
	unsigned operations; /* OPERATION_BITs */
} ObjectTable;

/* The options must outlive the map. */
ObjectMap *object_map_create(Arena *arena, const JobOptions *options);

/* Whether any name on the target differs, or any table lists its columns. */
bool object_map_changes(const ObjectMap *map);

const char *object_map_schema(const ObjectMap *map, const char *schema);

/* Whether the options list this table by name. */
bool object_map_lists(const ObjectMap *map, const char *schema, const char *name);

/* A table or any other relation of that name; the names given must outlive *table. */
void
object_map_table(const ObjectMap *map, const char *schema, const char *name, ObjectTable *table);

/*
 * A table that takes its columns, rows and operations from the partitioned table at its top when
 * nothing is said of itself; root names NULL: none is above it.
 */
void object_map_leaf(const ObjectMap *map, const char *schema, const char *name,
                     const char *root_schema, const char *root_name, ObjectTable *table);

/* "schema"."name" of that relation on the target; appended to `to`. */
void object_map_put(const ObjectMap *map, StrBuf *to, const char *schema, const char *name);

/* The list that the map was made from. */
const JobObject *object_map_objects(const ObjectMap *map, int *count);

/* The entry of a column; NULL: it is not listed, which matters when columns are listed at all. */
const JobColumn *object_table_column(const ObjectTable *table, const char *name);

/* The name of a column on the target; NULL: it is left out. */
const char *object_table_target(const ObjectTable *table, const char *name);

/* Whether the table's columns on the target are not those of the source. */
bool object_table_columns_change(const ObjectTable *table);

/* Whether the word is the name of a schema, table or column of the source that gets another name, or is left out. */
bool object_map_mentions(const ObjectMap *map, const char *word);

/*
 * Which relation of the source has this name on the target, as far as the options tell.  False: none
 * can, because what is so named goes elsewhere.
 */
bool object_map_source(const ObjectMap *map, const char *target_schema, const char *target_name,
                       const char **schema, const char **name);

/* The relation with its names on the target: itself when they are the same, else a copy. */
const Relation *object_map_relation(const ObjectMap *map, Arena *arena, const Relation *relation);

#endif /* DTS_OBJECT_MAP_H */
