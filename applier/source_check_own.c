/*
 * source_check_own.c
 *		What the job makes on the source besides its slot: see source_check_own.h.
 *
 * None of it is needed to carry rows, so what cannot be made is a warning that says what the job does
 * without.
 */
#include "source_check_own.h"

#include <stdio.h>

#include "source_capture.h"
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
	         "%s%sGRANT SELECT, INSERT, UPDATE, DELETE ON public.dts_postgres_heartbeat TO %s; "
	         "-- on the source, as a role that may",
	         there ? "" : capture_heartbeat_sql[0], there ? "" : " ", role);
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

/* What the stream does without the capture. */
#define DEGRADED                                                                                   \
	"a table whose columns change on the source stops the job, which then names it; other "        \
	"commands "                                                                                    \
	"do not reach the target"

static void
capture_is_missing(Precheck *p, const SourceCapture *state)
{
	char remedy[512];

	snprintf(remedy, sizeof(remedy),
	         "SELECT dts_setup_script('%.200s', 'source'); -- in the control database; a superuser "
	         "runs on the source what it prints.  Or set the option \"ddl\" to \"off\"",
	         p->job->name);
	precheck_add(p, CHECK_DDL_CAPTURE, PRECHECK_WARN, remedy,
	             state->stands ? "the capture of DDL belongs to another role: " DEGRADED
	                           : "event triggers need a superuser: " DEGRADED);
}

static void
capture_is_damaged(Precheck *p, const SourceCapture *state)
{
	if (state->jobs > 0 || !state->may_install)
		precheck_add(
		    p, CHECK_DDL_CAPTURE, PRECHECK_FAIL,
		    "Stop the jobs of this source that follow DDL and start them anew; as a role that "
		    "is no superuser, let one run what dts_setup_script prints for the source.",
		    "the capture of DDL is damaged: tables, functions or event triggers of it are "
		    "gone or disabled; %d jobs use it",
		    state->jobs);
	else
		precheck_add(
		    p, CHECK_DDL_CAPTURE, PRECHECK_WARN,
		    "Nothing needs to be done; DROP what is called dts_capture_* and public.dts_* to "
		    "be rid of it before.",
		    "an earlier job has left parts of the capture of DDL behind; they are made anew");
}

static void
check_capture(Precheck *p)
{
	SourceCapture state;
	Error err;

	if (!p->job->options.ddl.captured)
		return;
	if (!source_capture_inspect(p->source, &state, &err))
		precheck_add_error(p, CHECK_DDL_CAPTURE, &err);
	else if (state.stands ? !state.may_use : !state.may_install)
		capture_is_missing(p, &state);
	else if (state.stands && !state.whole)
		capture_is_damaged(p, &state);
	else if (state.stands)
		precheck_add(p, CHECK_DDL_CAPTURE, PRECHECK_PASS, "", "it is there, for %d jobs",
		             state.jobs);
	else
		precheck_add(p, CHECK_DDL_CAPTURE, PRECHECK_PASS, "", "it will be set up");
}

void
source_check_own(Precheck *p)
{
	check_heartbeat(p);
	check_capture(p);
}
