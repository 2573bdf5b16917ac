/*
 * decoder_options.c
 *		The job's selection as lists of quoted identifiers; see decoder_options.h.
 */
#include "decoder_options.h"

#include "strbuf.h"

/* Lists either the whole schemas or the single tables of objects; NULL when there are none. */
static const char *
object_list(Arena *arena, const JobObject *objects, int count, bool tables)
{
	const char *list = NULL;
	StrBuf text;

	strbuf_init(&text);
	for (int i = 0; i < count; i++)
	{
		if (objects[i].table_count == 0 && !tables)
		{
			if (text.len > 0)
				strbuf_putc(&text, ',');
			strbuf_ident(&text, objects[i].schema);
		}
		for (int j = 0; j < objects[i].table_count && tables; j++)
		{
			if (text.len > 0)
				strbuf_putc(&text, ',');
			strbuf_qualified(&text, objects[i].schema, objects[i].tables[j]);
		}
	}
	if (text.len > 0)
		list = arena_strndup(arena, text.data, text.len);
	strbuf_free(&text);
	return list;
}

int
decoder_options(Arena *arena, const JobOptions *job, SourceOption *options)
{
	const SourceOption all[] = {
	    {"schemas", object_list(arena, job->objects, job->object_count, false)},
	    {"tables", object_list(arena, job->objects, job->object_count, true)},
	    {"exclude_schemas", object_list(arena, job->exclude, job->exclude_count, false)},
	    {"exclude_tables", object_list(arena, job->exclude, job->exclude_count, true)},
	    {"messages", "on"},
	    {"on_no_identity", "emit"},
	    {"ddl", job->ddl == JOB_DDL_APPLY ? "on" : NULL},
	    {"rewrites", job->ddl == JOB_DDL_APPLY ? "on" : NULL},
	};
	int count = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
	{
		if (all[i].value != NULL)
			options[count++] = all[i];
	}
	return count;
}
