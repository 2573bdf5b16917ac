/*
 * copy_select.h
 *		Decides for every entry of a pg_dump archive whether it goes to the target.
 */
#ifndef DTS_COPY_SELECT_H
#define DTS_COPY_SELECT_H

#include <stdbool.h>

#include "arena.h"
#include "copy_archive.h"
#include "copy_roles.h"
#include "error.h"
#include "job.h"
#include "pg_session.h"

typedef enum EntryVerdict
{
	ENTRY_DROP,   /* not selected, or never copied */
	ENTRY_MAYBE,  /* only when something that is kept needs it; none is left in the end */
	ENTRY_EXISTS, /* the target has it and keeps its own */
	ENTRY_KEEP,
} EntryVerdict;

typedef struct CopySelection
{
	EntryVerdict *verdict;  /* by entry id */
	ArchiveChange *changes; /* by entry id: owners and definitions with the target's roles */
	struct SqlMap *map;     /* rewrites the SQL of all entries; NULL: nothing is renamed */
	char **warnings;
	int warning_count;
} CopySelection;

/*
 * Everything lives in the arena.  Fails when policy "fail" meets a relation of the same name on the
 * target; all of them are named, as far as they fit.
 */
bool copy_select(CopySelection *selection, const Archive *archive, const Job *job,
                 PgSession *target, CopyRoles *roles, Arena *arena, Error *err) must_check;

/* The entry's SQL as it is to be run. */
const char *copy_selection_definition(const CopySelection *selection, const ArchiveEntry *e);

#endif /* DTS_COPY_SELECT_H */
