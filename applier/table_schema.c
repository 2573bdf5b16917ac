/*
 * table_schema.c
 *		See table_schema.h.
 *
 * The archive is judged twice: as if the job were these tables alone, and for the whole job.  The
 * first says what belongs to them; the second finds the links between them and tables that the
 * target has already: foreign keys, and partitions to be attached.  What either judgement warns of
 * concerns the other tables, and was said when the job was loaded.
 */
#include "table_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy_archive.h"
#include "copy_catalog.h"
#include "copy_program.h"
#include "copy_roles.h"
#include "copy_select.h"
#include "object_map.h"
#include "source_computed.h"
#include "strbuf.h"

typedef struct Missing
{
	JobObject *objects; /* one for each table */
	int count;
} Missing;

/* Waiting tables, and partitioned tables above them, that the target does not have. */
static bool
find_missing(Missing *missing, const Job *job, const CopyTables *tables, PgSession *source,
             PgSession *target, Arena *arena, Error *err)
{
	PgRows *rows;
	PgRows *names;
	StrBuf sql, name;
	bool ok;

	strbuf_init(&sql);
	strbuf_init(&name);
	strbuf_puts(&sql,
	            "SELECT DISTINCT n.nspname, c.relname FROM pg_catalog.pg_class l, LATERAL "
	            "(SELECT l.oid UNION SELECT relid FROM pg_catalog.pg_partition_ancestors(l.oid)) "
	            "x(oid) JOIN pg_catalog.pg_class c ON c.oid = x.oid JOIN pg_catalog.pg_namespace "
	            "n ON n.oid = c.relnamespace WHERE l.oid");
	copy_tables_put_waiting(tables, &sql);
	names = pg_session_query(source, err, sql.data, 0, NULL);
	ok = names != NULL;
	if (ok)
		missing->objects =
		    arena_zalloc(arena, sizeof(JobObject) * ((size_t) pg_rows_count(names) + 1));
	for (int i = 0; ok && i < pg_rows_count(names); i++)
	{
		JobObject *object = &missing->objects[missing->count];

		strbuf_reset(&name);
		object_map_put(job->options.map, &name, pg_rows_get(names, i, 0), pg_rows_get(names, i, 1));
		strbuf_reset(&sql);
		strbuf_puts(&sql, "SELECT pg_catalog.to_regclass(");
		strbuf_literal(&sql, name.data);
		strbuf_puts(&sql, ") IS NULL");
		rows = pg_session_query(target, err, sql.data, 0, NULL);
		ok = rows != NULL;
		if (ok && pg_rows_bool(rows, 0, 0))
		{
			object->schema = arena_strdup(arena, pg_rows_get(names, i, 0));
			object->tables = arena_zalloc(arena, sizeof(char *));
			object->tables[0] = arena_strdup(arena, pg_rows_get(names, i, 1));
			object->table_count = 1;
			missing->count++;
		}
		pg_rows_free(rows);
	}
	pg_rows_free(names);
	strbuf_free(&sql);
	strbuf_free(&name);
	return ok;
}

static bool
depends_on_verdict(const Archive *archive, const ArchiveEntry *e, const EntryVerdict *verdict,
                   EntryVerdict wanted)
{
	for (int k = 0; k < e->depend_count; k++)
	{
		int id = e->depends[k];

		if (id >= 0 && id <= archive->max_id && archive->by_id[id] != NULL &&
		    strcmp(archive->by_id[id]->desc, "SCHEMA") != 0 && verdict[id] == wanted)
			return true;
	}
	return false;
}

/*
 * A partition that is attached to a table whose indexes exist gets its own indexes from there;
 * those in the archive would be made twice.
 */
static void
leave_out_inherited(const Archive *archive, CopySelection *narrow, const CopySelection *wide)
{
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];

		if (strcmp(e->desc, "INDEX ATTACH") != 0 ||
		    !depends_on_verdict(archive, e, narrow->verdict, ENTRY_KEEP) ||
		    !depends_on_verdict(archive, e, wide->verdict, ENTRY_EXISTS))
			continue;
		narrow->verdict[e->id] = ENTRY_DROP;
		for (int k = 0; k < e->depend_count; k++)
		{
			int id = e->depends[k];

			if (id >= 0 && id <= archive->max_id && narrow->verdict[id] == ENTRY_KEEP &&
			    archive->by_id[id] != NULL &&
			    archive->by_id[id]->section == ARCHIVE_SECTION_POST_DATA)
				narrow->verdict[id] = ENTRY_DROP;
		}
	}
}

static void
add_links(const Archive *archive, CopySelection *narrow, const CopySelection *wide)
{
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];

		if (narrow->verdict[e->id] == ENTRY_KEEP)
			continue;
		if ((strcmp(e->desc, "FK CONSTRAINT") == 0 && wide->verdict[e->id] == ENTRY_KEEP &&
		     depends_on_verdict(archive, e, narrow->verdict, ENTRY_KEEP)) ||
		    (strcmp(e->desc, "TABLE ATTACH") == 0 &&
		     depends_on_verdict(archive, e, narrow->verdict, ENTRY_KEEP)))
			narrow->verdict[e->id] = ENTRY_KEEP;
	}
}

static bool
choose(Worker *w, const Missing *missing, const Archive *archive, CopySelection *narrow,
       PgSession *target, Arena *arena, Error *err)
{
	Job all = *worker_job(w);
	Job alone = all;
	CopyRoles *roles = copy_roles_read(&all, target, arena, err);
	CopySelection wide;

	if (roles == NULL)
		return false;
	all.options.same_name_tables = alone.options.same_name_tables = SAME_NAME_KEEP;
	alone.options.objects = missing->objects;
	alone.options.object_count = missing->count;
	alone.options.exclude = NULL;
	alone.options.exclude_count = 0;
	if (!copy_select(narrow, archive, &alone, target, roles, arena, err) ||
	    !copy_select(&wide, archive, &all, target, roles, arena, err))
		return false;
	leave_out_inherited(archive, narrow, &wide);
	add_links(archive, narrow, &wide);
	/* every database has it */
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];

		if (strcmp(e->desc, "SCHEMA") == 0 && strcmp(e->tag, "public") == 0)
			narrow->verdict[e->id] = ENTRY_EXISTS;
	}
	return true;
}

bool
table_schema_plan(Worker *w, PgSession *source, PgSession *target, const CopyTables *tables,
                  const char *snapshot, const char *encoding, CopyTasks *tasks, Error *err)
{
	Missing missing = {0};
	CopyProgram *program;
	CopySelection selection;
	WorkerOrder order;
	Archive archive;
	bool ok;

	if (!find_missing(&missing, worker_job(w), tables, source, target, tasks->arena, err))
		return false;
	if (missing.count == 0)
		return true;
	program = copy_program_open(w, pg_session_version(source), err);
	if (program == NULL)
		return false;
	ok = copy_program_dump(program, source, snapshot, encoding, &order, err) &&
	     copy_archive_read(&archive, copy_program_archive(program), tasks->arena, err) &&
	     source_computed_types(source, worker_job(w), err) &&
	     choose(w, &missing, &archive, &selection, target, tasks->arena, err) &&
	     copy_index_plan(tasks, &archive, &selection, program, source, copy_workers(worker_job(w)),
	                     &order, err);
	copy_program_close(program);
	return ok;
}
