/*
 * target_pg_check_tables.h
 *		The part of the precheck that looks at the target's tables.
 */
#ifndef DTS_TARGET_PG_CHECK_TABLES_H
#define DTS_TARGET_PG_CHECK_TABLES_H

#include "precheck.h"

/* Needs both ends and p->tables. */
void target_check_tables(Precheck *p);

#endif /* DTS_TARGET_PG_CHECK_TABLES_H */
