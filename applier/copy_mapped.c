/*
 * copy_mapped.c
 *		See copy_mapped.h.
 */
#include "copy_mapped.h"

#include <string.h>

/* What the options compute of a table, for itself or for a partition of it. */
static void
put_computed(SqlMap *map, const char *schema, const char *name, const JobTable *details)
{
	for (int k = 0; k < details->column_count; k++)
	{
		if (details->columns[k].type != NULL)
			sql_map_computed(map, schema, name, details->columns[k].name, details->columns[k].type);
	}
}

static void
put_computed_of(SqlMap *map, const Job *job, const ArchiveEntry *table, const ArchiveEntry *listed)
{
	int count;
	const JobObject *objects = object_map_objects(job->options.map, &count);

	for (int i = 0; i < count; i++)
	{
		for (int t = 0; objects[i].details != NULL && t < objects[i].table_count; t++)
		{
			if (strcmp(objects[i].schema, listed->schema) == 0 &&
			    strcmp(objects[i].tables[t], listed->tag) == 0)
				put_computed(map, table->schema, table->tag, &objects[i].details[t]);
		}
	}
}

bool
copy_mapped_open(SqlMap **map, const Archive *archive, const Job *job, const int *attached_to,
                 Arena *arena, Error *err)
{
	(void) err;
	*map = NULL;
	if (!object_map_changes(job->options.map))
		return true;
	*map = sql_map_create(arena, job->options.map);
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];
		const ArchiveEntry *root = e;

		while (attached_to[root->id] != 0)
			root = archive->by_id[attached_to[root->id]];
		if (strcmp(e->desc, "TABLE") == 0)
			put_computed_of(*map, job, e,
			                object_map_lists(job->options.map, e->schema, e->tag) ? e : root);
		if (root != e)
			sql_map_partition(*map, e->schema, e->tag, root->schema, root->tag);
	}
	return true;
}

CopyMapped *
copy_mapped_look(SqlMap *map, const Archive *archive, Arena *arena)
{
	CopyMapped *mapped = arena_zalloc(arena, sizeof(CopyMapped) * ((size_t) archive->max_id + 1));
	Arena *scratch = arena_create(64 * 1024);

	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];
		CopyMapped *m = &mapped[e->id];
		Error ignored = {0};
		SqlMapped text;
		SqlMapEnd end;

		if (e->definition == NULL || e->definition[0] == '\0')
			continue;
		arena_reset(scratch);
		end = sql_map_text(map, scratch, e->definition, &text, &ignored);
		m->left_out = end == SQL_MAP_GONE || end == SQL_MAP_BROKEN;
		if (end == SQL_MAP_BROKEN)
			m->needs = arena_strdup(arena, text.needs);
		if (end == SQL_MAP_DONE && text.unread != NULL)
			m->unread = arena_strdup(arena, text.unread);
	}
	arena_destroy(scratch);
	return mapped;
}
