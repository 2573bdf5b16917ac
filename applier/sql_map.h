/*
 * sql_map.h
 *		SQL that says how the source's objects are made, rewritten to the names that they have on the
 *		target.
 *
 * Works on the parse tree alone.  Names must be qualified by their schemas, as pg_dump and the
 * functions pg_get_*def write them.  Columns are resolved by the tables of the queries around them.
 * Statements that name nothing that is renamed keep their text, so that only what changes depends on
 * the writer of trees.
 */
#ifndef DTS_SQL_MAP_H
#define DTS_SQL_MAP_H

#include "arena.h"
#include "error.h"
#include "object_map.h"

typedef struct SqlMap SqlMap;

/* The map of objects must outlive it. */
SqlMap *sql_map_create(Arena *arena, const ObjectMap *objects);

/*
 * A partition has the columns of the partitioned table at its top; root names NULL: not any more.
 * The last word counts.
 */
void sql_map_partition(SqlMap *map, const char *schema, const char *name, const char *root_schema,
                       const char *root_name);

/* The type of a column that the options have computed, as SQL. */
void sql_map_computed(SqlMap *map, const char *schema, const char *name, const char *column,
                      const char *type);

typedef enum SqlMapEnd
{
	SQL_MAP_DONE,
	SQL_MAP_GONE,   /* it is only about a column that the job leaves out */
	SQL_MAP_BROKEN, /* it needs a column that the job leaves out: *needs */
	SQL_MAP_FAILED, /* err */
} SqlMapEnd;

typedef struct SqlMapped
{
	const char *sql; /* in the arena */
	bool changed;
	const char *needs; /* BROKEN: "schema"."table"."column" */
	/* of a function whose text is not SQL's and names something that is renamed: that name; or NULL */
	const char *unread;
} SqlMapped;

/*
 * One or more statements.  Those that are GONE are left out; the end is that of the whole only when
 * nothing is left.  BROKEN as soon as one is.
 */
SqlMapEnd
sql_map_text(SqlMap *map, Arena *arena, const char *sql, SqlMapped *mapped, Error *err) must_check;

/* The same, of a script whose statements have all been found to be neither BROKEN nor GONE. */
const char *sql_map_script(SqlMap *map, Arena *arena, const char *sql, Error *err) must_check;

#endif /* DTS_SQL_MAP_H */
