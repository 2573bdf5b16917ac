/*
 * copy_progress.c
 *		Progress by table; see copy_progress.h.
 *
 * Bytes done are those of the COPY stream, bytes estimated those on the source's disk.  A table
 *with several parts at work shows the sum of what is committed; the message about a part in hand is
 * added only while it is the table's only one.
 */
#include "copy_progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

typedef struct TableState
{
	uint32_t oid;
	int indexes_left;
	TableProgress report;
} TableState;

struct CopyProgress
{
	Worker *w;
	Arena *arena;
	TableState *tables; /* by oid */
	int count;
	uint32_t failed_oid; /* of the last COPY_FAILED */
};

static TableState *
find_table(CopyProgress *p, uint32_t oid)
{
	int low = 0;
	int high = p->count - 1;

	while (low <= high)
	{
		int middle = low + (high - low) / 2;

		if (p->tables[middle].oid == oid)
			return &p->tables[middle];
		if (p->tables[middle].oid < oid)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}

static TablePhase
phase_of(const TableState *t)
{
	if (t->report.parts_done < t->report.parts)
		return t->report.parts_done > 0 || t->report.bytes_done > 0 ? TABLE_COPYING : TABLE_WAITING;
	return t->indexes_left > 0 ? TABLE_INDEXING : TABLE_COPIED;
}

CopyProgress *
copy_progress_open(Worker *w, PgSession *target, Error *err)
{
	const char *params[] = {worker_job(w)->slot_name};
	char sql[1536];
	CopyProgress *p;
	PgRows *rows;

	snprintf(sql, sizeof(sql),
	         "SELECT table_oid, max(schema_name), max(table_name), "
	         "count(*) FILTER (WHERE stage = %d), "
	         "count(*) FILTER (WHERE stage = %d AND state = 'done'), "
	         "count(*) FILTER (WHERE stage = %d AND state = 'todo'), "
	         "coalesce(sum(rows_estimated), 0), coalesce(sum(bytes_estimated), 0), "
	         "coalesce(sum(rows_done) FILTER (WHERE stage = %d), 0), "
	         "coalesce(sum(bytes_done) FILTER (WHERE stage = %d), 0) "
	         "FROM dts.target_part p WHERE slot_name = $1 AND table_oid <> 0 AND NOT EXISTS ("
	         "SELECT FROM dts.target_table t WHERE t.slot_name = p.slot_name AND t.table_oid = "
	         "p.table_oid AND t.state IN ('joined', 'quarantined', 'removed')) GROUP BY table_oid "
	         "HAVING count(*) FILTER (WHERE stage = %d) > 0 ORDER BY table_oid",
	         STAGE_DATA, STAGE_DATA, STAGE_INDEX, STAGE_DATA, STAGE_DATA, STAGE_DATA);
	rows = pg_session_query(target, err, sql, 1, params);
	if (rows == NULL)
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->w = w;
	p->arena = arena_create(64 * 1024);
	p->count = pg_rows_count(rows);
	p->tables = arena_zalloc(p->arena, sizeof(TableState) * ((size_t) p->count + 1));
	for (int i = 0; i < p->count; i++)
	{
		TableState *t = &p->tables[i];

		t->oid = (uint32_t) pg_rows_int(rows, i, 0);
		t->report.schema = arena_strdup(p->arena, pg_rows_get(rows, i, 1));
		t->report.table = arena_strdup(p->arena, pg_rows_get(rows, i, 2));
		t->report.parts = (int) pg_rows_int(rows, i, 3);
		t->report.parts_done = (int) pg_rows_int(rows, i, 4);
		t->indexes_left = (int) pg_rows_int(rows, i, 5);
		t->report.rows_estimated = pg_rows_int(rows, i, 6);
		t->report.bytes_estimated = pg_rows_int(rows, i, 7);
		t->report.rows_done = pg_rows_int(rows, i, 8);
		t->report.bytes_done = pg_rows_int(rows, i, 9);
		t->report.phase = phase_of(t);
		worker_report_table(w, &t->report);
	}
	pg_rows_free(rows);
	return p;
}

static void
task_done(TableState *t, const CopyMessage *message)
{
	if (message->stage == STAGE_DATA)
	{
		t->report.parts_done++;
		t->report.rows_done += message->rows;
		t->report.bytes_done += message->bytes;
	}
	else if (message->stage == STAGE_INDEX && t->indexes_left > 0)
		t->indexes_left--;
	t->report.phase = phase_of(t);
}

void
copy_progress_heard(CopyProgress *p, const CopyMessage *message)
{
	TableState *t;
	TableProgress shown;

	if (message == NULL || message->table_oid == 0)
		return;
	if (message->kind == COPY_FAILED)
		p->failed_oid = message->table_oid;
	t = find_table(p, message->table_oid);
	if (t == NULL)
		return;
	if (message->kind == COPY_DONE)
		task_done(t, message);
	else if (message->kind != COPY_PROGRESS)
		return;
	shown = t->report;
	if (message->kind == COPY_PROGRESS && message->stage == STAGE_DATA)
	{
		shown.phase = TABLE_COPYING;
		shown.rows_done += message->rows;
		shown.bytes_done += message->bytes;
	}
	worker_report_table(p->w, &shown);
}

void
copy_progress_close(CopyProgress *p, bool complete, const Error *err)
{
	TableState *t = err != NULL && p->failed_oid != 0 ? find_table(p, p->failed_oid) : NULL;

	for (int i = 0; complete && i < p->count; i++)
	{
		if (p->tables[i].report.phase == TABLE_COPIED)
			continue;
		p->tables[i].report.phase = TABLE_COPIED;
		worker_report_table(p->w, &p->tables[i].report);
	}
	if (t != NULL)
	{
		t->report.phase = TABLE_ERROR;
		t->report.error = err->message;
		worker_report_table(p->w, &t->report);
	}
	arena_destroy(p->arena);
	free(p);
}
