/*
 * target_pg_sync.c
 *		Lets the server see now and then that the session is between two transactions.
 *
 * Statements are chained without a Sync (target_pg_pipeline.h).  To the server such a session is at
 * work without a pause: it is shown as active, in one transaction since its first query, and hands what
 * it counts to the statistics only when it is ready for a query, which it never says.  Autovacuum would
 * not hear of a single row, and pg_stat_user_tables would stand still as long as the stream runs.
 *
 * A Sync may follow only what is answered: what failed in front of it would be forgotten by the server,
 * and what comes behind it executed.  So it is sent when nothing is on its way.  A session that always
 * has work is given a moment without: every SYNC_BUSY_US its next transaction waits until those before
 * are answered.
 */
#include "target_pg_internal.h"

#define SYNC_IDLE_US INT64_C(1000000)
#define SYNC_BUSY_US INT64_C(10000000)

bool
target_pg_sync_due(const TargetPg *t)
{
	return t->sync.wanted && target_pg_clock_us() - t->sync.at_us >= SYNC_IDLE_US;
}

bool
target_pg_sync_held(const TargetPg *t)
{
	const Unit *unit = t->sending;

	return t->sync.wanted && unit->stage == UNIT_BEGIN && unit->begins && t->pipeline.count > 0 &&
	       target_pg_clock_us() - t->sync.at_us >= SYNC_BUSY_US;
}

bool
target_pg_sync_step(TargetPg *t, Error *err)
{
	if (t->pipeline.count > 0 || t->pipeline.discarding > 0 || t->repeating || t->stuck ||
	    !target_pg_sync_due(t))
		return true;
	t->sync.wanted = false;
	t->sync.at_us = target_pg_clock_us();
	return pipeline_sync(&t->pipeline, err) && pipeline_pump(&t->pipeline, err);
}
