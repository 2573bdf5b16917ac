/*
 * ddl_job.c
 *		See ddl_job.h.
 */
#include "ddl_job.h"

#include <stdlib.h>
#include <string.h>

#include "copy_catalog.h"
#include "log.h"
#include "object_map.h"
#include "source_capture.h"
#include "sql_map.h"

#define TRIM_EVERY_US (10 * 1000000LL)

struct DdlJob
{
	Worker *w;
	DdlQueue *queue;
	Arena *arena;
	SqlMap *map; /* NULL: names are the source's */
	bool trim;   /* something is there to be trimmed, or may be */
	int64_t trim_not_before_us;
};

static bool
selects_relation(void *arg, const char *schema, const char *name)
{
	const DdlJob *ddl = arg;

	return schema != NULL && name != NULL && !copy_is_own(schema, name) &&
	       job_selects(worker_job(ddl->w), schema, name);
}

/* All of it: the job's objects name no single tables there. */
static bool
selects_schema(void *arg, const char *schema)
{
	const Job *job = worker_job(((const DdlJob *) arg)->w);
	const JobOptions *options = &job->options;

	for (int i = 0; i < options->exclude_count; i++)
	{
		if (strcmp(options->exclude[i].schema, schema) == 0 && options->exclude[i].table_count == 0)
			return false;
	}
	for (int i = 0; i < options->object_count; i++)
	{
		if (strcmp(options->objects[i].schema, schema) == 0)
			return options->objects[i].table_count == 0;
	}
	return options->object_count == 0;
}

static const char *
role_of(void *arg, const char *role)
{
	return job_role(worker_job(((const DdlJob *) arg)->w), role);
}

static bool
decide(void *arg, const TxnHeader *header, const DdlRecord *record, const DdlPlan *plan,
       DdlDecision *decision, Error *err)
{
	return ddl_policy_decide(((const DdlJob *) arg)->w, header, record, plan, decision, err);
}

static void
handed(void *arg, const TxnHeader *header, const DdlRecord *record, const DdlPlan *plan)
{
	DdlJob *ddl = arg;

	ddl->trim = true;
	worker_event(ddl->w, "info", "ddl",
	             "%s of the transaction committed at " LSN_FORMAT " runs on the target, %s: %.400s",
	             record->tag, LSN_ARGS(header->commit),
	             plan->by_statement ? "as it was written" : "by what it changed", plan->sql[0]);
}

/* What needs a column that the job leaves out is left out as well, and told of. */
static void
map_names(void *arg, Arena *arena, const DdlRecord *record, DdlPlan *plan)
{
	DdlJob *ddl = arg;
	const char **sql = arena_alloc(arena, sizeof(*sql) * ((size_t) plan->count + 1));
	int count = 0;

	for (int i = 0; i < plan->count; i++)
	{
		SqlMapped mapped;
		Error err = {0};

		switch (sql_map_text(ddl->map, arena, plan->sql[i], &mapped, &err))
		{
			case SQL_MAP_DONE:
				sql[count++] = mapped.sql;
				break;
			case SQL_MAP_GONE:
				break;
			case SQL_MAP_BROKEN:
				worker_event(ddl->w, "warning", "ddl_left_out",
				             "%s does not reach the target: it needs the column %s, which the job "
				             "leaves out",
				             record->tag, mapped.needs);
				break;
			case SQL_MAP_FAILED:
				plan->verdict = DDL_REFUSED;
				plan->reason = arena_printf(arena, "%s (%s)", err.message, err.detail);
				return;
		}
	}
	plan->sql = sql;
	plan->count = count;
	if (count == 0)
		plan->verdict = DDL_NOTHING;
}

DdlJob *
ddl_job_create(Worker *w, const char *work_dir)
{
	const Job *job = worker_job(w);
	DdlQueueOptions options = {
	    .scope = {.relation = selects_relation, .schema = selects_schema},
	    .statements = getenv("DTS_DDL_BY_STATE") == NULL,
	    .slot_name = job->slot_name,
	    .role = role_of,
	    .role_needed = job->options.missing_roles_fail,
	    .decide = decide,
	    .handed = handed,
	    .work_dir = work_dir,
	};
	DdlJob *ddl;

	if (job->options.ddl == JOB_DDL_SKIP)
		return NULL;
	ddl = xcalloc(1, sizeof(*ddl));
	ddl->w = w;
	ddl->trim = true;
	if (object_map_changes(job->options.map))
	{
		ddl->arena = arena_create(4096);
		ddl->map = sql_map_create(ddl->arena, job->options.map);
		options.map = map_names;
	}
	options.arg = options.scope.arg = ddl;
	ddl->queue = ddl_queue_create(&options);
	return ddl;
}

void
ddl_job_destroy(DdlJob *ddl)
{
	if (ddl == NULL)
		return;
	ddl_queue_destroy(ddl->queue);
	if (ddl->arena != NULL)
		arena_destroy(ddl->arena);
	free(ddl);
}

DdlQueue *
ddl_job_queue(const DdlJob *ddl)
{
	return ddl == NULL ? NULL : ddl->queue;
}

/* Our position passes the command only after a while, so trimming is tried until nothing is left. */
bool
ddl_job_trim(DdlJob *ddl, PgSession *source, int64_t now_us, Error *err)
{
	bool left;

	if (ddl == NULL || !ddl->trim || now_us < ddl->trim_not_before_us)
		return true;
	ddl->trim_not_before_us = now_us + TRIM_EVERY_US;
	if (source_capture_trim(source, &left, err))
	{
		ddl->trim = left;
		return true;
	}
	if (sqlstate_is_transient(err->sqlstate) && strcmp(err->sqlstate, "55P03") != 0)
		return false;
	/* nothing is lost by it but room on the source */
	log_error(LOG_WARNING, "trimming the capture of DDL", err);
	error_clear(err);
	return true;
}

bool
ddl_job_join(const Job *job, void *arg, json_t *result, Error *err)
{
	PgSession *source;
	bool ok;

	(void) arg;
	if (!job->options.phases[PHASE_INCREMENTAL] || job->options.ddl == JOB_DDL_SKIP)
		return true;
	source = pg_session_open(job->source_conninfo, PG_SESSION_SOURCE, job->slot_name, NULL, err);
	ok = source != NULL && source_capture_join(source, job->slot_name, err);
	pg_session_close(source);
	if (ok || strcmp(err->sqlstate, "42501") != 0)
		return ok;
	json_object_set_new(result, "not_captured", json_string(err->message));
	error_clear(err);
	return true;
}
