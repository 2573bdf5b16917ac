/*
 * source_check_shapes.h
 *		The part of the precheck that has the source compile row filters, columns and expressions.
 */
#ifndef DTS_SOURCE_CHECK_SHAPES_H
#define DTS_SOURCE_CHECK_SHAPES_H

#include "precheck.h"

void source_check_shapes(Precheck *p);

/* The same for a job that runs; false: err says of up to ten tables what is wrong. */
bool source_shapes_verify(const Job *job, PgSession *source, Arena *arena, Error *err) must_check;

#endif /* DTS_SOURCE_CHECK_SHAPES_H */
