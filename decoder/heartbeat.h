/*
 * heartbeat.h
 *		The job's own beat: a row that it writes on the source to see it come back.
 */
#ifndef DTS_HEARTBEAT_H
#define DTS_HEARTBEAT_H

#include "decoder.h"
#include "utils/rel.h"

#define DTS_HEARTBEAT_TABLE "dts_postgres_heartbeat" /* in schema public */

/* Whether the relation is the table of beats.  Anybody's imitation does no harm: see heartbeat.c. */
extern bool heartbeat_is_table(Relation relation);

/* Puts a row of that table into the stream when it is of the slot that is read. */
extern void heartbeat_put(Decoder *decoder, Relation relation, HeapTuple row, TransactionId xid);

#endif /* DTS_HEARTBEAT_H */
