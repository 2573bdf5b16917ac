/*
 * write_set.h
 *		Which rows the transactions in flight have written: for each, the newest that has.
 *
 * A row is known by a token, a hash of its table and its identity.  Two rows that share one cost a
 * wait that was not needed, nothing else.  A table as a whole has a token too, for changes that are
 * not told apart by a key.  Bounded: with very many tokens everything counts as written by the
 * newest transaction.  Pure: no connection, no clock.
 */
#ifndef DTS_WRITE_SET_H
#define DTS_WRITE_SET_H

#include <stdint.h>

typedef struct WriteSet WriteSet;

/* limit: tokens kept at most; 0: a million */
WriteSet *write_set_create(uint64_t limit);
void write_set_destroy(WriteSet *set); /* NULL is allowed */

/* The tokens of a table, by its OID on the source, and of one of its rows. */
uint64_t write_set_table(uint32_t table);
uint64_t write_set_row(uint32_t table, uint64_t key_hash);

/* Transaction number writes it.  Numbers only grow. */
void write_set_add(WriteSet *set, uint64_t token, int64_t number);

/* It writes what cannot be named. */
void write_set_add_all(WriteSet *set, int64_t number);

/* The newest transaction that writes it; 0: none that is not forgotten. */
int64_t write_set_find(const WriteSet *set, uint64_t token);

/* Transactions up to number are over. */
void write_set_forget(WriteSet *set, int64_t number);

uint64_t write_set_count(const WriteSet *set); /* tokens that take room */

#endif /* DTS_WRITE_SET_H */
