/*
 * copy_index.h
 *		Turns the archive's entries into tasks of the queue, before and after the data.
 */
#ifndef DTS_COPY_INDEX_H
#define DTS_COPY_INDEX_H

#include "copy_archive.h"
#include "copy_program.h"
#include "copy_queue.h"
#include "copy_select.h"

typedef struct CopyTasks
{
	Arena *arena; /* owns the tasks and their texts */
	CopyTask *tasks;
	int count;
	int room;
} CopyTasks;

CopyTask *copy_tasks_add(CopyTasks *tasks, CopyStage stage, CopyKind kind);

/*
 * Tasks for every entry that is kept, for as many workers as will do them.  `source` tells what the
 * archive's text does not.  False with *order other than ORDER_GO_ON: the worker wants to leave.
 */
bool copy_index_plan(CopyTasks *tasks, const Archive *archive, const CopySelection *selection,
                     CopyProgram *program, PgSession *source, int workers, WorkerOrder *order,
                     Error *err) must_check;

#endif /* DTS_COPY_INDEX_H */
