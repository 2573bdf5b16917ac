/*
 * flow_pace.c
 *		See flow_pace.h.
 */
#include "flow_pace.h"

#include <string.h>

/* When the newest batch was handed over. */
static int64_t
newest_us(const FlowPace *pace)
{
	return pace->handed_us[(pace->handed + TARGET_BATCHES_MAX - 1) % TARGET_BATCHES_MAX];
}

/* Whether another batch has room between here and the target. */
static bool
has_room(const TargetStatus *status)
{
	return status->batches_in_flight < 1 + status->round_trip_us / FLOW_SPACING_US;
}

void
flow_pace_init(FlowPace *pace, int64_t now_us)
{
	memset(pace, 0, sizeof(*pace));
	pace->handed_us[TARGET_BATCHES_MAX - 1] = now_us - FLOW_SPACING_US;
}

void
flow_pace_handed(FlowPace *pace, int64_t now_us)
{
	pace->handed_us[pace->handed++ % TARGET_BATCHES_MAX] = now_us;
}

void
flow_pace_look(FlowPace *pace, const TargetStatus *status, int64_t now_us)
{
	int64_t answered = pace->handed - status->batches_in_flight;

	if (answered <= pace->answered)
		return;
	pace->answered = answered;
	pace->late_us =
	    now_us - pace->handed_us[(answered - 1) % TARGET_BATCHES_MAX] - status->round_trip_us;
}

bool
flow_pace_goes(const FlowPace *pace, const TargetStatus *status, bool quick, int64_t now_us)
{
	bool spaced = now_us - newest_us(pace) >= FLOW_SPACING_US;
	bool far = status->round_trip_us >= FLOW_SPACING_US;
	bool few = status->batches_in_flight < FLOW_AT_ONCE ||
	           (far && pace->late_us < FLOW_SPACING_US &&
	            status->batches_in_flight < TARGET_BATCHES_MAX - FLOW_AT_ONCE);

	return (quick && few) || (spaced && has_room(status));
}

int64_t
flow_pace_wake_us(const FlowPace *pace, const TargetStatus *status)
{
	return has_room(status) ? newest_us(pace) + FLOW_SPACING_US : 0;
}
