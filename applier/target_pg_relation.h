/*
 * target_pg_relation.h
 *		What the target's catalogs say of a table that changes go to.
 */
#ifndef DTS_TARGET_PG_RELATION_H
#define DTS_TARGET_PG_RELATION_H

#include "arena.h"
#include "change.h"
#include "error.h"
#include "plan.h"

struct pg_result;

/*
 * Two queries with the same parameters: schema and name of the leaf, then of the root it belongs to
 * (or the leaf's again).  The root is taken when the leaf does not exist.
 */
extern const char target_relation_columns_sql[];
extern const char target_relation_uniques_sql[];

/* The error of a table that the target lacks: the first query returned nothing. */
void target_relation_missing(const Relation *relation, Error *err);

/* NULL: there is something else of that name (ERR_RELATION_MISMATCH). */
TargetTable *
target_relation_read_columns(Arena *arena, const struct pg_result *result, Error *err) must_check;

/* Adds the unique indexes. */
void target_relation_read_uniques(Arena *arena, TargetTable *table, const struct pg_result *result);

#endif /* DTS_TARGET_PG_RELATION_H */
