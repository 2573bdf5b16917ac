/*
 * source_check_tables.h
 *		The part of the precheck that looks at the source's tables.
 */
#ifndef DTS_SOURCE_CHECK_TABLES_H
#define DTS_SOURCE_CHECK_TABLES_H

#include "precheck.h"

/* Privileges, objects named, kinds and identities; fills p->tables. */
void source_check_tables(Precheck *p);

#endif /* DTS_SOURCE_CHECK_TABLES_H */
