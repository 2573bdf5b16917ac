/*
 * progress.h
 *		How far the stream has come: what is durable, which markers are, when an idle position is
 *		due.  Time comes in as an argument.
 */
#ifndef DTS_PROGRESS_H
#define DTS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "lsn.h"
#include "target.h"
#include "worker.h"

#define PROGRESS_MARKERS       16
#define PROGRESS_IDLE_EVERY_US (10 * 1000000LL)
#define PROGRESS_IDLE_SOON_US  20000 /* when somebody waits for it */

typedef struct ProgressMarker
{
	int64_t marker;
	SourceLsn end; /* of the transaction it came in */
} ProgressMarker;

/* Seen, not yet durable; oldest first. */
typedef struct ProgressMarkers
{
	ProgressMarker list[PROGRESS_MARKERS];
	int count;
} ProgressMarkers;

typedef struct Progress
{
	StreamProgress stream; /* what is reported */
	ProgressMarkers markers;
	ProgressMarkers beats;
	int64_t idle_not_before_us;
	int64_t idle_stored_us;
} Progress;

void progress_init(Progress *progress, SourceLsn stored, int64_t now_us);

/* A whole transaction was received. */
void progress_received(Progress *progress, const TxnHeader *header);

/* A marker, or a beat, came back in the transaction that ends there. */
void progress_marker(Progress *progress, int64_t marker, SourceLsn end);
void progress_beat(Progress *progress, int64_t beat, SourceLsn end);

/* The target's durable position; true when it moved. */
bool progress_durable(Progress *progress, const TargetPosition *durable);

/* The newest marker, or beat, that has become durable since the last call; each is returned once. */
bool progress_marker_durable(Progress *progress, int64_t *marker);
bool progress_beat_durable(Progress *progress, int64_t *beat);

typedef enum IdleHaste
{
	IDLE_IN_TIME,
	IDLE_SOON, /* somebody waits for it */
	IDLE_NOW,
} IdleHaste;

/* Whether the position `idle`, which no batch carries, is to be stored now. */
bool progress_idle_due(const Progress *progress, SourceLsn idle, int64_t now_us, IdleHaste haste);
void progress_idle_stored(Progress *progress, int64_t now_us);

#endif /* DTS_PROGRESS_H */
