/*
 * copy_catalog.c
 *		Reading the source's catalogs for a load; see copy_catalog.h.
 */
#include "copy_catalog.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "object_map.h"
#include "row_expr.h"
#include "source_computed.h"
#include "strbuf.h"

/*
 * Partitioned tables come along (without rows of their own) because a leaf is selected when an
 * ancestor is.  A column travels binary when its type, or its element's, is built in, has a send
 * function and means the same on every server: not so the reg* types, which are OIDs, rows of
 * catalogs, xml, whose binary form carries an encoding, and tsquery, whose empty value older minor
 * releases send but do not take.
 */
static const char tables_query[] =
    "SELECT c.oid, n.nspname, c.relname, c.relkind, "
    " coalesce((SELECT i.inhparent FROM pg_inherits i WHERE c.relispartition AND "
    "           i.inhrelid = c.oid LIMIT 1), 0), "
    " greatest(c.reltuples, 0)::bigint, coalesce(pg_table_size(c.oid), 0), "
    " coalesce(col.list, ''), coalesce(col.portable, true), "
    " e.oid IS NOT NULL, coalesce(e.extcondition[array_position(e.extconfig, c.oid)], ''), "
    " coalesce(array_position(e.extconfig, c.oid), 0), "
    " coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::int, "
    " coalesce(col.types, ''), coalesce(col.names, '[]'), EXISTS (SELECT FROM pg_statistic_ext x "
    "WHERE x.stxrelid = c.oid), "
    " coalesce((greatest(c.reltuples, 0) * (w.width + 4 * w.columns + 2))::bigint + "
    "  CASE WHEN c.reltoastrelid <> 0 THEN pg_relation_size(c.reltoastrelid) ELSE 0 END, 0) "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND "
    " d.objsubid = 0 AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass "
    "LEFT JOIN pg_extension e ON e.oid = d.refobjid "
    "LEFT JOIN (SELECT a.attrelid, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) "
    "  AS list, " CATALOG_TYPES
    " AS types, json_agg(json_build_array(a.attname, CAST(a.atttypid AS text)) ORDER BY a.attname "
    " COLLATE \"C\") AS names, bool_and(t.typnamespace = 'pg_catalog'::regnamespace AND t.typsend "
    "<> 0 AND "
    "  t.oid < 10000 AND b.typtype IN ('b', 'r', 'm') AND b.typsend <> 0 AND "
    "  b.typname !~ '^reg' AND b.typname NOT IN ('xml', 'tsquery', 'aclitem', 'pg_node_tree')) AS "
    "portable "
    " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_type b ON b.oid = "
    "  CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem ELSE t.oid END "
    " WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' GROUP BY a.attrelid"
    ") col ON col.attrelid = c.oid "
    "LEFT JOIN (SELECT schemaname, tablename, sum(avg_width * (1 - null_frac)) AS width, count(*) "
    "  AS columns FROM pg_stats WHERE NOT inherited GROUP BY schemaname, tablename"
    ") w ON w.schemaname = n.nspname AND w.tablename = c.relname "
    "WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND "
    " n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' "
    "ORDER BY c.oid";

enum
{
	COL_OID,
	COL_SCHEMA,
	COL_NAME,
	COL_KIND,
	COL_PARENT,
	COL_ROWS,
	COL_BYTES,
	COL_LIST,
	COL_PORTABLE,
	COL_MEMBER,
	COL_CONDITION,
	COL_CONFIG,
	COL_PAGES,
	COL_TYPES,
	COL_NAMES,
	COL_STATISTICS,
	COL_EXPECTED,
};

bool
copy_is_own(const char *schema, const char *name)
{
	return strcmp(schema, "dts") == 0 ||
	       (strcmp(schema, "public") == 0 && strncmp(name, "dts_", 4) == 0);
}

static SchemaSelection
listed(const JobObject *objects, int count, const char *schema)
{
	SchemaSelection found = SCHEMA_NONE;

	for (int i = 0; i < count; i++)
	{
		if (strcmp(objects[i].schema, schema) != 0)
			continue;
		if (objects[i].table_count == 0)
			return SCHEMA_WHOLE;
		found = SCHEMA_PARTLY;
	}
	return found;
}

SchemaSelection
copy_schema_selection(const Job *job, const char *schema)
{
	const JobOptions *o = &job->options;
	SchemaSelection in = SCHEMA_WHOLE;

	if (strcmp(schema, "dts") == 0)
		return SCHEMA_NONE;
	if (o->object_count > 0)
		in = listed(o->objects, o->object_count, schema);
	if (in != SCHEMA_NONE && listed(o->exclude, o->exclude_count, schema) == SCHEMA_WHOLE)
		return SCHEMA_NONE;
	return in;
}

static int
find_oid(const PgRows *rows, int64_t oid)
{
	int low = 0;
	int high = pg_rows_count(rows) - 1;

	while (low <= high)
	{
		int middle = low + (high - low) / 2;
		int64_t here = pg_rows_int(rows, middle, COL_OID);

		if (here == oid)
			return middle;
		if (here < oid)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

/* The table, or any partitioned table above it, is named, and none of them excluded. */
static bool
is_selected(const PgRows *rows, int row, const Job *job)
{
	bool named = false;

	for (int depth = 0; row >= 0 && depth < 1000; depth++)
	{
		const char *schema = pg_rows_get(rows, row, COL_SCHEMA);
		const char *name = pg_rows_get(rows, row, COL_NAME);

		if (job_excludes(job, schema, name))
			return false;
		named = named || job_names(job, schema, name);
		row = find_oid(rows, pg_rows_int(rows, row, COL_PARENT));
	}
	return named;
}

/* The topmost partitioned table above it, or itself. */
static int
find_root(const PgRows *rows, int row)
{
	for (int depth = 0; depth < 1000; depth++)
	{
		int parent = find_oid(rows, pg_rows_int(rows, row, COL_PARENT));

		if (parent < 0)
			break;
		row = parent;
	}
	return row;
}

/* The nearest table that the options list, from itself upwards, or the topmost one: as the decoder. */
static int
find_listed(const PgRows *rows, int row, const Job *job)
{
	for (int depth = 0; depth < 1000; depth++)
	{
		int parent = find_oid(rows, pg_rows_int(rows, row, COL_PARENT));

		if (parent < 0 || object_map_lists(job->options.map, pg_rows_get(rows, row, COL_SCHEMA),
		                                   pg_rows_get(rows, row, COL_NAME)))
			break;
		row = parent;
	}
	return row;
}

static const char *
keep_text(Arena *arena, StrBuf *text)
{
	const char *kept = arena_strdup(arena, text->data);

	strbuf_free(text);
	return kept;
}

/* A column of the copy. */
typedef struct Listed
{
	const char *source; /* SQL */
	const char *target;
	const char *type; /* "": whatever an expression makes */
} Listed;

static int
compare_listed(const void *a, const void *b)
{
	return strcmp(((const Listed *) a)->target, ((const Listed *) b)->target);
}

/* The expressions of the options in the form that the decoder gets, too. */
static bool
list_computed(CatalogTable *t, const ObjectTable *table, Listed *listed, size_t *count,
              Arena *arena, Error *err)
{
	for (int k = 0; k < table->column_count; k++)
	{
		const JobColumn *column = &table->columns[k];
		const char *expr;

		if (column->expr == NULL)
			continue;
		expr = row_expr_canonical(arena, column->expr, err);
		if (expr == NULL)
			return false;
		listed[(*count)++] = (Listed){
		    .source = arena_printf(arena, "(%s)", expr),
		    .target = column->rename != NULL ? column->rename : column->name,
		    .type = "",
		};
		t->shaped = true;
		t->binary = false; /* the target's type need not be that of the expression */
	}
	return true;
}

static const char *
quoted(Arena *arena, const char *name)
{
	StrBuf text;

	strbuf_init(&text);
	strbuf_ident(&text, name);
	return keep_text(arena, &text);
}

/* A table whose columns the options list: by their names on the target, as its types are ordered. */
static bool
list_columns(CatalogTable *t, const ObjectTable *table, const char *names, Arena *arena, Error *err)
{
	json_t *list = json_loads(names, 0, NULL);
	Listed *listed = arena_zalloc(
	    arena, sizeof(*listed) * (json_array_size(list) + (size_t) table->column_count + 1));
	StrBuf columns, target, types;
	size_t count = 0;
	size_t i;
	json_t *item;
	bool ok;

	json_array_foreach(list, i, item)
	{
		const char *name = json_string_value(json_array_get(item, 0));
		const JobColumn *column = object_table_column(table, name);

		if (column == NULL || column->expr != NULL)
			continue;
		listed[count++] = (Listed){
		    .source = quoted(arena, name),
		    .target = object_table_target(table, name),
		    .type = arena_strdup(arena, json_string_value(json_array_get(item, 1))),
		};
	}
	json_decref(list);
	ok = list_computed(t, table, listed, &count, arena, err);
	qsort(listed, count, sizeof(*listed), compare_listed);
	strbuf_init(&columns);
	strbuf_init(&target);
	strbuf_init(&types);
	for (i = 0; i < count; i++)
	{
		strbuf_printf(&columns, "%s%s", i > 0 ? ", " : "", listed[i].source);
		strbuf_puts(&target, i > 0 ? ", " : "");
		strbuf_ident(&target, listed[i].target);
		strbuf_printf(&types, "%s%s %s", i > 0 ? "," : "", listed[i].target, listed[i].type);
	}
	t->columns = keep_text(arena, &columns);
	t->target_columns = keep_text(arena, &target);
	t->types = keep_text(arena, &types);
	return ok;
}

static bool
map_table(CatalogTable *t, const PgRows *rows, int row, const Job *job, Arena *arena, Error *err)
{
	int listed = find_listed(rows, row, job);
	int root = find_root(rows, row);
	ObjectTable table;

	object_map_leaf(job->options.map, t->schema, t->name, pg_rows_get(rows, listed, COL_SCHEMA),
	                pg_rows_get(rows, listed, COL_NAME), &table);
	t->said = table;
	t->root_schema = arena_strdup(arena, pg_rows_get(rows, root, COL_SCHEMA));
	t->root_name = arena_strdup(arena, pg_rows_get(rows, root, COL_NAME));
	t->target_schema = table.target_schema;
	t->target_name = table.target_name;
	t->target_columns = t->columns;
	t->where = "";
	if (table.where != NULL)
	{
		t->where = row_expr_canonical(arena, table.where, err);
		t->shaped = true;
	}
	if (t->where != NULL &&
	    (table.column_count == 0 ||
	     list_columns(t, &table, pg_rows_get(rows, row, COL_NAMES), arena, err)))
		return true;
	error_context(err, "what the options say of table \"%s\".\"%s\"", t->schema, t->name);
	return false;
}

bool
copy_catalog_read(Catalog *catalog, PgSession *source, const Job *job, Arena *arena, Error *err)
{
	PgRows *rows = NULL;
	bool ok = true;

	memset(catalog, 0, sizeof(*catalog));
	if (!source_functions_harmless(source, job, err))
		return false;
	rows = pg_session_query(source, err, tables_query, 0, NULL);
	if (rows == NULL)
	{
		error_context(err, "reading the source's tables");
		return false;
	}
	catalog->tables =
	    arena_zalloc(arena, sizeof(CatalogTable) * ((size_t) pg_rows_count(rows) + 1));
	for (int i = 0; ok && i < pg_rows_count(rows); i++)
	{
		const char *schema = pg_rows_get(rows, i, COL_SCHEMA);
		const char *name = pg_rows_get(rows, i, COL_NAME);
		bool member = pg_rows_bool(rows, i, COL_MEMBER);
		CatalogTable *t = &catalog->tables[catalog->count];

		if (strcmp(pg_rows_get(rows, i, COL_KIND), "r") != 0 || copy_is_own(schema, name) ||
		    (member && pg_rows_int(rows, i, COL_CONFIG) == 0) || !is_selected(rows, i, job))
			continue;
		t->oid = (uint32_t) pg_rows_int(rows, i, COL_OID);
		t->schema = arena_strdup(arena, schema);
		t->name = arena_strdup(arena, name);
		t->columns = arena_strdup(arena, pg_rows_get(rows, i, COL_LIST));
		t->condition = arena_strdup(arena, pg_rows_get(rows, i, COL_CONDITION));
		t->config = member;
		t->types = arena_strdup(arena, pg_rows_get(rows, i, COL_TYPES));
		t->binary = pg_rows_bool(rows, i, COL_PORTABLE);
		t->rows = pg_rows_int(rows, i, COL_ROWS);
		t->bytes = pg_rows_int(rows, i, COL_BYTES);
		t->expected = pg_rows_int(rows, i, COL_EXPECTED);
		t->expected = t->expected > 0 ? t->expected : t->bytes;
		t->pages = pg_rows_int(rows, i, COL_PAGES);
		t->late_statistics = pg_rows_bool(rows, i, COL_STATISTICS);
		ok = map_table(t, rows, i, job, arena, err);
		catalog->count++;
	}
	pg_rows_free(rows);
	return ok;
}

bool
copy_catalog_encoding(PgSession *source, char *encoding, size_t size, Error *err)
{
	PgRows *rows =
	    pg_session_query(source, err, "SELECT pg_catalog.getdatabaseencoding()", 0, NULL);

	if (rows == NULL)
		return false;
	snprintf(encoding, size, "%s", pg_rows_get(rows, 0, 0));
	pg_rows_free(rows);
	return true;
}

PgSession *
copy_source_open(const Job *job, char *encoding, size_t size, Error *err)
{
	PgSession *source =
	    pg_session_open(job->source_conninfo, PG_SESSION_SOURCE, job->slot_name, NULL, err);
	const char *params[] = {encoding};

	if (source == NULL)
		return NULL;
	/* role, database or server may have configured another client_encoding */
	if (!copy_catalog_encoding(source, encoding, size, err) ||
	    !pg_session_exec(source, err, "SELECT pg_catalog.set_config('client_encoding', $1, false)",
	                     1, params))
	{
		pg_session_close(source);
		return NULL;
	}
	return source;
}

bool
copy_snapshot_begin(PgSession *source, const char *snapshot, bool *lost, Error *err)
{
	StrBuf sql;
	bool ok;

	*lost = false;
	if (!pg_session_exec(source, err, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 0, NULL))
		return false;
	strbuf_init(&sql);
	strbuf_puts(&sql, "SET TRANSACTION SNAPSHOT ");
	strbuf_literal(&sql, snapshot);
	ok = pg_session_exec(source, err, sql.data, 0, NULL);
	strbuf_free(&sql);
	/* 22023 before 17, 42704 since; 55000: its transaction is over already */
	if (!ok && (strcmp(err->sqlstate, "22023") == 0 || strcmp(err->sqlstate, "42704") == 0 ||
	            strcmp(err->sqlstate, "55000") == 0))
		*lost = true;
	return ok;
}
