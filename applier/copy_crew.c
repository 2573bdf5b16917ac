/*
 * copy_crew.c
 *		Starting and watching copy workers; see copy_crew.h.
 *
 * A worker that dies without a word (kill -9) is replaced: the task it had in hand is free as soon
 * as the target's server has rolled its transaction back.  When many die in a row with nothing done
 * in between, the phase fails instead of forking for ever.
 */
#include "copy_crew.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "copy_watch.h"
#include "strbuf.h"

#define CREW_MAX        CREW_FDS_MAX
#define CREW_DEATHS_MAX 20
#define CREW_TICK_MS    1000

typedef struct Member
{
	pid_t pid; /* 0: not running */
	int pipe;  /* -1: closed */
	int source_pid;
	int target_pid;
	bool finished; /* its pipe has ended: everything it said is heard */
	size_t got;    /* bytes of the message being received */
	CopyMessage message;
} Member;

struct CopyCrew
{
	Worker *w;
	CopyCrewOptions options;
	Member members[CREW_MAX];
	int count;
	pid_t watcher;     /* 0: none, nothing is locked on the source */
	int deaths;        /* since a task was last done */
	bool news;         /* a task was done: what waited for it can begin */
	uint32_t *changed; /* tables that were told to have changed */
	int changed_count;
	bool failed;
	bool snapshot_lost;
	int64_t last_tick_us;
	Error *err; /* of the step under way */
};

static bool
member_start(CopyCrew *crew, Member *m)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
	{
		error_set(crew->err, ERR_CHILD, "could not start a copy worker: %m");
		return false;
	}
	pid = worker_fork(crew->w);
	if (pid == 0)
	{
		CopyWorkerOptions options = {.job = worker_job(crew->w),
		                             .encoding = crew->options.encoding,
		                             .snapshot = crew->options.snapshot,
		                             .last = crew->options.last,
		                             .workers = crew->count,
		                             .throttle = worker_throttle(crew->w, PHASE_FULL),
		                             .pipe = ends[1]};

		close(ends[0]);
		_exit(copy_worker_main(&options));
	}
	close(ends[1]);
	if (pid < 0)
	{
		error_set(crew->err, ERR_CHILD, "could not start a copy worker: %m");
		close(ends[0]);
		return false;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	memset(m, 0, sizeof(*m));
	m->pid = pid;
	m->pipe = ends[0];
	return true;
}

/* Without it nothing is wrong but that others may wait: the next step tries again. */
static void
watch(CopyCrew *crew)
{
	int status;

	if (crew->options.snapshot[0] == '\0' ||
	    (crew->watcher > 0 && !worker_child_exited(crew->w, crew->watcher, &status)))
		return;
	crew->watcher = worker_fork(crew->w);
	if (crew->watcher == 0)
		copy_watch_main(worker_job(crew->w));
}

static void
note_failure(CopyCrew *crew, const Error *error)
{
	if (!crew->failed)
		*crew->err = *error; /* the first one; the others mostly follow from it */
	crew->failed = true;
}

/*
 * One table is told of once, although several may have a part of it in hand when it changes, or take
 * one that another has just let go and not yet set aside.
 */
static void
tell_changed(CopyCrew *crew, const CopyMessage *message)
{
	for (int i = 0; i < crew->changed_count; i++)
	{
		if (crew->changed[i] == message->table_oid)
			return;
	}
	crew->changed =
	    xrealloc(crew->changed, sizeof(crew->changed[0]) * (size_t) (crew->changed_count + 1));
	crew->changed[crew->changed_count++] = message->table_oid;
	worker_event(crew->w, "warning", "table_changed", "%s. %s It is loaded again.",
	             message->error.message, message->error.detail);
}

static bool
member_said(CopyCrew *crew, Member *m)
{
	const CopyMessage *message = &m->message;

	switch (message->kind)
	{
		case COPY_HELLO:
			m->source_pid = message->source_pid;
			m->target_pid = message->target_pid;
			break;
		case COPY_PROGRESS:
			break;
		case COPY_DONE:
			crew->deaths = 0;
			crew->news = true;
			break;
		case COPY_NOTE:
			worker_event(crew->w, "warning", "left_out", "%s", message->error.message);
			break;
		case COPY_CHANGED:
			tell_changed(crew, message);
			break;
		case COPY_GAVE_WAY:
			worker_event(crew->w, "info", "gave_way",
			             "a part of table %" PRIu32 " is copied later: somebody waits for the "
			             "table on the source",
			             message->table_oid);
			break;
		case COPY_FAILED:
			crew->snapshot_lost = crew->snapshot_lost || message->snapshot_lost;
			note_failure(crew, &message->error);
			break;
	}
	return crew->options.heard(crew->options.arg, message, crew->err);
}

/* Reads what the pipe holds.  False: the listener failed. */
static bool
member_hear(CopyCrew *crew, Member *m)
{
	while (m->pipe >= 0)
	{
		size_t size = offsetof(CopyMessage, error); /* until the kind is known */
		ssize_t got;

		if (m->got >= size)
			size = copy_message_size(m->message.kind);
		got = read(m->pipe, (char *) &m->message + m->got, size - m->got);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return true;
		if (got <= 0)
		{
			close(m->pipe);
			m->pipe = -1;
			m->finished = true;
			return true;
		}
		m->got += (size_t) got;
		if (m->got < size || m->got < copy_message_size(m->message.kind))
			continue;
		m->got = 0;
		m->message.worker = (int) (m - crew->members);
		if (!member_said(crew, m))
			return false;
	}
	return true;
}

/* Replaces the dead.  *running: how many are at work. */
static bool
reap(CopyCrew *crew, int *running)
{
	*running = 0;
	for (int i = 0; i < crew->count; i++)
	{
		Member *m = &crew->members[i];
		int status;

		if (m->pid == 0)
			continue;
		if (!m->finished || !worker_child_exited(crew->w, m->pid, &status))
		{
			(*running)++;
			continue;
		}
		m->pid = 0;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		if (crew->failed)
			continue;
		if (++crew->deaths > CREW_DEATHS_MAX)
		{
			error_set(crew->err, ERR_CHILD, "copy workers keep dying");
			error_detail(crew->err, "The last one ended with status %d.", status);
			error_hint(crew->err, "Look for the kernel's out-of-memory messages on the daemon's "
			                      "host.");
			return false;
		}
		worker_event(crew->w, "warning", "copy_worker_died",
		             "copy worker %d ended unexpectedly (status %d); its part is done again",
		             (int) m->pid, status);
		if (!member_start(crew, m))
			return false;
		(*running)++;
	}
	return true;
}

/* Ends backends that may not have noticed that their client is gone, e.g. while building an index.
 */
static void
end_backends(CopyCrew *crew, PgSession *session, bool on_target)
{
	StrBuf sql;
	Error ignored = {0};
	int n = 0;

	strbuf_init(&sql);
	strbuf_puts(&sql, "SELECT pg_catalog.pg_terminate_backend(pid) FROM "
	                  "pg_catalog.pg_stat_activity WHERE application_name = ");
	strbuf_literal(&sql, worker_job(crew->w)->slot_name);
	strbuf_puts(&sql, " AND pid IN (");
	for (int i = 0; i < crew->count; i++)
	{
		const Member *m = &crew->members[i];
		int pid = on_target ? m->target_pid : m->source_pid;

		if (pid > 0)
			strbuf_printf(&sql, "%s%d", n++ > 0 ? "," : "", pid);
	}
	strbuf_puts(&sql, ")");
	if (n > 0 && !pg_session_exec(session, &ignored, sql.data, 0, NULL))
		error_clear(&ignored); /* the fence at the next start does the same */
	strbuf_free(&sql);
}

static void
end_all(CopyCrew *crew, PgSession *target, bool touch_servers)
{
	Error ignored = {0};
	PgSession *source;
	int status;

	if (crew->watcher > 0)
		kill(crew->watcher, SIGKILL);
	for (int i = 0; i < crew->count; i++)
	{
		Member *m = &crew->members[i];

		if (m->pid > 0)
			kill(m->pid, SIGKILL);
	}
	while (crew->watcher > 0 && !worker_child_exited(crew->w, crew->watcher, &status))
		usleep(2000);
	for (int i = 0; i < crew->count; i++)
	{
		Member *m = &crew->members[i];

		while (m->pid > 0 && !worker_child_exited(crew->w, m->pid, &status))
			usleep(2000);
		if (m->pipe >= 0)
			close(m->pipe);
		m->pid = 0;
		m->pipe = -1;
	}
	if (!touch_servers)
		return;
	if (target != NULL)
		end_backends(crew, target, true);
	source = pg_session_open(worker_job(crew->w)->source_conninfo, PG_SESSION_SOURCE,
	                         worker_job(crew->w)->slot_name, NULL, &ignored);
	if (source == NULL)
		return;
	end_backends(crew, source, false);
	pg_session_close(source);
}

CopyCrew *
copy_crew_start(Worker *w, const CopyCrewOptions *options, Error *err)
{
	CopyCrew *crew = xcalloc(1, sizeof(*crew));
	bool ok = true;

	crew->w = w;
	crew->options = *options;
	crew->err = err;
	crew->count = options->workers < 1 ? 1 : options->workers;
	if (crew->count > CREW_MAX)
		crew->count = CREW_MAX;
	for (int i = 0; i < crew->count; i++)
		crew->members[i].pipe = -1;
	for (int i = 0; ok && i < crew->count; i++)
		ok = member_start(crew, &crew->members[i]);
	if (ok)
		return crew;
	/* none of them has a backend that we know of yet */
	copy_crew_end(crew, NULL, false);
	return NULL;
}

int
copy_crew_poll(const CopyCrew *crew, struct pollfd *fds, int *timeout_ms)
{
	int n = 0;

	for (int i = 0; i < crew->count; i++)
	{
		if (crew->members[i].pipe >= 0)
			fds[n++] = (struct pollfd){.fd = crew->members[i].pipe, .events = POLLIN};
	}
	/* with every pipe closed only the exits are left to wait for */
	if (*timeout_ms < 0 || *timeout_ms > (n > 0 ? CREW_TICK_MS : 20))
		*timeout_ms = n > 0 ? CREW_TICK_MS : 20;
	return n;
}

/* Those that wait for others look again. */
static void
pass_on(CopyCrew *crew)
{
	for (int i = 0; crew->news && i < crew->count; i++)
	{
		if (crew->members[i].pipe >= 0 &&
		    send(crew->members[i].pipe, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EPIPE)
			continue; /* it ends; one that has not read for long needs no further byte either */
	}
	crew->news = false;
}

static bool
listen_to_all(CopyCrew *crew)
{
	for (int i = 0; i < crew->count; i++)
	{
		if (crew->members[i].pipe >= 0 && !member_hear(crew, &crew->members[i]))
			return false;
	}
	pass_on(crew);
	if (worker_now_us(crew->w) - crew->last_tick_us < CREW_TICK_MS * 1000)
		return true;
	crew->last_tick_us = worker_now_us(crew->w);
	watch(crew);
	return crew->options.heard(crew->options.arg, NULL, crew->err);
}

CrewResult
copy_crew_step(CopyCrew *crew, Error *err)
{
	int running = 0;
	bool ok;

	crew->err = err;
	ok = listen_to_all(crew);
	if (ok && !crew->failed)
		ok = reap(crew, &running);
	if (ok && !crew->failed)
		return running > 0 ? CREW_WORKING : CREW_DONE;
	if (crew->failed && strcmp(err->sqlstate, ERR_FENCED) == 0)
		return CREW_YIELDED;
	return crew->snapshot_lost ? CREW_SNAPSHOT_LOST : CREW_FAILED;
}

void
copy_crew_end(CopyCrew *crew, PgSession *target, bool touch_servers)
{
	if (crew == NULL)
		return;
	end_all(crew, target, touch_servers);
	free(crew->changed);
	free(crew);
}

CrewResult
copy_crew_run(Worker *w, const CopyCrewOptions *options, PgSession *target, Error *err)
{
	CopyCrew *crew = copy_crew_start(w, options, err);
	CrewResult result = CREW_WORKING;
	WorkerOrder order = ORDER_GO_ON;

	if (crew == NULL)
		return CREW_FAILED;
	while (result == CREW_WORKING && order == ORDER_GO_ON)
	{
		struct pollfd fds[CREW_FDS_MAX];
		int timeout_ms = CREW_TICK_MS;
		int n = copy_crew_poll(crew, fds, &timeout_ms);

		order = worker_wait(w, fds, n, timeout_ms);
		if (order == ORDER_GO_ON)
			result = copy_crew_step(crew, err);
	}
	if (result == CREW_DONE)
		copy_crew_end(crew, NULL, false);
	else
		copy_crew_end(crew, target, order != ORDER_LEAVE);
	return order != ORDER_GO_ON ? CREW_YIELDED : result;
}
