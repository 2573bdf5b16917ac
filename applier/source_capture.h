/*
 * source_capture.h
 *		The capture of DDL on the source: set up for the first job of a database, shared by the
 *		others, gone with the last.
 *
 * Its objects are those of control/capture/: tables public.dts_*, functions and tables dts.capture_*,
 * event triggers dts_capture_*.  Setting it up needs a superuser, as event triggers do; joining one
 * that stands needs no more than its owner's rights.  Sessions are of kind PG_SESSION_SOURCE.
 */
#ifndef DTS_SOURCE_CAPTURE_H
#define DTS_SOURCE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "pg_session.h"

typedef struct SourceCapture
{
	bool stands;      /* its objects are there */
	bool whole;       /* all of them, and the event triggers fire */
	bool may_install; /* this role may create event triggers */
	bool may_use;     /* it may join and leave the one that stands */
	int jobs;         /* 0 unless may_use */
} SourceCapture;

bool source_capture_inspect(PgSession *session, SourceCapture *state, Error *err) must_check;

/*
 * Makes the slot's job one of those that the capture serves, setting it up when it is not there, or
 * is not whole and serves nobody.  To be done before the slot is created: what runs between is
 * written down then, and its transaction is older than the slot.
 */
bool source_capture_join(PgSession *session, const char *slot, Error *err) must_check;

/* The job needs it no more; the last one takes everything along.  Nothing there is fine. */
bool source_capture_leave(PgSession *session, const char *slot, Error *err) must_check;

/* Removes from the queue what every job has applied.  *left: something stays for the next time. */
bool source_capture_trim(PgSession *session, bool *left, Error *err) must_check;

/* Whether a capture stands, be it damaged, and this slot's job is one of those that it serves. */
bool
source_capture_serves(PgSession *session, const char *slot, bool *serves, Error *err) must_check;

/*
 * Names of tables that are not as the capture knows them once that transaction is over, so that a
 * command of theirs was missed; "" when there are none.
 */
bool source_capture_doubt(PgSession *session, uint32_t xid, char *tables, size_t size,
                          Error *err) must_check;

/*
 * Lets the capture know the source's objects as they are now: after commands that it missed have
 * been seen to on the target.  Nothing where it cannot be done: then it knows them as they were, and
 * the next command of such an object brings what was missed once more.
 */
bool source_capture_refresh(PgSession *session, Error *err) must_check;

/* The SQL that sets the capture up and that removes it, for a person to run; NULL ends each. */
extern const char *const capture_install_sql[];
extern const char *const capture_remove_sql[];

/* The same for the heartbeat's table. */
extern const char *const capture_heartbeat_sql[];

#endif /* DTS_SOURCE_CAPTURE_H */
