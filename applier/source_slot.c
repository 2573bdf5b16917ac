/*
 * source_slot.c
 *		Inspection, verification and removal of the job's slot; see source_slot.h.
 *
 * Replication sessions take the simple protocol only, hence literals in place of parameters.
 */
#include "source_slot.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "strbuf.h"

#define DROP_TIMEOUT_MS 10000
#define RETRY_MS        100

static void
copy_name(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static SourceLsn
lsn_column(const PgRows *rows, int column)
{
	const char *text = pg_rows_get(rows, 0, column);
	uint64_t value;

	return source_lsn(text != NULL && lsn_parse(text, &value) ? value : 0);
}

/* Runs "before 'slot' after". */
static PgRows *
query_slot(PgSession *session, const char *before, const char *slot, const char *after, Error *err)
{
	StrBuf sql;
	PgRows *rows;

	strbuf_init(&sql);
	strbuf_puts(&sql, before);
	strbuf_literal(&sql, slot);
	strbuf_puts(&sql, after);
	rows = pg_session_query(session, err, sql.data, 0, NULL);
	strbuf_free(&sql);
	return rows;
}

bool
source_identify(PgSession *session, SourceIdentity *identity, Error *err)
{
	PgRows *rows = pg_session_query(session, err, "IDENTIFY_SYSTEM", 0, NULL);

	memset(identity, 0, sizeof(*identity));
	if (rows == NULL)
	{
		error_context(err, "identifying the source");
		return false;
	}
	if (pg_rows_count(rows) != 1 || pg_rows_columns(rows) < 4)
	{
		error_set(err, ERR_PROTOCOL, "the source did not answer IDENTIFY_SYSTEM with one row");
		pg_rows_free(rows);
		return false;
	}
	copy_name(identity->system, sizeof(identity->system), pg_rows_get(rows, 0, 0));
	identity->timeline = (int) pg_rows_int(rows, 0, 1);
	identity->flushed = lsn_column(rows, 2);
	copy_name(identity->database, sizeof(identity->database), pg_rows_get(rows, 0, 3));
	pg_rows_free(rows);
	return true;
}

bool
source_slot_inspect(PgSession *session, const char *slot, SourceSlot *state, Error *err)
{
	PgRows *rows = query_slot(session,
	                          "SELECT slot_type = 'logical', temporary, plugin, database, "
	                          "active_pid, wal_status, restart_lsn, confirmed_flush_lsn "
	                          "FROM pg_catalog.pg_replication_slots WHERE slot_name = ",
	                          slot, "", err);

	memset(state, 0, sizeof(*state));
	if (rows == NULL)
	{
		error_context(err, "looking at slot \"%s\" on the source", slot);
		return false;
	}
	state->exists = pg_rows_count(rows) > 0;
	if (state->exists)
	{
		state->logical = pg_rows_bool(rows, 0, 0);
		state->temporary = pg_rows_bool(rows, 0, 1);
		copy_name(state->plugin, sizeof(state->plugin), pg_rows_get(rows, 0, 2));
		copy_name(state->database, sizeof(state->database), pg_rows_get(rows, 0, 3));
		state->active_pid = (int) pg_rows_int(rows, 0, 4);
		copy_name(state->wal_status, sizeof(state->wal_status), pg_rows_get(rows, 0, 5));
		state->restart = lsn_column(rows, 6);
		state->confirmed = lsn_column(rows, 7);

		/* every reason for which a server invalidates a slot shows as "lost" */
		state->invalidated = strcmp(state->wal_status, "lost") == 0;
	}
	pg_rows_free(rows);
	return true;
}

/* Always false.  The text is why the position is lost. */
static bool __attribute__((format(printf, 3, 4)))
lost(Error *err, bool *is_lost, const char *format, ...)
{
	va_list args;

	*is_lost = true;
	error_set(err, ERR_LOST, "the source can not go on from the stored position");
	va_start(args, format);
	vsnprintf(err->detail, sizeof(err->detail), format, args);
	va_end(args);
	error_hint(err, "Changes may be missing, so the job has to load its tables again.");
	return false;
}

static bool
verify_identity(const SourceIdentity *found, const SourceExpected *expected, bool *is_lost,
                Error *err)
{
	if (expected->system != NULL && expected->system[0] != '\0' &&
	    strcmp(found->system, expected->system) != 0)
		return lost(err, is_lost,
		            "The source is another system now: its identifier is %s, the position belongs "
		            "to %s.",
		            found->system, expected->system);
	if (expected->timeline != 0 && found->timeline != expected->timeline)
		return lost(err, is_lost,
		            "The source is on timeline %d, the position belongs to timeline %d: a standby "
		            "was promoted or a backup restored.",
		            found->timeline, expected->timeline);
	if (expected->database != NULL && expected->database[0] != '\0' &&
	    strcmp(found->database, expected->database) != 0)
		return lost(err, is_lost,
		            "The session is in database \"%s\", the position belongs to \"%s\".",
		            found->database, expected->database);
	if (found->flushed.value < expected->stored.value)
		return lost(err, is_lost,
		            "The source's WAL ends at " LSN_FORMAT
		            ", before the stored position " LSN_FORMAT ": it was set back.",
		            LSN_ARGS(found->flushed), LSN_ARGS(expected->stored));
	return true;
}

static bool
verify_slot(const SourceSlot *slot, const SourceIdentity *identity, const SourceExpected *expected,
            bool *is_lost, Error *err)
{
	const char *name = expected->slot;

	if (!slot->exists)
		return lost(err, is_lost, "Slot \"%s\" does not exist.", name);
	if (!slot->logical || strcmp(slot->plugin, SOURCE_SLOT_PLUGIN) != 0)
		return lost(err, is_lost,
		            "Slot \"%s\" was made anew by somebody else: its plugin is \"%s\".", name,
		            slot->plugin);
	if (strcmp(slot->database, identity->database) != 0)
		return lost(err, is_lost, "Slot \"%s\" is of database \"%s\", not of \"%s\".", name,
		            slot->database, identity->database);
	if (slot->temporary)
		return lost(err, is_lost, "Slot \"%s\" was made anew by somebody else: it is temporary.",
		            name);
	if (slot->invalidated)
		return lost(err, is_lost,
		            "Slot \"%s\" was invalidated: the source removed WAL or rows that it needs "
		            "(max_slot_wal_keep_size).",
		            name);
	if (slot->confirmed.value == 0)
		return lost(err, is_lost, "Slot \"%s\" has no confirmed position.", name);
	if (expected->stored.value != 0 && slot->confirmed.value > expected->stored.value)
		return lost(err, is_lost,
		            "Slot \"%s\" is confirmed up to " LSN_FORMAT
		            ", past the stored position " LSN_FORMAT
		            ": it was advanced or made anew by somebody else.",
		            name, LSN_ARGS(slot->confirmed), LSN_ARGS(expected->stored));
	return true;
}

bool
source_slot_verify(PgSession *session, const SourceExpected *expected, bool *is_lost, Error *err)
{
	SourceIdentity identity;
	SourceSlot slot;

	*is_lost = false;
	return source_identify(session, &identity, err) &&
	       verify_identity(&identity, expected, is_lost, err) &&
	       source_slot_inspect(session, expected->slot, &slot, err) &&
	       verify_slot(&slot, &identity, expected, is_lost, err);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
sleep_ms(int ms)
{
	struct timespec pause = {ms / 1000, (long) (ms % 1000) * 1000000};

	nanosleep(&pause, NULL);
}

bool
source_slot_release(PgSession *session, const char *slot, int timeout_ms, Error *err)
{
	int64_t deadline = now_ms() + timeout_ms;

	for (;;)
	{
		PgRows *rows = query_slot(
		    session,
		    "SELECT active_pid, pg_catalog.pg_terminate_backend(active_pid) "
		    "FROM pg_catalog.pg_replication_slots WHERE active_pid IS NOT NULL AND active_pid <> "
		    "pg_catalog.pg_backend_pid() AND slot_name = ",
		    slot, "", err);
		int pid;

		if (rows == NULL)
		{
			error_context(err, "ending the session that uses slot \"%s\"", slot);
			return false;
		}
		pid = pg_rows_count(rows) > 0 ? (int) pg_rows_int(rows, 0, 0) : 0;
		pg_rows_free(rows);
		if (pid == 0)
			return true;
		if (now_ms() >= deadline)
		{
			error_set(err, "55006", "slot \"%s\" is still in use on the source", slot);
			error_detail(err, "Process %d was told to end and has not yet.", pid);
			return false;
		}
		sleep_ms(RETRY_MS);
	}
}

bool
source_slot_drop(PgSession *session, const char *slot, Error *err)
{
	int64_t deadline = now_ms() + DROP_TIMEOUT_MS;

	for (;;)
	{
		SourceSlot state;
		PgRows *rows;
		int64_t left = deadline - now_ms();

		if (!source_slot_inspect(session, slot, &state, err))
			return false;
		if (!state.exists)
			return true;
		if (!state.logical || strcmp(state.plugin, SOURCE_SLOT_PLUGIN) != 0)
		{
			log_warn("slot \"%s\" on the source has plugin \"%s\" and is not ours: left alone",
			         slot, state.plugin);
			return true;
		}
		if (!source_slot_release(session, slot, left > 0 ? (int) left : 0, err))
			return false;
		rows = query_slot(session, "SELECT pg_catalog.pg_drop_replication_slot(", slot, ")", err);
		if (rows != NULL)
		{
			pg_rows_free(rows);
			return true;
		}
		if (strcmp(err->sqlstate, "42704") == 0) /* somebody was faster */
		{
			error_clear(err);
			return true;
		}
		if (strcmp(err->sqlstate, "55006") != 0 || now_ms() >= deadline)
		{
			error_context(err, "dropping slot \"%s\" on the source", slot);
			return false;
		}
		sleep_ms(RETRY_MS); /* a session took it between the two statements */
	}
}
