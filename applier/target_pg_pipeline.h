/*
 * target_pg_pipeline.h
 *		Requests in libpq's pipeline mode, each matched to its answer.
 *
 * Statements are chained by flush requests, not by Sync: after an error the server skips all that
 * follows, so that nothing behind a failed statement is executed, COMMITs included.
 */
#ifndef DTS_TARGET_PG_PIPELINE_H
#define DTS_TARGET_PG_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "lsn.h"

struct pg_conn;
struct pg_result;

/* Of the key's values, for an error's text. */
#define REQUEST_KEY_MAX 72

typedef enum RequestKind
{
	REQUEST_COMMAND, /* its success is all there is to know */
	REQUEST_FENCE,   /* must return a row */
	REQUEST_CHANGE,
	REQUEST_PREPARE, /* of a change's statement */
	REQUEST_GROUP,   /* net rows of a table */
	REQUEST_TRUNCATE,
	REQUEST_FOLLOW,   /* waits for the transaction before, on another connection */
	REQUEST_POSITION, /* must return or touch a row */
	REQUEST_COMMIT,   /* ends a unit and its transaction */
	REQUEST_RELEASE,  /* ends a unit within a transaction */
	REQUEST_COLUMNS,  /* description of a table, first and second half */
	REQUEST_UNIQUES,
	REQUEST_FLUSHED, /* how far the server's WAL is */
} RequestKind;

typedef struct Request
{
	RequestKind kind;
	uint16_t key_len;
	bool answered;
	uint32_t bytes;
	SourceLsn lsn;    /* commit of the source transaction, when it belongs to one */
	void *relation;   /* the owner's, for the kinds that have one */
	const void *plan; /* the same */
	void *statement;  /* the same, of a REQUEST_PREPARE */
	char key[REQUEST_KEY_MAX];
} Request;

/* Called for every result of a request; false ends the pipeline with err filled. */
typedef bool (*RequestAnswer)(void *owner, const Request *request, const struct pg_result *result,
                              Error *err);

/* Called for every request that was not executed, or failed, when the rest is given up. */
typedef void (*RequestLost)(void *owner, const Request *request);

typedef struct Pipeline
{
	struct pg_conn *conn; /* borrowed */
	RequestAnswer answer;
	void *owner;
	Request *queue; /* ring; size is a power of two */
	size_t size;
	size_t head;
	size_t count;
	size_t bytes;       /* of the requests in the queue */
	size_t since_flush; /* bytes sent since the server was last told to answer */
	size_t since_pump;
	bool nothing_to_read; /* as poll() said; a long send looks nevertheless */
	bool unsent;          /* libpq holds bytes that the socket did not take */
	bool failed;
	int discarding; /* Syncs whose answers are to come; those before them are thrown away */
	int64_t statements;
	Error error; /* the first one */
} Pipeline;

/* Enters pipeline mode on an idle connection. */
bool pipeline_start(Pipeline *p, struct pg_conn *conn, RequestAnswer answer, void *owner,
                    Error *err) must_check;
void pipeline_end(Pipeline *p);

/* Leaves pipeline mode while nothing is in flight, and enters it again on an idle connection. */
bool pipeline_leave(Pipeline *p, Error *err) must_check;
bool pipeline_return(Pipeline *p, Error *err) must_check;

/* Whether another request should wait until some were answered. */
bool pipeline_full(const Pipeline *p);

/* Notes what was just sent with PQsend...(); sent is its return value. */
bool pipeline_sent(Pipeline *p, int sent, const Request *request, Error *err) must_check;

/* A statement with text parameters. */
bool pipeline_query(Pipeline *p, RequestKind kind, const char *sql, int nparams,
                    const char *const *params, Error *err) must_check;

/* Tells the server to answer what was sent up to here. */
bool pipeline_flush(Pipeline *p, Error *err) must_check;

/* Sends and reads without waiting, and hands out the answers. */
bool pipeline_pump(Pipeline *p, Error *err) must_check;

/*
 * Ends the server's implicit transaction.  Only while nothing is in flight, so that nothing can have failed; others
 * may be sent behind it at once.
 */
bool pipeline_sync(Pipeline *p, Error *err) must_check;

/*
 * After a failure that is the statement's and not the connection's: gives up what was sent behind
 * it, and goes on.  Until pipeline_pump() has seen the server come back nothing may be sent; the
 * transaction is then still to be rolled back.
 */
bool pipeline_discard(Pipeline *p, RequestLost lost, Error *err) must_check;

#endif /* DTS_TARGET_PG_PIPELINE_H */
