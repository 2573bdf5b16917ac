/*
 * latency.c
 *		See latency.h.
 */
#include "latency.h"

#include <string.h>

/* A clock read over so slow a round trip says less than the one read before it. */
#define SLOW_ANSWER_US 200000

void
latency_init(Latency *latency, int64_t base)
{
	memset(latency, 0, sizeof(*latency));
	latency->base = base;
}

int64_t
latency_send(Latency *latency, int64_t now_us)
{
	if (now_us <= latency->sent_us)
		now_us = latency->sent_us + 1;
	latency->before_us = latency->sent_us;
	latency->sent_us = now_us;
	if (latency->waiting_us == 0)
		latency->waiting_us = now_us;
	return latency->base + now_us;
}

void
latency_unsent(Latency *latency)
{
	if (latency->waiting_us == latency->sent_us)
		latency->waiting_us = 0;
	latency->sent_us = latency->before_us;
}

bool
latency_is_ours(const Latency *latency, int64_t beat)
{
	return latency->sent_us > 0 && beat > latency->base && beat - latency->base <= latency->sent_us;
}

void
latency_durable(Latency *latency, int64_t beat)
{
	int64_t sent_us = beat - latency->base;

	if (!latency_is_ours(latency, beat) || sent_us <= latency->durable_us)
		return;
	latency->durable_us = sent_us;
	/* which beat came after it is not kept: no later than this one, for what is still on its way */
	if (latency->waiting_us != 0 && latency->waiting_us <= sent_us)
		latency->waiting_us = sent_us == latency->sent_us ? 0 : sent_us;
}

void
latency_source_clock(Latency *latency, int64_t source_us, int64_t asked_us, int64_t heard_us)
{
	if (latency->source_known && heard_us - asked_us > SLOW_ANSWER_US)
		return;
	latency->source_off_us = source_us - (asked_us + (heard_us - asked_us) / 2);
	latency->source_known = true;
}

int64_t
latency_lag(const Latency *latency, bool caught_up, int64_t commit_us, int64_t now_us)
{
	int64_t since_us = INT64_MIN; /* everything until then is durable, in our time */

	if (caught_up)
		since_us = latency->waiting_us > 0 ? latency->waiting_us : now_us;
	else
	{
		if (commit_us != 0 && latency->source_known)
			since_us = commit_us - latency->source_off_us;
		if (latency->durable_us > since_us && latency->durable_us > 0)
			since_us = latency->durable_us;
	}
	if (since_us == INT64_MIN)
		return LATENCY_UNKNOWN;
	return since_us < now_us ? now_us - since_us : 0;
}
