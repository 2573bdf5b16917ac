/*
 * source_slot.h
 *		The job's slot on the source: what it is, whether it is still the one that the stored
 *		position belongs to, and how to be rid of it.
 *
 * Works in sessions of kind PG_SESSION_SOURCE and PG_SESSION_REPLICATION alike unless said
 * otherwise, and needs no more than a REPLICATION role.
 */
#ifndef DTS_SOURCE_SLOT_H
#define DTS_SOURCE_SLOT_H

#include <stdbool.h>

#include "error.h"
#include "lsn.h"
#include "pg_session.h"

#define SOURCE_SLOT_PLUGIN "dts_decoder"
#define SOURCE_NAME_SIZE   256 /* of a database or slot, in any build */

typedef struct SourceIdentity
{
	char system[24]; /* system identifier, decimal */
	int timeline;
	SourceLsn flushed; /* the source's own WAL flush position */
	char database[SOURCE_NAME_SIZE];
} SourceIdentity;

typedef struct SourceSlot
{
	bool exists;
	bool logical;
	bool temporary;
	bool invalidated; /* the server gave up the WAL or the rows it needs */
	int active_pid;   /* 0: nobody uses it */
	char plugin[SOURCE_NAME_SIZE];
	char database[SOURCE_NAME_SIZE];
	char wal_status[16];
	SourceLsn restart;
	SourceLsn confirmed;
} SourceSlot;

/* What the target remembers of the source.  Fields that are empty or 0 are not compared. */
typedef struct SourceExpected
{
	const char *slot;
	SourceLsn stored; /* everything before it is durable on the target */
	const char *system;
	int timeline;
	const char *database;
} SourceExpected;

/* IDENTIFY_SYSTEM: the session must be of kind PG_SESSION_REPLICATION. */
bool source_identify(PgSession *session, SourceIdentity *identity, Error *err) must_check;

/* An absent slot is no error: exists is false then. */
bool
source_slot_inspect(PgSession *session, const char *slot, SourceSlot *state, Error *err) must_check;

/*
 * Whether the stream can go on from the stored position: same system, timeline and database, and
 * the slot is there, ours, permanent, not invalidated, and not confirmed past the stored position.
 * False with *lost: it can not and never will (err is ERR_LOST with the reason: load again).  False
 * without: could not find out.  The session must be of kind PG_SESSION_REPLICATION.
 */
bool source_slot_verify(PgSession *session, const SourceExpected *expected, bool *lost,
                        Error *err) must_check;

/*
 * Ends the walsender that uses the slot, and waits for its end up to timeout_ms (55006 afterwards).
 * Nobody using it, or no slot, is fine.
 */
bool
source_slot_release(PgSession *session, const char *slot, int timeout_ms, Error *err) must_check;

/*
 * Drops the slot, after ending its walsender; tries for about ten seconds.  An absent slot is fine,
 * and a slot of that name with another plugin is not ours: it is left alone with a line in the log.
 */
bool source_slot_drop(PgSession *session, const char *slot, Error *err) must_check;

#endif /* DTS_SOURCE_SLOT_H */
