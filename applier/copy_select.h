/*
 * copy_select.h
 *		Decides for every entry of a pg_dump archive whether it goes to the target.
 */
#ifndef DTS_COPY_SELECT_H
#define DTS_COPY_SELECT_H

#include <stdbool.h>

#include "arena.h"
#include "copy_archive.h"
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
	EntryVerdict *verdict; /* by entry id */
	bool *no_owner;        /* by entry id: its owner is missing on the target */
	char **warnings;
	int warning_count;
} CopySelection;

/*
 * Everything lives in the arena.  Fails when policy "fail" meets a relation of the same name on the
 * target; all of them are named, as far as they fit.
 */
bool copy_select(CopySelection *selection, const Archive *archive, const Job *job,
                 PgSession *target, Arena *arena, Error *err) must_check;

#endif /* DTS_COPY_SELECT_H */
