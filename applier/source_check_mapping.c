/*
 * source_check_mapping.c
 *		See source_check_mapping.h.
 */
#include "source_check_mapping.h"

#include <stdlib.h>
#include <string.h>

#include "copy_catalog.h"
#include "object_map.h"
#include "sql_map.h"
#include "strbuf.h"

typedef struct Mapping
{
	Precheck *p;
	const ObjectMap *map;
	NameList wrong;  /* the job cannot do it */
	NameList behind; /* stays behind */
	json_t *left;    /* columns left out: [{"o": oid, "a": attnum}] */
} Mapping;

/* A table's names and columns, one row for each column. */
enum
{
	COLUMN_SCHEMA,
	COLUMN_TABLE,
	COLUMN_OID,
	COLUMN_ROOT_SCHEMA,
	COLUMN_ROOT,
	COLUMN_INHERITS,
	COLUMN_NAME,
	COLUMN_NUMBER,
	COLUMN_KEY
};

static const char columns_sql[] =
    "SELECT n.nspname, c.relname, c.oid, rn.nspname, r.relname, NOT c.relispartition AND EXISTS "
    " (SELECT FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class o ON o.oid IN (h.inhrelid, "
    " h.inhparent) AND o.oid <> c.oid WHERE c.oid IN (h.inhrelid, h.inhparent) AND NOT "
    " o.relispartition AND c.relkind = 'r'), a.attname, a.attnum, EXISTS (SELECT FROM "
    " pg_catalog.pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey) AND CASE "
    " c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END) "
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
    " c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT "
    " a.attisdropped LEFT JOIN (pg_catalog.pg_class r JOIN pg_catalog.pg_namespace rn ON rn.oid = "
    " r.relnamespace) ON r.oid = pg_catalog.pg_partition_root(c.oid) AND r.oid <> c.oid WHERE "
    "c.oid "
    " = ANY ($1::oid[]) ORDER BY 1, 2, a.attnum";

static void
look_column(Mapping *m, const PgRows *rows, int i, const ObjectTable *table)
{
	const char *name = pg_rows_get(rows, i, COLUMN_NAME);
	const JobColumn *column = object_table_column(table, name);
	bool key = pg_rows_bool(rows, i, COLUMN_KEY) && m->p->job->options.phases[PHASE_INCREMENTAL];

	if (column == NULL)
		json_array_append_new(m->left, json_pack("{s:I, s:I}", "o",
		                                         (json_int_t) pg_rows_int(rows, i, COLUMN_OID), "a",
		                                         (json_int_t) pg_rows_int(rows, i, COLUMN_NUMBER)));
	if (key && (column == NULL || column->expr != NULL))
		name_list_add(&m->wrong, "column \"%s\" of \"%s\".\"%s\" is part of its key and is %s",
		              name, table->schema, table->name, column == NULL ? "left out" : "computed");
}

/* Rows from..to are the columns of one table. */
static void
look_table(Mapping *m, const PgRows *rows, int from, int to)
{
	const char *schema = pg_rows_get(rows, from, COLUMN_SCHEMA);
	const char *name = pg_rows_get(rows, from, COLUMN_TABLE);
	const char *root = pg_rows_get(rows, from, COLUMN_ROOT);
	ObjectTable table;

	object_map_table(m->map, schema, name, &table);
	if (table.column_count > 0 && root != NULL)
		name_list_add(&m->wrong,
		              "\"%s\".\"%s\" is a partition, whose columns are those of \"%s\".\"%s\"",
		              schema, name, pg_rows_get(rows, from, COLUMN_ROOT_SCHEMA), root);
	if (table.column_count > 0 && pg_rows_bool(rows, from, COLUMN_INHERITS))
		name_list_add(&m->wrong, "\"%s\".\"%s\" shares its columns by inheritance", schema, name);
	object_map_leaf(m->map, schema, name, pg_rows_get(rows, from, COLUMN_ROOT_SCHEMA), root,
	                &table);
	if (table.column_count == 0)
		return;
	for (int i = from; i < to; i++)
		look_column(m, rows, i, &table);
	for (int k = 0; root == NULL && k < table.column_count; k++)
	{
		bool found = table.columns[k].expr != NULL;

		for (int i = from; i < to && !found; i++)
			found = strcmp(pg_rows_get(rows, i, COLUMN_NAME), table.columns[k].name) == 0;
		if (!found)
			name_list_add(&m->wrong, "\"%s\".\"%s\" has no column \"%s\"", schema, name,
			              table.columns[k].name);
	}
}

static bool
look_columns(Mapping *m, Error *err)
{
	const char *params[] = {precheck_oids(m->p, false)};
	PgRows *rows = pg_session_query(m->p->source, err, columns_sql, 1, params);

	if (rows == NULL)
		return false;
	for (int from = 0, to; from < pg_rows_count(rows); from = to)
	{
		int64_t oid = pg_rows_int(rows, from, COLUMN_OID);

		for (to = from; to < pg_rows_count(rows) && pg_rows_int(rows, to, COLUMN_OID) == oid; to++)
			continue;
		look_table(m, rows, from, to);
	}
	pg_rows_free(rows);
	return true;
}

static int
compare_targets(const void *a, const void *b)
{
	const ObjectTable *x = a;
	const ObjectTable *y = b;
	int order = strcmp(x->target_schema, y->target_schema);

	return order != 0 ? order : strcmp(x->target_name, y->target_name);
}

/* Tables that the options do not list may meet others when schemas become one. */
static void
look_names(Mapping *m)
{
	int count = pg_rows_count(m->p->tables);
	ObjectTable *tables = arena_zalloc(m->p->arena, sizeof(*tables) * ((size_t) count + 1));

	for (int i = 0; i < count; i++)
		object_map_table(m->map, pg_rows_get(m->p->tables, i, TABLE_COL_SCHEMA),
		                 pg_rows_get(m->p->tables, i, TABLE_COL_NAME), &tables[i]);
	qsort(tables, (size_t) count, sizeof(*tables), compare_targets);
	for (int i = 1; i < count; i++)
	{
		if (compare_targets(&tables[i - 1], &tables[i]) == 0)
			name_list_add(&m->wrong, "\"%s\".\"%s\" and \"%s\".\"%s\" would both be \"%s\".\"%s\"",
			              tables[i - 1].schema, tables[i - 1].name, tables[i].schema,
			              tables[i].name, tables[i].target_schema, tables[i].target_name);
	}
}

/* What is made of columns that are left out: generated columns, keys, indexes, views, policies. */
static bool
look_behind(Mapping *m, Error *err)
{
	char *left = json_dumps(m->left, JSON_COMPACT);
	const char *params[] = {left};
	PgRows *rows = pg_session_query(
	    m->p->source, err,
	    "SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), g.attname "
	    "IS NOT NULL FROM pg_catalog.jsonb_to_recordset($1::jsonb) AS x(o oid, a int) JOIN "
	    "pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = "
	    "x.o AND d.refobjsubid = x.a LEFT JOIN pg_catalog.pg_attrdef f ON d.classid = "
	    "'pg_catalog.pg_attrdef'::regclass AND f.oid = d.objid LEFT JOIN pg_catalog.pg_attribute g "
	    "ON g.attrelid = f.adrelid AND g.attnum = f.adnum AND g.attgenerated <> '' AND NOT EXISTS "
	    "(SELECT FROM pg_catalog.jsonb_to_recordset($1::jsonb) AS y(o oid, a int) WHERE y.o = "
	    "g.attrelid AND y.a = g.attnum) WHERE (f.oid IS NULL OR g.attname IS NOT NULL) AND NOT "
	    "(d.classid = 'pg_catalog.pg_class'::regclass AND d.objsubid <> 0) ORDER BY 1",
	    1, params);

	free(left);
	if (rows == NULL)
		return false;
	for (int i = 0; i < pg_rows_count(rows); i++)
	{
		if (pg_rows_bool(rows, i, 1))
			name_list_add(&m->wrong, "%s is generated from a column that is left out",
			              pg_rows_get(rows, i, 0));
		else
			name_list_add(&m->behind, "%s", pg_rows_get(rows, i, 0));
	}
	pg_rows_free(rows);
	return true;
}

/* Functions of the schemas that take part whose text is not SQL's, and names what is renamed. */
static bool
look_functions(Mapping *m, NameList *unread, Error *err)
{
	SqlMap *map = sql_map_create(m->p->arena, m->map);
	PgRows *rows = pg_session_query(
	    m->p->source, err,
	    "SELECT pg_catalog.format('%s', f.oid::regprocedure), "
	    "pg_catalog.pg_get_functiondef(f.oid), "
	    "n.nspname FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = "
	    "f.pronamespace JOIN pg_catalog.pg_language l ON l.oid = f.prolang WHERE f.prokind IN "
	    "('f', "
	    "'p') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'dts') AND "
	    "l.lanname NOT IN ('c', 'internal') AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d "
	    "WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e') "
	    "ORDER BY 1",
	    0, NULL);

	if (rows == NULL)
		return false;
	for (int i = 0; i < pg_rows_count(rows); i++)
	{
		Error ignored = {0};
		SqlMapped mapped;

		if (copy_schema_selection(m->p->job, pg_rows_get(rows, i, 2)) == SCHEMA_NONE)
			continue;
		if (sql_map_text(map, m->p->arena, pg_rows_get(rows, i, 1), &mapped, &ignored) !=
		        SQL_MAP_FAILED &&
		    mapped.unread != NULL)
			name_list_add(unread, "%s names \"%s\"", pg_rows_get(rows, i, 0), mapped.unread);
	}
	pg_rows_free(rows);
	return true;
}

static void
answer(Mapping *m, NameList *unread)
{
	Precheck *p = m->p;

	if (m->wrong.count > 0)
		precheck_add(p, CHECK_MAPPING, PRECHECK_FAIL,
		             "Correct \"rename\" and \"columns\" in the option \"objects\" with "
		             "dts_configure_job.",
		             "names and columns do not fit the source: %s", name_list_end(&m->wrong));
	else if (m->behind.count > 0)
		precheck_add(p, CHECK_MAPPING, PRECHECK_WARN,
		             "List the columns that they need, or do without them on the target.",
		             "these need columns that the job leaves out, and stay behind: %s",
		             name_list_end(&m->behind));
	else if (unread->count > 0)
		precheck_add(
		    p, CHECK_MAPPING, PRECHECK_WARN,
		    "CREATE OR REPLACE FUNCTION ... on the target, with the names that it has "
		    "there.",
		    "the text of these functions is copied as it is, with names that are others on "
		    "the target: %s",
		    name_list_end(unread));
	else
		precheck_add(p, CHECK_MAPPING, PRECHECK_PASS, "",
		             "names on the target are each given once, and columns exist");
}

void
source_check_mapping(Precheck *p)
{
	Mapping m = {.p = p, .map = p->job->options.map, .left = json_array()};
	NameList unread = {.count = 0};
	Error err;

	if (object_map_changes(m.map) && p->tables != NULL)
	{
		look_names(&m);
		if (look_columns(&m, &err) && look_behind(&m, &err) &&
		    (!p->job->options.phases[PHASE_SCHEMA] || look_functions(&m, &unread, &err)))
			answer(&m, &unread);
		else
			precheck_add_error(p, CHECK_MAPPING, &err);
	}
	json_decref(m.left);
}
