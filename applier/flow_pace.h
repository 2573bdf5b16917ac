/*
 * flow_pace.h
 *		When the batch at hand goes to the target though the source has nothing more: at once, after a
 *		while, or when the target has answered.
 *
 * An idle source ends the batch at hand at once while no more than one is in flight: transactions that the
 * source commits together come one behind the other, and the second need not wait for the answer to the
 * first.  As many more as the way to the target and back holds at this distance may follow; otherwise the
 * batch grows until there is an answer, which is what makes batches large when the target is busy.
 *
 * Far away, most of what is in flight is on its way, and says nothing of how busy the target is; how long
 * it takes to answer does.  While that is the way and little more, every batch goes at once.
 */
#ifndef DTS_FLOW_PACE_H
#define DTS_FLOW_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "target.h"

#define FLOW_AT_ONCE    2
#define FLOW_SPACING_US 5000

typedef struct FlowPace
{
	int64_t handed_us[TARGET_BATCHES_MAX]; /* the newest batches: when they were handed over */
	int64_t handed;                        /* batches so far */
	int64_t answered;                      /* how many of them have been answered */
	int64_t late_us; /* how much longer than the way there and back the newest answer took */
} FlowPace;

/* Nothing has been handed over yet, and the first batch need not wait. */
void flow_pace_init(FlowPace *pace, int64_t now_us);

/* A batch was handed over. */
void flow_pace_handed(FlowPace *pace, int64_t now_us);

/* A look at what has been answered. */
void flow_pace_look(FlowPace *pace, const TargetStatus *status, int64_t now_us);

/* Whether a batch goes now; quick: one that need not wait for company. */
bool flow_pace_goes(const FlowPace *pace, const TargetStatus *status, bool quick, int64_t now_us);

/* When a batch that does not go now is to be looked at again though nothing has come; 0: an answer comes first. */
int64_t flow_pace_wake_us(const FlowPace *pace, const TargetStatus *status);

#endif /* DTS_FLOW_PACE_H */
