/*
 * copy_keeper.c
 *		The exported snapshot of a load and the process that holds it; see copy_keeper.h.
 *
 * A snapshot lives as long as the session that exported it.  Were that the worker's own, every
 * restart of the daemon would start the load from zero.  So it belongs to a process in a session of
 * its own, without a death signal, and dts.target_progress.snapshot on the target names it.  That
 * row is also what ends it: it looks every two seconds, and leaves when the row is gone or names no
 * or another snapshot, when its session on the source has ended, or when the target has been away
 * for KEEPER_BLIND_S.  It begins to look when its parent has written the row, or is gone.
 *
 * The first snapshot of a job with a stream is the one that its slot exports.  Later ones, for the
 * tables that are still to be copied, are plain: pg_current_snapshot() says what they see, and an
 * insert LSN read afterwards from where on they see nothing.  They wait for no transaction, as a
 * slot would, but for one case: a commit that waits for a synchronous standby is in WAL, perhaps
 * long before the place from which the stream looks at the table, and in no snapshot yet.
 *
 * Rejected: prolonging the snapshot by importing it elsewhere (a slot's snapshot cannot be exported
 * again), and a temporary slot's session inside the daemon's supervisor (dies with it).
 */
#include "copy_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "copy_catalog.h"
#include "copy_keeper_process.h"
#include "copy_queue.h"
#include "copy_table.h"
#include "fault.h"
#include "pg_session.h"
#include "source_slot.h"
#include "strbuf.h"

/* Starts the keeper; returns the socket that its report comes through, or -1. */
static int
keeper_start(Worker *w, KeeperKind kind, pid_t *keeper, Error *err)
{
	int ends[2];
	int pids[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
	{
		error_set(err, ERR_CHILD, "could not start the snapshot's keeper: %m");
		return -1;
	}
	if (pipe2(pids, O_CLOEXEC) != 0 || (child = fork()) < 0)
	{
		error_set(err, ERR_CHILD, "could not start the snapshot's keeper: %m");
		close(ends[0]);
		close(ends[1]);
		return -1;
	}
	if (child == 0)
	{
		/* the one between makes it an orphan, so that nobody has to wait for its end */
		pid_t grandchild = fork();

		if (grandchild == 0)
			keeper_main(worker_job(w), kind, ends[1]);
		if (write(pids[1], &grandchild, sizeof(grandchild)) != sizeof(grandchild))
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	close(pids[1]);
	*keeper = -1;
	if (read(pids[0], keeper, sizeof(*keeper)) != sizeof(*keeper) || *keeper <= 0)
	{
		error_set(err, ERR_CHILD, "could not start the snapshot's keeper");
		close(ends[0]);
		ends[0] = -1;
	}
	close(pids[0]);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return ends[0];
}

/* Waits for the report: creating a slot waits for every transaction that is running. */
static bool
keeper_await(Worker *w, int pipe_fd, pid_t keeper, KeeperReport *report, PhaseResult *result,
             Error *err)
{
	size_t got = 0;
	bool told = false;
	int64_t begun = worker_now_us(w);

	while (got < sizeof(*report))
	{
		struct pollfd fd = {.fd = pipe_fd, .events = POLLIN};
		WorkerOrder order = worker_wait(w, &fd, 1, 1000);
		ssize_t n;

		if (order != ORDER_GO_ON)
		{
			kill(keeper, SIGKILL); /* the server drops a slot that is half made */
			*result = PHASE_YIELDED;
			return false;
		}
		if (!told && worker_now_us(w) - begun > 5000000)
		{
			told = true;
			worker_event(w, "info", "slot_waits",
			             "the source finishes transactions that are running before the slot can be "
			             "made");
		}
		if (fd.revents == 0)
			continue;
		n = read(pipe_fd, (char *) report + got, sizeof(*report) - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			error_set(err, ERR_CONNECTION, "the snapshot's keeper ended unexpectedly");
			*result = PHASE_TRANSIENT;
			return false;
		}
		got += (size_t) n;
	}
	if (!report->ok)
	{
		*err = report->error;
		*result = sqlstate_is_transient(err->sqlstate) ? PHASE_TRANSIENT : PHASE_TROUBLE;
	}
	return report->ok;
}

/* The snapshot that the target names, "" when none. */
static bool
stored_snapshot(PgSession *target, const Job *job, char *snapshot, size_t size, Error *err)
{
	const char *params[] = {job->slot_name};
	PgRows *rows = pg_session_query(
	    target, err, "SELECT coalesce(snapshot, '') FROM dts.target_progress WHERE slot_name = $1",
	    1, params);

	if (rows == NULL)
		return false;
	snprintf(snapshot, size, "%s", pg_rows_count(rows) == 1 ? pg_rows_get(rows, 0, 0) : "");
	pg_rows_free(rows);
	return true;
}

typedef enum SnapshotState
{
	SNAPSHOT_UNKNOWN, /* err: an end could not be asked */
	SNAPSHOT_NONE,    /* there never was one, or it is lost */
	SNAPSHOT_ALIVE,
} SnapshotState;

static SnapshotState
snapshot_state(const Job *job, char *snapshot, size_t size, Error *err)
{
	PgSession *target = copy_target_open(job, NULL, err);
	PgSession *source = NULL;
	SnapshotState state = SNAPSHOT_UNKNOWN;
	char encoding[64];
	bool lost;

	if (target != NULL && stored_snapshot(target, job, snapshot, size, err))
	{
		if (snapshot[0] == '\0')
			state = SNAPSHOT_NONE;
		else if ((source = copy_source_open(job, encoding, sizeof(encoding), err)) != NULL)
		{
			if (copy_snapshot_begin(source, snapshot, &lost, err))
				state = SNAPSHOT_ALIVE;
			else if (lost)
				state = SNAPSHOT_NONE;
		}
	}
	pg_session_close(source);
	pg_session_close(target);
	return state;
}

bool
copy_keeper_snapshot(Worker *w, char *snapshot, size_t size)
{
	Error ignored = {0};

	return snapshot_state(worker_job(w), snapshot, size, &ignored) == SNAPSHOT_ALIVE;
}

void
copy_keeper_release(Worker *w)
{
	const Job *job = worker_job(w);
	const char *params[] = {job->slot_name};
	Error ignored = {0};
	PgSession *session = copy_target_open(job, NULL, &ignored);

	if (session != NULL &&
	    !pg_session_exec(session, &ignored,
	                     "UPDATE dts.target_progress SET snapshot = NULL WHERE slot_name = $1", 1,
	                     params))
		error_clear(&ignored);
	pg_session_close(session);

	/* not to wait for the keeper's next look: its session holds back VACUUM on the source */
	session =
	    pg_session_open(job->source_conninfo, PG_SESSION_SOURCE, job->slot_name, NULL, &ignored);
	if (session == NULL)
		return;
	if (!pg_session_exec(session, &ignored,
	                     "SELECT pg_catalog.pg_terminate_backend(a.pid) "
	                     "FROM pg_catalog.pg_stat_activity a WHERE a.application_name = $1 "
	                     "AND a.pid <> pg_catalog.pg_backend_pid() AND ("
	                     " a.query LIKE '%" KEEPER_MARK "' OR "
	                     " (a.backend_type = 'walsender' AND NOT EXISTS (SELECT FROM "
	                     "pg_catalog.pg_replication_slots s WHERE s.active_pid = a.pid)))",
	                     1, params))
		error_clear(&ignored);
	pg_session_close(session);
}

/*
 * What a lost snapshot leaves.  With a stream to come, the slot stays and the tables that are whole;
 * `anew`: there is none, or nothing yet that could stay, and everything starts again.
 */
static bool
forget_lost(PgSession *target, const Job *job, CopyStep step, bool anew, Error *err)
{
	const char *params[] = {job->slot_name};
	CopyStep back = job->options.phases[PHASE_SCHEMA] ? STEP_SCHEMA_DONE : STEP_NONE;
	bool ok;

	if (!copy_queue_begin(target, job, err))
		return false;
	ok = pg_session_exec(
	    target, err,
	    anew ? "UPDATE dts.target_progress SET snapshot = NULL, "
	           "consistent_point = NULL, end_lsn = NULL WHERE slot_name = $1"
	         : "UPDATE dts.target_progress SET snapshot = NULL WHERE slot_name = $1",
	    1, params);
	if (ok && step == STEP_FULL_PLANNED)
		ok = (anew ? copy_queue_restart_data(target, job, err) &&
		                 copy_tables_forget(target, job, err)
		           : copy_tables_restart(target, job, err)) &&
		     copy_step_write(target, job, back, err);
	if (ok)
		return copy_queue_commit(target, err);
	copy_queue_rollback(target);
	return false;
}

static bool
drop_slot(const Job *job, Error *err)
{
	PgSession *source =
	    pg_session_open(job->source_conninfo, PG_SESSION_SOURCE, job->slot_name, NULL, err);
	bool ok = source != NULL && source_slot_drop(source, job->slot_name, err);

	pg_session_close(source);
	return ok;
}

/* Where the source is: system, timeline, database, encoding. */
static bool
store_identity(PgSession *target, const Job *job, Error *err)
{
	SourceIdentity identity = {0};
	char encoding[64];
	char timeline[16];
	const char *params[] = {job->slot_name, identity.system, timeline, identity.database, encoding};
	PgSession *session = copy_source_open(job, encoding, sizeof(encoding), err);
	bool ok = session != NULL;

	pg_session_close(session);
	if (ok && job->options.phases[PHASE_INCREMENTAL])
	{
		session = pg_session_open(job->source_conninfo, PG_SESSION_REPLICATION, job->slot_name,
		                          NULL, err);
		ok = session != NULL && source_identify(session, &identity, err);
		pg_session_close(session);
	}
	snprintf(timeline, sizeof(timeline), "%d", identity.timeline);
	return ok && pg_session_exec(
	                 target, err,
	                 "UPDATE dts.target_progress SET source_system = nullif($2, ''), "
	                 "source_timeline = nullif(CAST($3 AS int), 0), source_database = nullif($4, "
	                 "''), source_encoding = $5 WHERE slot_name = $1",
	                 5, params);
}

/* The snapshot, and the position that goes with a new slot. */
static bool
store_snapshot(PgSession *target, const Job *job, const KeeperReport *report, Error *err)
{
	bool later = report->insert_lsn[0] != '\0';
	const char *point = report->consistent_point[0] ? report->consistent_point : NULL;
	const char *params[] = {job->slot_name,
	                        /* only a load needs it; no name, no keeper */
	                        job->options.phases[PHASE_FULL] || later ? report->snapshot : NULL,
	                        point, later ? report->insert_lsn : point, later ? report->xids : NULL};

	return pg_session_exec(
	    target, err,
	    later
	        ? "UPDATE dts.target_progress SET snapshot = $2, consistent_point = "
	          "coalesce(CAST($3 AS pg_lsn), consistent_point), snapshot_lsn = CAST($4 AS pg_lsn), "
	          "snapshot_xids = $5, updated_at = clock_timestamp() WHERE slot_name = $1"
	        : "UPDATE dts.target_progress SET snapshot = $2, consistent_point = CAST($3 AS "
	          "pg_lsn), end_lsn = CAST($3 AS pg_lsn), snapshot_lsn = CAST($4 AS pg_lsn), "
	          "snapshot_xids = $5, updated_at = clock_timestamp() WHERE slot_name = $1",
	    5, params);
}

static bool
store_report(PgSession *target, const Job *job, const KeeperReport *report, Error *err)
{
	if (!copy_queue_begin(target, job, err))
		return false;
	if (store_snapshot(target, job, report, err) &&
	    (report->insert_lsn[0] != '\0' || store_identity(target, job, err)))
		return copy_queue_commit(target, err);
	copy_queue_rollback(target);
	return false;
}

static bool
create_anew(Worker *w, KeeperKind kind, PgSession *target, PhaseResult *result, Error *err)
{
	const Job *job = worker_job(w);
	KeeperReport *report = xcalloc(1, sizeof(*report));
	pid_t keeper;
	int pipe_fd;
	bool ok;

	*result = PHASE_TROUBLE;
	pipe_fd = keeper_start(w, kind, &keeper, err);
	ok = pipe_fd >= 0 && keeper_await(w, pipe_fd, keeper, report, result, err);
	if (ok && !store_report(target, job, report, err))
	{
		*result = sqlstate_is_transient(err->sqlstate) ? PHASE_TRANSIENT : PHASE_TROUBLE;
		ok = false;
	}
	if (pipe_fd >= 0)
		close(pipe_fd); /* the keeper goes by what the target says from here on */
	free(report);
	return ok;
}

bool
copy_keeper_later(Worker *w, PgSession *target, PhaseResult *result, Error *err)
{
	return create_anew(w, KEEPER_LATER, target, result, err);
}

/* The slot that the load's stream will begin at: still as it was made?  *stored: it was made. */
static bool
check_slot(PgSession *target, const Job *job, bool *stored, Error *err)
{
	const char *params[] = {job->slot_name};
	SourceExpected expected = {.slot = job->slot_name};
	PgSession *source = NULL;
	bool lost;
	bool ok = true;
	PgRows *rows = pg_session_query(
	    target, err,
	    "SELECT end_lsn, coalesce(source_system, ''), coalesce(source_timeline, 0), "
	    "coalesce(source_database, '') FROM dts.target_progress WHERE slot_name = $1 AND "
	    "consistent_point IS NOT NULL AND end_lsn IS NOT NULL",
	    1, params);

	*stored = rows != NULL && pg_rows_count(rows) == 1;
	if (*stored)
	{
		ok = lsn_parse(pg_rows_get(rows, 0, 0), &expected.stored.value);
		expected.system = pg_rows_get(rows, 0, 1);
		expected.timeline = (int) pg_rows_int(rows, 0, 2);
		expected.database = pg_rows_get(rows, 0, 3);
		source = pg_session_open(job->source_conninfo, PG_SESSION_REPLICATION, job->slot_name, NULL,
		                         err);
		ok = ok && source != NULL && source_slot_verify(source, &expected, &lost, err);
		pg_session_close(source);
	}
	pg_rows_free(rows);
	return rows != NULL && ok;
}

/* The snapshot is gone and still needed. */
static bool
replace_lost(Worker *w, PgSession *target, CopyStep step, PhaseResult *result, Error *err)
{
	const Job *job = worker_job(w);
	const bool *phases = job->options.phases;
	bool stays = false;
	bool ok = true;

	/* without a stream nothing would bring tables of two snapshots together */
	if (phases[PHASE_FULL] && phases[PHASE_INCREMENTAL])
		ok = check_slot(target, job, &stays, err);
	ok = ok && forget_lost(target, job, step, !stays, err) &&
	     (!phases[PHASE_INCREMENTAL] || stays || drop_slot(job, err));
	if (ok)
		return create_anew(w,
		                   stays                       ? KEEPER_LATER
		                   : phases[PHASE_INCREMENTAL] ? KEEPER_SLOT
		                                               : KEEPER_PLAIN,
		                   target, result, err);
	if (strcmp(err->sqlstate, ERR_LOST) == 0)
		*result = PHASE_LOST;
	else
		*result = sqlstate_is_transient(err->sqlstate) ? PHASE_TRANSIENT : PHASE_TROUBLE;
	return false;
}

bool
copy_keeper_create(Worker *w, PhaseResult *result, Error *err)
{
	const Job *job = worker_job(w);
	const bool *phases = job->options.phases;
	char snapshot[SNAPSHOT_NAME_MAX];
	CopyStep step = STEP_NONE;
	PgSession *target = NULL;
	bool ok = false;

	if (!phases[PHASE_FULL] && !phases[PHASE_INCREMENTAL])
		return true;
	switch (snapshot_state(job, snapshot, sizeof(snapshot), err))
	{
		case SNAPSHOT_ALIVE:
			return true;
		case SNAPSHOT_NONE:
			error_clear(err);
			target = copy_target_open(job, NULL, err);
			ok = target != NULL && copy_step_read(target, job, &step, err);
			break;
		case SNAPSHOT_UNKNOWN: /* an end that is away for a moment must not cost the whole load */
			break;
	}
	if (!ok)
		*result = sqlstate_is_transient(err->sqlstate) ? PHASE_TRANSIENT : PHASE_TROUBLE;
	/* from there on the snapshot is of no use, and the slot is the stream's business */
	else if (step < STEP_DATA_DONE)
		ok = replace_lost(w, target, step, result, err);
	pg_session_close(target);
	return ok;
}
