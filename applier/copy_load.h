/*
 * copy_load.h
 *		Plans the load of data: compares the source's tables with the target's and puts parts,
 *		emptying, sequences and ANALYZE into the queue.
 */
#ifndef DTS_COPY_LOAD_H
#define DTS_COPY_LOAD_H

#include "copy_index.h"
#include "copy_table.h"
#include "pg_session.h"
#include "worker.h"

/*
 * `source` stands in a transaction on the load's snapshot.  The tasks, the states of the tables and
 * the step commit together.  Tables whose rows are all on the target under an earlier snapshot are
 * left alone.  False with *order other than ORDER_GO_ON: the worker wants to leave.
 */
bool copy_load_plan(Worker *w, PgSession *source, PgSession *target, WorkerOrder *order,
                    Error *err) must_check;

/*
 * The same for the tables that wait beside the stream, and no step.  `tables`: as they stood before
 * the snapshot; those that wait since then are for the next load.  `schema` holds the tasks that
 * make those of them that the target lacks.  Tables that the source no longer has, or that the job
 * no longer selects, are forgotten.
 */
bool
copy_load_plan_beside(Worker *w, PgSession *source, PgSession *target, const CopyTables *tables,
                      const CopyTasks *schema, Error *err) must_check;

#endif /* DTS_COPY_LOAD_H */
