/*
 * target_pg_parallel.c
 *		Lanes behind one Target: hands each transaction to its lane, serves all sockets, adds up what
 *		the lanes say.  The rules are in parallel_order.c.
 *
 * A poll() of the caller's sees the lanes' sockets through one descriptor of epoll.
 *
 * A transaction that goes ahead (flow_ahead.c) has a session of its own beside them, with an origin of its own,
 * that is alone as far as the lanes' rules go: it has nothing in flight with them, but for its rows before it commits.
 *
 * A lane that cannot be opened - no free origin, no free connection - does not stop the job: it goes on
 * with those that it has, and says why.
 */
#include "target_pg_parallel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "target_pg_lane.h"

/* A session that nothing goes ahead in stays open for so long. */
#define AHEAD_REST_US INT64_C(10000000)

/* While the target has nothing to do, so many changes are enough for a unit. */
#define AHEAD_UNIT_ROWS 4096

/* What epoll says of its socket. */
#define AHEAD_LANE PARALLEL_LANES_MAX

typedef struct Parallel
{
	Target base;
	LaneGroup group;
	TargetPg *lanes[PARALLEL_LANES_MAX];
	TargetPg *ahead;                         /* for what goes ahead, or NULL */
	bool ahead_begun;                        /* its transaction is open */
	bool ahead_commits;                      /* that was handed over, and is not answered */
	int64_t ahead_at_us;                     /* when it came to rest */
	uint32_t events[PARALLEL_LANES_MAX + 1]; /* what epoll waits for */
	int epoll;
	int at; /* the lane of the newest transaction */
	char *conninfo;
	TargetPgOptions options; /* for further lanes */
	TargetPgStored stored;
	char encoding[64];
	bool has_encoding;
	Error trouble;
	bool has_trouble;
	int failed_lane;
	/* of lanes that are gone */
	EngineStats stats;
	int64_t answers;
	int64_t deletes_missed;
	const Relation *missed;
	SourceLsn missed_lsn;
	TargetPosition durable;
	TargetPosition committed;
} Parallel;

static TargetPg *
lane_at(const Parallel *p)
{
	return p->lanes[p->at];
}

static bool
watch(Parallel *p, int lane)
{
	TargetPg *t = lane == AHEAD_LANE ? p->ahead : p->lanes[lane];
	short wanted = t->base.ops->events(&t->base);
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t) lane};

	if ((wanted & POLLOUT) != 0)
		event.events |= EPOLLOUT;
	if (p->events[lane] == event.events)
		return true;
	if (epoll_ctl(p->epoll, p->events[lane] == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
	              t->base.ops->socket(&t->base), &event) != 0)
		return false;
	p->events[lane] = event.events;
	return true;
}

static void
adopt(Parallel *p, int lane, Target *target)
{
	p->lanes[lane] = (TargetPg *) target;
	p->lanes[lane]->group = &p->group;
	p->group.order.opened = lane + 1;
	p->events[lane] = 0;
}

/* Adds what one lane counted. */
static void
add_stats(EngineStats *sum, const EngineStats *one)
{
#define ADD(name, text) sum->name += one->name;
	ENGINE_COUNTERS(ADD)
#undef ADD
	for (int i = 0; i < ORDER_NONE; i++)
		sum->ordered[i] += one->ordered[i];
}

/* What is there on one lane is there with all before it, as commits are ordered. */
static void
further(TargetPosition *position, const TargetPosition *other)
{
	int64_t commit_time =
	    other->commit_time > position->commit_time ? other->commit_time : position->commit_time;

	if (other->end.value > position->end.value)
		*position = *other;
	position->commit_time = commit_time;
}

/* What a session has counted becomes the target's, also when it is closed. */
static void
keep_counts(Parallel *p, TargetPg *t)
{
	TargetStatus status;

	t->base.ops->status(&t->base, &status);
	status.stats.bytes_in_flight = 0;
	status.stats.bytes_held = 0;
	add_stats(&p->stats, &status.stats);
	p->deletes_missed += status.deletes_missed;
	if (status.missed != NULL && status.missed_lsn.value > p->missed_lsn.value)
	{
		p->missed = status.missed;
		p->missed_lsn = status.missed_lsn;
	}
}

static void
forget_counts(TargetPg *t)
{
	memset(&t->status.stats, 0, sizeof(t->status.stats));
	t->pipeline.statements = 0;
	t->status.deletes_missed = 0;
}

static void
retire(Parallel *p, TargetPg *t)
{
	keep_counts(p, t);
	p->answers += t->status.answers;
	further(&p->durable, &t->status.durable);
	further(&p->committed, &t->status.committed);
	epoll_ctl(p->epoll, EPOLL_CTL_DEL, t->base.ops->socket(&t->base), NULL);
	t->base.ops->close(&t->base);
}

static void
close_lane(Parallel *p, int lane)
{
	retire(p, p->lanes[lane]);
	parallel_order_restarted(&p->group.order, lane);
	p->lanes[lane] = NULL;
}

/* Lanes that are too many go when nothing of theirs is under way. */
static void
end_idle_lanes(Parallel *p)
{
	ParallelOrder *order = &p->group.order;

	while (order->opened > order->lanes && order->opened - 1 != p->at &&
	       p->lanes[order->opened - 1]->units == NULL &&
	       p->lanes[order->opened - 1]->status.committed.end.value <=
	           p->lanes[order->opened - 1]->status.durable.end.value)
	{
		close_lane(p, order->opened - 1);
		order->opened--;
	}
}

static void
open_lanes(Parallel *p, int lanes)
{
	ParallelOrder *order = &p->group.order;

	/* what a session that was alone has under way is not noted */
	if (order->opened == 1)
		write_set_add_all(p->group.writes, order->newest);
	p->has_trouble = false;
	while (order->opened < lanes && !p->has_trouble)
	{
		Target *target;

		p->options.lane = order->opened;
		target = target_pg_open(&p->options, &p->stored, &p->trouble);
		if (target == NULL)
			p->has_trouble = true;
		else
		{
			adopt(p, order->opened, target);
			/* what was before it is not its */
			p->lanes[order->opened - 1]->status.durable = (TargetPosition){.commit_time = 0};
			p->lanes[order->opened - 1]->status.committed = (TargetPosition){.commit_time = 0};
		}
	}
	order->lanes = lanes < order->opened ? lanes : order->opened;
}

/*
 * The session of what goes ahead
 */

static void
ahead_close(Parallel *p)
{
	if (p->ahead != NULL)
		retire(p, p->ahead);
	p->ahead = NULL;
	p->ahead_begun = false;
	p->ahead_commits = false;
}

static void
parallel_ahead_drop(Target *target)
{
	Parallel *p = (Parallel *) target;

	if (p->ahead == NULL)
		return;
	/* what it counted has not come to pass, and is counted again */
	forget_counts(p->ahead);
	p->stats.ahead_dropped++;
	ahead_close(p);
}

static bool
ahead_open(Parallel *p)
{
	Error unused;

	error_clear(&unused);
	p->options.lane = AHEAD_LANE;
	p->ahead = (TargetPg *) target_pg_open(&p->options, &p->stored, &unused);
	if (p->ahead == NULL)
		return false;
	p->ahead->status.durable = (TargetPosition){.commit_time = 0};
	p->ahead->status.committed = (TargetPosition){.commit_time = 0};
	p->events[AHEAD_LANE] = 0;
	return watch(p, AHEAD_LANE);
}

static bool
parallel_ahead_begin(Target *target, const char *encoding)
{
	Parallel *p = (Parallel *) target;
	Error unused;

	error_clear(&unused);
	if (p->ahead == NULL && !ahead_open(p))
	{
		p->stats.ahead_dropped++;
		ahead_close(p);
		return false;
	}
	(void) p->ahead->base.ops->set_encoding(&p->ahead->base, encoding, &unused);
	p->ahead_begun = p->ahead->base.ops->begin(&p->ahead->base, &unused) == TARGET_OK;
	return p->ahead_begun;
}

/*
 * What is in flight here meets what commits beside it.  Its row is nobody else's when the key tells which one it
 * is: of rows that are all the same both might choose one, and the second would find it gone.  And what a
 * trigger reads nobody knows.
 */
static bool
stays_apart(TargetPg *t, const Change *change)
{
	const PlanRelation *bound = target_pg_entry(t, change->relation)->bound;

	return !bound->table->triggers &&
	       (change->kind == CHANGE_INSERT || (bound->key_exists && bound->key_indexed));
}

static TargetResult
parallel_ahead_apply(Target *target, const TxnHeader *header, const Change *change)
{
	Parallel *p = (Parallel *) target;
	TargetResult result;
	Error unused;

	error_clear(&unused);
	if (p->ahead == NULL)
		return TARGET_FAILED;
	result = target_pg_load_change(p->ahead, header, change, &unused);
	if (result == TARGET_OK && !stays_apart(p->ahead, change))
		return TARGET_FAILED;
	if (result == TARGET_OK && p->ahead->units == NULL &&
	    p->ahead->open->run.count >= AHEAD_UNIT_ROWS)
	{
		target_pg_unit_close(p->ahead, NULL);
		if (!target_pg_work(p->ahead, &unused))
			return TARGET_FAILED;
	}
	return result == TARGET_UNKNOWN ? TARGET_FAILED : result;
}

static TargetResult
parallel_ahead_settle(Target *target)
{
	Parallel *p = (Parallel *) target;
	TargetPg *t = p->ahead;
	TargetResult result;
	Error unused;

	error_clear(&unused);
	if (t == NULL)
		return TARGET_FAILED;
	result = target_pg_load_end(t, &unused);
	if (result != TARGET_OK)
		return result;
	if (t->open->run.count > 0)
		target_pg_unit_close(t, NULL);
	if (!target_pg_work(t, &unused))
		return TARGET_FAILED;
	return t->units == NULL ? TARGET_OK : TARGET_WAIT;
}

static TargetResult
parallel_ahead_commit(Target *target, const TargetPosition *position, Error *err)
{
	Parallel *p = (Parallel *) target;
	TargetPg *t = p->ahead;
	TargetResult result;

	if (t == NULL)
	{
		error_set(err, ERR_CONNECTION, "the session of a transaction that went ahead is gone");
		return TARGET_FAILED;
	}
	t->handed = p->group.handed;
	p->ahead_commits = true;
	p->stats.ahead++;
	result = t->base.ops->commit(&t->base, position, err);
	if (result == TARGET_OK)
		p->group.handed = position->end;
	return result;
}

/* Its failure is the target's only when it is about to commit. */
static bool
ahead_pump(Parallel *p, Error *err)
{
	TargetPg *t = p->ahead;
	Error unused;

	error_clear(&unused);
	if (t == NULL)
		return true;
	if (!t->base.ops->pump(&t->base, p->ahead_commits ? err : &unused) || !watch(p, AHEAD_LANE))
	{
		if (p->ahead_commits)
			return false;
		parallel_ahead_drop(&p->base);
		return true;
	}
	if (p->ahead_commits && t->status.batches_in_flight == 0)
	{
		p->ahead_begun = p->ahead_commits = false;
		keep_counts(p, t);
		forget_counts(t);
		p->ahead_at_us = target_pg_clock_us();
	}
	if (!p->ahead_begun && t->status.committed.end.value <= t->status.durable.end.value &&
	    target_pg_clock_us() - p->ahead_at_us > AHEAD_REST_US)
		ahead_close(p);
	return true;
}

static TargetResult
parallel_set_encoding(Target *target, const char *encoding, Error *err)
{
	Parallel *p = (Parallel *) target;

	(void) err;
	p->has_encoding = encoding != NULL;
	if (encoding != NULL)
		snprintf(p->encoding, sizeof(p->encoding), "%s", encoding);
	return TARGET_OK;
}

static TargetResult
parallel_begin(Target *target, Error *err)
{
	Parallel *p = (Parallel *) target;
	ParallelOrder *order = &p->group.order;
	int lane = parallel_order_choose(order);
	TargetPg *t;
	TargetResult result = TARGET_OK;

	if (lane < 0)
		return TARGET_WAIT;
	t = p->lanes[lane];
	/* committed, as one behind it has; but until the answers are read they point to its relations */
	if (t->relations_stale && t->units != NULL)
		return TARGET_WAIT;
	if (p->has_encoding)
		result = t->base.ops->set_encoding(&t->base, p->encoding, err);
	t->turn = order->newest + 1;
	if (result == TARGET_OK)
		result = t->base.ops->begin(&t->base, err);
	if (result != TARGET_OK)
		return result;
	parallel_order_next(order, lane);
	p->at = lane;
	return TARGET_OK;
}

static TargetResult
parallel_apply(Target *target, const TxnHeader *header, const Change *change, Error *err)
{
	Parallel *p = (Parallel *) target;
	TargetPg *t = lane_at(p);
	TargetResult result = t->base.ops->apply(&t->base, header, change, err);

	if (result == TARGET_OK)
		p->group.order.rows++;
	else if (result == TARGET_FAILED)
		p->failed_lane = p->at;
	return result;
}

/* What the job notes of itself, or changes of tables: nothing may go beside it. */
static TargetResult
parallel_run(Target *target, const char *sql, Error *err)
{
	Parallel *p = (Parallel *) target;
	TargetPg *t = lane_at(p);

	p->group.order.barrier = p->group.order.newest;
	return t->base.ops->run(&t->base, sql, err);
}

/* The same for a command of the source's; and no lane knows its relations behind it. */
static TargetResult
parallel_command(Target *target, const TxnHeader *header, const TargetCommand *command, Error *err)
{
	Parallel *p = (Parallel *) target;
	TargetPg *t = lane_at(p);
	TargetResult result = t->base.ops->command(&t->base, header, command, err);

	if (result == TARGET_FAILED)
		p->failed_lane = p->at;
	if (result != TARGET_OK)
		return result;
	p->group.order.barrier = p->group.order.newest;
	for (int lane = 0; lane < p->group.order.opened; lane++)
	{
		if (lane != p->at)
			p->lanes[lane]->relations_stale = true;
	}
	/* it may hold locks that the command needs, and knows the relations as they were */
	parallel_ahead_drop(target);
	return TARGET_OK;
}

static bool
parallel_pump(Target *target, Error *err)
{
	Parallel *p = (Parallel *) target;
	ParallelOrder *order = &p->group.order;
	int64_t committed;
	int64_t restarts;

	do
	{
		committed = order->committed;
		restarts = order->restarts;
		for (int lane = 0; lane < order->opened; lane++)
		{
			TargetPg *t = p->lanes[lane];

			if (target_pg_lane_restart(t, err) && t->base.ops->pump(&t->base, err) &&
			    watch(p, lane))
				continue;
			if (err->message[0] == '\0')
				error_set(err, ERR_INTERNAL, "could not watch a socket: %s", strerror(errno));
			p->failed_lane = lane;
			return false;
		}
	} while (order->committed != committed || order->restarts != restarts);
	end_idle_lanes(p);
	return ahead_pump(p, err);
}

static TargetResult
parallel_commit(Target *target, const TargetPosition *position, Error *err)
{
	Parallel *p = (Parallel *) target;
	TargetPg *t = lane_at(p);
	TargetResult result = t->base.ops->commit(&t->base, position, err);

	if (result == TARGET_FAILED)
		p->failed_lane = p->at;
	if (result != TARGET_OK)
		return result;
	return parallel_pump(target, err) ? TARGET_OK : TARGET_FAILED;
}

static void
parallel_status(const Target *target, TargetStatus *status)
{
	const Parallel *p = (const Parallel *) target;

	*status = (TargetStatus){
	    .durable = p->durable,
	    .committed = p->committed,
	    .answers = p->answers,
	    .deletes_missed = p->deletes_missed,
	    .missed = p->missed,
	    .missed_lsn = p->missed_lsn,
	    .stats = p->stats,
	};
	for (int lane = 0; lane < p->group.order.opened; lane++)
	{
		const TargetPg *t = p->lanes[lane];
		TargetStatus one;

		t->base.ops->status(&t->base, &one);
		further(&status->durable, &one.durable);
		further(&status->committed, &one.committed);
		if (lane == 0)
		{
			status->round_trip_us = one.round_trip_us;
			status->wake_us = one.wake_us;
		}
		status->batches_in_flight += one.batches_in_flight;
		status->answers += one.answers;
		status->deletes_missed += one.deletes_missed;
		if (one.missed != NULL && one.missed_lsn.value >= status->missed_lsn.value)
		{
			status->missed = one.missed;
			status->missed_lsn = one.missed_lsn;
		}
		if (lane == p->failed_lane)
		{
			status->failed = one.failed;
			status->command_failed = one.command_failed;
		}
		add_stats(&status->stats, &one.stats);
	}
	/* what it counts is told when it has committed */
	if (p->ahead != NULL)
	{
		further(&status->durable, &p->ahead->status.durable);
		further(&status->committed, &p->ahead->status.committed);
		status->batches_in_flight += p->ahead->status.batches_in_flight;
		status->answers += p->ahead->status.answers;
	}
}

static int
parallel_socket(const Target *target)
{
	return ((const Parallel *) target)->epoll;
}

static short
parallel_events(const Target *target)
{
	(void) target;
	return POLLIN;
}

static void
parallel_polled(Target *target, bool readable)
{
	Parallel *p = (Parallel *) target;

	for (int lane = 0; lane < p->group.order.opened; lane++)
		p->lanes[lane]->base.ops->polled(&p->lanes[lane]->base, readable);
	if (p->ahead != NULL)
		p->ahead->base.ops->polled(&p->ahead->base, readable);
}

static void
parallel_close(Target *target)
{
	Parallel *p = (Parallel *) target;

	for (int lane = 0; lane < p->group.order.opened; lane++)
	{
		if (p->lanes[lane] != NULL)
			p->lanes[lane]->base.ops->close(&p->lanes[lane]->base);
	}
	if (p->ahead != NULL)
		p->ahead->base.ops->close(&p->ahead->base);
	if (p->epoll >= 0)
		close(p->epoll);
	write_set_destroy(p->group.writes);
	free(p->conninfo);
	free(p);
}

static const TargetOps parallel_ops = {
    .name = "postgresql",
    .set_encoding = parallel_set_encoding,
    .begin = parallel_begin,
    .apply = parallel_apply,
    .run = parallel_run,
    .command = parallel_command,
    .commit = parallel_commit,
    .ahead_begin = parallel_ahead_begin,
    .ahead_apply = parallel_ahead_apply,
    .ahead_settle = parallel_ahead_settle,
    .ahead_commit = parallel_ahead_commit,
    .ahead_drop = parallel_ahead_drop,
    .pump = parallel_pump,
    .status = parallel_status,
    .socket = parallel_socket,
    .events = parallel_events,
    .polled = parallel_polled,
    .close = parallel_close,
};

void
target_parallel_resize(Target *target, int lanes)
{
	Parallel *p = (Parallel *) target;
	ParallelOrder *order = &p->group.order;

	if (lanes > PARALLEL_LANES_MAX)
		lanes = PARALLEL_LANES_MAX;
	if (lanes <= order->opened)
	{
		order->lanes = lanes;
		p->has_trouble = false;
		end_idle_lanes(p);
	}
	else
		open_lanes(p, lanes);
	for (int lane = 0; lane < order->opened; lane++)
		(void) watch(p, lane);
}

int
target_parallel_lanes(const Target *target)
{
	return ((const Parallel *) target)->group.order.lanes;
}

const Error *
target_parallel_trouble(const Target *target)
{
	const Parallel *p = (const Parallel *) target;

	return p->has_trouble ? &p->trouble : NULL;
}

Target *
target_parallel_open(const TargetPgOptions *options, TargetPgStored *stored, Error *err)
{
	Parallel *p = xcalloc(1, sizeof(*p));
	Target *first;

	p->base.ops = &parallel_ops;
	p->conninfo = xstrdup(options->conninfo);
	p->options = *options;
	p->options.conninfo = p->conninfo;
	p->options.slot_name = p->group.slot;
	snprintf(p->group.slot, sizeof(p->group.slot), "%s", options->slot_name);
	parallel_order_init(&p->group.order, 0);
	if (options->lane_rows > 0)
		p->group.order.rows_min = options->lane_rows;
	p->group.writes = write_set_create(0);
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll < 0)
	{
		error_set(err, ERR_INTERNAL, "could not make a descriptor: %s", strerror(errno));
		parallel_close(&p->base);
		return NULL;
	}
	first = target_pg_open(options, stored, err);
	if (first == NULL)
	{
		parallel_close(&p->base);
		return NULL;
	}
	adopt(p, 0, first);
	p->stored = *stored;
	p->group.handed = stored->position;
	p->durable.end = stored->position;
	p->committed.end = stored->position;
	target_parallel_resize(&p->base, options->lanes > 0 ? options->lanes : 1);
	return &p->base;
}
