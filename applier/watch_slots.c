/*
 * watch_slots.c
 *		Looks at the jobs' slots on their sources, one after the other, and reports what they retain.
 *
 * A worker could see its own slot, but a job that is paused or in error has no worker, and that is
 *when WAL piles up.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena.h"
#include "watch.h"

#define EVERY          "15 s"
#define ROUND_PAUSE_MS 3000

#define SLOT_QUERY                                                                                 \
	"SELECT s.active, s.wal_status, s.restart_lsn, s.confirmed_flush_lsn, c.lsn, "                 \
	"pg_catalog.pg_wal_lsn_diff(c.lsn, s.restart_lsn)::pg_catalog.int8, s.safe_wal_size "          \
	"FROM pg_catalog.pg_replication_slots s, (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() "    \
	"THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) c " \
	"WHERE s.slot_name = $1"

static json_t *
text_or_null(const PgRows *rows, int column)
{
	const char *text = pg_rows_get(rows, 0, column);

	return text != NULL ? json_string(text) : json_null();
}

static json_t *
int_or_null(const PgRows *rows, int column)
{
	return pg_rows_get(rows, 0, column) != NULL ? json_integer(pg_rows_int(rows, 0, column))
	                                            : json_null();
}

static json_t *
sample_error(const char *text)
{
	json_t *sample = json_pack("{s:s}", "error", text);

	return sample != NULL ? sample : json_pack("{s:s}", "error", "error text is not UTF-8");
}

/* What is to be reported of one slot. */
static json_t *
sample_take(const char *conninfo, const char *slot)
{
	const char *params[] = {slot};
	PgSession *source = NULL;
	PgRows *rows = NULL;
	json_t *sample;
	Error err;

	if (conninfo == NULL)
		return sample_error("the endpoint of the source is gone");
	source = pg_session_open(conninfo, PG_SESSION_SOURCE, watch_name(WATCH_SLOTS), NULL, &err);
	if (source != NULL)
		rows = pg_session_query(source, &err, SLOT_QUERY, 1, params);
	if (rows == NULL)
		sample = sample_error(err.message);
	else if (pg_rows_count(rows) == 0)
		sample = sample_error("the source has no slot of that name");
	else
		sample = json_pack(
		    "{s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "active", pg_rows_bool(rows, 0, 0) ? 1 : 0,
		    "wal_status", text_or_null(rows, 1), "restart_lsn", text_or_null(rows, 2),
		    "confirmed_lsn", text_or_null(rows, 3), "current_lsn", text_or_null(rows, 4),
		    "retained_bytes", int_or_null(rows, 5), "left_bytes", int_or_null(rows, 6));
	pg_rows_free(rows);
	pg_session_close(source);
	return sample;
}

bool
watch_slots(PgSession *control, int *pause_ms, Error *err)
{
	const char *every[] = {EVERY};
	PgRows *due = pg_session_query(
	    control, err, "SELECT job_id, slot_name, conninfo FROM dts.daemon_slots_due($1)", 1, every);
	bool ok = due != NULL;

	*pause_ms = ROUND_PAUSE_MS;
	for (int i = 0; ok && i < pg_rows_count(due); i++)
	{
		json_t *sample = sample_take(pg_rows_get(due, i, 2), pg_rows_get(due, i, 1));
		char *text = json_dumps(sample, JSON_COMPACT);
		const char *params[] = {pg_rows_get(due, i, 0), text};

		ok = pg_session_exec(control, err, "SELECT dts.daemon_slot($1, $2)", 2, params);
		free(text);
		json_decref(sample);
	}
	pg_rows_free(due);
	return ok;
}
