/*
 * target_pg_check.h
 *		The part of the precheck that asks the target, and compares the two ends.
 */
#ifndef DTS_TARGET_PG_CHECK_H
#define DTS_TARGET_PG_CHECK_H

#include "precheck.h"

/* What needs both ends and no tables. */
void target_check_pair(Precheck *p);

/* The rest; what concerns tables only when p->tables is there. */
void target_check_run(Precheck *p);

#endif /* DTS_TARGET_PG_CHECK_H */
