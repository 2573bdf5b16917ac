/*
 * incremental.c
 *		The phase incremental: its sessions, its waiting, its end.  The work is flow.c's.
 *
 * Exactly once comes from one thing: the position commits with the data.  So every kind of trouble
 * is met in the same way: close both sessions, which rolls back whatever had not committed, and
 * begin anew at the position stored on the target.
 */
#include "incremental.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "arena.h"
#include "ddl_job.h"
#include "decoder_options.h"
#include "flow.h"
#include "pg_session.h"
#include "source_capture.h"
#include "source_heartbeat.h"
#include "source_slot.h"
#include "source_stream.h"
#include "table_load.h"
#include "target_pg_parallel.h"

#define BATCH_ROWS         20000
#define BATCH_BYTES        (4 << 20)
#define WAIT_MS            1000
#define RELEASE_SLOT_MS    3000
#define FINISH_US          (2 * 1000000LL)  /* for the transaction at hand to become whole */
#define SETTLE_US          (5 * 1000000LL)  /* for requests about tables to be followed first */
#define DRAIN_US           (10 * 1000000LL) /* for what was committed to be answered */
#define EVENT_EVERY_US     (10 * 1000000LL)
#define LOOK_EVERY_US      (2 * 1000000LL)
#define THROTTLE_NAP_US    20000
#define PROTOCOL_RETRIES   3
#define TOKEN_BYTES        16
#define STREAMING_SINCE_PG 140000

typedef struct Incremental
{
	Worker *w;
	const Job *job;
	Target *target;
	ChangeSource *source;
	PgSession *marker_session; /* on the source */
	char marker[SOURCE_NAME_SIZE + 2 * TOKEN_BYTES + 3];
	SourceHeartbeat heartbeat; /* in the same session */
	Flow flow;
	TableJoin *join;
	SourceLsn stored;     /* the position on the target when they were opened */
	TableLoad *load;      /* the phase's */
	RelationWatch *watch; /* NULL: the capture of DDL tells of commands, or nobody is to know */
	bool captured;
	int lanes_wanted;
	DdlJob *ddl; /* NULL: commands are not followed */
	int64_t deletes_reported;
	int64_t report_not_before_us;
	int64_t look_not_before_us;
} Incremental;

/* Whether the slot still is what the stored position belongs to. */
static bool
verify_slot(Incremental *inc, const TargetPgStored *stored, Error *err)
{
	const SourceExpected expected = {
	    .slot = inc->job->slot_name,
	    .stored = stored->position,
	    .system = stored->system,
	    .timeline = stored->timeline,
	    .database = stored->database,
	};
	PgSession *session = pg_session_open(inc->job->source_conninfo, PG_SESSION_REPLICATION,
	                                     inc->job->slot_name, NULL, err);
	bool lost = false;
	bool ok;

	if (session == NULL)
		return false;
	ok = source_slot_release(session, inc->job->slot_name, RELEASE_SLOT_MS, err) &&
	     source_slot_verify(session, &expected, &lost, err);
	pg_session_close(session);
	return ok;
}

static const char *
work_dir(void)
{
	const char *dir = getenv("DTS_WORK_DIR");

	return dir ? dir : "/var/tmp";
}

static bool
open_source(Incremental *inc, SourceLsn start, const char *oids, Error *err)
{
	Arena *arena = arena_create(4096);
	JobOptions wanted = inc->job->options;
	SourceOption options[DECODER_OPTIONS_MAX];
	SourceStreamOptions stream = {
	    .conninfo = inc->job->source_conninfo,
	    .slot_name = inc->job->slot_name,
	    .start = start,
	    .decoder_options = options,
	    .work_dir = work_dir(),
	};

	wanted.ddl.captured = inc->captured;
	stream.decoder_option_count = decoder_options(arena, &wanted, options, err);
	if (oids != NULL && stream.decoder_option_count >= 0)
		options[stream.decoder_option_count++] = (SourceOption){"table_oids", oids};
	stream.streaming = inc->job->options.streaming &&
	                   pg_session_version(inc->marker_session) >= STREAMING_SINCE_PG;
	/* while tables are joining, what commits decides what becomes of a transaction */
	stream.ahead = stream.streaming && start.value >= inc->stored.value;
	/* what is sent as it comes needs no memory there */
	if (!stream.streaming)
		stream.decoding_memory_mb = inc->job->options.decoding_memory_mb;
	if (stream.decoder_option_count >= 0)
		inc->source = source_stream_open(&stream, err);
	arena_destroy(arena);
	return inc->source != NULL;
}

static bool
trim_capture(Incremental *inc, int64_t now_us, Error *err)
{
	if (source_heartbeat_settle(&inc->heartbeat, now_us, err) &&
	    ddl_job_trim(inc->ddl, inc->marker_session, now_us, err))
		return true;
	inc->flow.source_failed = true;
	return false;
}

/* The source's stream, with the tables that the job follows whatever they are called. */
static bool
open_ddl(Incremental *inc, bool *at_source, SourceLsn start, Error *err)
{
	char *oids = NULL;
	bool ok;

	inc->ddl = inc->captured ? ddl_job_create(inc->w, inc->join, work_dir()) : NULL;
	ok = inc->ddl == NULL || ddl_job_open(inc->ddl, inc->marker_session, at_source, &oids, err);
	if (ok)
	{
		*at_source = true;
		ok = open_source(inc, start, oids, err);
	}
	free(oids);
	return ok;
}

/* What our markers begin with: nobody who does not read our memory can make one. */
static bool
make_marker_token(Incremental *inc, Error *err)
{
	unsigned char random[TOKEN_BYTES];
	int used = snprintf(inc->marker, sizeof(inc->marker), "%s/", inc->job->slot_name);

	if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
	{
		error_set(err, ERR_INTERNAL, "could not get random bytes");
		return false;
	}
	for (int i = 0; i < TOKEN_BYTES; i++)
		used +=
		    snprintf(inc->marker + used, sizeof(inc->marker) - (size_t) used, "%02x", random[i]);
	snprintf(inc->marker + used, sizeof(inc->marker) - (size_t) used, "/");
	return true;
}

/* As the options are now, which a running stream follows. */
static int
apply_workers(const Incremental *inc)
{
	int wanted = worker_apply_workers(inc->w);

	return wanted > 0 ? wanted : 1;
}

static void
tell_lanes(Incremental *inc, int wanted)
{
	const Error *trouble = target_parallel_trouble(inc->target);

	inc->lanes_wanted = wanted;
	if (trouble != NULL)
		worker_event(inc->w, "warning", "apply_workers",
		             "the stream is applied by %d of %d sessions on the target: %s",
		             target_parallel_lanes(inc->target), wanted, trouble->message);
}

/* The number of sessions follows the options while the stream runs. */
static void
resize(Incremental *inc)
{
	int wanted = apply_workers(inc);

	if (wanted == inc->lanes_wanted)
		return;
	target_parallel_resize(inc->target, wanted);
	worker_event(inc->w, "info", "apply_workers",
	             "the stream is applied by %d sessions on the target",
	             target_parallel_lanes(inc->target));
	tell_lanes(inc, wanted);
}

/* Without the capture what the stream shows of commands is all there is. */
static bool
begin_watch(Incremental *inc, Error *err)
{
	if (!inc->job->options.ddl.captured)
		return true;
	if (!source_capture_serves(inc->marker_session, inc->job->slot_name, &inc->captured, err))
		return false;
	if (inc->captured)
		return true;
	inc->watch = relation_watch_create();
	worker_event(
	    inc->w, "warning", "ddl_not_captured",
	    "the source has no capture of DDL for this job: a table whose columns change there "
	    "stops it");
	return true;
}

static bool
begin_heartbeat(Incremental *inc, Error *err)
{
	int64_t base;

	if (getrandom(&base, sizeof(base), 0) != (ssize_t) sizeof(base))
	{
		error_set(err, ERR_INTERNAL, "could not get random bytes");
		return false;
	}
	source_heartbeat_init(&inc->heartbeat, inc->marker_session, inc->job->slot_name,
	                      inc->job->options.heartbeat_seconds, base & (INT64_MAX >> 2),
	                      worker_now_us(inc->w));
	return true;
}

/* The source answers within the session's statement_timeout. */
static bool
take_gap(void *arg, const TxnHeader *header, const char *tag, size_t len, Error *err)
{
	Incremental *inc = arg;

	error_clear(err);
	if (source_heartbeat_settle(&inc->heartbeat, worker_now_us(inc->w), err) &&
	    ddl_job_gap(inc->ddl, inc->marker_session, header, tag, len, err))
		return true;
	inc->flow.source_failed = strcmp(err->sqlstate, ERR_DDL) != 0;
	return false;
}

static bool
open_sessions(Incremental *inc, bool *at_source, Error *err)
{
	const char *rows = getenv("DTS_APPLY_BATCH_ROWS"); /* for tests, which have few */
	const char *load_rows = getenv("DTS_APPLY_LOAD_ROWS");
	const BatchLimits limits = {rows ? atoll(rows) : BATCH_ROWS, BATCH_BYTES};
	const TargetPgOptions options = {
	    .conninfo = inc->job->target_conninfo,
	    .slot_name = inc->job->slot_name,
	    .epoch = inc->job->epoch,
	    .keep_order = getenv("DTS_APPLY_IN_ORDER") != NULL,
	    .lanes = apply_workers(inc),
	    .lane_rows = rows ? limits.rows / 2 : 0,
	    .load_rows = load_rows ? atoi(load_rows) : 0,
	    .synchronous = getenv("DTS_APPLY_SYNCHRONOUS") != NULL,
	    .map = inc->job->options.map,
	};
	TableJoinOptions join = {.slot_name = inc->job->slot_name, .work_dir = work_dir()};
	TargetPgStored stored;
	SourceLsn start;

	*at_source = false;
	inc->target = target_parallel_open(&options, &stored, err);
	if (inc->target == NULL)
		return false;
	tell_lanes(inc, options.lanes);
	if (stored.position.value == 0)
	{
		error_set(err, ERR_LOST, "the target holds no position of this job");
		error_hint(err, "Stop the job and load again.");
		return false;
	}
	join.stored = inc->stored = stored.position;
	inc->join = table_join_create(&join);
	if (!table_load_attach(inc->load, inc->join, err))
		return false;
	/* tables that are being loaded need what the others have already */
	start = table_join_ack(inc->join, stored.position);
	*at_source = true;
	inc->marker_session = pg_session_open(inc->job->source_conninfo, PG_SESSION_SOURCE,
	                                      inc->job->slot_name, NULL, err);
	if (inc->marker_session == NULL ||
	    !pg_session_exec(inc->marker_session, err,
	                     "SET statement_timeout = 2500; SET lock_timeout = 500", 0, NULL) ||
	    !make_marker_token(inc, err) || !begin_heartbeat(inc, err) || !begin_watch(inc, err) ||
	    !verify_slot(inc, &stored, err) || !open_ddl(inc, at_source, start, err))
		return false;
	flow_init(&inc->flow, inc->source, inc->target, inc->marker, &limits, stored.position,
	          worker_now_us(inc->w));
	inc->flow.tables = inc->join;
	inc->flow.ahead.allowed = true;
	inc->flow.ddl = ddl_job_queue(inc->ddl);
	inc->flow.watch = inc->watch;
	inc->flow.gap = take_gap;
	inc->flow.gap_arg = inc;
	inc->flow.throttle = worker_throttle(inc->w, PHASE_INCREMENTAL);
	inc->flow.beats = &inc->heartbeat.latency;
	return true;
}

static void
close_sessions(Incremental *inc)
{
	table_load_detach(inc->load);
	table_join_destroy(inc->join);
	ddl_job_destroy(inc->ddl);
	relation_watch_destroy(inc->watch);
	if (inc->source != NULL)
		inc->source->ops->close(inc->source);
	if (inc->target != NULL)
		inc->target->ops->close(inc->target);
	pg_session_close(inc->marker_session);
}

/* Commits a marker on the source when somebody waits for one, and says which have come back. */
static bool
serve_markers(Incremental *inc, Error *err)
{
	int64_t marker;
	char content[sizeof(inc->marker) + 24];
	const char *params[] = {FLOW_MARKER_PREFIX, content};

	/* what a table that is being loaded has missed is not on the target */
	if (!table_load_busy(inc->load) && progress_marker_durable(&inc->flow.progress, &marker))
		worker_marker_durable(inc->w, marker);
	if (!worker_marker_wanted(inc->w, &marker))
		return true;
	snprintf(content, sizeof(content), "%s%" PRId64, inc->marker, marker);
	if (source_heartbeat_settle(&inc->heartbeat, worker_now_us(inc->w), err) &&
	    pg_session_exec(inc->marker_session, err,
	                    "SELECT pg_catalog.pg_logical_emit_message(true, $1, $2)", 2, params))
		return true;
	inc->flow.source_failed = true;
	return false;
}

/*
 * Whether the source's commits wait for this slot.  Then a position without any change for the target
 * cannot wait for its turn, because somebody's commit may wait for it.  Asked only while there is one.
 */
static bool
watch_synchronous(Incremental *inc, int64_t now_us, Error *err)
{
	const char *params[] = {inc->job->slot_name};
	PgRows *rows = NULL;

	if (now_us < inc->look_not_before_us ||
	    inc->flow.batch.idle.value <= inc->flow.progress.stream.durable.value)
		return true;
	inc->look_not_before_us = now_us + LOOK_EVERY_US;
	if (source_heartbeat_settle(&inc->heartbeat, now_us, err))
		rows = pg_session_query(
		    inc->marker_session, err,
		    "SELECT pg_catalog.strpos(names, $1) > 0 OR pg_catalog.strpos(names, '*') > 0"
		    " FROM pg_catalog.current_setting('synchronous_standby_names') AS names",
		    1, params);
	if (rows == NULL)
	{
		inc->flow.source_failed = true;
		return false;
	}
	inc->flow.synchronous = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

static int64_t
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Beats go out and come back; what goes wrong with them is told once. */
static bool
serve_heartbeat(Incremental *inc, int64_t now_us, Error *err)
{
	SourceHeartbeat *heartbeat = &inc->heartbeat;
	const StreamProgress *progress = &inc->flow.progress.stream;
	const HeartbeatNews news = {progress->received, progress->durable, progress->commit_time};
	int64_t beat;

	if (progress_beat_durable(&inc->flow.progress, &beat))
		latency_durable(&heartbeat->latency, beat);
	if (!source_heartbeat_step(heartbeat, &news, now_us, err))
	{
		inc->flow.source_failed = true;
		return false;
	}
	if (!heartbeat->news)
		return true;
	heartbeat->news = false;
	if (heartbeat->unable)
		worker_event(inc->w, "warning", "heartbeat_failed",
		             "the heartbeat cannot be written on the source, so that lag is known less "
		             "well: %s",
		             heartbeat->reason.message);
	else
		worker_event(inc->w, "info", "heartbeat", "the heartbeat is written again");
	return true;
}

static void
report(Incremental *inc, int64_t now_us)
{
	const TargetStatus *status = &inc->flow.status;
	StreamProgress progress = inc->flow.progress.stream;
	StreamStats *stats = worker_stream_stats(inc->w);

	progress.caught_up = progress.caught_up && !table_load_busy(inc->load);
	progress.source_end = source_lsn_max(progress.source_end, inc->heartbeat.wal_end);
	progress.lag_us =
	    latency_lag(&inc->heartbeat.latency, progress.caught_up, progress.commit_time, now_us);
	worker_report_stream(inc->w, &progress);
	stats->session = status->stats;
	stats->bytes_spooled = (int64_t) inc->source->ops->held(inc->source);
	stream_stats_worked(stats, now_us);
	if (status->deletes_missed == inc->deletes_reported || now_us < inc->report_not_before_us)
		return;
	worker_event(inc->w, "warning", "delete_without_row",
	             "%" PRId64 " deletes found no row on the target, the last one of table "
	             "\"%s\".\"%s\" in the transaction committed at " LSN_FORMAT,
	             status->deletes_missed - inc->deletes_reported, status->missed->schema,
	             status->missed->name, LSN_ARGS(status->missed_lsn));
	inc->deletes_reported = status->deletes_missed;
	inc->report_not_before_us = now_us + EVENT_EVERY_US;
}

/* Waits for what the flow needs next. */
static WorkerOrder
wait_for_work(Incremental *inc)
{
	const Flow *flow = &inc->flow;
	struct pollfd fds[3 + TABLE_LOAD_FDS];
	int n = 0;
	bool stopped = (flow->finishing || flow->paused) && !flow->batch.in_transaction;
	bool throttled = flow->throttled_us > 0 && !flow->finishing;
	bool waits = !flow->again && (flow->source_idle || flow->blocked || stopped || throttled);
	int wait_ms = WAIT_MS;
	int source_at = -1;
	StreamStats *stats = worker_stream_stats(inc->w);
	WorkerOrder order;

	if (flow->synchronous && flow->batch.idle.value > flow->progress.stream.durable.value)
		wait_ms = PROGRESS_IDLE_SOON_US / 1000;
	/* for tokens of a fiftieth of a second at least, so that not every row is a step of its own */
	if (throttled && flow->throttled_us / 1000 < wait_ms)
		wait_ms = flow->throttled_us < THROTTLE_NAP_US ? THROTTLE_NAP_US / 1000
		                                               : (int) (flow->throttled_us / 1000);
	fds[n++] = (struct pollfd){.fd = inc->target->ops->socket(inc->target),
	                           .events = inc->target->ops->events(inc->target)};
	if (flow->wake_us != 0)
	{
		int64_t left_ms = (flow->wake_us - worker_now_us(inc->w) + 999) / 1000;

		if (left_ms < wait_ms)
			wait_ms = left_ms > 0 ? (int) left_ms : 0;
	}
	/* while nothing can be taken, what the source sends stays in the socket */
	if (!flow->blocked && !stopped && !throttled && !flow->rush)
		source_at = n++;
	if (source_at >= 0)
		fds[source_at] =
		    (struct pollfd){.fd = inc->source->ops->socket(inc->source), .events = POLLIN};
	if (inc->heartbeat.under_way)
		fds[n++] = (struct pollfd){.fd = pg_session_socket(inc->marker_session), .events = POLLIN};
	n += table_load_poll(inc->load, fds + n, &wait_ms);
	if (waits)
		stream_stats_worked(stats, clock_us());
	order = worker_wait(inc->w, fds, n, waits ? wait_ms : 0);
	inc->target->ops->polled(inc->target, fds[0].revents != 0);
	inc->source->ops->polled(inc->source, source_at < 0 || fds[source_at].revents != 0);
	if (waits)
		stream_stats_waited(stats,
		                    flow->blocked || flow->status.batches_in_flight > 0 ? WAITS_FOR_TARGET
		                    : throttled                                         ? WAITS_FOR_THROTTLE
		                                                                        : WAITS_FOR_SOURCE,
		                    worker_now_us(inc->w));
	return order;
}

/*
 * Told to yield: the transaction at hand gets some time to become whole, otherwise it is rolled
 * back; commits under way get some more to be answered.
 */
static bool
may_leave(const Incremental *inc, int64_t since_us, int64_t now_us)
{
	if (flow_finished(&inc->flow))
		return true;
	if (inc->flow.batch.in_transaction && now_us - since_us > FINISH_US &&
	    inc->flow.status.batches_in_flight == 0)
		return true;
	return now_us - since_us > DRAIN_US;
}

/* How a session of the stream ended. */
typedef enum StreamEnd
{
	STREAM_ENDED,  /* with the phase's result */
	STREAM_REOPEN, /* at once, with the job as it is now */
} StreamEnd;

/* Tables beside the stream.  False: the stream ends, with *result or to be opened anew. */
static bool
serve_tables(Incremental *inc, StreamEnd *end, PhaseResult *result, Error *err)
{
	switch (table_load_step(inc->load, inc->flow.progress.stream.durable, err))
	{
		case LOAD_GO_ON:
			return true;
		case LOAD_REOPEN:
			*end = STREAM_REOPEN;
			return false;
		case LOAD_YIELD:
			*result = PHASE_YIELDED;
			return false;
		case LOAD_FAILED:
			*result = incremental_classify(err, false);
			return false;
	}
	return true;
}

/*
 * An error that concerns one table, where the job is to go on without such: the table is put
 * aside.  False: the error stands.
 */
static bool
put_aside(Incremental *inc, PhaseResult result, Error *err)
{
	const Relation *relation;
	Error reason = *err;

	relation = inc->flow.status.failed;
	if (result != PHASE_TROUBLE || relation == NULL || !inc->job->options.quarantine)
		return false;
	if (!table_load_quarantine(inc->load, relation->oid, relation->schema, relation->name, &reason,
	                           err))
		return false;
	error_clear(err);
	return true;
}

/*
 * Requests that wait when the stream begins come before its first transaction: it may be one that
 * cannot be applied until its table is taken out or loaded again.
 */
static void
settle(Incremental *inc, int64_t since_us, int64_t now_us)
{
	if (inc->flow.paused)
		inc->flow.paused = now_us - since_us < SETTLE_US && table_load_requested(inc->load);
}

static PhaseResult
stream(Incremental *inc, StreamEnd *end, Error *err)
{
	PhaseResult result = PHASE_YIELDED;
	int64_t since_us = worker_now_us(inc->w);
	int64_t yield_since_us = 0;

	*end = STREAM_ENDED;
	inc->flow.paused = table_load_requested(inc->load);
	for (;;)
	{
		WorkerOrder order = wait_for_work(inc);
		int64_t now_us = worker_now_us(inc->w);

		if (order == ORDER_LEAVE)
			return PHASE_YIELDED;
		if (order == ORDER_YIELD && !inc->flow.finishing)
		{
			flow_finish(&inc->flow);
			yield_since_us = now_us;
		}
		settle(inc, since_us, now_us);
		resize(inc);
		if (!flow_step(&inc->flow, now_us, err))
		{
			result = incremental_classify(err, inc->flow.source_failed);
			inc->target->ops->status(inc->target, &inc->flow.status);
			if (ddl_job_reopens(inc->ddl))
				error_clear(err);
			if (err->set && result == PHASE_TROUBLE && inc->flow.status.command_failed)
				ddl_job_failed(inc->ddl, err);
			if (!err->set || put_aside(inc, result, err))
				*end = STREAM_REOPEN;
			return result;
		}
		if (!inc->flow.finishing && !serve_tables(inc, end, &result, err))
			return result;
		if (!serve_heartbeat(inc, now_us, err))
			return incremental_classify(err, inc->flow.source_failed);
		report(inc, now_us);
		if (!serve_markers(inc, err) || !watch_synchronous(inc, now_us, err) ||
		    !trim_capture(inc, now_us, err))
			return incremental_classify(err, inc->flow.source_failed);
		if (inc->flow.finishing && may_leave(inc, yield_since_us, now_us))
			return PHASE_YIELDED;
	}
}

/* One pair of sessions from opening to closing; moved: anything became durable. */
static PhaseResult
run_sessions(Worker *w, TableLoad *load, StreamEnd *end, bool *moved, Error *err)
{
	Incremental inc = {.w = w, .job = worker_job(w), .load = load};
	bool at_source;
	PhaseResult result;

	*moved = false;
	*end = STREAM_ENDED;
	if (open_sessions(&inc, &at_source, err))
	{
		SourceLsn start = inc.flow.progress.stream.durable;

		worker_event(w, "info", "streaming", "streaming from " LSN_FORMAT, LSN_ARGS(start));
		stream_stats_begin(worker_stream_stats(w), clock_us());
		result = stream(&inc, end, err);
		stream_stats_end(worker_stream_stats(w), clock_us());
		*moved = inc.flow.progress.stream.durable.value > start.value;
	}
	else
		result = incremental_classify(err, at_source);
	if (result != PHASE_YIELDED && *end == STREAM_ENDED)
		error_context(err, "phase incremental");
	close_sessions(&inc);
	return result;
}

static PhaseResult
run_streams(Worker *w, TableLoad *load, Error *err)
{
	int failures = 0;

	for (;;)
	{
		StreamEnd end;
		bool moved;
		PhaseResult result = run_sessions(w, load, &end, &moved, err);

		if (end == STREAM_REOPEN)
		{
			if (!worker_reread(w))
				return PHASE_YIELDED;
			worker_marker_again(w);
			continue;
		}
		/* bytes that make no sense may have been damaged on their way: ask for them again */
		if (result != PHASE_TRANSIENT || strcmp(err->sqlstate, ERR_PROTOCOL) != 0)
			return result;
		failures = moved ? 1 : failures + 1;
		if (failures > PROTOCOL_RETRIES)
			return PHASE_TROUBLE;
		worker_event(w, "warning", "protocol_error", "%s; connecting again", err->message);
		error_clear(err);
		if (worker_wait(w, NULL, 0, failures * 1000) != ORDER_GO_ON)
			return PHASE_YIELDED;
	}
}

PhaseResult
incremental_run(Worker *w, Error *err)
{
	TableLoad *load = table_load_open(w);
	PhaseResult result = run_streams(w, load, err);

	table_load_close(load, worker_wait(w, NULL, 0, 0) != ORDER_LEAVE);
	return result;
}
