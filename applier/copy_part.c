/*
 * copy_part.c
 *		COPY to COPY, and sequences; see copy_part.h.
 *
 * The source's table is locked first and looked at then: after a rewriting ALTER, TRUNCATE or
 * VACUUM FULL the old snapshot would see no rows, or other ones, without any error.
 */
#include "copy_part.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy_catalog.h"
#include "object_map.h"
#include "strbuf.h"

#define SEND_BYTES     (64 * 1024)
#define PROGRESS_BYTES (2 * 1024 * 1024)
#define SEQUENCE_BATCH 100

static bool
table_changed(Error *err, CopyPartEnd *end, const CopyTask *task, const char *detail)
{
	*end = PART_CHANGED;
	error_set(err, ERR_OBJECT_STATE, "table \"%s\".\"%s\" changed while it was being loaded",
	          task->schema, task->table);
	error_detail(err, "%s", detail);
	return false;
}

/*
 * Whether the error is that of a row filter or expression.  The table was found unchanged, so a column
 * that does not exist is theirs as well.
 */
static bool
expression_failed(Error *err, const CopyTask *task)
{
	static const char *const others[] = {"08", "40", "53", "55", "57", "58", "XX"};
	Error told;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
	{
		if (strncmp(err->sqlstate, others[i], 2) == 0)
			return false;
	}
	if (task->source_sql == NULL || strstr(task->source_sql, COPY_SHAPED) == NULL)
		return false;
	error_set(&told, err->sqlstate, "row filter or expression of table \"%s\".\"%s\" fails: %.800s",
	          task->schema, task->table, err->message);
	error_detail(&told, "%s", err->detail);
	*err = told;
	error_hint(err,
	           "Take the table out with dts_remove_tables, or change what the options say of it "
	           "with dts_modify_objects; then dts_retry_job.");
	return true;
}

/* What the source's error means for the part. */
static bool
source_failed(Error *err, CopyPartEnd *end, const CopyTask *task)
{
	/* renamed or dropped: the table, its schema or a column */
	if (strcmp(err->sqlstate, "42P01") == 0 || strcmp(err->sqlstate, "3F000") == 0 ||
	    strcmp(err->sqlstate, "42703") == 0)
		return table_changed(err, end, task,
		                     "It, or a column of it, no longer exists under that name on the "
		                     "source.");
	/* cancelled or ended for somebody who waits, or waiting itself for somebody who has the table */
	*end = strcmp(err->sqlstate, "57014") == 0 || strcmp(err->sqlstate, "57P01") == 0 ||
	               strcmp(err->sqlstate, "55P03") == 0 || strcmp(err->sqlstate, "40P01") == 0
	           ? PART_GAVE_WAY
	           : PART_FAILED;
	return false;
}

/* Whether the columns that the server has now are those that stand in the snapshot's catalogs. */
static bool
same_columns(const PGresult *now, const char *names)
{
	StrBuf list;
	bool same;

	strbuf_init(&list);
	for (int i = 0; i < PQnfields(now); i++)
		strbuf_printf(&list, "%s%s", i > 0 ? "," : "", PQfname(now, i));
	same = strcmp(list.data, names) == 0;
	strbuf_free(&list);
	return same;
}

/*
 * Locks the source's table and makes sure that it is what the snapshot shows.  The catalogs are read
 * with the snapshot; functions, and the columns of SELECT *, see what is now.
 */
static bool
lock_and_look(const CopyTask *task, PgSession *source, CopyPartEnd *end, Error *err)
{
	PGconn *conn = pg_session_conn(source);
	PGresult *results[3] = {NULL, NULL, NULL};
	PGresult *result;
	StrBuf sql, name;
	int n = 0;
	bool ok = true;

	strbuf_init(&name);
	strbuf_qualified(&name, task->schema, task->table);
	strbuf_init(&sql);
	strbuf_printf(&sql, "LOCK TABLE ONLY %s IN ACCESS SHARE MODE; ", name.data);
	strbuf_puts(&sql, "SELECT relfilenode = pg_catalog.pg_relation_filenode(oid) AND oid = CAST(");
	strbuf_literal(&sql, name.data);
	strbuf_printf(&sql,
	              " AS regclass), (SELECT coalesce(string_agg(attname, ',' ORDER BY attnum), '') "
	              "FROM pg_catalog.pg_attribute WHERE attrelid = %" PRIu32
	              " AND attnum > 0 AND NOT attisdropped) FROM pg_catalog.pg_class WHERE oid = "
	              "%" PRIu32 "; SELECT * FROM ONLY %s LIMIT 0",
	              task->table_oid, task->table_oid, name.data);
	pg_session_pass(source);
	ok = PQsendQuery(conn, sql.data) == 1;
	strbuf_free(&sql);
	strbuf_free(&name);
	if (!ok)
		pg_session_error(err, conn, NULL);
	while (ok && (result = PQgetResult(conn)) != NULL)
	{
		ExecStatusType status = PQresultStatus(result);

		if (!err->set && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
			pg_session_error(err, conn, result);
		if (!err->set && n < 3)
			results[n++] = result;
		else
			PQclear(result);
		if (PQstatus(conn) != CONNECTION_OK)
			break;
	}
	if (err->set)
		ok = source_failed(err, end, task);
	else if (n < 3)
	{
		error_set(err, ERR_CONNECTION, "connection to server lost");
		ok = false;
	}
	else if (PQntuples(results[1]) != 1 || PQgetvalue(results[1], 0, 0)[0] != 't')
		ok = table_changed(err, end, task,
		                   "It was rewritten, truncated or replaced on the source after the "
		                   "load's snapshot was taken.");
	else if (!same_columns(results[2], PQgetvalue(results[1], 0, 1)))
		ok = table_changed(err, end, task,
		                   "Its columns were changed on the source after the load's snapshot was "
		                   "taken.");
	for (int i = 0; i < n; i++)
		PQclear(results[i]);
	return ok;
}

static bool
copy_begin(PgSession *session, const char *sql, ExecStatusType expected, Error *err)
{
	PGconn *conn = pg_session_conn(session);
	PGresult *result;
	bool ok;

	pg_session_pass(session);
	result = PQexec(conn, sql);
	ok = PQresultStatus(result) == expected;
	if (!ok)
		pg_session_error(err, conn, result);
	PQclear(result);
	return ok;
}

/* Reads every result that is left; the first error counts.  Returns the tag's row count. */
static bool
copy_finish(PgSession *session, int64_t *rows, Error *err)
{
	PGconn *conn = pg_session_conn(session);
	PGresult *result;
	bool ok = true;

	while ((result = PQgetResult(conn)) != NULL)
	{
		if (PQresultStatus(result) == PGRES_COMMAND_OK)
			*rows = strtoll(PQcmdTuples(result), NULL, 10);
		else if (ok)
		{
			pg_session_error(err, conn, result);
			ok = false;
		}
		PQclear(result);
		if (PQstatus(conn) != CONNECTION_OK)
			break;
	}
	if (ok && PQstatus(conn) != CONNECTION_OK)
	{
		pg_session_error(err, conn, NULL);
		ok = false;
	}
	return ok;
}

static bool
send_bytes(PgSession *target, const char *bytes, size_t len, Error *err)
{
	int64_t ignored;

	if (len == 0 || PQputCopyData(pg_session_conn(target), bytes, (int) len) == 1)
		return true;
	pg_session_error(err, pg_session_conn(target), NULL);
	/* the server's own word on why it hung up says more */
	if (PQstatus(pg_session_conn(target)) == CONNECTION_OK)
	{
		Error more = {0};

		if (!copy_finish(target, &ignored, &more))
			*err = more;
	}
	return false;
}

static bool
has_input(PgSession *session)
{
	struct pollfd fd = {.fd = pg_session_socket(session), .events = POLLIN};

	return poll(&fd, 1, 0) > 0;
}

/*
 * The loop.  The server sends a message a row; they are gathered, since every message costs the
 * receiving side.  A row larger than the gathering buffer goes out by itself, without a copy.
 */
static bool
pump(const CopyPart *part, PgSession *source, PgSession *target, int64_t *bytes, bool *whole,
     Error *err)
{
	PGconn *from = pg_session_conn(source);
	char *buffer = xmalloc(SEND_BYTES);
	size_t used = 0;
	int64_t rows = 0;
	int64_t told = 0;
	char *row;
	int len = 0;
	bool ok = true;

	*bytes = 0;
	*whole = false;
	while (ok && (len = PQgetCopyData(from, &row, 0)) > 0)
	{
		if (used + (size_t) len > SEND_BYTES)
		{
			ok = send_bytes(target, buffer, used, err);
			used = 0;
		}
		if (ok && (size_t) len > SEND_BYTES)
			ok = send_bytes(target, row, (size_t) len, err);
		else
		{
			memcpy(buffer + used, row, (size_t) len);
			used += (size_t) len;
		}
		PQfreemem(row);
		rows++;
		*bytes += len;
		if (copy_pace_copied(part->pace, 1, len) || *bytes - told >= PROGRESS_BYTES)
		{
			told = *bytes;
			part->progress(part->arg, rows, *bytes);
			/* the target hardly says anything during a COPY but that it has failed */
			if (ok && !part->deaf && has_input(target))
				break; /* not to the end: *whole stays false */
		}
	}
	*whole = len == -1;
	if (ok && len == -2)
	{
		pg_session_error(err, from, NULL);
		ok = false;
	}
	if (ok)
		ok = send_bytes(target, buffer, used, err);
	free(buffer);
	return ok;
}

/* Never lets the target take a cut-off stream for a whole one.  False: with its own word in err. */
static bool
cut_off(PgSession *target, Error *err)
{
	int64_t ignored = 0;

	if (PQputCopyEnd(pg_session_conn(target), "the rows end too early") == 1)
		return copy_finish(target, &ignored, err);
	pg_session_error(err, pg_session_conn(target), NULL);
	return false;
}

static bool
transfer(const CopyPart *part, PgSession *source, PgSession *target, int64_t *rows, int64_t *bytes,
         CopyPartEnd *end, Error *err)
{
	int64_t sent = 0;
	int64_t stored = 0;
	Error second = {0};
	bool whole;

	*end = PART_FAILED;
	if (!copy_begin(target, part->target_sql, PGRES_COPY_IN, err))
		return false;
	if (!copy_begin(source, part->task->source_sql, PGRES_COPY_OUT, err))
	{
		if (!cut_off(target, &second))
			error_clear(&second); /* what it says is what we told it */
		return !expression_failed(err, part->task) && source_failed(err, end, part->task);
	}
	if (!pump(part, source, target, bytes, &whole, err))
		return false;
	if (!whole)
	{
		/* its own error is what counts; if it had none, it repeats what we told it */
		if (cut_off(target, err) || strcmp(err->sqlstate, "57014") == 0)
			*end = PART_AGAIN;
		return false;
	}
	if (!copy_finish(source, &sent, err))
	{
		if (!cut_off(target, &second))
			error_clear(&second);
		return !expression_failed(err, part->task) && source_failed(err, end, part->task);
	}
	if (PQputCopyEnd(pg_session_conn(target), NULL) != 1)
	{
		pg_session_error(err, pg_session_conn(target), NULL);
		return false;
	}
	if (!copy_finish(target, &stored, err))
		return false;
	*rows = stored;
	if (sent != stored)
	{
		error_set(err, ERR_INTERNAL, "the source sent %" PRId64 " rows, the target took %" PRId64,
		          sent, stored);
		error_hint(err, "Look for a trigger or rule with ENABLE ALWAYS or REPLICA on the table.");
		return false;
	}
	return true;
}

/* An empty copy of the target's table that rows pass through.  Types only, no constraints. */
static bool
merge_begin(const CopyPart *part, PgSession *target, Error *err)
{
	StrBuf sql;
	bool ok;

	strbuf_init(&sql);
	strbuf_puts(&sql, "CREATE TEMPORARY TABLE " COPY_STAGING_TABLE
	                  " ON COMMIT DROP AS SELECT * FROM ONLY ");
	object_map_put(part->map, &sql, part->task->schema, part->task->table);
	strbuf_puts(&sql, " WITH NO DATA");
	ok = pg_session_exec(target, err, sql.data, 0, NULL);
	strbuf_free(&sql);
	return ok;
}

/* The columns of the merge stand in the task's COPY statement: COPY staging (...) FROM. */
static bool
merge_end(const CopyPart *part, PgSession *target, int64_t *rows, Error *err)
{
	const CopyTask *task = part->task;
	const char *from = strstr(task->target_sql, COPY_STAGING_TABLE " (");
	const char *to = strstr(task->target_sql, ") FROM STDIN");
	StrBuf sql;
	PgRows *result;

	/* the last one: a column may be named so */
	for (const char *next = to; next != NULL; next = strstr(next + 1, ") FROM STDIN"))
		to = next;
	if (from == NULL || to == NULL)
	{
		error_set(err, ERR_INTERNAL, "merge without columns");
		return false;
	}
	from += sizeof(COPY_STAGING_TABLE " (") - 1;
	strbuf_init(&sql);
	strbuf_puts(&sql, "INSERT INTO ");
	object_map_put(part->map, &sql, task->schema, task->table);
	strbuf_puts(&sql, " (");
	strbuf_add(&sql, from, (size_t) (to - from));
	strbuf_puts(&sql, ") OVERRIDING SYSTEM VALUE SELECT ");
	strbuf_add(&sql, from, (size_t) (to - from));
	strbuf_puts(&sql, " FROM " COPY_STAGING_TABLE " ON CONFLICT DO NOTHING");
	result = pg_session_query(target, err, sql.data, 0, NULL);
	strbuf_free(&sql);
	if (result == NULL)
		return false;
	*rows = pg_rows_affected(result);
	pg_rows_free(result);
	return pg_session_exec(target, err, "DROP TABLE " COPY_STAGING_TABLE, 0, NULL);
}

bool
copy_part_begin(PgSession *source, const char *snapshot, CopyPartEnd *end, Error *err)
{
	bool lost = false;
	bool ok = copy_snapshot_begin(source, snapshot, &lost, err);

	*end = lost ? PART_SNAPSHOT_LOST : PART_FAILED;
	return ok;
}

bool
copy_part_end(PgSession *source)
{
	Error ignored = {0};

	/* a transfer that failed on the target's side leaves the source in the middle of its COPY */
	if (PQtransactionStatus(pg_session_conn(source)) == PQTRANS_IDLE)
		return true;
	return PQtransactionStatus(pg_session_conn(source)) != PQTRANS_ACTIVE &&
	       pg_session_exec(source, &ignored, "ROLLBACK", 0, NULL);
}

bool
copy_part_run(const CopyPart *part, PgSession *source, PgSession *target, int64_t *rows,
              int64_t *bytes, CopyPartEnd *end, Error *err)
{
	bool ok;

	*rows = *bytes = 0;
	*end = PART_FAILED;
	if (part->task->bytes_estimated >= PROGRESS_BYTES)
		part->progress(part->arg, 0, 0); /* it has begun */
	ok = lock_and_look(part->task, source, end, err) &&
	     (!part->merge || merge_begin(part, target, err)) &&
	     transfer(part, source, target, rows, bytes, end, err);
	return ok && (!part->merge || merge_end(part, target, rows, err));
}

/* The sequences of the source: schema, name, and schema and name of the table that owns it. */
static const char sequences_query[] =
    "SELECT n.nspname, c.relname, tn.nspname, t.relname FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND "
    " d.objsubid = 0 AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND "
    " d.deptype IN ('a', 'i') "
    "LEFT JOIN pg_class t ON t.oid = d.refobjid "
    "LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace "
    "WHERE c.relkind = 'S' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND NOT EXISTS ("
    " SELECT FROM pg_depend e JOIN pg_extension x ON x.oid = e.refobjid WHERE e.classid = "
    " 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e' AND "
    " array_position(x.extconfig, c.oid) IS NULL) ORDER BY 1, 2";

static bool
sequence_wanted(const Job *job, const PgRows *rows, int i)
{
	const char *schema = pg_rows_get(rows, i, 0);
	const char *name = pg_rows_get(rows, i, 1);

	if (copy_is_own(schema, name))
		return false;
	if (pg_rows_get(rows, i, 2) != NULL &&
	    job_selects(job, pg_rows_get(rows, i, 2), pg_rows_get(rows, i, 3)))
		return true;
	/* of a schema that is selected by tables, one that nobody owns may be one they need */
	return pg_rows_get(rows, i, 2) == NULL && copy_schema_selection(job, schema) != SCHEMA_NONE;
}

/* Reads the values of some sequences and sets those that exist on the target. */
static bool
sequences_set(PgSession *source, PgSession *target, const StrBuf *query, Error *err)
{
	PgRows *values = pg_session_query(source, err, query->data, 0, NULL);
	bool ok = values != NULL;
	StrBuf set;

	if (!ok)
		return false;
	strbuf_init(&set);
	for (int i = 0; i < pg_rows_count(values); i++)
	{
		strbuf_puts(&set, i == 0
		                      ? "SELECT pg_catalog.setval(pg_catalog.to_regclass(v.name), v.value, "
		                        "v.called) FROM (VALUES "
		                      : ", ");
		strbuf_puts(&set, "(CAST(");
		strbuf_literal(&set, pg_rows_get(values, i, 0));
		strbuf_printf(&set, " AS text), CAST('%s' AS bigint), CAST('%s' AS boolean))",
		              pg_rows_get(values, i, 1), pg_rows_get(values, i, 2));
	}
	/* one look for each, where a join may read all of pg_class */
	strbuf_puts(&set, ") v(name, value, called) WHERE (SELECT s.relkind FROM pg_catalog.pg_class s "
	                  "WHERE s.oid = pg_catalog.to_regclass(v.name)) = 'S'");
	if (pg_rows_count(values) > 0)
		ok = pg_session_exec(target, err, set.data, 0, NULL);
	strbuf_free(&set);
	pg_rows_free(values);
	return ok;
}

/* Those that a task names: its source_sql reads them. */
static bool
named_sequences_run(const char *sql, PgSession *source, PgSession *target, Error *err)
{
	StrBuf query;
	bool ok;

	strbuf_init(&query);
	strbuf_puts(&query, sql);
	ok = sequences_set(source, target, &query, err);
	strbuf_free(&query);
	return ok;
}

/* What is selected to read a sequence: its name on the target, and its value. */
void
copy_sequence_put(const Job *job, StrBuf *to, const char *schema, const char *sequence)
{
	StrBuf name;

	strbuf_init(&name);
	object_map_put(job->options.map, &name, schema, sequence);
	strbuf_literal(to, name.data);
	strbuf_puts(to, ", last_value, is_called FROM ");
	strbuf_qualified(to, schema, sequence);
	strbuf_free(&name);
}

bool
copy_sequences_run(const Job *job, const char *sql, PgSession *source, PgSession *target,
                   Error *err)
{
	PgRows *rows;
	StrBuf query;
	int gathered = 0;
	bool ok;

	if (sql[0] != '\0')
		return named_sequences_run(sql, source, target, err);
	rows = pg_session_query(source, err, sequences_query, 0, NULL);
	ok = rows != NULL;
	if (!ok)
		return false;
	strbuf_init(&query);
	for (int i = 0; ok && i < pg_rows_count(rows); i++)
	{
		if (sequence_wanted(job, rows, i))
		{
			strbuf_puts(&query, gathered++ == 0 ? "SELECT " : " UNION ALL SELECT ");
			copy_sequence_put(job, &query, pg_rows_get(rows, i, 0), pg_rows_get(rows, i, 1));
		}
		if (gathered > 0 && (gathered == SEQUENCE_BATCH || i == pg_rows_count(rows) - 1))
		{
			ok = sequences_set(source, target, &query, err);
			strbuf_reset(&query);
			gathered = 0;
		}
	}
	strbuf_free(&query);
	pg_rows_free(rows);
	return ok;
}
