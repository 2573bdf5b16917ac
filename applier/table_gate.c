/*
 * table_gate.c
 *		See table_gate.h.
 */
#include "table_gate.h"

#include <stdlib.h>
#include <string.h>

static const struct
{
	const char *name;
	bool holds;
} states[] = {
#define GATE_STATE_ROW(sym, name, holds, meaning) {name, holds},
    GATE_STATES(GATE_STATE_ROW)
#undef GATE_STATE_ROW
};

const char *
gate_state_name(GateState state)
{
	return states[state].name;
}

bool
gate_state_parse(const char *name, GateState *state)
{
	for (int i = 0; i < GATE_STATE_COUNT; i++)
	{
		if (strcmp(name, states[i].name) != 0)
			continue;
		*state = (GateState) i;
		return true;
	}
	return false;
}

bool
gate_state_holds(GateState state)
{
	return states[state].holds;
}

/* A number up to one of the characters `ends` or the end of the text. */
static bool
read_xid(const char **at, const char *ends, uint64_t *xid)
{
	const char *p = *at;

	if (*p < '0' || *p > '9')
		return false;
	for (*xid = 0; *p >= '0' && *p <= '9'; p++)
	{
		if (*xid > (UINT64_MAX - 9) / 10)
			return false;
		*xid = *xid * 10 + (uint64_t) (*p - '0');
	}
	if (*p != '\0' && strchr(ends, *p) == NULL)
		return false;
	*at = p;
	return true;
}

bool
gate_snapshot_parse(GateSnapshot *snapshot, const char *text, Arena *arena)
{
	int room = 1;

	memset(snapshot, 0, sizeof(*snapshot));
	for (const char *p = text; *p != '\0'; p++)
		room += *p == ',';
	if (!read_xid(&text, ":", &snapshot->xmin) || *text++ != ':' ||
	    !read_xid(&text, ":", &snapshot->xmax) || *text++ != ':' ||
	    snapshot->xmin > snapshot->xmax || snapshot->xmin == 0)
		return false;
	snapshot->running = arena_alloc(arena, sizeof(uint64_t) * (size_t) room);
	while (*text != '\0')
	{
		uint64_t *xid = &snapshot->running[snapshot->running_count];

		if (!read_xid(&text, ",", xid) || *xid < snapshot->xmin || *xid >= snapshot->xmax ||
		    (snapshot->running_count > 0 && *xid <= xid[-1]))
			return false;
		snapshot->running_count++;
		if (*text == ',' && *++text == '\0')
			return false;
	}
	snapshot->set = true;
	return true;
}

bool
gate_snapshot_sees(const GateSnapshot *snapshot, uint32_t xid)
{
	/* the one of its possible epochs that is nearest to xmax */
	int32_t distance = (int32_t) (xid - (uint32_t) snapshot->xmax);
	uint64_t full = snapshot->xmax + (uint64_t) (int64_t) distance;
	int low = 0;
	int high = snapshot->running_count - 1;

	if (full >= snapshot->xmax)
		return false;
	if (full < snapshot->xmin)
		return true;
	while (low <= high)
	{
		int middle = low + (high - low) / 2;

		if (snapshot->running[middle] == full)
			return false;
		if (snapshot->running[middle] < full)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return true;
}

bool
gate_in_copy(const GateTable *table, const TxnHeader *header)
{
	if (header->commit.value < table->applied.value)
		return true;
	if (header->commit.value >= table->start.value)
		return false;
	return !table->snapshot.set || gate_snapshot_sees(&table->snapshot, header->xid);
}

GateVerdict
gate_judge(const GateTable *table, const TxnHeader *header, SourceLsn stored)
{
	bool on_target = header->end.value <= stored.value;

	if (table == NULL)
		return on_target ? GATE_DROP : GATE_APPLY;
	switch (table->state)
	{
		case GATE_WAITING:
		case GATE_COPYING:
		case GATE_COPIED:
			/* before the hold began it was applied like any other */
			if (header->end.value <= table->hold.value || gate_in_copy(table, header))
				return GATE_DROP;
			return GATE_HOLD;
		case GATE_JOINED:
			return on_target || gate_in_copy(table, header) ? GATE_DROP : GATE_APPLY;
		case GATE_QUARANTINED:
		case GATE_REMOVED:
		case GATE_STATE_COUNT:
			break;
	}
	return GATE_DROP;
}

bool
gate_is_plain(const GateTable *table, SourceLsn stored)
{
	return table->state == GATE_JOINED && table->start.value <= stored.value &&
	       table->applied.value <= stored.value;
}

SourceLsn
gate_ack(const GateTable *table, SourceLsn durable)
{
	SourceLsn needed = source_lsn_max(table->hold, table->applied);

	if (!gate_state_holds(table->state) || needed.value >= durable.value)
		return durable;
	return needed;
}
