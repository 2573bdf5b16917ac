/*
 * target_pg_parallel.h
 *		The Target that is a PostgreSQL database written to by several sessions (lanes); with one of
 *		them it is what target_pg.h offers.
 *
 * parallel_order.c says how transactions share the lanes.
 */
#ifndef DTS_TARGET_PG_PARALLEL_H
#define DTS_TARGET_PG_PARALLEL_H

#include "target_pg.h"

/* As target_pg_open(), for options->lanes sessions at most: see target_parallel_trouble(). */
Target *
target_parallel_open(const TargetPgOptions *options, TargetPgStored *stored, Error *err) must_check;

/*
 * Uses so many lanes from now on.  Further ones are opened at once, which blocks; those that are too many end when
 * their transactions have.
 */
void target_parallel_resize(Target *target, int lanes);

/* Sessions that transactions are given to, and the error for which there are not more, or NULL. */
int target_parallel_lanes(const Target *target);
const Error *target_parallel_trouble(const Target *target);

#endif /* DTS_TARGET_PG_PARALLEL_H */
