/*
 * progress.c
 *		See progress.h.
 */
#include "progress.h"

#include <string.h>

void
progress_init(Progress *progress, SourceLsn stored, int64_t now_us)
{
	memset(progress, 0, sizeof(*progress));
	progress->stream.durable = stored;
	progress->stream.received = stored;
	progress->idle_not_before_us = now_us + PROGRESS_IDLE_EVERY_US;
	progress->idle_stored_us = now_us - PROGRESS_IDLE_EVERY_US;
}

void
progress_received(Progress *progress, const TxnHeader *header)
{
	progress->stream.received = source_lsn_max(progress->stream.received, header->end);
	progress->stream.transactions++;
}

void
progress_marker(Progress *progress, int64_t marker, SourceLsn end)
{
	/* a marker says as much as all before it, so that the last place can be taken over */
	if (progress->marker_count == PROGRESS_MARKERS)
		progress->marker_count--;
	progress->markers[progress->marker_count++] = (ProgressMarker){marker, end};
}

bool
progress_durable(Progress *progress, const TargetPosition *durable)
{
	if (durable->end.value <= progress->stream.durable.value)
		return false;
	progress->stream.durable = durable->end;
	if (durable->commit_time != 0)
		progress->stream.commit_time = durable->commit_time;
	return true;
}

bool
progress_marker_durable(Progress *progress, int64_t *marker)
{
	int done = 0;

	while (done < progress->marker_count &&
	       progress->markers[done].end.value <= progress->stream.durable.value)
		*marker = progress->markers[done++].marker;
	if (done == 0)
		return false;
	progress->marker_count -= done;
	memmove(progress->markers, progress->markers + done,
	        sizeof(progress->markers[0]) * (size_t) progress->marker_count);
	return true;
}

bool
progress_idle_due(const Progress *progress, SourceLsn idle, int64_t now_us, IdleHaste haste)
{
	if (idle.value <= progress->stream.durable.value)
		return false;
	switch (haste)
	{
		case IDLE_NOW:
			return true;
		case IDLE_SOON:
			/*
			 * not faster than this: where source and target are one cluster, every position stored moves
			 * the source on
			 */
			return now_us >= progress->idle_stored_us + PROGRESS_IDLE_SOON_US;
		case IDLE_IN_TIME:
			break;
	}
	return now_us >= progress->idle_not_before_us;
}

void
progress_idle_stored(Progress *progress, int64_t now_us)
{
	progress->idle_stored_us = now_us;
	progress->idle_not_before_us = now_us + PROGRESS_IDLE_EVERY_US;
}
