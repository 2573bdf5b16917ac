/*
 * source_check_tables.c
 *		The part of the precheck that looks at the source's tables; see source_check_tables.h.
 */
#include "source_check_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "object_map.h"
#include "strbuf.h"

/*
 * What the job selects, in one query: the options go in as JSON, so that names need no quoting.  A
 * table is selected by itself or through a partitioned ancestor, as the decoder has it.
 */
static const char tables_sql[] =
    "WITH o AS (SELECT $1::jsonb AS objects, $2::jsonb AS exclude), "
    "named AS (SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident, "
    " c.relispartition FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
    " c.relnamespace WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', "
    " 'information_schema', 'dts') AND n.nspname !~ '^pg_(toast|temp)' AND NOT (n.nspname = "
    "'public' "
    " AND c.relname LIKE 'dts\\_%') AND NOT EXISTS (SELECT "
    " FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass "
    " AND d.objid = c.oid AND d.deptype = 'e' AND NOT EXISTS (SELECT FROM "
    " pg_catalog.pg_extension e WHERE e.oid = d.refobjid AND c.oid = ANY (e.extconfig)))), "
    "lists AS MATERIALIZED (SELECT n.oid, EXISTS (SELECT FROM "
    "pg_catalog.jsonb_array_elements(o.objects) x "
    "  WHERE x->>'schema' = n.nspname AND (NOT x ? 'tables' OR x->'tables' ? n.relname)) "
    "  OR o.objects IS NULL AS wanted, EXISTS (SELECT FROM "
    "  pg_catalog.jsonb_array_elements(o.exclude) x WHERE x->>'schema' = n.nspname AND "
    "  (NOT x ? 'tables' OR x->'tables' ? n.relname)) AS excluded FROM named n, o) "
    "SELECT n.nspname, n.relname, n.oid, n.relkind, n.relpersistence, "
    " CASE WHEN n.relkind <> 'r' OR n.relreplident = 'f' THEN 'ok' "
    "  WHEN n.relreplident = 'n' THEN 'replica identity nothing' "
    "  WHEN n.relreplident = 'i' THEN CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_index i WHERE "
    "   i.indrelid = n.oid AND i.indisreplident AND i.indisvalid) THEN 'ok' "
    "   ELSE 'the index of its replica identity was dropped' END "
    "  WHEN EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = n.oid AND "
    "   i.indisprimary AND i.indimmediate) THEN 'ok' "
    "  WHEN EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = n.oid AND "
    "   i.indisprimary) THEN 'primary key is deferrable' ELSE 'no primary key' END, "
    " pg_catalog.has_table_privilege(n.oid, 'SELECT') AND "
    " pg_catalog.has_schema_privilege(n.nspname, 'USAGE'), "
    " pg_catalog.row_security_active(n.oid), n.relispartition, "
    " rn.nspname, r.relname "
    "FROM named n JOIN lists s ON s.oid = n.oid LEFT JOIN (pg_catalog.pg_class r JOIN "
    " pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace) ON n.relispartition AND r.oid = "
    " pg_catalog.pg_partition_root(n.oid) WHERE CASE WHEN n.relispartition THEN (SELECT "
    "pg_catalog.bool_or(l.wanted) AND NOT pg_catalog.bool_or(l.excluded) FROM "
    "pg_catalog.pg_partition_ancestors(n.oid) a JOIN lists l ON l.oid = a.relid) ELSE s.wanted AND "
    "NOT s.excluded END ORDER BY 1, 2";

static void
read_tables(Precheck *p)
{
	const JobOptions *options = &p->job->options;
	char *objects =
	    options->objects ? job_objects_json(options->objects, options->object_count) : NULL;
	char *exclude =
	    options->exclude ? job_objects_json(options->exclude, options->exclude_count) : NULL;
	const char *params[] = {objects, exclude};
	Error err;

	p->tables = pg_session_query(p->source, &err, tables_sql, 2, params);
	if (p->tables == NULL)
		precheck_add_error(p, CHECK_OBJECTS, &err);
	free(objects);
	free(exclude);
}

/* Whether the source has the schema (table NULL) or the table or view, of any kind. */
static bool
on_source(Precheck *p, const char *schema, const char *table, bool *exists, Error *err)
{
	const char *params[] = {schema, table};
	PgRows *rows = pg_session_query(
	    p->source, err,
	    "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = $1 AND ($2::text "
	    "IS NULL OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND "
	    "c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f'))))",
	    2, params);

	if (rows == NULL)
		return false;
	*exists = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

static bool
look_for(Precheck *p, const JobObject *objects, int count, NameList *missing, Error *err)
{
	for (int i = 0; i < count; i++)
	{
		bool exists;

		if (!on_source(p, objects[i].schema, NULL, &exists, err))
			return false;
		if (!exists)
		{
			name_list_add(missing, "schema \"%s\"", objects[i].schema);
			continue;
		}
		for (int t = 0; t < objects[i].table_count; t++)
		{
			if (!on_source(p, objects[i].schema, objects[i].tables[t], &exists, err))
				return false;
			if (!exists)
				name_list_add(missing, "table \"%s\".\"%s\"", objects[i].schema,
				              objects[i].tables[t]);
		}
	}
	return true;
}

static void
check_objects(Precheck *p)
{
	const JobOptions *options = &p->job->options;
	NameList missing = {.count = 0};
	NameList odd = {.count = 0};
	Error err;

	if (!look_for(p, options->objects, options->object_count, &missing, &err) ||
	    !look_for(p, options->exclude, options->exclude_count, &odd, &err))
		precheck_add_error(p, CHECK_OBJECTS, &err);
	else if (missing.count > 0)
		precheck_add(p, CHECK_OBJECTS, PRECHECK_FAIL,
		             "Correct the names with dts_configure_job, or create what is missing.",
		             "not on the source: %s", name_list_end(&missing));
	else if (odd.count > 0)
		precheck_add(p, CHECK_OBJECTS, PRECHECK_WARN, "Correct the names with dts_configure_job.",
		             "excluded, but not on the source: %s", name_list_end(&odd));
	else if (pg_rows_count(p->tables) == 0)
		precheck_add(p, CHECK_OBJECTS, PRECHECK_WARN,
		             "Create tables, or select others with dts_configure_job.",
		             "the source has no table that the job selects");
	else
		precheck_add(p, CHECK_OBJECTS, PRECHECK_PASS, "", "%d tables are selected",
		             pg_rows_count(p->tables));
}

static void
check_kinds(Precheck *p)
{
	NameList list = {.count = 0};
	StrBuf remedy;

	strbuf_init(&remedy);
	for (int i = 0; i < pg_rows_count(p->tables); i++)
	{
		const char *schema = pg_rows_get(p->tables, i, TABLE_COL_SCHEMA);
		const char *name = pg_rows_get(p->tables, i, TABLE_COL_NAME);

		if (pg_rows_get(p->tables, i, TABLE_COL_KIND)[0] == 'f')
			name_list_add(&list, "\"%s\".\"%s\" (foreign)", schema, name);
		else if (pg_rows_get(p->tables, i, TABLE_COL_PERSISTENCE)[0] == 'u')
		{
			name_list_add(&list, "\"%s\".\"%s\" (unlogged)", schema, name);
			strbuf_puts(&remedy, "ALTER TABLE ");
			strbuf_qualified(&remedy, schema, name);
			strbuf_puts(&remedy, " SET LOGGED; ");
		}
	}
	strbuf_puts(&remedy, remedy.len > 0 ? "-- on the source; rows of foreign tables stay"
	                                    : "Rows of a foreign table stay where they are.");
	if (list.count == 0)
		precheck_add(p, CHECK_TABLE_KINDS, PRECHECK_PASS, "", "all selected tables are ordinary");
	else
		precheck_add(p, CHECK_TABLE_KINDS, PRECHECK_WARN, remedy.data,
		             "rows of these tables are not carried over: %s", name_list_end(&list));
	strbuf_free(&remedy);
}

static void
identity_remedy(StrBuf *remedy, const char *schema, const char *name)
{
	if (remedy->len > 0)
		strbuf_puts(remedy, " ");
	strbuf_puts(remedy, "ALTER TABLE ");
	strbuf_qualified(remedy, schema, name);
	strbuf_puts(remedy, " REPLICA IDENTITY FULL;");
}

/* Whether the options want no operation of the table that needs to tell rows apart. */
static bool
only_inserts(const Precheck *p, int row)
{
	ObjectTable table;

	object_map_leaf(p->job->options.map, pg_rows_get(p->tables, row, TABLE_COL_SCHEMA),
	                pg_rows_get(p->tables, row, TABLE_COL_NAME),
	                pg_rows_get(p->tables, row, TABLE_COL_ROOT_SCHEMA),
	                pg_rows_get(p->tables, row, TABLE_COL_ROOT), &table);
	return (table.operations &
	        (OPERATION_BIT(OPERATION_UPDATE) | OPERATION_BIT(OPERATION_DELETE))) == 0;
}

static void
check_identity(Precheck *p)
{
	NameList list = {.count = 0};
	StrBuf remedy;

	strbuf_init(&remedy);
	for (int i = 0; i < pg_rows_count(p->tables); i++)
	{
		const char *schema = pg_rows_get(p->tables, i, TABLE_COL_SCHEMA);
		const char *name = pg_rows_get(p->tables, i, TABLE_COL_NAME);
		const char *identity = pg_rows_get(p->tables, i, TABLE_COL_IDENTITY);

		if (!precheck_carried(p, i) || strcmp(identity, "ok") == 0 || only_inserts(p, i))
			continue;
		name_list_add(&list, "\"%s\".\"%s\" (%s)", schema, name, identity);
		identity_remedy(&remedy, schema, name);
	}
	if (list.count == 0)
		precheck_add(p, CHECK_TABLE_IDENTITY, PRECHECK_PASS, "",
		             "every selected table has a usable row identity");
	else
	{
		strbuf_puts(&remedy, " -- on the source; better, where rows are unique: a primary key that "
		                     "is not deferrable, and REPLICA IDENTITY DEFAULT");
		precheck_add(p, CHECK_TABLE_IDENTITY, PRECHECK_FAIL, remedy.data,
		             "updates and deletes of these tables cannot be told apart by row: %s",
		             name_list_end(&list));
	}
	strbuf_free(&remedy);
}

/* False: could not ask. */
static bool
role_can_replicate(Precheck *p, bool *can, char *role, size_t size)
{
	Error err;
	PgRows *rows = pg_session_query(p->source, &err,
	                                "SELECT rolsuper OR rolreplication, pg_catalog.quote_ident("
	                                "rolname) FROM pg_catalog.pg_roles WHERE rolname = "
	                                "current_user",
	                                0, NULL);

	if (rows == NULL || pg_rows_count(rows) == 0)
	{
		if (rows == NULL)
			precheck_add_error(p, CHECK_SOURCE_PRIVILEGES, &err);
		pg_rows_free(rows);
		return false;
	}
	*can = pg_rows_bool(rows, 0, 0);
	snprintf(role, size, "%s", pg_rows_get(rows, 0, 1));
	pg_rows_free(rows);
	return true;
}

/* What the role lacks, and the statements that give it. */
typedef struct Lacking
{
	NameList unreadable;
	NameList secured;
	StrBuf remedy;
	const char *schema; /* that USAGE was granted on last */
} Lacking;

static void
lacks_select(Lacking *l, const char *schema, const char *name, const char *role)
{
	name_list_add(&l->unreadable, "\"%s\".\"%s\"", schema, name);
	if (l->schema == NULL || strcmp(l->schema, schema) != 0)
	{
		strbuf_puts(&l->remedy, "GRANT USAGE ON SCHEMA ");
		strbuf_ident(&l->remedy, schema);
		strbuf_printf(&l->remedy, " TO %s; ", role);
		l->schema = schema;
	}
	strbuf_puts(&l->remedy, "GRANT SELECT ON TABLE ");
	strbuf_qualified(&l->remedy, schema, name);
	strbuf_printf(&l->remedy, " TO %s; ", role);
}

static void
look_readable(Precheck *p, Lacking *l, const char *role)
{
	for (int i = 0; p->tables != NULL && i < pg_rows_count(p->tables); i++)
	{
		const char *schema = pg_rows_get(p->tables, i, TABLE_COL_SCHEMA);
		const char *name = pg_rows_get(p->tables, i, TABLE_COL_NAME);

		if (!precheck_carried(p, i))
			continue;
		if (!pg_rows_bool(p->tables, i, TABLE_COL_READABLE))
			lacks_select(l, schema, name, role);
		else if (pg_rows_bool(p->tables, i, TABLE_COL_ROW_SECURITY))
			name_list_add(&l->secured, "\"%s\".\"%s\"", schema, name);
	}
	if (l->secured.count > 0)
		strbuf_printf(&l->remedy, "ALTER ROLE %s BYPASSRLS; ", role);
}

static void
check_privileges(Precheck *p)
{
	Lacking l = {.schema = NULL};
	bool can_replicate;
	char role[160];

	if (!role_can_replicate(p, &can_replicate, role, sizeof(role)))
		return;
	can_replicate = can_replicate || !p->job->options.phases[PHASE_INCREMENTAL];
	strbuf_init(&l.remedy);
	if (!can_replicate)
		strbuf_printf(&l.remedy, "ALTER ROLE %s REPLICATION; ", role);
	if (p->job->options.phases[PHASE_FULL])
		look_readable(p, &l, role);
	strbuf_puts(&l.remedy, "-- on the source, as a superuser");
	if (can_replicate && l.unreadable.count == 0 && l.secured.count == 0)
		precheck_add(p, CHECK_SOURCE_PRIVILEGES, PRECHECK_PASS, "", "role %s has what it needs",
		             role);
	else
		precheck_add(
		    p, CHECK_SOURCE_PRIVILEGES, PRECHECK_FAIL, l.remedy.data, "role %s lacks%s%s%s%s%s",
		    role, can_replicate ? "" : " the attribute REPLICATION;",
		    l.unreadable.count == 0 ? "" : " the privilege SELECT on ",
		    name_list_end(&l.unreadable),
		    l.secured.count == 0 ? "" : "; row security hides rows of ", name_list_end(&l.secured));
	strbuf_free(&l.remedy);
}

void
source_check_tables(Precheck *p)
{
	read_tables(p);
	check_privileges(p);
	if (p->tables == NULL)
		return;
	check_objects(p);
	check_kinds(p);
	if (p->job->options.phases[PHASE_INCREMENTAL])
		check_identity(p);
}
