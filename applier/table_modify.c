/*
 * table_modify.c
 *		See table_modify.h.
 *
 * A table whose rows, columns or name on the target change is loaded again: the copy and the stream
 * behind it then both are of the new sort.  A table that gets another name takes its own there, in
 * the transaction in which it leaves the stream; that is tried before, since a change that fails
 * there would stop the job.
 */
#include "table_modify.h"

#include <stdlib.h>
#include <string.h>

#include "copy_catalog.h"
#include "object_map.h"
#include "precheck.h"
#include "source_check_shapes.h"
#include "strbuf.h"

#define RENAME_TIMEOUT "3s"

typedef struct Modify
{
	const Job *before;
	const Job *after;
	const CopyTables *known;
	PgSession *source;
	PgSession *target;
	Arena *arena;
	json_t *tables;
} Modify;

static const CatalogTable *
find(const Catalog *catalog, uint32_t oid)
{
	int low = 0;
	int high = catalog->count - 1;

	while (low <= high)
	{
		int middle = low + (high - low) / 2;

		if (catalog->tables[middle].oid == oid)
			return &catalog->tables[middle];
		if (catalog->tables[middle].oid < oid)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}

static void
move(const Modify *m, const CatalogTable *t, const char *how, const char *sql)
{
	json_array_append_new(m->tables,
	                      json_pack("{s:I, s:s, s:s, s:s, s:s?}", "oid", (json_int_t) t->oid,
	                                "schema", t->schema, "name", t->name, "move", how, "sql", sql));
}

static bool
refuse(Error *err, const CatalogTable *t, const char *message, const char *detail, const char *hint)
{
	error_set(err, ERR_OBJECT_STATE, "table \"%s\".\"%s\" %s", t->schema, t->name, message);
	error_detail(err, "%s", detail);
	error_hint(err, "%s", hint);
	return false;
}

/* Rows that the job does not know must not be met; under a new name also where the job may mix. */
static bool
check_rows(const Modify *m, const CatalogTable *t, bool always, Error *err)
{
	StrBuf sql;
	PgRows *rows;
	bool filled = false;

	if (!always && m->after->options.same_name_tables != SAME_NAME_FAIL)
		return true;
	strbuf_init(&sql);
	strbuf_puts(&sql, "SELECT EXISTS (SELECT FROM ");
	strbuf_qualified(&sql, t->target_schema, t->target_name);
	strbuf_puts(&sql, ")");
	rows = pg_session_query(m->target, err, sql.data, 0, NULL);
	strbuf_free(&sql);
	if (rows == NULL &&
	    (strcmp(err->sqlstate, "42P01") == 0 || strcmp(err->sqlstate, "3F000") == 0))
	{
		error_clear(err);
		return true;
	}
	if (rows == NULL)
		return false;
	filled = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return !filled || refuse(err, t, "would meet rows on the target",
	                         arena_printf(m->arena, "\"%s\".\"%s\" holds rows there.",
	                                      t->target_schema, t->target_name),
	                         "Empty or drop the target's table, then ask again.");
}

static bool
exists(const Modify *m, const char *schema, const char *name, bool *there, Error *err)
{
	const char *params[] = {schema, name};
	PgRows *rows = pg_session_query(m->target, err,
	                                "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN "
	                                "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE "
	                                "n.nspname = $1 AND c.relname = $2)",
	                                2, params);

	if (rows == NULL)
		return false;
	*there = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

/* A table that is there keeps its columns: it must have those that are to be filled. */
static bool
check_columns(const Modify *m, const CatalogTable *was, const CatalogTable *t, Error *err)
{
	const CatalogTable *at = t;
	bool there;
	StrBuf sql;
	PgRows *rows;

	if (!exists(m, t->target_schema, t->target_name, &there, err))
		return false;
	if (!there && was != NULL)
	{
		at = was;
		if (!exists(m, was->target_schema, was->target_name, &there, err))
			return false;
	}
	if (!there)
		return true;
	strbuf_init(&sql);
	strbuf_printf(&sql, "SELECT %s FROM ONLY ", t->target_columns);
	strbuf_qualified(&sql, at->target_schema, at->target_name);
	strbuf_puts(&sql, " LIMIT 0");
	rows = pg_session_query(m->target, err, sql.data, 0, NULL);
	strbuf_free(&sql);
	pg_rows_free(rows);
	if (rows != NULL)
		return true;
	if (strcmp(err->sqlstate, "42703") == 0)
		return refuse(
		    err, t, "lacks a column on the target", arena_strdup(m->arena, err->message),
		    "ALTER TABLE ... ADD COLUMN on the target, or drop the target's table so that "
		    "it is made anew; then ask again.");
	return false;
}

/* Gives the target's table its new name, unless that was done already. */
static void
put_rename(StrBuf *body, const char *schema, const char *name, const char *to_schema,
           const char *to_name)
{
	StrBuf old, new;

	if (strcmp(schema, to_schema) == 0 && strcmp(name, to_name) == 0)
		return;
	strbuf_init(&old);
	strbuf_init(&new);
	strbuf_qualified(&old, schema, name);
	strbuf_qualified(&new, to_schema, to_name);
	strbuf_puts(body, "IF pg_catalog.to_regclass(");
	strbuf_literal(body, old.data);
	strbuf_puts(body, ") IS NOT NULL AND pg_catalog.to_regclass(");
	strbuf_literal(body, new.data);
	strbuf_puts(body, ") IS NULL THEN ");
	if (strcmp(schema, to_schema) != 0)
	{
		strbuf_puts(body, "CREATE SCHEMA IF NOT EXISTS ");
		strbuf_ident(body, to_schema);
		strbuf_printf(body, "; ALTER TABLE %s SET SCHEMA ", old.data);
		strbuf_ident(body, to_schema);
		strbuf_puts(body, "; ");
	}
	if (strcmp(name, to_name) != 0)
	{
		strbuf_puts(body, "ALTER TABLE ");
		strbuf_qualified(body, to_schema, name);
		strbuf_puts(body, " RENAME TO ");
		strbuf_ident(body, to_name);
		strbuf_puts(body, "; ");
	}
	strbuf_puts(body, "END IF; ");
	strbuf_free(&old);
	strbuf_free(&new);
}

/* The same for the partitioned table at its top, and the table itself; NULL: neither changes. */
static const char *
rename_sql(const Modify *m, const CatalogTable *was, const CatalogTable *is)
{
	const char *sql = NULL;
	ObjectTable before, after;
	StrBuf body, block, text;

	object_map_table(m->before->options.map, was->root_schema, was->root_name, &before);
	object_map_table(m->after->options.map, is->root_schema, is->root_name, &after);
	strbuf_init(&body);
	strbuf_init(&block);
	strbuf_init(&text);
	put_rename(&body, before.target_schema, before.target_name, after.target_schema,
	           after.target_name);
	if (strcmp(is->root_schema, is->schema) != 0 || strcmp(is->root_name, is->name) != 0)
		put_rename(&body, was->target_schema, was->target_name, is->target_schema, is->target_name);
	if (body.len > 0)
	{
		strbuf_printf(&block,
		              "BEGIN SET LOCAL lock_timeout = '%s'; %sSET LOCAL lock_timeout = 0; END",
		              RENAME_TIMEOUT, body.data);
		strbuf_puts(&text, "DO ");
		strbuf_literal(&text, block.data);
		sql = arena_strdup(m->arena, text.data);
	}
	strbuf_free(&text);
	strbuf_free(&block);
	strbuf_free(&body);
	return sql;
}

static bool
try_rename(const Modify *m, const CatalogTable *t, const char *sql, Error *err)
{
	Error failure = {0};
	bool ok;

	if (sql == NULL)
		return true;
	if (!pg_session_exec(m->target, err, "BEGIN", 0, NULL))
		return false;
	ok = pg_session_exec(m->target, err, sql, 0, NULL);
	if (!pg_session_exec(m->target, &failure, "ROLLBACK", 0, NULL))
	{
		*err = failure;
		return false;
	}
	if (ok || sqlstate_is_transient(err->sqlstate))
		return ok;
	return refuse(err, t, "cannot be given another name on the target",
	              arena_strdup(m->arena, err->message),
	              "Rename what is in the way, or let the endpoint's role own the table.");
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
same_columns(const ObjectTable *a, const ObjectTable *b)
{
	if (a->column_count != b->column_count)
		return false;
	for (int i = 0; i < a->column_count; i++)
	{
		const JobColumn *x = &a->columns[i];
		const JobColumn *y = object_table_column(b, x->name);

		if (y == NULL || !same_text(x->expr, y->expr) ||
		    !same_text(object_table_target(a, x->name), object_table_target(b, x->name)))
			return false;
	}
	return true;
}

/* By this request, before we were interrupted: the rows under the new name are its own. */
static bool
was_renamed(const Modify *m, const CatalogTable *was, const CatalogTable *is)
{
	const GateTable *row = copy_tables_find(m->known, is->oid);
	Error err = {0};
	bool there = true;

	return row != NULL && row->state == GATE_WAITING &&
	       exists(m, was->target_schema, was->target_name, &there, &err) && !there;
}

/* A table that stays: nothing, or loaded again. */
static bool
compare(const Modify *m, const CatalogTable *was, const CatalogTable *is, Error *err)
{
	const ObjectTable *a = &was->said;
	const ObjectTable *b = &is->said;
	const char *sql = rename_sql(m, was, is);

	if (sql == NULL && same_columns(a, b) && same_text(a->where, b->where) &&
	    (b->operations & ~a->operations) == 0)
		return true;
	if ((strcmp(was->target_schema, is->target_schema) != 0 ||
	     strcmp(was->target_name, is->target_name) != 0) &&
	    !was_renamed(m, was, is) && !check_rows(m, is, true, err))
		return false;
	if (!check_columns(m, was, is, err) || !try_rename(m, is, sql, err))
		return false;
	move(m, is, "reload", sql);
	return true;
}

static bool
compare_all(const Modify *m, const Catalog *was, const Catalog *is, Error *err)
{
	for (int i = 0; i < is->count; i++)
	{
		const CatalogTable *t = &is->tables[i];
		const CatalogTable *old = find(was, t->oid);
		const GateTable *row = copy_tables_find(m->known, t->oid);

		if (old != NULL)
		{
			if (!compare(m, old, t, err))
				return false;
			continue;
		}
		/* one that waits was put there by this request, before we were interrupted */
		if ((row == NULL || row->state != GATE_WAITING) &&
		    (!check_rows(m, t, false, err) || !check_columns(m, NULL, t, err)))
			return false;
		move(m, t, "add", NULL);
	}
	for (int i = 0; i < was->count; i++)
	{
		if (find(is, was->tables[i].oid) == NULL)
			move(m, &was->tables[i], "remove", NULL);
	}
	return true;
}

bool
table_modify_resolve(const Job *job, const json_t *options, const CopyTables *known,
                     PgSession *source, PgSession *target, Arena *arena, json_t *tables, Error *err)
{
	Job after = *job;
	Modify m = {.before = job,
	            .after = &after,
	            .known = known,
	            .source = source,
	            .target = target,
	            .arena = arena,
	            .tables = tables};
	Catalog was, is;
	char *text = json_dumps(options, JSON_COMPACT);
	bool ok;

	after.arena = arena;
	ok = job_options_parse(&after, text, err);
	free(text);
	return ok && precheck_selection(&after, source, err) &&
	       source_shapes_verify(&after, source, arena, err) &&
	       copy_catalog_read(&was, source, job, arena, err) &&
	       copy_catalog_read(&is, source, &after, arena, err) && compare_all(&m, &was, &is, err);
}
