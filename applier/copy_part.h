/*
 * copy_part.h
 *		Moves rows and sequence values from source to target inside the caller's transaction.
 */
#ifndef DTS_COPY_PART_H
#define DTS_COPY_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "copy_queue.h"
#include "error.h"
#include "job.h"
#include "pg_session.h"

typedef struct CopyPart
{
	const CopyTask *task;
	bool merge; /* by way of a staging table: rows whose key exists stay as they are */
	const char *snapshot;
	void (*progress)(void *arg, int64_t rows, int64_t bytes); /* now and then */
	void *arg;
} CopyPart;

/*
 * Copies one part.  The target's transaction is the caller's; the source's begins and ends here.
 * *rows and *bytes are those of the whole part.
 */
bool copy_part_run(const CopyPart *part, PgSession *source, PgSession *target, int64_t *rows,
                   int64_t *bytes, bool *snapshot_lost, Error *err) must_check;

/*
 * Sets every selected sequence that exists on the target to its value on the source; or, when sql is
 * not "", those that it reads from the source: quoted name, last_value, is_called.
 */
bool copy_sequences_run(const Job *job, const char *sql, PgSession *source, PgSession *target,
                        Error *err) must_check;

#endif /* DTS_COPY_PART_H */
