/*
 * ddl_follow.h
 *		Tables of a job that names its objects, by OID: what is called otherwise now is still the job's,
 *		and partitions are as their parents are.
 *
 * Names are those of the stream's place: each command moves them on.  Holds nothing for a job that
 * takes the whole database, which needs no names.
 */
#ifndef DTS_DDL_FOLLOW_H
#define DTS_DDL_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "ddl_record.h"
#include "job.h"
#include "lsn.h"

typedef struct DdlFollow DdlFollow;

/*
 * The job must outlive it.  load is told of a table that comes to the job's objects with rows: it is
 * to be loaded beside the stream from the end of the transaction on, and no part of the job before.
 */
DdlFollow *
ddl_follow_create(const Job *job,
                  void (*load)(void *arg, int64_t oid, const char *schema, const char *name),
                  void *arg);
void ddl_follow_destroy(DdlFollow *follow); /* NULL is allowed */

/*
 * A table of the job when the session begins, which the decoder sends by its OID; a later name
 * replaces an earlier one.
 */
void ddl_follow_put(DdlFollow *follow, int64_t oid, const char *schema, const char *name);

/* The partitioned table at the top of one that was put; NULL: it is no partition. */
void ddl_follow_put_root(DdlFollow *follow, int64_t oid, const char *schema, const char *name);

/*
 * The same of a table by name, in front of the command at hand or behind it.  False: the job has no such
 * table.
 */
bool ddl_follow_root(const DdlFollow *follow, const char *schema, const char *name,
                     const char **root_schema, const char **root_name);

/* Their OIDs for the decoder, separated by commas; NULL: none.  free() it. */
char *ddl_follow_oids(const DdlFollow *follow);

/* Whether the relation is the job's, before or behind the command at hand. */
bool ddl_follow_selects(const DdlFollow *follow, const char *schema, const char *name);

typedef enum DdlFollowResult
{
	FOLLOW_ON,
	FOLLOW_REOPEN, /* the decoder has to be told of a table: the session begins anew */
	FOLLOW_DOUBT,  /* *reason, in the arena */
} DdlFollowResult;

/*
 * A command comes, of the transaction that ends there: to be called once before it is planned.
 */
DdlFollowResult ddl_follow_command(DdlFollow *follow, Arena *arena, const DdlRecord *record,
                                   SourceLsn end, const char **reason);

#endif /* DTS_DDL_FOLLOW_H */
