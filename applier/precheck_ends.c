/*
 * precheck_ends.c
 *		Checks that ask both ends the same: room for the job's connections, and collations.
 */
#include "precheck_ends.h"

#include <stdio.h>
#include <string.h>

#include "strbuf.h"

/* While it loads a job has sessions beside those of its workers, as dts_limit_connections counts. */
#define BESIDE_WORKERS 4
#define LEAST_ROOM     3

/*
 * What is left of each limit, the tightest one first: how many, the limit's name, its value, and the
 * statement that raises it by as many as $1 asks for.  A role sees little of other roles' sessions, but
 * that they are there.
 */
static const char room_sql[] =
    "WITH me AS (SELECT r.rolname, r.rolsuper, r.rolconnlimit, d.datname, d.oid AS db, "
    " d.datconnlimit, r.oid AS role FROM pg_catalog.pg_roles r, pg_catalog.pg_database d WHERE "
    " r.rolname = current_user AND d.datname = pg_catalog.current_database()), "
    "s AS (SELECT a.datid, a.usesysid FROM pg_catalog.pg_stat_activity a WHERE a.datid IS NOT NULL "
    " AND a.pid <> pg_catalog.pg_backend_pid() AND coalesce(a.backend_type, 'client backend') = "
    " 'client backend'), "
    "l(name, has, used, raise, restart) AS ("
    "SELECT 'max_connections', pg_catalog.current_setting('max_connections')::int - CASE WHEN "
    "  me.rolsuper THEN 0 ELSE "
    "  pg_catalog.current_setting('superuser_reserved_connections')::int + "
    "  coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0) END, (SELECT "
    "  pg_catalog.count(*) FROM s), 'ALTER SYSTEM SET max_connections = %s;', true FROM me "
    "UNION ALL SELECT 'the role''s CONNECTION LIMIT', me.rolconnlimit, (SELECT pg_catalog.count(*) "
    "  FROM s WHERE s.usesysid = me.role), pg_catalog.format('ALTER ROLE %I', me.rolname) || ' "
    "CONNECTION LIMIT %s;', false FROM me WHERE me.rolconnlimit >= 0 AND NOT me.rolsuper "
    "UNION ALL SELECT 'the database''s CONNECTION LIMIT', me.datconnlimit, (SELECT "
    "  pg_catalog.count(*) FROM s WHERE s.datid = me.db), pg_catalog.format('ALTER DATABASE %I', "
    "  me.datname) || ' CONNECTION LIMIT %s;', false FROM me WHERE me.datconnlimit >= 0 AND NOT "
    "  me.rolsuper) "
    "SELECT GREATEST(has - used, 0), name, has, pg_catalog.format(raise, "
    "(CASE WHEN restart THEN pg_catalog.current_setting('max_connections')::int ELSE has END) + "
    "$1::int - GREATEST(has - used, 0)), restart FROM l ORDER BY has - used LIMIT 1";

static int
connections_needed(const JobOptions *o)
{
	if (o->phases[PHASE_SCHEMA] || o->phases[PHASE_FULL])
		return o->workers + BESIDE_WORKERS;
	return LEAST_ROOM + (o->apply_workers > 1 ? o->apply_workers - 1 : 0);
}

static void
check_connections(Precheck *p, PgSession *session, const char *end)
{
	int need = connections_needed(&p->job->options);
	char needed[16];
	const char *params[] = {needed};
	char remedy[512];
	PgRows *rows;
	int64_t room;
	Error err;

	snprintf(needed, sizeof(needed), "%d", need);
	rows = pg_session_query(session, &err, room_sql, 1, params);
	if (rows == NULL)
	{
		precheck_add_error(p, CHECK_CONNECTIONS, &err);
		return;
	}
	room = pg_rows_int(rows, 0, 0);
	snprintf(remedy, sizeof(remedy), "%.300s -- on the %s%s", pg_rows_get(rows, 0, 3), end,
	         pg_rows_bool(rows, 0, 4) ? ", then restart it" : "");
	if (room >= need)
		precheck_add(p, CHECK_CONNECTIONS, PRECHECK_PASS, "",
		             "the %s has room for %d connections, and the job takes up to %d", end,
		             (int) room, need);
	else
		precheck_add(p, CHECK_CONNECTIONS, room < LEAST_ROOM ? PRECHECK_FAIL : PRECHECK_WARN,
		             remedy,
		             "the %s has room for %d connections (%s is %s), and the job takes up to %d",
		             end, (int) room, pg_rows_get(rows, 0, 1), pg_rows_get(rows, 0, 2), need);
	pg_rows_free(rows);
}

/* Collations of the system's that the selected columns name, as JSON; those of users are copied. */
static const char used_collations_sql[] =
    "SELECT coalesce(pg_catalog.jsonb_agg(DISTINCT c.collname), '[]')::text FROM "
    "pg_catalog.pg_attribute a JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation WHERE "
    "a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND c.collnamespace = "
    "'pg_catalog'::pg_catalog.regnamespace AND c.collname <> 'default'";

static const char lacking_collations_sql[] =
    "SELECT pg_catalog.quote_ident(x) FROM pg_catalog.jsonb_array_elements_text($1::jsonb) x WHERE "
    "NOT EXISTS (SELECT FROM pg_catalog.pg_collation c WHERE c.collname = x AND c.collnamespace = "
    "'pg_catalog'::pg_catalog.regnamespace AND c.collencoding IN (-1, (SELECT encoding FROM "
    "pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))) ORDER BY 1";

static const char default_collation_sql[] =
    "SELECT pg_catalog.concat_ws(' ', datcollate, datctype, to_jsonb(d) ->> 'datlocprovider', "
    "coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')) FROM "
    "pg_catalog.pg_database d WHERE datname = pg_catalog.current_database()";

static bool
list_lacking(Precheck *p, NameList *lacking, Error *err)
{
	const char *params[] = {precheck_oids(p, true)};
	PgRows *used = pg_session_query(p->source, err, used_collations_sql, 1, params);
	PgRows *rows;

	if (used == NULL)
		return false;
	params[0] = pg_rows_get(used, 0, 0);
	rows = pg_session_query(p->target, err, lacking_collations_sql, 1, params);
	for (int i = 0; rows != NULL && i < pg_rows_count(rows); i++)
		name_list_add(lacking, "%s", pg_rows_get(rows, i, 0));
	pg_rows_free(used);
	pg_rows_free(rows);
	return rows != NULL;
}

static void
check_collations(Precheck *p)
{
	NameList lacking = {.count = 0};
	Error err;
	PgRows *source, *target;

	if (p->job->options.phases[PHASE_SCHEMA] && !list_lacking(p, &lacking, &err))
	{
		precheck_add_error(p, CHECK_COLLATIONS, &err);
		return;
	}
	source = pg_session_query(p->source, &err, default_collation_sql, 0, NULL);
	target =
	    source == NULL ? NULL : pg_session_query(p->target, &err, default_collation_sql, 0, NULL);
	if (target == NULL)
		precheck_add_error(p, CHECK_COLLATIONS, &err);
	else if (lacking.count > 0)
		precheck_add(p, CHECK_COLLATIONS, PRECHECK_FAIL,
		             "SELECT pg_import_system_collations('pg_catalog'); -- on the target, as a "
		             "superuser, when its operating system has these locales",
		             "columns have collations that the target does not have: %s",
		             name_list_end(&lacking));
	else if (strcmp(pg_rows_get(source, 0, 0), pg_rows_get(target, 0, 0)) != 0)
		precheck_add(p, CHECK_COLLATIONS, PRECHECK_WARN,
		             "Create the target database with the source's locale: CREATE DATABASE ... "
		             "LOCALE ... TEMPLATE template0; or see that nothing depends on the order of "
		             "text.",
		             "text is sorted by \"%s\" on the source and by \"%s\" on the target",
		             pg_rows_get(source, 0, 0), pg_rows_get(target, 0, 0));
	else
		precheck_add(p, CHECK_COLLATIONS, PRECHECK_PASS, "", "both sort text alike");
	pg_rows_free(source);
	pg_rows_free(target);
}

void
precheck_ends(Precheck *p)
{
	if (p->source != NULL)
		check_connections(p, p->source, "source");
	if (p->target != NULL)
		check_connections(p, p->target, "target");
	if (p->source != NULL && p->target != NULL && p->tables != NULL)
		check_collations(p);
}
