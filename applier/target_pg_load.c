/*
 * target_pg_load.c
 *		Inserts into one table that come one behind the other, in a transaction that goes ahead: by COPY.
 *
 * A bulk load of the source's is bound by what the target's session does for a row, and waits for that
 * session's WAL.  COPY takes less of both than the batch path's INSERT (plan_group.c), and needs no unit.
 *
 * Why it is the same: the table is one that the batch path may insert into, without triggers and rules; rows of
 * one kind only, in their order, with everything before them answered, and nothing behind them sent before they are.
 * What fails is not repeated here.  The transaction waits for its commit (flow_ahead.c), and goes by units then.
 *
 * libpq knows no COPY in its pipeline mode, which is left as long as one is open.  A server that has failed
 * says so at the end of a COPY, to a client that asks; so none is longer than LOAD_BYTES.
 */
#include <string.h>

#include "target_pg_internal.h"

#define LOAD_ROWS_MIN 8192 /* in a row, before it pays to wait for an empty pipeline */
#define LOAD_CHUNK    ((size_t) 64 << 10)
#define LOAD_KEPT     ((size_t) 1 << 20) /* what a single large row has blown up does not stay */
#define LOAD_BYTES    ((int64_t) 64 << 20)

/* signature, flags, and the length of an extension; the last byte is the literal's own */
static const char copy_header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
static const char copy_trailer[] = {(char) 0xff, (char) 0xff};

static bool
load_fail(TargetPg *t, const PGresult *result, Error *err)
{
	pg_session_error(err, t->conn, result);
	return false;
}

static void
put_row(TargetPgLoad *load, const Value *values)
{
	int count = load->plan->column_count;

	strbuf_putc(&load->rows, (char) (count >> 8));
	strbuf_putc(&load->rows, (char) count);
	for (int p = 0; p < count; p++)
		net_value_put(&load->rows, &values[load->plan->columns[p]]);
}

/* The server takes rows, or has taken them all. */
static bool
answered(TargetPg *t, Error *err)
{
	TargetPgLoad *load = &t->load;

	while ((load->stage == LOAD_ASKED || load->stage == LOAD_ENDING) && !PQisBusy(t->conn))
	{
		PGresult *result = PQgetResult(t->conn);
		ExecStatusType status = PQresultStatus(result);
		bool ok = true;

		t->status.answers++;
		if (load->stage == LOAD_ASKED)
		{
			ok = status == PGRES_COPY_IN || load_fail(t, result, err);
			load->stage = LOAD_OPEN;
		}
		else if (result != NULL)
			ok = status == PGRES_COMMAND_OK || load_fail(t, result, err);
		else
		{
			load->stage = LOAD_OFF;
			load->bytes = 0;
			t->status.stats.busy_us += target_pg_clock_us() - load->since_us;
			ok = pipeline_return(&t->pipeline, err);
		}
		PQclear(result);
		if (!ok)
			return false;
	}
	return true;
}

bool
target_pg_load_pump(TargetPg *t, Error *err)
{
	int unsent = PQflush(t->conn);

	t->pipeline.unsent = unsent > 0;
	if (unsent < 0 || (!t->pipeline.nothing_to_read && PQconsumeInput(t->conn) != 1))
		return load_fail(t, NULL, err);
	return answered(t, err);
}

/* Only while libpq holds nothing, so that it never holds more than this. */
static bool
hand_over(TargetPg *t, Error *err)
{
	TargetPgLoad *load = &t->load;
	int64_t began_us = target_pg_clock_us();
	bool ok = true;

	for (size_t at = 0; at < load->rows.len && ok; at += LOAD_KEPT)
	{
		size_t len = load->rows.len - at < LOAD_KEPT ? load->rows.len - at : LOAD_KEPT;

		ok =
		    PQputCopyData(t->conn, load->rows.data + at, (int) len) == 1 || load_fail(t, NULL, err);
	}
	load->bytes += (int64_t) load->rows.len;
	strbuf_reset(&load->rows);
	if (load->rows.size > LOAD_KEPT)
	{
		strbuf_free(&load->rows);
		strbuf_init(&load->rows);
	}
	ok = ok && target_pg_load_pump(t, err);
	t->status.stats.plan_us += target_pg_clock_us() - began_us;
	return ok;
}

static bool
can_hand_over(const TargetPg *t)
{
	return t->load.stage == LOAD_OPEN && !t->pipeline.unsent;
}

/* Everything before is answered first. */
static TargetResult
begin(TargetPg *t, Error *err)
{
	TargetPgLoad *load = &t->load;

	if (t->open->run.count > 0)
		target_pg_unit_close(t, NULL);
	if (!target_pg_work(t, err))
		return TARGET_FAILED;
	if (target_pg_must_wait(t) || t->units != NULL || t->pipeline.count > 0 ||
	    t->pipeline.discarding > 0)
		return TARGET_WAIT;
	if (!pipeline_leave(&t->pipeline, err))
		return TARGET_FAILED;
	load->stage = LOAD_ASKED;
	load->since_us = target_pg_clock_us();
	strbuf_reset(&load->rows);
	strbuf_add(&load->rows, copy_header, sizeof(copy_header));
	t->pipeline.statements++;
	if (PQsendQuery(t->conn, load->sql) != 1)
		return load_fail(t, NULL, err) ? TARGET_OK : TARGET_FAILED;
	return target_pg_load_pump(t, err) ? TARGET_OK : TARGET_FAILED;
}

TargetResult
target_pg_load_end(TargetPg *t, Error *err)
{
	TargetPgLoad *load = &t->load;

	if (load->stage == LOAD_OFF)
		return TARGET_OK;
	if (!target_pg_load_pump(t, err))
		return TARGET_FAILED;
	if (can_hand_over(t))
	{
		strbuf_add(&load->rows, copy_trailer, sizeof(copy_trailer));
		if (!hand_over(t, err))
			return TARGET_FAILED;
		if (PQputCopyEnd(t->conn, NULL) != 1)
			return load_fail(t, NULL, err) ? TARGET_OK : TARGET_FAILED;
		load->stage = LOAD_ENDING;
		if (!target_pg_load_pump(t, err))
			return TARGET_FAILED;
	}
	return load->stage == LOAD_OFF ? TARGET_OK : TARGET_WAIT;
}

void
target_pg_load_abandon(TargetPg *t)
{
	if (t->load.stage == LOAD_OPEN && PQputCopyEnd(t->conn, "the transaction is rolled back") == 1)
		(void) PQflush(t->conn);
	strbuf_free(&t->load.rows);
}

/* Whether the COPY at hand is long enough. */
static bool
is_long(const TargetPgLoad *load)
{
	return load->bytes >= (load->rows_min > 0 ? (int64_t) LOAD_CHUNK : LOAD_BYTES);
}

/* Whether it is one more of the same. */
static bool
follows(TargetPg *t, const Change *change)
{
	const TargetPgLoad *load = &t->load;

	return change->kind == CHANGE_INSERT && load->run > 0 &&
	       load->entry == target_pg_entry(t, change->relation) &&
	       group_fits(load->entry->bound, load->plan, GROUP_INSERT, change->new_values);
}

/* A first insert, which a unit has taken. */
static void
note(TargetPg *t, const Change *change)
{
	TargetPgLoad *load = &t->load;
	RelationEntry *entry = target_pg_entry(t, change->relation);

	load->run = 0;
	if (change->kind != CHANGE_INSERT || entry->subject.order != ORDER_NONE || t->keep_order)
		return;
	if (load->entry != entry ||
	    !group_fits(entry->bound, load->plan, GROUP_INSERT, change->new_values))
	{
		load->entry = entry;
		load->plan = target_pg_group_plan(t, entry, GROUP_INSERT, change->new_values);
		load->sql = NULL;
	}
	load->run = 1;
}

/* Whether so many have come that more are to be expected. */
static bool
pays(TargetPg *t)
{
	TargetPgLoad *load = &t->load;

	if (load->run < (load->rows_min > 0 ? load->rows_min : LOAD_ROWS_MIN))
		return false;
	if (load->sql == NULL)
	{
		load->sql = group_copy(t->arena, load->entry->bound, load->plan);
		if (load->sql == NULL)
			load->run = 1; /* asked again, but not for each */
	}
	return load->sql != NULL;
}

TargetResult
target_pg_load_change(TargetPg *t, const TxnHeader *header, const Change *change, Error *err)
{
	TargetPgLoad *load = &t->load;
	bool same = follows(t, change);
	TargetResult result = TARGET_OK;

	if (!same || load->stage == LOAD_ENDING || is_long(load))
		result = target_pg_load_end(t, err);
	if (result == TARGET_OK && load->stage == LOAD_OFF)
	{
		if (!same || !pays(t))
		{
			result = t->base.ops->apply(&t->base, header, change, err);
			if (result != TARGET_OK)
				return result;
			load->run++;
			if (!same)
				note(t, change);
			return result;
		}
		result = begin(t, err);
	}
	if (result != TARGET_OK)
		return result;
	if (load->rows.len >= LOAD_CHUNK)
	{
		if (!can_hand_over(t) && !target_pg_load_pump(t, err))
			return TARGET_FAILED;
		/* asked again, because nothing would wake us */
		if (!can_hand_over(t))
			return TARGET_WAIT;
		if (!hand_over(t, err))
			return TARGET_FAILED;
	}
	put_row(load, change->new_values);
	t->status.stats.inserts++;
	t->status.stats.rows_net++;
	t->status.stats.rows_copied++;
	return TARGET_OK;
}
