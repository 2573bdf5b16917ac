/*
 * copy_archive.h
 *		Reads the table of contents of a pg_dump archive in custom format.
 *
 * pg_restore -l prints the same as text, but its columns cannot be told apart when names hold
 * blanks, and it shows neither definitions nor dependencies.  Data are not read.  An archive can
 * also be written again with other owners and definitions: what pg_restore makes of those needs no
 * understanding of its SQL.
 */
#ifndef DTS_COPY_ARCHIVE_H
#define DTS_COPY_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

typedef enum ArchiveSection
{
	ARCHIVE_SECTION_NONE = 1, /* belongs with the entry it depends on: comments, privileges */
	ARCHIVE_SECTION_PRE_DATA = 2,
	ARCHIVE_SECTION_DATA = 3,
	ARCHIVE_SECTION_POST_DATA = 4,
} ArchiveSection;

typedef struct ArchiveEntry
{
	int id; /* pg_dump's number of the entry, unique in the archive */
	uint32_t class_oid;
	uint32_t oid; /* on the source */
	const char *tag;
	const char *desc; /* TABLE, INDEX, FK CONSTRAINT, ... */
	ArchiveSection section;
	const char *definition; /* SQL */
	const char *schema;     /* "" when it has none */
	const char *owner;      /* "" when it has none */
	long begin;             /* where it stands in the file, and these two within */
	long end;
	long definition_at;
	long owner_at;
	int *depends; /* ids; some may not be in the archive */
	int depend_count;
} ArchiveEntry;

typedef struct Archive
{
	ArchiveEntry *entries; /* in the order in which they can be created */
	int count;
	int max_id;
	int int_size;         /* bytes of an integer in the file */
	long count_at;        /* where the number of entries stands */
	int setup_count;      /* entries that say how to read the others */
	ArchiveEntry **by_id; /* [0..max_id], NULL where there is none */
} Archive;

/* Everything lives in the arena.  Never reads beyond the file's end, whatever it holds. */
bool copy_archive_read(Archive *archive, const char *path, Arena *arena, Error *err) must_check;

/* New texts for an entry; NULL: as it was. */
typedef struct ArchiveChange
{
	const char *definition;
	const char *owner;
} ArchiveChange;

/*
 * Writes an archive of these entries alone, in this order, and of what sets up a session, with other
 * owners and definitions (by entry id).  pg_restore's effort goes with the size of the archive it is
 * given.  Only for an archive without data, whose table of contents names no places in the file.
 */
bool copy_archive_write(const Archive *archive, const ArchiveChange *changes,
                        ArchiveEntry *const *entries, int count, const char *from_path,
                        const char *to_path, Error *err) must_check;

#endif /* DTS_COPY_ARCHIVE_H */
