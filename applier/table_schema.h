/*
 * table_schema.h
 *		The definition of tables that are loaded beside the stream and that the target lacks.
 */
#ifndef DTS_TABLE_SCHEMA_H
#define DTS_TABLE_SCHEMA_H

#include "copy_index.h"
#include "copy_table.h"
#include "pg_session.h"
#include "worker.h"

/*
 * Tasks that make those of the tables in state waiting, and what they need, from a dump under the
 * snapshot.  `source` stands in a transaction on it.  None when the target has them all.
 */
bool table_schema_plan(Worker *w, PgSession *source, PgSession *target, const CopyTables *tables,
                       const char *snapshot, const char *encoding, CopyTasks *tasks,
                       Error *err) must_check;

#endif /* DTS_TABLE_SCHEMA_H */
