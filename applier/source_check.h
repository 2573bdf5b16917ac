/*
 * source_check.h
 *		The part of the precheck that asks the source.
 */
#ifndef DTS_SOURCE_CHECK_H
#define DTS_SOURCE_CHECK_H

#include "precheck.h"

/* Also fills p->tables. */
void source_check_selection(Precheck *p);
void source_check_run(Precheck *p);

#endif /* DTS_SOURCE_CHECK_H */
