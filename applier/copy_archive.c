/*
 * copy_archive.c
 *		The reader of pg_dump's table of contents; see copy_archive.h.
 *
 * The layout, versions 1.14 (PostgreSQL 12 to 15) to 1.16 (17, 18): "PGDMP", three version bytes,
 * size of integers, size of offsets, format byte (1: custom), compression, seven integers of
 * creation time, three strings (database, server and program version), number of entries, entries.
 * An integer is a sign byte and its bytes from low to high; a string is its length (-1: NULL) and
 * its bytes.
 */
#include "copy_archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARCHIVE_MINOR_OLDEST  14
#define ARCHIVE_MINOR_NEWEST  16
#define ARCHIVE_FORMAT_CUSTOM 1
#define ARCHIVE_ID_MAX        (64 * 1024 * 1024)
#define ARCHIVE_DEPENDS_MAX   100000

typedef struct Reader
{
	FILE *file;
	int int_size;
	int offset_size;
	int minor;
	bool bad;
	Arena *arena;
	long size; /* of the file */
} Reader;

static int
read_byte(Reader *r)
{
	int c = r->bad ? EOF : getc(r->file);

	if (c == EOF)
	{
		r->bad = true;
		return 0;
	}
	return c;
}

static int
read_int(Reader *r)
{
	bool negative = read_byte(r) != 0;
	uint64_t value = 0;

	for (int i = 0; i < r->int_size; i++)
		value |= (uint64_t) read_byte(r) << (8 * i);
	if (value > INT32_MAX)
	{
		r->bad = true;
		return 0;
	}
	return negative ? -(int) value : (int) value;
}

/* "" for NULL, unless the caller wants to know. */
static const char *
read_text(Reader *r, bool *is_null)
{
	int len = read_int(r);
	char *text;

	if (is_null != NULL)
		*is_null = len < 0;
	if (len <= 0 || r->bad || len > r->size)
	{
		r->bad = r->bad || len > r->size;
		return "";
	}
	text = arena_alloc(r->arena, (size_t) len + 1);
	if (fread(text, 1, (size_t) len, r->file) != (size_t) len)
	{
		r->bad = true;
		return "";
	}
	text[len] = '\0';
	return text;
}

static void
read_depends(Reader *r, ArchiveEntry *e)
{
	int room = 0;

	while (!r->bad)
	{
		bool end;
		const char *text = read_text(r, &end);

		if (end || r->bad)
			return;
		if (e->depend_count == room)
		{
			int *more;

			room = room == 0 ? 4 : room * 2;
			more = arena_alloc(r->arena, sizeof(int) * (size_t) room);
			if (e->depend_count > 0)
				memcpy(more, e->depends, sizeof(int) * (size_t) e->depend_count);
			e->depends = more;
		}
		e->depends[e->depend_count++] = atoi(text);
		r->bad = r->bad || e->depend_count > ARCHIVE_DEPENDS_MAX;
	}
}

static void
read_entry(Reader *r, ArchiveEntry *e)
{
	e->begin = ftell(r->file);
	e->id = read_int(r);
	read_int(r); /* whether it has data */
	e->class_oid = (uint32_t) strtoul(read_text(r, NULL), NULL, 10);
	e->oid = (uint32_t) strtoul(read_text(r, NULL), NULL, 10);
	e->tag = read_text(r, NULL);
	e->desc = read_text(r, NULL);
	e->section = (ArchiveSection) read_int(r);
	e->definition_at = ftell(r->file);
	e->definition = read_text(r, NULL);
	read_text(r, NULL); /* DROP statement */
	read_text(r, NULL); /* COPY statement */
	e->schema = read_text(r, NULL);
	read_text(r, NULL); /* table space */
	read_text(r, NULL); /* table access method */
	if (r->minor >= 16)
		read_int(r); /* relkind */
	e->owner_at = ftell(r->file);
	e->owner = read_text(r, NULL);
	read_text(r, NULL); /* WITH OIDS, never true any more */
	read_depends(r, e);
	read_byte(r); /* where the data are: state, and an offset */
	for (int i = 0; i < r->offset_size; i++)
		read_byte(r);
	e->end = ftell(r->file);
	if (e->id <= 0 || e->id > ARCHIVE_ID_MAX)
		r->bad = true;
}

/* Returns the number of entries, or -1. */
static int
read_head(Reader *r, long *count_at, Error *err)
{
	char magic[5];
	int major, count;

	if (fread(magic, 1, sizeof(magic), r->file) != sizeof(magic) || memcmp(magic, "PGDMP", 5) != 0)
	{
		error_set(err, ERR_CHILD, "pg_dump wrote no archive");
		return -1;
	}
	major = read_byte(r);
	r->minor = read_byte(r);
	read_byte(r);
	r->int_size = read_byte(r);
	r->offset_size = read_byte(r);
	if (major != 1 || r->minor < ARCHIVE_MINOR_OLDEST || r->minor > ARCHIVE_MINOR_NEWEST ||
	    read_byte(r) != ARCHIVE_FORMAT_CUSTOM || r->int_size < 1 || r->int_size > 8)
	{
		error_set(err, ERR_CHILD, "archive version %d.%d of pg_dump is not supported", major,
		          r->minor);
		error_hint(err, "Put pg_dump of PostgreSQL 13 to 18 on the daemon's PATH.");
		return -1;
	}
	if (r->minor >= 15)
		read_byte(r);
	else
		read_int(r);
	for (int i = 0; i < 7; i++)
		read_int(r);
	for (int i = 0; i < 3; i++)
		read_text(r, NULL);
	*count_at = ftell(r->file);
	count = read_int(r);
	/* an entry takes far more than one byte */
	if (r->bad || count < 0 || count > r->size)
		r->bad = true;
	return r->bad ? 0 : count;
}

/* Entries that say how to read the others. */
static bool
sets_up(const ArchiveEntry *e)
{
	return strcmp(e->desc, "ENCODING") == 0 || strcmp(e->desc, "STDSTRINGS") == 0 ||
	       strcmp(e->desc, "SEARCHPATH") == 0;
}

bool
copy_archive_read(Archive *archive, const char *path, Arena *arena, Error *err)
{
	Reader r = {.arena = arena};
	int count;

	memset(archive, 0, sizeof(*archive));
	r.file = fopen(path, "re");
	if (r.file == NULL || fseek(r.file, 0, SEEK_END) != 0 || (r.size = ftell(r.file)) < 0)
	{
		error_set(err, ERR_CHILD, "could not open the archive of pg_dump: %m");
		if (r.file != NULL)
			fclose(r.file);
		return false;
	}
	rewind(r.file);
	count = read_head(&r, &archive->count_at, err);
	if (count < 0)
	{
		fclose(r.file);
		return false;
	}
	archive->entries = arena_zalloc(arena, sizeof(ArchiveEntry) * ((size_t) count + 1));
	for (int i = 0; i < count && !r.bad; i++)
	{
		ArchiveEntry *e = &archive->entries[i];

		read_entry(&r, e);
		if (!r.bad && e->id > archive->max_id)
			archive->max_id = e->id;
		archive->setup_count += sets_up(e);
	}
	fclose(r.file);
	if (r.bad)
	{
		error_set(err, ERR_CHILD, "the archive of pg_dump is damaged");
		return false;
	}
	archive->count = count;
	archive->int_size = r.int_size;
	archive->by_id = arena_zalloc(arena, sizeof(ArchiveEntry *) * ((size_t) archive->max_id + 1));
	for (int i = 0; i < count; i++)
		archive->by_id[archive->entries[i].id] = &archive->entries[i];
	return true;
}

static bool
copy_bytes(FILE *from, FILE *to, long begin, long end)
{
	char buffer[65536];

	if (ftell(from) != begin && fseek(from, begin, SEEK_SET) != 0)
		return false;
	while (begin < end)
	{
		size_t want = end - begin < (long) sizeof(buffer) ? (size_t) (end - begin) : sizeof(buffer);

		if (fread(buffer, 1, want, from) != want || fwrite(buffer, 1, want, to) != want)
			return false;
		begin += (long) want;
	}
	return true;
}

static void
write_int(FILE *to, int int_size, size_t value)
{
	putc(0, to);
	for (int i = 0; i < int_size; i++)
		putc(i < (int) sizeof(value) ? (int) (value >> (8 * i)) & 0xff : 0, to);
}

/* Copies up to the text at this place, and puts another in its stead; returns where the old ends. */
static long
replace_text(FILE *from, FILE *to, int int_size, long begin, long at, const char *old,
             const char *text)
{
	size_t len = strlen(text);

	if (!copy_bytes(from, to, begin, at))
		return -1;
	write_int(to, int_size, len);
	return fwrite(text, 1, len, to) == len ? at + 1 + int_size + (long) strlen(old) : -1;
}

static bool
write_entry(const Archive *archive, const ArchiveEntry *e, const ArchiveChange *change, FILE *from,
            FILE *to)
{
	long at = e->begin;

	if (change->definition != NULL)
		at = replace_text(from, to, archive->int_size, at, e->definition_at, e->definition,
		                  change->definition);
	if (at >= 0 && change->owner != NULL)
		at = replace_text(from, to, archive->int_size, at, e->owner_at, e->owner, change->owner);
	return at >= 0 && copy_bytes(from, to, at, e->end);
}

bool
copy_archive_write(const Archive *archive, const ArchiveChange *changes,
                   ArchiveEntry *const *entries, int count, const char *from_path,
                   const char *to_path, Error *err)
{
	FILE *from = fopen(from_path, "re");
	FILE *to = fopen(to_path, "we");
	bool ok = from != NULL && to != NULL && copy_bytes(from, to, 0, archive->count_at);
	int extra = archive->setup_count;

	if (ok)
		write_int(to, archive->int_size, (size_t) (count + extra));
	/* these come first, so there is no need to look far */
	for (int i = 0; ok && extra > 0 && i < archive->count; i++)
	{
		if (!sets_up(&archive->entries[i]))
			continue;
		ok = write_entry(archive, &archive->entries[i], &changes[archive->entries[i].id], from, to);
		extra--;
	}
	for (int i = 0; ok && i < count; i++)
		ok = write_entry(archive, entries[i], &changes[entries[i]->id], from, to);
	if (from != NULL)
		fclose(from);
	if (to != NULL && fclose(to) != 0)
		ok = false;
	if (!ok)
		error_set(err, ERR_DISK, "could not write a part of pg_dump's archive: %m");
	return ok;
}
