/*
 * run_incremental.c
 *		The phase incremental in a process of its own, without supervisor and control database.
 *
 *   run_incremental SOURCE-CONNINFO TARGET-CONNINFO SLOT EPOCH [SCHEMA]
 *   run_incremental --capture SOURCE-CONNINFO SLOT...     before the slots are created
 *
 * SIGTERM is the order to yield, SIGUSR1 asks for a marker.  Prints one line for the markers that
 * came back, events and the end: "result N sqlstate message".  Before each marker and at the end the
 * counters of the engine so far; at the end: rows and peak memory.
 *
 * RUN_STREAMING: transactions in progress are sent.  RUN_DDL: commands are followed, captured as --capture set it up.
 */
#include <jansson.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "fault.h"
#include "incremental.h"
#include "source_capture.h"
#include "worker.h"
#include "worker_call.h"

struct Worker
{
	Job job;
	int64_t now_us;
	int64_t marker;
	StreamProgress progress;
	StreamStats stats;
	Throttle throttles[JOB_PHASE_COUNT]; /* no limit */
};

static volatile sig_atomic_t want_yield;
static volatile sig_atomic_t want_marker;

static void
on_signal(int number)
{
	if (number == SIGTERM)
		want_yield = 1;
	else
		want_marker = 1;
}

WorkerOrder
worker_wait(Worker *w, struct pollfd *fds, int nfds, int timeout_ms)
{
	struct timespec now;

	if (poll(fds, (nfds_t) nfds, want_yield && timeout_ms > 100 ? 100 : timeout_ms) < 0)
	{
		for (int i = 0; i < nfds; i++)
			fds[i].revents = 0;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	w->now_us = (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
	return want_yield ? ORDER_YIELD : ORDER_GO_ON;
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
worker_report_stream(Worker *w, const StreamProgress *progress)
{
	w->progress = *progress;
}

StreamStats *
worker_stream_stats(Worker *w)
{
	return &w->stats;
}

bool
worker_marker_wanted(Worker *w, int64_t *marker)
{
	if (!want_marker)
		return false;
	want_marker = 0;
	*marker = ++w->marker;
	return true;
}

/* The number in a file, when there is one, so that a test can change it. */
int
worker_apply_workers(const Worker *w)
{
	const char *path = getenv("DTS_TEST_APPLY_WORKERS");
	FILE *file = path != NULL ? fopen(path, "r") : NULL;
	int workers = w->job.options.apply_workers;

	if (file == NULL)
		return workers;
	if (fscanf(file, "%d", &workers) != 1)
		workers = 1;
	fclose(file);
	return workers;
}

/* name=number, for every counter and every reason of order that was there, over all sessions */
static void
print_engine(const StreamStats *stats)
{
#define COUNTER(name, text)                                                                        \
	printf(" %s=%lld", text, (long long) (stats->before.name + stats->session.name));
#define REASON(name, text)                                                                         \
	printf(" order_%s=%lld", text,                                                                 \
	       (long long) (stats->before.ordered[name] + stats->session.ordered[name]));
	printf("engine");
	ENGINE_COUNTERS(COUNTER)
	ENGINE_ORDER_REASONS(REASON)
	printf("\n");
}

void
worker_marker_durable(Worker *w, int64_t marker)
{
	print_engine(&w->stats);
	printf("marker %lld\n", (long long) marker);
	fflush(stdout);
}

void
worker_event(Worker *w, const char *severity, const char *event, const char *format, ...)
{
	va_list args;

	(void) w;
	printf("event %s %s: ", severity, event);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

/*
 * Nobody asks for tables to be added, removed or loaded again here, so that nothing is forked.
 */
static bool
not_here(Error *err)
{
	error_set(err, ERR_INTERNAL, "no children here");
	return false;
}

void
worker_report_table(Worker *w, const TableProgress *progress)
{
	(void) w;
	(void) progress;
}

void
worker_set_step(Worker *w, const char *step)
{
	(void) w;
	(void) step;
}

void
worker_marker_again(Worker *w)
{
	(void) w;
}

bool
worker_change_wanted(const Worker *w, WorkerChange *change)
{
	(void) w;
	(void) change;
	return false;
}

WorkerDdlAnswer
worker_ddl_ask(Worker *w, const char *state, json_t *command)
{
	(void) w;
	(void) state;
	(void) command;
	return WORKER_DDL_APPLY;
}

void
worker_ddl_failed(Worker *w, json_t *command)
{
	(void) w;
	(void) command;
}

bool
worker_change_answer(Worker *w, int64_t id, const char *tables, const Error *refusal)
{
	(void) w;
	(void) id;
	(void) tables;
	(void) refusal;
	return true;
}

bool
worker_reread(Worker *w)
{
	(void) w;
	return true;
}

pid_t
worker_fork(Worker *w)
{
	(void) w;
	errno = ENOSYS;
	return -1;
}

bool
worker_child_exited(Worker *w, pid_t pid, int *status)
{
	(void) w;
	(void) pid;
	(void) status;
	return true;
}

Program *
worker_run(Worker *w, const char *const *argv, const char *const *env, int in_fd, int out_fd,
           Error *err)
{
	(void) w;
	(void) argv;
	(void) env;
	(void) in_fd;
	(void) out_fd;
	not_here(err);
	return NULL;
}

WorkerOrder
worker_run_wait(Worker *w, Program **programs, int count, bool *ok, Error *err)
{
	(void) w;
	(void) programs;
	(void) count;
	*ok = not_here(err);
	return ORDER_GO_ON;
}

WorkerCall *
worker_call_start(Worker *w, WorkerFunction function, void *arg, Error *err)
{
	(void) w;
	(void) function;
	(void) arg;
	not_here(err);
	return NULL;
}

int
worker_call_fd(const WorkerCall *call)
{
	(void) call;
	return -1;
}

bool
worker_call_step(WorkerCall *call, WorkerCallEnd *end, json_t **result, Error *err)
{
	(void) call;
	*end = CALL_FAILED;
	*result = NULL;
	not_here(err);
	return true;
}

void
worker_call_cancel(WorkerCall *call)
{
	(void) call;
}

static int
set_up_capture(const char *conninfo, char *const *slots)
{
	Error err = {0};
	PgSession *session =
	    pg_session_open(conninfo, PG_SESSION_SOURCE, "run_incremental", NULL, &err);
	bool ok = session != NULL;

	while (ok && *slots != NULL)
		ok = source_capture_join(session, *slots++, &err);
	pg_session_close(session);
	if (!ok)
		fprintf(stderr, "%s %s\n", err.sqlstate, err.message);
	return ok ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct rusage usage;
	JobObject object = {.schema = argc > 5 ? argv[5] : NULL};
	Worker w = {0};
	Error err = {0};
	PhaseResult result;

	if (argc < 5)
		return 2;
	if (strcmp(argv[1], "--capture") == 0)
		return set_up_capture(argv[2], argv + 3);
	fault_init();
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	w.job.source_conninfo = argv[1];
	w.job.target_conninfo = argv[2];
	w.job.slot_name = argv[3];
	w.job.epoch = strtoll(argv[4], NULL, 10);
	w.job.options.decoding_memory_mb = 256;
	w.job.options.streaming = getenv("RUN_STREAMING") != NULL;
	w.job.options.ddl.captured = getenv("RUN_DDL") != NULL;
	if (object.schema != NULL)
	{
		w.job.options.objects = &object;
		w.job.options.object_count = 1;
	}
	result = incremental_run(&w, &err);
	getrusage(RUSAGE_SELF, &usage);
	printf("result %d %s %s | %s | %s | %s\n", (int) result, err.set ? err.sqlstate : "-",
	       err.set ? err.message : "-", err.detail, err.hint, err.context);
	printf("rows %lld transactions %lld durable " LSN_FORMAT
	       " caught_up %d peak_kb %ld cpu_ms %ld\n",
	       (long long) w.progress.rows, (long long) w.progress.transactions,
	       LSN_ARGS(w.progress.durable), w.progress.caught_up, usage.ru_maxrss,
	       usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000 +
	           usage.ru_stime.tv_sec * 1000 + usage.ru_stime.tv_usec / 1000);
	print_engine(&w.stats);
	return (int) result;
}
