/*
 * copy_large.c
 *		Large objects; see copy_large.h.
 *
 * They keep their OIDs, since rows of tables name them.  A task holds some hundreds: its source_sql is
 * the list of their OIDs, its target_sql says whose they are.  The first piece of many travels at
 * once, what is longer follows piece by piece.
 */
#include "copy_large.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "copy_catalog.h"
#include "strbuf.h"

#define TASK_OBJECTS 500
#define GROUP        20
#define PIECE        262144
#define PIECE_TEXT   "262144"

static const char list_sql[] =
    "SELECT m.oid, pg_catalog.concat(pg_catalog.format('ALTER LARGE OBJECT %s OWNER TO %I;', "
    "m.oid, "
    " pg_catalog.pg_get_userbyid(m.lomowner)), (SELECT pg_catalog.string_agg(pg_catalog.format("
    " 'GRANT %s ON LARGE OBJECT %s TO %s%s;', a.privilege_type, m.oid, CASE WHEN a.grantee = 0 "
    "THEN "
    " 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END, CASE WHEN "
    " a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '') FROM pg_catalog.aclexplode("
    " m.lomacl) a WHERE a.grantee <> m.lomowner), pg_catalog.format('COMMENT ON LARGE OBJECT %s IS "
    " %L;', m.oid, pg_catalog.obj_description(m.oid, 'pg_largeobject'))) FROM "
    "pg_catalog.pg_largeobject_metadata m ORDER BY m.oid";

bool
copy_large_plan(CopyTasks *tasks, PgSession *source, PgSession *target, const Job *job, Error *err)
{
	PgRows *rows;
	CopyRoles *roles;
	StrBuf oids, owners;
	int count;

	if (job->options.object_count > 0)
		return true;
	rows = pg_session_query(source, err, list_sql, 0, NULL);
	if (rows == NULL)
	{
		error_context(err, "reading the source's large objects");
		return false;
	}
	count = pg_rows_count(rows);
	roles = count == 0 ? NULL : copy_roles_read(job, target, tasks->arena, err);
	if (roles == NULL)
	{
		pg_rows_free(rows);
		return count == 0;
	}
	strbuf_init(&oids);
	strbuf_init(&owners);
	for (int i = 0; i < count; i++)
	{
		const char *owner = pg_rows_get(rows, i, 1);
		const char *rewritten = copy_roles_rewrite(roles, owner);

		strbuf_printf(&oids, "%s%s", oids.len > 0 ? "," : "", pg_rows_get(rows, i, 0));
		strbuf_puts(&owners, rewritten != NULL ? rewritten : owner);
		if (i % TASK_OBJECTS == TASK_OBJECTS - 1 || i == count - 1)
		{
			CopyTask *task = copy_tasks_add(tasks, STAGE_DATA, TASK_LARGE);

			task->source_sql = arena_strdup(tasks->arena, oids.data);
			task->target_sql = owners.len == 0 ? "" : arena_strdup(tasks->arena, owners.data);
			task->rows_estimated = i % TASK_OBJECTS + 1;
			strbuf_reset(&oids);
			strbuf_reset(&owners);
		}
	}
	strbuf_free(&oids);
	strbuf_free(&owners);
	pg_rows_free(rows);
	return true;
}

/* What follows the first piece, up to a short one. */
static bool
copy_rest(PgSession *source, PgSession *target, const char *oid, CopyPace *pace, int64_t *bytes,
          Error *err)
{
	for (int64_t at = PIECE;; at += PIECE)
	{
		char offset[24];
		const char *params[] = {oid, offset, NULL};
		size_t len;
		PgRows *rows;
		bool ok;

		snprintf(offset, sizeof(offset), "%" PRId64, at);
		rows = pg_session_query(
		    source, err,
		    "SELECT pg_catalog.encode(pg_catalog.lo_get($1::oid, $2::bigint, " PIECE_TEXT
		    "), 'hex')",
		    2, params);
		if (rows == NULL)
			return false;
		params[2] = pg_rows_get(rows, 0, 0);
		len = strlen(params[2]) / 2;
		ok = len == 0 || pg_session_exec(target, err,
		                                 "SELECT pg_catalog.lo_put($1::oid, $2::bigint, "
		                                 "pg_catalog.decode($3, 'hex'))",
		                                 3, params);
		pg_rows_free(rows);
		*bytes += (int64_t) len;
		copy_pace_copied(pace, 0, (int64_t) len);
		if (!ok || len < PIECE)
			return ok;
	}
}

static bool
copy_one(PgSession *source, PgSession *target, const char *oid, const char *first, bool keep,
         CopyPace *pace, int64_t *bytes, Error *err)
{
	const char *params[] = {oid, first};
	size_t len = strlen(first) / 2;
	PgRows *rows = pg_session_query(
	    target, err,
	    keep ? "SELECT pg_catalog.lo_from_bytea($1::oid, pg_catalog.decode($2, 'hex')) WHERE NOT "
	           "EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata WHERE oid = $1::oid)"
	         : "SELECT pg_catalog.lo_from_bytea($1::oid, pg_catalog.decode($2, 'hex'))",
	    2, params);
	bool made = rows != NULL && pg_rows_count(rows) > 0;

	if (rows == NULL)
		return false;
	pg_rows_free(rows);
	if (!made)
		return true;
	*bytes += (int64_t) len;
	copy_pace_copied(pace, 1, (int64_t) len);
	return len < PIECE || copy_rest(source, target, oid, pace, bytes, err);
}

/* Large objects of the same numbers give way, but for the policy "keep". */
static bool
remove_old(PgSession *target, const char *oids, Error *err)
{
	const char *params[] = {oids};

	return pg_session_exec(target, err,
	                       "SELECT pg_catalog.lo_unlink(m.oid) FROM "
	                       "pg_catalog.pg_largeobject_metadata m WHERE m.oid = ANY ($1::oid[])",
	                       1, params);
}

static bool
copy_group(PgSession *source, PgSession *target, const char *oids, int from, bool keep,
           CopyPace *pace, int64_t *rows_done, int64_t *bytes, Error *err)
{
	char range[2][16];
	const char *params[] = {oids, range[0], range[1]};
	PgRows *rows;
	bool ok = true;

	snprintf(range[0], sizeof(range[0]), "%d", from + 1);
	snprintf(range[1], sizeof(range[1]), "%d", from + GROUP);
	rows = pg_session_query(source, err,
	                        "SELECT o, pg_catalog.encode(pg_catalog.lo_get(o, 0, " PIECE_TEXT
	                        "), 'hex') FROM unnest(($1::oid[])[$2::int:$3::int]"
	                        ") o",
	                        3, params);
	if (rows == NULL)
		return false;
	for (int i = 0; ok && i < pg_rows_count(rows); i++)
	{
		ok = copy_one(source, target, pg_rows_get(rows, i, 0), pg_rows_get(rows, i, 1), keep, pace,
		              bytes, err);
		(*rows_done)++;
	}
	pg_rows_free(rows);
	return ok;
}

bool
copy_large_run(const CopyTask *task, const Job *job, PgSession *source, PgSession *target,
               CopyPace *pace, int64_t *rows, int64_t *bytes, Error *err)
{
	bool keep = job->options.same_name_tables == SAME_NAME_KEEP;
	StrBuf oids;
	bool ok;

	*rows = *bytes = 0;
	strbuf_init(&oids);
	strbuf_printf(&oids, "{%s}", task->source_sql);
	ok = keep || remove_old(target, oids.data, err);
	for (int from = 0; ok && from < TASK_OBJECTS; from += GROUP)
		ok = copy_group(source, target, oids.data, from, keep, pace, rows, bytes, err);
	strbuf_free(&oids);
	return ok;
}
