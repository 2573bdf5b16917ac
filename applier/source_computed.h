/*
 * source_computed.h
 *		The types of the columns that the options compute, as the source's parser has them.
 */
#ifndef DTS_SOURCE_COMPUTED_H
#define DTS_SOURCE_COMPUTED_H

#include "error.h"
#include "job.h"
#include "pg_session.h"

/* Fills JobColumn.type, in the job's arena, of every column with an expression. */
bool source_computed_types(PgSession *source, const Job *job, Error *err) must_check;

#endif /* DTS_SOURCE_COMPUTED_H */
