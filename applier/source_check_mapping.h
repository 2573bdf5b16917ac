/*
 * source_check_mapping.h
 *		The part of the precheck that looks at names on the target: columns that the options list,
 *		tables that would become one, and what cannot follow.
 */
#ifndef DTS_SOURCE_CHECK_MAPPING_H
#define DTS_SOURCE_CHECK_MAPPING_H

#include "precheck.h"

/* Answers CHECK_MAPPING; needs p->tables. */
void source_check_mapping(Precheck *p);

#endif /* DTS_SOURCE_CHECK_MAPPING_H */
