/*
 * copy_existing.h
 *		Names of what the target has already.
 */
#ifndef DTS_COPY_EXISTING_H
#define DTS_COPY_EXISTING_H

#include <stdbool.h>

#include "arena.h"
#include "copy_archive.h"
#include "error.h"
#include "object_map.h"
#include "pg_session.h"

typedef struct CopyExisting CopyExisting;

/* Reads the target's catalogs; lives in the arena. */
CopyExisting *
copy_existing_read(PgSession *target, const ObjectMap *map, Arena *arena, Error *err) must_check;

/* Whether the target has an object of this entry's sort and of the name that the map gives it. */
bool copy_existing_has(const CopyExisting *existing, const ArchiveEntry *e);

#endif /* DTS_COPY_EXISTING_H */
