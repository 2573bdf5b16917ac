/*
 * net_changes.h
 *		A run of changes kept in memory, and what they come to for each row.
 *
 * The changes are kept twice: as they came, so that they can be applied in order when that is
 * needed after all, and as net rows, one for each key of a table.  Both share the values, which are
 * copied once into the arena.  Pure: no connection, no clock.
 *
 * Net rows: insert and update make an insert, two updates one, a row that is inserted and deleted
 * again leaves nothing, a delete and an insert replace the row.  A value that an update did not
 * carry (unchanged TOAST) is taken from the change before it, or stays unchanged.
 */
#ifndef DTS_NET_CHANGES_H
#define DTS_NET_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "change.h"
#include "engine_stats.h"

typedef enum NetKind
{
	NET_INSERT,
	NET_UPDATE,
	NET_DELETE,
	NET_REPLACE, /* delete, then insert */
	NET_NOTHING, /* inserted and deleted: must not be there */
	NET_KINDS,
} NetKind;

/* What the keeper must know of a table; lives longer than the run. */
typedef struct NetSubject
{
	const Relation *relation;
	void *owner;            /* not looked at */
	const int *key_columns; /* by which a row is found */
	int key_count;          /* 0: updates and deletes have to be applied in order, */
	EngineOrder keyless;    /* ... because of this */
	EngineOrder order;      /* not ORDER_NONE: all of it has to be */
} NetSubject;

typedef struct NetRow
{
	struct NetRow *next;  /* of the table, in order of first appearance */
	struct NetRow *chain; /* of the hash bucket */
	const Value *values;  /* column_count; for a delete those of the key */
	uint64_t hash;
	SourceLsn commit; /* of the newest change */
	NetKind kind;
	bool merged; /* out of several changes */
	bool waits;  /* the owner's: sent only when its transaction's turn has come */
	int shape;   /* the grouping's */
} NetRow;

typedef struct NetTable
{
	struct NetTable *next; /* of the run, in order of first appearance */
	const NetSubject *subject;
	EngineOrder order; /* ORDER_NONE: the net rows stand for all its changes */
	int64_t changes;
	int64_t kinds[NET_KINDS]; /* net rows by kind */
	NetRow *rows;
	NetRow **rows_end;
	int64_t row_count;
	NetRow **buckets; /* NULL while nothing but inserts came */
	uint64_t bucket_count;
} NetTable;

/* A change as it came. */
typedef struct NetChange
{
	NetTable *table; /* NULL: truncate */
	union
	{
		const Value *old_values;
		const Change *truncate; /* all there is to it */
	};
	const Value *new_values;
	SourceLsn commit; /* of its transaction */
	uint8_t kind;     /* ChangeKind */
	uint8_t old_row;  /* OldRow */
	char operation;
} NetChange;

#define NET_BLOCK 512

typedef struct NetBlock
{
	struct NetBlock *next;
	int count;
	NetChange changes[NET_BLOCK];
} NetBlock;

typedef struct NetRun
{
	Arena *arena; /* borrowed; holds everything */
	NetTable *tables;
	NetTable **tables_end;
	NetBlock *first;
	NetBlock *last;
	int64_t count;
} NetRun;

void net_run_init(NetRun *run, Arena *arena);

/* A table of the run; subject is borrowed.  Once for each table that changes come for. */
NetTable *net_run_table(NetRun *run, const NetSubject *subject);

/* Keeps a row change of the table. */
void net_run_add(NetRun *run, NetTable *table, const Change *change, SourceLsn commit);

/* Keeps a truncate, which no net row knows of: whoever keeps one applies the run in order. */
void net_run_truncate(NetRun *run, const Change *change, SourceLsn commit);

/* A hash of the key of a net row that has one. */
bool net_row_key(const NetTable *table, const NetRow *row, uint64_t *hash);

/* The change as it was handed in. */
void net_change_restore(const NetChange *kept, Change *change);

#endif /* DTS_NET_CHANGES_H */
