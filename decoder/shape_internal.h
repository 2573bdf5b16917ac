/*
 * shape_internal.h
 *		A compiled shape, as shape.c and shape_compile.c share it.
 */
#ifndef DTS_SHAPE_INTERNAL_H
#define DTS_SHAPE_INTERNAL_H

#include "shape.h"

#include "executor/executor.h"

typedef struct ShapeExpr
{
	const char *column; /* "": the filter */
	const char *text;
	ExprState *state;
	Bitmapset *columns;
} ShapeExpr;

/* One of a change's rows. */
typedef struct ShapeRow
{
	TupleTableSlot *slot;
	bool *absent;   /* by attribute: not in WAL */
	Datum *touched; /* by attribute: as it came, where the slot has the old row's value */
	bool *filled;
	bool any_absent;
	bool any_filled;
} ShapeRow;

typedef struct Shape
{
	const TableShape *wanted;
	int natts; /* the relation's */
	int total; /* with the computed columns */
	Bitmapset *keys;
	ShapeExpr *where; /* NULL: none */
	ShapeExpr *computed;
	TupleDesc desc; /* all columns, when some are computed */
	ExprContext *context;
	ShapeRow old, new;
	Datum *values;
	bool *nulls;
	bool *unchanged;
	const ShapeExpr *at_work; /* for the refusal */
	Refusal *refusal;
} Shape;

/*
 * In a PG_CATCH block, in the context that the refusal is for: keeps the error as a refusal, or lets
 * it go on.
 */
extern void shape_keep_error(const Shape *shape, Refusal *refusal);
extern const char *shape_column_name(Relation relation, int number);

#endif /* DTS_SHAPE_INTERNAL_H */
