/*
 * copy_table.c
 *		Statements on dts.target_table; see copy_table.h.
 */
#include "copy_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "copy_queue.h"

enum
{
	COL_OID,
	COL_SCHEMA,
	COL_NAME,
	COL_STATE,
	COL_START,
	COL_SNAPSHOT,
	COL_APPLIED,
	COL_HOLD,
	COL_REASON,
	COL_TO_EMPTY,
};

static SourceLsn
lsn_of(const PgRows *rows, int row, int column)
{
	const char *text = pg_rows_get(rows, row, column);
	uint64_t value = 0;

	return source_lsn(text != NULL && lsn_parse(text, &value) ? value : 0);
}

static bool
read_row(GateTable *table, const PgRows *rows, int row, Arena *arena, Error *err)
{
	const char *snapshot = pg_rows_get(rows, row, COL_SNAPSHOT);

	table->oid = (uint32_t) pg_rows_int(rows, row, COL_OID);
	table->schema = arena_strdup(arena, pg_rows_get(rows, row, COL_SCHEMA));
	table->name = arena_strdup(arena, pg_rows_get(rows, row, COL_NAME));
	table->start = lsn_of(rows, row, COL_START);
	table->applied = lsn_of(rows, row, COL_APPLIED);
	table->hold = lsn_of(rows, row, COL_HOLD);
	if (gate_state_parse(pg_rows_get(rows, row, COL_STATE), &table->state) &&
	    (snapshot == NULL || gate_snapshot_parse(&table->snapshot, snapshot, arena)))
		return true;
	error_set(err, ERR_INTERNAL, "row of table \"%s\".\"%s\" in dts.target_table makes no sense",
	          table->schema, table->name);
	error_hint(err, "Run a dts_applier of the version that wrote it.");
	return false;
}

bool
copy_tables_read(CopyTables *tables, PgSession *target, const Job *job, Arena *arena, Error *err)
{
	const char *params[] = {job->slot_name};
	PgRows *rows = pg_session_query(
	    target, err,
	    "SELECT table_oid, schema_name, table_name, state, start_lsn, start_snapshot, applied_lsn, "
	    "hold_lsn, coalesce(reason, ''), to_empty FROM dts.target_table WHERE slot_name = $1 ORDER "
	    "BY "
	    "table_oid",
	    1, params);
	bool ok = rows != NULL;

	memset(tables, 0, sizeof(*tables));
	if (!ok)
		return false;
	tables->count = pg_rows_count(rows);
	tables->tables = arena_zalloc(arena, sizeof(GateTable) * ((size_t) tables->count + 1));
	tables->reasons = arena_zalloc(arena, sizeof(char *) * ((size_t) tables->count + 1));
	tables->to_empty = arena_zalloc(arena, sizeof(bool) * ((size_t) tables->count + 1));
	for (int i = 0; ok && i < tables->count; i++)
	{
		tables->to_empty[i] = pg_rows_bool(rows, i, COL_TO_EMPTY);
		ok = read_row(&tables->tables[i], rows, i, arena, err);
		tables->reasons[i] = arena_strdup(arena, pg_rows_get(rows, i, COL_REASON));
	}
	pg_rows_free(rows);
	return ok;
}

GateTable *
copy_tables_find(const CopyTables *tables, uint32_t oid)
{
	int low = 0;
	int high = tables->count - 1;

	while (low <= high)
	{
		int middle = low + (high - low) / 2;

		if (tables->tables[middle].oid == oid)
			return &tables->tables[middle];
		if (tables->tables[middle].oid < oid)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}

void
copy_tables_put_waiting(const CopyTables *tables, StrBuf *sql)
{
	strbuf_puts(sql, " IN (0");
	for (int i = 0; i < tables->count; i++)
	{
		if (tables->tables[i].state == GATE_WAITING)
			strbuf_printf(sql, ", %" PRIu32, tables->tables[i].oid);
	}
	strbuf_puts(sql, ")");
}

bool
copy_tables_begin(PgSession *target, const Job *job, const char *tables, Error *err)
{
	const char *params[] = {job->slot_name};
	StrBuf sql;
	bool ok;

	strbuf_init(&sql);
	strbuf_puts(&sql, "UPDATE dts.target_table t SET state = 'copying', start_lsn = "
	                  "p.snapshot_lsn, start_snapshot = p.snapshot_xids, applied_lsn = NULL, "
	                  "reason = NULL, copies = t.copies + 1, since = clock_timestamp(), copied_at "
	                  "= NULL, joined_at = NULL FROM dts.target_progress p WHERE p.slot_name = "
	                  "t.slot_name AND t.slot_name = $1 AND t.table_oid IN (");
	strbuf_puts(&sql, tables);
	strbuf_puts(&sql, ")");
	ok = pg_session_exec(target, err, sql.data, 1, params);
	strbuf_free(&sql);
	return ok;
}

bool
copy_tables_finish(PgSession *target, const Job *job, Error *err)
{
	const char *params[] = {job->slot_name};
	char sql[512];

	snprintf(sql, sizeof(sql),
	         "UPDATE dts.target_table t SET state = 'copied', copied_at = clock_timestamp(), since "
	         "= clock_timestamp() WHERE slot_name = $1 AND state = 'copying' AND NOT EXISTS ("
	         "SELECT FROM dts.target_part p WHERE p.slot_name = t.slot_name AND p.table_oid = "
	         "t.table_oid AND p.state = 'todo' AND p.stage + 0 <= %d)",
	         STAGE_INDEX);
	return pg_session_exec(target, err, sql, 1, params);
}

bool
copy_tables_join(PgSession *target, const Job *job, Error *err)
{
	const char *params[] = {job->slot_name};

	return pg_session_exec(target, err,
	                       "UPDATE dts.target_table SET state = 'joined', copied_at = "
	                       "coalesce(copied_at, clock_timestamp()), joined_at = clock_timestamp(), "
	                       "since = clock_timestamp() WHERE slot_name = $1 AND state IN "
	                       "('copying', 'copied')",
	                       1, params);
}

bool
copy_tables_restart(PgSession *target, const Job *job, Error *err)
{
	const char *params[] = {job->slot_name};
	char sql[512];

	snprintf(sql, sizeof(sql),
	         "UPDATE dts.target_table t SET state = 'waiting', start_lsn = NULL, start_snapshot = "
	         "NULL, since = clock_timestamp() WHERE slot_name = $1 AND state = 'copying' AND EXISTS"
	         " (SELECT FROM dts.target_part p WHERE p.slot_name = t.slot_name AND p.table_oid = "
	         "t.table_oid AND p.state = 'todo' AND p.stage + 0 <= %d)",
	         STAGE_DATA);
	if (!pg_session_exec(target, err, sql, 1, params))
		return false;
	snprintf(sql, sizeof(sql),
	         "DELETE FROM dts.target_part p USING dts.target_table t WHERE p.slot_name = $1 AND "
	         "t.slot_name = p.slot_name AND t.table_oid = p.table_oid AND t.state = 'waiting' AND "
	         "p.stage IN (%d, %d)",
	         STAGE_DATA, STAGE_ANALYZE);
	if (!pg_session_exec(target, err, sql, 1, params) ||
	    !pg_session_exec(
	        target, err,
	        "UPDATE dts.target_part p SET state = 'todo' FROM dts.target_table t WHERE "
	        "p.slot_name = $1 AND t.slot_name = p.slot_name AND t.table_oid = "
	        "p.table_oid AND t.state = 'waiting' AND p.state = 'parked'",
	        1, params) ||
	    !pg_session_exec(target, err,
	                     "DELETE FROM dts.target_part WHERE slot_name = $1 AND kind = "
	                     "'sequences' AND source_sql IS NULL",
	                     1, params))
		return false;
	/* what stands as "done" was empty before us or has been emptied by us: the rows are ours */
	snprintf(sql, sizeof(sql),
	         "UPDATE dts.target_part p SET state = 'todo' FROM dts.target_table t WHERE "
	         "p.slot_name = $1 AND t.slot_name = p.slot_name AND t.table_oid = p.table_oid AND "
	         "t.state = 'waiting' AND p.stage = %d",
	         STAGE_EMPTY);
	return pg_session_exec(target, err, sql, 1, params);
}

bool
copy_tables_diverge(PgSession *target, const Job *job, bool *diverge, Error *err)
{
	const char *params[] = {job->slot_name};
	PgRows *rows = pg_session_query(target, err,
	                                "SELECT count(DISTINCT concat_ws(' ', start_lsn, "
	                                "start_snapshot)) > 1 FROM dts.target_table WHERE slot_name = "
	                                "$1 AND start_lsn IS NOT NULL",
	                                1, params);

	if (rows == NULL)
		return false;
	*diverge = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

bool
copy_tables_forget(PgSession *target, const Job *job, Error *err)
{
	const char *params[] = {job->slot_name};

	return pg_session_exec(target, err,
	                       "UPDATE dts.target_table SET state = 'waiting', start_lsn = NULL, "
	                       "start_snapshot = NULL WHERE slot_name = $1",
	                       1, params);
}
