/*
 * txn.c
 *		Assembly of transactions; see txn.h.
 *
 * A message is looked at in txn_message(), its records in txn_next().  A piece of a transaction in
 * progress is read once when it arrives, because the descriptions in it hold for the session even
 * if the transaction aborts, and because a malformed piece should be reported while the connection
 * that it came from is still known; and once more when it is replayed.
 *
 * One transaction in progress may go ahead: its records are handed out as they come, besides being kept.
 * When any of it aborts, or the reader cannot go on with it, that is revoked, and the transaction
 * is one like the others: it is replayed at its commit.
 *
 * The records of an aborted subtransaction stay in the spool and are left out by the replay, which
 * knows all aborted ones by then.  Decoding may have noticed such an abort in the middle of a
 * record: long values that miss their record are taken as the promise of an abort, and a commit
 * that breaks the promise is refused.
 */
#include "txn.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "spool.h"
#include "wire_read.h"

typedef struct XidSet
{
	uint32_t *xids; /* sorted when replayed */
	size_t count;
	size_t size;
} XidSet;

/* One transaction in progress. */
typedef struct Stream
{
	struct Stream *next;
	uint32_t xid;
	uint64_t chunks; /* received */
	Spool *spool;
	LongValues *longs; /* lengths of those whose record has not arrived */
	XidSet aborted;    /* subtransactions */
	XidSet cut_off;    /* those that must be among the aborted */
} Stream;

typedef enum TxnState
{
	TXN_WAITING,   /* for a message; a plain transaction may be open */
	TXN_RECORDS,   /* in the middle of a chunk */
	TXN_REPLAYING, /* a streamed transaction's commit arrived */
	TXN_AHEAD,     /* in the middle of a piece of the transaction that goes ahead */
	TXN_BROKEN,
} TxnState;

struct TxnAssembler
{
	TxnOptions options;
	WireReader *reader;
	SpoolSet *spools;
	LongValues *longs;         /* of the open transaction */
	LongValues *dropped_longs; /* of its aborted subtransactions */
	char *encoding;

	TxnState state;
	bool open;        /* a transaction is being handed out */
	bool begin;       /* its BEGIN is still to be handed out */
	bool last;        /* its last chunk is being read */
	TxnHeader header; /* its header */
	uint64_t chunk;   /* its next chunk */
	SourceLsn position;

	Stream *streams;
	int stream_count;
	Stream *replayed;
	Stream *ahead;          /* the one of streams that goes ahead, or NULL */
	TxnHeader ahead_header; /* all that is known of its header */
	bool revoked;           /* it went ahead, and its abort is to be handed out */
	bool replay_is_done;    /* the replayed one went ahead: its records were handed out before */
	Change change;
};

TxnAssembler *
txn_create(const TxnOptions *options)
{
	TxnAssembler *t = xcalloc(1, sizeof(*t));

	t->options = *options;
	t->options.work_dir = NULL;
	t->position = options->start;
	t->reader = wire_reader_create();
	t->spools = spool_set_create(options->work_dir ? options->work_dir : ".", options->memory_limit,
	                             options->spool_limit);
	t->longs = long_values_create(true);
	t->dropped_longs = long_values_create(false);
	return t;
}

static void
xid_set_add(XidSet *set, uint32_t xid)
{
	if (set->count == set->size)
	{
		set->size = set->size ? 2 * set->size : 16;
		set->xids = xrealloc(set->xids, sizeof(uint32_t) * set->size);
	}
	set->xids[set->count++] = xid;
}

static int
compare_xids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

static void
xid_set_sort(XidSet *set)
{
	if (set->count > 0)
		qsort(set->xids, set->count, sizeof(uint32_t), compare_xids);
}

/* The set must be sorted. */
static bool
xid_set_has(const XidSet *set, uint32_t xid)
{
	return set->count > 0 &&
	       bsearch(&xid, set->xids, set->count, sizeof(xid), compare_xids) != NULL;
}

static void
stream_destroy(Stream *s)
{
	spool_destroy(s->spool);
	long_values_destroy(s->longs);
	free(s->aborted.xids);
	free(s->cut_off.xids);
	free(s);
}

void
txn_destroy(TxnAssembler *t)
{
	if (t == NULL)
		return;
	while (t->streams != NULL)
	{
		Stream *s = t->streams;

		t->streams = s->next;
		stream_destroy(s);
	}
	if (t->replayed != NULL)
		stream_destroy(t->replayed);
	spool_set_destroy(t->spools);
	long_values_destroy(t->longs);
	long_values_destroy(t->dropped_longs);
	wire_reader_destroy(t->reader);
	free(t->encoding);
	free(t);
}

bool
txn_is_open(const TxnAssembler *t)
{
	return t->open && !t->begin;
}

const char *
txn_encoding(const TxnAssembler *t)
{
	return t->encoding;
}

int
txn_streams(const TxnAssembler *t)
{
	return t->stream_count;
}

void
txn_hold(TxnAssembler *t)
{
	t->ahead = NULL;
	t->replay_is_done = false;
}

uint64_t
txn_spooled(const TxnAssembler *t)
{
	return spool_set_memory(t->spools) + spool_set_disk(t->spools);
}

/* The place where the link to the stream of this transaction is, or would be. */
static Stream **
find_stream(TxnAssembler *t, uint32_t xid)
{
	Stream **link = &t->streams;

	while (*link != NULL && (*link)->xid != xid)
		link = &(*link)->next;
	return link;
}

static Stream *
take_stream(TxnAssembler *t, Stream **link)
{
	Stream *s = *link;

	*link = s->next;
	t->stream_count--;
	return s;
}

static bool
take_hello(TxnAssembler *t, const WireMessage *m, Error *err)
{
	int expected = t->options.server_version;

	if (t->encoding != NULL)
	{
		wire_read_error(t->reader, err, "It comes once in a session, and came again");
		return false;
	}
	if (expected != 0 && m->server_version != (uint32_t) expected)
	{
		wire_read_error(t->reader, err, "It names server version %u, the connection %d",
		                m->server_version, expected);
		return false;
	}
	t->encoding = xstrdup(m->encoding);
	return true;
}

/* A committed transaction begins to be handed out. */
static bool
begin(TxnAssembler *t, const WireMessage *m, Error *err)
{
	if (m->header.commit.value < t->position.value)
	{
		wire_read_error(t->reader, err,
		                "Transaction %u committed at " LSN_FORMAT
		                ", before the position reached, " LSN_FORMAT,
		                m->header.xid, LSN_ARGS(m->header.commit), LSN_ARGS(t->position));
		return false;
	}
	t->open = true;
	t->begin = true;
	t->header = m->header;
	return true;
}

static bool
same_header(const TxnHeader *a, const TxnHeader *b)
{
	/* origins are interned */
	return a->xid == b->xid && a->commit.value == b->commit.value && a->end.value == b->end.value &&
	       a->commit_time == b->commit_time && a->origin == b->origin;
}

static bool
take_chunk(TxnAssembler *t, const WireMessage *m, Error *err)
{
	WireRecords records = {.longs = t->longs};

	if (!t->open)
	{
		if ((m->flags & DTS_CHUNK_FIRST) == 0)
		{
			wire_read_error(t->reader, err, "Chunk %llu of transaction %u came without the first",
			                (unsigned long long) m->chunk_number, m->header.xid);
			return false;
		}
		if (!begin(t, m, err))
			return false;
		long_values_clear(t->longs);
	}
	else if (!same_header(&m->header, &t->header) || m->chunk_number != t->chunk)
	{
		wire_read_error(t->reader, err,
		                "Chunk %llu of transaction %u came where chunk %llu of %u was due",
		                (unsigned long long) m->chunk_number, m->header.xid,
		                (unsigned long long) t->chunk, t->header.xid);
		return false;
	}
	t->chunk = m->chunk_number + 1;
	t->last = (m->flags & DTS_CHUNK_LAST) != 0;
	t->state = TXN_RECORDS;
	wire_read_records(t->reader, &records);
	return true;
}

static Stream *
stream_create(TxnAssembler *t, uint32_t xid)
{
	Stream *s = xcalloc(1, sizeof(*s));
	bool ahead = t->options.ahead && t->ahead == NULL;

	if (ahead)
	{
		t->ahead = s;
		t->ahead_header = (TxnHeader){.xid = xid, .origin = ""};
	}
	s->xid = xid;
	s->spool = spool_create(t->spools);
	s->longs = long_values_create(ahead);
	s->next = t->streams;
	t->streams = s;
	t->stream_count++;
	return s;
}

static void
note_cut_off(void *arg, uint32_t xid)
{
	xid_set_add(&((Stream *) arg)->cut_off, xid);
}

static bool
take_piece(TxnAssembler *t, const WireMessage *m, const void *bytes, size_t len, Error *err)
{
	Stream *s = *find_stream(t, m->xid);
	WireRecords records = {.cut_off = note_cut_off};
	WireStep step;
	size_t unused;

	if (!t->options.streaming)
	{
		wire_read_error(t->reader, err, "Transactions in progress were not asked for");
		return false;
	}
	if (m->chunk_number != (s ? s->chunks : 0))
	{
		wire_read_error(
		    t->reader, err, "Piece %llu of transaction %u came where piece %llu was due",
		    (unsigned long long) m->chunk_number, m->xid, (unsigned long long) (s ? s->chunks : 0));
		return false;
	}
	if (s == NULL)
		s = stream_create(t, m->xid);
	s->chunks++;
	records.longs = s->longs;
	records.arg = s;
	wire_read_records(t->reader, &records);
	if (s == t->ahead)
	{
		t->state = TXN_AHEAD;
		return spool_append(s->spool, bytes, len, err);
	}
	while ((step = wire_read_next(t->reader, &t->change, &unused, err)) == WIRE_CHANGE)
		;
	return step == WIRE_END && spool_append(s->spool, bytes, len, err);
}

/* One that is not known had nothing of interest in it. */
static void
take_abort(TxnAssembler *t, const WireMessage *m)
{
	Stream **link = find_stream(t, m->xid);

	if (*link == NULL)
		return;
	if (*link == t->ahead)
	{
		t->ahead = NULL;
		t->revoked = true;
	}
	if (m->aborted_xid == m->xid)
		stream_destroy(take_stream(t, link));
	else
		xid_set_add(&(*link)->aborted, m->aborted_xid);
}

static bool
is_aborted(void *arg, uint32_t xid)
{
	return xid_set_has(&((const Stream *) arg)->aborted, xid);
}

/* No record of the transaction may be missing but those of aborted subtransactions. */
static bool
check_complete(TxnAssembler *t, Stream *s, Error *err)
{
	uint32_t xid = 0;

	if (long_values_pending(s->longs))
		xid_set_add(&s->cut_off, long_values_xid(s->longs));
	for (size_t i = 0; i < s->cut_off.count && xid == 0; i++)
	{
		if (!xid_set_has(&s->aborted, s->cut_off.xids[i]))
			xid = s->cut_off.xids[i];
	}
	if (xid == 0)
		return true;
	wire_read_error(t->reader, err,
	                "The record that long values of transaction %u belong to did not come", xid);
	return false;
}

/*
 * A commit without pieces is refused rather than taken for an empty transaction: they would be lost
 * without a trace.
 */
static bool
take_stream_commit(TxnAssembler *t, const WireMessage *m, Error *err)
{
	Stream **link = find_stream(t, m->xid);

	if (*link == NULL)
	{
		wire_read_error(t->reader, err, "No piece of transaction %u came before", m->xid);
		return false;
	}
	xid_set_sort(&(*link)->aborted);
	if (!check_complete(t, *link, err) || !begin(t, m, err))
		return false;
	t->replayed = take_stream(t, link);
	t->replay_is_done = t->replayed == t->ahead;
	if (t->replay_is_done)
		t->ahead = NULL;
	long_values_clear(t->longs);
	long_values_clear(t->dropped_longs);
	t->state = TXN_REPLAYING;
	t->last = false;
	return true;
}

static bool
refuse_prepared(TxnAssembler *t, Error *err)
{
	wire_read_error(t->reader, err, "Prepared transactions were not asked for (two_phase is off)");
	return false;
}

static bool
take_message(TxnAssembler *t, const WireMessage *m, const void *bytes, size_t len, Error *err)
{
	if (t->encoding == NULL && m->kind != DTS_MSG_HELLO)
	{
		wire_read_error(t->reader, err, "A session begins with message \"hello\"");
		return false;
	}
	if (t->open && m->kind != DTS_MSG_TXN)
	{
		wire_read_error(t->reader, err, "Chunk %llu of transaction %u was due",
		                (unsigned long long) t->chunk, t->header.xid);
		return false;
	}
	switch (m->kind)
	{
		case DTS_MSG_HELLO:
			return take_hello(t, m, err);
		case DTS_MSG_TXN:
			return take_chunk(t, m, err);
		case DTS_MSG_STREAM:
			return take_piece(t, m, bytes, len, err);
		case DTS_MSG_STREAM_COMMIT:
			return take_stream_commit(t, m, err);
		case DTS_MSG_STREAM_ABORT:
			take_abort(t, m);
			return true;
		case DTS_MSG_PREPARE:
		case DTS_MSG_STREAM_PREPARE:
		case DTS_MSG_COMMIT_PREPARED:
		case DTS_MSG_ROLLBACK_PREPARED:
			return refuse_prepared(t, err);
	}
	return refuse_prepared(t, err);
}

bool
txn_message(TxnAssembler *t, const void *bytes, size_t len, Error *err)
{
	WireMessage m;

	if (t->state != TXN_WAITING)
	{
		error_set(err, ERR_INTERNAL,
		          "a message was given to an assembler that did not wait for it");
		return false;
	}
	if (wire_read_begin(t->reader, bytes, len, &m, err) && take_message(t, &m, bytes, len, err))
		return true;
	t->state = TXN_BROKEN;
	return false;
}

/* Nothing of the open transaction is left to hand out but its COMMIT. */
static bool
commit(TxnAssembler *t, SourceEvent *event, Error *err)
{
	if (long_values_pending(t->longs))
	{
		wire_read_error(t->reader, err,
		                "The record that long values of transaction %u belong to "
		                "did not come",
		                t->header.xid);
		t->state = TXN_BROKEN;
		return false;
	}
	if (t->replayed != NULL)
		stream_destroy(t->replayed);
	t->replayed = NULL;
	t->open = false;
	t->position = t->header.end;
	t->state = TXN_WAITING;
	event->kind = SOURCE_COMMIT;
	event->header = &t->header;
	event->ahead = t->replay_is_done;
	t->replay_is_done = false;
	return true;
}

/* Opens the next piece of the replayed transaction; *more is false when there is none. */
static bool
next_piece(TxnAssembler *t, bool *more, Error *err)
{
	WireRecords records = {.longs = t->longs, .known = true, .dropped = is_aborted};
	const void *bytes;
	WireMessage m;
	size_t len;

	if (!spool_next(t->replayed->spool, &bytes, &len, err))
		return false;
	*more = bytes != NULL;
	if (!*more)
		return true;
	records.dropped_longs = t->dropped_longs;
	records.arg = t->replayed;
	if (!wire_read_begin(t->reader, bytes, len, &m, err))
		return false;
	wire_read_records(t->reader, &records);
	t->state = TXN_RECORDS;
	return true;
}

/* Records of the transaction that goes ahead; when it does not any more, they are passed over. */
static bool
next_ahead(TxnAssembler *t, SourceEvent *event, Error *err)
{
	WireStep step;

	do
		step = wire_read_next(t->reader, &t->change, &event->bytes, err);
	while (step == WIRE_CHANGE && t->ahead == NULL);
	switch (step)
	{
		case WIRE_CHANGE:
			event->kind = SOURCE_CHANGE;
			event->change = &t->change;
			event->header = &t->ahead_header;
			event->ahead = true;
			return true;
		case WIRE_FAILED:
			return false;
		case WIRE_END:
			break;
	}
	t->state = TXN_WAITING;
	return true;
}

/* Records and the ends of chunks and pieces. */
static bool
next_in_transaction(TxnAssembler *t, SourceEvent *event, Error *err)
{
	bool more;

	for (;;)
	{
		if (t->state == TXN_RECORDS)
		{
			switch (wire_read_next(t->reader, &t->change, &event->bytes, err))
			{
				case WIRE_CHANGE:
					event->kind = SOURCE_CHANGE;
					event->change = &t->change;
					event->header = &t->header;
					return true;
				case WIRE_FAILED:
					return false;
				case WIRE_END:
					break;
			}
			if (t->replayed == NULL && t->last)
				return commit(t, event, err);
			t->state = t->replayed == NULL ? TXN_WAITING : TXN_REPLAYING;
		}
		if (t->state != TXN_REPLAYING)
			return true; /* idle: the next chunk is due */
		if (t->replay_is_done)
			return commit(t, event, err);
		if (!next_piece(t, &more, err))
			return false;
		if (!more)
			return commit(t, event, err);
	}
}

bool
txn_next(TxnAssembler *t, SourceEvent *event, Error *err)
{
	memset(event, 0, sizeof(*event));
	event->kind = SOURCE_IDLE;
	if (t->revoked)
	{
		t->revoked = false;
		event->kind = SOURCE_REVOKE;
		return true;
	}
	if (t->state == TXN_WAITING)
		return true;
	if (t->state == TXN_BROKEN)
	{
		error_set(err, ERR_INTERNAL, "the session has failed before");
		return false;
	}
	if (t->begin)
	{
		t->begin = false;
		event->kind = SOURCE_BEGIN;
		event->header = &t->header;
		event->ahead = t->replay_is_done;
		return true;
	}
	if (t->state == TXN_AHEAD ? next_ahead(t, event, err) : next_in_transaction(t, event, err))
		return true;
	t->state = TXN_BROKEN;
	return false;
}
