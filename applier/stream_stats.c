/*
 * stream_stats.c
 *		See stream_stats.h.
 */
#include "stream_stats.h"

#include <stdio.h>
#include <string.h>

#define ORDER_TEXT(name, text) text,
static const char *const order_names[] = {ENGINE_ORDER_REASONS(ORDER_TEXT)};
#undef ORDER_TEXT

void
stream_stats_begin(StreamStats *stats, int64_t now_us)
{
	stats->counted_us = now_us;
}

void
stream_stats_end(StreamStats *stats, int64_t now_us)
{
	EngineStats *before = &stats->before;
	const EngineStats *session = &stats->session;

	stream_stats_worked(stats, now_us);
#define ADD(name, text) before->name += session->name;
	ENGINE_COUNTERS(ADD)
#undef ADD
	for (int i = 0; i < ORDER_NONE; i++)
		before->ordered[i] += session->ordered[i];
	/* what was on its way is nowhere any more */
	before->bytes_in_flight = 0;
	before->bytes_held = 0;
	stats->bytes_spooled = 0;
	memset(&stats->session, 0, sizeof(stats->session));
}

void
stream_stats_worked(StreamStats *stats, int64_t now_us)
{
	stats->work_us += now_us - stats->counted_us;
	stats->counted_us = now_us;
}

void
stream_stats_waited(StreamStats *stats, StreamWait what, int64_t now_us)
{
	int64_t spent = now_us - stats->counted_us;

	switch (what)
	{
		case WAITS_FOR_SOURCE:
			stats->wait_source_us += spent;
			break;
		case WAITS_FOR_TARGET:
			stats->wait_target_us += spent;
			break;
		case WAITS_FOR_THROTTLE:
			stats->wait_throttle_us += spent;
			break;
	}
	stats->counted_us = now_us;
}

void
stream_stats_list(const StreamStats *stats, StreamStatsPut put, void *arg)
{
	char name[64];

#define PUT(field, text) put(arg, text, stats->field);
	STREAM_COUNTERS(PUT)
#undef PUT
#define PUT(field, text) put(arg, text, stats->before.field + stats->session.field);
	ENGINE_COUNTERS(PUT)
#undef PUT
	for (int i = 0; i < ORDER_NONE; i++)
	{
		snprintf(name, sizeof(name), "ordered_%s", order_names[i]);
		put(arg, name, stats->before.ordered[i] + stats->session.ordered[i]);
	}
}
