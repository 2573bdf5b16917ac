/*
 * sql_tree.h
 *		SQL as a parse tree, by PostgreSQL's own grammar (libpg_query): read, looked at, edited, and
 *		written again.
 *
 * What was written is read again and compared with the tree: what the writer does not know how to
 * write is an error, never another command.  The grammar is that of PostgreSQL 15: newer syntax does
 * not parse.  Where the library is missing SQL_TREE is not defined, and nothing else of this either.
 */
#ifndef DTS_SQL_TREE_H
#define DTS_SQL_TREE_H

#include <stdbool.h>

#include "arena.h"

#if __has_include(<pg_query.h>) && __has_include(<protobuf-c/protobuf-c.h>)
#define SQL_TREE 1

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

typedef PgQuery__ParseResult SqlTree;
typedef PgQuery__Node SqlNode;

/*
 * NULL: the text does not parse; *why (may be NULL) then says where, in the arena.  Positions are
 * kept: sql_tree_forget_positions() makes trees of different texts comparable.
 */
SqlTree *sql_tree_parse(Arena *arena, const char *text, const char **why);
void sql_tree_free(SqlTree *tree);
void sql_tree_forget_positions(SqlTree *tree);

/* The tree as text, in the arena; NULL when that text would not read as the tree. */
const char *sql_tree_write(Arena *arena, SqlTree *tree);

/* One field of a message that holds messages: how many there are, and where; none is 0. */
size_t sql_tree_children(ProtobufCMessage *message, unsigned field, ProtobufCMessage ***items);

/* Replaces a text of a tree. */
void sql_tree_set(char **field, const char *text);

SqlNode *sql_tree_string(const char *text);

/* The text of a node that is a string, or NULL. */
const char *sql_tree_text(const SqlNode *node);

#endif /* has libpg_query */
#endif /* DTS_SQL_TREE_H */
