/*
 * output.c
 *		Small messages of a backlog leave the walsender together.
 *
 * The server hands every message to the socket as it is written, and again after every record of WAL.
 * For transactions of one row that is what their decoding costs: 300,000 of them took the walsender
 * 1.94 s of its time, and its reader is woken by each.  A message that is held here is in the server's own
 * buffer, as it would be when the socket were full: what the server sends later, keepalives with their
 * positions included, comes behind it, and nothing that knows of sent positions learns another order.
 *
 * Held is only what is followed for certain: when the log has been flushed beyond what was read of it, the
 * server comes back from its next record.  Then everything goes as soon as there is enough of it, it has
 * waited long enough, the end of the log is reached, or the server looks at its socket without having read or
 * written anything since, because it is about to sleep (the last record may be there in parts).  So a transaction that
 * nothing follows leaves at once, and nobody waits longer than HOLD_US and the server's work on one record.
 *
 * Before and after each sleep the server names the position it has come to, as long as the receiver has not
 * confirmed it, which one that stores what it applies does later.  Such a keepalive would wake the receiver just
 * before the row does, on the way from the commit to the row.  So one that asks for no reply and names a position
 * that the receiver knows, from a keepalive or as a transaction's end, does not leave.
 *
 * The server calls its connection through a table of functions, which a process may exchange for
 * its own; three of them are ours, and only here.  They have no argument for it, so what they know is the process's.
 */
#include "output.h"

#include "backlog.h"

/*
 * The table's header brings the whole connection along, and with it those of libraries that need
 * not be installed; of these structs nothing is looked at here.
 */
#undef ENABLE_GSS
#undef USE_SSL
#undef USE_OPENSSL

#include "access/xlog.h"
#include "libpq/libpq.h"
#include "port/pg_bswap.h"
#include "replication/walsender.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define HOLD_BYTES 16384
#define HOLD_US    500

/* So many looks at the socket for one at the clock. */
#define CLOCK_LOOKS 8

/* Looks at the socket with nothing new: one follows each message, the next comes before a sleep. */
#define IDLE_LOOKS 2

/* The message that ends a stream. */
#define COPY_DONE 'c'

/* One within it that names a position: its kind, the position, the time, and whether a reply is asked for. */
#define COPY_DATA       'd'
#define KEEPALIVE       'k'
#define KEEPALIVE_BYTES 18
#define KEEPALIVE_ASKS  17

typedef struct Output
{
	LogicalDecodingContext *ctx; /* NULL: no session, all goes through */
	size_t bytes;                /* written since the last message left */
	TimestampTz since;           /* the first of them */
	XLogRecPtr read;             /* the log, at the last look */
	XLogRecPtr flushed;          /* the log goes on to here at least */
	XLogRecPtr told;             /* the receiver knows of all before it */
	int looks;
	int idle_looks; /* since something was read or written */
	bool holding;   /* the server must not see that bytes wait */
	bool full;      /* the socket did not take all */
} Output;

static const PQcommMethods *server_methods;
static PQcommMethods methods;
static Output output;

static bool
may_hold(Output *o)
{
	XLogRecPtr read;

	if (o->ctx == NULL || o->full || o->bytes == 0 || o->bytes >= HOLD_BYTES)
		return false;
	read = o->ctx->reader->EndRecPtr;
	if (read != o->read)
		o->idle_looks = 0;
	o->read = read;
	if (++o->idle_looks > IDLE_LOOKS)
		return false;
	if (read >= o->flushed)
		o->flushed = compat_flushed_log();
	if (read >= o->flushed)
		return false;
	return ++o->looks % CLOCK_LOOKS != 0 || GetCurrentTimestamp() < o->since + HOLD_US;
}

bool
output_may_wait(void)
{
	return output.bytes == 0 ? !output.full : may_hold(&output);
}

static int
flush_if_writable(void)
{
	int result;

	backlog_turn();
	output.holding = may_hold(&output);
	if (output.holding)
		return 0;
	output.bytes = 0;
	result = server_methods->flush_if_writable();
	output.full = server_methods->is_send_pending();
	return result;
}

static bool
visibly_pending(void)
{
	return !output.holding && server_methods->is_send_pending();
}

static bool
is_send_pending(void)
{
	if (visibly_pending())
		return true;
	backlog_work();
	return visibly_pending();
}

static bool
is_keepalive(char type, const char *data, size_t length)
{
	return type == COPY_DATA && length == KEEPALIVE_BYTES && data[0] == KEEPALIVE;
}

/* Whether the receiver needs it, which then knows its position. */
static bool
keepalive_leaves(Output *o, const char *keepalive)
{
	uint64 position;

	memcpy(&position, keepalive + 1, sizeof(position));
	position = pg_ntoh64(position);
	if (position <= o->told)
		return keepalive[KEEPALIVE_ASKS] != 0;
	o->told = position;
	return true;
}

static void
putmessage_noblock(char type, const char *data, size_t length)
{
	if (type == COPY_DONE)
		backlog_over();
	if (output.ctx != NULL && is_keepalive(type, data, length) && !keepalive_leaves(&output, data))
		return;
	server_methods->putmessage_noblock(type, data, length);
}

/* The session's memory goes, be it at its end or by an error. */
static void
output_end(void *arg)
{
	memset(&output, 0, sizeof(output));
	backlog_end();
}

void
output_start(Decoder *decoder)
{
	MemoryContextCallback *end;

	/* on a standby the log goes on with what is replayed, not with what is flushed */
	if (!am_walsender || RecoveryInProgress())
		return;
	if (server_methods == NULL)
	{
		server_methods = PqCommMethods;
		methods = *PqCommMethods;
		methods.flush_if_writable = flush_if_writable;
		methods.is_send_pending = is_send_pending;
		methods.putmessage_noblock = putmessage_noblock;
		PqCommMethods = &methods;
	}
	end = MemoryContextAllocZero(decoder->context, sizeof(*end));
	end->func = output_end;
	MemoryContextRegisterResetCallback(decoder->context, end);
	memset(&output, 0, sizeof(output));
	output.ctx = decoder->ctx;
	backlog_start(decoder->ctx);
}

void
output_written(size_t bytes)
{
	if (output.bytes == 0)
		output.since = GetCurrentTimestamp();
	output.bytes += bytes;
	output.idle_looks = 0;
}

void
output_ended(XLogRecPtr end)
{
	output.told = Max(output.told, end);
}

void
output_hurry(void)
{
	if (output.ctx == NULL || output.bytes == 0)
		return;
	output.bytes = Max(output.bytes, HOLD_BYTES);
	/* A connection that is gone is the server's to notice, at its next look. */
	(void) flush_if_writable();
}
