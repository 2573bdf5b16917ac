/*
 * source_heartbeat.c
 *		See source_heartbeat.h.
 *
 * Nothing here may hold up the stream or a user: a beat takes a lock on its own row alone and gives
 * up waiting soon; the table is made and dropped under a short lock_timeout.  A beat that cannot be
 * written is no error of the job's: the owner tells of it once, and it is tried again later.
 */
#include "source_heartbeat.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source_capture.h"

#define CLOCK_EVERY_US (10 * 1000000LL)
#define AGAIN_US       (60 * 1000000LL) /* after a beat that was refused */

#define SOURCE_TIME                                                                                \
	"(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - "                                          \
	"pg_catalog.timestamptz '2000-01-01 00:00:00+00') * 1000000)::pg_catalog.int8"

/* The same lock as the capture's: jobs of several daemons set both up and remove them. */
#define LOCK_SQL                                                                                   \
	"BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL client_min_messages = warning; "              \
	"SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('dts.capture'))"

static const char row_sql[] =
    "INSERT INTO public.dts_postgres_heartbeat (slot_name) VALUES ($1) ON CONFLICT DO NOTHING";

static const char beat_sql[] =
    "INSERT INTO public.dts_postgres_heartbeat AS h "
    "(slot_name, beat, written_at, receive_lsn, flush_lsn, flush_time) "
    "VALUES ($1, $2, pg_catalog.clock_timestamp(), $3, $4, CASE WHEN $5 <> '0' THEN "
    "pg_catalog.timestamptz '2000-01-01 00:00:00+00' + $5::pg_catalog.int8 * "
    "pg_catalog.interval '1 us' END) "
    "ON CONFLICT (slot_name) DO UPDATE SET beat = excluded.beat, written_at = excluded.written_at, "
    "receive_lsn = excluded.receive_lsn, flush_lsn = excluded.flush_lsn, "
    "flush_time = excluded.flush_time "
    "RETURNING " SOURCE_TIME ", pg_catalog.pg_current_wal_lsn()";

static const char clock_sql[] = "SELECT " SOURCE_TIME ", pg_catalog.pg_current_wal_lsn()";

/* Ends the transaction that LOCK_SQL began; the first error stands. */
static bool
finish(PgSession *session, bool ok, const char *what, Error *err)
{
	Error ignored;

	if (ok && pg_session_exec(session, err, "COMMIT", 0, NULL))
		return true;
	if (PQtransactionStatus(pg_session_conn(session)) != PQTRANS_IDLE &&
	    !pg_session_exec(session, &ignored, "ROLLBACK", 0, NULL))
		error_context(err, "rolling back");
	error_context(err, "%s", what);
	return false;
}

/* Whether there is a table of that name that this role may write, or, when it is empty, drop. */
static bool
look(PgSession *session, bool *there, Error *err)
{
	PgRows *rows =
	    pg_session_query(session, err,
	                     "SELECT pg_catalog.has_table_privilege(c, 'DELETE, SELECT') "
	                     "FROM pg_catalog.to_regclass('public.dts_postgres_heartbeat') c "
	                     "WHERE c IS NOT NULL",
	                     0, NULL);

	if (rows == NULL)
		return false;
	/* one that is not ours to touch has no row of ours */
	*there = pg_rows_count(rows) > 0 && pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

bool
source_heartbeat_create(PgSession *session, const char *slot, Error *err)
{
	const char *params[] = {slot};
	bool there = false;
	bool ok = pg_session_exec(session, err, LOCK_SQL, 0, NULL) && look(session, &there, err) &&
	          (there || pg_session_exec(session, err, capture_heartbeat_sql[0], 0, NULL)) &&
	          pg_session_exec(session, err, row_sql, 1, params);

	return finish(session, ok, "making the heartbeat's table", err);
}

bool
source_heartbeat_remove(PgSession *session, const char *slot, Error *err)
{
	const char *params[] = {slot};
	bool there = false;
	bool ok = pg_session_exec(session, err, LOCK_SQL, 0, NULL) && look(session, &there, err);

	if (ok && there)
		ok = pg_session_exec(session, err,
		                     "DELETE FROM public.dts_postgres_heartbeat WHERE slot_name = $1", 1,
		                     params) &&
		     /* a table that somebody set up for us stays empty: it is its owner's to drop */
		     pg_session_exec(
		         session, err,
		         "DO $$ BEGIN IF NOT EXISTS (SELECT FROM public.dts_postgres_heartbeat) AND "
		         "pg_catalog.pg_has_role((SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.oid "
		         "= "
		         "'public.dts_postgres_heartbeat'::pg_catalog.regclass), 'USAGE') THEN "
		         "DROP TABLE public.dts_postgres_heartbeat; END IF; END $$",
		         0, NULL);
	return finish(session, ok, "removing the heartbeat", err);
}

void
source_heartbeat_init(SourceHeartbeat *heartbeat, PgSession *session, const char *slot, int seconds,
                      int64_t base, int64_t now_us)
{
	memset(heartbeat, 0, sizeof(*heartbeat));
	heartbeat->session = session;
	heartbeat->slot = slot;
	heartbeat->interval_us = seconds * INT64_C(1000000);
	heartbeat->next_us = now_us;
	latency_init(&heartbeat->latency, base);
}

/* A beat was written, or the clock told. */
static void
take_rows(SourceHeartbeat *heartbeat, const PGresult *result, int64_t now_us)
{
	uint64_t wal_end;

	if (PQntuples(result) != 1 || PQnfields(result) != 2)
		return;
	latency_source_clock(&heartbeat->latency, strtoll(PQgetvalue(result, 0, 0), NULL, 10),
	                     heartbeat->asked_us, now_us);
	if (lsn_parse(PQgetvalue(result, 0, 1), &wal_end))
		heartbeat->wal_end = source_lsn(wal_end);
	if (heartbeat->writes && heartbeat->unable)
	{
		heartbeat->unable = false;
		heartbeat->news = true;
	}
}

/* The server refused: no rows for some time, the clock alone meanwhile. */
static void
take_refusal(SourceHeartbeat *heartbeat, const PGresult *result, int64_t now_us)
{
	if (!heartbeat->writes)
		return;
	latency_unsent(&heartbeat->latency);
	pg_session_error(&heartbeat->reason, pg_session_conn(heartbeat->session), result);
	heartbeat->news = heartbeat->news || !heartbeat->unable;
	heartbeat->unable = true;
	heartbeat->try_us = now_us + AGAIN_US;
	heartbeat->next_us = now_us;
}

/* Everything that has arrived of the answer; blocks when it is asked for too early. */
static bool
take_answer(SourceHeartbeat *heartbeat, int64_t now_us, Error *err)
{
	PGconn *conn = pg_session_conn(heartbeat->session);
	PGresult *result;

	heartbeat->under_way = false;
	while ((result = PQgetResult(conn)) != NULL)
	{
		if (PQresultStatus(result) == PGRES_TUPLES_OK)
			take_rows(heartbeat, result, now_us);
		else if (PQstatus(conn) == CONNECTION_OK)
			take_refusal(heartbeat, result, now_us);
		PQclear(result);
	}
	if (PQstatus(conn) == CONNECTION_OK)
		return true;
	pg_session_error(err, conn, NULL);
	return false;
}

static bool
send_beat(SourceHeartbeat *heartbeat, const HeartbeatNews *news, int64_t now_us, Error *err)
{
	PGconn *conn = pg_session_conn(heartbeat->session);
	char beat[24];
	char commit[24];
	char received[LSN_TEXT_MAX];
	char durable[LSN_TEXT_MAX];
	const char *params[] = {heartbeat->slot, beat, received, durable, commit};
	int sent;

	heartbeat->writes =
	    heartbeat->interval_us > 0 && (!heartbeat->unable || now_us >= heartbeat->try_us);
	heartbeat->next_us =
	    now_us + (heartbeat->interval_us > 0 ? heartbeat->interval_us : CLOCK_EVERY_US);
	heartbeat->asked_us = now_us;
	if (heartbeat->writes)
	{
		snprintf(beat, sizeof(beat), "%" PRId64, latency_send(&heartbeat->latency, now_us));
		snprintf(commit, sizeof(commit), "%" PRId64, news->commit_us);
		snprintf(received, sizeof(received), LSN_FORMAT, LSN_ARGS(news->received));
		snprintf(durable, sizeof(durable), LSN_FORMAT, LSN_ARGS(news->durable));
		sent = PQsendQueryParams(conn, beat_sql, 5, NULL, params, NULL, NULL, 0);
	}
	else
		sent = PQsendQuery(conn, clock_sql);
	heartbeat->under_way = sent == 1;
	if (sent == 1)
		return true;
	pg_session_error(err, conn, NULL);
	return false;
}

bool
source_heartbeat_step(SourceHeartbeat *heartbeat, const HeartbeatNews *news, int64_t now_us,
                      Error *err)
{
	PGconn *conn = pg_session_conn(heartbeat->session);

	if (heartbeat->under_way)
	{
		if (PQconsumeInput(conn) == 0)
		{
			pg_session_error(err, conn, NULL);
			return false;
		}
		return PQisBusy(conn) != 0 || take_answer(heartbeat, now_us, err);
	}
	return now_us < heartbeat->next_us || send_beat(heartbeat, news, now_us, err);
}

bool
source_heartbeat_settle(SourceHeartbeat *heartbeat, int64_t now_us, Error *err)
{
	return !heartbeat->under_way || take_answer(heartbeat, now_us, err);
}
