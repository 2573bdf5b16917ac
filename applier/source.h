/*
 * source.h
 *		ChangeSource: where committed transactions come from.
 *
 * A source hands out whole committed transactions in commit order as a flat run of events
 * BEGIN, CHANGE..., COMMIT; those of two transactions never mix.  A large transaction is handed out
 * as it arrives: nobody holds it in memory.  The consumer pulls, and stops pulling to push back.
 *
 * The one exception: a transaction that has not committed yet may go ahead.  Its changes come between the
 * others' transactions, with event.ahead set, each behind every transaction that committed before it.
 * When it commits, BEGIN and COMMIT with event.ahead follow each other; or SOURCE_REVOKE undoes all
 * that came of it.  The consumer refuses one with hold().
 */
#ifndef DTS_SOURCE_H
#define DTS_SOURCE_H

#include <stdbool.h>

#include "change.h"
#include "error.h"

typedef enum SourceEventKind
{
	SOURCE_IDLE,      /* nothing more without waiting; poll the socket */
	SOURCE_BEGIN,     /* header */
	SOURCE_CHANGE,    /* change */
	SOURCE_COMMIT,    /* header */
	SOURCE_REVOKE,    /* the transaction that went ahead aborts, or a part of it does: nothing of it
	                     holds, and what is to be had of it comes when it commits */
	SOURCE_KEEPALIVE, /* wal_end: everything before it has been handed out (only between
	                     transactions) */
} SourceEventKind;

typedef struct SourceEvent
{
	SourceEventKind kind;
	const TxnHeader *header;
	const Change *change;
	bool ahead; /* of the transaction that goes ahead; a change's header has no more than its xid */
	SourceLsn wal_end;
	bool reply_wanted; /* SOURCE_KEEPALIVE: the source waits for an answer, perhaps to shut down */
	size_t bytes;      /* roughly, of this event on the wire */
} SourceEvent;

typedef struct ChangeSource ChangeSource;

typedef struct ChangeSourceOps
{
	const char *name;

	/* The next event without blocking.  False: err says why; the session is then of no more use. */
	bool (*next)(ChangeSource *source, SourceEvent *event, Error *err);

	/*
	 * Tells the source that everything before `durable` is durable on the target.  Sends feedback
	 * when that moved, when the source asked, or when half of its timeout went by; to be called
	 * often, also while busy.  now_us is a monotonic clock.
	 */
	bool (*feedback)(ChangeSource *source, SourceLsn durable, int64_t now_us, Error *err);

	/*
	 * The transaction that goes ahead is to wait for its commit after all.  What came of it so far, the
	 * event at hand included, comes again then; a BEGIN at hand with event.ahead is the beginning of that.
	 * NULL: none ever goes ahead.
	 */
	void (*hold)(ChangeSource *source);

	/* The descriptor to poll, and the furthest position heard of. */
	int (*socket)(const ChangeSource *source);

	/* Whether that has anything to read: until told again, what has nothing is not asked. */
	void (*polled)(ChangeSource *source, bool readable);
	SourceLsn (*source_end)(const ChangeSource *source);

	/* Bytes kept of transactions that have not committed yet. */
	uint64_t (*held)(const ChangeSource *source);

	/* The encoding that text values are in, once the session has begun. */
	const char *(*encoding)(const ChangeSource *source);

	void (*close)(ChangeSource *source);
} ChangeSourceOps;

/* Embedded first in every implementation. */
struct ChangeSource
{
	const ChangeSourceOps *ops;
};

#endif /* DTS_SOURCE_H */
