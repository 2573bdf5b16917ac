/*
 * source_check_objects.h
 *		The part of the precheck that looks at what is no table: dependencies, foreign keys, large
 *		objects, subscriptions.
 */
#ifndef DTS_SOURCE_CHECK_OBJECTS_H
#define DTS_SOURCE_CHECK_OBJECTS_H

#include "precheck.h"

/* Fills p->needs.  Needs the source, and p->tables for some. */
void source_check_objects(Precheck *p);

#endif /* DTS_SOURCE_CHECK_OBJECTS_H */
