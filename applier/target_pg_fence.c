/*
 * target_pg_fence.c
 *		Epoch and bookkeeping on the target; see target_pg_fence.h.
 *
 * The order in target_fence_acquire() is what makes it exact.  An old transaction that has passed
 *its epoch check holds the row FOR SHARE.  Ended first, it has either committed or rolled back by
 *the time the UPDATE gets the row; not ended (the signal was lost on it), it keeps the UPDATE
 *waiting, and is ended again.  One that checks after the UPDATE sees the new epoch.  So whoever has
 *raised the epoch reads positions that nobody else will move any more.
 */
#include "target_pg_fence.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "copy_queue.h"
#include "copy_table.h"
#include "strbuf.h"
#include "target_pg_lane.h"

#define SCHEMA_COMMENT "bookkeeping of dts_applier; goes with the last job that writes here"
#define END_ROUNDS     50 /* of 200 ms each */
#define RAISE_ROUNDS   10 /* of a lock_timeout of 1 s each */

/* Serialises set-up and removal of all jobs on this database. */
#define LOCK_BOOKKEEPING "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('dts'), 1)"

static const char bookkeeping_ddl[] =
    "CREATE TABLE IF NOT EXISTS dts.target_fence ("
    " slot_name text PRIMARY KEY, epoch bigint NOT NULL);"
    "CREATE TABLE IF NOT EXISTS dts.target_progress ("
    " slot_name text PRIMARY KEY, source_system text, source_timeline int, source_database text,"
    " source_encoding text, consistent_point pg_lsn, snapshot text, end_lsn pg_lsn,"
    " use_origin boolean NOT NULL DEFAULT false, step text, snapshot_lsn pg_lsn,"
    " snapshot_xids text, updated_at timestamptz);"
    "COMMENT ON TABLE dts.target_fence IS 'which owner of a job may write here';"
    "COMMENT ON TABLE dts.target_progress IS 'up to where a job has come';";

static bool
end_transaction(PgSession *session, bool ok, Error *err)
{
	Error ignored;

	if (ok)
		return pg_session_exec(session, err, "COMMIT", 0, NULL);
	/* where not even that works, the session is gone, and the transaction with it */
	if (!pg_session_exec(session, &ignored, "ROLLBACK", 0, NULL))
		error_clear(&ignored);
	return false;
}

/* One number, or -1 with err filled. */
static int64_t
query_number(PgSession *session, const char *sql, int nparams, const char *const *params,
             Error *err)
{
	PgRows *rows = pg_session_query(session, err, sql, nparams, params);
	int64_t number = rows != NULL && pg_rows_count(rows) > 0 ? pg_rows_int(rows, 0, 0) : -1;

	if (rows != NULL && pg_rows_count(rows) == 0)
		error_set(err, ERR_INTERNAL, "query for a number returned no row");
	pg_rows_free(rows);
	return number;
}

static bool
create_tables(PgSession *target, Error *err)
{
	int64_t exists = query_number(
	    target, "SELECT (pg_catalog.to_regnamespace('dts') IS NOT NULL)::int", 0, NULL, err);

	if (exists < 0)
		return false;
	if (exists == 0 &&
	    !pg_session_exec(target, err,
	                     "CREATE SCHEMA dts; COMMENT ON SCHEMA dts IS '" SCHEMA_COMMENT "'", 0,
	                     NULL))
		return false;
	/* the extension's schema, when control database and target are one, may not be ours to add to
	 */
	exists = query_number(target,
	                      "SELECT (pg_catalog.to_regclass('dts.target_fence') IS NOT NULL AND "
	                      "pg_catalog.to_regclass('dts.target_progress') IS NOT NULL AND "
	                      "pg_catalog.to_regclass('dts.target_part') IS NOT NULL AND "
	                      "pg_catalog.to_regclass('dts.target_table') IS NOT NULL)::int",
	                      0, NULL, err);
	if (exists < 0)
		return false;
	if (exists == 1)
		return true;
	return pg_session_exec(target, err, bookkeeping_ddl, 0, NULL) &&
	       pg_session_exec(target, err, COPY_QUEUE_DDL, 0, NULL) &&
	       pg_session_exec(target, err, COPY_TABLE_DDL, 0, NULL);
}

bool
target_fence_setup(PgSession *target, const Job *job, Error *err)
{
	const char *params[] = {job->slot_name};
	bool ok;

	if (!pg_session_exec(target, err, "BEGIN", 0, NULL))
		return false;
	ok = pg_session_exec(target, err, LOCK_BOOKKEEPING, 0, NULL) && create_tables(target, err) &&
	     pg_session_exec(target, err,
	                     "INSERT INTO dts.target_fence (slot_name, epoch) VALUES ($1, 0) "
	                     "ON CONFLICT DO NOTHING",
	                     1, params) &&
	     pg_session_exec(target, err,
	                     "INSERT INTO dts.target_progress (slot_name, updated_at) "
	                     "VALUES ($1, pg_catalog.now()) ON CONFLICT DO NOTHING",
	                     1, params);
	ok = end_transaction(target, ok, err);
	if (!ok)
		error_context(err, "setting up bookkeeping in schema \"dts\" of the target");
	return ok;
}

/* Asked once more under the lock: two jobs that create the same function at once fail, OR REPLACE or not. */
bool
target_fence_create(PgSession *target, const char *there, const char *commands, Error *err)
{
	char sql[1000];
	int64_t exist;
	bool ok;

	snprintf(sql, sizeof(sql), "SELECT (%s)::int", there);
	exist = query_number(target, sql, 0, NULL, err);
	if (exist != 0)
		return exist == 1;
	if (!pg_session_exec(target, err, "BEGIN", 0, NULL))
		return false;
	ok = pg_session_exec(target, err, LOCK_BOOKKEEPING, 0, NULL);
	exist = ok ? query_number(target, sql, 0, NULL, err) : -1;
	ok = exist == 1 || (exist == 0 && pg_session_exec(target, err, commands, 0, NULL));
	ok = end_transaction(target, ok, err);
	if (!ok)
		error_context(err, "setting up functions in schema \"dts\" of the target");
	return ok;
}

bool
fence_end_sessions(PgSession *session, const Job *job, Error *err)
{
	const char *params[] = {job->slot_name};

	for (int i = 0; i < END_ROUNDS; i++)
	{
		/* other databases' sessions are counted too: a replication session may show none */
		int64_t count =
		    query_number(session,
		                 "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) FROM "
		                 "pg_catalog.pg_stat_activity WHERE application_name = $1 AND "
		                 "backend_type <> 'parallel worker' AND pid <> pg_catalog.pg_backend_pid()",
		                 1, params, err);

		if (count < 0)
		{
			error_context(err, "ending earlier sessions of the job");
			return false;
		}
		if (count == 0)
			return true;
		usleep(200 * 1000);
	}
	error_set(err, "55006", "earlier sessions of the job do not end");
	error_detail(err, "Sessions with application_name \"%s\" are still there after 10 s.",
	             job->slot_name);
	error_hint(err, "Find them in pg_stat_activity and see what they wait for.");
	return false;
}

/* The epoch was not raised: which one is in force? */
static bool
compare_epoch(PgSession *target, const Job *job, Error *err)
{
	const char *params[] = {job->slot_name};
	PgRows *rows = pg_session_query(
	    target, err, "SELECT epoch FROM dts.target_fence WHERE slot_name = $1", 1, params);
	bool ok = false;

	if (rows == NULL)
		return false;
	if (pg_rows_count(rows) == 0)
	{
		error_set(err, ERR_LOST, "the target holds no position of this job");
		error_detail(err, "Table dts.target_fence has no row for \"%s\".", job->slot_name);
		error_hint(err, "Stop the job, create it again and load the target anew.");
	}
	else if (pg_rows_int(rows, 0, 0) != job->epoch)
	{
		error_set(err, ERR_FENCED, "another daemon owns the job now");
		error_detail(err, "The target knows epoch %s, this worker has %" PRId64 ".",
		             pg_rows_get(rows, 0, 0), job->epoch);
	}
	else
		ok = true;
	pg_rows_free(rows);
	return ok;
}

static bool
raise_epoch(PgSession *target, const Job *job, Error *err)
{
	char epoch[32];
	const char *params[] = {job->slot_name, epoch};

	snprintf(epoch, sizeof(epoch), "%" PRId64, job->epoch);
	for (int i = 0; i < RAISE_ROUNDS; i++)
	{
		PgRows *rows;
		int64_t raised;

		if (!fence_end_sessions(target, job, err))
			return false;
		rows = pg_session_query(target, err,
		                        "UPDATE dts.target_fence SET epoch = $2::bigint "
		                        "WHERE slot_name = $1 AND epoch < $2::bigint",
		                        2, params);
		if (rows != NULL)
		{
			raised = pg_rows_affected(rows);
			pg_rows_free(rows);
			return raised == 1 || compare_epoch(target, job, err);
		}
		/* somebody checked his epoch after the sessions were ended: end him too */
		if (strcmp(err->sqlstate, "55P03") != 0)
			return false;
	}
	return false;
}

bool
target_fence_acquire(PgSession *target, const Job *job, Error *err)
{
	bool exists;

	if (!target_fence_exists(target, job, &exists, err))
		return false;
	if (!exists)
	{
		error_set(err, ERR_LOST, "the target holds no position of this job");
		error_detail(err, "There is no row for \"%s\" in dts.target_fence on the target.",
		             job->slot_name);
		error_hint(err, "Stop the job, create it again and load the target anew.");
		return false;
	}
	if (!pg_session_exec(target, err, "SET lock_timeout = '1s'", 0, NULL) ||
	    !raise_epoch(target, job, err) ||
	    !pg_session_exec(target, err, "SET lock_timeout = 0", 0, NULL) ||
	    !fence_end_sessions(target, job, err))
	{
		error_context(err, "taking the target over");
		return false;
	}
	return true;
}

bool
target_fence_exists(PgSession *target, const Job *job, bool *exists, Error *err)
{
	const char *params[] = {job->slot_name};
	int64_t found =
	    query_number(target, "SELECT (pg_catalog.to_regclass('dts.target_fence') IS NOT NULL)::int",
	                 0, NULL, err);

	if (found == 1)
		found = query_number(
		    target, "SELECT pg_catalog.count(*) FROM dts.target_fence WHERE slot_name = $1", 1,
		    params, err);
	*exists = found == 1;
	return found >= 0;
}

/* Runs each statement that the query returns. */
static bool
run_listed(PgSession *session, const char *query, Error *err)
{
	PgRows *rows = pg_session_query(session, err, query, 0, NULL);
	bool ok = rows != NULL;

	for (int i = 0; ok && i < pg_rows_count(rows); i++)
		ok = pg_session_exec(session, err, pg_rows_get(rows, i, 0), 0, NULL);
	pg_rows_free(rows);
	return ok;
}

/* Objects of ours: in schema dts, named target_..., not members of the extension. */
static bool
drop_tables(PgSession *target, Error *err)
{
	return run_listed(
	           target,
	           "SELECT pg_catalog.format('DROP TABLE %s', c.oid::pg_catalog.regclass) "
	           "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
	           "c.relnamespace WHERE n.nspname = 'dts' AND c.relkind = 'r' AND "
	           "c.relname ~ '^target_' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d "
	           "WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid "
	           "AND d.deptype = 'e')",
	           err) &&
	       run_listed(target,
	                  "SELECT pg_catalog.format('DROP ROUTINE %s', p.oid::pg_catalog.regprocedure) "
	                  "FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = "
	                  "p.pronamespace WHERE n.nspname = 'dts' AND p.proname ~ '^target_' AND "
	                  "NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = "
	                  "'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND "
	                  "d.deptype = 'e')",
	                  err);
}

/* Only the schema that set-up made, and only when nothing else has moved in. */
static bool
drop_schema(PgSession *target, Error *err)
{
	int64_t ours = query_number(target,
	                            "SELECT (coalesce(pg_catalog.obj_description("
	                            "pg_catalog.to_regnamespace('dts')::oid, 'pg_namespace'), '') = "
	                            "'" SCHEMA_COMMENT "')::int",
	                            0, NULL, err);

	if (ours < 0)
		return false;
	if (ours == 0)
		return true;
	if (!pg_session_exec(target, err, "SAVEPOINT s", 0, NULL))
		return false;
	if (pg_session_exec(target, err, "DROP SCHEMA dts", 0, NULL))
		return true;
	if (strcmp(err->sqlstate, "2BP01") != 0)
		return false;
	return pg_session_exec(target, err, "ROLLBACK TO SAVEPOINT s", 0, NULL);
}

static bool
drop_origins(PgSession *target, const Job *job, Error *err)
{
	const char *params[] = {job->slot_name};

	/* looked up in the catalog first: the functions may not be granted, and then it is not there */
	int64_t found = query_number(target,
	                             "SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_origin "
	                             "WHERE " TARGET_PG_ORIGIN_OF("$1"),
	                             1, params, err);

	if (found <= 0)
		return found == 0;
	return pg_session_exec(target, err,
	                       "SELECT pg_catalog.pg_replication_origin_drop(roname) FROM "
	                       "pg_catalog.pg_replication_origin WHERE " TARGET_PG_ORIGIN_OF("$1"),
	                       1, params);
}

static bool
remove_rows(PgSession *target, const Job *job, Error *err)
{
	static const char *const tables[] = {"target_part", "target_table", "target_progress",
	                                     "target_fence"};
	const char *params[] = {job->slot_name};

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
	{
		char sql[160];
		int64_t there;

		snprintf(sql, sizeof(sql), "SELECT (pg_catalog.to_regclass('dts.%s') IS NOT NULL)::int",
		         tables[i]);
		there = query_number(target, sql, 0, NULL, err);
		if (there < 0)
			return false;
		snprintf(sql, sizeof(sql), "DELETE FROM dts.%s WHERE slot_name = $1", tables[i]);
		if (there == 1 && !pg_session_exec(target, err, sql, 1, params))
			return false;
	}
	return true;
}

bool
target_fence_remove(PgSession *target, const Job *job, Error *err)
{
	int64_t others;
	bool ok;

	if (!pg_session_exec(target, err, "BEGIN", 0, NULL))
		return false;
	ok = pg_session_exec(target, err, LOCK_BOOKKEEPING, 0, NULL) && remove_rows(target, job, err) &&
	     drop_origins(target, job, err);
	if (ok)
	{
		others = query_number(
		    target, "SELECT (pg_catalog.to_regclass('dts.target_fence') IS NOT NULL)::int", 0, NULL,
		    err);
		if (others == 1)
			others = query_number(target, "SELECT pg_catalog.count(*) FROM dts.target_fence", 0,
			                      NULL, err);
		ok = others >= 0;
		if (ok && others == 0)
			ok = drop_tables(target, err) && drop_schema(target, err);
	}
	ok = end_transaction(target, ok, err);
	if (!ok)
		error_context(err, "removing bookkeeping from schema \"dts\" of the target");
	return ok;
}
