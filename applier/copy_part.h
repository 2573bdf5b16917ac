/*
 * copy_part.h
 *		Moves rows and sequence values from source to target inside the caller's transaction.
 */
#ifndef DTS_COPY_PART_H
#define DTS_COPY_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "copy_pace.h"
#include "copy_queue.h"
#include "error.h"
#include "job.h"
#include "pg_session.h"
#include "strbuf.h"

typedef struct CopyPart
{
	const CopyTask *task;
	const struct ObjectMap *map; /* where the task's table is on the target */
	bool merge;             /* by way of a staging table: rows whose key exists stay as they are */
	const char *target_sql; /* the task's, or what takes its place */
	CopyPace *pace;         /* the limits that it keeps to */
	bool deaf;              /* what the target says during the COPY is no sign of its failure */
	void (*progress)(void *arg, int64_t rows, int64_t bytes); /* now and then */
	void *arg;
} CopyPart;

typedef enum CopyPartEnd
{
	PART_FAILED,        /* err */
	PART_SNAPSHOT_LOST, /* err, too */
	PART_CHANGED,       /* the table is not what the snapshot shows; err says how */
	PART_GAVE_WAY,      /* somebody on the source waits for the table, or has it: later */
	PART_AGAIN,         /* the target spoke without having failed: again, deaf to that */
} CopyPartEnd;

/*
 * The source's transaction on the snapshot, for one part or several.  It waits for a lock no longer
 * than a moment.
 */
bool
copy_part_begin(PgSession *source, const char *snapshot, CopyPartEnd *end, Error *err) must_check;

/* Ends it, whatever state it is in.  False: the session is of no use any more. */
bool copy_part_end(PgSession *source) must_check;

/*
 * Copies one part.  Both transactions are the caller's.  When it fails with an end other than
 * PART_FAILED, both sessions are still of use, after a rollback.
 */
bool copy_part_run(const CopyPart *part, PgSession *source, PgSession *target, int64_t *rows,
                   int64_t *bytes, CopyPartEnd *end, Error *err) must_check;

/* Appends to a SELECT what such a list of sequences reads of one. */
void copy_sequence_put(const Job *job, StrBuf *to, const char *schema, const char *sequence);

/*
 * Sets every selected sequence that exists on the target to its value on the source; or, when sql is
 * not "", those that it reads from the source: quoted name, last_value, is_called.
 */
bool copy_sequences_run(const Job *job, const char *sql, PgSession *source, PgSession *target,
                        Error *err) must_check;

#endif /* DTS_COPY_PART_H */
