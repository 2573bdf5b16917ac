/*
 * source_stream.c
 *		The ChangeSource over a replication connection; see source_stream.h.
 *
 * Pull model: next() hands out one event at a time from the message in hand, and asks libpq for
 * another message only when that one is used up.  What the consumer does not pull stays in the
 * socket, and TCP pushes back on the walsender.  libpq is asked for input only when it has no whole
 * message left, so its buffer never holds much more than one.
 *
 * Feedback names only positions that the consumer declared durable.  A keepalive's position becomes
 * an event, never feedback: the consumer makes it durable first.
 *
 * Everything here is non-blocking once the stream has begun; output that the socket does not take
 * is retried with the next call.
 */
#include "source_stream.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "arena.h"
#include "log.h"
#include "pg_session.h"
#include "source_slot.h"
#include "strbuf.h"
#include "txn.h"

#define DEFAULT_SPOOL_LIMIT  (UINT64_C(64) << 30)
#define DEFAULT_MEMORY_LIMIT (UINT64_C(8) << 20)

/* Of changes that the source has decoded, from which a transaction is sent before it commits. */
#define AHEAD_MEMORY_KB 4096

/* Feedback goes out at least this often, also where the source's timeout is longer or off. */
#define FEEDBACK_MAX_US INT64_C(10000000)
#define FEEDBACK_MIN_US INT64_C(50000)

/* Sizes of the replication protocol's messages. */
#define DATA_HEADER_LEN 25 /* 'w', start, end, time */
#define KEEPALIVE_LEN   18 /* 'k', end, time, reply wanted */
#define FEEDBACK_LEN    34 /* 'r', write, flush, apply, time, reply wanted */

/* 2000-01-01 in seconds since 1970. */
#define POSTGRES_EPOCH INT64_C(946684800)

typedef struct SourceStream
{
	ChangeSource base;
	PgSession *session;
	PGconn *conn;
	char *slot_name;
	TxnAssembler *txn;
	char *message; /* libpq's; the assembler reads from it */

	SourceLsn source_end;
	SourceLsn durable;
	SourceLsn told; /* last feedback */
	bool reply_wanted;
	bool output_pending;
	bool nothing_to_read; /* as poll() said */
	int64_t feedback_every_us;
	int64_t feedback_due_us; /* 0: at once */
} SourceStream;

/* Replication commands know no escapes but doubled quotes. */
static void
put_quoted(StrBuf *buf, const char *text, char quote)
{
	strbuf_putc(buf, quote);
	for (; *text; text++)
	{
		if (*text == quote)
			strbuf_putc(buf, quote);
		strbuf_putc(buf, *text);
	}
	strbuf_putc(buf, quote);
}

static void
put_option(StrBuf *command, const char *name, const char *value)
{
	strbuf_puts(command, ", ");
	put_quoted(command, name, '"');
	strbuf_putc(command, ' ');
	put_quoted(command, value, '\'');
}

static void
build_command(StrBuf *command, const SourceStreamOptions *options)
{
	strbuf_puts(command, "START_REPLICATION SLOT ");
	put_quoted(command, options->slot_name, '"');
	strbuf_printf(command, " LOGICAL " LSN_FORMAT " (\"protocol_version\" '1'",
	              LSN_ARGS(options->start));
	if (options->streaming)
		put_option(command, "streaming", "on");
	for (int i = 0; i < options->decoder_option_count; i++)
		put_option(command, options->decoder_options[i].name, options->decoder_options[i].value);
	strbuf_putc(command, ')');
}

/* Half of the source's timeout, within our own bounds. */
static bool
read_timeout(SourceStream *s, Error *err)
{
	PgRows *rows = pg_session_query(s->session, err,
	                                "SELECT setting::pg_catalog.int8 FROM pg_catalog.pg_settings "
	                                "WHERE name = 'wal_sender_timeout'",
	                                0, NULL);
	int64_t timeout_ms;

	if (rows == NULL)
		return false;
	timeout_ms = pg_rows_count(rows) > 0 ? pg_rows_int(rows, 0, 0) : 0;
	pg_rows_free(rows);
	s->feedback_every_us = FEEDBACK_MAX_US;
	if (timeout_ms > 0 && timeout_ms * 500 < s->feedback_every_us)
		s->feedback_every_us = timeout_ms * 500;
	if (s->feedback_every_us < FEEDBACK_MIN_US)
		s->feedback_every_us = FEEDBACK_MIN_US;
	return true;
}

/*
 * A transaction that outgrows the memory is written to the source's disk and read again, which costs
 * the walsender more than all its other work on it.  One that goes ahead had better begin soon: what is
 * decoded before it is sent is not applied meanwhile.
 */
static bool
set_memory(SourceStream *s, const SourceStreamOptions *options, Error *err)
{
	int64_t kb = options->ahead ? AHEAD_MEMORY_KB : (int64_t) options->decoding_memory_mb * 1024;
	char sql[256];

	snprintf(sql, sizeof(sql),
	         "SELECT pg_catalog.set_config(name, '%" PRId64
	         "kB', false) FROM pg_catalog.pg_settings "
	         "WHERE name = 'logical_decoding_work_mem' AND setting::pg_catalog.int8 %s %" PRId64,
	         kb, options->ahead ? ">" : "<", kb);
	return pg_session_exec(s->session, err, sql, 0, NULL);
}

/*
 * The SQLSTATE of a refusal to start does not tell an invalidated slot from other objections, so
 * the slot is looked at.
 */
static void
diagnose_refusal(SourceStream *s, Error *err)
{
	Error refusal = *err;
	Error unused;
	SourceSlot slot;

	if (strcmp(refusal.sqlstate, "55006") == 0 || sqlstate_is_transient(refusal.sqlstate) ||
	    !source_slot_inspect(s->session, s->slot_name, &slot, &unused))
		return;
	if (slot.exists && !slot.invalidated)
		return;
	error_set(err, ERR_LOST, "slot \"%s\" on the source %s", s->slot_name,
	          slot.exists ? "was invalidated" : "does not exist");
	error_detail(err, "The source says: %s", refusal.message);
	error_hint(err, "Changes may be missing, so the job has to load its tables again.");
}

static bool
start(SourceStream *s, const SourceStreamOptions *options, Error *err)
{
	StrBuf command;
	PGresult *result;
	bool ok;

	strbuf_init(&command);
	build_command(&command, options);
	result = PQexec(s->conn, command.data);
	strbuf_free(&command);
	ok = PQresultStatus(result) == PGRES_COPY_BOTH;
	if (!ok)
	{
		pg_session_error(err, s->conn, result);
		diagnose_refusal(s, err);
	}
	PQclear(result);
	if (ok && PQsetnonblocking(s->conn, 1) != 0)
	{
		pg_session_error(err, s->conn, NULL);
		ok = false;
	}
	return ok;
}

static uint64_t
get_u64(const char *from)
{
	uint64_t raw;

	memcpy(&raw, from, sizeof(raw));
	return __builtin_bswap64(raw);
}

static void
put_u64(char *to, uint64_t value)
{
	uint64_t raw = __builtin_bswap64(value);

	memcpy(to, &raw, sizeof(raw));
}

/* Hands queued output to the socket as far as it takes it. */
static bool
push_output(SourceStream *s, Error *err)
{
	int left = PQflush(s->conn);

	if (left < 0)
	{
		pg_session_error(err, s->conn, NULL);
		return false;
	}
	s->output_pending = left > 0;
	return true;
}

static bool
send_feedback(SourceStream *s, Error *err)
{
	char message[FEEDBACK_LEN];
	struct timeval now;
	int sent;

	gettimeofday(&now, NULL);
	message[0] = 'r';
	put_u64(message + 1, s->durable.value);
	put_u64(message + 9, s->durable.value);
	put_u64(message + 17, s->durable.value);
	put_u64(message + 25,
	        (uint64_t) (((int64_t) now.tv_sec - POSTGRES_EPOCH) * 1000000 + now.tv_usec));
	message[33] = 0;
	sent = PQputCopyData(s->conn, message, sizeof(message));
	if (sent < 0)
	{
		pg_session_error(err, s->conn, NULL);
		return false;
	}
	if (sent == 0) /* no room: again with the next call */
	{
		s->reply_wanted = true;
		return true;
	}
	s->told = s->durable;
	s->reply_wanted = false;
	return push_output(s, err);
}

/* The server ended the stream, or the connection. */
static bool
stream_ended(SourceStream *s, int code, Error *err)
{
	PGresult *result = code == -1 ? PQgetResult(s->conn) : NULL;

	if (code == -2 || PQresultStatus(result) == PGRES_FATAL_ERROR)
		pg_session_error(err, s->conn, result);
	else
		error_set(err, ERR_CONNECTION, "the source ended the stream");
	PQclear(result);
	return false;
}

static bool
bad_message(Error *err, const char *message, int len)
{
	error_set(err, ERR_PROTOCOL, "malformed replication message from the source");
	error_detail(err, "Its kind is byte %d and its length %d.", len > 0 ? (int) message[0] : 0,
	             len);
	return false;
}

static bool
take_keepalive(SourceStream *s, const char *message, SourceEvent *event, Error *err)
{
	SourceLsn wal_end = source_lsn(get_u64(message + 1));

	s->source_end = source_lsn_max(s->source_end, wal_end);
	if (message[17] != 0 && !send_feedback(s, err))
		return false;

	/* between two chunks of a transaction it says nothing that could be stored */
	if (!txn_is_open(s->txn))
	{
		event->kind = SOURCE_KEEPALIVE;
		event->wal_end = wal_end;
		event->reply_wanted = message[17] != 0;
		event->bytes = KEEPALIVE_LEN;
	}
	return true;
}

/* One message of the replication protocol.  The event stays IDLE when it holds none itself. */
static bool
take_message(SourceStream *s, char *message, int len, SourceEvent *event, Error *err)
{
	bool ok;

	if (len >= DATA_HEADER_LEN && message[0] == 'w')
	{
		s->source_end = source_lsn_max(s->source_end, source_lsn(get_u64(message + 9)));
		s->message = message;
		return txn_message(s->txn, message + DATA_HEADER_LEN, (size_t) len - DATA_HEADER_LEN, err);
	}
	if (len == KEEPALIVE_LEN && message[0] == 'k')
		ok = take_keepalive(s, message, event, err);
	else
		ok = bad_message(err, message, len);
	PQfreemem(message);
	return ok;
}

/* *len 0: nothing to be had without waiting. */
static bool
get_message(SourceStream *s, char **message, int *len, Error *err)
{
	*len = PQgetCopyData(s->conn, message, 1);
	if (*len == 0 && !s->nothing_to_read)
	{
		if (PQconsumeInput(s->conn) == 0)
		{
			pg_session_error(err, s->conn, NULL);
			return false;
		}
		*len = PQgetCopyData(s->conn, message, 1);
	}
	return *len >= 0 || stream_ended(s, *len, err);
}

static bool
next_event(SourceStream *s, SourceEvent *event, Error *err)
{
	char *message;
	int len;

	for (;;)
	{
		if (s->message != NULL)
		{
			if (!txn_next(s->txn, event, err))
				return false;
			if (event->kind != SOURCE_IDLE)
				return true;
			PQfreemem(s->message);
			s->message = NULL;
		}
		memset(event, 0, sizeof(*event));
		event->kind = SOURCE_IDLE;
		if (s->output_pending && !push_output(s, err))
			return false;
		if (!get_message(s, &message, &len, err))
			return false;
		if (len == 0)
			return true;
		if (!take_message(s, message, len, event, err))
			return false;
		if (event->kind != SOURCE_IDLE)
			return true;
	}
}

static bool
stream_next(ChangeSource *source, SourceEvent *event, Error *err)
{
	SourceStream *s = (SourceStream *) source;

	if (__builtin_expect(next_event(s, event, err), 1))
		return true;
	error_context(err, "reading slot \"%s\"", s->slot_name);
	return false;
}

static bool
stream_feedback(ChangeSource *source, SourceLsn durable, int64_t now_us, Error *err)
{
	SourceStream *s = (SourceStream *) source;

	s->durable = source_lsn_max(s->durable, durable);
	if (s->output_pending && !push_output(s, err))
		return false;
	if (s->durable.value == s->told.value && !s->reply_wanted && now_us < s->feedback_due_us)
		return true;
	s->feedback_due_us = now_us + s->feedback_every_us;
	if (send_feedback(s, err))
		return true;
	error_context(err, "confirming " LSN_FORMAT " to slot \"%s\"", LSN_ARGS(s->durable),
	              s->slot_name);
	return false;
}

static void
stream_hold(ChangeSource *source)
{
	txn_hold(((SourceStream *) source)->txn);
}

static int
stream_socket(const ChangeSource *source)
{
	return PQsocket(((const SourceStream *) source)->conn);
}

static void
stream_polled(ChangeSource *source, bool readable)
{
	SourceStream *s = (SourceStream *) source;

	s->nothing_to_read = !readable && !pg_conn_hides_input(s->conn);
}

static SourceLsn
stream_source_end(const ChangeSource *source)
{
	return ((const SourceStream *) source)->source_end;
}

static uint64_t
stream_held(const ChangeSource *source)
{
	return txn_spooled(((const SourceStream *) source)->txn);
}

static const char *
stream_encoding(const ChangeSource *source)
{
	return txn_encoding(((const SourceStream *) source)->txn);
}

static void
stream_close(ChangeSource *source)
{
	SourceStream *s = (SourceStream *) source;

	if (s == NULL)
		return;
	PQfreemem(s->message);
	txn_destroy(s->txn);
	pg_session_close(s->session);
	free(s->slot_name);
	free(s);
}

static const ChangeSourceOps stream_ops = {
    .name = "dts_decoder",
    .next = stream_next,
    .feedback = stream_feedback,
    .hold = stream_hold,
    .socket = stream_socket,
    .polled = stream_polled,
    .source_end = stream_source_end,
    .held = stream_held,
    .encoding = stream_encoding,
    .close = stream_close,
};

ChangeSource *
source_stream_open(const SourceStreamOptions *options, Error *err)
{
	SourceStream *s = xcalloc(1, sizeof(*s));
	TxnOptions txn = {
	    .start = options->start,
	    .streaming = options->streaming,
	    .ahead = options->ahead,
	    .work_dir = options->work_dir,
	    .memory_limit = options->memory_limit ? options->memory_limit : DEFAULT_MEMORY_LIMIT,
	    .spool_limit = options->spool_limit ? options->spool_limit : DEFAULT_SPOOL_LIMIT,
	};

	s->base.ops = &stream_ops;
	s->slot_name = xstrdup(options->slot_name);
	s->session =
	    pg_session_open(options->conninfo, PG_SESSION_REPLICATION, options->slot_name, NULL, err);
	if (s->session != NULL)
	{
		s->conn = pg_session_conn(s->session);
		txn.server_version = pg_session_version(s->session);
		s->txn = txn_create(&txn);
		if (read_timeout(s, err) && set_memory(s, options, err) && start(s, options, err))
			return &s->base;
	}
	error_context(err, "starting to read slot \"%s\"", options->slot_name);
	stream_close(&s->base);
	return NULL;
}
