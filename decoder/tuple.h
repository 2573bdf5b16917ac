/*
 * tuple.h
 *		Rows: from the stored form of a tuple to records on the wire.
 */
#ifndef DTS_TUPLE_H
#define DTS_TUPLE_H

#include "relation.h"

/* One record of a kind; old and new as the kind has them, NULL otherwise.  False: a value that the
 * record cannot do without is not in WAL, and nothing was written. */
extern bool tuple_put_row(Decoder *decoder, RelationEntry *entry, TupleDesc desc,
                          DtsRecordKind kind, HeapTuple old, HeapTuple new, TransactionId xid);

#endif /* DTS_TUPLE_H */
