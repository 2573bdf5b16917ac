/*
 * target_pg_flush.c
 *		Which commits of the stream are durable on the target.
 *
 * Commits are asynchronous: the server answers, and others see the rows, without waiting for its
 * disk.  Measured with one-row transactions, 500 a second, from the source's commit to the row being
 * seen, median and 99th percentile: where a flush takes 5 ms on either end, 18 and 38 ms, and 27 and
 * 133 ms with a synchronous commit for each batch (native replication: 18 and 37 ms); where it takes a
 * small part of a millisecond both come to the same, 1.4 and 6 to 8 ms.
 *
 * So an answered commit is not yet a durable one, and the source must not hear of it.  What says that
 * it is: the server's insert position, read after the commit, lies behind its record; when the flush
 * position, read later, has passed it, the record is on disk.  One query reads both, at a bounded
 * rate and only while something is not durable; the server's WAL writer flushes within three times
 * wal_writer_delay.  When the target crashes before, the position is lost with the rows, because they
 * are one transaction, and the source still has all that follows the position left.
 *
 * A commit that somebody waits for (TargetPosition.urgent) is synchronous, and flushes all before it.
 * With synchronous standbys behind the target every commit is: what is on its own disk alone may be
 * lost when a standby takes over.
 *
 * The position read when a session begins may be that of an asynchronous commit of the session
 * before.  It is flushed then, by a synchronous commit that writes.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "target_pg_internal.h"

#define LOOK_EVERY_US INT64_C(50000)

int64_t
target_pg_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

bool
target_pg_flush_start(TargetPg *t, bool synchronous, Error *err)
{
	const char *params[] = {t->slot};
	PgRows *rows;

	/* the first session of the job has done so for the others */
	if (t->lane == 0 &&
	    !pg_session_exec(t->session, err,
	                     "UPDATE dts.target_progress SET updated_at = pg_catalog.now()"
	                     " WHERE slot_name = $1",
	                     1, params))
		return false;
	rows = pg_session_query(
	    t->session, err,
	    "SELECT pg_catalog.format('SET LOCAL synchronous_commit = %L', s.setting), "
	    "s.setting = 'off' OR pg_catalog.current_setting('synchronous_standby_names') <> '' "
	    "FROM pg_catalog.current_setting('synchronous_commit') AS s (setting)",
	    0, NULL);
	if (rows == NULL)
		return false;
	t->flush.synchronous = synchronous || pg_rows_bool(rows, 0, 1);
	snprintf(t->flush.urgent_sql, sizeof(t->flush.urgent_sql), "%s", pg_rows_get(rows, 0, 0));
	pg_rows_free(rows);
	t->flush.off = !t->flush.synchronous;
	return !t->flush.off ||
	       pg_session_exec(t->session, err, "SET synchronous_commit = off", 0, NULL);
}

bool
target_pg_flush_urgent(TargetPg *t, bool urgent, Error *err)
{
	if (!t->flush.off || (!urgent && !t->flush.synchronous))
		return true;
	return pipeline_query(&t->pipeline, REQUEST_COMMAND, t->flush.urgent_sql, 0, NULL, err);
}

/* All up to this position is durable. */
static void
settle(TargetPg *t, const TargetPosition *position)
{
	if (position->end.value > t->status.durable.end.value)
		t->status.durable = *position;
}

void
target_pg_flush_committed(TargetPg *t, const TargetPosition *position, bool durable)
{
	int64_t commit_time = position->commit_time;

	/* idle progress has none of its own, but makes those before it durable */
	if (commit_time == 0)
		commit_time = t->status.committed.commit_time;
	t->status.committed = *position;
	t->status.committed.commit_time = commit_time;
	if (!durable)
		return;
	t->flush.mark_count = 0;
	settle(t, &t->status.committed);
}

bool
target_pg_flush_look(TargetPg *t, Error *err)
{
	Request request = {.kind = REQUEST_FLUSHED};
	int64_t now_us;

	if (t->flush.asked || t->flush.synchronous || t->repeating || t->stuck || t->pipeline.failed ||
	    t->status.committed.end.value <= t->status.durable.end.value)
		return true;
	now_us = target_pg_clock_us();
	if (now_us < t->flush.look_not_before_us)
		return true;
	t->flush.look_not_before_us = now_us + LOOK_EVERY_US;
	t->flush.asked = true;
	return pipeline_sent(&t->pipeline,
	                     PQsendQueryPrepared(t->conn, STATEMENT_FLUSHED, 0, NULL, NULL, NULL, 0),
	                     &request, err) &&
	       pipeline_flush(&t->pipeline, err) && pipeline_pump(&t->pipeline, err);
}

/* The commits answered so far lie before this position of the target's WAL. */
static void
add_mark(TargetPg *t, uint64_t inserted)
{
	TargetPgFlush *f = &t->flush;

	/* a later mark says more than the last one, if only later */
	if (f->mark_count == FLUSH_MARKS)
		f->mark_count--;
	f->marks[f->mark_count].inserted = inserted;
	f->marks[f->mark_count++].position = t->status.committed;
}

void
target_pg_flush_answered(TargetPg *t, const PGresult *result)
{
	TargetPgFlush *f = &t->flush;
	uint64_t inserted;
	uint64_t flushed;
	int passed = 0;

	f->asked = false;
	/* a synchronous standby was configured since: the next synchronous commit waits for all of it */
	if (strcmp(PQgetvalue(result, 0, 2), "t") == 0)
	{
		f->synchronous = true;
		f->mark_count = 0;
		return;
	}
	if (!lsn_parse(PQgetvalue(result, 0, 0), &inserted) ||
	    !lsn_parse(PQgetvalue(result, 0, 1), &flushed))
		return;
	if (t->status.committed.end.value > t->status.durable.end.value)
		add_mark(t, inserted);
	while (passed < f->mark_count && f->marks[passed].inserted <= flushed)
		settle(t, &f->marks[passed++].position);
	f->mark_count -= passed;
	memmove(f->marks, f->marks + passed, sizeof(f->marks[0]) * (size_t) f->mark_count);
}

void
target_pg_flush_lost(TargetPg *t)
{
	t->flush.asked = false;
}
