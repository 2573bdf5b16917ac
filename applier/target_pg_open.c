/*
 * target_pg_open.c
 *		Opening the stream's session on the target: settings, place, origin, position.
 *
 * Two sessions of one job must never apply side by side: not even one whose client is gone but
 * whose last statements the server still works on.  A session-level advisory lock is the place;
 * whoever still holds it is ended.  (An origin would keep the second one out too, but does not tell
 * whom to end, and is not always there.)  The position is read when the place is ours.
 *
 * Further sessions of the same job (lanes) share a lock of their own, which the first one takes alone for a
 * moment before it reads: so those that an earlier one has left behind are ended too.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "strbuf.h"
#include "target_pg_fence.h"
#include "target_pg_internal.h"
#include "target_pg_lane.h"

#define PLACE_ROUNDS 30 /* of 100 ms each */

#define PLACE_KEYS   "pg_catalog.hashtext($2), pg_catalog.hashtext($1)"
#define PLACE_STREAM "dts.stream"
#define PLACE_LANE   "dts.lane"

/*
 * One plan for good, and by index whatever the statistics say: a plan made while the table was
 * small must not stay a sequential scan when it has grown.  synchronize_seqscans would let two
 * scans of one statement differ.
 */
static const char settings[] = "SET plan_cache_mode = force_generic_plan;"
                               "SET enable_seqscan = off;"
                               "SET enable_hashjoin = off;"
                               "SET enable_mergejoin = off;"
                               "SET enable_material = off;"
                               "SET jit = off;"
                               "SET max_parallel_workers_per_gather = 0;"
                               "SET synchronize_seqscans = off;"
                               "SET log_parameter_max_length_on_error = 0;"
                               /* not every version has it */
                               "SELECT pg_catalog.set_config(name, '0', false)"
                               " FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'";

static void
ignore_notice(void *arg, const char *message)
{
	(void) arg;
	(void) message;
}

/* A query for one boolean. */
static bool
query_bool(PgSession *session, const char *sql, int nparams, const char *const *params,
           bool *answer, Error *err)
{
	PgRows *rows = pg_session_query(session, err, sql, nparams, params);

	if (rows == NULL)
		return false;
	*answer =
	    pg_rows_count(rows) > 0 && pg_rows_get(rows, 0, 0) != NULL && pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

static bool
take_place(TargetPg *t, const char *place, Error *err)
{
	const char *params[] = {t->slot, place};
	const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
	bool taken = false;

	for (int round = 0; round < PLACE_ROUNDS; round++)
	{
		if (!query_bool(t->session, "SELECT pg_catalog.pg_try_advisory_lock(" PLACE_KEYS ")", 2,
		                params, &taken, err))
			return false;
		if (taken)
			return true;
		if (!pg_session_exec(
		        t->session, err,
		        "SELECT pg_catalog.pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks l"
		        " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"
		        " AND l.database = (SELECT oid FROM pg_catalog.pg_database"
		        "  WHERE datname = pg_catalog.current_database())"
		        " AND l.classid::bigint = (pg_catalog.hashtext($2)::bigint & 4294967295)"
		        " AND l.objid::bigint = (pg_catalog.hashtext($1)::bigint & 4294967295)",
		        2, params))
			return false;
		nanosleep(&pause, NULL);
	}
	error_set(err, "55006", "an older session of the job is still at work on the target");
	error_hint(err, "It was told to end; it may be waiting for the end of an operation there.");
	return false;
}

/*
 * Since 16 a transaction that is rolled back moves its session's origin on as one that commits does,
 * be it by ROLLBACK, an error or the session's end (tried on 16.15, 17.11 and 18.6; 13.16 and 15.18 do
 * not): a position kept there would pass over what never arrived.  From then on it lies in a row.
 */
bool
target_pg_may_use_origin(PgSession *session, bool *may, Error *err)
{
	return query_bool(
	    session,
	    "SELECT pg_catalog.current_setting('server_version_num')::int < 160000 AND"
	    " pg_catalog.bool_and(pg_catalog.has_function_privilege(f, 'EXECUTE'))"
	    " FROM pg_catalog.unnest(ARRAY['pg_catalog.pg_replication_origin_create(text)',"
	    "  'pg_catalog.pg_replication_origin_drop(text)',"
	    "  'pg_catalog.pg_replication_origin_oid(text)',"
	    "  'pg_catalog.pg_replication_origin_progress(text, boolean)',"
	    "  'pg_catalog.pg_replication_origin_session_setup(text)',"
	    "  'pg_catalog.pg_replication_origin_xact_setup(pg_lsn, timestamptz)']) AS f",
	    0, NULL, may, err);
}

static bool
read_stored(TargetPg *t, TargetPgStored *stored, Error *err)
{
	const char *params[] = {t->slot};
	PgRows *rows = pg_session_query(
	    t->session, err,
	    "SELECT coalesce(end_lsn, '0/0'), coalesce(source_system, ''), "
	    "coalesce(source_timeline, 0), coalesce(source_database, ''), "
	    "coalesce(source_encoding, ''), use_origin FROM dts.target_progress WHERE slot_name = $1",
	    1, params);

	if (rows == NULL)
	{
		if (strcmp(err->sqlstate, "42P01") == 0 || strcmp(err->sqlstate, "3F000") == 0)
			error_set(err, ERR_LOST, "the job's bookkeeping on the target is gone");
		return false;
	}
	if (pg_rows_count(rows) == 0)
	{
		pg_rows_free(rows);
		error_set(err, ERR_LOST, "the target holds no position of this job");
		error_hint(err, "Stop the job and load again.");
		return false;
	}
	memset(stored, 0, sizeof(*stored));
	if (!lsn_parse(pg_rows_get(rows, 0, 0), &stored->position.value))
		stored->position.value = 0;
	snprintf(stored->system, sizeof(stored->system), "%s", pg_rows_get(rows, 0, 1));
	stored->timeline = (int) pg_rows_int(rows, 0, 2);
	snprintf(stored->database, sizeof(stored->database), "%s", pg_rows_get(rows, 0, 3));
	snprintf(stored->encoding, sizeof(stored->encoding), "%s", pg_rows_get(rows, 0, 4));
	stored->use_origin = pg_rows_bool(rows, 0, 5);
	pg_rows_free(rows);
	return true;
}

/* The lanes' places, for as long as it takes to know that nobody has one. */
static bool
end_lanes(TargetPg *t, Error *err)
{
	const char *params[] = {t->slot, PLACE_LANE};

	return take_place(t, PLACE_LANE, err) &&
	       pg_session_exec(t->session, err, "SELECT pg_catalog.pg_advisory_unlock(" PLACE_KEYS ")",
	                       2, params);
}

static bool
take_lane(TargetPg *t, Error *err)
{
	const char *params[] = {t->slot, PLACE_LANE};

	return pg_session_exec(t->session, err,
	                       "SELECT pg_catalog.pg_advisory_lock_shared(" PLACE_KEYS ")", 2, params);
}

/* Sets the session's origin up, creating it when this is the first time. */
static bool
use_origin(TargetPg *t, Error *err)
{
	char name[300];
	const char *params[] = {name};

	target_pg_origin_name(t->slot, t->lane, name, sizeof(name));
	return pg_session_exec(t->session, err,
	                       "SELECT pg_catalog.pg_replication_origin_create($1)"
	                       " WHERE pg_catalog.pg_replication_origin_oid($1) IS NULL",
	                       1, params) &&
	       pg_session_exec(t->session, err,
	                       "SELECT pg_catalog.pg_replication_origin_session_setup($1)", 1, params);
}

/*
 * The job's position is that of the origin that is furthest.  Those of lanes that are no longer used
 * go, when their progress is safe in the job's row; one that cannot go stays and counts.
 */
static bool
read_origins(TargetPg *t, TargetPgStored *stored, Error *err)
{
	char progress[32];
	char lanes[16];
	const char *params[] = {t->slot, progress, lanes};
	uint64_t furthest = 0;
	bool stale = false;
	Error ignored;
	PgRows *rows;

	snprintf(lanes, sizeof(lanes), "%d", t->lanes);
	params[1] = lanes;
	rows = pg_session_query(
	    t->session, err,
	    "SELECT coalesce(max(pg_catalog.pg_replication_origin_progress(roname, true)), '0/0'),"
	    " coalesce(bool_or(" TARGET_PG_STALE_ORIGIN(
	        "$2") "), false)"
	              " FROM pg_catalog.pg_replication_origin WHERE " TARGET_PG_ORIGIN_OF("$1"),
	    2, params);
	if (rows == NULL)
		return false;
	if (lsn_parse(pg_rows_get(rows, 0, 0), &furthest) && furthest > stored->position.value)
		stored->position.value = furthest;
	stale = pg_rows_bool(rows, 0, 1);
	pg_rows_free(rows);
	if (!stale)
		return true;
	snprintf(progress, sizeof(progress), LSN_FORMAT, LSN_ARGS(stored->position));
	params[1] = progress;
	if (!pg_session_exec(t->session, err,
	                     "UPDATE dts.target_progress SET end_lsn = $2::pg_lsn WHERE slot_name = $1"
	                     " AND coalesce(end_lsn, '0/0') < $2::pg_lsn",
	                     2, params))
		return false;
	if (!pg_session_exec(t->session, &ignored,
	                     "SELECT pg_catalog.pg_replication_origin_drop(roname)"
	                     " FROM pg_catalog.pg_replication_origin"
	                     " WHERE " TARGET_PG_ORIGIN_OF("$1") " AND " TARGET_PG_STALE_ORIGIN(
	                         "$3") " AND $2 IS NOT NULL",
	                     3, params))
		return PQstatus(t->conn) == CONNECTION_OK;
	return true;
}

/* A job that has once used an origin goes on to, because its position lies there. */
static bool
set_up_origin(TargetPg *t, TargetPgStored *stored, Error *err)
{
	const char *params[] = {t->slot};
	bool may = false;

	if (!target_pg_may_use_origin(t->session, &may, err))
		return false;
	if (!may && !stored->use_origin)
		return true;
	if (!may)
	{
		error_set(err, "42501", "the functions of replication origins are no longer granted");
		error_detail(err, "The job's position on the target is kept in origin \"%s\".", t->slot);
		error_hint(err, "Grant the pg_replication_origin functions to the job's role again.");
		return false;
	}
	if (!use_origin(t, err) || !pg_session_exec(t->session, err,
	                                            "UPDATE dts.target_progress SET use_origin = true"
	                                            " WHERE slot_name = $1 AND NOT use_origin",
	                                            1, params))
		return false;
	stored->use_origin = true;
	return read_origins(t, stored, err);
}

static bool
ensure_functions(TargetPg *t, Error *err)
{
	return target_fence_create(
	    t->session,
	    "pg_catalog.to_regprocedure('dts.target_rows_wrong(bigint)') IS NOT NULL"
	    " AND pg_catalog.to_regprocedure('dts.target_fenced()') IS NOT NULL"
	    " AND pg_catalog.to_regprocedure('dts.target_command(name,bool,text)') IS NOT NULL"
	    " AND pg_catalog.to_regprocedure('dts.target_tie()') IS NOT NULL"
	    " AND pg_catalog.to_regprocedure('dts.target_follow(text, text, integer, pg_lsn)')"
	    " IS NOT NULL",
	    TARGET_PG_DDL, err);
}

/* A statement that is prepared once for a session. */
typedef struct Fixed
{
	const char *name;
	const char *sql;
} Fixed;

/* The results of a pipeline up to its end: those of so many statements, of which none may fail. */
static bool
read_prepared(TargetPg *t, int count, Error *err)
{
	bool ok = true;

	for (int i = 0; i <= count; i++)
	{
		PGresult *result = PQgetResult(t->conn);
		ExecStatusType wanted = i < count ? PGRES_COMMAND_OK : PGRES_PIPELINE_SYNC;

		if (ok && PQresultStatus(result) != wanted)
		{
			pg_session_error(err, t->conn, result);
			ok = false;
		}
		PQclear(result);
		/* NULL ends the results of a statement, but not those of the end */
		if (i < count)
			PQclear(PQgetResult(t->conn));
	}
	return ok;
}

/* All of them for one trip, whose time is about that to the server and back. */
static bool
prepare_all(TargetPg *t, const Fixed *fixed, int count, Error *err)
{
	int64_t began_us;
	bool ok = PQenterPipelineMode(t->conn) == 1;

	for (int i = 0; i < count; i++)
		ok = ok && PQsendPrepare(t->conn, fixed[i].name, fixed[i].sql, 0, NULL) == 1;
	began_us = target_pg_clock_us();
	ok = ok && PQpipelineSync(t->conn) == 1;
	if (!ok)
	{
		pg_session_error(err, t->conn, NULL);
		return false;
	}
	ok = read_prepared(t, count, err);
	t->status.round_trip_us = target_pg_clock_us() - began_us;
	if (!ok)
		return false;
	ok = PQexitPipelineMode(t->conn) == 1;
	if (!ok)
		pg_session_error(err, t->conn, NULL);
	return ok;
}

static bool
prepare_fixed(TargetPg *t, bool by_origin, int64_t epoch, Error *err)
{
	StrBuf fence;
	StrBuf position;
	bool ok;

	strbuf_init(&fence);
	strbuf_init(&position);
	strbuf_puts(&fence, "WITH f AS MATERIALIZED (SELECT FROM dts.target_fence WHERE slot_name = ");
	strbuf_literal(&fence, t->slot);
	strbuf_printf(&fence,
	              " AND epoch = %" PRId64 " FOR SHARE) SELECT dts.target_fenced() FROM f "
	              "HAVING pg_catalog.count(*) <> 1",
	              epoch);
	if (by_origin)
		strbuf_puts(&position, "SELECT pg_catalog.pg_replication_origin_xact_setup($1, $2)");
	else
	{
		/* it moves on from where we think it is, or not at all */
		strbuf_puts(&position, "WITH u AS (UPDATE dts.target_progress SET end_lsn = $1, "
		                       "updated_at = pg_catalog.now() WHERE slot_name = ");
		strbuf_literal(&position, t->slot);
		strbuf_puts(&position, " AND coalesce(end_lsn, '0/0') = $2::pg_lsn RETURNING 1) "
		                       "SELECT dts.target_rows_wrong(pg_catalog.count(*)) FROM u "
		                       "HAVING pg_catalog.count(*) <> 1");
	}
	{
		const Fixed fixed[] = {
		    {STATEMENT_BEGIN, "BEGIN"},
		    {STATEMENT_COMMIT, "COMMIT"},
		    {STATEMENT_FENCE, fence.data},
		    {STATEMENT_FLUSHED, "SELECT pg_catalog.pg_current_wal_insert_lsn(), "
		                        "pg_catalog.pg_current_wal_flush_lsn(), "
		                        "pg_catalog.current_setting('synchronous_standby_names') <> ''"},
		    {STATEMENT_POSITION, position.data},
		};

		ok = prepare_all(t, fixed, (int) (sizeof(fixed) / sizeof(fixed[0])), err);
	}
	strbuf_free(&fence);
	strbuf_free(&position);
	return ok;
}

bool
target_pg_start(TargetPg *t, const TargetPgOptions *options, TargetPgStored *stored, Error *err)
{
	const char *encoding;

	t->session =
	    pg_session_open(options->conninfo, PG_SESSION_TARGET, options->slot_name, NULL, err);
	if (t->session == NULL)
		return false;
	t->conn = pg_session_conn(t->session);
	PQsetNoticeProcessor(t->conn, ignore_notice, NULL);
	encoding = PQparameterStatus(t->conn, "client_encoding");
	snprintf(t->encoding, sizeof(t->encoding), "%s", encoding ? encoding : "");
	if (!pg_session_exec(t->session, err, settings, 0, NULL) ||
	    !pg_session_set_replica(t->session, err))
		return false;
	if (t->lane > 0)
		return take_lane(t, err) && (!stored->use_origin || use_origin(t, err)) &&
		       target_pg_flush_start(t, options->synchronous, err) &&
		       prepare_fixed(t, stored->use_origin, options->epoch, err);
	return take_place(t, PLACE_STREAM, err) && end_lanes(t, err) && read_stored(t, stored, err) &&
	       ensure_functions(t, err) && set_up_origin(t, stored, err) &&
	       target_pg_flush_start(t, options->synchronous, err) &&
	       prepare_fixed(t, stored->use_origin, options->epoch, err);
}
