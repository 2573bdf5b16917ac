/*
 * copy_index.c
 *		Tasks from archive entries; see copy_index.h.
 *
 * What pg_restore knows better (owners, access methods, settings) it writes: entries that run one
 * after the other become its SQL, a few hundred at a time, so that a transaction stays within the
 * target's lock table.  Where many tables, sequences and views follow one another, groups of them
 * that do not need each other become tasks that run at once.  What always runs side by side, indexes,
 * keys and foreign keys, is the entry's own statement, one task each.
 */
#include "copy_index.h"

#include <string.h>

#include "copy_groups.h"
#include "sql_map.h"
#include "strbuf.h"

#define CHUNK_ENTRIES 500
#define CHUNK_GRANTS  50
#define CHUNK_LEAST   50 /* for less, a task's own costs count */
#define RUN_LEAST     200

CopyTask *
copy_tasks_add(CopyTasks *tasks, CopyStage stage, CopyKind kind)
{
	CopyTask *task;

	if (tasks->count == tasks->room)
	{
		int room = tasks->room == 0 ? 256 : tasks->room * 2;
		CopyTask *more = arena_alloc(tasks->arena, sizeof(CopyTask) * (size_t) room);

		if (tasks->count > 0)
			memcpy(more, tasks->tasks, sizeof(CopyTask) * (size_t) tasks->count);
		tasks->tasks = more;
		tasks->room = room;
	}
	task = &tasks->tasks[tasks->count++];
	memset(task, 0, sizeof(*task));
	task->stage = stage;
	task->kind = kind;
	return task;
}

static const ArchiveEntry *
dependency(const Archive *archive, const ArchiveEntry *e, int i)
{
	int id = e->depends[i];

	return id > 0 && id <= archive->max_id ? archive->by_id[id] : NULL;
}

/* Comments and privileges go where their object goes. */
static ArchiveSection
section_of(const Archive *archive, const ArchiveEntry *e)
{
	for (int i = 0; e->section == ARCHIVE_SECTION_NONE && i < e->depend_count; i++)
	{
		const ArchiveEntry *d = dependency(archive, e, i);

		if (d != NULL && d->section == ARCHIVE_SECTION_POST_DATA)
			return ARCHIVE_SECTION_POST_DATA;
	}
	return e->section == ARCHIVE_SECTION_POST_DATA ? ARCHIVE_SECTION_POST_DATA
	                                               : ARCHIVE_SECTION_PRE_DATA;
}

/* The table that an index or constraint belongs to, or NULL. */
static const ArchiveEntry *
table_of(const Archive *archive, const ArchiveEntry *e)
{
	for (int i = 0; i < e->depend_count; i++)
	{
		const ArchiveEntry *d = dependency(archive, e, i);

		if (d != NULL &&
		    (strcmp(d->desc, "TABLE") == 0 || strcmp(d->desc, "MATERIALIZED VIEW") == 0))
			return d;
	}
	return NULL;
}

static CopyStage
stage_of(const Archive *archive, const ArchiveEntry *e)
{
	const ArchiveEntry *table;

	if (section_of(archive, e) == ARCHIVE_SECTION_PRE_DATA)
		return strcmp(e->desc, "ACL") == 0 || strcmp(e->desc, "SECURITY LABEL") == 0
		           ? STAGE_PRIVILEGES
		           : STAGE_PRE_DATA;
	if (strcmp(e->desc, "INDEX ATTACH") == 0)
		return STAGE_ATTACH;
	if (strcmp(e->desc, "FK CONSTRAINT") == 0)
		return STAGE_FOREIGN_KEY;
	if (strcmp(e->desc, "INDEX") == 0 || strcmp(e->desc, "CONSTRAINT") == 0)
	{
		table = table_of(archive, e);
		/* a materialized view that itself has to wait for a key */
		if (table == NULL || section_of(archive, table) == ARCHIVE_SECTION_PRE_DATA)
			return STAGE_INDEX;
	}
	return STAGE_POST_DATA;
}

/* What may have to be left out, statement by statement: it needs a role or a label provider. */
static bool
is_grants(const ArchiveEntry *e)
{
	return strcmp(e->desc, "ACL") == 0 || strcmp(e->desc, "DEFAULT ACL") == 0 ||
	       strcmp(e->desc, "SECURITY LABEL") == 0;
}

/* Entries of a serial stage, gathered as long as they can share one pg_restore run. */
typedef struct Gather
{
	CopyTasks *tasks;
	const Archive *archive;
	const CopySelection *selection;
	CopyProgram *program;
	CopyStage stage;
	CopyKind kind;
	ArchiveEntry *entries[CHUNK_ENTRIES];
	int count;
} Gather;

/* SQL of entries under the target's names. */
static const char *
mapped(CopyTasks *tasks, const CopySelection *selection, const char *sql, Error *err)
{
	if (selection->map == NULL || sql == NULL)
		return sql;
	return sql_map_script(selection->map, tasks->arena, sql, err);
}

static bool
gather_flush(Gather *g, WorkerOrder *order, Error *err)
{
	const char *sql;

	if (g->count == 0)
		return true;
	sql = copy_program_sql(g->program, g->archive, g->selection->changes, g->entries, g->count,
	                       g->tasks->arena, order, err);
	if (sql != NULL)
		sql = mapped(g->tasks, g->selection, sql, err);
	if (sql == NULL)
		return false;
	copy_tasks_add(g->tasks, g->stage, g->kind)->target_sql = sql;
	g->count = 0;
	return true;
}

static bool
gather_all(Gather *g, ArchiveEntry *const *entries, int count, WorkerOrder *order, Error *err)
{
	for (int i = 0; i < count; i++)
	{
		if (g->count == CHUNK_ENTRIES && !gather_flush(g, order, err))
			return false;
		g->entries[g->count++] = entries[i];
	}
	return true;
}

/* Entries that follow one another: those that need many others in a row, then the rest at once. */
static bool
gather_run(Gather *g, ArchiveEntry **run, int count, int workers, WorkerOrder *order, Error *err)
{
	int *sizes = arena_alloc(g->tasks->arena, sizeof(int) * (size_t) count);
	int groups = copy_groups_order(g->archive, run, count, sizes, g->tasks->arena);
	/* what all workers together hold has to stay within the lock table, too */
	int chunk = count / workers / 4;
	int at = 0;

	chunk = chunk > 4 * CHUNK_ENTRIES / workers ? 4 * CHUNK_ENTRIES / workers : chunk;
	chunk = chunk > CHUNK_ENTRIES ? CHUNK_ENTRIES : chunk;
	chunk = chunk < CHUNK_LEAST ? CHUNK_LEAST : chunk;
	for (int k = 0; k < groups; at += sizes[k++])
	{
		if (sizes[k] > chunk && !gather_all(g, run + at, sizes[k], order, err))
			return false;
	}
	if (!gather_flush(g, order, err))
		return false;
	g->kind = TASK_ABREAST;
	at = 0;
	for (int k = 0; k < groups; at += sizes[k++])
	{
		if (sizes[k] > chunk)
			continue;
		if ((g->count + sizes[k] > chunk && !gather_flush(g, order, err)) ||
		    !gather_all(g, run + at, sizes[k], order, err))
			return false;
	}
	if (!gather_flush(g, order, err))
		return false;
	g->kind = TASK_SQL;
	return true;
}

static bool
plan_serial(CopyTasks *tasks, CopyStage stage, const Archive *archive,
            const CopySelection *selection, CopyProgram *program, int workers, WorkerOrder *order,
            Error *err)
{
	Gather g = {.tasks = tasks,
	            .archive = archive,
	            .selection = selection,
	            .program = program,
	            .stage = stage,
	            .kind = TASK_SQL};
	ArchiveEntry **run = arena_alloc(tasks->arena, sizeof(*run) * ((size_t) archive->count + 1));
	int count = 0;

	for (int i = 0; i <= archive->count; i++)
	{
		ArchiveEntry *e = i < archive->count ? &archive->entries[i] : NULL;
		bool ok = true;

		if (e != NULL && (selection->verdict[e->id] != ENTRY_KEEP ||
		                  stage_of(archive, e) != stage || is_grants(e)))
			continue;
		if (e != NULL && stage == STAGE_PRE_DATA && copy_groups_take(e))
		{
			run[count++] = e;
			continue;
		}
		if (count >= RUN_LEAST && workers > 1)
			ok = gather_run(&g, run, count, workers, order, err);
		else
			ok = gather_all(&g, run, count, order, err);
		count = 0;
		if (!ok || (e != NULL && !gather_all(&g, &e, 1, order, err)))
			return false;
	}
	return gather_flush(&g, order, err);
}

/* Some dozens at a time: each statement gets a savepoint of its own. */
static bool
plan_grants(CopyTasks *tasks, CopyStage from, CopyStage stage, const Archive *archive,
            const CopySelection *selection, Error *err)
{
	StrBuf sql;
	int gathered = 0;
	bool ok = true;

	strbuf_init(&sql);
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];

		if (selection->verdict[e->id] == ENTRY_KEEP && is_grants(e) && stage_of(archive, e) == from)
		{
			strbuf_puts(&sql, copy_selection_definition(selection, e));
			strbuf_putc(&sql, '\n');
			gathered++;
		}
		if (gathered == CHUNK_GRANTS || (gathered > 0 && i == archive->count - 1))
		{
			const char *text = mapped(tasks, selection, arena_strdup(tasks->arena, sql.data), err);

			ok = ok && text != NULL;
			copy_tasks_add(tasks, stage, TASK_GRANTS)->target_sql = text;
			strbuf_reset(&sql);
			gathered = 0;
		}
	}
	strbuf_free(&sql);
	return ok;
}

/*
 * Primary keys and unique constraints of tables, by OID, in the two steps that copy_task.c may take.
 * Left out are those whose definition says more than that (the index that the table is clustered
 * on, or that is its identity) and those that have no index of their own to adopt.
 */
static const char keys_query[] =
    "SELECT c.oid, pg_get_indexdef(c.conindid) || ';ALTER TABLE ONLY ' || quote_ident(n.nspname) "
    "|| '.' || quote_ident(t.relname) || ' ADD CONSTRAINT ' || quote_ident(c.conname) || CASE "
    "c.contype WHEN 'p' THEN ' PRIMARY KEY' ELSE ' UNIQUE' END || ' USING INDEX ' || "
    "quote_ident(i.relname) || CASE WHEN c.condeferrable THEN ' DEFERRABLE' ELSE '' END || CASE "
    "WHEN c.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END "
    "FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = "
    "t.relnamespace JOIN pg_class i ON i.oid = c.conindid JOIN pg_am a ON a.oid = i.relam JOIN "
    "pg_index x ON x.indexrelid = c.conindid WHERE c.contype IN ('p', 'u') AND t.relkind = 'r' AND "
    "a.amname = 'btree' AND NOT x.indisclustered AND NOT x.indisreplident ORDER BY c.oid";

/* The two steps of a constraint; NULL: it must be made in one. */
static const char *
find_key(const PgRows *keys, const ArchiveEntry *e)
{
	int low = 0;
	int high = pg_rows_count(keys) - 1;

	while (strcmp(e->desc, "CONSTRAINT") == 0 && low <= high)
	{
		int middle = low + (high - low) / 2;
		int64_t oid = pg_rows_int(keys, middle, 0);

		if (oid == (int64_t) e->oid)
			return pg_rows_get(keys, middle, 1);
		if (oid < (int64_t) e->oid)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}

static bool
plan_single(CopyTasks *tasks, CopyStage stage, const Archive *archive,
            const CopySelection *selection, const PgRows *keys, Error *err)
{
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];
		const ArchiveEntry *table;
		const char *key;
		CopyTask *task;

		if (selection->verdict[e->id] != ENTRY_KEEP || stage_of(archive, e) != stage)
			continue;
		task = copy_tasks_add(tasks, stage, TASK_SQL);
		task->target_sql = mapped(tasks, selection, e->definition, err);
		if (task->target_sql == NULL)
			return false;
		key = find_key(keys, e);
		if (key != NULL)
		{
			task->kind = TASK_KEY;
			task->source_sql = mapped(tasks, selection, arena_strdup(tasks->arena, key), err);
			if (task->source_sql == NULL)
				return false;
		}
		table = table_of(archive, e);
		if (table == NULL)
			continue;
		task->schema = table->schema;
		task->table = table->tag;
		task->table_oid = table->oid;
	}
	return true;
}

bool
copy_index_plan(CopyTasks *tasks, const Archive *archive, const CopySelection *selection,
                CopyProgram *program, PgSession *source, int workers, WorkerOrder *order,
                Error *err)
{
	PgRows *keys = pg_session_query(source, err, keys_query, 0, NULL);
	bool ok;

	*order = ORDER_GO_ON;
	if (keys == NULL)
		return false;
	ok = plan_serial(tasks, STAGE_PRE_DATA, archive, selection, program, workers, order, err) &&
	     plan_grants(tasks, STAGE_PRIVILEGES, STAGE_PRIVILEGES, archive, selection, err) &&
	     plan_single(tasks, STAGE_INDEX, archive, selection, keys, err) &&
	     plan_single(tasks, STAGE_ATTACH, archive, selection, keys, err) &&
	     plan_single(tasks, STAGE_FOREIGN_KEY, archive, selection, keys, err);
	pg_rows_free(keys);
	return ok &&
	       plan_serial(tasks, STAGE_POST_DATA, archive, selection, program, workers, order, err) &&
	       plan_grants(tasks, STAGE_POST_DATA, STAGE_POST_DATA, archive, selection, err);
}
