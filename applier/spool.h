/*
 * spool.h
 *		Where the messages of transactions in progress wait for their commit.
 *
 * A Spool holds the messages of one transaction, in order.  All of a session share a SpoolSet with
 * its limits: messages stay in memory until the set holds more than memory_limit, then the largest
 * spool moves into a file.  The files have no name (they vanish with the process, however it ends)
 * and are never synced: after a crash the source sends everything again.  Each message carries a
 * checksum, because what is read back is applied.
 */
#ifndef DTS_SPOOL_H
#define DTS_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

typedef struct SpoolSet SpoolSet;
typedef struct Spool Spool;

/* dir is where files go when needed; limits in bytes. */
SpoolSet *spool_set_create(const char *dir, uint64_t memory_limit, uint64_t disk_limit);
void spool_set_destroy(SpoolSet *set); /* its spools too; NULL is allowed */

uint64_t spool_set_memory(const SpoolSet *set); /* bytes held in memory */
uint64_t spool_set_disk(const SpoolSet *set);   /* bytes held in files */

Spool *spool_create(SpoolSet *set);
void spool_destroy(Spool *spool); /* NULL is allowed */

/* Adds a copy of one message.  ERR_DISK: the limit is reached, or the disk is full or broken. */
bool spool_append(Spool *spool, const void *bytes, size_t len, Error *err) must_check;

/*
 * Reads the messages back from the first on; nothing may be added any more.  *bytes is NULL at the
 * end, and otherwise lives until the next call.
 */
bool spool_next(Spool *spool, const void **bytes, size_t *len, Error *err) must_check;

#endif /* DTS_SPOOL_H */
