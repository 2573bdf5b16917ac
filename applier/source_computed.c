/*
 * source_computed.c
 *		See source_computed.h.
 *
 * A query of no rows is asked for, whose description has the types.
 */
#include "source_computed.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>

#include "row_expr.h"
#include "strbuf.h"

static bool
store_type(PgSession *source, const Job *job, JobColumn *column, const PGresult *result, int field,
           Error *err)
{
	char sql[128];
	PgRows *rows;

	snprintf(sql, sizeof(sql), "SELECT pg_catalog.format_type(%" PRIu32 ", %d)",
	         (uint32_t) PQftype(result, field), PQfmod(result, field));
	rows = pg_session_query(source, err, sql, 0, NULL);
	if (rows == NULL)
		return false;
	column->type = arena_strdup(job->arena, pg_rows_get(rows, 0, 0));
	pg_rows_free(rows);
	return true;
}

static bool
look_table(PgSession *source, const Job *job, const char *schema, const char *table,
           const JobTable *details, Error *err)
{
	PGconn *conn = pg_session_conn(source);
	PGresult *result;
	StrBuf sql;
	bool ok = true;
	int n = 0;

	strbuf_init(&sql);
	strbuf_puts(&sql, "SELECT ");
	for (int i = 0; ok && i < details->column_count; i++)
	{
		const char *expr;

		if (details->columns[i].expr == NULL)
			continue;
		expr = row_expr_canonical(job->arena, details->columns[i].expr, err);
		ok = expr != NULL;
		strbuf_printf(&sql, "%s(%s)", n++ > 0 ? ", " : "", ok ? expr : "");
	}
	strbuf_puts(&sql, " FROM ONLY ");
	strbuf_qualified(&sql, schema, table);
	strbuf_puts(&sql, " LIMIT 0");
	if (!ok || n == 0)
	{
		strbuf_free(&sql);
		return ok;
	}
	result = PQexec(conn, sql.data);
	strbuf_free(&sql);
	ok = PQresultStatus(result) == PGRES_TUPLES_OK;
	if (!ok)
		pg_session_error(err, conn, result);
	n = 0;
	for (int i = 0; ok && i < details->column_count; i++)
	{
		if (details->columns[i].expr != NULL)
			ok = store_type(source, job, &details->columns[i], result, n++, err);
	}
	PQclear(result);
	if (!ok)
		error_context(err, "computed columns of table \"%s\".\"%s\"", schema, table);
	return ok;
}

bool
source_computed_types(PgSession *source, const Job *job, Error *err)
{
	for (int i = 0; i < job->options.object_count; i++)
	{
		const JobObject *object = &job->options.objects[i];

		for (int t = 0; object->details != NULL && t < object->table_count; t++)
		{
			if (!look_table(source, job, object->schema, object->tables[t], &object->details[t],
			                err))
				return false;
		}
	}
	return true;
}
