/*
 * target_pg_report.c
 *		Lets the target's server take note of what a session of the stream has done.
 *
 * A session hands its counts to the server's statistics when it goes idle, and by them autovacuum knows which
 * tables to clean and to analyze; and what it has read last holds back VACUUM until its implicit transaction
 * ends.  Both take a Sync, which a pipeline chained by flushes never sends.
 *
 * A Sync may be sent only when everything before it has been answered: what fails in front of it would not keep
 * what is behind it from being executed.  So it goes out when the session has nothing under way between two
 * transactions, every second or so; under a backlog, when that never happens by itself, the next
 * transaction waits for it three times a minute.  Nobody waits for its answer.
 */
#include "target_pg_internal.h"

/* the server itself does so no more than once a second */
#define REPORT_EVERY_US   INT64_C(1200000)
#define REPORT_AT_MOST_US INT64_C(20000000)

/* Neither the server nor a unit has a transaction of ours that has begun. */
static bool
is_between(const TargetPg *t)
{
	const Unit *unit = t->units;

	if (t->early.begun)
		return false;
	if (unit != NULL)
		return unit == t->sending && unit->stage == UNIT_BEGIN && unit->begins;
	return t->open == NULL || t->open->begins;
}

bool
target_pg_report_waits(const TargetPg *t)
{
	const Unit *unit = t->sending;

	/* what was begun early is answered only with what comes into it */
	return unit != NULL && unit->stage == UNIT_BEGIN && unit->begins && t->pipeline.count > 0 &&
	       !t->early.begun && unit->handed_us - t->reported_us > REPORT_AT_MOST_US;
}

bool
target_pg_report_due(const TargetPg *t)
{
	return t->reported_statements != t->pipeline.statements &&
	       target_pg_clock_us() - t->reported_us >= REPORT_EVERY_US;
}

bool
target_pg_report(TargetPg *t, Error *err)
{
	if (t->pipeline.count > 0 || t->repeating || t->stuck || t->pipeline.failed || !is_between(t) ||
	    !target_pg_report_due(t))
		return true;
	t->reported_us = target_pg_clock_us();
	t->reported_statements = t->pipeline.statements;
	return pipeline_sync(&t->pipeline, err);
}
