/*
 * copy_mapped.h
 *		The entries of an archive whose objects have other names on the target.
 */
#ifndef DTS_COPY_MAPPED_H
#define DTS_COPY_MAPPED_H

#include "copy_archive.h"
#include "copy_select.h"
#include "error.h"
#include "job.h"
#include "sql_map.h"

/*
 * The map for the archive's SQL; NULL in *map when the job renames nothing.  attached_to: by entry
 * id, a partition's parent.
 */
bool copy_mapped_open(SqlMap **map, const Archive *archive, const Job *job, const int *attached_to,
                      Arena *arena, Error *err) must_check;

typedef struct CopyMapped
{
	bool left_out;      /* it is only about a column that is left out, or needs one */
	const char *needs;  /* that column, or NULL */
	const char *unread; /* a function's text names this, and is not rewritten; or NULL */
} CopyMapped;

/* What becomes of each entry, by id.  Text that cannot be read is looked at when it is used. */
CopyMapped *copy_mapped_look(SqlMap *map, const Archive *archive, Arena *arena);

#endif /* DTS_COPY_MAPPED_H */
