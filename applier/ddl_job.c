/*
 * ddl_job.c
 *		See ddl_job.h.
 */
#include "ddl_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy_catalog.h"
#include "copy_queue.h"
#include "copy_table.h"
#include "ddl_follow.h"
#include "ddl_partition.h"
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
	TableJoin *join;
	TxnHeader header; /* of the transaction of the command at hand */
	DdlFollow *follow;
	bool reopens; /* the stream has to begin anew, with more tables for the decoder */
	Arena *arena;
	DdlScope scope;
	SqlMap *map;  /* NULL: names are the source's */
	bool trim;    /* something is there to be trimmed, or may be */
	bool refresh; /* what the capture has missed was seen to */
	int64_t trim_not_before_us;
};

static bool
is_member(void *arg, const char *schema, const char *name)
{
	const DdlJob *ddl = arg;

	/* a table that was copied later is what the command made of it already */
	return schema != NULL && name != NULL && !copy_is_own(schema, name) &&
	       ddl_follow_selects(ddl->follow, schema, name) &&
	       !table_join_in_copy(ddl->join, &ddl->header, schema, name);
}

/* Whether the operations of the table, or of the one at its top, have its commands among them. */
static bool
wants_commands(const DdlJob *ddl, const char *schema, const char *name)
{
	const char *root_schema;
	const char *root_name;
	ObjectTable table;

	ddl_follow_root(ddl->follow, schema, name, &root_schema, &root_name);
	object_map_leaf(worker_job(ddl->w)->options.map, schema, name, root_schema, root_name, &table);
	return (table.operations & OPERATION_BIT(OPERATION_DDL)) != 0;
}

static bool
selects_relation(void *arg, const char *schema, const char *name)
{
	return is_member(arg, schema, name) && wants_commands(arg, schema, name);
}

static const char *
target_name(void *arg, Arena *arena, const char *schema, const char *name)
{
	const DdlJob *ddl = arg;
	ObjectTable table;

	object_map_table(worker_job(ddl->w)->options.map, schema, name, &table);
	return ddl_qualified(arena, table.target_schema, table.target_name);
}

/* Commands that the operations of a table leave out are told of. */
static void
tell_unwanted(DdlJob *ddl, Arena *arena, const DdlRecord *record)
{
	for (size_t i = 0; i < json_array_size(record->objects); i++)
	{
		DdlObject object = ddl_object_at(record, i);
		const json_t *doc = object.after == NULL ? object.before : object.after;
		const char *kind = ddl_text(doc, "kind");

		if (strcmp(object.class, "pg_class") == 0 && kind != NULL &&
		    strchr("rp", kind[0]) != NULL &&
		    is_member(ddl, ddl_text(doc, "schema"), ddl_text(doc, "name")) &&
		    !wants_commands(ddl, ddl_text(doc, "schema"), ddl_text(doc, "name")))
			worker_event(ddl->w, "warning", "ddl_left_out",
			             "%s of table %s does not reach the target: the table's operations do not "
			             "have \"ddl\" among them",
			             record->tag, ddl_object_name(arena, doc));
	}
}

static bool
look(void *arg, Arena *arena, const TxnHeader *header, const DdlRecord *record, const char **reason,
     Error *err)
{
	DdlJob *ddl = arg;

	ddl->header = *header;
	switch (ddl_follow_command(ddl->follow, arena, record, header->end, reason))
	{
		case FOLLOW_ON:
		case FOLLOW_DOUBT:
			tell_unwanted(ddl, arena, record);
			break;
		case FOLLOW_REOPEN:
			ddl->reopens = true;
			error_set(err, ERR_DDL, "a table of the job gets a name that its objects do not have");
			return false;
	}
	return true;
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
	DdlJob *ddl = arg;

	if (!ddl_policy_decide(ddl->w, header, record, plan, decision, err))
		return false;
	if (*decision == DDL_LEAVE_OUT && record->event == DDL_EVENT_GAP)
		ddl->refresh = true;
	return true;
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

/* Which tables of the record are partitions now, and of what. */
static void
map_partitions(DdlJob *ddl, const DdlRecord *record)
{
	for (size_t i = 0; i < json_array_size(record->objects); i++)
	{
		DdlObject object = ddl_object_at(record, i);
		const json_t *root = json_object_get(object.after, "root");

		if (strcmp(object.class, "pg_class") == 0 && object.after != NULL)
			sql_map_partition(ddl->map, ddl_text(object.after, "schema"),
			                  ddl_text(object.after, "name"), ddl_text(root, "schema"),
			                  ddl_text(root, "name"));
	}
}

/* What needs a column that the job leaves out is left out as well, and told of. */
static void
map_names(void *arg, Arena *arena, const DdlRecord *record, DdlPlan *plan)
{
	DdlJob *ddl = arg;
	const char **sql = arena_alloc(arena, sizeof(*sql) * ((size_t) plan->count + 1));
	const char **roles = arena_alloc(arena, sizeof(*roles) * ((size_t) plan->count + 1));
	int count = 0;

	map_partitions(ddl, record);

	for (int i = 0; i < plan->count; i++)
	{
		SqlMapped mapped;
		Error err = {0};

		switch (sql_map_text(ddl->map, arena, plan->sql[i], &mapped, &err))
		{
			case SQL_MAP_DONE:
				roles[count] = plan->roles == NULL ? NULL : plan->roles[i];
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
	plan->roles = roles;
	plan->count = count;
	ddl_partition_columns(arena, worker_job(ddl->w)->options.map, record, &ddl->scope, plan);
	if (plan->count == 0 && plan->verdict == DDL_APPLY)
		plan->verdict = DDL_NOTHING;
}

/* At the transaction's end; what it still does to the table is in the copy. */
static void
load_table(void *arg, int64_t oid, const char *schema, const char *name)
{
	DdlJob *ddl = arg;

	ddl_queue_discard(ddl->queue, (uint32_t) oid);
	table_join_hold(ddl->join, (uint32_t) oid, schema, name, true);
	worker_event(ddl->w, "info", "table_enters",
	             "table \"%s\".\"%s\" comes to the job's objects; it is loaded beside the stream",
	             schema, name);
}

DdlJob *
ddl_job_create(Worker *w, TableJoin *join, const char *work_dir)
{
	const Job *job = worker_job(w);
	DdlQueueOptions options = {
	    .scope = {.relation = selects_relation, .member = is_member, .schema = selects_schema},
	    .statements = getenv("DTS_DDL_BY_STATE") == NULL,
	    .slot_name = job->slot_name,
	    .role = role_of,
	    .role_needed = job->options.missing_roles_fail,
	    .look = look,
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
	ddl->join = join;
	ddl->follow = ddl_follow_create(job, load_table, ddl);
	if (object_map_changes(job->options.map))
	{
		ddl->arena = arena_create(4096);
		ddl->map = sql_map_create(ddl->arena, job->options.map);
		options.map = map_names;
		options.scope.target = target_name;
	}
	options.arg = options.scope.arg = ddl;
	ddl->scope = options.scope;
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
	ddl_follow_destroy(ddl->follow);
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

	if (ddl == NULL)
		return true;
	if (job_ddl_left_out(&worker_job(ddl->w)->options.ddl, header->commit.value, 0))
	{
		ddl->refresh = true;
		return true;
	}
	if (!source_capture_doubt(source, header->xid, tables, sizeof(tables), err))
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

/* A table or partitioned table, and those above it: the job's when one of them is named. */
static bool
selects_any(const Job *job, const PgRows *rows, int first, int end)
{
	bool named = false;

	for (int i = first; i < end; i++)
	{
		const char *schema = pg_rows_get(rows, i, 3);
		const char *name = pg_rows_get(rows, i, 4);

		if (job_excludes(job, schema, name))
			return false;
		named = named || job_names(job, schema, name);
	}
	return named;
}

static bool
put_source_tables(DdlJob *ddl, PgSession *source, Error *err)
{
	PgRows *rows = pg_session_query(
	    source, err,
	    "SELECT c.oid, n.nspname, c.relname, an.nspname, a.relname, rn.nspname, r.relname FROM "
	    "pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_class r ON c.relispartition AND r.oid = "
	    "pg_catalog.pg_partition_root(c.oid) LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = "
	    "r.relnamespace JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, LATERAL (SELECT "
	    "c.oid UNION "
	    "SELECT p.relid FROM pg_catalog.pg_partition_ancestors(c.oid) p) x(oid) JOIN "
	    "pg_catalog.pg_class a ON a.oid = x.oid JOIN pg_catalog.pg_namespace an ON an.oid = "
	    "a.relnamespace WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND c.oid >= "
	    "16384 ORDER BY c.oid",
	    0, NULL);
	int count = rows == NULL ? 0 : pg_rows_count(rows);

	for (int i = 0, end; i < count; i = end)
	{
		const char *schema = pg_rows_get(rows, i, 1);
		const char *name = pg_rows_get(rows, i, 2);

		for (end = i + 1; end < count && pg_rows_int(rows, end, 0) == pg_rows_int(rows, i, 0);)
			end++;
		if (copy_is_own(schema, name) || !selects_any(worker_job(ddl->w), rows, i, end))
			continue;
		ddl_follow_put(ddl->follow, pg_rows_int(rows, i, 0), schema, name);
		ddl_follow_put_root(ddl->follow, pg_rows_int(rows, i, 0), pg_rows_get(rows, i, 5),
		                    pg_rows_get(rows, i, 6));
		if (ddl->map != NULL)
			sql_map_partition(ddl->map, schema, name, pg_rows_get(rows, i, 5),
			                  pg_rows_get(rows, i, 6));
	}
	pg_rows_free(rows);
	return rows != NULL;
}

bool
ddl_job_open(DdlJob *ddl, PgSession *source, bool *at_source, char **oids, Error *err)
{
	const Job *job = worker_job(ddl->w);
	Arena *arena;
	PgSession *target;
	CopyTables tables;
	bool ok;

	*oids = NULL;
	*at_source = true;
	if (job->options.object_count == 0)
		return true;
	if (!put_source_tables(ddl, source, err))
		return false;
	*at_source = false;
	arena = arena_create(64 * 1024);
	target = copy_target_open(job, NULL, err);
	ok = target != NULL && copy_tables_read(&tables, target, job, arena, err);
	for (int i = 0; ok && i < tables.count; i++)
	{
		if (tables.tables[i].state != GATE_REMOVED)
			ddl_follow_put(ddl->follow, tables.tables[i].oid, tables.tables[i].schema,
			               tables.tables[i].name);
	}
	pg_session_close(target);
	arena_destroy(arena);
	*oids = ddl_follow_oids(ddl->follow);
	return ok;
}

bool
ddl_job_reopens(const DdlJob *ddl)
{
	return ddl != NULL && ddl->reopens;
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

	if (ddl == NULL)
		return true;
	if (ddl->refresh)
	{
		ddl->refresh = false;
		if (!source_capture_refresh(source, err))
		{
			if (sqlstate_is_transient(err->sqlstate) && strcmp(err->sqlstate, "55P03") != 0)
				return false;
			log_error(LOG_WARNING, "looking at what the capture of DDL has missed", err);
			error_clear(err);
		}
	}
	if (!ddl->trim || now_us < ddl->trim_not_before_us)
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
