/*
 * table_report.c
 *		See table_report.h.
 */
#include "table_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "copy_queue.h"
#include "strbuf.h"

static TablePhase
phase_of(GateState state)
{
	switch (state)
	{
		case GATE_WAITING:
			return TABLE_WAITING;
		case GATE_COPYING:
			return TABLE_COPYING;
		case GATE_COPIED:
			return TABLE_COPIED;
		case GATE_JOINED:
			return TABLE_INCREMENTAL;
		case GATE_QUARANTINED:
			return TABLE_QUARANTINED;
		case GATE_REMOVED:
		case GATE_STATE_COUNT:
			break;
	}
	return TABLE_ERROR;
}

static void
report(Worker *w, PgSession *target, const GateTable *table, const char *error)
{
	char oid[16];
	const char *params[] = {worker_job(w)->slot_name, oid};
	TableProgress progress = {.schema = table->schema,
	                          .table = table->name,
	                          .phase = phase_of(table->state),
	                          .error = error,
	                          .lists_parts = table->state == GATE_WAITING};
	Error ignored = {0};
	char sql[512];
	PgRows *rows;

	snprintf(oid, sizeof(oid), "%" PRIu32, table->oid);
	snprintf(sql, sizeof(sql),
	         "SELECT count(*), count(*) FILTER (WHERE state = 'done'), coalesce(sum(rows_estimated)"
	         ", 0), coalesce(sum(bytes_estimated), 0), coalesce(sum(rows_done), 0), "
	         "coalesce(sum(bytes_done), 0) FROM dts.target_part WHERE slot_name = $1 AND table_oid "
	         "= CAST($2 AS bigint) AND stage = %d",
	         STAGE_DATA);
	rows = pg_session_query(target, &ignored, sql, 2, params);
	if (rows != NULL)
	{
		progress.parts = (int) pg_rows_int(rows, 0, 0);
		progress.parts_done = (int) pg_rows_int(rows, 0, 1);
		progress.rows_estimated = pg_rows_int(rows, 0, 2);
		progress.bytes_estimated = pg_rows_int(rows, 0, 3);
		progress.rows_done = pg_rows_int(rows, 0, 4);
		progress.bytes_done = pg_rows_int(rows, 0, 5);
		pg_rows_free(rows);
	}
	worker_report_table(w, &progress);
}

void
table_report_state(Worker *w, PgSession *target, const GateTable *table)
{
	report(w, target, table, NULL);
}

/* The row and, where the table was being loaded, what was still to be done for it. */
static bool
store(PgSession *target, const Job *job, uint32_t oid, const char *schema, const char *name,
      const char *reason, Error *err)
{
	char number[16];
	const char *params[] = {job->slot_name, number, schema, name, reason};
	const char *part[] = {job->slot_name, number};

	snprintf(number, sizeof(number), "%" PRIu32, oid);
	return pg_session_exec(target, err,
	                       "INSERT INTO dts.target_table (slot_name, table_oid, schema_name, "
	                       "table_name, state, reason) VALUES ($1, CAST($2 AS bigint), $3, $4, "
	                       "'quarantined', $5) ON CONFLICT (slot_name, table_oid) DO UPDATE SET "
	                       "state = 'quarantined', reason = excluded.reason, since = "
	                       "clock_timestamp()",
	                       5, params) &&
	       pg_session_exec(target, err,
	                       "UPDATE dts.target_part SET state = 'parked' WHERE slot_name = $1 AND "
	                       "table_oid = CAST($2 AS bigint) AND state = 'todo'",
	                       2, part);
}

bool
table_report_quarantine(Worker *w, PgSession *target, uint32_t oid, const char *schema,
                        const char *name, const Error *reason, Error *err)
{
	const Job *job = worker_job(w);
	GateTable table = {.oid = oid, .schema = schema, .name = name, .state = GATE_QUARANTINED};
	StrBuf text;
	bool ok;

	strbuf_init(&text);
	strbuf_puts(&text, reason->message);
	if (reason->detail[0] != '\0')
		strbuf_printf(&text, ".  %s", reason->detail);
	ok = copy_queue_begin(target, job, err);
	if (ok)
	{
		ok =
		    store(target, job, oid, schema, name, text.data, err) && copy_queue_commit(target, err);
		if (!ok)
			copy_queue_rollback(target);
	}
	if (ok)
	{
		worker_event(w, "error", "table_quarantined",
		             "table \"%s\".\"%s\" is put aside, the job goes on without it: %s", schema,
		             name, text.data);
		report(w, target, &table, text.data);
	}
	strbuf_free(&text);
	return ok;
}
