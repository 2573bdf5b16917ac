/*
 * expr.h
 *		Expressions over the columns of a table: parsed, vetted and planned.
 */
#ifndef DTS_EXPR_H
#define DTS_EXPR_H

#include "postgres.h"

#include "nodes/bitmapset.h"
#include "nodes/primnodes.h"
#include "utils/rel.h"

typedef struct CompiledExpr
{
	Expr *expr;         /* planned; its Vars have varno 1 */
	Bitmapset *columns; /* attribute numbers that it reads */
	Oid type;
	int32 typmod;
	Oid collation;
} CompiledExpr;

/*
 * Compiles in the current memory context.  Raises an error, with the position of what is wrong as
 * the error's cursor position in a text that begins with EXPR_PREFIX, unless the text is exactly one
 * expression over the relation's columns and immutable built-ins; a filter is also boolean.
 */
extern void expr_compile(CompiledExpr *compiled, Relation relation, const char *text, bool filter);

/* What stands before the text when it is parsed. */
#define EXPR_PREFIX "SELECT "

#endif /* DTS_EXPR_H */
