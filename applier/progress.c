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

static void
add_marker(ProgressMarkers *markers, int64_t marker, SourceLsn end)
{
	/* a marker says as much as all before it, so that the last place can be taken over */
	if (markers->count == PROGRESS_MARKERS)
		markers->count--;
	markers->list[markers->count++] = (ProgressMarker){marker, end};
}

void
progress_marker(Progress *progress, int64_t marker, SourceLsn end)
{
	add_marker(&progress->markers, marker, end);
}

void
progress_beat(Progress *progress, int64_t beat, SourceLsn end)
{
	add_marker(&progress->beats, beat, end);
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

static bool
take_durable(ProgressMarkers *markers, SourceLsn durable, int64_t *marker)
{
	int done = 0;

	while (done < markers->count && markers->list[done].end.value <= durable.value)
		*marker = markers->list[done++].marker;
	if (done == 0)
		return false;
	markers->count -= done;
	memmove(markers->list, markers->list + done,
	        sizeof(markers->list[0]) * (size_t) markers->count);
	return true;
}

bool
progress_marker_durable(Progress *progress, int64_t *marker)
{
	return take_durable(&progress->markers, progress->stream.durable, marker);
}

bool
progress_beat_durable(Progress *progress, int64_t *beat)
{
	return take_durable(&progress->beats, progress->stream.durable, beat);
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
