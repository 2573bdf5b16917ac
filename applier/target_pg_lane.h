/*
 * target_pg_lane.h
 *		A session of the PostgreSQL target as one of several of its job (parallel_order.c).
 *
 * Without a LaneGroup a session is alone, and all of this does nothing.
 */
#ifndef DTS_TARGET_PG_LANE_H
#define DTS_TARGET_PG_LANE_H

#include <stdbool.h>

#include "error.h"
#include "parallel_order.h"
#include "target_pg_internal.h"
#include "write_set.h"

/* What the sessions of a job share. */
struct LaneGroup
{
	ParallelOrder order;
	WriteSet *writes;
	SourceLsn handed; /* end of the newest transaction handed over */
	char slot[256];
};

/*
 * Conditions on pg_replication_origin: an origin of the job with this slot; and one of a lane that a job
 * with so many lanes does not use.
 */
#define TARGET_PG_ORIGIN_OF(slot)                                                                  \
	"(roname = " slot " OR pg_catalog.starts_with(roname, " slot " || '/'))"
#define TARGET_PG_STALE_ORIGIN(lanes)                                                              \
	"coalesce(pg_catalog.split_part(roname, '/', 2) <> '' AND "                                    \
	"pg_catalog.split_part(roname, '/', 2)::int > " lanes "::int, false)"

/* The name of a lane's origin: the slot's for lane 0. */
void target_pg_origin_name(const char *slot, int lane, char *name, size_t size);

/* Whether no other session of the job applies the stream. */
bool target_pg_lane_alone(const TargetPg *t);

/* A unit was closed: notes what it writes, and which of its rows have to wait for its turn. */
void target_pg_lane_closed(TargetPg *t, Unit *unit);

/* Whether the next unit to be sent has to wait for other lanes. */
bool target_pg_lane_held(const TargetPg *t);

/* Behind BEGIN. */
bool target_pg_lane_announce(TargetPg *t, const Unit *unit, Error *err);

/* How a unit that is about to be sent goes: what is its first pass. */
void target_pg_lane_stage(const TargetPg *t, Unit *unit);

/* Waits, in the server, for the transaction before the unit's. */
bool target_pg_lane_follow(TargetPg *t, const Unit *unit, Error *err);
void target_pg_lane_followed(TargetPg *t, const PGresult *result);

/* Whether the failure of the oldest unit may be that of its not having waited. */
bool target_pg_lane_mispredicted(const TargetPg *t, const Error *err);

/* The oldest unit has failed and is to be repeated: so is what is behind it on other lanes. */
void target_pg_lane_failed(TargetPg *t);

/* Begins to roll back what a failure on another lane leaves behind a gap. */
bool target_pg_lane_restart(TargetPg *t, Error *err);

/* It has begun to. */
void target_pg_lane_restarted(TargetPg *t);

void target_pg_lane_committed(TargetPg *t, const Unit *unit);

#endif /* DTS_TARGET_PG_LANE_H */
