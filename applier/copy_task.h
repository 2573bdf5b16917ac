/*
 * copy_task.h
 *		Does one task of a load's queue, whatever its kind, inside the caller's transaction on the
 *		target.
 */
#ifndef DTS_COPY_TASK_H
#define DTS_COPY_TASK_H

#include "copy_part.h"

typedef struct CopyTaskRun
{
	const Job *job;
	PgSession *target;
	Arena *arena; /* for what is needed until the task's end */
	CopyPace *pace;
	bool deaf; /* as CopyPart's */
	/* a session on the source that stands in a transaction on the snapshot; NULL: err, *end */
	PgSession *(*source)(void *arg, CopyPartEnd *end, Error *err);
	void (*progress)(void *arg, int64_t rows, int64_t bytes);
	void (*note)(void *arg, const char *text); /* something that an operator should know */
	void *arg;
} CopyTaskRun;

/* *end is that of a part; PART_FAILED for tasks of other kinds. */
bool copy_task_run(const CopyTaskRun *run, const CopyTask *task, int64_t *rows, int64_t *bytes,
                   CopyPartEnd *end, Error *err) must_check;

/* What it is about, for errors. */
const char *copy_task_doing(CopyStage stage);

#endif /* DTS_COPY_TASK_H */
