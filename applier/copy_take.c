/*
 * copy_take.c
 *		Choosing tasks; see copy_take.h.
 *
 * Taking is a few short statements: which stage is at work, then rows of it with SKIP LOCKED.  Rows
 * that are done stay in the indexes for as long as any transaction on the target might see them as
 * they were, so that a worker begins behind those it has seen.
 * What makes an index or statistics task ready is looked at in the rows of its table, so that a
 * task that somebody has in hand, which is still "todo" for everybody else, holds it back.
 */
#include "copy_take.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strbuf.h"

/* So many small tables share a transaction. */
#define SMALL_BATCH 24

static const char *const kind_names[] = {
#define COPY_KIND_NAME(sym, name) name,
    COPY_KINDS(COPY_KIND_NAME)
#undef COPY_KIND_NAME
};

static const bool stage_is_serial[] = {
#define COPY_STAGE_SERIAL(sym, serial) serial,
    COPY_STAGES(COPY_STAGE_SERIAL)
#undef COPY_STAGE_SERIAL
};

static const char *
keep_text(Arena *arena, const PgRows *rows, int row, int column)
{
	const char *text = pg_rows_get(rows, row, column);

	return text ? arena_strdup(arena, text) : "";
}

static bool
read_task(const PgRows *rows, int i, Arena *arena, CopyTask *task, Error *err)
{
	const char *kind = pg_rows_get(rows, i, 2);

	memset(task, 0, sizeof(*task));
	task->id = pg_rows_int(rows, i, 0);
	task->stage = (CopyStage) pg_rows_int(rows, i, 1);
	task->kind = TASK_COUNT;
	for (int k = 0; k < TASK_COUNT; k++)
	{
		if (strcmp(kind, kind_names[k]) == 0)
			task->kind = (CopyKind) k;
	}
	task->schema = keep_text(arena, rows, i, 3);
	task->table = keep_text(arena, rows, i, 4);
	task->table_oid = (uint32_t) pg_rows_int(rows, i, 5);
	task->source_sql = keep_text(arena, rows, i, 6);
	task->target_sql = keep_text(arena, rows, i, 7);
	task->rows_estimated = pg_rows_int(rows, i, 8);
	task->bytes_estimated = pg_rows_int(rows, i, 9);
	if (task->kind == TASK_COUNT)
	{
		error_set(err, ERR_INTERNAL, "unknown kind of task in dts.target_part");
		return false;
	}
	return true;
}

/*
 * Locks free tasks that the condition allows, at most `limit`, and appends them to the batch.
 * Conditions are texts of this file and numbers.
 */
static CopyTake
take_where(PgSession *target, const Job *job, const char *condition, const char *order, int limit,
           Arena *arena, CopyBatch *batch, Error *err)
{
	const char *params[] = {job->slot_name};
	CopyTake take = TAKE_BUSY;
	StrBuf sql;
	PgRows *rows;

	if (limit > TAKE_BATCH_MAX - batch->count)
		limit = TAKE_BATCH_MAX - batch->count;
	if (limit <= 0)
		return TAKE_BUSY;
	strbuf_init(&sql);
	strbuf_printf(&sql,
	              "SELECT part_id, stage, kind, schema_name, table_name, table_oid, source_sql, "
	              "target_sql, rows_estimated, bytes_estimated FROM dts.target_part t "
	              "WHERE slot_name = $1 AND state = 'todo' AND %s "
	              "ORDER BY %s LIMIT %d FOR UPDATE SKIP LOCKED",
	              condition, order, limit);
	rows = pg_session_query(target, err, sql.data, 1, params);
	strbuf_free(&sql);
	if (rows == NULL)
		return TAKE_FAILED;
	for (int i = 0; i < pg_rows_count(rows) && take != TAKE_FAILED; i++)
	{
		CopyTask *task = &batch->tasks[batch->count];

		batch->rows[batch->count] = batch->bytes[batch->count] = 0;
		take = read_task(rows, i, arena, task, err) ? TAKE_TASK : TAKE_FAILED;
		batch->count++;
	}
	pg_rows_free(rows);
	return take;
}

/*
 * Indexes of tables that are whole, and statistics of those that have their indexes, too.  A
 * statistics task without OID waits for its stage.  The scalar subquery is one look into an index
 * for each row; as NOT EXISTS it may become a join of the whole queue.  "stage + 0" keeps the planner,
 * which knows little of a table that has just been filled, from the indexes that begin with the stage.
 */
#define NOTHING_BEFORE                                                                             \
	" AND (table_oid = 0 OR (SELECT 1 FROM dts.target_part d WHERE d.slot_name = $1"               \
	" AND d.table_oid = t.table_oid AND d.state = 'todo'"                                          \
	" AND d.stage + 0 < CASE t.stage WHEN 4 THEN 4 ELSE 5 END LIMIT 1) IS NULL)"
static const char index_ready[] = "stage = 4" NOTHING_BEFORE;
static const char ready[] = "stage IN (4, 9) AND (stage = 4 OR table_oid <> 0)" NOTHING_BEFORE;
#define IS_FREE_PART  "kind <> 'changed'"
#define LARGEST_FIRST "bytes_estimated DESC, part_id"

_Static_assert(STAGE_INDEX == 4 && STAGE_ANALYZE == 9, "the texts above name them");

/*
 * Adds what small tables in the batch need besides their rows, or besides one of their indexes: then
 * all of it is one transaction.  Nobody else can have it in hand as long as their rows are ours.
 */
static CopyTake
complete_tables(PgSession *target, const Job *job, CopyStage last, Arena *arena, CopyBatch *batch,
                Error *err)
{
	bool data = batch->tasks[0].stage == STAGE_DATA;
	StrBuf condition;
	CopyTake take;

	if (last < STAGE_INDEX)
		return TAKE_TASK;
	strbuf_init(&condition);
	strbuf_puts(&condition,
	            data && last >= STAGE_ANALYZE ? "stage + 0 IN (4, 9)" : "stage + 0 = 4");
	strbuf_puts(&condition, " AND table_oid IN (");
	for (int i = 0; i < batch->count; i++)
		strbuf_printf(&condition, "%s%" PRIu32, i > 0 ? "," : "", batch->tasks[i].table_oid);
	strbuf_puts(&condition, ") AND part_id NOT IN (");
	for (int i = 0; i < batch->count; i++)
		strbuf_printf(&condition, "%s%" PRId64, i > 0 ? "," : "", batch->tasks[i].id);
	strbuf_puts(&condition,
	            ") AND (SELECT 1 FROM dts.target_part d WHERE d.slot_name = $1 AND "
	            "d.table_oid = t.table_oid AND d.state = 'todo' AND d.stage + 0 < 4 AND "
	            "d.part_id NOT IN (");
	for (int i = 0; i < batch->count; i++)
		strbuf_printf(&condition, "%s%" PRId64, i > 0 ? "," : "", batch->tasks[i].id);
	strbuf_puts(&condition, ") LIMIT 1) IS NULL");
	take = take_where(target, job, condition.data, "stage, part_id", TAKE_BATCH_MAX, arena, batch,
	                  err);
	strbuf_free(&condition);
	return take == TAKE_FAILED ? TAKE_FAILED : TAKE_TASK;
}

/* Nothing could be taken of the data: is there only what nobody can do under this snapshot? */
static CopyTake
nothing_taken(PgSession *target, const Job *job, Error *err)
{
	const char *params[] = {job->slot_name};
	char sql[256];
	PgRows *rows;
	CopyTake take;

	snprintf(sql, sizeof(sql),
	         "SELECT FROM dts.target_part WHERE slot_name = $1 AND state = 'todo' AND "
	         "stage = %d AND " IS_FREE_PART " LIMIT 1",
	         STAGE_DATA);
	rows = pg_session_query(target, err, sql, 1, params);
	if (rows == NULL)
		return TAKE_FAILED;
	take = pg_rows_count(rows) == 0 ? TAKE_NONE : TAKE_BUSY;
	pg_rows_free(rows);
	return take;
}

/* The next part behind `from`; or, when small, as many small tables as share a transaction. */
static CopyTake
take_parts(PgSession *target, const Job *job, const char *avoid, const CopyTakeFrom *from,
           bool small, Arena *arena, CopyBatch *batch, Error *err)
{
	StrBuf condition;
	CopyTake take;

	strbuf_init(&condition);
	strbuf_printf(&condition, "stage = %d AND part_id > %" PRId64, STAGE_DATA, from->part_id);
	if (small)
		strbuf_printf(&condition, " AND kind = 'part' AND bytes_estimated < %d", COPY_SMALL_BYTES);
	else
		strbuf_puts(&condition, " AND " IS_FREE_PART);
	if (avoid[0] != '\0')
		strbuf_printf(&condition, " AND table_oid NOT IN (%s)", avoid);
	/* the planner of the load has put the largest first */
	take = take_where(target, job, condition.data, "part_id",
	                  small ? SMALL_BATCH - batch->count : 1, arena, batch, err);
	strbuf_free(&condition);
	return take;
}

static bool
is_small_part(const CopyTask *task)
{
	return task->kind == TASK_PART && task->bytes_estimated < COPY_SMALL_BYTES;
}

static CopyTake
take_data(PgSession *target, const Job *job, const char *avoid, CopyTakeFrom *from, Arena *arena,
          CopyBatch *batch, Error *err)
{
	CopyTake take = TAKE_BUSY;

	if (from->small)
		take = take_parts(target, job, avoid, from, true, arena, batch, err);
	if (take == TAKE_BUSY)
	{
		take = take_parts(target, job, avoid, from, false, arena, batch, err);
		from->small = take == TAKE_TASK && is_small_part(&batch->tasks[0]);
		if (from->small)
		{
			from->part_id = batch->tasks[0].id;
			if (take_parts(target, job, avoid, from, true, arena, batch, err) == TAKE_FAILED)
				take = TAKE_FAILED;
		}
	}
	if (take == TAKE_TASK)
		from->part_id = batch->tasks[batch->count - 1].id;
	return take;
}

static CopyTake
take_stage(PgSession *target, const Job *job, CopyStage stage, const char *avoid,
           CopyTakeFrom *from, Arena *arena, CopyBatch *batch, Error *err)
{
	char condition[640];
	CopyTake take;

	if (stage == STAGE_DATA)
		return take_data(target, job, avoid, from, arena, batch, err);
	/* what somebody has in hand is "todo" for us, and so holds back what follows it */
	if (stage_is_serial[stage])
		snprintf(condition, sizeof(condition),
		         "stage = %d AND CASE kind WHEN 'abreast' THEN (SELECT 1 FROM dts.target_part m "
		         "WHERE m.slot_name = $1 AND m.state = 'todo' AND m.stage = %d AND m.kind <> "
		         "'abreast' AND m.part_id < t.part_id LIMIT 1) IS NULL ELSE part_id = (SELECT "
		         "part_id FROM dts.target_part m WHERE m.slot_name = $1 AND m.state = 'todo' AND "
		         "m.stage = %d ORDER BY stage, part_id LIMIT 1) END",
		         (int) stage, (int) stage, (int) stage);
	else
		snprintf(condition, sizeof(condition), "stage = %d", (int) stage);
	take = take_where(target, job, condition, LARGEST_FIRST, 1, arena, batch, err);
	/* foreign keys lock two tables each: workers that hold several would cross */
	if (take != TAKE_TASK || batch->tasks[0].bytes_estimated >= COPY_SMALL_BYTES ||
	    (stage != STAGE_INDEX && stage != STAGE_ANALYZE))
		return take;
	snprintf(condition, sizeof(condition),
	         "stage = %d AND bytes_estimated < %d AND part_id > %" PRId64, (int) stage,
	         COPY_SMALL_BYTES, batch->tasks[0].id);
	take = take_where(target, job, condition, LARGEST_FIRST, SMALL_BATCH - 1, arena, batch, err);
	return take == TAKE_FAILED ? TAKE_FAILED : TAKE_TASK;
}

/* The first stage that has tasks left; STAGE_COUNT: none has. */
static bool
find_stage(PgSession *target, const Job *job, CopyStage *stage, Error *err)
{
	const char *params[] = {job->slot_name};
	PgRows *rows = pg_session_query(target, err,
	                                "SELECT stage FROM dts.target_part WHERE slot_name = $1 AND "
	                                "state = 'todo' ORDER BY stage, part_id LIMIT 1",
	                                1, params);

	if (rows == NULL)
		return false;
	*stage = pg_rows_count(rows) == 0 ? STAGE_COUNT : (CopyStage) pg_rows_int(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

static CopyTake
take_some(PgSession *target, const Job *job, CopyStage last, const char *avoid, CopyTakeFrom *from,
          Arena *arena, CopyBatch *batch, Error *err)
{
	const char *follows = last < STAGE_ANALYZE ? index_ready : ready;
	CopyStage stage = from->stage;
	char large[sizeof(ready) + 64];
	CopyTake take = TAKE_BUSY;
	bool some;

	/* before the data nothing is ready */
	some = stage >= STAGE_DATA && stage < STAGE_ANALYZE && last >= STAGE_INDEX;
	if (some)
	{
		snprintf(large, sizeof(large), "bytes_estimated >= %d AND %s", TAKE_LARGE_BYTES, follows);
		take = take_where(target, job, large, LARGEST_FIRST, 1, arena, batch, err);
	}
	if (take == TAKE_BUSY)
		take = take_stage(target, job, stage, avoid, from, arena, batch, err);
	if (take == TAKE_BUSY && from->part_id > 0)
		return TAKE_BUSY; /* from the start */
	if (take == TAKE_BUSY && some)
		take = take_where(target, job, follows, LARGEST_FIRST, 1, arena, batch, err);
	if (take == TAKE_BUSY && stage == STAGE_DATA)
		return nothing_taken(target, job, err);
	return take;
}

CopyTake
copy_take_next(PgSession *target, const Job *job, CopyStage last, const char *avoid,
               CopyTakeFrom *from, Arena *arena, CopyBatch *batch, Error *err)
{
	CopyTake take = TAKE_BUSY;

	batch->count = 0;
	/* amid the data there is no need to ask where we are */
	if (from->stage == STAGE_DATA && from->part_id > 0)
		take = take_some(target, job, last, avoid, from, arena, batch, err);
	if (take == TAKE_BUSY)
	{
		memset(from, 0, sizeof(*from));
		if (!find_stage(target, job, &from->stage, err))
			return TAKE_FAILED;
		if (from->stage > last)
			return TAKE_NONE;
		take = take_some(target, job, last, avoid, from, arena, batch, err);
	}
	if (take != TAKE_TASK || batch->tasks[0].bytes_estimated >= COPY_SMALL_BYTES ||
	    batch->tasks[0].table_oid == 0)
		return take;
	if (batch->tasks[0].stage == STAGE_INDEX || is_small_part(&batch->tasks[0]))
		return complete_tables(target, job, last, arena, batch, err);
	return TAKE_TASK;
}

bool
copy_take_mark(PgSession *target, const Job *job, const CopyBatch *batch, Error *err)
{
	const char *params[] = {job->slot_name};
	StrBuf sql;
	bool ok;

	strbuf_init(&sql);
	strbuf_puts(&sql, "UPDATE dts.target_part t SET state = 'done', rows_done = v.rows, "
	                  "bytes_done = v.bytes FROM (VALUES ");
	for (int i = 0; i < batch->count; i++)
		strbuf_printf(&sql, "%s(%" PRId64 "::bigint, %" PRId64 "::bigint, %" PRId64 "::bigint)",
		              i > 0 ? ", " : "", batch->tasks[i].id, batch->rows[i], batch->bytes[i]);
	strbuf_puts(&sql, ") v(id, rows, bytes) WHERE t.slot_name = $1 AND t.part_id = v.id");
	ok = pg_session_exec(target, err, sql.data, 1, params);
	strbuf_free(&sql);
	return ok;
}

bool
copy_take_set_aside(PgSession *target, const Job *job, uint32_t table_oid, Error *err)
{
	char number[16];
	const char *params[] = {job->slot_name, number};
	char sql[384];

	/* parts that others have in hand go on: what they copy is right, or they notice themselves */
	snprintf(number, sizeof(number), "%" PRIu32, table_oid);
	snprintf(sql, sizeof(sql),
	         "UPDATE dts.target_part SET kind = 'changed' WHERE slot_name = $1 AND part_id IN ("
	         "SELECT part_id FROM dts.target_part WHERE slot_name = $1 AND state = 'todo' AND "
	         "stage = %d AND table_oid = CAST($2 AS bigint) FOR UPDATE SKIP LOCKED)",
	         STAGE_DATA);
	return pg_session_exec(target, err, sql, 2, params);
}
