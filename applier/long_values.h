/*
 * long_values.h
 *		Values that arrive in fragments before the record that uses them.
 *
 * One of these belongs to one run of records: a transaction in chunks, or the pieces of one
 * streamed transaction.  The values of one record are kept until the record after it is read.
 */
#ifndef DTS_LONG_VALUES_H
#define DTS_LONG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct LongValues LongValues;

/* keep false: lengths are checked and counted, bytes are not stored (data is NULL then). */
LongValues *long_values_create(bool keep);
void long_values_destroy(LongValues *values); /* NULL is allowed */

/* Forgets everything. */
void long_values_clear(LongValues *values);

/*
 * One fragment of (sub)transaction xid; total is read when first is set.  Returns NULL, or what was
 * expected instead.
 */
const char *long_values_add(LongValues *values, uint32_t xid, bool first, bool last, uint64_t total,
                            const char *bytes, size_t len);

/* The next complete value; false when there is none. */
bool long_values_take(LongValues *values, const char **data, uint32_t *len);

/* Whether a value is unfinished or waits to be taken, and whose they are. */
bool long_values_pending(const LongValues *values);
bool long_values_open(const LongValues *values); /* the newest is unfinished */
uint32_t long_values_xid(const LongValues *values);

#endif /* DTS_LONG_VALUES_H */
