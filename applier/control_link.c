/*
 * control_link.c
 *		The asynchronous session with the control database; see control_link.h.
 *
 * One request is under way at a time: they are few and small, and one at a time keeps what a lost
 *session means simple.
 */
#include "control_link.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "pg_session.h"

#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 10000
#define CONNECT_MS   10000
#define BACKLOG_MAX  2000 /* requests kept while the control database is away */

#define session_params                                                                             \
	"-c search_path=pg_catalog -c statement_timeout=9000 -c lock_timeout=5000 "                    \
	"-c client_min_messages=error -c datestyle=ISO -c timezone=UTC -c synchronous_commit=on "      \
	"-c default_transaction_isolation=read\\ committed -c default_transaction_read_only=off"

typedef struct Request
{
	struct Request *next;
	char *sql;
	int nparams;
	char *params[CONTROL_PARAMS_MAX];
	bool keep;
	ControlDone done;
	void *arg;
} Request;

typedef struct Queue
{
	Request *head;
	Request **tail;
	int count;
} Queue;

typedef enum LinkState
{
	LINK_WAITING,    /* until retry_at */
	LINK_CONNECTING, /* poll_want says for what */
	LINK_OPEN,
} LinkState;

struct ControlLink
{
	char *conninfo;
	char *application_name;
	ControlLinkOwner owner;
	PGconn *conn;
	LinkState state;
	PostgresPollingStatusType poll_want;
	int64_t retry_at; /* LINK_WAITING */
	int64_t deadline; /* of connecting, or of the request under way; 0: none */
	int pause_ms;
	Queue greetings; /* come first, and die with the session */
	Queue requests;
	Request *under_way; /* no longer in a queue */
	bool under_way_greets;
	bool unfinished; /* the server has not yet said that it is ready for the next request */
	Error error;
	int64_t now_us;
};

static void
queue_init(Queue *queue)
{
	queue->head = NULL;
	queue->tail = &queue->head;
	queue->count = 0;
}

static void
queue_push(Queue *queue, Request *request)
{
	request->next = NULL;
	*queue->tail = request;
	queue->tail = &request->next;
	queue->count++;
}

static Request *
queue_pop(Queue *queue)
{
	Request *request = queue->head;

	if (request == NULL)
		return NULL;
	queue->head = request->next;
	if (queue->head == NULL)
		queue->tail = &queue->head;
	queue->count--;
	return request;
}

static void
request_free(Request *request)
{
	for (int i = 0; i < request->nparams; i++)
		free(request->params[i]);
	free(request->sql);
	free(request);
}

static void
request_answer(Request *request, const Error *err, const PGresult *result)
{
	ControlReply reply = {.err = err, .result = result};

	if (request->done != NULL)
		request->done(request->arg, &reply);
	request_free(request);
}

ControlLink *
control_link_open(const char *conninfo, const char *application_name, const ControlLinkOwner *owner)
{
	ControlLink *link = xcalloc(1, sizeof(*link));

	link->conninfo = xstrdup(conninfo);
	link->application_name = xstrdup(application_name);
	link->owner = *owner;
	link->pause_ms = PAUSE_MIN_MS;
	queue_init(&link->greetings);
	queue_init(&link->requests);
	return link;
}

static void
link_free(ControlLink *link)
{
	Request *request;

	while ((request = queue_pop(&link->greetings)) != NULL)
		request_free(request);
	while ((request = queue_pop(&link->requests)) != NULL)
		request_free(request);
	if (link->under_way != NULL)
		request_free(link->under_way);
	free(link->conninfo);
	free(link->application_name);
	free(link);
}

void
control_link_close(ControlLink *link)
{
	if (link == NULL)
		return;
	PQfinish(link->conn);
	link_free(link);
}

void
control_link_abandon(ControlLink *link)
{
	if (link == NULL)
		return;
	/* PQfinish would end the parent's session with a message of ours */
	if (link->conn != NULL && PQsocket(link->conn) >= 0)
		close(PQsocket(link->conn));
	link_free(link);
}

/* Drops what cannot outlive the session and tells the owners of the requests. */
static void
requests_lost(ControlLink *link, const Error *err)
{
	Queue old = link->requests;
	Request *request;

	if (link->requests.head == NULL)
		old.tail = &old.head;
	queue_init(&link->requests);

	if (link->under_way != NULL)
	{
		request = link->under_way;
		link->under_way = NULL;
		if (request->keep && !link->under_way_greets)
			queue_push(&link->requests, request);
		else
			request_answer(request, err, NULL);
	}
	while ((request = queue_pop(&old)) != NULL)
	{
		if (request->keep)
			queue_push(&link->requests, request);
		else
			request_answer(request, err, NULL);
	}
	while ((request = queue_pop(&link->greetings)) != NULL)
		request_answer(request, err, NULL);
}

void
control_link_drop(ControlLink *link, const Error *err)
{
	Error reason = *err;

	PQfinish(link->conn);
	link->conn = NULL;
	link->state = LINK_WAITING;
	link->deadline = 0;
	link->unfinished = false;
	link->retry_at = link->now_us + (int64_t) link->pause_ms * 1000;
	link->pause_ms = link->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : link->pause_ms * 2;
	requests_lost(link, &reason);
	if (link->owner.lost != NULL)
		link->owner.lost(link->owner.arg, &reason);
}

void
control_link_redirect(ControlLink *link, const char *conninfo)
{
	Error err;

	if (strcmp(link->conninfo, conninfo) == 0)
		return;
	free(link->conninfo);
	link->conninfo = xstrdup(conninfo);
	error_set(&err, ERR_CONNECTION, "the control database's connection string has changed");
	control_link_drop(link, &err);
	link->retry_at = link->now_us;
}

static void
connect_start(ControlLink *link)
{
	const char *keys[] = {"connect_timeout",
	                      "keepalives_idle",
	                      "keepalives_interval",
	                      "keepalives_count",
	                      "dbname",
	                      "application_name",
	                      "options",
	                      NULL};
	const char *values[] = {"10",           "10", "5", "3", link->conninfo, link->application_name,
	                        session_params, NULL};
	Error err;

	link->conn = PQconnectStartParams(keys, values, 1);
	if (link->conn == NULL || PQstatus(link->conn) == CONNECTION_BAD)
	{
		pg_session_error(&err, link->conn, NULL);
		control_link_drop(link, &err);
		return;
	}
	link->state = LINK_CONNECTING;
	link->poll_want = PGRES_POLLING_WRITING;
	link->deadline = link->now_us + CONNECT_MS * INT64_C(1000);
}

static void
connect_go_on(ControlLink *link)
{
	Error err;

	link->poll_want = PQconnectPoll(link->conn);
	if (link->poll_want == PGRES_POLLING_FAILED)
	{
		pg_session_error(&err, link->conn, NULL);
		control_link_drop(link, &err);
	}
	else if (link->poll_want == PGRES_POLLING_OK)
	{
		if (PQsetnonblocking(link->conn, 1) != 0)
		{
			pg_session_error(&err, link->conn, NULL);
			control_link_drop(link, &err);
			return;
		}
		link->state = LINK_OPEN;
		link->deadline = 0;
		link->owner.connected(link->owner.arg);
	}
}

/* Sends the next request, when none is under way. */
static void
send_next(ControlLink *link)
{
	Request *request;
	Error err;

	if (link->state != LINK_OPEN || link->under_way != NULL || link->unfinished)
		return;
	link->under_way_greets = link->greetings.head != NULL;
	request = queue_pop(link->under_way_greets ? &link->greetings : &link->requests);
	if (request == NULL)
		return;
	link->under_way = request;
	link->unfinished = true;
	link->deadline = link->now_us + CONTROL_ANSWER_MS * INT64_C(1000);
	if (!PQsendQueryParams(link->conn, request->sql, request->nparams, NULL,
	                       (const char *const *) request->params, NULL, NULL, 0) ||
	    PQflush(link->conn) < 0)
	{
		pg_session_error(&err, link->conn, NULL);
		control_link_drop(link, &err);
	}
}

/* Takes one result of the request under way, or its end. */
static void
take_result(ControlLink *link, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	Request *request = link->under_way;
	bool failed = status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK;

	if (request == NULL)
	{
		PQclear(result);
		return;
	}
	if (failed)
		pg_session_error(&link->error, link->conn, result);
	/* a FATAL result is followed by the end of the session, which then answers the request */
	if (failed && PQstatus(link->conn) == CONNECTION_BAD)
	{
		Error err = link->error;

		PQclear(result);
		control_link_drop(link, &err);
		return;
	}
	link->under_way = NULL;
	link->deadline = 0;
	if (!link->under_way_greets)
		link->pause_ms = PAUSE_MIN_MS;
	request_answer(request, failed ? &link->error : NULL, failed ? NULL : result);
	PQclear(result);
}

static void
receive(ControlLink *link, bool ready)
{
	PGnotify *notify;
	bool notified = false;
	Error err;

	ready = ready || pg_conn_hides_input(link->conn);
	if (PQflush(link->conn) < 0 || (ready && !PQconsumeInput(link->conn)))
	{
		pg_session_error(&err, link->conn, NULL);
		control_link_drop(link, &err);
		return;
	}
	while (link->state == LINK_OPEN && !PQisBusy(link->conn))
	{
		PGresult *result = PQgetResult(link->conn);

		if (result == NULL)
		{
			PGconn *before = link->conn;

			link->unfinished = false;
			if (PQtransactionStatus(link->conn) == PQTRANS_UNKNOWN)
			{
				pg_session_error(&err, link->conn, NULL);
				control_link_drop(link, &err);
				return;
			}
			send_next(link);
			if (link->conn != before || link->under_way == NULL || PQisBusy(link->conn))
				break;
			continue;
		}
		take_result(link, result);
	}
	while (link->state == LINK_OPEN && (notify = PQnotifies(link->conn)) != NULL)
	{
		notified = true;
		PQfreemem(notify);
	}
	if (notified && link->owner.notified != NULL)
		link->owner.notified(link->owner.arg);
}

void
control_link_prepare(ControlLink *link, int64_t now_us, struct pollfd *fd, int *timeout_ms)
{
	int64_t until = 0;

	link->now_us = now_us;
	fd->fd = -1;
	fd->events = 0;
	fd->revents = 0;
	switch (link->state)
	{
		case LINK_WAITING:
			until = link->retry_at > 0 ? link->retry_at : now_us;
			break;
		case LINK_CONNECTING:
			fd->fd = PQsocket(link->conn);
			fd->events = link->poll_want == PGRES_POLLING_WRITING ? POLLOUT : POLLIN;
			until = link->deadline;
			break;
		case LINK_OPEN:
			send_next(link);
			if (link->state != LINK_OPEN)
				until = link->retry_at;
			else
			{
				fd->fd = PQsocket(link->conn);
				fd->events = POLLIN;
				if (PQflush(link->conn) > 0)
					fd->events |= POLLOUT;
				until = link->deadline;
			}
			break;
	}
	*timeout_ms = -1;
	if (until > 0)
		*timeout_ms = until <= now_us ? 0 : (int) ((until - now_us + 999) / 1000);
}

void
control_link_service(ControlLink *link, int64_t now_us, bool ready)
{
	Error err;

	link->now_us = now_us;
	if (link->deadline > 0 && now_us >= link->deadline)
	{
		error_set(&err, ERR_CONNECTION, "the control database does not answer");
		control_link_drop(link, &err);
		return;
	}
	switch (link->state)
	{
		case LINK_WAITING:
			if (now_us >= link->retry_at)
				connect_start(link);
			break;
		case LINK_CONNECTING:
		{
			/* PQconnectPoll must not be called before the socket is ready */
			struct pollfd fd = {.fd = PQsocket(link->conn)};

			fd.events = link->poll_want == PGRES_POLLING_WRITING ? POLLOUT : POLLIN;
			if (poll(&fd, 1, 0) != 0)
				connect_go_on(link);
			break;
		}
		case LINK_OPEN:
			receive(link, ready);
			break;
	}
	send_next(link);
}

bool
control_link_is_up(const ControlLink *link)
{
	return link->state == LINK_OPEN && link->greetings.head == NULL &&
	       !(link->under_way != NULL && link->under_way_greets);
}

int
control_link_backlog(const ControlLink *link)
{
	return link->requests.count + (link->under_way != NULL ? 1 : 0);
}

static Request *
request_make(const char *sql, int nparams, const char *const *params, bool keep, ControlDone done,
             void *arg)
{
	Request *request = xcalloc(1, sizeof(*request));

	request->sql = xstrdup(sql);
	request->nparams = nparams < CONTROL_PARAMS_MAX ? nparams : CONTROL_PARAMS_MAX;
	for (int i = 0; i < request->nparams; i++)
		request->params[i] = params[i] ? xstrdup(params[i]) : NULL;
	request->keep = keep;
	request->done = done;
	request->arg = arg;
	return request;
}

void
control_link_send(ControlLink *link, const char *sql, int nparams, const char *const *params,
                  bool keep, ControlDone done, void *arg)
{
	queue_push(&link->requests, request_make(sql, nparams, params, keep, done, arg));
	if (link->requests.count > BACKLOG_MAX)
	{
		Request *oldest = queue_pop(&link->requests);
		Error err;

		error_set(&err, ERR_CONNECTION, "too much waits for the control database");
		request_answer(oldest, &err, NULL);
	}
}

void
control_link_greet(ControlLink *link, const char *sql, int nparams, const char *const *params,
                   ControlDone done, void *arg)
{
	queue_push(&link->greetings, request_make(sql, nparams, params, false, done, arg));
}

void
control_link_forget(ControlLink *link)
{
	for (Request *request = link->requests.head; request != NULL; request = request->next)
		request->done = NULL;
	if (link->under_way != NULL)
		link->under_way->done = NULL;
}

int
control_reply_rows(const ControlReply *reply)
{
	return reply->result ? PQntuples(reply->result) : 0;
}

const char *
control_reply_get(const ControlReply *reply, int row, int column)
{
	return PQgetisnull(reply->result, row, column) ? NULL : PQgetvalue(reply->result, row, column);
}

bool
control_reply_bool(const ControlReply *reply, int row, int column)
{
	return control_reply_rows(reply) > row && PQgetvalue(reply->result, row, column)[0] == 't';
}

int64_t
control_reply_int(const ControlReply *reply, int row, int column)
{
	return strtoll(PQgetvalue(reply->result, row, column), NULL, 10);
}

bool
control_conninfo_check(const char *conninfo, Error *err)
{
	char *problem = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &problem);

	if (options == NULL)
	{
		/* libpq quotes what it could not read, which may be a password */
		error_set(err, ERR_CONFIG, "the control database's connection string cannot be read");
		error_hint(err, "Write it as key=value pairs, for example \"host=db1 dbname=dts "
		                "user=dts_daemon\", or as a postgresql:// URI.");
		PQfreemem(problem);
		return false;
	}
	PQconninfoFree(options);
	return true;
}
