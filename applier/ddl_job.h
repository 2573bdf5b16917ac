/*
 * ddl_job.h
 *		What one job makes of the commands of its source: what it selects, whose role runs them, what
 *		is decided about them, who is told, and when the capture's queue is trimmed.
 *
 * Lives in the worker's process as long as a session of the stream.
 */
#ifndef DTS_DDL_JOB_H
#define DTS_DDL_JOB_H

#include "ddl_queue.h"
#include "pg_session.h"
#include "table_join.h"
#include "worker.h"

typedef struct DdlJob DdlJob;

/* NULL: the job does not follow commands.  work_dir must outlive it. */
DdlJob *ddl_job_create(Worker *w, TableJoin *join, const char *work_dir);
void ddl_job_destroy(DdlJob *ddl); /* NULL is allowed */

/*
 * Before the stream begins: looks up the tables of a job that names its objects.  *oids: those that
 * the decoder has to send whatever they are called then, or NULL; free() it.  *at_source: where it
 * failed.
 */
bool
ddl_job_open(DdlJob *ddl, PgSession *source, bool *at_source, char **oids, Error *err) must_check;

/* The stream ended because it has to begin anew. */
bool ddl_job_reopens(const DdlJob *ddl);

DdlQueue *ddl_job_queue(const DdlJob *ddl); /* NULL for NULL */

/*
 * Trims the capture's queue from time to time, after commands have been applied.  False: the
 * session is lost.
 */
bool ddl_job_trim(DdlJob *ddl, PgSession *source, int64_t now_us, Error *err) must_check;

/*
 * In a child of the worker: makes the job one of those that the source's capture serves, before its
 * slot is made.  Without the right to set it up the job goes on without, and result tells
 * "not_captured": why.
 */
bool ddl_job_join(const Job *job, void *arg, json_t *result, Error *err);

/*
 * The place of policies: asked for each planned command, in the worker's process, before it runs;
 * plan->sql is what would run, plan->verdict may be DDL_REFUSED.  After DDL_WAIT it is asked
 * again about once a second, with the stream standing still.
 */
bool ddl_policy_decide(Worker *w, const TxnHeader *header, const DdlRecord *record,
                       const DdlPlan *plan, DdlDecision *decision, Error *err);

/* The same for a command that was handed to the target, to be told of should it fail. */
json_t *ddl_policy_handed(const Worker *w, const TxnHeader *header, const DdlRecord *record,
                          const DdlPlan *plan) must_check;

/*
 * The capture tells, by a message that anybody could have written, that it has missed a command: so
 * the source is looked at.  False: err names the tables in doubt.
 */
bool ddl_job_gap(DdlJob *ddl, PgSession *source, const TxnHeader *header, const char *tag,
                 size_t len, Error *err) must_check;

/* The target has refused the command that was handed over last. */
void ddl_job_failed(DdlJob *ddl, const Error *err);

#endif /* DTS_DDL_JOB_H */
