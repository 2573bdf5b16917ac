/*
 * worker.c
 *		The process of one job: its one event loop, its children and its reports; see worker.h.
 *
 * Signals stay blocked all the time and are read from a descriptor, so that nothing runs in a
 *handler.  worker_wait() polls that descriptor, the control link's and those of the phase together.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "pg_session.h"
#include "strbuf.h"
#include "worker_internal.h"

#define POLL_FDS_MAX  96
#define CHILD_WAIT_MS 20
#define MASK_MIN_LEN  4 /* a shorter secret would mask half the text */

static int64_t
monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

const Job *
worker_job(const Worker *w)
{
	return &w->job;
}

int64_t
worker_now_us(const Worker *w)
{
	return w->now_us;
}

WorkerOrder
worker_order(const Worker *w)
{
	JobEvent event;
	JobState next;

	if (w->leave)
		return ORDER_LEAVE;
	if (w->terminate)
		return ORDER_YIELD;
	/* only what this state can follow: anything else would end its work over and over */
	if (w->view.has_wish && job_fsm_wish(w->view.wish, &event) &&
	    job_fsm_next(w->job.state, event, &next, NULL))
		return ORDER_YIELD;
	/* another number of workers counts from the next beginning of the phase */
	if (job_state_runs(w->job.state) && w->job.has_phase && w->job.phase == PHASE_FULL &&
	    w->view.workers > 0 && w->view.workers != w->job.options.workers)
		return ORDER_YIELD;
	return ORDER_GO_ON;
}

static void
reap(Worker *w)
{
	for (int i = 0; i < WORKER_CHILDREN_MAX; i++)
	{
		WorkerChild *child = &w->children[i];

		if (child->pid == 0 || child->exited)
			continue;
		if (waitpid(child->pid, &child->status, WNOHANG) == child->pid)
		{
			child->exited = true;
			w->woken = true;
		}
	}
}

static void
reread_settings(Worker *w)
{
	Settings settings;
	Error err;

	if (!settings_have_file(&w->source))
		return;
	if (!settings_read(&w->source, &settings, &err))
	{
		log_error(LOG_WARNING, "the old settings stay", &err);
		return;
	}
	settings_free(&w->settings);
	w->settings = settings;
	settings_apply(&w->settings);
	control_link_redirect(w->link, w->settings.control);
}

static void
read_signals(Worker *w)
{
	struct signalfd_siginfo info;

	while (read(w->signal_fd, &info, sizeof(info)) == (ssize_t) sizeof(info))
	{
		switch (info.ssi_signo)
		{
			case SIGCHLD:
				reap(w);
				break;
			case SIGHUP:
				reread_settings(w);
				break;
			default: /* SIGTERM, SIGINT */
				w->terminate = true;
				break;
		}
	}
}

/* In a child there is no lease to serve, and whoever waits for it ends it. */
static WorkerOrder
wait_in_child(Worker *w, struct pollfd *fds, int nfds, int timeout_ms)
{
	/* nothing tells of children that end */
	if (timeout_ms < 0 || timeout_ms > CHILD_WAIT_MS)
		timeout_ms = CHILD_WAIT_MS;
	if (poll(fds, (nfds_t) nfds, timeout_ms) < 0 && errno != EINTR)
		log_warn("poll failed: %s", strerror(errno));
	w->now_us = monotonic_us();
	return ORDER_GO_ON;
}

WorkerOrder
worker_wait(Worker *w, struct pollfd *fds, int nfds, int timeout_ms)
{
	struct pollfd all[POLL_FDS_MAX];
	int64_t until;

	if (w->link == NULL)
		return wait_in_child(w, fds, nfds, timeout_ms);
	w->now_us = monotonic_us();
	until = timeout_ms < 0 ? INT64_MAX : w->now_us + (int64_t) timeout_ms * 1000;
	if (nfds > POLL_FDS_MAX - 2)
		nfds = POLL_FDS_MAX - 2;
	for (;;)
	{
		int wait_ms;
		int link_ms;
		bool ready = false;

		worker_control_tick(w);
		control_link_prepare(w->link, w->now_us, &all[nfds], &link_ms);
		all[nfds + 1] = (struct pollfd){.fd = w->signal_fd, .events = POLLIN};
		if (nfds > 0)
			memcpy(all, fds, sizeof(*fds) * (size_t) nfds);

		wait_ms = (int) ((w->next_poll_us - w->now_us + 999) / 1000);
		if (wait_ms < 1 || wait_ms > 200)
			wait_ms = wait_ms < 1 ? 1 : 200;
		if (link_ms >= 0 && link_ms < wait_ms)
			wait_ms = link_ms;
		if (until != INT64_MAX && (until - w->now_us + 999) / 1000 < wait_ms)
			wait_ms = until <= w->now_us ? 0 : (int) ((until - w->now_us + 999) / 1000);
		if (w->woken || worker_order(w) != w->told)
			wait_ms = 0;

		if (poll(all, (nfds_t) nfds + 2, wait_ms) < 0 && errno != EINTR)
			log_warn("poll failed: %s", strerror(errno));
		w->now_us = monotonic_us();
		if (all[nfds + 1].revents != 0)
			read_signals(w);
		control_link_service(w->link, w->now_us, all[nfds].revents != 0);
		for (int i = 0; i < nfds; i++)
		{
			fds[i].revents = all[i].revents;
			ready = ready || all[i].revents != 0;
		}
		if (ready || w->woken || worker_order(w) != w->told || w->now_us >= until)
		{
			w->woken = false;
			w->told = worker_order(w);
			return w->told;
		}
	}
}

/*
 * Children.
 */
pid_t
worker_fork(Worker *w)
{
	WorkerChild *slot = NULL;
	pid_t parent = getpid();
	pid_t pid;

	for (int i = 0; i < WORKER_CHILDREN_MAX && slot == NULL; i++)
	{
		if (w->children[i].pid == 0)
			slot = &w->children[i];
	}
	if (slot == NULL)
	{
		errno = EAGAIN;
		return -1;
	}
	pid = fork();
	if (pid > 0)
		*slot = (WorkerChild){.pid = pid};
	if (pid == 0)
	{
		sigset_t none;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		for (int sig = 1; sig < NSIG; sig++)
			signal(sig, SIG_DFL);
		signal(SIGPIPE, SIG_IGN);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		control_link_abandon(w->link);
		w->link = NULL;
		close(w->signal_fd);
		w->signal_fd = -1;
	}
	return pid;
}

bool
worker_child_exited(Worker *w, pid_t pid, int *status)
{
	reap(w);
	for (int i = 0; i < WORKER_CHILDREN_MAX; i++)
	{
		if (w->children[i].pid == pid && w->children[i].exited)
		{
			*status = w->children[i].status;
			w->children[i].pid = 0;
			return true;
		}
	}
	return false;
}

/*
 * Reports.
 */
void
worker_report_stream(Worker *w, const StreamProgress *progress)
{
	w->progress = *progress;
	w->progress_new = true;
	if (progress->durable.value > w->durable_before.value)
	{
		/* work has been done since the last failure */
		if (w->durable_before.value != 0)
			retry_succeeded(&w->retry);
		w->durable_before = progress->durable;
	}
}

StreamStats *
worker_stream_stats(Worker *w)
{
	return &w->stats;
}

static const char *
table_phase_name(TablePhase phase)
{
	switch (phase)
	{
		case TABLE_WAITING:
			return "waiting";
		case TABLE_COPYING:
			return "copying";
		case TABLE_INDEXING:
			return "indexing";
		case TABLE_COPIED:
			return "copied";
		case TABLE_INCREMENTAL:
			return "incremental";
		case TABLE_QUARANTINED:
			return "quarantined";
		case TABLE_ERROR:
			return "error";
	}
	return "error";
}

static json_t *
part_list(const TableProgress *p)
{
	json_t *list = json_array();

	for (int i = 0; i < p->listed_count; i++)
	{
		const PartProgress *part = &p->listed[i];

		json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "phase",
		                                      table_phase_name(part->phase), "rows_estimated",
		                                      (json_int_t) part->rows_estimated, "rows_done",
		                                      (json_int_t) part->rows_done, "bytes_estimated",
		                                      (json_int_t) part->bytes_estimated, "bytes_done",
		                                      (json_int_t) part->bytes_done, "rows_per_second",
		                                      part->rows_per_second, "bytes_per_second",
		                                      part->bytes_per_second, "seconds_left",
		                                      part->seconds_left));
	}
	return list;
}

void
worker_report_table(Worker *w, const TableProgress *p)
{
	StrBuf key;
	json_t *row;

	strbuf_init(&key);
	strbuf_qualified(&key, p->schema, p->table);
	row = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:f, s:f, s:f, s:s?}",
	                "schema", p->schema, "table", p->table, "phase", table_phase_name(p->phase),
	                "rows_estimated", (json_int_t) p->rows_estimated, "rows_done",
	                (json_int_t) p->rows_done, "bytes_estimated", (json_int_t) p->bytes_estimated,
	                "bytes_done", (json_int_t) p->bytes_done, "parts", p->parts, "parts_done",
	                p->parts_done, "parts_active", p->parts_active, "rows_per_second",
	                p->rows_per_second, "bytes_per_second", p->bytes_per_second, "seconds_left",
	                p->seconds_left, "error", p->error);
	if (row != NULL && p->lists_parts)
		json_object_set_new(row, "part_list", part_list(p));
	if (row != NULL)
		json_object_set_new(w->tables, key.data, row);
	strbuf_free(&key);
}

void
worker_event(Worker *w, const char *severity, const char *event, const char *format, ...)
{
	char text[ERROR_TEXT_MAX * 2];
	const char *params[] = {w->id_text, w->epoch_text, severity, event, text};
	LogLevel level = LOG_INFO;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!log_level_parse(severity, &level))
		level = LOG_INFO;
	log_line(level, "%s: %s", event, text);
	if (w->link != NULL)
		worker_control_send(w, "SELECT dts.daemon_event($1, $2, $3, $4, $5)", 5, params, true);
}

int
worker_apply_workers(const Worker *w)
{
	return w->view.apply_workers > 0 ? w->view.apply_workers : w->job.options.apply_workers;
}

bool
worker_marker_wanted(Worker *w, int64_t *marker)
{
	if (w->marker_state != MARKER_WANTED)
		return false;
	w->marker_state = MARKER_FLYING;
	*marker = w->marker;
	return true;
}

void
worker_marker_durable(Worker *w, int64_t marker)
{
	char text[32];
	const char *params[] = {w->id_text, w->epoch_text, NULL, text};

	worker_control_report(w);
	snprintf(text, sizeof(text), "%" PRId64, marker);
	worker_control_send(w, "SELECT dts.daemon_marker($1, $2, $3, $4)", 4, params, true);
	if (marker == w->marker)
		w->marker_state = MARKER_NONE;
}

/* Whatever was under way is given up; the next one gets a number of its own. */
void
worker_marker_reset(Worker *w)
{
	if (w->marker_state != MARKER_ASKED)
		w->marker_state = MARKER_NONE;
}

void
worker_marker_again(Worker *w)
{
	worker_marker_reset(w);
}

/* Overwrites each occurrence of what, when it is long enough to be told from ordinary text. */
static void
mask(char *text, const char *what)
{
	size_t len = strlen(what);

	if (len < MASK_MIN_LEN)
		return;
	for (char *p = strstr(text, what); p != NULL; p = strstr(p + len, what))
		memset(p, '*', len);
}

/* The values of password-like options in a connection string, as written there. */
static void
mask_conninfo(char *text, const char *conninfo)
{
	Arena *arena;
	char **secrets;

	if (conninfo == NULL)
		return;
	arena = arena_create(1024);
	secrets = pg_session_secrets(arena, conninfo);
	for (int i = 0; secrets[i] != NULL; i++)
		mask(text, secrets[i]);
	mask(text, conninfo);
	arena_destroy(arena);
}

void
worker_mask_secrets(const Worker *w, char *text)
{
	mask_conninfo(text, w->settings.control);
	mask_conninfo(text, w->job.source_conninfo);
	mask_conninfo(text, w->job.target_conninfo);
}

int
worker_main(const SettingsSource *source, const Settings *settings, int64_t job_id, int64_t epoch)
{
	Worker *w = xcalloc(1, sizeof(*w));
	sigset_t signals;
	int status;

	w->source = *source;
	w->settings = *settings;
	w->job_id = job_id;
	w->epoch = epoch;
	snprintf(w->id_text, sizeof(w->id_text), "%" PRId64, job_id);
	snprintf(w->epoch_text, sizeof(w->epoch_text), "%" PRId64, epoch);
	snprintf(w->lease_text, sizeof(w->lease_text), "%d seconds", settings->lease);
	w->tables = json_object();
	if (getrandom(&w->random, sizeof(w->random), 0) != (ssize_t) sizeof(w->random))
		w->random = (uint32_t) getpid();

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	w->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (w->signal_fd < 0)
	{
		log_line(LOG_ERROR, "signalfd failed: %s", strerror(errno));
		return WORKER_EXIT_TROUBLE;
	}
	w->now_us = monotonic_us();
	if (!worker_throttle_open(w))
	{
		log_line(LOG_ERROR, "mmap failed: %s", strerror(errno));
		return WORKER_EXIT_TROUBLE;
	}
	worker_control_open(w);
	status = worker_live(w);
	control_link_close(w->link);
	return status;
}
