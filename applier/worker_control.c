/*
 * worker_control.c
 *		What a worker says to and hears from the control database.
 *
 * The poll renews the lease, brings wishes and tells of waiters; it is asked every 200 ms, in a steady
 * stream every 400 ms, and at once after a notification.  When the control database is away the stream goes on: the fence on
 *the target keeps a successor and us apart.  State changes are the exception, they wait for it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job_ddl.h"
#include "log.h"
#include "pg_session.h"
#include "version.h"
#include "worker_internal.h"

#define POLL_US            200000
#define POLL_STEADY_US     400000 /* only those who wait for a position do not notify */
#define REPORT_US          1000000
#define CONTROL_GIVE_UP_US 5000000 /* how long an ending worker still waits for an answer */

/* The answer to a request that the worker waits for. */
typedef struct Answer
{
	Worker *worker;
	bool done;
	bool ok; /* err is empty */
	bool yes;
	Error err;
} Answer;

static void
on_logged(void *arg, const ControlReply *reply)
{
	(void) arg;
	if (reply->err != NULL)
		log_error(sqlstate_is_transient(reply->err->sqlstate) ? LOG_DEBUG : LOG_WARNING,
		          "reporting to the control database", reply->err);
}

void
worker_control_send(Worker *w, const char *sql, int nparams, const char *const *params, bool keep)
{
	control_link_send(w->link, sql, nparams, params, keep, on_logged, w);
}

bool
worker_control_is_up(const Worker *w)
{
	return control_link_is_up(w->link) && w->view.bound;
}

/*
 * Greetings.
 */
static void
on_hello(void *arg, const ControlReply *reply)
{
	Worker *w = arg;

	if (reply->err != NULL && !sqlstate_is_transient(reply->err->sqlstate))
	{
		log_error(LOG_ERROR, "the control database refuses this daemon", reply->err);
		w->leave = true;
	}
}

static void
on_bound(void *arg, const ControlReply *reply)
{
	Worker *w = arg;

	if (reply->err != NULL)
	{
		if (!sqlstate_is_transient(reply->err->sqlstate))
		{
			log_error(LOG_ERROR, "taking the lease to this session", reply->err);
			w->leave = true;
		}
		return;
	}
	w->view.bound = control_reply_bool(reply, 0, 0);
	if (!w->view.bound)
	{
		log_info("the job belongs to another worker now");
		w->leave = true;
	}
}

static void
on_connected(void *arg)
{
	Worker *w = arg;
	const char *hello[] = {DTS_VERSION};
	const char *bind[] = {w->id_text, w->epoch_text};

	control_link_greet(w->link, "SELECT dts.daemon_hello($1)", 1, hello, on_hello, w);
	control_link_greet(w->link, "SELECT dts.daemon_bind($1, $2)", 2, bind, on_bound, w);
	control_link_greet(w->link, "LISTEN dts_job", 0, NULL, NULL, NULL);
	w->next_poll_us = w->now_us;
}

static void
on_notified(void *arg)
{
	Worker *w = arg;

	w->next_poll_us = w->now_us;
}

static void
on_lost(void *arg, const Error *err)
{
	Worker *w = arg;

	w->view.bound = false;
	w->poll_under_way = false;
	if (w->marker_state == MARKER_ASKED)
		w->marker_state = MARKER_NONE;
	log_error(LOG_WARNING, "control database is away", err);
}

void
worker_control_open(Worker *w)
{
	ControlLinkOwner owner = {
	    .connected = on_connected, .notified = on_notified, .lost = on_lost, .arg = w};

	w->link = control_link_open(w->settings.control, "dts_applier worker", &owner);
}

/*
 * Poll and markers.
 */
static void
on_marker_begun(void *arg, const ControlReply *reply)
{
	Worker *w = arg;

	on_logged(arg, reply);
	if (w->marker_state != MARKER_ASKED)
		return;
	/* only a number that is recorded may be committed on the source (decision 8) */
	if (reply->err != NULL || !control_reply_bool(reply, 0, 0))
		w->marker_state = MARKER_NONE;
	else
	{
		w->marker_state = MARKER_WANTED;
		w->woken = true;
	}
}

static void
begin_marker(Worker *w)
{
	char text[32];
	const char *params[] = {w->id_text, w->epoch_text, text, NULL};

	if (!w->view.waiters || w->marker_state != MARKER_NONE || !job_state_runs(w->job.state) ||
	    !w->job.has_phase || w->job.phase != PHASE_INCREMENTAL)
		return;
	w->marker = (w->view.marker_begun > w->marker ? w->view.marker_begun : w->marker) + 1;
	w->marker_state = MARKER_ASKED;
	snprintf(text, sizeof(text), "%" PRId64, w->marker);
	control_link_send(w->link, "SELECT dts.daemon_marker($1, $2, $3, $4)", 4, params, false,
	                  on_marker_begun, w);
}

static void
on_polled(void *arg, const ControlReply *reply)
{
	Worker *w = arg;
	const char *wish;
	const char *state;
	JobState now;

	w->poll_under_way = false;
	if (reply->err != NULL)
	{
		if (!sqlstate_is_transient(reply->err->sqlstate))
			log_error(LOG_WARNING, "asking the control database", reply->err);
		return;
	}
	if (control_reply_rows(reply) == 0 || !control_reply_bool(reply, 0, 0))
	{
		if (!w->leave)
			log_info("the lease of the job is lost");
		w->leave = true;
		return;
	}
	wish = control_reply_get(reply, 0, 1);
	w->view.has_wish = wish != NULL && job_action_parse(wish, &w->view.wish);
	w->view.waiters = control_reply_bool(reply, 0, 2);
	w->view.marker_begun =
	    control_reply_get(reply, 0, 3) != NULL ? control_reply_int(reply, 0, 3) : 0;
	state = control_reply_get(reply, 0, 5);
	if (state != NULL && job_state_parse(state, &now) && job_state_runs(now) &&
	    job_state_runs(w->job.state))
		w->job.state = now;
	w->view.workers = control_reply_get(reply, 0, 6) ? (int) control_reply_int(reply, 0, 6) : 0;
	w->view.apply_workers =
	    control_reply_get(reply, 0, 8) ? (int) control_reply_int(reply, 0, 8) : 0;
	worker_change_take(w, control_reply_get(reply, 0, 4));
	worker_throttle_take(w, control_reply_get(reply, 0, 7));
	job_ddl_take(&w->job.options.ddl, control_reply_get(reply, 0, 9));
	begin_marker(w);
}

static void
put_measure(void *json, const char *name, int64_t value)
{
	json_object_set_new(json, name, json_integer(value));
}

static json_t *
stats_json(const Worker *w)
{
	json_t *json = json_object();

	put_measure(json, "source_transactions", w->progress.transactions);
	put_measure(json, "source_bytes", w->progress.bytes);
	stream_stats_list(&w->stats, put_measure, json);
	return json;
}

static void
report_progress(Worker *w)
{
	const StreamProgress *p = &w->progress;
	char source_end[LSN_TEXT_MAX];
	char received[LSN_TEXT_MAX];
	char durable[LSN_TEXT_MAX];
	double seconds = (double) (w->now_us - w->rate_us) / 1e6;
	double rate = 0;
	json_t *json;
	char *text;

	if (w->rate_us > 0 && seconds > 0 && p->rows >= w->rate_rows)
		rate = (double) (p->rows - w->rate_rows) / seconds;
	w->rate_us = w->now_us;
	w->rate_rows = p->rows;
	snprintf(source_end, sizeof(source_end), LSN_FORMAT, LSN_ARGS(p->source_end));
	snprintf(received, sizeof(received), LSN_FORMAT, LSN_ARGS(p->received));
	snprintf(durable, sizeof(durable), LSN_FORMAT, LSN_ARGS(p->durable));
	json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:I, s:I, s:I, s:f, s:o}", "source_end",
	                 source_end, "received", received, "durable", durable, "commit_time_us",
	                 (json_int_t) p->commit_time, "lag_us", (json_int_t) p->lag_us, "caught_up",
	                 p->caught_up ? 1 : 0, "transactions", (json_int_t) p->transactions, "rows",
	                 (json_int_t) p->rows, "bytes", (json_int_t) p->bytes, "rows_per_second", rate,
	                 "stats", stats_json(w));
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (text != NULL)
	{
		const char *params[] = {w->id_text, w->epoch_text, text};

		worker_control_send(w, "SELECT dts.daemon_progress($1, $2, $3)", 3, params, false);
	}
	free(text);
	json_decref(json);
	w->progress_new = false;
}

static void
report_tables(Worker *w)
{
	while (json_object_size(w->tables) > 0)
	{
		json_t *batch = json_array();
		const char *key;
		json_t *row;
		void *next;
		char *text;

		json_object_foreach_safe(w->tables, next, key, row)
		{
			if (json_array_size(batch) >= WORKER_TABLES_BATCH)
				break;
			json_array_append(batch, row);
			json_object_del(w->tables, key);
		}
		text = json_dumps(batch, JSON_COMPACT);
		if (text != NULL)
		{
			const char *params[] = {w->id_text, w->epoch_text, text};

			worker_control_send(w, "SELECT dts.daemon_tables($1, $2, $3)", 3, params, true);
		}
		free(text);
		json_decref(batch);
	}
}

void
worker_control_report(Worker *w)
{
	/* while the control database is away the newest state is kept here, not queued over and over */
	if (!worker_control_is_up(w))
		return;
	if (w->progress_new)
		report_progress(w);
	report_tables(w);
	w->next_report_us = w->now_us + REPORT_US;
}

static int64_t
poll_pause(const Worker *w)
{
	bool steady = job_state_runs(w->job.state) && w->job.has_phase &&
	              w->job.phase == PHASE_INCREMENTAL && w->marker_state == MARKER_NONE;

	return steady ? POLL_STEADY_US : POLL_US;
}

void
worker_control_tick(Worker *w)
{
	const char *params[] = {w->id_text, w->epoch_text, w->lease_text};

	if (w->now_us >= w->next_report_us)
		worker_control_report(w);
	if (w->now_us < w->next_poll_us || w->leave)
		return;
	w->next_poll_us = w->now_us + poll_pause(w);
	if (!worker_control_is_up(w) || w->poll_under_way)
		return;
	w->poll_under_way = true;
	control_link_send(w->link,
	                  "SELECT ours, wish, waiters, marker_begun, change, state, workers, throttle, "
	                  "apply_workers, ddl "
	                  "FROM dts.daemon_poll($1, $2, $3)",
	                  3, params, false, on_polled, w);
}

/*
 * Requests that the worker waits for.
 */
static void
on_answer(void *arg, const ControlReply *reply)
{
	Answer *answer = arg;

	answer->done = true;
	answer->worker->woken = true;
	answer->ok = reply->err == NULL;
	if (reply->err != NULL)
		answer->err = *reply->err;
	else
		answer->yes = control_reply_bool(reply, 0, 0);
}

/*
 * Asks and waits, over any number of lost sessions when keep is set.  False: the lease is lost, or
 * the worker is to end and the control database stays away, or the answer is an error, which is in
 * answer then.
 */
static bool
ask(Worker *w, const char *sql, int nparams, const char *const *params, bool keep, Answer *answer)
{
	int64_t ends_us = 0;

	*answer = (Answer){.worker = w};
	control_link_send(w->link, sql, nparams, params, keep, on_answer, answer);
	while (!answer->done)
	{
		worker_wait(w, NULL, 0, 100);
		if (w->terminate && ends_us == 0)
			ends_us = w->now_us + CONTROL_GIVE_UP_US;
		if (!answer->done && (w->leave || (ends_us > 0 && w->now_us > ends_us)))
		{
			/* the request must not write to a frame that is gone: the link goes with it */
			Error err;

			error_set(&err, ERR_CONNECTION, "the worker ends");
			w->leave = true;
			control_link_forget(w->link);
			control_link_drop(w->link, &err);
			return false;
		}
	}
	return answer->ok;
}

static void
on_read(void *arg, const ControlReply *reply)
{
	Worker *w = arg;
	Error err;

	w->view.read_done = true;
	w->woken = true;
	w->view.read_ok = false;
	if (reply->err != NULL)
	{
		if (!sqlstate_is_transient(reply->err->sqlstate))
		{
			log_error(LOG_ERROR, "reading the job", reply->err);
			w->leave = true;
		}
		return;
	}
	if (control_reply_rows(reply) == 0)
	{
		log_info("the job belongs to another worker now");
		w->leave = true;
		return;
	}
	if (!worker_job_take(w, reply, &err))
	{
		log_error(LOG_ERROR, "reading the job", &err);
		w->leave = true;
		return;
	}
	w->view.read_ok = true;
}

bool
worker_control_read(Worker *w)
{
	const char *params[] = {w->id_text, w->epoch_text};
	int64_t ends_us = 0;

	while (!w->leave)
	{
		w->view.read_done = false;
		control_link_send(
		    w->link,
		    "SELECT name, kind, source, target, source_conninfo, target_conninfo, "
		    "slot_name, state, phase, step, wish, options, footprint, change, throttle "
		    "FROM dts.daemon_job($1, $2)",
		    2, params, false, on_read, w);
		while (!w->view.read_done && !w->leave)
		{
			worker_wait(w, NULL, 0, 100);
			if (w->terminate && ends_us == 0)
				ends_us = w->now_us + CONTROL_GIVE_UP_US;
			if (ends_us > 0 && w->now_us > ends_us)
				return false;
		}
		if (w->view.read_done && w->view.read_ok)
			return true;
		if (!w->leave)
			worker_wait(w, NULL, 0, 100);
	}
	return false;
}

static char *
error_json(Worker *w, const Error *err)
{
	Error masked = *err;
	json_t *json;
	char *text;

	worker_mask_secrets(w, masked.message);
	worker_mask_secrets(w, masked.detail);
	worker_mask_secrets(w, masked.hint);
	worker_mask_secrets(w, masked.context);
	json = json_pack("{s:s, s:s%, s:s%, s:s%, s:s%}", "sqlstate", masked.sqlstate, "message",
	                 masked.message, strlen(masked.message), "detail", masked.detail,
	                 strlen(masked.detail), "hint", masked.hint, strlen(masked.hint), "context",
	                 masked.context, strlen(masked.context));
	/* a server's text in an encoding that is not UTF-8 cannot become JSON as it is */
	if (json == NULL)
		json = json_pack("{s:s, s:s}", "sqlstate", masked.sqlstate, "message",
		                 "error text is not UTF-8; see the daemon's log");
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return text;
}

bool
worker_control_event(Worker *w, JobEvent event, const JobPhase *phase, const Error *error)
{
	JobState from = w->job.state;
	const char *doing = "";
	const char *consumed = NULL;
	JobEvent wish_event;
	JobState to;
	char *error_text = error != NULL && error->set ? error_json(w, error) : NULL;
	Answer answer;
	bool ok;

	if (!job_fsm_next(from, event, &to, &doing))
	{
		log_line(LOG_ERROR, "state %s does not know the event \"%s\"", job_state_name(from),
		         job_event_text(event));
		free(error_text);
		return false;
	}
	/* whoever waits for the state also looks at the figures */
	worker_control_report(w);
	/* the database drops a wish that the new state has no use for by itself */
	if (w->view.has_wish && job_fsm_wish(w->view.wish, &wish_event) && wish_event == event)
		consumed = job_action_name(w->view.wish);
	for (;;)
	{
		const char *params[] = {w->id_text,
		                        w->epoch_text,
		                        job_state_name(from),
		                        job_state_name(to),
		                        phase ? job_phase_name(*phase) : NULL,
		                        phase ? "" : NULL,
		                        consumed,
		                        error_text};

		ok = ask(w, "SELECT dts.daemon_set_state($1, $2, $3, $4, $5, $6, $7, $8)", 8, params, false,
		         &answer);
		if (!ok && (w->leave || !sqlstate_is_transient(answer.err.sqlstate)))
		{
			if (!w->leave)
				log_error(LOG_ERROR, "changing the job's state", &answer.err);
			break;
		}
		/* what the database has now counts, also when the answer to a change was lost */
		ok = worker_control_read(w);
		/* it became ready, or fell behind, just now: the same step from there */
		if (ok && w->job.state != from && w->job.state != to && job_state_runs(from) &&
		    job_state_runs(w->job.state) && job_fsm_next(w->job.state, event, &to, &doing))
		{
			from = w->job.state;
			continue;
		}
		if (!ok || w->job.state != from || from == to)
			break;
		if (answer.ok && !answer.yes && consumed != NULL)
			break; /* something else is wished by now */
		if (answer.ok && !answer.yes)
		{
			log_line(LOG_ERROR, "the control database refuses the step from %s to %s",
			         job_state_name(from), job_state_name(to));
			ok = false;
			break;
		}
	}
	free(error_text);
	if (ok)
		log_info("%s: %s -> %s, %s", job_event_text(event), job_state_name(from),
		         job_state_name(w->job.state), doing);
	return ok;
}

/* Asks for a yes; ours to say when the answer is no, because the lease is lost then. */
static bool
ask_yes(Worker *w, const char *doing, const char *sql, int nparams, const char *const *params)
{
	Answer answer;

	if (!ask(w, sql, nparams, params, true, &answer))
	{
		if (!w->leave)
			log_error(LOG_ERROR, doing, &answer.err);
		return false;
	}
	if (!answer.yes)
		w->leave = true;
	return answer.yes;
}

bool
worker_control_footprint(Worker *w, bool footprint)
{
	const char *params[] = {w->id_text, w->epoch_text, footprint ? "true" : "false"};

	if (!ask_yes(w, "recording what exists on the ends",
	             "SELECT dts.daemon_set_footprint($1, $2, $3)", 3, params))
		return false;
	w->footprint = footprint;
	return true;
}

bool
worker_control_checks(Worker *w, const json_t *checks)
{
	char *text = json_dumps(checks, JSON_COMPACT);
	const char *params[] = {w->id_text, w->epoch_text, text};
	bool ok;

	if (text == NULL)
		return false;
	worker_mask_secrets(w, text);
	ok = ask_yes(w, "storing the results of the precheck", "SELECT dts.daemon_checks($1, $2, $3)",
	             3, params);
	free(text);
	return ok;
}

bool
worker_control_leftovers(Worker *w, const json_t *leftovers)
{
	char *text = json_dumps(leftovers, JSON_COMPACT);
	const char *params[] = {w->id_text, w->epoch_text, text};
	bool ok;

	if (text == NULL)
		return false;
	worker_mask_secrets(w, text);
	ok = ask_yes(w, "listing what is left", "SELECT dts.daemon_leftovers($1, $2, $3)", 3, params);
	free(text);
	return ok;
}

bool
worker_control_wish_failed(Worker *w, const Error *error)
{
	char text[3 * ERROR_TEXT_MAX + 8];
	const char *params[] = {w->id_text, w->epoch_text, job_action_name(w->view.wish), text};

	snprintf(text, sizeof(text), "%s: %s %s", error->message, error->detail, error->hint);
	worker_mask_secrets(w, text);
	return ask_yes(w, "giving a wish up", "SELECT dts.daemon_wish_failed($1, $2, $3, $4)", 4,
	               params);
}

bool
worker_control_destroyed(Worker *w)
{
	const char *params[] = {w->id_text, w->epoch_text};

	return ask_yes(w, "removing the job", "SELECT dts.daemon_destroyed($1, $2)", 2, params);
}

void
worker_set_step(Worker *w, const char *step)
{
	const char *params[] = {w->id_text, w->epoch_text, step};
	Answer answer;

	if (w->leave || w->link == NULL)
		return;
	if (!worker_control_is_up(w))
		worker_control_send(w, "SELECT dts.daemon_set_step($1, $2, $3)", 3, params, true);
	else if (!ask(w, "SELECT dts.daemon_set_step($1, $2, $3)", 3, params, false, &answer) &&
	         !w->leave)
		log_error(LOG_WARNING, "recording the step", &answer.err);
}

void
worker_control_flush(Worker *w)
{
	int64_t until = w->now_us + 1000000;

	worker_control_report(w);
	while (!w->leave && worker_control_is_up(w) && control_link_backlog(w->link) > 0 &&
	       w->now_us < until)
		worker_wait(w, NULL, 0, 20);
}

void
worker_control_release(Worker *w)
{
	const char *params[] = {w->id_text, w->epoch_text};
	Answer answer;

	worker_control_flush(w);
	if (!w->leave && worker_control_is_up(w) &&
	    !ask(w, "SELECT dts.daemon_release($1, $2)", 2, params, false, &answer) && !w->leave)
		log_error(LOG_WARNING, "giving the lease back", &answer.err);
}
