/*
 * copy_driver.c
 *		Runs the phases schema and full between two servers without a control database.
 *
 * A minimal worker.h of its own: no lease, no control link; events and table reports go to stdout.
 *
 *		copy_driver SOURCE_CONNINFO TARGET_CONNINFO SLOT_NAME EPOCH OPTIONS_JSON
 *
 * SIGTERM asks the phase to yield.  Exit status: 0 completed, 2 yielded, 3 transient, 4 trouble,
 * 5 lost, 1 anything else.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "copy_full.h"
#include "copy_keeper.h"
#include "copy_schema.h"
#include "fault.h"
#include "log.h"
#include "pg_session.h"
#include "target_pg_fence.h"
#include "worker.h"

struct Worker
{
	Job job;
	int64_t now_us;
	Throttle throttles[JOB_PHASE_COUNT]; /* no limit */
};

struct Program
{
	pid_t pid;
	int stderr_fd;
};

static volatile sig_atomic_t yield_wanted;

static void
on_term(int sig)
{
	(void) sig;
	yield_wanted = 1;
}

static void
on_child(int sig)
{
	(void) sig;
}

WorkerOrder
worker_wait(Worker *w, struct pollfd *fds, int nfds, int timeout_ms)
{
	struct timespec now;

	for (int i = 0; i < nfds; i++)
		fds[i].revents = 0;
	if (poll(fds, (nfds_t) nfds, timeout_ms) < 0)
	{
		for (int i = 0; i < nfds; i++)
			fds[i].revents = 0;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	w->now_us = now.tv_sec * 1000000LL + now.tv_nsec / 1000;
	return yield_wanted ? ORDER_YIELD : ORDER_GO_ON;
}

const Job *
worker_job(const Worker *w)
{
	return &w->job;
}

Throttle *
worker_throttle(const Worker *w, JobPhase phase)
{
	return (Throttle *) &w->throttles[phase];
}

int64_t
worker_now_us(const Worker *w)
{
	return w->now_us;
}

void
worker_report_table(Worker *w, const TableProgress *t)
{
	static const char *const phases[] = {"waiting", "copying",     "indexing",
	                                     "copied",  "incremental", "error"};

	(void) w;
	printf("table %s.%s %s rows %lld/%lld parts %d/%d\n", t->schema, t->table, phases[t->phase],
	       (long long) t->rows_done, (long long) t->rows_estimated, t->parts_done, t->parts);
	fflush(stdout);
}

void
worker_event(Worker *w, const char *severity, const char *event, const char *format, ...)
{
	va_list args;

	(void) w;
	printf("event %s %s ", severity, event);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

void
worker_set_step(Worker *w, const char *step)
{
	(void) w;
	printf("step %s\n", step);
	fflush(stdout);
}

pid_t
worker_fork(Worker *w)
{
	pid_t parent = getpid();
	pid_t pid;

	(void) w;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
	{
		signal(SIGTERM, SIG_DFL);
		signal(SIGCHLD, SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	else if (pid > 0)
		printf("child %d\n", (int) pid);
	fflush(stdout);
	return pid;
}

bool
worker_child_exited(Worker *w, pid_t pid, int *status)
{
	(void) w;
	return waitpid(pid, status, WNOHANG) != 0;
}

Program *
worker_run(Worker *w, const char *const *argv, const char *const *env, int in_fd, int out_fd,
           Error *err)
{
	Program *p = malloc(sizeof(*p));
	int ends[2];

	(void) in_fd;
	if (p == NULL || pipe(ends) != 0)
	{
		error_set(err, ERR_CHILD, "pipe: %m");
		free(p);
		return NULL;
	}
	p->pid = worker_fork(w);
	if (p->pid == 0)
	{
		if (out_fd >= 0)
			dup2(out_fd, 1);
		dup2(ends[1], 2);
		for (int i = 0; env != NULL && env[i] != NULL; i++)
			putenv(strdup(env[i]));
		execvp(argv[0], (char *const *) argv);
		_exit(127);
	}
	close(ends[1]);
	p->stderr_fd = ends[0];
	return p;
}

WorkerOrder
worker_run_wait(Worker *w, Program **programs, int count, bool *ok, Error *err)
{
	*ok = true;
	for (int i = 0; i < count; i++)
	{
		char text[ERROR_TEXT_MAX] = "";
		size_t len = 0;
		ssize_t got;
		int status;

		while ((got = read(programs[i]->stderr_fd, text + len, sizeof(text) - 1 - len)) > 0 ||
		       (got < 0 && errno == EINTR))
			len += got > 0 ? (size_t) got : 0;
		while (waitpid(programs[i]->pid, &status, 0) < 0 && errno == EINTR)
			;
		if (status != 0)
		{
			*ok = false;
			error_set(err, ERR_CHILD, "program failed with status %d", status);
			error_detail(err, "%s", text);
		}
		close(programs[i]->stderr_fd);
		free(programs[i]);
	}
	return worker_wait(w, NULL, 0, 0);
}

static bool
setup(Worker *w, Error *err)
{
	PgSession *target =
	    pg_session_open(w->job.target_conninfo, PG_SESSION_TARGET, w->job.slot_name, NULL, err);
	bool ok = target != NULL && target_fence_setup(target, &w->job, err) &&
	          target_fence_acquire(target, &w->job, err);

	pg_session_close(target);
	return ok;
}

static int
report(PhaseResult result, const Error *err)
{
	static const int statuses[] = {0, 2, 3, 4, 5};

	if (result != PHASE_COMPLETED && err->set)
		printf("error %s %s|%s|%s|%s\n", err->sqlstate, err->message, err->detail, err->hint,
		       err->context);
	return statuses[result];
}

int
main(int argc, char **argv)
{
	Worker w = {0};
	Error err = {0};
	PhaseResult result = PHASE_COMPLETED;
	struct sigaction action = {.sa_handler = on_term};

	if (argc != 6)
		return 1;
	fault_init();
	log_init(LOG_WARNING, false);
	sigaction(SIGTERM, &action, NULL);
	action.sa_handler = on_child;
	action.sa_flags = SA_NOCLDSTOP;
	sigaction(SIGCHLD, &action, NULL);
	w.job.arena = arena_create(4096);
	w.job.name = "driver";
	w.job.kind = "migration";
	w.job.source_conninfo = argv[1];
	w.job.target_conninfo = argv[2];
	w.job.slot_name = argv[3];
	w.job.epoch = strtoll(argv[4], NULL, 10);
	w.job.step = "";
	worker_wait(&w, NULL, 0, 0);
	if (!job_options_parse(&w.job, argv[5], &err) || !setup(&w, &err))
		return report(PHASE_TROUBLE, &err);
	if (!copy_keeper_create(&w, &result, &err))
		return report(result, &err);
	result = PHASE_COMPLETED;
	if (w.job.options.phases[PHASE_SCHEMA])
		result = copy_schema_run(&w, &err);
	if (result == PHASE_COMPLETED && w.job.options.phases[PHASE_FULL])
		result = copy_full_run(&w, &err);
	printf("result %d\n", (int) result);
	arena_destroy(w.job.arena);
	return report(result, &err);
}
