/*
 * shape.h
 *		Rows as a shape wants them: filtered, with fewer columns and computed ones.
 *
 * A shape is compiled for each version of a relation and evaluated for each of its changes.  What
 * cannot be compiled or evaluated is no error of the session, which would block the slot for ever,
 * but a refusal, which goes to the reader in the change's place.
 */
#ifndef DTS_SHAPE_H
#define DTS_SHAPE_H

#include "relation.h"
#include "shape_options.h"

/* Why a shape does not compile, or a row of it cannot be had. */
typedef struct Refusal
{
	const char *column; /* computed; "": the filter, or the shape as a whole */
	const char *text;   /* the expression, or "" */
	int code;           /* as errcode() has it */
	int position;       /* in the expression, characters from 1; 0: none */
	const char *message;
	const char *detail;
	const char *hint;
	const char *key; /* of the row, for people; or "" */
} Refusal;

typedef enum ShapeResult
{
	SHAPE_SEND, /* the change, as it stands in ShapedChange now */
	SHAPE_DROP,
	SHAPE_REFUSED,
} ShapeResult;

typedef struct ShapedChange
{
	DtsRecordKind kind;
	HeapTuple old;
	HeapTuple new;
	Refusal refusal;
} ShapedChange;

/*
 * Compiles the shape for a relation whose entry has its plan, with room for the computed columns
 * behind the stored ones, and changes the plan.  The shape lives in the entry's plan context.
 */
extern struct Shape *
shape_compile(Decoder *decoder, RelationEntry *entry, Relation relation, const TableShape *wanted);
/* Columns that come from nowhere but expressions. */
extern int shape_computed(const TableShape *wanted);
/* The attribute that describes a column of the plan, from 0. */
extern Form_pg_attribute shape_attribute(const struct Shape *shape, Relation relation, int i);
/* Marks the computed columns of the row at hand that an update leaves as they are; or NULL. */
extern const bool *shape_unchanged(const struct Shape *shape);

extern bool shape_wants(const struct Shape *shape, int operation);
/* Turns a change into what the shape makes of it; results last until the next call. */
extern ShapeResult
shape_change(Decoder *decoder, RelationEntry *entry, Relation relation, ShapedChange *change);

/* What compiling said; NULL: it compiled. */
extern const Refusal *shape_refusal(const struct Shape *shape);
/* Raises a refusal as an error. */
extern void shape_raise(Relation relation, const Refusal *refusal) __attribute__((noreturn));
/* Compiles all shapes of the options; raises the first refusal.  For SQL callers. */
extern void shape_check_all(Decoder *decoder);

#endif /* DTS_SHAPE_H */
