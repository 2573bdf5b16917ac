/*
 * copy_queue.c
 *		Tasks of a load in dts.target_part; see copy_queue.h.
 *
 * Parts of the data are added in the order in which they are to be done.  Other stages go by size,
 * then by part_id, so that serial ones keep the order of their adding.
 */
#include "copy_queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strbuf.h"

#define ADD_BATCH       100
#define WORKERS_DEFAULT 4

static const char *const kind_names[] = {
#define COPY_KIND_NAME(sym, name) name,
    COPY_KINDS(COPY_KIND_NAME)
#undef COPY_KIND_NAME
};

static const char *const step_names[] = {
#define COPY_STEP_NAME(sym, name) name,
    COPY_STEPS(COPY_STEP_NAME)
#undef COPY_STEP_NAME
};

int
copy_workers(const Job *job)
{
	return job->options.workers > 0 ? job->options.workers : WORKERS_DEFAULT;
}

PgSession *
copy_target_open(const Job *job, const char *encoding, Error *err)
{
	return pg_session_open(job->target_conninfo, PG_SESSION_TARGET, job->slot_name, encoding, err);
}

bool
copy_queue_begin(PgSession *target, const Job *job, Error *err)
{
	const char *params[] = {job->slot_name};
	PgRows *rows;
	bool ours;

	if (!pg_session_exec(target, err, "BEGIN", 0, NULL))
		return false;
	rows = pg_session_query(target, err,
	                        "SELECT epoch FROM dts.target_fence WHERE slot_name = $1 FOR SHARE", 1,
	                        params);
	if (rows == NULL)
	{
		copy_queue_rollback(target);
		return false;
	}
	ours = pg_rows_count(rows) == 1 && pg_rows_int(rows, 0, 0) == job->epoch;
	pg_rows_free(rows);
	if (!ours)
	{
		copy_queue_rollback(target);
		error_set(err, ERR_FENCED, "another daemon owns the job now");
	}
	return ours;
}

bool
copy_queue_commit(PgSession *target, Error *err)
{
	return pg_session_exec(target, err, "COMMIT", 0, NULL);
}

void
copy_queue_rollback(PgSession *target)
{
	Error ignored = {0};

	/* when this fails the session is gone, and the server rolls back by itself */
	if (!pg_session_exec(target, &ignored, "ROLLBACK", 0, NULL))
		error_clear(&ignored);
}

static void
put_text(StrBuf *sql, const char *text)
{
	if (text == NULL)
		strbuf_puts(sql, "NULL");
	else
		strbuf_literal(sql, text);
}

static bool
next_id(PgSession *target, const Job *job, int64_t *id, Error *err)
{
	const char *params[] = {job->slot_name};
	PgRows *rows = pg_session_query(
	    target, err,
	    "SELECT coalesce(max(part_id), 0) + 1 FROM dts.target_part WHERE slot_name = $1", 1,
	    params);

	if (rows == NULL)
		return false;
	*id = pg_rows_int(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

bool
copy_queue_add(PgSession *target, const Job *job, CopyTask *tasks, int count, Error *err)
{
	StrBuf sql;
	int64_t id;
	bool ok = true;

	if (!next_id(target, job, &id, err))
		return false;
	strbuf_init(&sql);
	for (int from = 0; ok && from < count; from += ADD_BATCH)
	{
		strbuf_reset(&sql);
		strbuf_puts(&sql, "INSERT INTO dts.target_part (slot_name, part_id, schema_name, "
		                  "table_name, state, stage, kind, table_oid, source_sql, target_sql, "
		                  "rows_estimated, bytes_estimated, bytes_expected) VALUES ");
		for (int i = from; i < count && i < from + ADD_BATCH; i++)
		{
			CopyTask *t = &tasks[i];

			t->id = id++;
			strbuf_puts(&sql, i > from ? ",(" : "(");
			strbuf_literal(&sql, job->slot_name);
			strbuf_printf(&sql, ",%" PRId64 ",", t->id);
			put_text(&sql, t->schema);
			strbuf_putc(&sql, ',');
			put_text(&sql, t->table);
			strbuf_printf(&sql, ",'%s',%d,'%s',%" PRIu32 ",", t->settled ? "done" : "todo",
			              (int) t->stage, kind_names[t->kind], t->table_oid);
			put_text(&sql, t->source_sql);
			strbuf_putc(&sql, ',');
			put_text(&sql, t->target_sql);
			strbuf_printf(&sql, ",%" PRId64 ",%" PRId64 ",%" PRId64 ")", t->rows_estimated,
			              t->bytes_estimated, t->bytes_expected);
		}
		ok = pg_session_exec(target, err, sql.data, 0, NULL);
	}
	strbuf_free(&sql);
	return ok;
}

bool
copy_queue_analyze(PgSession *target, Error *err)
{
	/* somebody else's table is passed over with a warning */
	return pg_session_exec(target, err, "ANALYZE dts.target_part", 0, NULL);
}

bool
copy_queue_left(PgSession *target, const Job *job, CopyStage first, CopyStage last, bool *left,
                Error *err)
{
	char numbers[2][16];
	const char *params[] = {job->slot_name, numbers[0], numbers[1]};
	PgRows *rows;

	snprintf(numbers[0], sizeof(numbers[0]), "%d", (int) first);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", (int) last);
	rows = pg_session_query(target, err,
	                        "SELECT EXISTS (SELECT FROM dts.target_part WHERE slot_name = $1 AND "
	                        "state = 'todo' AND stage BETWEEN CAST($2 AS int) AND CAST($3 AS int))",
	                        3, params);
	if (rows == NULL)
		return false;
	*left = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

bool
copy_queue_abreast(PgSession *target, const Job *job, bool *some, Error *err)
{
	const char *params[] = {job->slot_name};
	PgRows *rows = pg_session_query(target, err,
	                                "SELECT EXISTS (SELECT FROM dts.target_part WHERE slot_name = "
	                                "$1 AND state = 'todo' AND kind = 'abreast')",
	                                1, params);

	if (rows == NULL)
		return false;
	*some = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

static bool
weigh(PgSession *target, const Job *job, const char *values, Error *err)
{
	const char *params[] = {job->slot_name};
	StrBuf sql;
	bool ok;

	strbuf_init(&sql);
	strbuf_printf(&sql,
	              "UPDATE dts.target_part t SET bytes_estimated = v.bytes FROM (VALUES %s) v(oid, "
	              "bytes) WHERE t.slot_name = $1 AND t.state = 'todo' AND t.table_oid = v.oid AND "
	              "t.stage IN (%d, %d, %d)",
	              values, STAGE_INDEX, STAGE_FOREIGN_KEY, STAGE_ANALYZE);
	ok = pg_session_exec(target, err, sql.data, 1, params);
	strbuf_free(&sql);
	return ok;
}

bool
copy_queue_weigh(PgSession *target, const Job *job, const CopyWeight *weights, int count,
                 Error *err)
{
	StrBuf values;
	int gathered = 0;
	bool ok = true;

	strbuf_init(&values);
	for (int i = 0; ok && i < count; i++)
	{
		if (weights[i].bytes >= COPY_SMALL_BYTES)
			strbuf_printf(&values, "%s(%" PRIu32 "::bigint, %" PRId64 "::bigint)",
			              gathered++ > 0 ? ", " : "", weights[i].table_oid, weights[i].bytes);
		if (gathered == ADD_BATCH || (gathered > 0 && i == count - 1))
		{
			ok = weigh(target, job, values.data, err);
			strbuf_reset(&values);
			gathered = 0;
		}
	}
	strbuf_free(&values);
	return ok;
}

bool
copy_queue_restart_data(PgSession *target, const Job *job, Error *err)
{
	const char *params[] = {job->slot_name};
	char sql[256];

	snprintf(sql, sizeof(sql),
	         "DELETE FROM dts.target_part WHERE slot_name = $1 AND (stage = %d OR stage = %d OR "
	         "kind = 'sequences' AND source_sql IS NULL)",
	         STAGE_DATA, STAGE_ANALYZE);
	if (!pg_session_exec(target, err, sql, 1, params))
		return false;
	/* what stands as "done" was empty before us or has been emptied by us: the rows are ours */
	snprintf(sql, sizeof(sql),
	         "UPDATE dts.target_part SET state = 'todo' WHERE slot_name = $1 AND stage = %d",
	         STAGE_EMPTY);
	return pg_session_exec(target, err, sql, 1, params);
}

bool
copy_step_read(PgSession *target, const Job *job, CopyStep *step, Error *err)
{
	const char *params[] = {job->slot_name};
	const char *name;
	PgRows *rows = pg_session_query(
	    target, err, "SELECT coalesce(step, '') FROM dts.target_progress WHERE slot_name = $1", 1,
	    params);

	if (rows == NULL)
		return false;
	if (pg_rows_count(rows) == 0)
	{
		pg_rows_free(rows);
		error_set(err, ERR_LOST, "the target no longer knows the job");
		error_detail(err, "Its row in dts.target_progress is missing.");
		error_hint(err, "Stop the job and create it again.");
		return false;
	}
	name = pg_rows_get(rows, 0, 0);
	*step = STEP_COUNT;
	for (int i = 0; i < STEP_COUNT; i++)
	{
		if (strcmp(name, step_names[i]) == 0)
			*step = (CopyStep) i;
	}
	if (*step == STEP_COUNT)
		error_set(err, ERR_INTERNAL, "unknown step \"%s\" in dts.target_progress", name);
	pg_rows_free(rows);
	return *step != STEP_COUNT;
}

bool
copy_step_write(PgSession *target, const Job *job, CopyStep step, Error *err)
{
	const char *params[] = {job->slot_name, step_names[step], step >= STEP_DATA_DONE ? "t" : "f"};

	/* no name of a snapshot: its keeper leaves, even if we die before we can tell it */
	return pg_session_exec(target, err,
	                       "UPDATE dts.target_progress SET step = $2, snapshot = CASE WHEN "
	                       "CAST($3 AS boolean) THEN NULL ELSE snapshot END, updated_at = "
	                       "clock_timestamp() WHERE slot_name = $1",
	                       3, params);
}
