/*
 * copy_crew.h
 *		The copy workers of a phase: starts them, replaces those that die, gathers what they tell.
 *
 * Does not know what the tasks are; it is done when the queue is, up to the stage asked for.
 */
#ifndef DTS_COPY_CREW_H
#define DTS_COPY_CREW_H

#include "copy_queue.h"
#include "copy_worker.h"
#include "error.h"
#include "worker.h"

typedef struct CopyCrewOptions
{
	CopyStage last;
	int workers;
	const char *encoding;
	const char *snapshot;
	/* every message of theirs, and about every second (message NULL); false: err, stop */
	bool (*heard)(void *arg, const CopyMessage *message, Error *err);
	void *arg;
} CopyCrewOptions;

typedef enum CrewResult
{
	CREW_DONE,
	CREW_YIELDED,
	CREW_SNAPSHOT_LOST,
	CREW_FAILED, /* err */
} CrewResult;

/*
 * Runs until no task up to `last` is left.  Afterwards none of the workers lives, and unless the
 * lease is lost, none of their backends works on.  `target` is an idle session of the caller's.
 */
CrewResult copy_crew_run(Worker *w, const CopyCrewOptions *options, PgSession *target, Error *err);

#endif /* DTS_COPY_CREW_H */
