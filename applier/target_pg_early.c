/*
 * target_pg_early.c
 *		A target transaction that is begun before there is anything for it.
 *
 * In a steady stream of small transactions the target's session has nothing to do between a commit
 * and the next transaction.  BEGIN and the check of the epoch are half of what it does for a row, and
 * are done in that time: the row then waits for its own statement, the position and the COMMIT only.
 * They are sent behind the COMMIT, so that its answer does not wait for them, and their own answers
 * come with the next transaction's.
 *
 * What is begun is the next transaction, whole and as always: its epoch check holds the job's row
 * until it commits.  But a transaction that locks a row has a number, and holds the server's clean-up
 * back as long as it is open, so none stays open without work: only a stream whose last commit was a
 * moment ago gets one, and when nothing has come after another moment it is rolled back.
 */
#include "target_pg_internal.h"
#include "target_pg_lane.h"

#define EARLY_US INT64_C(50000)

bool
target_pg_early_begin(TargetPg *t, Error *err)
{
	TargetPgEarly *early = &t->early;
	int64_t now_us = target_pg_clock_us();
	bool steady = now_us - early->committed_us < EARLY_US;

	early->committed_us = now_us;
	if (!steady || target_pg_report_due(t) || t->sending != NULL || t->lane > 0 ||
	    !target_pg_lane_alone(t))
		return true;
	/* noted before, because sending may find out that it was lost */
	early->begun = true;
	early->until_us = now_us + EARLY_US;
	return target_pg_send_begin(t, err);
}

bool
target_pg_early_take(TargetPg *t)
{
	bool begun = t->early.begun;

	t->early.begun = false;
	return begun;
}

bool
target_pg_early_end(TargetPg *t, Error *err)
{
	if (!t->early.begun || t->units != NULL || t->repeating || t->stuck ||
	    target_pg_clock_us() < t->early.until_us)
		return true;
	t->early.begun = false;
	return pipeline_query(&t->pipeline, REQUEST_COMMAND, "ROLLBACK", 0, NULL, err) &&
	       pipeline_flush(&t->pipeline, err) && pipeline_pump(&t->pipeline, err);
}
