/*
 * table_prepare.c
 *		See table_prepare.h.
 *
 * The order is what makes it exact: the stream looks at the tables already, then the snapshot is
 * taken, and under it the schema of what the target lacks is dumped and the parts are planned.
 */
#include "table_prepare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy_catalog.h"
#include "copy_keeper.h"
#include "copy_load.h"
#include "copy_queue.h"
#include "copy_table.h"
#include "fault.h"
#include "strbuf.h"
#include "table_modify.h"
#include "table_schema.h"

bool
table_action_parse(const char *name, TableAction *action)
{
	static const char *const names[] = {"add", "remove", "reload", "modify"};

	for (int i = 0; i < 4; i++)
	{
		if (strcmp(name, names[i]) != 0)
			continue;
		*action = (TableAction) i;
		return true;
	}
	return false;
}

/*
 * Requests.
 */
typedef struct Resolver
{
	const Job *job;
	TableAction action;
	PgSession *source;
	PgSession *target;
	Arena *arena;
	Catalog selected; /* by the job's options */
	CopyTables known;
	json_t *tables;
} Resolver;

static bool
refuse(Error *err, const char *sqlstate, const char *schema, const char *name, const char *message,
       const char *detail, const char *hint)
{
	error_set(err, sqlstate, "table \"%s\".\"%s\" %s", schema, name, message);
	error_detail(err, "%s", detail);
	error_hint(err, "%s", hint);
	return false;
}

static bool
is_selected(const Resolver *r, int64_t oid)
{
	for (int i = 0; i < r->selected.count; i++)
	{
		if ((int64_t) r->selected.tables[i].oid == oid)
			return true;
	}
	return false;
}

/* A table that the job is about to add must not meet rows that it does not know. */
static bool
check_target(const Resolver *r, const char *schema, const char *name, Error *err)
{
	StrBuf sql, quoted;
	PgRows *rows;
	bool there;

	if (r->job->options.same_name_tables != SAME_NAME_FAIL)
		return true;
	strbuf_init(&quoted);
	strbuf_init(&sql);
	strbuf_qualified(&quoted, schema, name);
	strbuf_puts(&sql, "SELECT pg_catalog.to_regclass(");
	strbuf_literal(&sql, quoted.data);
	strbuf_puts(&sql, ") IS NOT NULL");
	rows = pg_session_query(r->target, err, sql.data, 0, NULL);
	there = rows != NULL && pg_rows_bool(rows, 0, 0);
	if (there)
	{
		pg_rows_free(rows);
		strbuf_reset(&sql);
		strbuf_printf(&sql, "SELECT EXISTS (SELECT FROM %s)", quoted.data);
		rows = pg_session_query(r->target, err, sql.data, 0, NULL);
		there = rows != NULL && pg_rows_bool(rows, 0, 0);
	}
	strbuf_free(&quoted);
	strbuf_free(&sql);
	if (rows == NULL)
		return false;
	pg_rows_free(rows);
	return !there || refuse(err, ERR_OBJECT_STATE, schema, name, "already holds rows on the target",
	                        "The job's option \"same_name_tables\" is \"fail\".",
	                        "Empty or drop the target's table, then add it again.");
}

static bool
take_leaf(Resolver *r, int64_t oid, const char *schema, const char *name, Error *err)
{
	const GateTable *known = copy_tables_find(&r->known, (uint32_t) oid);
	bool member = known != NULL && known->state != GATE_REMOVED;

	switch (r->action)
	{
		case TABLES_ADD:
			/* one that waits was put there by this request, before we were interrupted */
			if (member && known->state != GATE_WAITING)
				return refuse(err, "42710", schema, name, "is already in the job",
				              "The job replicates it.",
				              "Load it again with dts_reload_table if that is what is wanted.");
			if (!member && !check_target(r, schema, name, err))
				return false;
			break;
		case TABLES_REMOVE:
		case TABLES_RELOAD:
			if (!is_selected(r, oid) && known == NULL)
				return refuse(err, "42704", schema, name, "is not in the job",
				              "The job's options do not select it.",
				              "dts_job_tables lists the tables; dts_add_tables adds one.");
			break;
		case TABLES_MODIFY:
			break;
	}
	json_array_append_new(r->tables, json_pack("{s:I, s:s, s:s}", "oid", (json_int_t) oid, "schema",
	                                           schema, "name", name));
	return true;
}

/* A table that the source no longer has can still be removed. */
static bool
take_gone(Resolver *r, const char *schema, const char *name, Error *err)
{
	for (int i = 0; r->action == TABLES_REMOVE && i < r->known.count; i++)
	{
		const GateTable *t = &r->known.tables[i];

		if (strcmp(t->schema, schema) == 0 && strcmp(t->name, name) == 0)
			return take_leaf(r, t->oid, schema, name, err);
	}
	return refuse(err, "42P01", schema, name, "does not exist on the source",
	              "It is no permanent table, or partitioned table, of the source database.",
	              "Write schema and table as they are stored in the catalog.");
}

static bool
check_row(const Resolver *r, const PgRows *rows, int i, const char *schema, const char *name,
          Error *err)
{
	if (copy_is_own(schema, name))
		return refuse(err, "42809", schema, name, "belongs to dts itself",
		              "What dts keeps on a server is never replicated.", "Name other tables.");
	if (r->action != TABLES_REMOVE && !pg_rows_bool(rows, i, 3))
		return refuse(err, "42501", schema, name, "cannot be read on the source",
		              "The source endpoint's role has no SELECT on it.",
		              "Grant SELECT on the table to that role.");
	return true;
}

static bool
take_named(Resolver *r, const char *schema, const char *name, Error *err)
{
	const char *params[] = {schema, name};
	bool ok = true;
	PgRows *rows = pg_session_query(
	    r->source, err,
	    "SELECT l.oid, ln.nspname, l.relname, pg_catalog.has_table_privilege(l.oid, 'SELECT') "
	    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, "
	    "LATERAL (SELECT c.oid WHERE c.relkind = 'r' UNION ALL SELECT t.relid FROM "
	    "pg_catalog.pg_partition_tree(c.oid) t WHERE c.relkind = 'p' AND t.isleaf) x(oid) "
	    "JOIN pg_catalog.pg_class l ON l.oid = x.oid AND l.relkind = 'r' "
	    "JOIN pg_catalog.pg_namespace ln ON ln.oid = l.relnamespace "
	    "WHERE n.nspname = $1 AND c.relname = $2 AND c.relpersistence = 'p' ORDER BY l.oid",
	    2, params);

	if (rows == NULL)
		return false;
	if (pg_rows_count(rows) == 0)
		ok = take_gone(r, schema, name, err);
	for (int i = 0; ok && i < pg_rows_count(rows); i++)
		ok = check_row(r, rows, i, schema, name, err) &&
		     take_leaf(r, pg_rows_int(rows, i, 0), pg_rows_get(rows, i, 1), pg_rows_get(rows, i, 2),
		               err);
	pg_rows_free(rows);
	return ok;
}

/*
 * The source's commits must not wait for a table to be loaded: where they wait for the job, another
 * standby of a quorum has to be there to answer instead.
 */
static bool
check_synchronous(const Resolver *r, Error *err)
{
	const char *params[] = {r->job->slot_name};
	PgRows *rows;
	bool waits;

	if (r->action == TABLES_REMOVE)
		return true;
	rows = pg_session_query(
	    r->source, err,
	    "SELECT (pg_catalog.strpos(names, $1) > 0 OR pg_catalog.strpos(names, '*') > 0) AND NOT "
	    "EXISTS (SELECT FROM pg_catalog.pg_stat_replication WHERE sync_state = 'quorum' AND "
	    "application_name <> $1) FROM pg_catalog.current_setting('synchronous_standby_names') AS "
	    "names",
	    1, params);
	if (rows == NULL)
		return false;
	waits = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	if (!waits)
		return true;
	error_set(err, ERR_OBJECT_STATE, "the job is a synchronous standby of its source");
	error_detail(err, "Commits on the source would wait until the table has been loaded.");
	error_hint(err,
	           "Take the job out of synchronous_standby_names, or name a second standby (ANY 1 "
	           "(...)), and ask again.");
	return false;
}

static bool
resolve_all(Resolver *r, const json_t *tables, Error *err)
{
	size_t i;
	json_t *item;

	if (!check_synchronous(r, err))
		return false;
	if (!copy_tables_read(&r->known, r->target, r->job, r->arena, err))
		return false;
	if (r->action == TABLES_MODIFY)
		return table_modify_resolve(r->job, tables, &r->known, r->source, r->target, r->arena,
		                            r->tables, err);
	if (!copy_catalog_read(&r->selected, r->source, r->job, r->arena, err))
		return false;
	json_array_foreach(tables, i, item)
	{
		const char *schema = json_string_value(json_object_get(item, "schema"));
		const char *name = json_string_value(json_object_get(item, "name"));

		if (schema == NULL || name == NULL)
		{
			error_set(err, ERR_CONFIG, "the request makes no sense to this daemon");
			error_hint(err, "Run a dts_applier of the same version as the extension \"dts\".");
			return false;
		}
		if (!take_named(r, schema, name, err))
			return false;
	}
	return true;
}

bool
table_resolve(const Job *job, void *arg, json_t *result, Error *err)
{
	const TableResolve *resolve = arg;
	Resolver r = {.job = job, .action = resolve->action, .tables = json_array()};
	char encoding[64];
	bool ok;

	json_object_set_new(result, "tables", r.tables);
	r.arena = arena_create(64 * 1024);
	r.source = copy_source_open(job, encoding, sizeof(encoding), err);
	r.target = r.source == NULL ? NULL : copy_target_open(job, encoding, err);
	ok = r.target != NULL && resolve_all(&r, resolve->tables, err);
	pg_session_close(r.source);
	pg_session_close(r.target);
	arena_destroy(r.arena);
	return ok;
}

/*
 * Loads.
 */
typedef struct Preparation
{
	Worker *w;
	const Job *job;
	PgSession *source;
	PgSession *target;
	char encoding[64];
	char snapshot[SNAPSHOT_NAME_MAX];
	CopyTables tables; /* before the snapshot: what it cannot know begins to wait after that */
	int waiting;
	int copying;
	Arena *arena;
} Preparation;

static bool
count_tables(Preparation *p, Error *err)
{
	if (!copy_tables_read(&p->tables, p->target, p->job, p->arena, err))
		return false;
	p->waiting = p->copying = 0;
	for (int i = 0; i < p->tables.count; i++)
	{
		p->waiting += p->tables.tables[i].state == GATE_WAITING;
		p->copying += p->tables.tables[i].state == GATE_COPYING;
	}
	return true;
}

/* What had begun under a snapshot that is gone waits again. */
static bool
start_over(Preparation *p, Error *err)
{
	if (!copy_queue_begin(p->target, p->job, err))
		return false;
	if (copy_tables_restart(p->target, p->job, err))
		return copy_queue_commit(p->target, err);
	copy_queue_rollback(p->target);
	return false;
}

static bool
begin_load(Preparation *p, Error *err)
{
	CopyTasks schema = {.arena = p->arena};
	PhaseResult result;
	bool lost;

	if (!copy_keeper_later(p->w, p->target, &result, err))
		return false;
	FAULT_POINT("table.snapshot_taken");
	if (!copy_keeper_snapshot(p->w, p->snapshot, sizeof(p->snapshot)))
	{
		error_set(err, ERR_CONNECTION, "the load's snapshot was lost just now");
		return false;
	}
	return copy_snapshot_begin(p->source, p->snapshot, &lost, err) &&
	       table_schema_plan(p->w, p->source, p->target, &p->tables, p->snapshot, p->encoding,
	                         &schema, err) &&
	       copy_load_plan_beside(p->w, p->source, p->target, &p->tables, &schema, err);
}

static bool
prepare(Preparation *p, Error *err)
{
	if (!count_tables(p, err))
		return false;
	if (p->copying > 0 && copy_keeper_snapshot(p->w, p->snapshot, sizeof(p->snapshot)))
		return true; /* what waits beside it comes next */
	p->snapshot[0] = '\0';
	return start_over(p, err) && count_tables(p, err) && (p->waiting == 0 || begin_load(p, err));
}

bool
table_prepare(const Job *job, void *worker, json_t *result, Error *err)
{
	Preparation p = {.w = worker, .job = job};
	bool ok;

	p.arena = arena_create(256 * 1024);
	p.source = copy_source_open(job, p.encoding, sizeof(p.encoding), err);
	p.target = p.source == NULL ? NULL : copy_target_open(job, p.encoding, err);
	ok = p.target != NULL && prepare(&p, err);
	pg_session_close(p.source);
	pg_session_close(p.target);
	arena_destroy(p.arena);
	if (!ok)
		error_context(err, "preparing the load of tables beside the stream");
	json_object_set_new(result, "snapshot", json_string(p.snapshot));
	json_object_set_new(result, "encoding", json_string(p.encoding));
	return ok;
}
