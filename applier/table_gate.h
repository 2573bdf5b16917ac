/*
 * table_gate.h
 *		Which transactions of the stream are for a table now: the decisions only, no I/O.
 *
 * Every table of a job has a start point: what is in its copy, and hence not for the stream to
 * apply again.  The copy holds a transaction when its commit record starts before the start point's
 * LSN and, where the copy was made under a snapshot of its own, that snapshot sees its top xid.
 * (LSNs alone would not do: a transaction that has written its commit record is not yet seen by a
 * snapshot taken in the next moment.)  What was applied from the table's backlog moves the start
 * point on without a snapshot: everything that commits before `applied` is there.
 */
#ifndef DTS_TABLE_GATE_H
#define DTS_TABLE_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "change.h"
#include "error.h"
#include "lsn.h"

/*
 * X(symbol, name, its changes wait in the backlog, what it means)
 */
#define GATE_STATES(X)                                                                             \
	X(WAITING, "waiting", true, "its copy has not begun")                                          \
	X(COPYING, "copying", true, "its rows are being copied, its indexes built")                    \
	X(COPIED, "copied", true, "data and indexes are whole; it is about to join the stream")        \
	X(JOINED, "joined", false, "the stream applies its changes")                                   \
	X(QUARANTINED, "quarantined", false, "an error put it aside; its changes are left out")        \
	X(REMOVED, "removed", false, "no longer part of the job; its row goes at the next connection")

#define GATE_STATE_ENUM(sym, ...) GATE_##sym,
typedef enum GateState
{
	GATE_STATES(GATE_STATE_ENUM) GATE_STATE_COUNT
} GateState;
#undef GATE_STATE_ENUM

const char *gate_state_name(GateState state);
bool gate_state_parse(const char *name, GateState *state);
bool gate_state_holds(GateState state);

/* What pg_current_snapshot() said: 64-bit xids. */
typedef struct GateSnapshot
{
	bool set;
	uint64_t xmin; /* all below are seen */
	uint64_t xmax; /* none from here on is */
	uint64_t *running;
	int running_count;
} GateSnapshot;

/* Reads "xmin:xmax:a,b,c"; the list lives in the arena. */
bool gate_snapshot_parse(GateSnapshot *snapshot, const char *text, Arena *arena) must_check;

/* Whether it sees a transaction; xid is the wire's, without epoch, and near the snapshot's. */
bool gate_snapshot_sees(const GateSnapshot *snapshot, uint32_t xid);

typedef struct GateTable
{
	uint32_t oid; /* on the source */
	const char *schema;
	const char *name;
	GateState state;
	SourceLsn start; /* 0 while waiting */
	GateSnapshot snapshot;
	SourceLsn applied; /* 0: nothing of the backlog */
	SourceLsn hold;    /* everything that ends after it is to be held; 0: from the slot's start */
} GateTable;

typedef enum GateVerdict
{
	GATE_APPLY,
	GATE_HOLD, /* to the backlog */
	GATE_DROP, /* on the target already, or not wanted there */
} GateVerdict;

/* Whether the table's copy, with what was applied from the backlog, holds the transaction. */
bool gate_in_copy(const GateTable *table, const TxnHeader *header);

/*
 * What becomes of a change.  table NULL: one that was never loaded, and is part of the stream.
 * stored: the target's position; what ends at or before it is on the target for joined tables.
 */
GateVerdict gate_judge(const GateTable *table, const TxnHeader *header, SourceLsn stored);

/* Whether transactions from this position on still have to be looked at for the table's sake. */
bool gate_is_plain(const GateTable *table, SourceLsn stored);

/* Up to where the source may forget, as far as this table is concerned; durable as it stands. */
SourceLsn gate_ack(const GateTable *table, SourceLsn durable);

#endif /* DTS_TABLE_GATE_H */
