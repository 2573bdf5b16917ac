/*
 * target_pg_check_tables.c
 *		The part of the precheck that looks at the target's tables: what is in the way, what is
 *		missing, and whether existing ones take the source's columns.
 *
 * Both lists, of tables and of their columns, go to the target as one JSON value each, so the work
 *is a few queries however many tables there are.
 */
#include "target_pg_check_tables.h"

#include <stdlib.h>
#include <string.h>

#include "object_map.h"
#include "strbuf.h"

/* One relation of the target with the name of a selected one. */
enum
{
	FOUND_SCHEMA,
	FOUND_NAME,
	FOUND_KIND, /* NULL: not there */
	FOUND_PARTITION,
	FOUND_WRITABLE,
	FOUND_ROW_SECURITY,
	FOUND_ROLE /* ours */
};

/* By their names on the target. */
static char *
tables_json(const Precheck *p)
{
	json_t *array = json_array();
	char *text;

	for (int i = 0; i < pg_rows_count(p->tables); i++)
	{
		ObjectTable table;

		if (!precheck_carried(p, i))
			continue;
		object_map_table(p->job->options.map, pg_rows_get(p->tables, i, TABLE_COL_SCHEMA),
		                 pg_rows_get(p->tables, i, TABLE_COL_NAME), &table);
		json_array_append_new(
		    array, json_pack("{s:s, s:s, s:b}", "s", table.target_schema, "t", table.target_name,
		                     "p", pg_rows_bool(p->tables, i, TABLE_COL_PARTITION) ? 1 : 0));
	}
	text = json_dumps(array, JSON_COMPACT);
	json_decref(array);
	return text;
}

static PgRows *
find_on_target(Precheck *p, Error *err)
{
	char *tables = tables_json(p);
	const char *params[] = {tables};
	PgRows *rows = pg_session_query(
	    p->target, err,
	    "SELECT x.s, x.t, c.relkind, x.p, c.oid IS NULL OR (pg_catalog.has_table_privilege(c.oid, "
	    "'INSERT') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND "
	    "pg_catalog.has_table_privilege(c.oid, 'UPDATE') AND "
	    "pg_catalog.has_table_privilege(c.oid, 'DELETE')), c.oid IS NOT NULL AND "
	    "pg_catalog.row_security_active(c.oid), pg_catalog.quote_ident(current_user) FROM "
	    "pg_catalog.jsonb_to_recordset($1::jsonb) AS "
	    "x(s text, t text, p boolean) LEFT JOIN (pg_catalog.pg_class c JOIN "
	    "pg_catalog.pg_namespace n ON n.oid = c.relnamespace) ON n.nspname = x.s AND c.relname = "
	    "x.t ORDER BY 1, 2",
	    1, params);

	free(tables);
	return rows;
}

/* Whether a table holds rows; one that may not be read counts as holding some. */
static bool
has_rows(Precheck *p, const char *schema, const char *name, bool partitioned)
{
	StrBuf sql;
	Error err;
	PgRows *rows;
	bool found = true;

	strbuf_init(&sql);
	strbuf_puts(&sql, "SELECT EXISTS (SELECT FROM ");
	strbuf_puts(&sql, partitioned ? "" : "ONLY ");
	strbuf_qualified(&sql, schema, name);
	strbuf_puts(&sql, ")");
	rows = pg_session_query(p->target, &err, sql.data, 0, NULL);
	if (rows != NULL)
		found = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	strbuf_free(&sql);
	return found;
}

static bool
is_table(const char *kind)
{
	return kind[0] == 'r' || kind[0] == 'p';
}

static void
add_statement(StrBuf *sql, const char *command, const char *schema, const char *name)
{
	strbuf_printf(sql, "%s ", command);
	strbuf_qualified(sql, schema, name);
	strbuf_puts(sql, "; ");
}

/* The command that removes a relation of this kind that is no table. */
static const char *
kind_words(char kind)
{
	switch (kind)
	{
		case 'v':
			return "DROP VIEW";
		case 'm':
			return "DROP MATERIALIZED VIEW";
		case 'f':
			return "DROP FOREIGN TABLE";
		case 'S':
			return "DROP SEQUENCE";
		case 'c':
			return "DROP TYPE";
		default:
			return "DROP INDEX";
	}
}

#define SAME_NAME_ADVICE                                                                           \
	"-- on the target, when nobody needs them; or set the option \"same_name_tables\" to "         \
	"\"keep\" or \"truncate\" with dts_configure_job"

/* What stands in the way depends on who makes the tables and on the policy for rows in them. */
static void
check_same_names(Precheck *p, const PgRows *found)
{
	const JobOptions *options = &p->job->options;
	NameList other = {.count = 0}; /* not a table at all */
	NameList there = {.count = 0};
	NameList filled = {.count = 0};
	StrBuf drop_other, drop, empty;

	strbuf_init(&drop_other);
	strbuf_init(&drop);
	strbuf_init(&empty);
	for (int i = 0; i < pg_rows_count(found); i++)
	{
		const char *schema = pg_rows_get(found, i, FOUND_SCHEMA);
		const char *name = pg_rows_get(found, i, FOUND_NAME);
		const char *kind = pg_rows_get(found, i, FOUND_KIND);

		if (kind == NULL)
			continue;
		if (!is_table(kind))
		{
			name_list_add(&other, "\"%s\".\"%s\"", schema, name);
			add_statement(&drop_other, kind_words(kind[0]), schema, name);
		}
		else
		{
			name_list_add(&there, "\"%s\".\"%s\"", schema, name);
			add_statement(&drop, "DROP TABLE IF EXISTS", schema, name);
			if (options->phases[PHASE_FULL] && has_rows(p, schema, name, kind[0] == 'p'))
			{
				name_list_add(&filled, "\"%s\".\"%s\"", schema, name);
				add_statement(&empty, "TRUNCATE", schema, name);
			}
		}
	}
	strbuf_puts(&drop_other, "-- on the target, or rename them there");
	strbuf_puts(&drop, SAME_NAME_ADVICE);
	strbuf_puts(&empty, SAME_NAME_ADVICE);
	if (other.count > 0)
		precheck_add(p, CHECK_SAME_NAME_TABLES, PRECHECK_FAIL, drop_other.data,
		             "on the target these are something else than a table: %s",
		             name_list_end(&other));
	else if (options->phases[PHASE_SCHEMA] && options->same_name_tables == SAME_NAME_FAIL &&
	         there.count > 0)
		precheck_add(p, CHECK_SAME_NAME_TABLES, PRECHECK_FAIL, drop.data,
		             "tables of the same name exist on the target: %s", name_list_end(&there));
	else if (options->same_name_tables == SAME_NAME_FAIL && filled.count > 0)
		precheck_add(p, CHECK_SAME_NAME_TABLES, PRECHECK_FAIL, empty.data,
		             "tables on the target hold rows: %s", name_list_end(&filled));
	else if (filled.count > 0)
		precheck_add(p, CHECK_SAME_NAME_TABLES, PRECHECK_WARN,
		             "If these rows must not be touched: dts_configure_job with "
		             "\"same_name_tables\": \"fail\".",
		             options->same_name_tables == SAME_NAME_TRUNCATE
		                 ? "rows of these target tables will be removed: %s"
		                 : "rows of these target tables stay, and are mixed with the source's: %s",
		             name_list_end(&filled));
	else
		precheck_add(p, CHECK_SAME_NAME_TABLES, PRECHECK_PASS, "",
		             "nothing is in the way on the target");
	strbuf_free(&drop_other);
	strbuf_free(&drop);
	strbuf_free(&empty);
}

/* The call that lets the job copy the schema, too. */
static void
with_schema_phase(const Precheck *p, StrBuf *sql)
{
	strbuf_puts(sql, "SELECT dts_configure_job(");
	strbuf_literal(sql, p->job->name);
	strbuf_printf(sql,
	              ", '{\"phases\": [\"schema\"%s%s]}'); -- in the control database; or create the "
	              "tables on the target",
	              p->job->options.phases[PHASE_FULL] ? ", \"full\"" : "",
	              p->job->options.phases[PHASE_INCREMENTAL] ? ", \"incremental\"" : "");
}

/* A partition that is missing is fine: its rows go to the partitioned table. */
static void
check_existence(Precheck *p, const PgRows *found)
{
	NameList missing = {.count = 0};
	NameList locked = {.count = 0};
	StrBuf rights, phases;
	bool secured = false;

	strbuf_init(&rights);
	strbuf_init(&phases);
	for (int i = 0; i < pg_rows_count(found); i++)
	{
		const char *schema = pg_rows_get(found, i, FOUND_SCHEMA);
		const char *name = pg_rows_get(found, i, FOUND_NAME);

		if (pg_rows_get(found, i, FOUND_KIND) == NULL)
		{
			if (!pg_rows_bool(found, i, FOUND_PARTITION))
				name_list_add(&missing, "\"%s\".\"%s\"", schema, name);
		}
		else if (!pg_rows_bool(found, i, FOUND_WRITABLE) ||
		         pg_rows_bool(found, i, FOUND_ROW_SECURITY))
		{
			name_list_add(&locked, "\"%s\".\"%s\"", schema, name);
			strbuf_puts(&rights, "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLE ");
			strbuf_qualified(&rights, schema, name);
			strbuf_printf(&rights, " TO %s; ", pg_rows_get(found, i, FOUND_ROLE));
			if (pg_rows_bool(found, i, FOUND_ROW_SECURITY) && !secured)
				strbuf_printf(&rights, "ALTER ROLE %s BYPASSRLS; ",
				              pg_rows_get(found, i, FOUND_ROLE));
			secured = secured || pg_rows_bool(found, i, FOUND_ROW_SECURITY);
		}
	}
	strbuf_puts(&rights, "-- on the target, as a superuser");
	with_schema_phase(p, &phases);
	if (!p->job->options.phases[PHASE_SCHEMA] && missing.count > 0)
		precheck_add(p, CHECK_TARGET_TABLES, PRECHECK_FAIL, phases.data,
		             "the schema is not copied, and these tables are missing on the target: %s",
		             name_list_end(&missing));
	else if (locked.count > 0)
		precheck_add(p, CHECK_TARGET_TABLES, PRECHECK_FAIL, rights.data,
		             "the role may not write freely to these tables of the target: %s",
		             name_list_end(&locked));
	else
		precheck_add(p, CHECK_TARGET_TABLES, PRECHECK_PASS, "",
		             "existing tables of the target can be written");
	strbuf_free(&rights);
	strbuf_free(&phases);
}

/* The source's columns of all carried tables as one JSON value. */
static PgRows *
read_columns(Precheck *p, Error *err)
{
	const char *params[] = {precheck_oids(p, true)};

	return pg_session_query(
	    p->source, err,
	    "SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('s', n.nspname, 't', "
	    "c.relname, 'c', a.attname, 'f', pg_catalog.format_type(a.atttypid, a.atttypmod), 'rs', "
	    "rn.nspname, 'rt', r.relname)), '[]')::text FROM pg_catalog.pg_attribute a JOIN "
	    "pg_catalog.pg_class c ON c.oid = "
	    "a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN "
	    "(pg_catalog.pg_class r JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace) ON "
	    "r.oid = pg_catalog.pg_partition_root(c.oid) AND r.oid <> c.oid WHERE c.oid = ANY "
	    "($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''",
	    1, params);
}

/* The same with the names on the target, and what is computed left out; free() it. */
static char *
source_columns(Precheck *p, Error *err)
{
	PgRows *rows = read_columns(p, err);
	json_t *columns = rows == NULL ? NULL : json_loads(pg_rows_get(rows, 0, 0), 0, NULL);
	json_t *mapped = json_array();
	char *text = NULL;
	size_t i;
	json_t *item;

	json_array_foreach(columns, i, item)
	{
		const char *name = json_string_value(json_object_get(item, "c"));
		const JobColumn *column;
		ObjectTable table;

		object_map_leaf(p->job->options.map, json_string_value(json_object_get(item, "s")),
		                json_string_value(json_object_get(item, "t")),
		                json_string_value(json_object_get(item, "rs")),
		                json_string_value(json_object_get(item, "rt")), &table);
		column = object_table_column(&table, name);
		if (object_table_target(&table, name) == NULL)
			continue;
		json_array_append_new(
		    mapped, json_pack("{s:s, s:s, s:s, s:O}", "s", table.target_schema, "t",
		                      table.target_name, "c", object_table_target(&table, name), "f",
		                      column != NULL && column->expr != NULL ? json_null()
		                                                             : json_object_get(item, "f")));
	}
	if (rows != NULL)
		text = json_dumps(mapped, JSON_COMPACT);
	json_decref(columns);
	json_decref(mapped);
	pg_rows_free(rows);
	return text;
}

/* What does not fit, one row each: severity, text, the statement that mends it. */
static const char columns_sql[] =
    "WITH s AS (SELECT * FROM pg_catalog.jsonb_to_recordset($1::jsonb) AS x(s text, t text, c "
    " text, f text)), r AS (SELECT DISTINCT s.s, s.t, c.oid FROM s JOIN pg_catalog.pg_namespace n "
    " ON n.nspname = s.s JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.t "
    " WHERE c.relkind IN ('r', 'p')), "
    "a AS (SELECT r.s, r.t, a.* FROM r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid WHERE "
    " a.attnum > 0 AND NOT a.attisdropped), "
    "x(result, s, t, c, says, mends) AS ("
    "SELECT 'fail', s.s, s.t, s.c, 'is missing', 'ADD COLUMN %I ' || coalesce(s.f, 'text') FROM s "
    " JOIN r USING (s, t) LEFT JOIN a ON a.s = s.s AND a.t = s.t AND a.attname = s.c WHERE "
    " a.attname IS NULL "
    "UNION ALL SELECT 'fail', a.s, a.t, a.attname, 'is generated', 'ALTER COLUMN %I DROP "
    " EXPRESSION' FROM a JOIN s ON s.s = a.s AND s.t = a.t AND s.c = a.attname WHERE "
    " a.attgenerated <> '' "
    "UNION ALL SELECT 'fail', a.s, a.t, a.attname, 'is NOT NULL without default and the source "
    "does not have it', 'ALTER COLUMN %I DROP NOT NULL' FROM a LEFT JOIN s ON s.s = a.s AND s.t = "
    " a.t AND s.c = a.attname WHERE s.c IS NULL AND a.attnotnull AND NOT a.atthasdef AND "
    " a.attidentity = '' AND a.attgenerated = '' "
    "UNION ALL SELECT 'warn', a.s, a.t, a.attname, pg_catalog.format('is %s, on the source %s', "
    " pg_catalog.format_type(a.atttypid, a.atttypmod), s.f), 'ALTER COLUMN %I TYPE ' || s.f FROM a "
    " JOIN s ON s.s = a.s AND s.t = a.t AND s.c = a.attname WHERE a.attgenerated = '' AND "
    " pg_catalog.format_type(a.atttypid, a.atttypmod) <> s.f) "
    "SELECT result, pg_catalog.format('%I.%I column %I %s', s, t, c, says), "
    "pg_catalog.format('ALTER TABLE %I.%I ', s, t) || pg_catalog.format(mends, c) || ';' FROM x "
    "ORDER BY 1, 2";

static void
check_columns(Precheck *p)
{
	NameList bad = {.count = 0};
	NameList odd = {.count = 0};
	StrBuf mend_bad, mend_odd;
	Error err;
	char *columns = source_columns(p, &err);
	PgRows *rows = NULL;

	if (columns != NULL)
	{
		const char *params[] = {columns};

		rows = pg_session_query(p->target, &err, columns_sql, 1, params);
	}
	free(columns);
	if (rows == NULL)
	{
		precheck_add_error(p, CHECK_COLUMNS, &err);
		return;
	}
	strbuf_init(&mend_bad);
	strbuf_init(&mend_odd);
	for (int i = 0; i < pg_rows_count(rows); i++)
	{
		bool fails = strcmp(pg_rows_get(rows, i, 0), "fail") == 0;

		name_list_add(fails ? &bad : &odd, "%s", pg_rows_get(rows, i, 1));
		strbuf_printf(fails ? &mend_bad : &mend_odd, "%s ", pg_rows_get(rows, i, 2));
	}
	pg_rows_free(rows);
	strbuf_puts(&mend_bad, "-- on the target");
	strbuf_puts(&mend_odd, "-- on the target; a value that does not fit stops the job");
	if (bad.count > 0)
		precheck_add(p, CHECK_COLUMNS, PRECHECK_FAIL, mend_bad.data,
		             "tables of the target do not take the source's rows: %s", name_list_end(&bad));
	else if (odd.count > 0)
		precheck_add(p, CHECK_COLUMNS, PRECHECK_WARN, mend_odd.data, "types differ: %s",
		             name_list_end(&odd));
	else
		precheck_add(p, CHECK_COLUMNS, PRECHECK_PASS, "",
		             "existing tables of the target take the source's columns");
	strbuf_free(&mend_bad);
	strbuf_free(&mend_odd);
}

void
target_check_tables(Precheck *p)
{
	Error err;
	PgRows *found = find_on_target(p, &err);

	if (found == NULL)
	{
		precheck_add_error(p, CHECK_SAME_NAME_TABLES, &err);
		return;
	}
	check_same_names(p, found);
	check_existence(p, found);
	check_columns(p);
	pg_rows_free(found);
}
