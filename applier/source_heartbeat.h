/*
 * source_heartbeat.h
 *		The heartbeat: a row on the source that the job writes over and over, and that comes back to
 *		it in the stream.
 *
 * It keeps the slot of an idle database moving beside busy neighbours, and is what the lag is
 * measured with (latency.h).  public.dts_postgres_heartbeat has one row for each job of the database;
 * the decoder hands a job its own, as a message.  The table is made by the first job that may, and
 * goes with the last; a job that may neither make nor write it lives without.
 *
 * Beats are written without waiting for the answer, one at a time.  Whoever else uses the session
 * calls source_heartbeat_settle() first.
 */
#ifndef DTS_SOURCE_HEARTBEAT_H
#define DTS_SOURCE_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "latency.h"
#include "lsn.h"
#include "pg_session.h"

/* For a session of kind PG_SESSION_SOURCE.  The table and the job's row; what is there stays. */
bool source_heartbeat_create(PgSession *session, const char *slot, Error *err) must_check;

/* The job's row, and the table with its last one.  Nothing there is fine. */
bool source_heartbeat_remove(PgSession *session, const char *slot, Error *err) must_check;

/* What a beat tells about the job. */
typedef struct HeartbeatNews
{
	SourceLsn received;
	SourceLsn durable;
	int64_t commit_us; /* of the newest durable transaction, us since 2000; 0: none */
} HeartbeatNews;

typedef struct SourceHeartbeat
{
	PgSession *session; /* borrowed; of kind PG_SESSION_SOURCE */
	const char *slot;   /* borrowed */
	Latency latency;
	SourceLsn wal_end; /* how far the source's WAL was at the last beat */
	int64_t interval_us;
	int64_t next_us;
	int64_t asked_us;
	bool under_way;
	bool writes;    /* the beat under way is a row; otherwise the clock is asked only */
	bool unable;    /* rows cannot be written: reason says why */
	bool news;      /* unable has changed, for the owner to tell; the owner clears it */
	int64_t try_us; /* when to try again, while unable */
	Error reason;
} SourceHeartbeat;

/* seconds: between beats; 0: none, the source's clock is asked alone. */
void source_heartbeat_init(SourceHeartbeat *heartbeat, PgSession *session, const char *slot,
                           int seconds, int64_t base, int64_t now_us);

/*
 * Takes the answer of the beat under way when it is there, and sends the next when it is due.  Never
 * waits.  False: the session is of no more use.
 */
bool source_heartbeat_step(SourceHeartbeat *heartbeat, const HeartbeatNews *news, int64_t now_us,
                           Error *err) must_check;

/* Waits for the answer of the beat under way, no longer than the session's statement_timeout. */
bool source_heartbeat_settle(SourceHeartbeat *heartbeat, int64_t now_us, Error *err) must_check;

#endif /* DTS_SOURCE_HEARTBEAT_H */
