/*
 * flow_ahead.c
 *		A large transaction of the source's goes ahead: it is applied while it is still in progress.
 *
 * Otherwise its apply begins when its decoding has ended, and the two take turns instead of going side
 * by side.  The source sends such a transaction in pieces between others' whole transactions.  A piece is
 * applied in a target transaction of its own session, which commits when the source's has.
 *
 * Why that is the same as applying all of it behind its commit:
 *	- A piece comes behind every transaction that committed before the piece's last change was logged,
 *	  and is applied only when all of them have committed on the target.  So it finds what it found on the source.
 *	- A transaction that commits on the source while this one is in progress has not touched its rows
 *	  since they were written, nor a unique value that it put or took away: it would have waited for the locks.
 *	  So it does not find them touched on the target either, and does not wait there.
 *	  Which row a change means its key says; of a table without one no update or delete goes ahead, because two
 *	  sessions might choose the same one of equal rows.
 *	- When the transaction aborts, or a subtransaction of it, everything is rolled back before what comes next is
 *	  taken; the source keeps all of it, and hands it out anew at the commit, without what was aborted.
 *	- Nobody sees it before it commits, and it commits in its turn: when all before it has, with its
 *	  position, and before anything behind it is handed over.
 * The target may have constraints that the source has not, so that others may wait, or the pieces fail.
 * Whatever goes wrong is no error: it is rolled back and waits for its commit, as it would without all
 * this, and only what fails then has failed.  After a few of those fewer are let go ahead.
 *
 * Not let ahead, because what becomes of them is decided by what commits before: commands of the
 * source, rows of tables that the target lacks, truncates, refused changes, and everything while tables are joining.
 * Nor rows that a trigger fires for on the target: what it reads may be what commits meanwhile.
 */
#include "flow_ahead.h"

static void
drop(Flow *flow)
{
	if (flow->ahead.open)
		flow->target->ops->ahead_drop(flow->target);
	flow->ahead.open = false;
	flow->ahead.commits = false;
}

static void
was_in_vain(Flow *flow)
{
	FlowAhead *a = &flow->ahead;

	if (a->in_vain < FLOW_AHEAD_CALM_MAX)
		a->in_vain++;
	a->calm = 1 << a->in_vain;
}

void
flow_ahead_give_up(Flow *flow)
{
	drop(flow);
	/* a change of it at hand comes again with the others */
	if (flow->has_event && flow->event.ahead && flow->event.kind == SOURCE_CHANGE)
		flow->has_event = false;
	if (flow->source->ops->hold != NULL)
		flow->source->ops->hold(flow->source);
}

void
flow_ahead_revoked(Flow *flow)
{
	if (flow->ahead.open)
		was_in_vain(flow);
	drop(flow);
}

void
flow_ahead_look(Flow *flow)
{
	const FlowAhead *a = &flow->ahead;
	bool waited_for = flow->status.batches_in_flight > 0 &&
	                  flow->now_us - flow->answered_us >= FLOW_AHEAD_PATIENCE_US;

	if (!a->open || a->commits || (!waited_for && !flow->finishing))
		return;
	if (waited_for)
		was_in_vain(flow);
	flow_ahead_give_up(flow);
}

static bool
may_begin(Flow *flow, uint32_t xid)
{
	FlowAhead *a = &flow->ahead;

	if (!a->allowed || flow->finishing || flow->target->ops->ahead_begin == NULL ||
	    flow->watch != NULL ||
	    (flow->tables != NULL &&
	     (table_join_pending(flow->tables) || table_join_busy(flow->tables))))
		return false;
	if (a->xid != xid && a->calm > 0)
	{
		a->xid = xid;
		a->calm--;
		return false;
	}
	return true;
}

/* Whether it is a change that nothing but its own table has to do with. */
static bool
is_plain(const Flow *flow, const Change *change)
{
	switch (change->kind)
	{
		case CHANGE_INSERT:
		case CHANGE_UPDATE:
		case CHANGE_DELETE:
			return (flow->ddl == NULL || !ddl_queue_wants(flow->ddl, change)) &&
			       (flow->tables == NULL || table_join_is_plain(flow->tables, change->relation));
		case CHANGE_TRUNCATE:
		case CHANGE_MESSAGE:
		case CHANGE_NO_IDENTITY:
		case CHANGE_REFUSED:
			break;
	}
	return false;
}

TargetResult
flow_ahead_change(Flow *flow, const SourceEvent *event, Error *err)
{
	FlowAhead *a = &flow->ahead;
	const TargetOps *ops = flow->target->ops;
	TargetResult result;

	if (!is_plain(flow, event->change) || (!a->open && !may_begin(flow, event->header->xid)))
	{
		flow_ahead_give_up(flow);
		return TARGET_OK;
	}
	result = flow_come_to_rest(flow, err);
	if (result != TARGET_OK)
		return result;
	if (!a->open)
	{
		a->xid = event->header->xid;
		a->rows = 0;
		a->bytes = 0;
		a->open = ops->ahead_begin(flow->target, flow->source->ops->encoding(flow->source));
	}
	result = a->open ? ops->ahead_apply(flow->target, event->header, event->change) : TARGET_FAILED;
	if (result == TARGET_WAIT)
		return result;
	if (result != TARGET_OK)
	{
		was_in_vain(flow);
		flow_ahead_give_up(flow);
		return TARGET_OK;
	}
	a->rows++;
	a->bytes += (int64_t) event->bytes;
	return TARGET_OK;
}

TargetResult
flow_ahead_begin(Flow *flow, Error *err)
{
	FlowAhead *a = &flow->ahead;
	TargetResult result = flow_come_to_rest(flow, err);

	if (result != TARGET_OK)
		return result;
	if (flow->event.header->end.value <= flow->batch.stored.value)
		drop(flow);
	if (a->open)
		result = flow->target->ops->ahead_settle(flow->target);
	if (result == TARGET_WAIT)
		return result;
	a->commits = a->open && result == TARGET_OK;
	if (a->commits)
		return TARGET_OK;
	was_in_vain(flow);
	flow_ahead_give_up(flow);
	return TARGET_OK;
}

/* Handed over; the event stays at hand until there is the answer. */
TargetResult
flow_ahead_commit(Flow *flow, const SourceEvent *event, Error *err)
{
	FlowAhead *a = &flow->ahead;
	const TargetPosition position = {
	    .end = event->header->end,
	    .commit_time = event->header->commit_time,
	    .urgent = flow->synchronous || flow->finishing,
	};
	TargetResult result;

	if (a->open)
	{
		result = flow->target->ops->ahead_commit(flow->target, &position, err);
		if (result != TARGET_OK)
			return result;
		a->open = false;
		flow_pace_handed(&flow->pace, flow->now_us);
	}
	flow->target->ops->status(flow->target, &flow->status);
	if (flow->status.batches_in_flight > 0)
		return TARGET_WAIT;
	a->commits = false;
	a->in_vain = 0;
	flow->progress.stream.rows += a->rows;
	batch_opened(&flow->batch);
	return TARGET_OK;
}
