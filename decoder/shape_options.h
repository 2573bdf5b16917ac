/*
 * shape_options.h
 *		What the option shapes asks of each table: row filter, columns, operations.
 */
#ifndef DTS_SHAPE_OPTIONS_H
#define DTS_SHAPE_OPTIONS_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* Operations of the source that are wanted. */
#define SHAPE_INSERT   0x01
#define SHAPE_UPDATE   0x02
#define SHAPE_DELETE   0x04
#define SHAPE_TRUNCATE 0x08
#define SHAPE_ALL      0x0f

typedef struct ShapeColumn
{
	char *name;
	char *expr; /* computed by it; NULL: the table's own column */
} ShapeColumn;

/* One table, by OID (schema and table NULL) or by name. */
typedef struct TableShape
{
	Oid oid;
	char *schema;
	char *table;
	char *where;   /* NULL: every row */
	List *columns; /* of ShapeColumn; NIL: all the table's own */
	int operations;
} TableShape;

/* A list of TableShape from its JSON; raises an error that says what is wrong where. */
extern List *shape_options_parse(const char *json);

/* The shape asked for a relation or the nearest of its partition ancestors; NULL: none. */
extern const TableShape *shape_options_find(List *shapes, Oid relid, List *ancestors);

#endif /* DTS_SHAPE_OPTIONS_H */
