/*
 * source_check_shapes.c
 *		See source_check_shapes.h.
 *
 * The decoder itself is asked, through a temporary slot: it refuses what it would refuse in the stream,
 * with the same words.  Where no slot can be made now, the query of the copy is tried, which finds what
 * does not exist or has the wrong type, but not what is not immutable.
 */
#include "source_check_shapes.h"

#include <stdio.h>
#include <string.h>

#include "decoder_options.h"
#include "row_expr.h"
#include "source_computed.h"
#include "strbuf.h"

#define PROBE "dts_sync_shapes_"

typedef struct ShapeCheck
{
	Precheck *p;
	char slot[64]; /* "": none now */
	bool no_slot;  /* none could be made */
	StrBuf detail;
	StrBuf remedy;
	int tables;
	int failed;
} ShapeCheck;

static void
add_failure(ShapeCheck *c, const char *schema, const char *table, const Error *err)
{
	c->failed++;
	if (c->failed > 10)
		return;
	strbuf_puts(&c->detail, c->failed > 1 ? "; " : "");
	/* the decoder names the table itself, which may be a partition */
	if (strstr(err->message, table) == NULL)
		strbuf_printf(&c->detail, "table \"%s\".\"%s\": ", schema, table);
	strbuf_printf(&c->detail, "%s", err->message);
	if (err->detail[0] != '\0')
		strbuf_printf(&c->detail, " (%s)", err->detail);
	if (err->hint[0] != '\0' && strstr(c->remedy.data, err->hint) == NULL)
		strbuf_printf(&c->remedy, "%s%s", c->remedy.len > 0 ? " " : "", err->hint);
}

/* Making a slot waits for running transactions, so it gets a moment only.  False: the session is gone. */
static bool
make_slot(ShapeCheck *c)
{
	PgSession *source = c->p->source;
	Error err;
	char sql[256];
	PgRows *rows = pg_session_query(source, &err,
	                                "SELECT pg_catalog.pg_backend_pid() WHERE "
	                                "pg_catalog.current_setting('wal_level') = 'logical' AND NOT "
	                                "pg_catalog.pg_is_in_recovery()",
	                                0, NULL);
	bool made = false;

	if (rows != NULL && pg_rows_count(rows) == 1)
	{
		snprintf(c->slot, sizeof(c->slot), PROBE "%s", pg_rows_get(rows, 0, 0));
		snprintf(sql, sizeof(sql),
		         "SELECT pg_catalog.pg_create_logical_replication_slot('%s', 'dts_decoder', true)",
		         c->slot);
		made = pg_session_exec(source, &err, "SET statement_timeout = '3s'", 0, NULL) &&
		       pg_session_exec(source, &err, sql, 0, NULL);
	}
	pg_rows_free(rows);
	if (!made)
		c->slot[0] = '\0';
	c->no_slot = !made;
	return pg_session_exec(source, &err, "SET statement_timeout = 0", 0, NULL);
}

static void
drop_slot(const ShapeCheck *c)
{
	Error ignored;
	const char *params[] = {c->slot};

	/* failing is no harm: the slot goes with the session */
	if (c->slot[0] != '\0' &&
	    !pg_session_exec(c->p->source, &ignored, "SELECT pg_catalog.pg_drop_replication_slot($1)",
	                     1, params))
		error_clear(&ignored);
}

static bool
ask_decoder(ShapeCheck *c, const char *shapes, Error *err)
{
	const char *params[] = {c->slot, shapes};
	bool ok;

	ok = pg_session_exec(c->p->source, err,
	                     "SELECT pg_catalog.pg_logical_slot_peek_binary_changes($1, '0/1', NULL, "
	                     "'protocol_version', '1', 'check_shapes', 'on', 'shapes', $2)",
	                     2, params);
	/* an error takes a temporary slot with it */
	if (!ok)
		c->slot[0] = '\0';
	return ok;
}

/* Its parts have been read as expressions before. */
static bool
try_query(const ShapeCheck *c, const char *schema, const char *table, const JobTable *details,
          Error *err)
{
	StrBuf sql;
	bool ok = true;

	strbuf_init(&sql);
	strbuf_puts(&sql, "SELECT ");
	if (details->column_count == 0)
		strbuf_puts(&sql, "*");
	for (int i = 0; ok && i < details->column_count; i++)
	{
		const JobColumn *column = &details->columns[i];
		const char *expr =
		    column->expr != NULL ? row_expr_canonical(c->p->arena, column->expr, err) : NULL;

		ok = column->expr == NULL || expr != NULL;
		strbuf_puts(&sql, i > 0 ? ", " : "");
		if (expr != NULL)
			strbuf_printf(&sql, "(%s)", expr);
		else
			strbuf_ident(&sql, column->name);
	}
	strbuf_puts(&sql, " FROM ONLY ");
	strbuf_qualified(&sql, schema, table);
	if (ok && details->where != NULL)
	{
		const char *where = row_expr_canonical(c->p->arena, details->where, err);

		ok = where != NULL;
		strbuf_printf(&sql, " WHERE (%s)", ok ? where : "");
	}
	strbuf_puts(&sql, " LIMIT 0");
	ok = ok && source_functions_harmless(c->p->source, c->p->job, err) &&
	     pg_session_exec(c->p->source, err, sql.data, 0, NULL);
	strbuf_free(&sql);
	return ok;
}

static void
check_table(ShapeCheck *c, const char *schema, const char *table, const JobTable *details)
{
	const char *shapes = NULL;
	Error err;

	c->tables++;
	if (!decoder_options_shapes(c->p->arena, &c->p->job->options, schema, table, &shapes, &err))
	{
		add_failure(c, schema, table, &err);
		return;
	}
	if (c->slot[0] != '\0' ? ask_decoder(c, shapes, &err)
	                       : try_query(c, schema, table, details, &err))
		return;
	/* a table that is not there is told by another item */
	if (strcmp(err.sqlstate, "42P01") != 0 || strstr(err.message, "does not exist") == NULL)
		add_failure(c, schema, table, &err);
}

static void
check_all(ShapeCheck *c)
{
	const JobOptions *options = &c->p->job->options;

	for (int i = 0; i < options->object_count; i++)
	{
		const JobObject *object = &options->objects[i];

		for (int t = 0; object->details != NULL && t < object->table_count; t++)
		{
			if (!decoder_options_shaped(&object->details[t]))
				continue;
			if (c->slot[0] == '\0' && !c->no_slot && !make_slot(c))
				return;
			check_table(c, object->schema, object->tables[t], &object->details[t]);
		}
	}
}

void
source_check_shapes(Precheck *p)
{
	ShapeCheck c = {.p = p};

	strbuf_init(&c.detail);
	strbuf_init(&c.remedy);
	check_all(&c);
	drop_slot(&c);
	if (c.failed > 10)
		strbuf_printf(&c.detail, "; and %d more", c.failed - 10);
	if (c.failed > 0)
		precheck_add(p, CHECK_FILTERS, PRECHECK_FAIL,
		             c.remedy.len > 0 ? c.remedy.data
		                              : "Correct the options of the table with dts_configure_job.",
		             "%s", c.detail.data);
	else if (c.tables > 0 && !c.no_slot)
		precheck_add(p, CHECK_FILTERS, PRECHECK_PASS, "",
		             "the row filters, columns and expressions of %d tables compile at the source",
		             c.tables);
	else if (c.tables > 0)
		precheck_add(p, CHECK_FILTERS, PRECHECK_WARN,
		             "Mend the other items of the source first, then check again.",
		             "the row filters, columns and expressions of %d tables name what exists, but "
		             "dts_decoder could not be asked whether all of it is immutable and the row "
		             "identities suffice",
		             c.tables);
	strbuf_free(&c.detail);
	strbuf_free(&c.remedy);
}

bool
source_shapes_verify(const Job *job, PgSession *source, Arena *arena, Error *err)
{
	Precheck p = {.job = job, .source = source, .arena = arena};
	ShapeCheck c = {.p = &p};

	strbuf_init(&c.detail);
	strbuf_init(&c.remedy);
	check_all(&c);
	drop_slot(&c);
	if (c.failed > 0)
	{
		error_set(err, "22023", "a row filter, list of columns or expression is not valid");
		error_detail(err, "%.900s", c.detail.data);
		error_hint(err, "%.900s", c.remedy.data);
	}
	strbuf_free(&c.detail);
	strbuf_free(&c.remedy);
	return c.failed == 0;
}
