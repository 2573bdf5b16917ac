/*
 * target_pg_pipeline.c
 *		The queue of requests in flight; see target_pg_pipeline.h.
 *
 * Bytes in flight are bounded, because libpq moves its whole buffer at every partial send, and its
 * input buffer grows while nobody reads: past PIPELINE_BYTES the caller has to wait.  The server
 * answers only when told to or when its own buffer is full, so it is told so at every commit, and
 *in a long transaction after every PIPELINE_FLUSH bytes.
 *
 * After an error the server skips everything up to a Sync.  So a Sync is sent only to go on behind
 * an error, or while nothing is in flight, and everything in front of its answer is thrown away.
 */
#include "target_pg_pipeline.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "pg_session.h"

#define PIPELINE_BYTES   (4u << 20)
#define PIPELINE_FLUSH   (256u << 10)
#define PIPELINE_PUMP    (32u << 10)
#define QUEUE_START      256
#define REQUEST_OVERHEAD 96 /* bytes that a request takes besides its values, about */

bool
pipeline_start(Pipeline *p, PGconn *conn, RequestAnswer answer, void *owner, Error *err)
{
	memset(p, 0, sizeof(*p));
	p->conn = conn;
	p->answer = answer;
	p->owner = owner;
	p->size = QUEUE_START;
	p->queue = xmalloc(sizeof(Request) * p->size);
	if (PQsetnonblocking(conn, 1) == 0 && PQenterPipelineMode(conn) == 1)
		return true;
	pg_session_error(err, conn, NULL);
	return false;
}

void
pipeline_end(Pipeline *p)
{
	free(p->queue);
	p->queue = NULL;
	p->failed = true;
}

bool
pipeline_full(const Pipeline *p)
{
	return p->bytes >= PIPELINE_BYTES;
}

static bool
pipeline_fail(Pipeline *p, Error *err)
{
	if (!p->failed)
		pg_session_error(&p->error, p->conn, NULL);
	p->failed = true;
	*err = p->error;
	return false;
}

bool
pipeline_leave(Pipeline *p, Error *err)
{
	return (!p->failed && PQexitPipelineMode(p->conn) == 1) || pipeline_fail(p, err);
}

bool
pipeline_return(Pipeline *p, Error *err)
{
	return PQenterPipelineMode(p->conn) == 1 || pipeline_fail(p, err);
}

static void
queue_grow(Pipeline *p)
{
	Request *queue = xmalloc(sizeof(Request) * p->size * 2);

	for (size_t i = 0; i < p->count; i++)
		queue[i] = p->queue[(p->head + i) & (p->size - 1)];
	free(p->queue);
	p->queue = queue;
	p->head = 0;
	p->size *= 2;
}

bool
pipeline_sent(Pipeline *p, int sent, const Request *request, Error *err)
{
	Request *slot;

	if (p->failed || sent != 1)
		return pipeline_fail(p, err);
	if (p->count == p->size)
		queue_grow(p);
	slot = &p->queue[(p->head + p->count++) & (p->size - 1)];
	*slot = *request;
	slot->answered = false;
	p->statements++;
	slot->bytes += REQUEST_OVERHEAD;
	p->bytes += slot->bytes;
	p->since_flush += slot->bytes;
	p->since_pump += slot->bytes;
	if (p->since_flush >= PIPELINE_FLUSH && !pipeline_flush(p, err))
		return false;
	if (p->since_pump < PIPELINE_PUMP)
		return true;
	p->nothing_to_read = false;
	return pipeline_pump(p, err);
}

bool
pipeline_query(Pipeline *p, RequestKind kind, const char *sql, int nparams,
               const char *const *params, Error *err)
{
	Request request = {.kind = kind, .bytes = (uint32_t) strlen(sql)};

	return pipeline_sent(p, PQsendQueryParams(p->conn, sql, nparams, NULL, params, NULL, NULL, 0),
	                     &request, err);
}

bool
pipeline_flush(Pipeline *p, Error *err)
{
	if (p->failed || PQsendFlushRequest(p->conn) != 1)
		return pipeline_fail(p, err);
	p->since_flush = 0;
	return true;
}

/* Throws answers away until that to the Sync has come. */
static void
pipeline_skip(Pipeline *p)
{
	while (p->discarding > 0 && !PQisBusy(p->conn))
	{
		PGresult *result = PQgetResult(p->conn);

		if (result != NULL && PQresultStatus(result) == PGRES_PIPELINE_SYNC)
			p->discarding--;
		if (result == NULL && PQstatus(p->conn) != CONNECTION_OK)
			return;
		PQclear(result);
	}
}

bool
pipeline_sync(Pipeline *p, Error *err)
{
	if (p->failed || PQpipelineSync(p->conn) != 1)
		return pipeline_fail(p, err);
	p->discarding++;
	return true;
}

bool
pipeline_discard(Pipeline *p, RequestLost lost, Error *err)
{
	for (size_t i = 0; i < p->count; i++)
		lost(p->owner, &p->queue[(p->head + i) & (p->size - 1)]);
	p->count = 0;
	p->head = 0;
	p->bytes = 0;
	p->since_flush = 0;
	p->failed = false;
	error_clear(&p->error);
	return pipeline_sync(p, err);
}

static bool
pipeline_answers(Pipeline *p, Error *err)
{
	if (p->discarding > 0)
		pipeline_skip(p);
	while (p->count > 0 && !PQisBusy(p->conn))
	{
		Request *head = &p->queue[p->head];
		PGresult *result = PQgetResult(p->conn);
		bool ok;

		if (result != NULL)
		{
			head->answered = true;
			ok = p->answer(p->owner, head, result, err);
			PQclear(result);
			if (!ok)
			{
				p->failed = true;
				p->error = *err;
				return false;
			}
			continue;
		}
		/* NULL ends the results of one request */
		if (!head->answered)
			return pipeline_fail(p, err);
		p->bytes -= head->bytes;
		p->head = (p->head + 1) & (p->size - 1);
		p->count--;
	}
	return true;
}

bool
pipeline_pump(Pipeline *p, Error *err)
{
	int unsent;

	p->since_pump = 0;
	if (p->failed)
		return pipeline_fail(p, err);
	unsent = PQflush(p->conn);
	p->unsent = unsent > 0;
	/* an error in sending: what the server said before it hung up tells more, so read first */
	if (!p->nothing_to_read && PQconsumeInput(p->conn) != 1)
	{
		if (!pipeline_answers(p, err))
			return false;
		return pipeline_fail(p, err);
	}
	if (!pipeline_answers(p, err))
		return false;
	return unsent >= 0 || pipeline_fail(p, err);
}
