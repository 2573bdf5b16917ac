/*
 * copy_keeper_process.c
 *		See copy_keeper_process.h; why there is such a process, copy_keeper.c says.
 */
#include "copy_keeper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fault.h"
#include "pg_session.h"
#include "source_slot.h"
#include "strbuf.h"
#include "table_gate.h"

#define KEEPER_LOOK_MS 2000
#define KEEPER_BLIND_S 900
#define SETTLE_US      100000 /* from a commit's WAL being sent to its end, without standby */
#define SYNC_REP_S     60

static bool
export_with_slot(PgSession *source, const char *slot, KeeperReport *report)
{
	StrBuf sql;
	PgRows *rows;

	strbuf_init(&sql);
	strbuf_puts(&sql, "CREATE_REPLICATION_SLOT ");
	strbuf_ident(&sql, slot);
	strbuf_puts(&sql, " LOGICAL ");
	strbuf_ident(&sql, SOURCE_SLOT_PLUGIN);
	strbuf_puts(&sql,
	            pg_session_version(source) >= 150000 ? " (SNAPSHOT 'export')" : " EXPORT_SNAPSHOT");
	rows = pg_session_query(source, &report->error, sql.data, 0, NULL);
	strbuf_free(&sql);
	if (rows == NULL)
	{
		error_context(&report->error, "creating the replication slot");
		return false;
	}
	if (pg_rows_count(rows) == 1 && pg_rows_get(rows, 0, 2) != NULL)
	{
		snprintf(report->consistent_point, sizeof(report->consistent_point), "%s",
		         pg_rows_get(rows, 0, 1));
		snprintf(report->snapshot, sizeof(report->snapshot), "%s", pg_rows_get(rows, 0, 2));
	}
	else
		error_set(&report->error, ERR_PROTOCOL, "the source exported no snapshot");
	pg_rows_free(rows);
	return !report->error.set;
}

static bool
export_alone(PgSession *source, KeeperReport *report)
{
	PgRows *rows;

	if (!pg_session_exec(source, &report->error, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	                     0, NULL))
		return false;
	rows = pg_session_query(source, &report->error,
	                        "SELECT pg_catalog.pg_export_snapshot() " KEEPER_MARK, 0, NULL);
	if (rows == NULL)
		return false;
	snprintf(report->snapshot, sizeof(report->snapshot), "%s", pg_rows_get(rows, 0, 0));
	pg_rows_free(rows);
	return true;
}

/* Commits that wait for a synchronous standby, as text: "1,2"; NULL when that failed. */
static PgRows *
waiting_commits(PgSession *source, Error *err)
{
	return pg_session_query(source, err,
	                        "SELECT backend_xid::text FROM pg_catalog.pg_stat_activity "
	                        "WHERE wait_event = 'SyncRep' AND backend_xid IS NOT NULL",
	                        0, NULL);
}

static bool
export_once(PgSession *source, KeeperReport *report)
{
	PgRows *rows;
	const char *xids;

	if (!pg_session_exec(source, &report->error, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	                     0, NULL))
		return false;
	rows = pg_session_query(source, &report->error,
	                        "SELECT pg_catalog.pg_export_snapshot(), "
	                        "pg_catalog.pg_current_snapshot()",
	                        0, NULL);
	if (rows == NULL)
		return false;
	xids = pg_rows_get(rows, 0, 1);
	if (strlen(xids) >= sizeof(report->xids))
		error_set(&report->error, "53000", "too many transactions run on the source");
	snprintf(report->snapshot, sizeof(report->snapshot), "%s", pg_rows_get(rows, 0, 0));
	snprintf(report->xids, sizeof(report->xids), "%s", xids);
	pg_rows_free(rows);
	if (report->error.set)
		return false;
	/* after it: whatever the snapshot sees has its commit record before this */
	rows = pg_session_query(source, &report->error,
	                        "SELECT pg_catalog.pg_current_wal_insert_lsn() " KEEPER_MARK, 0, NULL);
	if (rows == NULL)
		return false;
	snprintf(report->insert_lsn, sizeof(report->insert_lsn), "%s", pg_rows_get(rows, 0, 0));
	pg_rows_free(rows);
	return true;
}

/* Whether the snapshot sees all of those commits. */
static bool
sees_all(const KeeperReport *report, const PgRows *commits)
{
	Arena *arena = arena_create(4096);
	GateSnapshot snapshot;
	bool all = gate_snapshot_parse(&snapshot, report->xids, arena);

	for (int i = 0; all && i < pg_rows_count(commits); i++)
		all = gate_snapshot_sees(&snapshot,
		                         (uint32_t) strtoull(pg_rows_get(commits, i, 0), NULL, 10));
	arena_destroy(arena);
	return all;
}

/*
 * The stream looks at the tables already, from a place before now.  So every commit up to now must
 * be in the snapshot or still to come in the stream.
 */
static bool
export_later(PgSession *source, KeeperReport *report)
{
	PgRows *commits;
	bool ok = false;

	usleep(SETTLE_US);
	commits = waiting_commits(source, &report->error);
	for (int i = 0; commits != NULL && i < SYNC_REP_S * 10; i++)
	{
		ok = export_once(source, report);
		if (!ok || sees_all(report, commits))
			break;
		ok = false;
		if (!pg_session_exec(source, &report->error, "ROLLBACK", 0, NULL))
			break;
		usleep(SETTLE_US);
	}
	if (commits != NULL && !ok && !report->error.set)
	{
		error_set(&report->error, "55006", "commits on the source wait for a synchronous standby");
		error_hint(&report->error, "See to the standby; the load begins when they have ended.");
	}
	pg_rows_free(commits);
	return ok;
}

/* Whether the target still names our snapshot.  *seen: the target answered. */
static bool
still_wanted(const Job *job, PgSession **target, const char *snapshot, bool *seen)
{
	const char *params[] = {job->slot_name};
	Error err = {0};
	PgRows *rows = NULL;
	bool wanted = true;

	*seen = false;
	if (*target == NULL)
		*target =
		    pg_session_open(job->target_conninfo, PG_SESSION_TARGET, job->slot_name, NULL, &err);
	if (*target != NULL)
		rows = pg_session_query(
		    *target, &err,
		    "SELECT coalesce(snapshot, '') FROM dts.target_progress WHERE slot_name = $1", 1,
		    params);
	if (rows != NULL)
	{
		wanted = pg_rows_count(rows) == 1 && strcmp(pg_rows_get(rows, 0, 0), snapshot) == 0;
		pg_rows_free(rows);
		*seen = true;
		return wanted;
	}
	/* the table or the whole database is gone: so is the job */
	if (strcmp(err.sqlstate, "42P01") == 0 || strcmp(err.sqlstate, "3F000") == 0 ||
	    strcmp(err.sqlstate, "3D000") == 0)
		wanted = false;
	pg_session_close(*target);
	*target = NULL;
	return wanted;
}

static int64_t
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* The source's session has ended.  It is idle and never sent to: that would end the snapshot. */
static bool
session_ended(PgSession *source)
{
	return PQconsumeInput(pg_session_conn(source)) == 0 ||
	       PQstatus(pg_session_conn(source)) == CONNECTION_BAD;
}

/* Until the parent has stored the snapshot's name, has given up, or is gone. */
static bool
await_parent(PgSession *source, int parent)
{
	for (;;)
	{
		struct pollfd fds[2] = {{.fd = pg_session_socket(source), .events = POLLIN},
		                        {.fd = parent, .events = POLLIN}};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return false;
		if (fds[1].revents != 0)
			return true;
		if (fds[0].revents != 0 && session_ended(source))
			return false;
	}
}

/* Holds the session until nobody needs it. */
static void
keep(const Job *job, PgSession *source, const char *snapshot)
{
	PgSession *target = NULL;
	int64_t last_seen = now_s();

	for (;;)
	{
		struct pollfd fd = {.fd = pg_session_socket(source), .events = POLLIN};
		bool seen;

		if (!still_wanted(job, &target, snapshot, &seen))
			break;
		if (seen)
			last_seen = now_s();
		if (now_s() - last_seen > KEEPER_BLIND_S)
			break;
		if (poll(&fd, 1, KEEPER_LOOK_MS) > 0 && session_ended(source))
			break;
	}
	pg_session_close(target);
}

static void
keeper_detach(int report_fd)
{
	sigset_t none;
	int null;

	setsid();
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	/* the daemon's own descriptors (log, sessions, pipes) must not live on in us */
	if (report_fd != 3)
		dup2(report_fd, 3);
	close_range(4, ~0U, 0);
	if (chdir("/") != 0)
		_exit(1);
}

/* More than a socket's buffer may hold: the parent reads meanwhile. */
static bool
send_report(int fd, const KeeperReport *report)
{
	const char *at = (const char *) report;
	size_t left = sizeof(*report);

	while (left > 0)
	{
		ssize_t sent = write(fd, at, left);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		at += sent;
		left -= (size_t) sent;
	}
	return true;
}

void
keeper_main(const Job *job, KeeperKind kind, int report_fd)
{
	KeeperReport *report = xcalloc(1, sizeof(*report));
	PgSession *source;

	keeper_detach(report_fd);
	source = pg_session_open(job->source_conninfo,
	                         kind == KEEPER_SLOT ? PG_SESSION_REPLICATION : PG_SESSION_SOURCE,
	                         job->slot_name, NULL, &report->error);
	if (source != NULL)
	{
		switch (kind)
		{
			case KEEPER_SLOT:
				report->ok = export_with_slot(source, job->slot_name, report);
				break;
			case KEEPER_PLAIN:
				report->ok = export_alone(source, report);
				break;
			case KEEPER_LATER:
				report->ok = export_later(source, report);
				break;
		}
	}
	if (report->ok && kind == KEEPER_SLOT)
		FAULT_POINT("keeper.slot_created");
	if (!send_report(3, report))
		_exit(1);
	if (report->ok && await_parent(source, 3))
		keep(job, source, report->snapshot);
	pg_session_close(source);
	_exit(0);
}
