/*
 * worker_internal.h
 *		What the files that make up a worker share; nobody else includes this.
 *
 *	worker.c			event loop, children, reports
 *	worker_control.c	what the worker says to and hears from the control database
 *	worker_change.c		requests about its tables
 *	worker_job.c		the job as read from there
 *	worker_program.c	programs
 *	worker_throttle.c	how fast it may go
 *	worker_call.c		blocking functions in a child
 *	worker_life.c		the steps of the job's life
 */
#ifndef DTS_WORKER_INTERNAL_H
#define DTS_WORKER_INTERNAL_H

#include <jansson.h>

#include "control_link.h"
#include "job_fsm.h"
#include "retry.h"
#include "worker.h"
#include "worker_call.h"
#include "worker_main.h"

#define WORKER_CHILDREN_MAX 160
#define WORKER_TABLES_BATCH 200 /* table reports sent in one request */

typedef struct WorkerChild
{
	pid_t pid; /* 0: free */
	bool exited;
	int status;
} WorkerChild;

/* What the control database last said. */
typedef struct WorkerView
{
	bool bound;     /* this session holds the lease */
	bool read_done; /* the answer to a read of the job has come */
	bool read_ok;
	bool has_wish;
	JobAction wish;
	bool waiters;
	int64_t marker_begun;
	int workers;       /* as the options are now; 0: not heard yet */
	int apply_workers; /* the same */
	/* the oldest request about tables; 0: none */
	int64_t change_id;
	char *change_action;
	char *change_tables;
} WorkerView;

/* Marker for caught_up: one at a time. */
typedef enum MarkerState
{
	MARKER_NONE,
	MARKER_ASKED,  /* being recorded as begun */
	MARKER_WANTED, /* to be picked up by the stream */
	MARKER_FLYING, /* committed on the source, not yet back */
} MarkerState;

/* The command of the source that the stream stands before. */
typedef struct WorkerDdl
{
	char lsn[LSN_TEXT_MAX];
	int64_t number;
	bool under_way;
	int64_t ask_us; /* not before */
	WorkerDdlAnswer answer;
} WorkerDdl;

struct Worker
{
	SettingsSource source;
	Settings settings;
	int64_t job_id;
	int64_t epoch;
	char epoch_text[32];
	char id_text[32];
	char lease_text[32];

	Job job; /* arena NULL until read */
	bool footprint;
	WorkerView view;

	ControlLink *link;
	int signal_fd;
	int64_t now_us;
	int64_t next_poll_us;
	bool poll_under_way;
	int64_t next_report_us;

	bool leave;       /* the lease is lost */
	bool terminate;   /* SIGTERM */
	WorkerOrder told; /* order last answered */
	bool woken;       /* something a phase may wait for has happened */

	WorkerChild children[WORKER_CHILDREN_MAX];

	/* the answer to a request about tables */
	int64_t change_answered; /* the control database has it */
	bool change_under_way;
	int64_t change_again_us;

	WorkerDdl ddl;

	MarkerState marker_state;
	int64_t marker;

	bool progress_new;
	StreamProgress progress;
	StreamStats stats;
	Throttle *throttles;      /* one a phase, shared with the children */
	SourceLsn durable_before; /* at the last failure: progress since then ends a retry */
	int64_t rate_rows;
	int64_t rate_us;
	json_t *tables; /* reports not yet sent, by "schema"."table" */

	Retry retry;
	uint32_t random;
	bool clean_first; /* a start is tried again: remove what the last one left */
};

/* worker_control.c */
void worker_control_open(Worker *w);
void worker_control_tick(Worker *w);   /* polls and reports when it is time */
void worker_control_report(Worker *w); /* at once */

/* Reads the job anew.  False: not ours any more, or the worker has to leave. */
bool worker_control_read(Worker *w) must_check;

/*
 * The one way a state changes.  False: the lease is lost or the worker is to end; the state is then
 * whatever the control database says.  error may be NULL.
 */
bool worker_control_event(Worker *w, JobEvent event, const JobPhase *phase,
                          const Error *error) must_check;
bool worker_control_footprint(Worker *w, bool footprint) must_check;
bool worker_control_checks(Worker *w, const json_t *checks) must_check;
bool worker_control_destroyed(Worker *w) must_check;
bool worker_control_leftovers(Worker *w, const json_t *leftovers) must_check;
/* The wish could not be carried out: it is dropped, and the job stays as it is. */
bool worker_control_wish_failed(Worker *w, const Error *error) must_check;
void worker_control_flush(Worker *w); /* sends what is left, for a second at most */
void worker_control_release(Worker *w);
bool worker_control_is_up(const Worker *w);
void
worker_control_send(Worker *w, const char *sql, int nparams, const char *const *params, bool keep);

/* worker_change.c: takes the JSON of a request about tables, or NULL. */
void worker_change_take(Worker *w, const char *json);

/* worker_throttle.c: takes the JSON of the limits that hold now, or NULL. */
bool worker_throttle_open(Worker *w) must_check;
void worker_throttle_take(Worker *w, const char *json);

/* worker_job.c: the row of dts.daemon_job becomes w->job. */
bool worker_job_take(Worker *w, const ControlReply *reply, Error *err) must_check;

/* worker.c */
WorkerOrder worker_order(const Worker *w);
void worker_mask_secrets(const Worker *w, char *text);
void worker_marker_reset(Worker *w);

/* worker_call.c */
/*
 * Runs a blocking function in a child, so that the worker goes on serving its lease.  result (may
 * be NULL) receives what the function put into its own, also when it failed.  yields: ORDER_YIELD
 * ends it too.
 */
WorkerCallEnd worker_call(Worker *w, WorkerFunction function, void *arg, bool yields,
                          json_t **result, Error *err);

/* worker_life.c */
int worker_live(Worker *w);

#endif /* DTS_WORKER_INTERNAL_H */
