/*
 * dump_program.h
 *		Which pg_dump and pg_restore of this host fit a source.
 */
#ifndef DTS_DUMP_PROGRAM_H
#define DTS_DUMP_PROGRAM_H

#include <stdbool.h>

#include "error.h"

#define DUMP_PATH_SIZE 512

typedef struct DumpProgram
{
	int version; /* major */
	char dump[DUMP_PATH_SIZE];
	char restore[DUMP_PATH_SIZE];
} DumpProgram;

/*
 * Finds programs of at least this major version: the ones beside the daemon or on PATH, else the
 * oldest installed that are new enough, whose SQL fits most targets.  Runs "pg_dump --version", which
 * takes milliseconds.
 */
bool dump_program_find(DumpProgram *program, int major, Error *err) must_check;

#endif /* DTS_DUMP_PROGRAM_H */
