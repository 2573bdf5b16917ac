/*
 * backlog.c
 *		Changes to bytes and back; see backlog.h.
 *
 * A spool is read only when nothing is added to it any more, so a backlog is a queue of spools:
 * the newest takes what comes, the older ones are read and thrown away.  The bytes are those of
 * this process: numbers and pointers as they are in memory.
 */
#include "backlog.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "strbuf.h"

typedef enum FrameKind
{
	FRAME_TXN,
	FRAME_CHANGE,
} FrameKind;

/* What of a change has a fixed size. */
typedef struct ChangeHead
{
	FrameKind frame;
	ChangeKind kind;
	const Relation *relation;
	const Refused *refused;
	OldRow old_row;
	int old_count; /* -1: NULL */
	int new_count;
	int truncated_count;
	char operation;
	bool cascade;
	bool restart_identity;
	bool by_delete;
} ChangeHead;

typedef struct TxnFrame
{
	FrameKind frame;
	TxnHeader header;
} TxnFrame;

typedef struct ValueHead
{
	ValueState state;
	uint32_t len;
} ValueHead;

typedef struct Link
{
	Spool *spool;
	struct Link *next;
} Link;

struct Backlog
{
	SpoolSet *set;
	Link *first; /* being read, or to be read next */
	Link *last;
	Spool *writing;        /* NULL: none yet */
	SourceLsn written_end; /* of the transaction written last */
	int64_t changes;
	StrBuf frame; /* being written */
	Arena *arena; /* of the change read last */
	TxnHeader header;
	Change change;
};

Backlog *
backlog_create(SpoolSet *set)
{
	Backlog *backlog = xcalloc(1, sizeof(*backlog));

	backlog->set = set;
	backlog->arena = arena_create(8192);
	strbuf_init(&backlog->frame);
	return backlog;
}

static void
drop_first(Backlog *backlog)
{
	Link *link = backlog->first;

	backlog->first = link->next;
	if (backlog->first == NULL)
		backlog->last = NULL;
	spool_destroy(link->spool);
	free(link);
}

void
backlog_destroy(Backlog *backlog)
{
	if (backlog == NULL)
		return;
	while (backlog->first != NULL)
		drop_first(backlog);
	spool_destroy(backlog->writing);
	strbuf_free(&backlog->frame);
	arena_destroy(backlog->arena);
	free(backlog);
}

bool
backlog_is_empty(const Backlog *backlog)
{
	return backlog->changes == 0;
}

int64_t
backlog_changes(const Backlog *backlog)
{
	return backlog->changes;
}

static void
put_values(StrBuf *frame, const Value *values, int count)
{
	for (int i = 0; i < count; i++)
	{
		ValueHead head = {values[i].state, values[i].state == VALUE_PRESENT ? values[i].len : 0};

		strbuf_add(frame, &head, sizeof(head));
		if (head.len > 0)
			strbuf_add(frame, values[i].data, head.len);
	}
}

bool
backlog_add(Backlog *backlog, const TxnHeader *header, const Change *change, Error *err)
{
	int columns = change->relation != NULL ? change->relation->column_count : 0;
	ChangeHead head;

	if (backlog->writing == NULL)
		backlog->writing = spool_create(backlog->set);
	if (header->end.value != backlog->written_end.value)
	{
		TxnFrame txn;

		memset(&txn, 0, sizeof(txn));
		txn.frame = FRAME_TXN;
		txn.header = *header;
		if (!spool_append(backlog->writing, &txn, sizeof(txn), err))
			return false;
		backlog->written_end = header->end;
	}
	memset(&head, 0, sizeof(head));
	head.frame = FRAME_CHANGE;
	head.kind = change->kind;
	head.relation = change->relation;
	head.old_row = change->old_row;
	head.old_count = change->old_values != NULL ? columns : -1;
	head.new_count = change->new_values != NULL ? columns : -1;
	head.truncated_count = change->truncated_count;
	head.operation = change->operation;
	head.refused = change->refused;
	head.cascade = change->cascade;
	head.restart_identity = change->restart_identity;
	head.by_delete = change->by_delete;
	strbuf_reset(&backlog->frame);
	strbuf_add(&backlog->frame, &head, sizeof(head));
	if (head.truncated_count > 0)
		strbuf_add(&backlog->frame, change->truncated,
		           sizeof(*change->truncated) * (size_t) head.truncated_count);
	put_values(&backlog->frame, change->old_values, head.old_count);
	put_values(&backlog->frame, change->new_values, head.new_count);
	if (!spool_append(backlog->writing, backlog->frame.data, backlog->frame.len, err))
		return false;
	backlog->changes++;
	return true;
}

static const char *
get(const char **at, void *to, size_t len)
{
	const char *from = *at;

	memcpy(to, from, len);
	*at += len;
	return from;
}

static Value *
get_values(Backlog *backlog, const char **at, int count)
{
	Value *values;

	if (count < 0)
		return NULL;
	values = arena_alloc(backlog->arena, sizeof(Value) * ((size_t) count + 1));
	for (int i = 0; i < count; i++)
	{
		ValueHead head;

		get(at, &head, sizeof(head));
		values[i] = (Value){.data = *at, .len = head.len, .state = head.state};
		*at += head.len;
	}
	return values;
}

/* The frame's checksum has been compared: it is what was written. */
static void
read_change(Backlog *backlog, const char *at)
{
	Change *change = &backlog->change;
	const Relation **truncated = NULL;
	ChangeHead head;

	arena_reset(backlog->arena);
	get(&at, &head, sizeof(head));
	if (head.truncated_count > 0)
	{
		size_t size = sizeof(*truncated) * (size_t) head.truncated_count;

		truncated = arena_alloc(backlog->arena, size);
		get(&at, truncated, size);
	}
	memset(change, 0, sizeof(*change));
	change->kind = head.kind;
	change->relation = head.relation;
	change->old_row = head.old_row;
	change->operation = head.operation;
	change->refused = head.refused;
	change->truncated = truncated;
	change->truncated_count = head.truncated_count;
	change->cascade = head.cascade;
	change->restart_identity = head.restart_identity;
	change->by_delete = head.by_delete;
	change->old_values = get_values(backlog, &at, head.old_count);
	change->new_values = get_values(backlog, &at, head.new_count);
}

/* What is being written becomes the last to be read. */
static void
seal(Backlog *backlog)
{
	Link *link = xcalloc(1, sizeof(*link));

	link->spool = backlog->writing;
	*(backlog->last != NULL ? &backlog->last->next : &backlog->first) = link;
	backlog->last = link;
	backlog->writing = NULL;
	backlog->written_end = source_lsn(0);
}

bool
backlog_next(Backlog *backlog, const TxnHeader **header, const Change **change, Error *err)
{
	*header = NULL;
	*change = NULL;
	while (backlog->changes > 0)
	{
		const void *bytes;
		FrameKind frame;
		size_t len;

		if (backlog->first == NULL)
			seal(backlog);
		if (!spool_next(backlog->first->spool, &bytes, &len, err))
			return false;
		if (bytes == NULL)
		{
			drop_first(backlog);
			continue;
		}
		memcpy(&frame, bytes, sizeof(frame));
		if (frame == FRAME_TXN)
		{
			TxnFrame txn;

			memcpy(&txn, bytes, sizeof(txn));
			backlog->header = txn.header;
			continue;
		}
		read_change(backlog, bytes);
		backlog->changes--;
		*header = &backlog->header;
		*change = &backlog->change;
		return true;
	}
	return true;
}
