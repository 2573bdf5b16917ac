/*
 * source_computed.c
 *		See source_computed.h.
 *
 * The description of a query without rows has the types.
 */
#include "source_computed.h"

#include <inttypes.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

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

static void
take_name(void *arg, const char *name)
{
	json_array_append_new(arg, json_string(name));
}

static void
take_names(const Job *job, const JobTable *details, json_t *names)
{
	if (details->where != NULL)
		row_expr_functions(job->arena, details->where, take_name, names);
	for (int i = 0; i < details->column_count; i++)
	{
		if (details->columns[i].expr != NULL)
			row_expr_functions(job->arena, details->columns[i].expr, take_name, names);
	}
}

static bool
ask_harmless(PgSession *source, const json_t *names, Error *err)
{
	char *text = json_dumps(names, JSON_COMPACT);
	const char *params[] = {text};
	PgRows *rows = pg_session_query(
	    source, err,
	    "SELECT f.name FROM pg_catalog.jsonb_array_elements_text($1::jsonb) AS f(name) WHERE NOT "
	    "EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.proname = f.name AND p.pronamespace = "
	    "'pg_catalog'::regnamespace AND p.provolatile = 'i' AND p.prokind = 'f') LIMIT 1",
	    1, params);
	bool ok = rows != NULL && pg_rows_count(rows) == 0;

	free(text);
	if (rows != NULL && !ok)
	{
		error_set(err, "0A000", "function \"%s\" in a row filter or expression is not allowed",
		          pg_rows_get(rows, 0, 0));
		error_detail(err, "No immutable built-in function has that name.");
		error_hint(err, "Write the expression with immutable built-in functions.");
	}
	pg_rows_free(rows);
	return ok;
}

bool
source_functions_harmless(PgSession *source, const Job *job, Error *err)
{
	const JobOptions *options = &job->options;
	json_t *names = json_array();
	bool ok;

	for (int i = 0; i < options->object_count; i++)
	{
		for (int t = 0; options->objects[i].details != NULL && t < options->objects[i].table_count;
		     t++)
			take_names(job, &options->objects[i].details[t], names);
	}
	ok = json_array_size(names) == 0 || ask_harmless(source, names, err);
	json_decref(names);
	return ok;
}
