/*
 * table_join.h
 *		The tables of a job that are not, or not simply, part of the stream: their changes wait in
 *		backlogs, and at a batch's boundary they leave the stream or join it.
 *
 * Sits between the source's events and the target's batches (flow.c).  Whatever changes a table's
 * standing is a target transaction of its own at a boundary, with nothing in flight before or
 * after: its row in dts.target_table and the stream's position commit together.
 *
 * A table joins in slices: so many transactions of its backlog in one target transaction, which
 * also notes how far they reach, and the last one with the mark "joined".  Between two of them the
 * other tables' stream goes on.
 *
 * Knows no socket and no clock; takes a Target, and hands it SQL for the bookkeeping.
 */
#ifndef DTS_TABLE_JOIN_H
#define DTS_TABLE_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "source.h"
#include "table_gate.h"
#include "target.h"

typedef struct TableJoin TableJoin;

typedef struct TableJoinOptions
{
	const char *slot_name; /* in dts.target_table */
	SourceLsn stored;      /* the target's position when the session began */
	const char *work_dir;  /* for the backlogs' files */
	uint64_t memory_limit; /* of all backlogs together; 0: 8 MB */
	uint64_t disk_limit;   /* 0: 64 GB */
	int64_t slice_changes; /* a slice ends behind a transaction when it has so many; 0: 5000 */
} TableJoinOptions;

/* The options' texts need not outlive the call. */
TableJoin *table_join_create(const TableJoinOptions *options);
void table_join_destroy(TableJoin *join); /* NULL is allowed */

/*
 * A row of dts.target_table as it is now, at the beginning or after its copy has come further.
 * Copied; what is known of the table's backlog stays.
 */
void table_join_put(TableJoin *join, const GateTable *table);

/*
 * Wishes for the next boundary: to hold the table's changes from there on (state waiting; empty:
 * its rows on the target are to go before it is copied), or to leave it out for good (removed).
 */
void
table_join_hold(TableJoin *join, uint32_t oid, const char *schema, const char *name, bool empty);
void table_join_remove(TableJoin *join, uint32_t oid, const char *schema, const char *name);

/*
 * A table whose standing has changed durably since the last call (waiting, joined or removed), or
 * NULL; each change is told once.  `replaces`: it waits because it took the place of one that was
 * being loaded.
 */
const GateTable *table_join_changed(TableJoin *join, bool *replaces);

/* Tables whose changes are held, and changes that wait in backlogs. */
int table_join_holding(const TableJoin *join);
int64_t table_join_waiting(const TableJoin *join);

/* Whether the copy of the table that has this name on the target holds the transaction. */
bool table_join_in_copy(const TableJoin *join, const TxnHeader *header, const char *schema,
                        const char *name);

/* From where the source has to send, or may forget, given the target's durable position. */
SourceLsn table_join_ack(const TableJoin *join, SourceLsn durable);

/* SQL of the target's that is to run where that wish is carried out, in its transaction, before it. */
void table_join_before(TableJoin *join, uint32_t oid, const char *sql);

/*
 * For the flow.
 */

/* Takes out of an event of kind SOURCE_CHANGE what is not for the target now. */
bool table_join_admit(TableJoin *join, const TxnHeader *header, SourceEvent *event,
                      Error *err) must_check;

/* Whether changes of the relation are simply part of the stream from here on, whatever their transaction. */
bool table_join_is_plain(const TableJoin *join, const Relation *relation);

/* The source has handed out everything before this. */
void table_join_passed(TableJoin *join, SourceLsn position);

/* Nothing came from the source: a pause between slices is over. */
void table_join_rest(TableJoin *join);

/* Whether something is to be done at this boundary; inside its target transaction. */
bool table_join_pending(TableJoin *join);
bool table_join_busy(const TableJoin *join);

/*
 * Goes on with what is to be done.  position: the stream's; in_flight: commits not yet answered.
 * TARGET_WAIT: look at the target's socket and call again before anything else.
 */
TargetResult table_join_step(TableJoin *join, Target *target, const char *encoding,
                             SourceLsn position, int in_flight, Error *err);

#endif /* DTS_TABLE_JOIN_H */
