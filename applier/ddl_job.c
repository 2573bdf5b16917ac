/*
 * ddl_job.c
 *		See ddl_job.h.
 */
#include "ddl_job.h"

#include <stdio.h>
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
	json_t *last; /* the command handed over last */
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
	json_decref(ddl->last);
	ddl->last = ddl_policy_handed(ddl->w, header, record, plan);
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

	if (!job->options.ddl.captured)
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
	json_decref(ddl->last);
	if (ddl->arena != NULL)
		arena_destroy(ddl->arena);
	free(ddl);
}

void
ddl_job_failed(DdlJob *ddl, const Error *err)
{
	if (ddl == NULL || ddl->last == NULL)
		return;
	json_object_set_new(ddl->last, "reason", json_string(err->message));
	worker_ddl_failed(ddl->w, ddl->last);
}

bool
ddl_job_gap(DdlJob *ddl, PgSession *source, const TxnHeader *header, const char *tag, size_t len,
            Error *err)
{
	char tables[900];
	char lsn[LSN_TEXT_MAX];
	char reason[1000];
	json_t *command;

	if (ddl == NULL || job_ddl_left_out(&worker_job(ddl->w)->options.ddl, header->commit.value, 0))
		return true;
	if (!source_capture_doubt(source, tables, sizeof(tables), err))
		return false;
	if (tables[0] == '\0')
		return true;
	snprintf(lsn, sizeof(lsn), LSN_FORMAT, LSN_ARGS(header->commit));
	snprintf(reason, sizeof(reason), "it was not captured; tables in doubt: %s", tables);
	command = json_pack("{s:s, s:i, s:s%, s:s, s:s}", "lsn", lsn, "number", 0, "tag", tag, len,
	                    "class", "other", "reason", reason);
	if (command != NULL)
		worker_ddl_failed(ddl->w, command);
	json_decref(command);
	error_set(err, ERR_DDL, "a command of the source could not be captured");
	error_detail(err, "%.*s, committed at %s.  Tables in doubt: %s", len < 60 ? (int) len : 60, tag,
	             lsn, tables);
	error_hint(err, "Make the target's tables like the source's, or load them again with "
	                "dts_reload_table, and go on with dts_skip_ddl.");
	return false;
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
	if (!job->options.phases[PHASE_INCREMENTAL] || !job->options.ddl.captured)
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
