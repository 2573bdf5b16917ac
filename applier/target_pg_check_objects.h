/*
 * target_pg_check_objects.h
 *		The part of the precheck that looks for what objects need on the target: roles, extensions,
 *		quiet triggers, no other job.
 */
#ifndef DTS_TARGET_PG_CHECK_OBJECTS_H
#define DTS_TARGET_PG_CHECK_OBJECTS_H

#include "precheck.h"

/* Needs both ends; p->tables for some. */
void target_check_objects(Precheck *p);

#endif /* DTS_TARGET_PG_CHECK_OBJECTS_H */
