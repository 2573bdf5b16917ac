/*
 * copy_load.c
 *		The plan of a load; see copy_load.h.
 *
 * A target table that holds no rows before us is ours to fill, and to empty should the load have to
 * start again; a row of stage EMPTY says so.  One that holds rows is treated as the job's policy
 * says: "keep" merges (and is never emptied), "truncate" empties it first, "fail" stops here.
 */
#include "copy_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy_catalog.h"
#include "copy_index.h"
#include "copy_large.h"
#include "copy_plan.h"
#include "copy_queue.h"
#include "copy_table.h"
#include "strbuf.h"

#define LOOK_BATCH 100
#define FRESH_MIN_BYTES                                                                            \
	(8 * 1024 * 1024) /* for less, emptying once more costs more than it saves */

typedef struct TargetTable
{
	bool exists;
	bool filled;       /* holds rows */
	bool alike;        /* same columns of the same types as on the source */
	bool ours;         /* filled by us: a stage EMPTY row stands from an earlier plan */
	bool empty;        /* to be emptied whatever the policy says */
	uint32_t replaces; /* the OID that a waiting table of the name had; 0: none */
} TargetTable;

typedef struct LoadPlan
{
	Worker *w;
	const Job *job;
	PgSession *target;
	Arena *arena;
	Catalog catalog;
	TargetTable *states; /* by index in the catalog */
	CopyTasks tasks;
	CopyTables known;
	const CopyTables
	    *before; /* beside the stream: tables that waited before the snapshot, and no others */
} LoadPlan;

/* Which of these tables exist on the target as something that takes rows. */
static bool
look_existing(LoadPlan *plan, int from, int to, Error *err)
{
	StrBuf sql, name;
	PgRows *rows;

	strbuf_init(&sql);
	strbuf_init(&name);
	strbuf_puts(&sql, "SELECT v.i, (SELECT coalesce(" CATALOG_TYPES ", '') FROM "
	                  "pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT "
	                  "a.attisdropped AND a.attgenerated = '') FROM (VALUES ");
	for (int i = from; i < to; i++)
	{
		const CatalogTable *t = &plan->catalog.tables[i];

		strbuf_reset(&name);
		strbuf_qualified(&name, t->target_schema, t->target_name);
		strbuf_printf(&sql, "%s(%d, CAST(", i > from ? ", " : "", i);
		strbuf_literal(&sql, name.data);
		strbuf_puts(&sql, " AS text))");
	}
	strbuf_puts(&sql, ") v(i, name) JOIN pg_catalog.pg_class c ON c.oid = "
	                  "pg_catalog.to_regclass(v.name) AND c.relkind IN ('r', 'p')");
	rows = pg_session_query(plan->target, err, sql.data, 0, NULL);
	strbuf_free(&sql);
	strbuf_free(&name);
	if (rows == NULL)
		return false;
	for (int k = 0; k < pg_rows_count(rows); k++)
	{
		int64_t i = pg_rows_int(rows, k, 0);

		plan->states[i].exists = true;
		plan->states[i].alike = strcmp(pg_rows_get(rows, k, 1), plan->catalog.tables[i].types) == 0;
	}
	pg_rows_free(rows);
	return true;
}

static bool
look_filled(LoadPlan *plan, int from, int to, Error *err)
{
	StrBuf sql;
	PgRows *rows;
	int n = 0;

	strbuf_init(&sql);
	for (int i = from; i < to; i++)
	{
		const CatalogTable *t = &plan->catalog.tables[i];

		if (!plan->states[i].exists)
			continue;
		strbuf_printf(&sql, "%sSELECT %d WHERE EXISTS (SELECT FROM ", n++ > 0 ? " UNION ALL " : "",
		              i);
		strbuf_qualified(&sql, t->target_schema, t->target_name);
		strbuf_puts(&sql, ")");
	}
	if (n == 0)
	{
		strbuf_free(&sql);
		return true;
	}
	rows = pg_session_query(plan->target, err, sql.data, 0, NULL);
	strbuf_free(&sql);
	if (rows == NULL)
		return false;
	for (int k = 0; k < pg_rows_count(rows); k++)
		plan->states[pg_rows_int(rows, k, 0)].filled = true;
	pg_rows_free(rows);
	return true;
}

static int
compare_names(const void *a, const void *b)
{
	const CatalogTable *x = *(const CatalogTable *const *) a;
	const CatalogTable *y = *(const CatalogTable *const *) b;
	int order = strcmp(x->schema, y->schema);

	return order != 0 ? order : strcmp(x->name, y->name);
}

/*
 * Tables of an earlier plan, whose rows may be ours.  By name: the source may have another table
 * under it by now, and the target's is the same.
 */
static bool
look_ours(LoadPlan *plan, Error *err)
{
	const char *params[] = {plan->job->slot_name};
	int count = plan->catalog.count;
	const CatalogTable **sorted = arena_zalloc(plan->arena, sizeof(*sorted) * ((size_t) count + 1));
	char sql[256];
	PgRows *rows;

	snprintf(sql, sizeof(sql),
	         "SELECT schema_name, table_name FROM dts.target_part WHERE slot_name = $1 AND stage = "
	         "%d",
	         STAGE_EMPTY);
	rows = pg_session_query(plan->target, err, sql, 1, params);
	if (rows == NULL)
		return false;
	for (int i = 0; i < count; i++)
		sorted[i] = &plan->catalog.tables[i];
	qsort(sorted, (size_t) count, sizeof(*sorted), compare_names);
	for (int k = 0; k < pg_rows_count(rows); k++)
	{
		CatalogTable name = {.schema = pg_rows_get(rows, k, 0), .name = pg_rows_get(rows, k, 1)};
		const CatalogTable *key = &name;
		const CatalogTable **found =
		    bsearch(&key, sorted, (size_t) count, sizeof(*sorted), compare_names);

		if (found != NULL)
			plan->states[*found - plan->catalog.tables].ours = true;
	}
	pg_rows_free(rows);
	return true;
}

static bool
look_at_target(LoadPlan *plan, WorkerOrder *order, Error *err)
{
	int count = plan->catalog.count;

	if (!look_ours(plan, err))
		return false;
	for (int from = 0; from < count; from += LOOK_BATCH)
	{
		int to = from + LOOK_BATCH < count ? from + LOOK_BATCH : count;

		*order = worker_wait(plan->w, NULL, 0, 0);
		if (*order != ORDER_GO_ON || !look_existing(plan, from, to, err) ||
		    !look_filled(plan, from, to, err))
			return false;
	}
	return true;
}

static bool
check_states(LoadPlan *plan, Error *err)
{
	bool fail = plan->job->options.same_name_tables == SAME_NAME_FAIL;
	StrBuf missing, filled;
	bool ok = true;

	strbuf_init(&missing);
	strbuf_init(&filled);
	for (int i = 0; i < plan->catalog.count; i++)
	{
		const CatalogTable *t = &plan->catalog.tables[i];
		const TargetTable *s = &plan->states[i];
		StrBuf *list = NULL;

		if (!s->exists)
			list = plan->before != NULL ? NULL : &missing;
		else if (s->filled && !s->ours && !s->empty && fail && !t->config)
			list = &filled;
		if (list == NULL)
			continue;
		strbuf_puts(list, list->len > 0 ? ", " : "");
		strbuf_qualified(list, t->target_schema, t->target_name);
	}
	if (missing.len > 0)
	{
		error_set(err, ERR_RELATION_MISMATCH, "tables of the job are missing on the target");
		error_detail(err, "%.900s", missing.data);
		error_hint(err, "Create them, or let the job have the phase \"schema\".");
		ok = false;
	}
	else if (filled.len > 0)
	{
		error_set(err, ERR_OBJECT_STATE, "tables of the job already hold rows on the target");
		error_detail(err, "%.900s", filled.data);
		error_hint(err, "Empty them, or set the option \"same_name_tables\" to \"keep\" or "
		                "\"truncate\".");
		ok = false;
	}
	strbuf_free(&missing);
	strbuf_free(&filled);
	return ok;
}

static void
set_table(CopyTask *task, const CatalogTable *t)
{
	task->schema = t->schema;
	task->table = t->name;
	task->table_oid = t->oid;
}

/* Whether rows go through a staging table: the target's own stay. */
static bool
merges(const LoadPlan *plan, int i)
{
	const TargetTable *s = &plan->states[i];

	return s->filled && !s->ours && !s->empty && plan->catalog.tables[i].columns[0] != '\0' &&
	       (plan->job->options.same_name_tables == SAME_NAME_KEEP ||
	        plan->catalog.tables[i].config);
}

/* "(SELECT ... )": with the options' expressions, on some pages only, or under a condition. */
static void
source_query(StrBuf *sql, const CatalogTable *t, const PlanPart *part)
{
	const char *and = " WHERE ";

	strbuf_printf(sql, "(SELECT %s%s FROM ", t->shaped ? COPY_SHAPED : "", t->columns);
	if (t->condition[0] != '\0')
		strbuf_puts(sql, "(SELECT * FROM ");
	strbuf_puts(sql, "ONLY ");
	strbuf_qualified(sql, t->schema, t->name);
	if (t->condition[0] != '\0')
		strbuf_printf(sql, " %s) AS config", t->condition);
	if (!part->only)
	{
		strbuf_printf(sql, "%sctid >= '(%" PRId64 ",0)'", and, part->from_page);
		and = " AND ";
	}
	if (!part->only && part->to_page != PLAN_OPEN_END)
		strbuf_printf(sql, "%sctid < '(%" PRId64 ",0)'", and, part->to_page);
	if (t->where[0] != '\0')
		strbuf_printf(sql, "%s(%s)", and, t->where);
	strbuf_puts(sql, ")");
}

static const char *
source_sql(LoadPlan *plan, const CatalogTable *t, const PlanPart *part)
{
	const char *format = t->binary ? "binary" : "text";
	const char *text;
	StrBuf sql;

	strbuf_init(&sql);
	strbuf_puts(&sql, "COPY ");
	if (part->only && t->condition[0] == '\0' && !t->shaped)
	{
		strbuf_qualified(&sql, t->schema, t->name);
		if (t->columns[0] != '\0')
			strbuf_printf(&sql, " (%s)", t->columns);
	}
	else
		source_query(&sql, t, part);
	strbuf_printf(&sql, " TO STDOUT (FORMAT %s)", format);
	text = arena_strdup(plan->arena, sql.data);
	strbuf_free(&sql);
	return text;
}

static const char *
target_sql(LoadPlan *plan, const CatalogTable *t, bool merge)
{
	const char *text;
	StrBuf sql;

	strbuf_init(&sql);
	strbuf_puts(&sql, "COPY ");
	if (merge)
		strbuf_puts(&sql, COPY_STAGING_TABLE);
	else
		strbuf_qualified(&sql, t->target_schema, t->target_name);
	if (t->columns[0] != '\0')
		strbuf_printf(&sql, " (%s)", t->target_columns);
	strbuf_printf(&sql, " FROM STDIN (FORMAT %s)", t->binary ? "binary" : "text");
	text = arena_strdup(plan->arena, sql.data);
	strbuf_free(&sql);
	return text;
}

static void
add_empties(LoadPlan *plan)
{
	bool truncate = plan->job->options.same_name_tables == SAME_NAME_TRUNCATE;

	for (int i = 0; i < plan->catalog.count; i++)
	{
		const TargetTable *s = &plan->states[i];
		bool config = plan->catalog.tables[i].config;
		CopyTask *task;

		if (s->ours || (s->filled && !s->empty && (!truncate || config)))
			continue;
		task = copy_tasks_add(&plan->tasks, STAGE_EMPTY, TASK_EMPTY);
		set_table(task, &plan->catalog.tables[i]);
		task->settled = !s->filled;
	}
}

static void
add_parts(LoadPlan *plan, bool can_split)
{
	int count = plan->catalog.count;
	PlanTable *tables = arena_zalloc(plan->arena, sizeof(PlanTable) * ((size_t) count + 1));
	PlanPart *parts;
	int n;

	for (int i = 0; i < count; i++)
	{
		const CatalogTable *t = &plan->catalog.tables[i];

		tables[i] = (PlanTable){.bytes = t->bytes,
		                        .pages = t->pages,
		                        .rows = t->rows,
		                        .expected = t->expected,
		                        .whole = !can_split || t->condition[0] != '\0'};
	}
	parts = copy_plan_split(tables, count, copy_workers(plan->job), plan->arena, &n);
	for (int k = 0; k < n; k++)
	{
		const PlanPart *p = &parts[k];
		CatalogTable *t = &plan->catalog.tables[p->table];
		bool merge = merges(plan, p->table);
		bool fresh = p->only && !merge && t->bytes >= FRESH_MIN_BYTES && t->condition[0] == '\0' &&
		             plan->job->options.same_name_tables != SAME_NAME_KEEP;
		CopyTask *task = copy_tasks_add(&plan->tasks, STAGE_DATA,
		                                merge   ? TASK_MERGE
		                                : fresh ? TASK_FRESH
		                                        : TASK_PART);

		/* a table that the target made for itself may have an int for our bigint */
		t->binary = t->binary && (plan->states[p->table].alike || !plan->states[p->table].exists);
		set_table(task, t);
		task->source_sql = source_sql(plan, t, p);
		task->target_sql = target_sql(plan, t, merge);
		task->rows_estimated = p->rows;
		task->bytes_estimated = p->bytes;
		task->bytes_expected = p->expected;
	}
}

/* What comes last: sequences, and statistics for the planner. */
static void
add_ending(LoadPlan *plan)
{
	StrBuf sql;

	copy_tasks_add(&plan->tasks, STAGE_REFRESH, TASK_SEQUENCES);
	strbuf_init(&sql);
	for (int i = 0; i < plan->catalog.count; i++)
	{
		const CatalogTable *t = &plan->catalog.tables[i];
		CopyTask *task = copy_tasks_add(&plan->tasks, STAGE_ANALYZE, TASK_SQL);

		set_table(task, t);
		if (t->late_statistics)
			task->table_oid = 0; /* not as soon as its indexes are there */
		strbuf_reset(&sql);
		strbuf_puts(&sql, "ANALYZE ");
		strbuf_qualified(&sql, t->target_schema, t->target_name);
		task->target_sql = arena_strdup(plan->arena, sql.data);
	}
	strbuf_free(&sql);
}

/* Their numbers for IN (...), and their rows in dts.target_table. */
static bool
store_tables(LoadPlan *plan, Error *err)
{
	const Catalog *catalog = &plan->catalog;
	StrBuf sql, list;
	bool ok = true;

	strbuf_init(&sql);
	strbuf_init(&list);
	for (int from = 0; ok && from < catalog->count; from += LOOK_BATCH)
	{
		strbuf_reset(&sql);
		strbuf_reset(&list);
		strbuf_puts(&sql, "INSERT INTO dts.target_table (slot_name, table_oid, schema_name, "
		                  "table_name, state, target_schema, target_table) VALUES ");
		for (int i = from; i < catalog->count && i < from + LOOK_BATCH; i++)
		{
			const CatalogTable *t = &catalog->tables[i];

			strbuf_puts(&sql, i > from ? ", (" : "(");
			strbuf_literal(&sql, plan->job->slot_name);
			strbuf_printf(&sql, ", %" PRIu32 ", ", t->oid);
			strbuf_literal(&sql, t->schema);
			strbuf_puts(&sql, ", ");
			strbuf_literal(&sql, t->name);
			strbuf_puts(&sql, ", 'waiting', ");
			strbuf_literal(&sql, t->target_schema);
			strbuf_puts(&sql, ", ");
			strbuf_literal(&sql, t->target_name);
			strbuf_puts(&sql, ")");
			strbuf_printf(&list, "%s%" PRIu32, i > from ? ", " : "", t->oid);
		}
		strbuf_puts(&sql, " ON CONFLICT (slot_name, table_oid) DO UPDATE SET schema_name = "
		                  "excluded.schema_name, table_name = excluded.table_name, target_schema = "
		                  "excluded.target_schema, target_table = excluded.target_table");
		ok = pg_session_exec(plan->target, err, sql.data, 0, NULL) &&
		     copy_tables_begin(plan->target, plan->job, list.data, err);
	}
	strbuf_free(&sql);
	strbuf_free(&list);
	return ok;
}

/* What takes another's place waits for the stream from where that one did. */
static bool
take_places(LoadPlan *plan, Error *err)
{
	bool ok = true;

	for (int i = 0; ok && i < plan->catalog.count; i++)
	{
		char oids[2][16];
		const char *params[] = {plan->job->slot_name, oids[0], oids[1]};

		if (plan->states[i].replaces == 0)
			continue;
		snprintf(oids[0], sizeof(oids[0]), "%" PRIu32, plan->catalog.tables[i].oid);
		snprintf(oids[1], sizeof(oids[1]), "%" PRIu32, plan->states[i].replaces);
		ok =
		    pg_session_exec(plan->target, err,
		                    "UPDATE dts.target_table n SET hold_lsn = o.hold_lsn FROM "
		                    "dts.target_table o WHERE n.slot_name = $1 AND o.slot_name = $1 AND "
		                    "n.table_oid = CAST($2 AS bigint) AND o.table_oid = CAST($3 AS bigint)",
		                    3, params);
	}
	return ok;
}

/* Those that the source has no longer, or the job does not select: nothing is to be copied. */
static bool
forget_others(LoadPlan *plan, Error *err)
{
	const char *params[] = {plan->job->slot_name};
	StrBuf sql;
	bool ok;

	strbuf_init(&sql);
	strbuf_puts(&sql, "DELETE FROM dts.target_table WHERE slot_name = $1 AND state = 'waiting'");
	if (plan->before != NULL)
	{
		strbuf_puts(&sql, " AND table_oid");
		copy_tables_put_waiting(&plan->known, &sql);
	}
	ok = pg_session_exec(plan->target, err, sql.data, 1, params);
	strbuf_free(&sql);
	return ok;
}

static bool
weigh(LoadPlan *plan, Error *err)
{
	const Catalog *catalog = &plan->catalog;
	CopyWeight *weights =
	    arena_zalloc(plan->arena, sizeof(CopyWeight) * ((size_t) catalog->count + 1));

	for (int i = 0; i < catalog->count; i++)
		weights[i] = (CopyWeight){catalog->tables[i].oid, catalog->tables[i].bytes};
	return copy_queue_weigh(plan->target, plan->job, weights, catalog->count, err);
}

static bool
store(LoadPlan *plan, const CopyTasks *schema, Error *err)
{
	if (!copy_queue_begin(plan->target, plan->job, err))
		return false;
	if ((schema == NULL ||
	     copy_queue_add(plan->target, plan->job, schema->tasks, schema->count, err)) &&
	    copy_queue_add(plan->target, plan->job, plan->tasks.tasks, plan->tasks.count, err) &&
	    weigh(plan, err) && store_tables(plan, err) && take_places(plan, err) &&
	    forget_others(plan, err) && copy_queue_analyze(plan->target, err) &&
	    (plan->before != NULL || copy_step_write(plan->target, plan->job, STEP_FULL_PLANNED, err)))
		return copy_queue_commit(plan->target, err);
	copy_queue_rollback(plan->target);
	return false;
}

/* A table that waits under this name and that the source no longer has: it was made anew. */
static const GateTable *
waits_by_name(const LoadPlan *plan, const CopyTables *known, const CatalogTable *t)
{
	for (int i = 0; plan->before != NULL && i < known->count; i++)
	{
		const GateTable *w = &known->tables[i];
		bool there = false;

		if (w->state != GATE_WAITING || strcmp(w->name, t->name) != 0 ||
		    strcmp(w->schema, t->schema) != 0)
			continue;
		for (int k = 0; k < plan->catalog.count && !there; k++)
			there = plan->catalog.tables[k].oid == w->oid;
		if (!there)
			return w;
	}
	return NULL;
}

/* What began to wait after the snapshot holds only what came later still: it is not this load's. */
static void
leave_later(CopyTables *known, const CopyTables *before)
{
	for (int i = 0; i < known->count; i++)
	{
		GateTable *t = &known->tables[i];
		const GateTable *was = copy_tables_find(before, t->oid);

		if (t->state == GATE_WAITING &&
		    (was == NULL || was->state != GATE_WAITING || was->hold.value != t->hold.value))
			t->state = GATE_JOINED;
	}
}

/* Leaves out what an earlier snapshot's copy holds whole; beside the stream, all that do not wait. */
static bool
choose_tables(LoadPlan *plan, Error *err)
{
	Catalog *catalog = &plan->catalog;
	CopyTables *known = &plan->known;
	CatalogTable *taken =
	    arena_zalloc(plan->arena, sizeof(CatalogTable) * ((size_t) catalog->count + 1));
	int left = 0;

	if (!copy_tables_read(known, plan->target, plan->job, plan->arena, err))
		return false;
	if (plan->before != NULL)
		leave_later(known, plan->before);
	plan->states = arena_zalloc(plan->arena, sizeof(TargetTable) * ((size_t) catalog->count + 1));
	for (int i = 0; i < catalog->count; i++)
	{
		const GateTable *t = copy_tables_find(known, catalog->tables[i].oid);
		const GateTable *old = t == NULL ? waits_by_name(plan, known, &catalog->tables[i]) : NULL;

		if (old != NULL)
		{
			plan->states[left].empty = true;
			plan->states[left].replaces = old->oid;
			taken[left++] = catalog->tables[i];
			continue;
		}
		if (t == NULL ? plan->before != NULL : t->state != GATE_WAITING)
			continue;
		plan->states[left].empty = t != NULL && known->to_empty[t - known->tables];
		taken[left++] = catalog->tables[i];
	}
	catalog->tables = taken;
	catalog->count = left;
	return true;
}

static bool
make_plan(LoadPlan *plan, PgSession *source, const CopyTasks *schema, WorkerOrder *order,
          Error *err)
{
	bool ok;

	*order = ORDER_GO_ON;
	plan->arena = arena_create(256 * 1024);
	plan->tasks.arena = plan->arena;
	ok = copy_catalog_read(&plan->catalog, source, plan->job, plan->arena, err) &&
	     choose_tables(plan, err) && look_at_target(plan, order, err) && check_states(plan, err);
	if (ok)
	{
		add_empties(plan);
		add_parts(plan, pg_session_version(source) >= 140000);
		ok = plan->before != NULL ||
		     copy_large_plan(&plan->tasks, source, plan->target, plan->job, err);
	}
	if (ok)
	{
		add_ending(plan);
		ok = store(plan, schema, err);
	}
	arena_destroy(plan->arena);
	return ok;
}

bool
copy_load_plan(Worker *w, PgSession *source, PgSession *target, WorkerOrder *order, Error *err)
{
	LoadPlan plan = {.w = w, .job = worker_job(w), .target = target};

	return make_plan(&plan, source, NULL, order, err);
}

bool
copy_load_plan_beside(Worker *w, PgSession *source, PgSession *target, const CopyTables *before,
                      const CopyTasks *schema, Error *err)
{
	LoadPlan plan = {.w = w, .job = worker_job(w), .target = target, .before = before};
	WorkerOrder order;

	return make_plan(&plan, source, schema, &order, err);
}
