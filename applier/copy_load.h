/*
 * copy_load.h
 *		Plans the load of data: compares the source's tables with the target's and puts parts,
 *		emptying, sequences and ANALYZE into the queue.
 */
#ifndef DTS_COPY_LOAD_H
#define DTS_COPY_LOAD_H

#include "copy_table.h"
#include "copy_index.h"
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
 * The same for the tables that waited beside the stream before the snapshot was taken, and no step;
 * those that began to wait after it are left for the next load, as it does not know why they do.  `schema` holds the tasks that
 * make those of them that the target lacks.  Tables that the source no longer has, or that the job
 * no longer selects, are forgotten.
 */
bool
copy_load_plan_beside(Worker *w, PgSession *source, PgSession *target, const CopyTables *before,
                      const CopyTasks *schema, Error *err) must_check;

#endif /* DTS_COPY_LOAD_H */
