/*
 * ddl_queue.h
 *		Commands of the source in the stream: the rows of the capture's tables, taken out in their
 *		place among the data, planned, and handed to the target.
 *
 * A command comes as a row of public.dts_args_session and one of public.dts_ddl_command.  Rows that
 * a command writes come before it: those of a table that it writes anew, and those of a table that
 * it makes.  They are held, in memory up to a limit and then in files, and applied behind it.
 *
 * Sits between the source's events and the target's batches (flow.c).  Knows no socket, clock or
 * job; what a job selects and decides comes in as functions.
 */
#ifndef DTS_DDL_QUEUE_H
#define DTS_DDL_QUEUE_H

#include "ddl_plan.h"
#include "source.h"
#include "target.h"

typedef enum DdlDecision
{
	DDL_RUN,
	DDL_LEAVE_OUT, /* the target stays as it is; whoever decides has told of it */
	DDL_WAIT,      /* ask again with the same command; until then the stream stands still */
} DdlDecision;

typedef struct DdlQueueOptions
{
	DdlScope scope;
	bool statements;       /* the statement way may be taken */
	const char *slot_name; /* in the job's bookkeeping on the target */
	/*
	 * Told of each command before it is planned.  *reason, in the arena: why it cannot be followed
	 * though it could be planned.  False: err, and the stream ends.  NULL: nobody.
	 */
	bool (*look)(void *arg, Arena *arena, const TxnHeader *header, const DdlRecord *record,
	             const char **reason, Error *err);
	/* a role's name on the target, and whether it is an error when the target lacks it */
	const char *(*role)(void *arg, const char *role);
	bool role_needed;
	/*
	 * Gives the planned SQL the names that objects have on the target: changes plan->sql, its count
	 * and its verdict.  NULL: they are the source's; otherwise the statement way, whose names are
	 * those of a session, is not taken.
	 */
	void (*map)(void *arg, Arena *arena, const DdlRecord *record, DdlPlan *plan);
	/*
	 * Asked once for each planned command before it runs (and again after DDL_WAIT), and for those
	 * that cannot be planned (plan->verdict is DDL_REFUSED; then DDL_RUN stops the stream with
	 * the plan's reason).  False: err, and the stream ends.  NULL: all run.
	 */
	bool (*decide)(void *arg, const TxnHeader *header, const DdlRecord *record, const DdlPlan *plan,
	               DdlDecision *decision, Error *err);
	/* told of each command that was handed to the target; NULL: nobody */
	void (*handed)(void *arg, const TxnHeader *header, const DdlRecord *record,
	               const DdlPlan *plan);
	void *arg;
	const char *work_dir;  /* for files of rows that are held */
	uint64_t memory_limit; /* of those rows; 0: 8 MB */
	uint64_t disk_limit;   /* 0: 64 GB */
} DdlQueueOptions;

typedef struct DdlQueue DdlQueue;

/* The options' texts and functions must live as long as the queue. */
DdlQueue *ddl_queue_create(const DdlQueueOptions *options);
void ddl_queue_destroy(DdlQueue *queue); /* NULL is allowed */

/* Whether the change is the queue's affair: a row of the capture, or one to be held. */
bool ddl_queue_wants(const DdlQueue *queue, const Change *change);

/*
 * Reads such a change; to be called with the same one until it no longer answers TARGET_WAIT.
 * *work: something is to be done in the target's open transaction: call ddl_queue_run() there until
 * it has answered TARGET_OK, then the change is done with.
 */
TargetResult ddl_queue_read(DdlQueue *queue, const TxnHeader *header, const Change *change,
                            bool *work, Error *err);
TargetResult ddl_queue_run(DdlQueue *queue, Target *target, const TxnHeader *header, Error *err);

/* Until the transaction ends, changes of this table are not for the target. */
void ddl_queue_discard(DdlQueue *queue, uint32_t oid);

/* The target does not know the table of this change: it is held, or is an error (err stands). */
bool ddl_queue_hold(DdlQueue *queue, const TxnHeader *header, const Change *change, Error *err);

/*
 * The source's transaction ends.  False: rows are still held, whose command never came.  *cut: the
 * batch has to end with it.
 */
bool ddl_queue_end(DdlQueue *queue, bool *cut, Error *err) must_check;

#endif /* DTS_DDL_QUEUE_H */
