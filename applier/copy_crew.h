/*
 * copy_crew.h
 *		The copy workers of a phase: starts them, replaces those that die, gathers what they tell.
 *
 * Does not know what the tasks are; it is done when the queue is, up to the stage asked for.
 */
#ifndef DTS_COPY_CREW_H
#define DTS_COPY_CREW_H

#include <poll.h>

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
	CREW_FAILED,  /* err */
	CREW_WORKING, /* only of copy_crew_step() */
} CrewResult;

/*
 * Beside an event loop: start, then again and again poll and step, then end.  The options are
 * copied; what their pointers lead to must live as long as the crew.  NULL: err.
 */
typedef struct CopyCrew CopyCrew;
CopyCrew *copy_crew_start(Worker *w, const CopyCrewOptions *options, Error *err) must_check;

/* Fills in what to poll for, no more than CREW_FDS_MAX, and lowers *timeout_ms to the next step. */
#define CREW_FDS_MAX 64
int copy_crew_poll(const CopyCrew *crew, struct pollfd *fds, int *timeout_ms);

/*
 * Hears what was said and replaces the dead, without waiting.  Anything but CREW_WORKING is the
 * end; err is then filled for CREW_SNAPSHOT_LOST and CREW_FAILED.
 */
CrewResult copy_crew_step(CopyCrew *crew, Error *err) must_check;

/*
 * Ends whoever still works and frees the crew.  Unless touch_servers is false (the lease is lost),
 * their backends are ended, too.  `target` is an idle session of the caller's; NULL crew is fine.
 */
void copy_crew_end(CopyCrew *crew, PgSession *target, bool touch_servers);

/*
 * All of that until no task up to `last` is left.  Afterwards none of the workers lives, and unless
 * the lease is lost, none of their backends works on.
 */
CrewResult copy_crew_run(Worker *w, const CopyCrewOptions *options, PgSession *target, Error *err);

#endif /* DTS_COPY_CREW_H */
