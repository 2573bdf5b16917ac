/*
 * sql_map_internal.h
 *		What the files of sql_map share: the walk over a statement's tree.
 */
#ifndef DTS_SQL_MAP_INTERNAL_H
#define DTS_SQL_MAP_INTERNAL_H

#include "sql_map.h"
#include "sql_tree.h"

#ifdef SQL_TREE

const ObjectMap *sql_map_objects(const SqlMap *map);

/* SQL type of a computed column of a table, or NULL. */
const char *sql_map_computed_type(const SqlMap *map, const ObjectTable *table, const char *column);

/* Marks a reference to a column that has been seen to. */
#define REF_DONE (-2)

/* A table that columns may be of, under the name by which the statement refers to it. */
typedef struct ScopeItem
{
	const char *alias;
	const char *new_alias; /* when the table's own name is the alias, and changes */
	bool is_table;         /* known by name: `table` holds */
	ObjectTable table;
	struct ScopeItem *next;
} ScopeItem;

typedef struct Scope
{
	ScopeItem *items;
	struct Scope *outer;
} Scope;

/* A name by which the statement refers to something, and what it becomes. */
typedef struct MapperAlias
{
	const char *before;
	const char *after;
	struct MapperAlias *next;
} MapperAlias;

typedef struct Mapper
{
	SqlMap *map;
	Arena *arena;
	MapperAlias *aliases; /* of the whole statement */
	Scope *scope;         /* innermost */
	bool changed;
	bool gone;
	const char *needs;
	const char *unread;
	Error *err;
	bool failed;
} Mapper;

/* Walks a message and all below it. */
void mapper_walk(Mapper *m, ProtobufCMessage *message);

/* What the map says of a table, its partitioned root considered. */
void mapper_table(const Mapper *m, const char *schema, const char *name, ObjectTable *table);
void mapper_range(const Mapper *m, const PgQuery__RangeVar *range, ObjectTable *table);

void mapper_set(Mapper *m, char **field, const char *text);

/* A column of this table by name: renamed in place; needs it when it is left out. */
void mapper_column(Mapper *m, const ObjectTable *table, char **name);

/* The same for a list of strings. */
void mapper_columns(Mapper *m, const ObjectTable *table, size_t count, SqlNode **names);

void mapper_needs(Mapper *m, const ObjectTable *table, const char *column);

/* sql_map_query.c: queries and the columns in them. */
void mapper_aliases(Mapper *m, ProtobufCMessage *message);
void mapper_scope_add(Mapper *m, Scope *scope, const PgQuery__RangeVar *range, const char *alias,
                      bool follows);
void mapper_scope_pair(Mapper *m, Scope *scope, const PgQuery__RangeVar *range);
bool mapper_enter_query(Mapper *m, ProtobufCMessage *message, Scope *scope);
void mapper_column_ref(Mapper *m, PgQuery__ColumnRef *ref);
void mapper_res_target(Mapper *m, PgQuery__ResTarget *target);

/* sql_map_name.c: qualified names, wherever they stand. */
void mapper_name_list(Mapper *m, size_t count, SqlNode **names);
void mapper_relation_list(Mapper *m, size_t count, SqlNode **names);
void mapper_names(Mapper *m, ProtobufCMessage *message);
const char *mapper_identifier(Mapper *m, const char *text, bool relation);

/* sql_map_table.c: what tables are made of */
bool mapper_enter_table(Mapper *m, ProtobufCMessage *message, Scope *scope);

/* sql_map_function.c */
void mapper_function(Mapper *m, PgQuery__CreateFunctionStmt *function);

#endif
#endif /* DTS_SQL_MAP_INTERNAL_H */
