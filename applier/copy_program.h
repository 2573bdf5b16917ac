/*
 * copy_program.h
 *		pg_dump and pg_restore: finds fitting ones and runs them without a shell and without
 *		secrets in argv, in a private folder.
 */
#ifndef DTS_COPY_PROGRAM_H
#define DTS_COPY_PROGRAM_H

#include <stdbool.h>

#include "arena.h"
#include "copy_archive.h"
#include "error.h"
#include "pg_session.h"
#include "worker.h"

typedef struct CopyProgram CopyProgram;

/* A folder of its own, and programs of at least the source's version (server_version_num). */
CopyProgram *copy_program_open(Worker *w, int source_version, Error *err) must_check;
void copy_program_close(CopyProgram *p); /* removes the folder; NULL is allowed */

/* Result of a run: *order other than ORDER_GO_ON means that the worker wants to leave. */
bool copy_program_dump(CopyProgram *p, PgSession *source, const char *snapshot,
                       const char *encoding, WorkerOrder *order, Error *err) must_check;

/* Path of the archive that the dump wrote. */
const char *copy_program_archive(const CopyProgram *p);

/*
 * The SQL that restores these entries of the archive, in order, with the changes' owners and
 * definitions and without privileges; in the arena.
 */
const char *copy_program_sql(CopyProgram *p, const Archive *archive, const ArchiveChange *changes,
                             ArchiveEntry *const *entries, int count, Arena *arena,
                             WorkerOrder *order, Error *err) must_check;

#endif /* DTS_COPY_PROGRAM_H */
