/*
 * relation_watch.h
 *		Commands that nobody captured, as far as the stream shows them: a table is described anew in
 *		the middle of it, and not as before.
 *
 * For a job whose source has no capture of DDL.  What a row alone does not tell (defaults, rows
 * written anew, a column dropped and made again between two sessions) is not seen.
 */
#ifndef DTS_RELATION_WATCH_H
#define DTS_RELATION_WATCH_H

#include "change.h"
#include "error.h"

typedef struct RelationWatch RelationWatch;

/* For one session of the source: it keeps pointers to its relations. */
RelationWatch *relation_watch_create(void);
void relation_watch_destroy(RelationWatch *watch); /* NULL is allowed */

/* A change of this relation comes.  False: it is not what it was; err names it and the remedy. */
bool relation_watch_see(RelationWatch *watch, const Relation *relation, const TxnHeader *header,
                        Error *err) must_check;

#endif /* DTS_RELATION_WATCH_H */
