/*
 * backlog.c
 *		Decoding a backlog: several records of the log for one turn of the server's loop.
 *
 * The walsender looks at its socket, at the clock and at what it shares with others before each
 * record of WAL, of which a row has one and each of its index entries another.  Of one transaction of
 * 750,000 rows that was a fifth of the walsender's time, most of it 1.5 million times asking a socket that had
 * nothing.  While it is certain that the log goes on, the records up to a bound are decoded here, by the
 * two functions that the server itself would call, in the order in which it would, and then it goes on.
 *
 * The server reports the position it has sent when it has decoded a record itself.  So it always gets
 * one: a turn here ends a few pages before the end of the log, refuses to read the page that might not be
 * whole, and is only taken where the server decodes its next record afterwards.  That place is known by this: in
 * a turn of its loop the server flushes, asks whether bytes wait, and asks again before it decodes.  It asks
 * also from within its own functions for writing, progress and pages of the log, which are marked for
 * that; and when it ends the stream, which it has then told the receiver.
 *
 * In the middle of a turn the position of a keepalive is that of before it, which is less than was sent and
 * promises less.
 */
#include "backlog.h"

#include "access/xlog.h"
#include "access/xlogreader.h"
#include "miscadmin.h"
#include "output.h"
#include "replication/decode.h"

/* So many records at once, at most: after each turn the receiver is listened to. */
#define TURN_RECORDS 32

/* The end of the log is the server's. */
#define TAIL ((XLogRecPtr) 4 * XLOG_BLCKSZ)

typedef struct Backlog
{
	LogicalDecodingContext *ctx; /* NULL: the server does all by itself */
	XLogPageReadCB page_read;
	LogicalOutputPluginWriterWrite write;
	LogicalOutputPluginWriterUpdateProgress update_progress;
	XLogRecPtr flushed; /* the log goes on to here at least */
	int inside;         /* the server is in its own functions */
	int asked;          /* since it flushed */
	bool ahead;         /* reading for a turn: nothing may be waited for */
	bool over;          /* nothing may follow */
} Backlog;

static Backlog backlog;

static int
page_read(XLogReaderState *reader, XLogRecPtr page, int length, XLogRecPtr record, char *buffer)
{
	int result;

	if (backlog.ahead && page + XLOG_BLCKSZ >= backlog.flushed)
		return -1;
	backlog.inside++;
	result = backlog.page_read(reader, page, length, record, buffer);
	backlog.inside--;
	return result;
}

static void
write_message(LogicalDecodingContext *ctx, XLogRecPtr lsn, TransactionId xid, bool last)
{
	backlog.inside++;
	backlog.write(ctx, lsn, xid, last);
	backlog.inside--;
}

#if PG_VERSION_NUM >= 150000
static void
update_progress(LogicalDecodingContext *ctx, XLogRecPtr lsn, TransactionId xid, bool skipped)
{
	backlog.inside++;
	backlog.update_progress(ctx, lsn, xid, skipped);
	backlog.inside--;
}
#else
static void
update_progress(LogicalDecodingContext *ctx, XLogRecPtr lsn, TransactionId xid)
{
	backlog.inside++;
	backlog.update_progress(ctx, lsn, xid);
	backlog.inside--;
}
#endif

void
backlog_start(LogicalDecodingContext *ctx)
{
	memset(&backlog, 0, sizeof(backlog));
	if (!ctx->write || !ctx->update_progress)
		return;
	backlog.page_read = ctx->reader->routine.page_read;
	backlog.write = ctx->write;
	backlog.update_progress = ctx->update_progress;
	ctx->reader->routine.page_read = page_read;
	ctx->write = write_message;
	ctx->update_progress = update_progress;
	backlog.ctx = ctx;
}

void
backlog_end(void)
{
	backlog.ctx = NULL;
}

void
backlog_turn(void)
{
	if (backlog.inside == 0)
		backlog.asked = 0;
}

void
backlog_over(void)
{
	backlog.over = true;
}

void
backlog_work(void)
{
	XLogReaderState *reader;

	if (!backlog.ctx || backlog.inside > 0 || backlog.over || ++backlog.asked != 2)
		return;
	reader = backlog.ctx->reader;
	if (reader->EndRecPtr + TAIL >= backlog.flushed)
	{
		/* For the next turn: what the server has decoded before it learnt of this may have seemed the end. */
		backlog.flushed = compat_flushed_log();
		return;
	}
	backlog.inside++;
	for (int i = 0; i < TURN_RECORDS && reader->EndRecPtr + TAIL < backlog.flushed; i++)
	{
		XLogRecord *record;
		char *message;

		CHECK_FOR_INTERRUPTS();
		backlog.ahead = true;
		record = XLogReadRecord(reader, &message);
		backlog.ahead = false;
		/* The server reads it again, and if it cannot, says so. */
		if (!record)
			break;
		LogicalDecodingProcessRecord(backlog.ctx, reader);
		/* The receiver may have been listened to while it took what was written. */
		if (backlog.over || !output_may_wait())
			break;
	}
	backlog.inside--;
}
