/*
 * source_capture.c
 *		Setting up, sharing and removing the capture; see source_capture.h.
 *
 * Jobs of several daemons meet here, so everything runs under one advisory lock, in one
 * transaction.  No wait is long: users' transactions hold locks on the queue, and their next
 * commands would queue up behind a DROP that waits.
 */
#include "source_capture.h"

#include <libpq-fe.h>
#include <stddef.h>

#define LOCK_SQL                                                                                   \
	"BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL search_path = pg_catalog; "                   \
	"SET LOCAL client_min_messages = warning; "                                                    \
	"SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('dts.capture'))"

/* Several commands in one string: only the simple protocol takes that. */
static bool
run_script(PgSession *session, const char *sql, Error *err)
{
	PGresult *result = PQexec(pg_session_conn(session), sql);
	bool ok =
	    PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;

	if (!ok)
		pg_session_error(err, pg_session_conn(session), result);
	PQclear(result);
	return ok;
}

static bool
run_scripts(PgSession *session, const char *const *scripts, Error *err)
{
	for (; *scripts != NULL; scripts++)
	{
		if (!run_script(session, *scripts, err))
			return false;
	}
	return true;
}

/* Ends the transaction; the first error stands. */
static bool
finish(PgSession *session, bool ok, const char *what, Error *err)
{
	Error ignored;

	if (ok)
		ok = run_script(session, "COMMIT", err);
	if (ok)
		return true;
	if (PQtransactionStatus(pg_session_conn(session)) != PQTRANS_IDLE &&
	    !run_script(session, "ROLLBACK", &ignored))
		error_context(err, "rolling back");
	error_context(err, "%s", what);
	return false;
}

bool
source_capture_inspect(PgSession *session, SourceCapture *state, Error *err)
{
	PgRows *rows = pg_session_query(
	    session, err,
	    "SELECT pg_catalog.to_regclass('dts.capture_job') IS NOT NULL, "
	    "(SELECT count(*) = 6 FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc p ON "
	    "p.oid = "
	    "e.evtfoid WHERE e.evtname ~ '^dts_capture_(end|drop|rewrite)_[12]$' AND e.evtenabled = "
	    "'A' "
	    "AND p.proname = CASE WHEN e.evtname ~ '1$' THEN 'capture_session' ELSE 'capture_event' "
	    "END) "
	    "AND (SELECT count(*) = 7 FROM pg_catalog.unnest('{public.dts_ddl_command,"
	    "public.dts_args_session,public.dts_pg_class,public.dts_pg_attribute,public.dts_pg_type,"
	    "public.dts_pg_enum,dts.capture_object}'::pg_catalog.text[]) t(name) "
	    "WHERE pg_catalog.to_regclass(t.name) IS NOT NULL), "
	    "(SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)",
	    0, NULL);

	*state = (SourceCapture){0};
	if (rows == NULL)
	{
		error_context(err, "looking for the capture of DDL");
		return false;
	}
	state->stands = pg_rows_bool(rows, 0, 0);
	state->whole = state->stands && pg_rows_bool(rows, 0, 1);
	state->may_install = pg_rows_bool(rows, 0, 2);
	pg_rows_free(rows);
	if (!state->stands)
		return true;
	/* one that this role may not read serves others */
	rows = pg_session_query(session, err,
	                        "SELECT pg_catalog.has_table_privilege('dts.capture_job', 'DELETE')", 0,
	                        NULL);
	if (rows == NULL)
		return false;
	state->may_leave = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	if (!state->may_leave)
		return true;
	rows = pg_session_query(session, err, "SELECT count(*) FROM dts.capture_job", 0, NULL);
	if (rows == NULL)
		return false;
	state->jobs = (int) pg_rows_int(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

static bool
set_up(PgSession *session, const SourceCapture *state, Error *err)
{
	if (state->stands && !state->may_leave)
	{
		error_set(err, "42501", "the capture of DDL on the source belongs to another role");
		error_hint(err, "Connect as that role or as a superuser, or set the job's option ddl to "
		                "skip.");
		return false;
	}
	if (state->whole)
		return true;
	if (state->jobs > 0)
	{
		error_set(err, ERR_OBJECT_STATE, "the capture of DDL on the source is damaged");
		error_detail(
		    err, "Some of its event triggers or tables are gone or disabled; %d other jobs use it.",
		    state->jobs);
		error_hint(err, "Stop the jobs of this source that follow DDL, then start them anew.");
		return false;
	}
	if (!state->may_install)
	{
		error_set(err, "42501", "the capture of DDL cannot be set up on the source");
		error_detail(err, "Event triggers can be created by superusers only.");
		error_hint(err, "Connect as a superuser, or set the job's option ddl to skip.");
		return false;
	}
	return (!state->stands || run_scripts(session, capture_remove_sql, err)) &&
	       run_scripts(session, capture_install_sql, err);
}

bool
source_capture_join(PgSession *session, const char *slot, Error *err)
{
	const char *params[] = {slot};
	SourceCapture state;
	bool ok = run_script(session, LOCK_SQL, err) && source_capture_inspect(session, &state, err) &&
	          set_up(session, &state, err) &&
	          pg_session_exec(session, err,
	                          "INSERT INTO dts.capture_job (slot_name) VALUES ($1) "
	                          "ON CONFLICT (slot_name) DO NOTHING",
	                          1, params);

	return finish(session, ok, "setting up the capture of DDL", err);
}

bool
source_capture_leave(PgSession *session, const char *slot, Error *err)
{
	const char *params[] = {slot};
	SourceCapture state;
	bool ok = run_script(session, LOCK_SQL, err) && source_capture_inspect(session, &state, err);

	if (ok && state.stands && state.may_leave)
		ok = pg_session_exec(session, err, "DELETE FROM dts.capture_job WHERE slot_name = $1", 1,
		                     params) &&
		     source_capture_inspect(session, &state, err) &&
		     (state.jobs > 0 || run_scripts(session, capture_remove_sql, err));
	return finish(session, ok, "removing the capture of DDL", err);
}

bool
source_capture_trim(PgSession *session, bool *left, Error *err)
{
	PgRows *rows = pg_session_query(
	    session, err,
	    "SELECT CASE WHEN pg_catalog.to_regclass('dts.capture_job') IS NOT NULL AND "
	    "pg_catalog.has_table_privilege(pg_catalog.to_regclass('dts.capture_job'), 'DELETE') "
	    "THEN 1 ELSE 0 END",
	    0, NULL);
	bool ours = rows != NULL && pg_rows_int(rows, 0, 0) == 1;

	*left = false;
	pg_rows_free(rows);
	if (rows != NULL && !ours)
		return true;
	if (rows != NULL)
	{
		rows = pg_session_query(session, err, "SELECT dts.capture_trim()", 0, NULL);
		pg_rows_free(rows);
	}
	if (rows != NULL)
	{
		rows = pg_session_query(session, err, "SELECT EXISTS (SELECT FROM public.dts_ddl_command)",
		                        0, NULL);
		*left = rows != NULL && pg_rows_bool(rows, 0, 0);
		pg_rows_free(rows);
	}
	if (rows == NULL)
		error_context(err, "trimming captured commands");
	return rows != NULL;
}
