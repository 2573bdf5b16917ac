/*
 * stream_stats.h
 *		What a job's stream has done and where its time went, over all sessions of its worker.
 *
 * For people who look for the cause of a lag (dts_job_stats); nothing in the daemon acts on it.
 * Knows no clock: times come in as arguments.
 */
#ifndef DTS_STREAM_STATS_H
#define DTS_STREAM_STATS_H

#include <stdint.h>

#include "engine_stats.h"

/* name, name in SQL */
#define STREAM_COUNTERS(X)                                                                         \
	X(bytes_spooled, "bytes_spooled")       /* now: of transactions in progress on the source */   \
	X(work_us, "work_us")                   /* reading, planning, sending */                       \
	X(wait_source_us, "wait_source_us")     /* everything received was done */                     \
	X(wait_target_us, "wait_target_us")     /* for answers, or for room to send more */            \
	X(wait_throttle_us, "wait_throttle_us") /* for the limits of the job */

typedef enum StreamWait
{
	WAITS_FOR_SOURCE,
	WAITS_FOR_TARGET,
	WAITS_FOR_THROTTLE,
} StreamWait;

#define STREAM_COUNTER_FIELD(name, text) int64_t name;
typedef struct StreamStats
{
	STREAM_COUNTERS(STREAM_COUNTER_FIELD)
	EngineStats before;  /* sessions that are over */
	EngineStats session; /* the present one */
	int64_t counted_us;  /* time is accounted for until then */
} StreamStats;
#undef STREAM_COUNTER_FIELD

void stream_stats_begin(StreamStats *stats, int64_t now_us);
void stream_stats_end(StreamStats *stats, int64_t now_us);

/* Work until now, or a wait from the last moment of work until now. */
void stream_stats_worked(StreamStats *stats, int64_t now_us);
void stream_stats_waited(StreamStats *stats, StreamWait what, int64_t now_us);

/* Calls put for every measure under its name in SQL. */
typedef void (*StreamStatsPut)(void *arg, const char *name, int64_t value);
void stream_stats_list(const StreamStats *stats, StreamStatsPut put, void *arg);

#endif /* DTS_STREAM_STATS_H */
