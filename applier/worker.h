/*
 * worker.h
 *		The process of one job: what the phases may ask of it.
 *
 * A worker is one thread with one event loop, worker_wait().  A phase is straight code that calls
 * worker_wait() wherever it would block; that serves the control link (lease, wishes, reports),
 *signals and deadlines, and answers what the phase should do next.  A phase never blocks longer
 *than WORKER_BLOCK_MAX_MS elsewhere: longer work goes into a child process or an asynchronous
 *connection.
 */
#ifndef DTS_WORKER_H
#define DTS_WORKER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "job.h"
#include "lsn.h"
#include "phase.h"
#include "stream_stats.h"
#include "throttle.h"

#define WORKER_BLOCK_MAX_MS 3000

typedef struct Worker Worker;

struct json_t; /* jansson's */

/* What the worker wants of the phase. */
typedef enum WorkerOrder
{
	ORDER_GO_ON,
	ORDER_YIELD, /* pause, stop or shutdown wanted: make what is in hand durable and return */
	ORDER_LEAVE, /* the lease is lost: return at once, touch nothing */
} WorkerOrder;

/*
 * Waits until one of fds is ready, something happens to the job, or timeout_ms (-1: no limit) is
 * over. fds may be NULL; revents are set as poll() does.  Returns the order in force.
 */
WorkerOrder worker_wait(Worker *w, struct pollfd *fds, int nfds, int timeout_ms);

const Job *worker_job(const Worker *w);
int64_t worker_now_us(const Worker *w); /* monotonic, as of the last worker_wait() */

/* How fast the phase may go.  In memory that children share. */
Throttle *worker_throttle(const Worker *w, JobPhase phase);

/* Progress of the stream.  Kept in memory; the control link sends it about once a second. */
typedef struct StreamProgress
{
	SourceLsn source_end; /* the furthest WAL position heard of from the source */
	SourceLsn received;   /* end of the last whole transaction received */
	SourceLsn durable;    /* stored and durable on the target */
	int64_t commit_time; /* source's commit time of the newest durable transaction, us since 2000 */
	bool caught_up;      /* nothing received waits to be applied */
	int64_t lag_us;      /* LATENCY_UNKNOWN: not known */
	int64_t transactions; /* since the worker started */
	int64_t rows;
	int64_t bytes;
} StreamProgress;
void worker_report_stream(Worker *w, const StreamProgress *progress);

/* For the stream to count in; goes along with its progress. */
StreamStats *worker_stream_stats(Worker *w);

/*
 * Markers (decision 8).  While somebody waits for caught_up, worker_marker_wanted() returns the
 * number of a marker to commit on the source, once for each number; the stream calls
 * worker_marker_durable() when that marker came back and is durable on the target.
 */
bool worker_marker_wanted(Worker *w, int64_t *marker);
void worker_marker_durable(Worker *w, int64_t marker);

/* A marker that was under way is lost with its session: another one is wanted. */
void worker_marker_again(Worker *w);

/*
 * Requests about the job's tables, oldest first.  A request stays the same until it is answered;
 * worker_change_answer() is to be called until it returns true.  tables: JSON of those with rows
 * that it stood for; refusal: why it is not followed, or NULL.  Afterwards the job's options may be
 * others: worker_reread() makes them worker_job()'s, which frees all that came from the old ones.
 */
typedef struct WorkerChange
{
	int64_t id;
	const char *action;
	const char *tables; /* JSON */
} WorkerChange;
bool worker_change_wanted(const Worker *w, WorkerChange *change);
bool worker_change_answer(Worker *w, int64_t id, const char *tables, const Error *refusal);
bool worker_reread(Worker *w) must_check;

/*
 * A command of the source that is not simply run (JSON as dts.daemon_ddl() has it).  state: "waiting"
 * or "skipped"; the answer comes after a while, so it is asked again until it is known.
 */
typedef enum WorkerDdlAnswer
{
	WORKER_DDL_UNKNOWN, /* not heard yet, or an operator has not spoken */
	WORKER_DDL_APPLY,
	WORKER_DDL_SKIP,
} WorkerDdlAnswer;
WorkerDdlAnswer worker_ddl_ask(Worker *w, const char *state, struct json_t *command);

/* One that failed; known to the control database before a state that follows is. */
void worker_ddl_failed(Worker *w, struct json_t *command);

/* Progress of one table; sent with the next report.  Estimates may be 0 when unknown. */
typedef enum TablePhase
{
	TABLE_WAITING,
	TABLE_COPYING,
	TABLE_INDEXING,
	TABLE_COPIED,
	TABLE_INCREMENTAL,
	TABLE_QUARANTINED,
	TABLE_ERROR,
} TablePhase;

/* A part of a table that is copied in several. */
typedef struct PartProgress
{
	TablePhase phase;
	int64_t rows_estimated;
	int64_t rows_done;
	int64_t bytes_estimated;
	int64_t bytes_done;
	double rows_per_second;
	double bytes_per_second;
	double seconds_left; /* of copying; 0: nobody knows */
} PartProgress;

typedef struct TableProgress
{
	const char *schema;
	const char *table;
	TablePhase phase;
	int64_t rows_estimated;
	int64_t rows_done;
	int64_t bytes_estimated;
	int64_t bytes_done;
	int parts;
	int parts_done;
	int parts_active;       /* being copied now */
	double rows_per_second; /* lately; 0 when nothing moves */
	double bytes_per_second;
	double seconds_left;        /* of copying; 0: nobody knows */
	const char *error;          /* NULL when none */
	bool lists_parts;           /* else what was last listed stands */
	const PartProgress *listed; /* in the order of the table's rows */
	int listed_count;
} TableProgress;
void worker_report_table(Worker *w, const TableProgress *progress);

/* Sessions that shall apply the stream, by the options as they are now. */
int worker_apply_workers(const Worker *w);

/* One line in dts_job_events and in the log. severity: "info", "warning", "error". */
void worker_event(Worker *w, const char *severity, const char *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* What the phase is doing, for dts_jobs.step; durable before it returns, unless control is away. */
void worker_set_step(Worker *w, const char *step);

/*
 * Child processes.  worker_fork() is fork() with signals reset, the parent's descriptors closed on
 * exec, and a death signal; the child runs with the log set to the job.  worker_child_exited()
 * answers without blocking; children wake worker_wait() when they end.
 */
pid_t worker_fork(Worker *w);
bool worker_child_exited(Worker *w, pid_t pid, int *status);

/*
 * Runs a program (found on PATH or beside us; no shell) with its standard input and output from and
 * to the descriptors given
 * (-1: /dev/null).  Its stderr is read by worker_run_wait() and lands in err's detail when it
 * fails, with secrets masked.  env is NULL or a NULL-terminated list of NAME=value added to the
 * environment.
 */
typedef struct Program Program;
Program *worker_run(Worker *w, const char *const *argv, const char *const *env, int in_fd,
                    int out_fd, Error *err) must_check;
WorkerOrder worker_run_wait(Worker *w, Program **programs, int count, bool *ok, Error *err);

#endif /* DTS_WORKER_H */
