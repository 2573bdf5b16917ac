/*
 * source_check_own.c
 *		What the job makes on the source besides its slot: see source_check_own.h.
 *
 * None of it is needed to carry rows, so what cannot be made is a warning that says what the job does
 * without.
 */
#include "source_check_own.h"

#include <stdio.h>

#include "source_heartbeat.h"

/* role, whether it may make the table, whether it is there, whether it may write it */
static const char heartbeat_sql[] =
    "SELECT pg_catalog.quote_ident(current_user), "
    "pg_catalog.has_schema_privilege('public', 'CREATE'), c IS NOT NULL, "
    "c IS NOT NULL AND pg_catalog.has_table_privilege(c, 'SELECT') AND "
    "pg_catalog.has_table_privilege(c, 'INSERT') AND pg_catalog.has_table_privilege(c, 'UPDATE') "
    "AND pg_catalog.has_table_privilege(c, 'DELETE') "
    "FROM pg_catalog.to_regclass('public.dts_postgres_heartbeat') c";

static void
heartbeat_refused(Precheck *p, const char *role, bool there)
{
	char remedy[2048];

	snprintf(remedy, sizeof(remedy),
	         "As a role that may, on the source: %s%sGRANT SELECT, INSERT, UPDATE, DELETE ON "
	         "public.dts_postgres_heartbeat TO %s;",
	         there ? "" : source_heartbeat_sql, there ? "" : "; ", role);
	precheck_add(
	    p, CHECK_HEARTBEAT, PRECHECK_WARN, remedy,
	    "role %s may not %s public.dts_postgres_heartbeat: the lag is known less well, and "
	    "not at all while no transaction comes",
	    role, there ? "write" : "create");
}

static void
check_heartbeat(Precheck *p)
{
	Error err;
	PgRows *rows;

	if (p->job->options.heartbeat_seconds == 0)
		return;
	rows = pg_session_query(p->source, &err, heartbeat_sql, 0, NULL);
	if (rows == NULL)
	{
		precheck_add_error(p, CHECK_HEARTBEAT, &err);
		return;
	}
	if (pg_rows_bool(rows, 0, 2) ? pg_rows_bool(rows, 0, 3) : pg_rows_bool(rows, 0, 1))
		precheck_add(p, CHECK_HEARTBEAT, PRECHECK_PASS, "", "a row is written every %d s",
		             p->job->options.heartbeat_seconds);
	else
		heartbeat_refused(p, pg_rows_get(rows, 0, 0), pg_rows_bool(rows, 0, 2));
	pg_rows_free(rows);
}

void
source_check_own(Precheck *p)
{
	check_heartbeat(p);
}
