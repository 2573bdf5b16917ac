/*
 * source_computed.h
 *		What the source says of the expressions of the options: the types of computed columns, and
 *		whether any function in them could do harm.
 */
#ifndef DTS_SOURCE_COMPUTED_H
#define DTS_SOURCE_COMPUTED_H

#include "error.h"
#include "job.h"
#include "pg_session.h"

/* Fills JobColumn.type, in the job's arena, of every column with an expression. */
bool source_computed_types(PgSession *source, const Job *job, Error *err) must_check;

/*
 * False with err when an expression calls a function by a name that no immutable built-in has: those
 * read files, wait, or change something.  The precheck looks closer; this stands before every use of an
 * expression in a query, whatever the precheck could ask.
 */
bool source_functions_harmless(PgSession *source, const Job *job, Error *err) must_check;

#endif /* DTS_SOURCE_COMPUTED_H */
