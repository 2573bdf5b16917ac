/*
 * flow.c
 *		See flow.h.
 */
#include "flow.h"

#include <stdlib.h>
#include <string.h>

#include "../decoder/wire.h"
#include "fault.h"
#include "flow_ahead.h"

/* Events taken in one step, so that orders and the source's timeout are looked at in between. */
#define EVENTS_MAX 2000

void
flow_init(Flow *flow, ChangeSource *source, Target *target, const char *marker,
          const BatchLimits *limits, SourceLsn stored, int64_t now_us)
{
	memset(flow, 0, sizeof(*flow));
	flow->source = source;
	flow->target = target;
	flow->marker = marker;
	batch_init(&flow->batch, limits, stored);
	progress_init(&flow->progress, stored, now_us);
	flow->status.durable.end = stored;
	flow_pace_init(&flow->pace, now_us);
	flow->rush_since_us = now_us;
}

static TargetResult
open_batch(Flow *flow, Error *err)
{
	const char *encoding = flow->source->ops->encoding(flow->source);
	TargetResult result;

	if (flow->batch.open)
		return TARGET_OK;
	result = flow->target->ops->set_encoding(flow->target, encoding, err);
	if (result == TARGET_OK)
		result = flow->target->ops->begin(flow->target, err);
	if (result == TARGET_OK)
		batch_opened(&flow->batch);
	return result;
}

static TargetResult
commit_batch(Flow *flow, Error *err)
{
	const TargetPosition position = {
	    .end = flow->batch.end,
	    .commit_time = flow->batch.commit_time,
	    .urgent = flow->synchronous || flow->finishing || flow->progress.markers.count > 0 ||
	              flow->progress.beats.count > 0,
	};
	TargetResult result = flow->target->ops->commit(flow->target, &position, err);

	if (result == TARGET_OK)
	{
		batch_closed(&flow->batch);
		flow_pace_handed(&flow->pace, flow->now_us);
	}
	flow->target->ops->status(flow->target, &flow->status);
	return result;
}

TargetResult
flow_come_to_rest(Flow *flow, Error *err)
{
	TargetResult result = TARGET_OK;

	if (flow->batch.open)
		result = commit_batch(flow, err);
	if (result == TARGET_OK && flow->status.batches_in_flight > 0)
		result = TARGET_WAIT;
	return result;
}

/* The source has nothing more: whether what is whole goes on its way, or waits for company. */
static void
close_idle_batch(Flow *flow)
{
	bool quick = !flow->rush || flow->synchronous;

	if (flow_pace_goes(&flow->pace, &flow->status, quick, flow->now_us))
		batch_idle(&flow->batch);
}

/* One of our own markers: the token in front of the number cannot be guessed. */
static bool
is_marker(const Flow *flow, const Change *change, int64_t *marker)
{
	size_t len = strlen(flow->marker);
	char number[24];
	size_t digits;

	if (strcmp(change->prefix, FLOW_MARKER_PREFIX) != 0 || change->content_len <= len ||
	    memcmp(change->content, flow->marker, len) != 0)
		return false;
	digits = change->content_len - len;
	if (digits >= sizeof(number))
		return false;
	memcpy(number, change->content + len, digits);
	number[digits] = '\0';
	*marker = strtoll(number, NULL, 10);
	return true;
}

/* A beat that this session has sent. */
static bool
is_beat(const Flow *flow, const Change *change, int64_t *beat)
{
	char number[24];

	if (flow->beats == NULL || strcmp(change->prefix, DTS_HEARTBEAT_PREFIX) != 0 ||
	    change->content_len >= sizeof(number))
		return false;
	memcpy(number, change->content, change->content_len);
	number[change->content_len] = '\0';
	*beat = strtoll(number, NULL, 10);
	return latency_is_ours(flow->beats, *beat);
}

static TargetResult
take_message(Flow *flow, const Change *change, Error *err)
{
	int64_t number;
	bool marker;
	TargetResult result;

	if (flow->batch.skipping)
		return TARGET_OK;
	if (flow->gap != NULL && strcmp(change->prefix, FLOW_GAP_PREFIX) == 0)
		return flow->gap(flow->gap_arg, &flow->batch.header, change->content, change->content_len,
		                 err)
		           ? TARGET_OK
		           : TARGET_FAILED;
	marker = is_marker(flow, change, &number);
	if (!marker && !is_beat(flow, change, &number))
		return TARGET_OK;
	/* nothing to apply, but its position is to be stored like that of any change */
	result = open_batch(flow, err);
	flow->touched = flow->touched || result == TARGET_OK;
	if (result == TARGET_OK && marker)
		progress_marker(&flow->progress, number, flow->batch.header.end);
	else if (result == TARGET_OK)
		progress_beat(&flow->progress, number, flow->batch.header.end);
	return result;
}

/*
 * The stream stands still before a command.  What came in transactions before its own is committed
 * meanwhile, so that nobody on the target waits for locks of ours.
 */
static TargetResult
stand_still(Flow *flow, Error *err)
{
	if (flow->batch.open && !flow->touched && flow->batch.transactions > 0 &&
	    commit_batch(flow, err) == TARGET_FAILED)
		return TARGET_FAILED;
	return TARGET_WAIT;
}

/* A command of the source's, or a row that has to wait for one. */
static TargetResult
take_ddl(Flow *flow, const Change *change, Error *err)
{
	const TxnHeader *header = &flow->batch.header;
	TargetResult result = TARGET_OK;

	if (!flow->ddl_works)
		result = ddl_queue_read(flow->ddl, header, change, &flow->ddl_works, err);
	if (result == TARGET_WAIT)
		return stand_still(flow, err);
	if (result != TARGET_OK || !flow->ddl_works)
		return result;
	result = open_batch(flow, err);
	flow->touched = flow->touched || result == TARGET_OK;
	if (result == TARGET_OK)
		result = ddl_queue_run(flow->ddl, flow->target, header, err);
	if (result == TARGET_OK)
		flow->ddl_works = false;
	return result;
}

static TargetResult
take_row(Flow *flow, const Change *change, Error *err)
{
	const TxnHeader *header = &flow->batch.header;
	TargetResult result;

	if (flow->ddl != NULL && ddl_queue_wants(flow->ddl, change))
		return take_ddl(flow, change, err);
	if (flow->watch != NULL && change->relation != NULL &&
	    !relation_watch_see(flow->watch, change->relation, header, err))
		return TARGET_FAILED;
	result = open_batch(flow, err);
	flow->touched = flow->touched || result == TARGET_OK;
	if (result == TARGET_OK)
		result = flow->target->ops->apply(flow->target, header, change, err);
	if (result == TARGET_UNKNOWN && flow->ddl != NULL)
		return ddl_queue_hold(flow->ddl, header, change, err) ? TARGET_OK : TARGET_FAILED;
	if (result == TARGET_OK)
		flow->progress.stream.rows++;
	return result == TARGET_UNKNOWN ? TARGET_FAILED : result;
}

static TargetResult
take_change(Flow *flow, const SourceEvent *event, Error *err)
{
	const Change *change = event->change;
	TargetResult result = TARGET_OK;

	if (flow->batch.in_transaction && change->kind == CHANGE_MESSAGE)
		result = take_message(flow, change, err);
	else if (batch_takes(&flow->batch, change))
		result = take_row(flow, change, err);
	if (result != TARGET_OK)
		return result;
	if (batch_change(&flow->batch, change, event->bytes, err))
		return TARGET_OK;
	flow->source_failed = true;
	return TARGET_FAILED;
}

/* Behind a command's transaction the batch ends: its locks go, and new labels may be used. */
static bool
end_transaction(Flow *flow, const TxnHeader *header, Error *err)
{
	bool cut = false;

	if (flow->ddl != NULL && !flow->batch.skipping && !ddl_queue_end(flow->ddl, &cut, err))
		return false;
	if (!batch_end(&flow->batch, header, err))
	{
		flow->source_failed = true;
		return false;
	}
	if (cut)
		batch_idle(&flow->batch);
	progress_received(&flow->progress, header);
	return true;
}

static TargetResult
take_begin(Flow *flow, const SourceEvent *event, Error *err)
{
	TargetResult result = event->ahead ? flow_ahead_begin(flow, err) : TARGET_OK;

	if (result != TARGET_OK)
		return result;
	flow->touched = false;
	if (batch_begin(&flow->batch, event->header, err))
		return TARGET_OK;
	flow->source_failed = true;
	return TARGET_FAILED;
}

static TargetResult
take_commit(Flow *flow, const SourceEvent *event, Error *err)
{
	bool ahead = flow->ahead.commits;
	TargetResult result = ahead ? flow_ahead_commit(flow, event, err) : TARGET_OK;

	if (result != TARGET_OK)
		return result;
	flow->rush_transactions++;
	if (!end_transaction(flow, event->header, err))
		return TARGET_FAILED;
	if (ahead)
		batch_closed(&flow->batch);
	return TARGET_OK;
}

static TargetResult
take_event(Flow *flow, Error *err)
{
	const SourceEvent *event = &flow->event;
	bool ok = true;

	switch (event->kind)
	{
		case SOURCE_IDLE:
			flow->source_idle = true;
			close_idle_batch(flow);
			break;
		case SOURCE_BEGIN:
			return take_begin(flow, event, err);
		case SOURCE_CHANGE:
			return event->ahead ? flow_ahead_change(flow, event, err)
			                    : take_change(flow, event, err);
		case SOURCE_COMMIT:
			return take_commit(flow, event, err);
		case SOURCE_REVOKE:
			flow_ahead_revoked(flow);
			break;
		case SOURCE_KEEPALIVE:
			ok = batch_keepalive(&flow->batch, event->wal_end, err);
			flow->asked = flow->asked || event->reply_wanted;
			break;
	}
	flow->source_failed = !ok;
	return ok ? TARGET_OK : TARGET_FAILED;
}

/* The event that the source has just handed out, as far as the target is to see it. */
static bool
admit(Flow *flow, Error *err)
{
	if (flow->tables == NULL)
		return true;
	switch (flow->event.kind)
	{
		case SOURCE_CHANGE:
			return !flow->batch.in_transaction || flow->event.ahead ||
			       table_join_admit(flow->tables, &flow->batch.header, &flow->event, err);
		case SOURCE_COMMIT:
			table_join_passed(flow->tables, flow->event.header->end);
			break;
		case SOURCE_KEEPALIVE:
			table_join_passed(flow->tables, flow->event.wal_end);
			break;
		case SOURCE_IDLE:
			table_join_rest(flow->tables);
			break;
		case SOURCE_BEGIN:
		case SOURCE_REVOKE:
			break;
	}
	return true;
}

/* At a batch's boundary: tables leave the stream and join it. */
static TargetResult
move_tables(Flow *flow, Error *err)
{
	const char *encoding = flow->source->ops->encoding(flow->source);
	TargetResult result = TARGET_OK;

	if (flow->tables == NULL || flow->batch.in_transaction || flow->has_event ||
	    !table_join_pending(flow->tables) || (flow->finishing && !table_join_busy(flow->tables)))
		return TARGET_OK;
	if (flow->ahead.open)
		flow_ahead_give_up(flow);
	batch_idle(&flow->batch);
	if (flow->batch.open)
		result = commit_batch(flow, err);
	if (result == TARGET_OK)
		result = table_join_step(flow->tables, flow->target, encoding, flow->batch.idle,
		                         flow->status.batches_in_flight, err);
	flow->target->ops->status(flow->target, &flow->status);
	return result == TARGET_UNKNOWN ? TARGET_FAILED : result;
}

/*
 * Whether the job's limits keep the flow from taking another event.  Not when it is to finish: then what is
 * begun ends as fast as can be.
 */
static bool
throttled(Flow *flow, int64_t now_us)
{
	flow->throttled_us = 0;
	if (flow->throttle == NULL || flow->finishing)
		return false;
	flow->throttled_us = throttle_wait_us(flow->throttle, now_us);
	flow->slowed = flow->slowed || flow->throttled_us > 0;
	return flow->throttled_us > 0;
}

/*
 * What is whole goes out before the next wait for a limit: a batch that fills at the rate of the limit would take
 * as long as it likes.
 */
static void
send_what_is_whole(Flow *flow)
{
	if (!flow->slowed || flow->batch.in_transaction || flow->status.batches_in_flight > 0)
		return;
	flow->slowed = false;
	batch_idle(&flow->batch);
}

static void
charge(Flow *flow, int64_t now_us)
{
	const SourceEvent *event = &flow->event;

	if (flow->throttle == NULL)
		return;
	throttle_take(flow->throttle, THROTTLE_BYTES, (int64_t) event->bytes, now_us);
	if (event->kind == SOURCE_CHANGE && event->change->kind != CHANGE_MESSAGE)
		throttle_take(flow->throttle, THROTTLE_ROWS, 1, now_us);
}

/* Whether the flow takes another event now. */
static bool
wants_event(const Flow *flow)
{
	if (flow->source_idle || flow->blocked)
		return false;
	if (flow->paused && !flow->batch.in_transaction)
		return false;
	return !flow->finishing || flow->batch.in_transaction;
}

static bool
take_events(Flow *flow, int64_t now_us, Error *err)
{
	TargetResult result = TARGET_OK;

	flow->source_idle = false;
	flow->blocked = false;
	if (flow->finishing || flow->paused)
		result = move_tables(flow, err);
	if (result != TARGET_OK)
	{
		flow->blocked = true;
		return result == TARGET_WAIT;
	}
	for (int i = 0; i < EVENTS_MAX && wants_event(flow) && !throttled(flow, now_us); i++)
	{
		if (flow->batch.due)
			result = commit_batch(flow, err);
		if (result == TARGET_OK)
			result = move_tables(flow, err);
		if (result == TARGET_OK && !flow->has_event)
		{
			if (!flow->source->ops->next(flow->source, &flow->event, err))
			{
				flow->source_failed = true;
				return false;
			}
			flow->has_event = true;
			flow->progress.stream.bytes += (int64_t) flow->event.bytes;
			if (!admit(flow, err))
				return false;
		}
		if (result == TARGET_OK)
			result = take_event(flow, err);
		if (result == TARGET_FAILED)
			return false;
		flow->blocked = result == TARGET_WAIT;
		if (result == TARGET_OK)
		{
			charge(flow, now_us);
			flow->has_event = false;
			send_what_is_whole(flow);
		}
		result = TARGET_OK;
	}
	send_what_is_whole(flow);
	if (flow->finishing)
		batch_idle(&flow->batch);
	if (!flow->batch.due)
		return true;
	switch (commit_batch(flow, err))
	{
		case TARGET_OK:
			return true;
		case TARGET_WAIT:
			flow->blocked = true;
			return true;
		case TARGET_FAILED:
		case TARGET_UNKNOWN:
			break;
	}
	return false;
}

/* Positions that no batch carries: an idle source, or one busy with what is not ours. */
static bool
store_idle(Flow *flow, int64_t now_us, Error *err)
{
	const TargetPosition position = {.end = flow->batch.idle, .urgent = true};
	/* a source that shuts down waits until all it has sent is acknowledged */
	const bool waited_for = flow->synchronous || flow->asked;
	const IdleHaste haste = flow->finishing ? IDLE_NOW : waited_for ? IDLE_SOON : IDLE_IN_TIME;
	TargetResult result;

	if (flow->batch.open || flow->status.batches_in_flight > 0 ||
	    (flow->tables != NULL && table_join_busy(flow->tables)) ||
	    !progress_idle_due(&flow->progress, position.end, now_us, haste))
		return true;
	result = flow->target->ops->begin(flow->target, err);
	if (result == TARGET_OK)
		result = flow->target->ops->commit(flow->target, &position, err);
	if (result != TARGET_OK)
		return result == TARGET_WAIT;
	flow_pace_handed(&flow->pace, now_us);
	progress_idle_stored(&flow->progress, now_us);
	flow->idle_sent = true;
	flow->asked = false;
	return true;
}

static bool
acknowledge(Flow *flow, int64_t now_us, Error *err)
{
	bool moved = progress_durable(&flow->progress, &flow->status.durable);
	SourceLsn forget = flow->progress.stream.durable;

	if (moved && flow->idle_sent && flow->status.batches_in_flight == 0)
	{
		flow->idle_sent = false;
		FAULT_POINT("apply.idle_progress");
	}
	if (moved)
		FAULT_POINT("apply.before_ack");
	if (flow->tables != NULL)
		forget = table_join_ack(flow->tables, forget);
	if (!flow->source->ops->feedback(flow->source, forget, now_us, err))
	{
		flow->source_failed = true;
		return false;
	}
	if (moved)
		FAULT_POINT("apply.after_ack");
	return true;
}

/* Whether the source is in a rush, as counted since the last look. */
static void
look_for_rush(Flow *flow)
{
	int64_t passed = flow->now_us - flow->rush_since_us;

	if (passed < FLOW_RUSH_LOOK_US)
		return;
	flow->rush = flow->rush_transactions * 1000 >= FLOW_RUSH_TRANSACTIONS * passed;
	flow->rush_transactions = 0;
	flow->rush_since_us = flow->now_us;
}

/* When to step again though no socket says so. */
static void
plan_wake(Flow *flow)
{
	flow->wake_us = 0;
	if (flow->batch.open && !flow->batch.in_transaction && flow->source_idle)
		flow->wake_us = flow_pace_wake_us(&flow->pace, &flow->status);
	if (flow->wake_us == 0 && flow->status.committed.end.value > flow->status.durable.end.value)
		flow->wake_us = flow->now_us + FLOW_DURABLE_LOOK_US;
	if (flow->status.wake_us != 0 && (flow->wake_us == 0 || flow->status.wake_us < flow->wake_us))
		flow->wake_us = flow->status.wake_us;
	if (flow->rush && flow->source_idle)
		flow->wake_us = flow->now_us + FLOW_RUSH_LOOK_US;
}

bool
flow_step(Flow *flow, int64_t now_us, Error *err)
{
	int64_t answers;

	flow->now_us = now_us;
	look_for_rush(flow);

	if (!flow->target->ops->pump(flow->target, err))
		return false;
	flow->target->ops->status(flow->target, &flow->status);
	flow_pace_look(&flow->pace, &flow->status, now_us);
	answers = flow->status.answers;
	flow_ahead_look(flow);
	if (!take_events(flow, now_us, err) || !flow->target->ops->pump(flow->target, err))
		return false;
	flow->target->ops->status(flow->target, &flow->status);
	if (!acknowledge(flow, now_us, err) || !store_idle(flow, now_us, err))
		return false;
	flow->target->ops->status(flow->target, &flow->status);
	flow->again = flow->status.answers != answers;
	if (flow->status.answers != flow->answers || flow->status.batches_in_flight == 0)
		flow->answered_us = now_us;
	flow->answers = flow->status.answers;
	plan_wake(flow);
	flow->progress.stream.source_end =
	    source_lsn_max(flow->source->ops->source_end(flow->source), flow->progress.stream.received);
	if (!flow->finishing)
		flow->progress.stream.caught_up = flow_caught_up(flow);
	return true;
}

void
flow_finish(Flow *flow)
{
	flow->finishing = true;
}

bool
flow_finished(const Flow *flow)
{
	return flow->finishing && !flow->batch.in_transaction && !flow->batch.open &&
	       (flow->tables == NULL || !table_join_busy(flow->tables)) &&
	       flow->status.batches_in_flight == 0 &&
	       flow->batch.idle.value <= flow->progress.stream.durable.value;
}

bool
flow_caught_up(const Flow *flow)
{
	return flow->source_idle && !flow->batch.in_transaction && !flow->batch.open &&
	       flow->status.batches_in_flight == 0;
}
