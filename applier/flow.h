/*
 * flow.h
 *		The stream's flow: events of a source into batches, batches into a target, and the durable
 *		position back.  One step at a time, never waiting; knows no sockets, clocks or processes.
 *
 * When the target cannot take more, the event at hand stays where it is and the source is not
 * asked for another: that is all there is to back pressure.
 */
#ifndef DTS_FLOW_H
#define DTS_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "batch.h"
#include "ddl_queue.h"
#include "error.h"
#include "flow_pace.h"
#include "latency.h"
#include "progress.h"
#include "relation_watch.h"
#include "source.h"
#include "table_join.h"
#include "target.h"
#include "throttle.h"

#define FLOW_MARKER_PREFIX "dts.marker"
#define FLOW_GAP_PREFIX    "dts.gap"

/*
 * A source that hands out so many transactions a millisecond is looked at once in a while only: its
 * walsender wakes a reader that waits for the socket with every message, which costs both of them
 * more than the transaction itself.
 */
#define FLOW_RUSH_TRANSACTIONS 8
#define FLOW_RUSH_LOOK_US      1000

/* So often it is asked whether what is committed is durable. */
#define FLOW_DURABLE_LOOK_US 50000

/*
 * What others commit may wait for locks of the transaction that goes ahead, which cannot be on the source: by a
 * constraint that the target alone has.  It is given up when there was no answer for so long.
 */
#define FLOW_AHEAD_PATIENCE_US INT64_C(2000000)

/* After the n-th in a row that went ahead in vain so many do not, 2^n but no more than 2^this. */
#define FLOW_AHEAD_CALM_MAX 10

/* The transaction that goes ahead (flow_ahead.c). */
typedef struct FlowAhead
{
	bool allowed; /* for the owner to set */
	bool open;    /* it has begun on the target */
	bool commits; /* it is being committed: its BEGIN has been taken, or its COMMIT handed over */
	uint32_t xid; /* the last one that something came of */
	int in_vain;  /* went ahead in vain, one after the other */
	int calm;     /* so many more are not let go ahead */
	int64_t rows;
	int64_t bytes;
} FlowAhead;

typedef struct Flow
{
	ChangeSource *source; /* borrowed */
	Target *target;       /* borrowed */
	TableJoin *tables;    /* borrowed; NULL: every table is simply part of the stream */
	DdlQueue *ddl;        /* borrowed; NULL: commands of the source are not followed */
	RelationWatch *watch; /* borrowed; NULL: commands are captured, or not of interest */
	/* the capture of DDL says that it has missed a command; false: err.  NULL: nobody is asked */
	bool (*gap)(void *arg, const TxnHeader *header, const char *tag, size_t len, Error *err);
	void *gap_arg;
	const Latency *beats; /* borrowed; NULL: there are no beats */
	const char *marker;   /* "<slot>/<token>/": what comes before a marker's number */
	Batch batch;
	Progress progress;
	TargetStatus status; /* the target's, as of the last look */

	SourceEvent event; /* handed out by the source and not yet taken */
	bool has_event;
	bool source_idle; /* nothing to read: wait for the source's socket */
	bool rush;        /* but for FLOW_RUSH_LOOK_US do not even look at it */
	int64_t wake_us;  /* not 0: step again then at the latest */
	bool ddl_works;   /* the event at hand is a command that is under way */
	bool blocked;     /* the target takes no more: wait for its socket alone */
	bool again;       /* answers came in after they were asked for: do not wait */
	bool idle_sent;   /* the commit in flight is one of idle progress */
	bool finishing;   /* take no new transaction */
	bool asked;       /* the source waits for an answer since its last keepalive */
	bool synchronous; /* commits on the source wait for us, also those that carry nothing for us */
	bool touched;     /* something of the transaction at hand is in the open batch */
	bool paused;      /* for the owner to set: take no event, only move tables */
	Throttle *throttle;   /* borrowed; NULL: none */
	bool slowed;          /* there was such a wait since the last batch */
	int64_t throttled_us; /* nothing more is to be taken for so long */
	bool source_failed;   /* an error was the source's, not the target's */

	FlowAhead ahead;
	FlowPace pace;
	int64_t now_us;
	int64_t answers;       /* of the target, so far */
	int64_t answered_us;   /* the last of them; while nothing is in flight: now */
	int64_t rush_since_us; /* what is counted for the rush began */
	int64_t rush_transactions;
} Flow;

void flow_init(Flow *flow, ChangeSource *source, Target *target, const char *marker,
               const BatchLimits *limits, SourceLsn stored, int64_t now_us);

/* One round: takes events, sends, reads answers, acknowledges.  False: err says why it is over. */
bool flow_step(Flow *flow, int64_t now_us, Error *err) must_check;

/* From now on only the transaction at hand is completed. */
void flow_finish(Flow *flow);

/* Everything taken is durable, stored and acknowledged, and nothing is open. */
bool flow_finished(const Flow *flow);

/* Nothing that the source has sent waits to be applied. */
bool flow_caught_up(const Flow *flow);

#endif /* DTS_FLOW_H */
