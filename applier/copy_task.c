/*
 * copy_task.c
 *		The kinds of tasks, and how each is done; see copy_task.h.
 *
 * The constraint of a large table's key is made in two steps: a unique index, which can be built
 * beside the table's other indexes, and later the constraint that adopts it, which needs the table
 * for itself but only for a moment.  Small tables get theirs in one.
 */
#include "copy_task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "copy_large.h"
#include "copy_take.h"
#include "object_map.h"
#include "strbuf.h"

/*
 * Runs one statement in a savepoint; *skipped, with the reason in err, when it names a role that the
 * target lacks, or asks for more than our role may.
 */
static bool
run_or_skip(const CopyTaskRun *run, const char *sql, bool *skipped, Error *err)
{
	Error failure;

	*skipped = false;
	if (!pg_session_exec(run->target, err, "SAVEPOINT dts_grant", 0, NULL))
		return false;
	if (pg_session_exec(run->target, err, sql, 0, NULL))
		return pg_session_exec(run->target, err, "RELEASE dts_grant", 0, NULL);
	/* 42704: GRANT to an unknown role; 22023: SET SESSION AUTHORIZATION to one */
	if (strcmp(err->sqlstate, "42704") != 0 && strcmp(err->sqlstate, "22023") != 0 &&
	    strcmp(err->sqlstate, "42501") != 0)
		return false;
	*skipped = true;
	return pg_session_exec(run->target, &failure, "ROLLBACK TO dts_grant", 0, NULL);
}

/*
 * Privileges and the like statement by statement: a semicolon outside quotes ends one; a quote
 * within quotes is doubled.  After a SET SESSION AUTHORIZATION that is skipped, so is
 * everything until the session's own role is back.
 */
static bool
run_grants(const CopyTaskRun *run, const CopyTask *task, Error *err)
{
	static const char reset[] = "RESET SESSION AUTHORIZATION";
	char *sql = arena_strdup(run->arena, task->target_sql);
	char *start = sql;
	char quote = '\0';
	bool muted = false;

	for (char *at = sql; *at != '\0'; at++)
	{
		bool skipped = false;

		if (quote == '\0' && (*at == '"' || *at == '\''))
			quote = *at;
		else if (*at == quote)
			quote = '\0';
		if (*at != ';' || quote != '\0')
			continue;
		*at = '\0';
		start += strspn(start, " \r\n\t");
		if (strncmp(start, reset, sizeof(reset) - 1) == 0)
			muted = false;
		if (!muted && !run_or_skip(run, start, &skipped, err))
			return false;
		if (skipped || muted)
		{
			char text[900];

			snprintf(text, sizeof(text), "left out (%.200s): %.600s", err->message, start);
			run->note(run->arg, text);
			muted = muted || strncmp(start, "SET SESSION AUTHORIZATION", 25) == 0;
		}
		start = at + 1;
	}
	return true;
}

/*
 * TRUNCATE refuses a table that foreign keys point to; then its rows are deleted.  A table that is
 * gone (or has another name by now) has none.
 */
static bool
run_empty(const CopyTaskRun *run, const CopyTask *task, Error *err)
{
	StrBuf sql;
	bool ok;

	if (!pg_session_exec(run->target, err, "SAVEPOINT dts_empty", 0, NULL))
		return false;
	strbuf_init(&sql);
	strbuf_puts(&sql, "TRUNCATE ONLY ");
	object_map_put(run->job->options.map, &sql, task->schema, task->table);
	ok = pg_session_exec(run->target, err, sql.data, 0, NULL);
	if (!ok && strcmp(err->sqlstate, "0A000") == 0)
	{
		strbuf_reset(&sql);
		strbuf_puts(&sql, "DELETE FROM ONLY ");
		object_map_put(run->job->options.map, &sql, task->schema, task->table);
		ok = pg_session_exec(run->target, err, "ROLLBACK TO dts_empty", 0, NULL) &&
		     pg_session_exec(run->target, err, sql.data, 0, NULL);
		if (ok)
			error_clear(err);
	}
	strbuf_free(&sql);
	if (!ok && (strcmp(err->sqlstate, "42P01") == 0 || strcmp(err->sqlstate, "3F000") == 0))
	{
		error_clear(err);
		ok = pg_session_exec(run->target, err, "ROLLBACK TO dts_empty", 0, NULL);
	}
	return ok;
}

/*
 * Empties the table and opens the way for COPY FREEZE, which needs that in the same transaction:
 * rows then need no hint bits and no later freezing, and no WAL where wal_level is minimal.  What
 * speaks against it (foreign keys, readers, a missing privilege) is no error.
 */
static bool
fresh_begin(const CopyTaskRun *run, const CopyTask *task, bool *fresh, Error *err)
{
	StrBuf sql;

	strbuf_init(&sql);
	strbuf_puts(&sql, "SAVEPOINT dts_fresh; SET LOCAL lock_timeout = '200ms'; TRUNCATE ONLY ");
	object_map_put(run->job->options.map, &sql, task->schema, task->table);
	strbuf_puts(&sql, "; SET LOCAL lock_timeout = 0; RELEASE dts_fresh");
	*fresh = pg_session_exec(run->target, err, sql.data, 0, NULL);
	strbuf_free(&sql);
	if (*fresh)
		return true;
	error_clear(err);
	return pg_session_exec(run->target, err, "ROLLBACK TO dts_fresh; RELEASE dts_fresh", 0, NULL);
}

static bool
run_part(const CopyTaskRun *run, const CopyTask *task, int64_t *rows, int64_t *bytes,
         CopyPartEnd *end, Error *err)
{
	CopyPart part = {.task = task,
	                 .map = run->job->options.map,
	                 .merge = task->kind == TASK_MERGE,
	                 .target_sql = task->target_sql,
	                 .pace = run->pace,
	                 .deaf = run->deaf,
	                 .progress = run->progress,
	                 .arg = run->arg};
	PgSession *source = run->source(run->arg, end, err);
	bool fresh = false;

	if (source == NULL)
		return false;
	if (task->kind == TASK_FRESH)
	{
		*end = PART_FAILED;
		if (!fresh_begin(run, task, &fresh, err))
			return false;
	}
	if (fresh)
	{
		size_t len = strlen(task->target_sql);
		char *sql = arena_alloc(run->arena, len + sizeof(", FREEZE)"));

		/* ... (FORMAT binary) */
		memcpy(sql, task->target_sql, len - 1);
		memcpy(sql + len - 1, ", FREEZE)", sizeof(", FREEZE)"));
		part.target_sql = sql;
	}
	return copy_part_run(&part, source, run->target, rows, bytes, end, err);
}

/* The end of the first statement.  It holds identifiers and literals of storage parameters only. */
static const char *
statement_end(const char *sql)
{
	char quote = 0;

	for (; *sql != '\0'; sql++)
	{
		if (quote != 0)
			quote = *sql == quote ? 0 : quote;
		else if (*sql == '"' || *sql == '\'')
			quote = *sql;
		else if (*sql == ';')
			return sql;
	}
	return NULL;
}

static bool
run_key(const CopyTaskRun *run, const CopyTask *task, Error *err)
{
	const char *end = statement_end(task->source_sql);
	char *index;
	char ids[2][24];
	const char *params[] = {run->job->slot_name, ids[0], ids[1], task->schema, task->table, NULL};

	if (end == NULL || task->bytes_estimated < TAKE_LARGE_BYTES)
		return pg_session_exec(run->target, err, task->target_sql, 0, NULL);
	index = arena_strdup(run->arena, task->source_sql);
	index[end - task->source_sql] = '\0';
	if (!pg_session_exec(run->target, err, index, 0, NULL))
		return false;
	/* before the other tasks of its stage, which may attach this key to a parent's */
	snprintf(ids[0], sizeof(ids[0]), "%" PRId64, -task->id);
	snprintf(ids[1], sizeof(ids[1]), "%d", STAGE_ATTACH);
	params[5] = end + 1;
	return pg_session_exec(run->target, err,
	                       "INSERT INTO dts.target_part (slot_name, part_id, state, stage, kind, "
	                       "schema_name, table_name, target_sql) VALUES ($1, CAST($2 AS bigint), "
	                       "'todo', CAST($3 AS int), 'sql', $4, $5, $6) ON CONFLICT (slot_name, "
	                       "part_id) DO UPDATE SET state = 'todo', target_sql = "
	                       "excluded.target_sql",
	                       6, params);
}

bool
copy_task_run(const CopyTaskRun *run, const CopyTask *task, int64_t *rows, int64_t *bytes,
              CopyPartEnd *end, Error *err)
{
	PgSession *source;

	*end = PART_FAILED;
	switch (task->kind)
	{
		case TASK_SQL:
		case TASK_ABREAST:
			return pg_session_exec(run->target, err, task->target_sql, 0, NULL);
		case TASK_GRANTS:
			return run_grants(run, task, err);
		case TASK_EMPTY:
			return run_empty(run, task, err);
		case TASK_PART:
		case TASK_FRESH:
		case TASK_MERGE:
			return run_part(run, task, rows, bytes, end, err);
		case TASK_KEY:
			return run_key(run, task, err);
		case TASK_LARGE:
			source = run->source(run->arg, end, err);
			return source != NULL &&
			       copy_large_run(task, run->job, source, run->target, run->pace, rows, bytes,
			                      err) &&
			       run_grants(run, task, err);
		case TASK_SEQUENCES:
			source = run->source(run->arg, NULL, err);
			return source != NULL &&
			       copy_sequences_run(run->job, task->source_sql, source, run->target, err);
		case TASK_CHANGED:
		case TASK_COUNT:
			break;
	}
	error_set(err, ERR_INTERNAL, "task of no kind");
	return false;
}

const char *
copy_task_doing(CopyStage stage)
{
	switch (stage)
	{
		case STAGE_PRE_DATA:
			return "creating objects";
		case STAGE_PRIVILEGES:
			return "granting privileges";
		case STAGE_EMPTY:
			return "emptying table";
		case STAGE_DATA:
			return "copying table";
		case STAGE_INDEX:
		case STAGE_ATTACH:
			return "building index";
		case STAGE_FOREIGN_KEY:
			return "adding foreign key";
		case STAGE_POST_DATA:
			return "creating what follows the data";
		case STAGE_REFRESH:
			return "setting sequences, refreshing views";
		case STAGE_ANALYZE:
			return "analyzing table";
		case STAGE_COUNT:
			break;
	}
	return "";
}
