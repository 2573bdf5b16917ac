/*
 * source_capture.c
 *		Setting up, sharing and removing the capture; see source_capture.h.
 *
 * Jobs of several daemons meet here, so everything runs under one advisory lock, in one
 * transaction.  No wait is long: users' transactions hold locks on the queue, and their next
 * commands would queue up behind a DROP that waits.
 */
#include "source_capture.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#define VISIBLE_MS       1500
#define VISIBLE_EVERY_MS 20

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

/*
 * By the catalogs alone: names that are looked up are an error where the role may not use the schema.
 * stands, whole, whether this role is a superuser, whether it may use what stands.
 */
static const char inspect_sql[] =
    "WITH tables AS (SELECT c.oid, n.nspname || '.' || c.relname AS name FROM pg_catalog.pg_class "
    "c "
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname || '.' || c.relname "
    "= "
    "ANY ('{public.dts_ddl_command,public.dts_args_session,public.dts_pg_class,"
    "public.dts_pg_attribute,public.dts_pg_type,public.dts_pg_enum,dts.capture_object,"
    "dts.capture_job,dts.capture_mark}')), "
    "calls AS (SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = "
    "p.pronamespace WHERE n.nspname = 'dts' AND p.proname IN ('capture_join', 'capture_leave', "
    "'capture_trim', 'capture_waits', 'capture_doubt')), "
    "triggers AS (SELECT FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc p ON p.oid = "
    "e.evtfoid WHERE e.evtname ~ '^dts_capture_(end|drop|rewrite)_[12]$' AND e.evtenabled = 'A' "
    "AND "
    "p.proname = CASE WHEN e.evtname ~ '1$' THEN 'capture_session' ELSE 'capture_event' END) "
    "SELECT EXISTS (SELECT FROM tables WHERE name = 'dts.capture_job'), "
    "(SELECT count(*) = 9 FROM tables) AND (SELECT count(*) = 5 FROM calls) AND "
    "(SELECT count(*) = 6 FROM triggers), r.rolsuper, r.rolsuper OR "
    "(SELECT count(*) = 5 FROM calls WHERE pg_catalog.has_function_privilege(oid, 'EXECUTE')) AND "
    "EXISTS (SELECT FROM tables WHERE name = 'dts.capture_job' AND "
    "pg_catalog.has_table_privilege(oid, 'SELECT')) AND EXISTS (SELECT FROM "
    "pg_catalog.pg_namespace n WHERE n.nspname = 'dts' AND "
    "pg_catalog.has_schema_privilege(n.oid, 'USAGE')) "
    "FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

bool
source_capture_inspect(PgSession *session, SourceCapture *state, Error *err)
{
	PgRows *rows = pg_session_query(session, err, inspect_sql, 0, NULL);

	*state = (SourceCapture){0};
	if (rows == NULL)
	{
		error_context(err, "looking for the capture of DDL");
		return false;
	}
	state->stands = pg_rows_bool(rows, 0, 0);
	state->whole = state->stands && pg_rows_bool(rows, 0, 1);
	state->may_install = pg_rows_bool(rows, 0, 2);
	/* one that this role may not use serves others */
	state->may_use = state->stands && pg_rows_bool(rows, 0, 3);
	pg_rows_free(rows);
	if (!state->may_use)
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
	if (state->stands && !state->may_use)
	{
		error_set(err, "42501", "the capture of DDL on the source belongs to another role");
		error_hint(err,
		           "Let a superuser run what dts_setup_script prints for the source, or set the "
		           "job's option ddl to off.");
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
		error_hint(err,
		           "Let a superuser run what dts_setup_script prints for the source, or set the "
		           "job's option ddl to off.");
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
	          pg_session_exec(session, err, "SELECT dts.capture_join($1)", 1, params);

	return finish(session, ok, "setting up the capture of DDL", err);
}

bool
source_capture_leave(PgSession *session, const char *slot, Error *err)
{
	const char *params[] = {slot};
	SourceCapture state;
	bool ok = run_script(session, LOCK_SQL, err) && source_capture_inspect(session, &state, err);

	/* what a superuser has set up for others stands between jobs, and does nothing */
	if (ok && state.stands && state.may_install)
		ok = pg_session_exec(session, err, "DELETE FROM dts.capture_job WHERE slot_name = $1", 1,
		                     params) &&
		     source_capture_inspect(session, &state, err) &&
		     (state.jobs > 0 || run_scripts(session, capture_remove_sql, err));
	else if (ok && state.stands && state.may_use)
		ok = pg_session_exec(session, err, "SELECT dts.capture_leave($1)", 1, params);
	return finish(session, ok, "removing the capture of DDL", err);
}

bool
source_capture_trim(PgSession *session, bool *left, Error *err)
{
	SourceCapture state;
	PgRows *rows;

	*left = false;
	if (!source_capture_inspect(session, &state, err))
		return false;
	if (!state.whole || !state.may_use)
		return true;
	rows = pg_session_query(session, err, "SELECT dts.capture_trim()", 0, NULL);
	if (rows != NULL)
	{
		pg_rows_free(rows);
		rows = pg_session_query(session, err, "SELECT dts.capture_waits()", 0, NULL);
	}
	if (rows == NULL)
	{
		error_context(err, "trimming captured commands");
		return false;
	}
	*left = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

bool
source_capture_serves(PgSession *session, const char *slot, bool *serves, Error *err)
{
	const char *params[] = {slot};
	SourceCapture state;
	PgRows *rows;

	/* a damaged one, too: what it has captured before is still to come */
	*serves = false;
	if (!source_capture_inspect(session, &state, err))
		return false;
	if (!state.may_use)
		return true;
	rows = pg_session_query(session, err,
	                        "SELECT EXISTS (SELECT FROM dts.capture_job WHERE slot_name = $1)", 1,
	                        params);
	if (rows == NULL)
		return false;
	*serves = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

/*
 * The stream brings a transaction as soon as its commit is flushed; the source's other sessions see it
 * a moment later.  Where commits wait for this very job that moment never comes.
 */
static bool
await_visible(PgSession *session, uint32_t xid, Error *err)
{
	const struct timespec pause = {.tv_nsec = VISIBLE_EVERY_MS * 1000000L};
	char text[16];
	const char *params[] = {text};

	snprintf(text, sizeof(text), "%" PRIu32, xid);
	for (int waited = 0; waited < VISIBLE_MS; waited += VISIBLE_EVERY_MS)
	{
		PgRows *rows = pg_session_query(
		    session, err,
		    "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype = 'transactionid' AND "
		    "transactionid::text = $1)",
		    1, params);
		bool over = rows != NULL && !pg_rows_bool(rows, 0, 0);

		pg_rows_free(rows);
		if (rows == NULL || over)
			return rows != NULL;
		nanosleep(&pause, NULL);
	}
	return true;
}

bool
source_capture_doubt(PgSession *session, uint32_t xid, char *tables, size_t size, Error *err)
{
	SourceCapture state;
	PgRows *rows;

	tables[0] = '\0';
	if (!await_visible(session, xid, err) || !source_capture_inspect(session, &state, err))
		return false;
	if (!state.whole || !state.may_use)
	{
		snprintf(tables, size, "not known, because the capture of DDL is damaged");
		return true;
	}
	rows =
	    pg_session_query(session, err,
	                     "SELECT string_agg(d.name, ', ') || CASE WHEN count(*) > 20 THEN ', ...' "
	                     "ELSE '' END FROM (SELECT * FROM dts.capture_doubt() LIMIT 21) d(name)",
	                     0, NULL);
	if (rows == NULL)
		return false;
	if (pg_rows_get(rows, 0, 0) != NULL)
		snprintf(tables, size, "%s", pg_rows_get(rows, 0, 0));
	pg_rows_free(rows);
	return true;
}

bool
source_capture_refresh(PgSession *session, Error *err)
{
	PgRows *rows = pg_session_query(
	    session, err,
	    "SELECT pg_catalog.has_function_privilege(p.oid, 'EXECUTE') FROM pg_catalog.pg_proc p JOIN "
	    "pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'dts' AND p.proname "
	    "= 'capture_differs'",
	    0, NULL);
	bool ok = rows != NULL;
	/* not where one of an older version stands, or another role's */
	bool can = ok && pg_rows_count(rows) > 0 && pg_rows_bool(rows, 0, 0);

	pg_rows_free(rows);
	if (!can)
		return ok;
	rows = pg_session_query(session, err, "SELECT class, oid FROM dts.capture_differs()", 0, NULL);
	ok = rows != NULL;
	for (int i = 0; ok && i < pg_rows_count(rows); i++)
	{
		const char *params[] = {pg_rows_get(rows, i, 0), pg_rows_get(rows, i, 1)};

		ok = pg_session_exec(session, err, "SELECT dts.capture_again($1, $2)", 2, params);
	}
	pg_rows_free(rows);
	if (!ok)
		error_context(err, "having the capture of DDL look at what it missed");
	return ok;
}
