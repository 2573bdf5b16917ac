/*
 * table_modify.h
 *		Another list of objects for a job that runs: what has to be done to its tables.
 */
#ifndef DTS_TABLE_MODIFY_H
#define DTS_TABLE_MODIFY_H

#include <jansson.h>

#include "copy_table.h"
#include "error.h"
#include "job.h"
#include "pg_session.h"

/*
 * options: all options of the job as they are to be.  known: the tables on record on the target.
 * Appends to tables {"oid", "schema", "name", "move": "add", "remove" or "reload"}; a table of which
 * nothing changes but what the stream may do to it is not there.  Errors that are not transient say
 * why the job cannot follow.
 */
bool table_modify_resolve(const Job *job, const json_t *options, const CopyTables *known,
                          PgSession *source, PgSession *target, Arena *arena, json_t *tables,
                          Error *err) must_check;

#endif /* DTS_TABLE_MODIFY_H */
