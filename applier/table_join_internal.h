/*
 * table_join_internal.h
 *		What the files of table_join share: the tables, and the operation under way.
 */
#ifndef DTS_TABLE_JOIN_INTERNAL_H
#define DTS_TABLE_JOIN_INTERNAL_H

#include "arena.h"
#include "backlog.h"
#include "table_join.h"

#define JOIN_BUCKETS 1024

typedef enum Wish
{
	WISH_NONE,
	WISH_HOLD,
	WISH_REMOVE,
} Wish;

typedef struct JoinTable
{
	GateTable gate;
	Arena *arena; /* texts and the snapshot's list */
	Backlog *backlog;
	Wish wish;     /* for the next boundary */
	bool empty;    /* with WISH_HOLD: its rows on the target go */
	bool replaces; /* the wish is ours: it took the place of one that is being loaded */
	char *before;  /* SQL that precedes the wish; NULL: none */
	Wish doing;    /* the wish that is being carried out */
	bool told;     /* its standing has been told of */
	/* read from the backlog and not yet taken by the target */
	const TxnHeader *header;
	const Change *change;
	struct JoinTable *chain; /* of the same bucket */
	struct JoinTable *next;  /* of all */
} JoinTable;

typedef enum JoinStage
{
	JOIN_IDLE,
	JOIN_BEGIN,
	JOIN_WORK,
	JOIN_MARK,
	JOIN_COMMIT,
	JOIN_ANSWER, /* committed, not yet answered */
} JoinStage;

struct TableJoin
{
	char *slot_name;
	SourceLsn stored;
	SourceLsn passed;
	int64_t slice_changes;
	SpoolSet *spools;
	JoinTable *buckets[JOIN_BUCKETS];
	JoinTable *first;
	int64_t pause; /* events until the next slice */

	/* the operation under way */
	JoinStage stage;
	JoinTable *joining; /* NULL: wishes */
	JoinTable *at;      /* the wish to be written next */
	int64_t in_slice;
	bool whole; /* the backlog's end was reached */
	SourceLsn slice_end;
	SourceLsn position;

	/* what is left of a truncate */
	const Relation **remaining;
	int remaining_room;
	Change reduced;
};

/* NULL: one that the join has not met. */
JoinTable *join_table_find(const TableJoin *join, uint32_t oid);

/* One that is simply part of the stream. */
JoinTable *join_table_pass(TableJoin *join, uint32_t oid);

/* A table that has taken the old one's name while that is being loaded: it waits from here on. */
JoinTable *join_table_replace(TableJoin *join, const JoinTable *old, uint32_t oid);

#endif /* DTS_TABLE_JOIN_INTERNAL_H */
