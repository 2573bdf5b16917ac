/*
 * copy_watch.c
 *		The watcher of a load; see copy_watch.h.
 *
 * A process of its own, because a copy worker is busy inside its COPY, and the job's worker must
 * never wait for the source.  It holds no lock and no transaction between its looks.  While nobody
 * on the source waits for anything, a look is one scan of the lock table.
 */
#include "copy_watch.h"

#include <poll.h>

#include "pg_session.h"

#define LOOK_MS  1000
#define RETRY_MS 5000
#define SEEN_MAX 64

/* Those of our client sessions that somebody waits for, unless that is one of us, too. */
static const char look_sql[] =
    "SELECT a.pid FROM pg_catalog.pg_stat_activity a WHERE a.application_name = $1 AND "
    "a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid() AND a.pid IN ("
    "SELECT pg_catalog.unnest(pg_catalog.pg_blocking_pids(l.pid)) FROM (SELECT DISTINCT w.pid FROM "
    "pg_catalog.pg_locks w WHERE NOT w.granted) l WHERE NOT EXISTS (SELECT FROM "
    "pg_catalog.pg_stat_activity o WHERE o.pid = l.pid AND o.application_name = $1))";

typedef struct Seen
{
	int64_t pids[SEEN_MAX];
	int count;
} Seen;

static bool
was_seen(const Seen *seen, int64_t pid)
{
	for (int i = 0; i < seen->count; i++)
	{
		if (seen->pids[i] == pid)
			return true;
	}
	return false;
}

/*
 * Whoever stands in the way is cancelled.  A session that is idle, or that waits for its client to
 * take rows, does not hear that: when it still stands there at the next look, it is ended.
 */
static bool
look(PgSession *source, const Job *job, Seen *seen, Error *err)
{
	const char *params[] = {job->slot_name};
	PgRows *rows = pg_session_query(source, err, look_sql, 1, params);
	Seen now = {.count = 0};
	bool ok = rows != NULL;

	for (int i = 0; ok && i < pg_rows_count(rows) && i < SEEN_MAX; i++)
	{
		int64_t pid = pg_rows_int(rows, i, 0);
		const char *pid_text[] = {pg_rows_get(rows, i, 0)};

		ok = pg_session_exec(source, err,
		                     was_seen(seen, pid)
		                         ? "SELECT pg_catalog.pg_terminate_backend(CAST($1 AS int))"
		                         : "SELECT pg_catalog.pg_cancel_backend(CAST($1 AS int))",
		                     1, pid_text);
		now.pids[now.count++] = pid;
	}
	pg_rows_free(rows);
	*seen = now;
	return ok;
}

void
copy_watch_main(const Job *job)
{
	PgSession *source = NULL;
	Seen seen = {.count = 0};

	for (;;)
	{
		Error err = {0};

		if (source == NULL)
			source = pg_session_open(job->source_conninfo, PG_SESSION_SOURCE, job->slot_name, NULL,
			                         &err);
		if (source != NULL && !look(source, job, &seen, &err))
		{
			/* what is wrong with the source, the copy workers say */
			pg_session_close(source);
			source = NULL;
		}
		poll(NULL, 0, source != NULL ? LOOK_MS : RETRY_MS);
	}
}
