/*
 * plan.h
 *		From a change to an SQL statement: which statement, and which values go where.
 *
 * A relation is bound to the target's table once per version (plan_bind).  After that every change
 * has a shape - the statement's kind, the columns it writes, the columns it compares - and each
 * shape has one statement, prepared once.  Pure text work: no connection, no clock.
 */
#ifndef DTS_PLAN_H
#define DTS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "change.h"
#include "error.h"

/* A column of the target's table. */
typedef struct TargetColumn
{
	const char *name;
	uint32_t type_oid; /* on the target */
	const char *type_schema;
	const char *type_name;
	const char *equality; /* qualified operator, as OPERATOR(...) takes it */
	bool not_null;
	bool has_default; /* or is an identity or generated column: needs no value */
	bool generated;
	bool identity_always;
	bool primary_key;
	bool indexed;        /* first column of a plain b-tree index, and built in */
	uint32_t array_type; /* whose elements are of this type; 0: unnest() would not give them back */
	char delimiter;      /* of such an array's text */
} TargetColumn;

/* Columns of a unique index that is immediate, valid and without predicate. */
typedef struct TargetUnique
{
	int *columns; /* into TargetTable.columns */
	int count;
	bool plain; /* serves the default equality of its columns */
} TargetUnique;

typedef struct TargetTable
{
	const char *schema;
	const char *name;
	bool partitioned;
	bool is_root;        /* stands in for a leaf that does not exist on the target */
	bool triggers;       /* triggers or rules fire for replicated rows */
	bool row_security;   /* policies hold for our role */
	int exclusive_count; /* unique indexes of every kind, and exclusion constraints */
	int column_count;
	TargetColumn *columns;
	int unique_count;
	TargetUnique *uniques;
} TargetTable;

typedef enum PlanKind
{
	PLAN_INSERT,
	PLAN_UPDATE,
	PLAN_REPLACE, /* an update that writes a GENERATED ALWAYS identity: delete and insert */
	PLAN_PROBE,   /* an update with nothing to write: the row must be there */
	PLAN_DELETE,
} PlanKind;

typedef enum PlanMatch
{
	MATCH_NONE,
	MATCH_KEY, /* by the identity's key, or the target's primary key */
	MATCH_ROW, /* one of the rows that are equal in all columns */
} PlanMatch;

/* Whether a change of a column is written or compared, as bits of PlanShape.columns. */
#define COLUMN_SET     0x01
#define COLUMN_MATCH   0x02
#define COLUMN_IS_NULL 0x04 /* an indexed column that is compared, and NULL */

typedef struct PlanShape
{
	PlanKind kind;
	PlanMatch match;
	const uint8_t *columns; /* one byte for each of the relation's */
} PlanShape;

typedef struct PlanParam
{
	int column; /* of the relation */
	bool match; /* from the row's old image, else from the new one */
	bool binary;
	uint32_t type; /* on the target */
} PlanParam;

/* A statement of one relation. */
typedef struct Plan
{
	PlanShape shape;
	const char *sql;
	int param_count;
	PlanParam *params;
	bool counts_rows; /* DELETE: the answer's one value is the number of rows, not its tag */
} Plan;

/* A relation bound to the target's table. */
typedef struct PlanRelation
{
	const Relation *relation;
	const TargetTable *table;
	int *map;        /* target column of each of the relation's columns */
	bool *key;       /* which columns a MATCH_KEY compares */
	bool key_unique; /* the target has a unique index within them */
	bool key_exists;
	bool key_indexed; /* a comparison of the key's columns can use that index */
	int *key_order;   /* the relation's columns in the order of that index */
	int key_order_count;
	uint8_t *scratch; /* for the shape of the change at hand */
} PlanRelation;

/* NULL: the table cannot take the relation's rows (ERR_RELATION_MISMATCH with the names). */
PlanRelation *
plan_bind(Arena *arena, const Relation *relation, const TargetTable *table, Error *err) must_check;

/*
 * The shape of a row change; its columns point into the PlanRelation and live until the next call.
 * False: the change has no usable identity, or a value the statement needs is not there.
 */
/* The error of a CHANGE_REFUSED. */
void plan_refused(const Change *change, Error *err);

bool plan_shape(PlanRelation *bound, const Change *change, PlanShape *shape, Error *err) must_check;

bool plan_shape_equal(const PlanRelation *bound, const PlanShape *a, const PlanShape *b);

/* The statement of a shape; allocated in arena, which keeps a copy of the shape too. */
Plan *plan_build(Arena *arena, const PlanRelation *bound, const PlanShape *shape);

/* Where the value of a parameter is found in a change. */
const Value *plan_value(const PlanParam *param, const Change *change);

/* TRUNCATE of several tables; sql is allocated in arena.  NULL: cannot be done (err). */
const char *plan_truncate(Arena *arena, const PlanRelation *const *bound, const Change *change,
                          Error *err) must_check;

#endif /* DTS_PLAN_H */
