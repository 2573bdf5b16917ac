/*
 * supervisor.c
 *		Claims jobs from the control database and runs a worker process for each.
 *
 * A claim is a lease with an epoch; the worker renews it over a session of its own, so a worker
 *that is stopped or cut off loses its job to another daemon although its supervisor lives.  The
 *supervisor never starts a second worker for a job while the first one's process exists: it kills
 *that one, and starts when it is gone.
 */
#include "supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "control_link.h"
#include "log.h"
#include "pg_session.h"
#include "settings.h"
#include "supervisor_bars.h"
#include "version.h"
#include "watch.h"
#include "worker_main.h"

#define SQLSTATE_NO_SCHEMA   "3F000"
#define SQLSTATE_NO_FUNCTION "42883"
#define SQLSTATE_NO_RIGHT    "42501"

#define CLAIM_US             1000000
#define BACKOFF_MIN_US       INT64_C(1000000)
#define BACKOFF_MAX_US       INT64_C(30000000)
#define FORGET_CRASH_US      INT64_C(120000000)
#define WATCH_PAUSE_US       INT64_C(5000000) /* before a watch that ended is started again */

typedef struct Child
{
	struct Child *next;
	int64_t job_id;
	int64_t epoch;
	pid_t pid;    /* 0: no process */
	bool waiting; /* start with this epoch at start_at, when there is no process */
	int64_t start_at;
	int64_t backoff_us; /* after the last crash */
	int64_t crashed_at; /* 0: never */
} Child;

/* A process of watch.h. */
typedef struct Watcher
{
	pid_t pid; /* 0: none */
	int64_t start_at;
} Watcher;

typedef struct Supervisor
{
	SettingsSource source;
	Settings settings;
	char owner[128];
	char lease[32];
	ControlLink *link;
	int signal_fd;
	int64_t now_us;
	int64_t next_claim_us;
	int64_t next_watchdog_us;
	int64_t watchdog_us; /* 0: none */
	int jobs_told;       /* by the last STATUS; -1: none yet */
	bool claiming;
	bool ready;
	bool ending;
	int end_signals;
	int exit_status;
	Child *children;
	Watcher watchers[WATCH_COUNT];
	SupervisorBars bars;
} Supervisor;

static int64_t
monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int
busy_children(const Supervisor *s)
{
	int count = 0;

	for (const Child *child = s->children; child != NULL; child = child->next)
		count += child->pid != 0 || child->waiting;
	return count;
}

static Child *
child_for(Supervisor *s, int64_t job_id)
{
	Child *child;

	for (child = s->children; child != NULL; child = child->next)
	{
		if (child->job_id == job_id)
			return child;
	}
	child = xcalloc(1, sizeof(*child));
	child->job_id = job_id;
	child->next = s->children;
	s->children = child;
	return child;
}

static void
start_worker(Supervisor *s, Child *child)
{
	pid_t parent = getpid();

	child->waiting = false;
	child->pid = fork();
	if (child->pid < 0)
	{
		log_line(LOG_ERROR, "could not start a worker: %s", strerror(errno));
		child->pid = 0;
		return; /* the lease runs out, and the job is claimed again */
	}
	if (child->pid == 0)
	{
		int status;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(WORKER_EXIT_OK);
		control_link_abandon(s->link);
		close(s->signal_fd);
		status = worker_main(&s->source, &s->settings, child->job_id, child->epoch);
		fflush(NULL);
		_exit(status);
	}
	log_info("worker %d started for job %" PRId64 ", epoch %" PRId64, (int) child->pid,
	         child->job_id, child->epoch);
}

static void
start_watchers(Supervisor *s)
{
	pid_t parent = getpid();

	for (int i = 0; i < WATCH_COUNT && s->ready && !s->ending; i++)
	{
		Watcher *watcher = &s->watchers[i];

		if (watcher->pid != 0 || s->now_us < watcher->start_at)
			continue;
		watcher->start_at = s->now_us + WATCH_PAUSE_US;
		watcher->pid = fork();
		if (watcher->pid == 0)
		{
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(WORKER_EXIT_OK);
			control_link_abandon(s->link);
			close(s->signal_fd);
			watch_main((Watch) i, s->settings.control, s->settings.alert_ca);
		}
		if (watcher->pid < 0)
			watcher->pid = 0;
	}
}

static bool
watchers_run(const Supervisor *s)
{
	for (int i = 0; i < WATCH_COUNT; i++)
	{
		if (s->watchers[i].pid != 0)
			return true;
	}
	return false;
}

/* They hold nothing that they would have to finish. */
static void
signal_watchers(const Supervisor *s, int sig)
{
	for (int i = 0; i < WATCH_COUNT; i++)
	{
		if (s->watchers[i].pid != 0)
			kill(s->watchers[i].pid, sig);
	}
}

static void
start_waiting(Supervisor *s)
{
	for (Child *child = s->children; child != NULL; child = child->next)
	{
		if (child->waiting && child->pid == 0 && s->now_us >= child->start_at && !s->ending)
			start_worker(s, child);
	}
}

static void
claimed(Supervisor *s, int64_t job_id, int64_t epoch)
{
	Child *child = child_for(s, job_id);

	child->epoch = epoch;
	child->waiting = true;
	child->start_at = s->now_us;
	if (child->crashed_at > 0 && s->now_us - child->crashed_at < child->backoff_us)
		child->start_at = child->crashed_at + child->backoff_us;
	if (child->pid != 0)
	{
		log_warn("worker %d of job %" PRId64 " lost its lease; it is ended", (int) child->pid,
		         job_id);
		kill(child->pid, SIGKILL);
	}
}

static void
on_claimed(void *arg, const ControlReply *reply)
{
	Supervisor *s = arg;

	s->claiming = false;
	if (reply->err != NULL)
	{
		log_error(LOG_WARNING, "claiming jobs", reply->err);
		return;
	}
	for (int i = 0; i < control_reply_rows(reply); i++)
		claimed(s, control_reply_int(reply, i, 0), control_reply_int(reply, i, 1));
}

static void
claim(Supervisor *s)
{
	char room[16];
	const char *params[] = {s->owner, s->lease, room};

	s->next_claim_us = s->now_us + CLAIM_US;
	if (s->ending || s->claiming || !s->ready || !control_link_is_up(s->link) ||
	    busy_children(s) >= s->settings.max_jobs)
		return;
	snprintf(room, sizeof(room), "%d", s->settings.max_jobs - busy_children(s));
	s->claiming = true;
	control_link_send(s->link, "SELECT job_id, epoch FROM dts.daemon_claim($1, $2, $3)", 3, params,
	                  false, on_claimed, s);
}

static void
on_hello(void *arg, const ControlReply *reply)
{
	Supervisor *s = arg;
	Error err;

	if (reply->err == NULL)
	{
		if (!s->ready)
		{
			log_info("dts_applier %s is ready", DTS_VERSION);
			sd_notify(0, "READY=1");
		}
		s->ready = true;
		s->next_claim_us = s->now_us;
		return;
	}
	if (sqlstate_is_transient(reply->err->sqlstate))
		return;
	err = *reply->err;
	if (strcmp(err.sqlstate, SQLSTATE_NO_SCHEMA) == 0 ||
	    strcmp(err.sqlstate, SQLSTATE_NO_FUNCTION) == 0)
		error_hint(&err, "Run CREATE EXTENSION dts (or ALTER EXTENSION dts UPDATE) in that "
		                 "database, or name another one with --control.");
	else if (strcmp(err.sqlstate, SQLSTATE_NO_RIGHT) == 0)
		error_hint(&err, "GRANT dts_daemon TO the role that the daemon connects as.");
	log_error(LOG_ERROR, "the control database refuses this daemon", &err);
	/* at the start that is a mistake of whoever started us; later it may be an upgrade under way */
	if (!s->ready)
	{
		s->exit_status = EXIT_FAILURE;
		s->ending = true;
	}
	s->next_claim_us = s->now_us + 10 * CLAIM_US;
}

static void
on_connected(void *arg)
{
	Supervisor *s = arg;
	const char *params[] = {DTS_VERSION};

	control_link_greet(s->link, "SELECT dts.daemon_hello($1)", 1, params, on_hello, s);
	control_link_greet(s->link, "LISTEN dts_job", 0, NULL, NULL, NULL);
}

static void
on_notified(void *arg)
{
	Supervisor *s = arg;

	s->next_claim_us = s->now_us;
}

static void
on_lost(void *arg, const Error *err)
{
	Supervisor *s = arg;

	s->claiming = false;
	supervisor_bars_lost(&s->bars);
	log_error(LOG_WARNING, "control database is away", err);
}

static void
worker_ended(Supervisor *s, Child *child, int status)
{
	bool fine = WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_OK;

	if (fine || s->ending || child->waiting)
		log_line(LOG_DEBUG, "worker %d ended", (int) child->pid);
	else if (WIFSIGNALED(status))
		log_warn("worker %d was ended by signal %d", (int) child->pid, WTERMSIG(status));
	else
		log_warn("worker %d ended with status %d", (int) child->pid, WEXITSTATUS(status));
	child->pid = 0;
	if (fine)
		child->crashed_at = 0;
	else if (!child->waiting)
	{
		/* 1, 2, 4 ... s, and from the beginning after a good while */
		if (child->crashed_at == 0 || s->now_us - child->crashed_at > FORGET_CRASH_US)
			child->backoff_us = BACKOFF_MIN_US;
		else if (child->backoff_us * 2 > BACKOFF_MAX_US)
			child->backoff_us = BACKOFF_MAX_US;
		else
			child->backoff_us *= 2;
		child->crashed_at = s->now_us;
	}
	s->next_claim_us = s->now_us;
}

static void
reap(Supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
	{
		for (Child *child = s->children; child != NULL; child = child->next)
		{
			if (child->pid == pid)
				worker_ended(s, child, status);
		}
		for (int i = 0; i < WATCH_COUNT; i++)
		{
			if (s->watchers[i].pid == pid)
				s->watchers[i].pid = 0;
		}
	}
}

/* Jobs that have come to rest are forgotten, and so are crashes of long ago. */
static void
forget_children(Supervisor *s)
{
	Child **link = &s->children;

	while (*link != NULL)
	{
		Child *child = *link;

		if (child->pid == 0 && !child->waiting &&
		    (child->crashed_at == 0 || s->now_us - child->crashed_at > FORGET_CRASH_US))
		{
			*link = child->next;
			free(child);
		}
		else
			link = &child->next;
	}
}

static void
signal_workers(const Supervisor *s, int sig)
{
	for (const Child *child = s->children; child != NULL; child = child->next)
	{
		if (child->pid != 0)
			kill(child->pid, sig);
	}
}

/* systemd wants the time with the announcement, to tell one reload from another. */
static void
reload(Supervisor *s)
{
	Settings settings;
	Error err;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, monotonic_us());
	if (!settings_have_file(&s->source))
		log_info("nothing to read again: there is no configuration file");
	else if (!settings_read(&s->source, &settings, &err))
		log_error(LOG_ERROR, "the old settings stay", &err);
	else
	{
		settings_free(&s->settings);
		s->settings = settings;
		settings_apply(&s->settings);
		snprintf(s->lease, sizeof(s->lease), "%d seconds", s->settings.lease);
		control_link_redirect(s->link, s->settings.control);
		signal_workers(s, SIGHUP);
		signal_watchers(s, SIGTERM); /* they begin again with the new ones */
		log_info("settings read again");
	}
	sd_notify(0, "READY=1");
}

static void
end(Supervisor *s)
{
	s->ending = true;
	s->end_signals++;
	sd_notify(0, "STOPPING=1");
	if (s->end_signals == 1)
		log_info("ending: workers finish the work in hand");
	else
		log_warn("ending at once");
	signal_workers(s, s->end_signals == 1 ? SIGTERM : SIGKILL);
	signal_watchers(s, s->end_signals == 1 ? SIGTERM : SIGKILL);
}

static void
read_signals(Supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t) sizeof(info))
	{
		switch (info.ssi_signo)
		{
			case SIGCHLD:
				reap(s);
				break;
			case SIGHUP:
				reload(s);
				break;
			default: /* SIGTERM, SIGINT */
				end(s);
				break;
		}
	}
}

/* What systemctl status shows. */
static void
tell_status(Supervisor *s)
{
	int jobs = busy_children(s);

	if (jobs == s->jobs_told || !s->ready)
		return;
	s->jobs_told = jobs;
	sd_notifyf(0, "STATUS=%d %s at work, %d at most", jobs, jobs == 1 ? "job" : "jobs",
	           s->settings.max_jobs);
}

static void
watchdog(Supervisor *s)
{
	if (s->watchdog_us > 0 && s->now_us >= s->next_watchdog_us)
	{
		sd_notify(0, "WATCHDOG=1");
		s->next_watchdog_us = s->now_us + s->watchdog_us / 3;
	}
}

static void
turn(Supervisor *s)
{
	struct pollfd fds[2];
	int wait_ms = 1000;
	int link_ms;

	s->now_us = monotonic_us();
	watchdog(s);
	tell_status(s);
	if (s->now_us >= s->next_claim_us)
		claim(s);
	supervisor_bars_turn(&s->bars, s->link, s->settings.progress,
	                     s->ready && control_link_is_up(s->link), s->now_us);
	start_waiting(s);
	start_watchers(s);
	forget_children(s);
	control_link_prepare(s->link, s->now_us, &fds[0], &link_ms);
	fds[1] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
	if (link_ms >= 0 && link_ms < wait_ms)
		wait_ms = link_ms;
	if (s->next_claim_us - s->now_us < (int64_t) wait_ms * 1000)
		wait_ms =
		    s->next_claim_us > s->now_us ? (int) ((s->next_claim_us - s->now_us) / 1000) + 1 : 1;
	if (poll(fds, 2, wait_ms) < 0 && errno != EINTR)
		log_warn("poll failed: %s", strerror(errno));
	s->now_us = monotonic_us();
	read_signals(s);
	control_link_service(s->link, s->now_us, fds[0].revents != 0);
}

int
supervisor_run(const SettingsSource *source, Settings *settings)
{
	Supervisor s = {
	    .source = *source, .settings = *settings, .jobs_told = -1, .exit_status = EXIT_SUCCESS};
	ControlLinkOwner owner = {
	    .connected = on_connected, .notified = on_notified, .lost = on_lost, .arg = &s};
	char host[64] = "";
	sigset_t signals;
	uint64_t watchdog_us = 0;

	gethostname(host, sizeof(host) - 1);
	snprintf(s.owner, sizeof(s.owner), "%s/%d", host, (int) getpid());
	snprintf(s.lease, sizeof(s.lease), "%d seconds", s.settings.lease);
	if (sd_watchdog_enabled(0, &watchdog_us) > 0)
		s.watchdog_us = (int64_t) watchdog_us;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	s.signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s.signal_fd < 0)
	{
		log_line(LOG_ERROR, "signalfd failed: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	s.now_us = monotonic_us();
	s.link = control_link_open(s.settings.control, "dts_applier", &owner);

	while (!s.ending || busy_children(&s) > 0 || watchers_run(&s))
	{
		/* what was claimed but not begun is left to its lease */
		for (Child *child = s.children; s.ending && child != NULL; child = child->next)
			child->waiting = false;
		turn(&s);
	}

	supervisor_bars_end(&s.bars);
	log_info("ended");
	control_link_close(s.link);
	close(s.signal_fd);
	while (s.children != NULL)
	{
		Child *next = s.children->next;

		free(s.children);
		s.children = next;
	}
	settings_free(&s.settings);
	return s.exit_status;
}
