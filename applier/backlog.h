/*
 * backlog.h
 *		The changes of one table that wait for its copy: transactions in commit order.
 *
 * A cache only: the source keeps the WAL that it came from until its changes are on the target.
 * It lives in spools (spool.h), so in memory up to a limit that all backlogs share, and then in
 * files without a name, with checksums.  Relations are kept as pointers: a backlog must not outlive
 * the source's session.
 */
#ifndef DTS_BACKLOG_H
#define DTS_BACKLOG_H

#include <stdbool.h>

#include "change.h"
#include "error.h"
#include "spool.h"

typedef struct Backlog Backlog;

Backlog *backlog_create(SpoolSet *set);
void backlog_destroy(Backlog *backlog); /* NULL is allowed */

/* Adds one change; those of a transaction follow one another. */
bool
backlog_add(Backlog *backlog, const TxnHeader *header, const Change *change, Error *err) must_check;

bool backlog_is_empty(const Backlog *backlog);
int64_t backlog_changes(const Backlog *backlog); /* not yet read */

/*
 * Takes the oldest change out.  *header and *change live until the next call, and are NULL when
 * nothing is left.  What was added before is read before what is added after.
 */
bool backlog_next(Backlog *backlog, const TxnHeader **header, const Change **change,
                  Error *err) must_check;

#endif /* DTS_BACKLOG_H */
