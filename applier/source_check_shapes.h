/*
 * source_check_shapes.h
 *		The part of the precheck that has the source compile row filters, columns and expressions.
 */
#ifndef DTS_SOURCE_CHECK_SHAPES_H
#define DTS_SOURCE_CHECK_SHAPES_H

#include "precheck.h"

void source_check_shapes(Precheck *p);

#endif /* DTS_SOURCE_CHECK_SHAPES_H */
