/*
 * table_load.c
 *		See table_load.h.
 *
 * One request and one load at a time.  A request is first checked against the ends by a child, then
 * its tables move at a boundary of the stream (table_join.h), then the control database is told;
 * an added or removed table changes the stream's selection, so that the stream is opened anew.
 * When no request is open, whatever waits is prepared by a child and copied by a crew.  Foreign
 * keys, triggers and statistics come when the tables have joined, and the stream has passed all
 * start points: before that the tables that they refer to may stand at another position.  So they do
 * after a first load that needed several snapshots.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "copy_keeper.h"
#include "copy_queue.h"
#include "strbuf.h"
#include "table_load_internal.h"
#include "table_report.h"

#define PAUSE_MIN_US 200000
#define PAUSE_MAX_US 10000000

TableLoad *
table_load_open(Worker *w)
{
	TableLoad *load = xcalloc(1, sizeof(*load));

	load->w = w;
	load->arena = arena_create(64 * 1024);
	return load;
}

void
table_load_close(TableLoad *load, bool touch_servers)
{
	load_end_crew(load, false, touch_servers, NULL);
	worker_call_cancel(load->call);
	load_drop_request(load);
	pg_session_close(load->target);
	arena_destroy(load->arena);
	free(load);
}

bool
load_need_target(TableLoad *load, Error *err)
{
	if (load->target == NULL)
		load->target = copy_target_open(worker_job(load->w), NULL, err);
	return load->target != NULL;
}

bool
load_target_failed(TableLoad *load)
{
	pg_session_close(load->target);
	load->target = NULL;
	return false;
}

static GateTable *
row_of(TableLoad *load, uint32_t oid)
{
	return copy_tables_find(&load->rows, oid);
}

/* Those whose rows are gone: dropped at the source, or no longer selected. */
static void
forget_gone(TableLoad *load, const CopyTables *before)
{
	for (int i = 0; i < before->count; i++)
	{
		GateTable table = before->tables[i];

		if (row_of(load, table.oid) != NULL)
			continue;
		if (table.state != GATE_REMOVED)
			worker_event(load->w, "warning", "table_gone",
			             "table \"%s\".\"%s\" is no longer there to be loaded", table.schema,
			             table.name);
		table.state = GATE_REMOVED;
		table_join_put(load->join, &table);
	}
}

bool
load_look(TableLoad *load, Error *err)
{
	const Job *job = worker_job(load->w);
	Arena *old = load->arena;
	CopyTables before = load->rows;
	bool left = false;
	bool ok;

	load->arena = arena_create(64 * 1024);
	ok = load_need_target(load, err) &&
	     ((copy_tables_read(&load->rows, load->target, job, load->arena, err) &&
	       copy_queue_left(load->target, job, STAGE_FOREIGN_KEY, STAGE_ANALYZE, &left, err)) ||
	      load_target_failed(load));
	if (!ok)
	{
		arena_destroy(load->arena);
		load->arena = old;
		load->rows = before;
		return false;
	}
	for (int i = 0; i < load->rows.count; i++)
		table_join_put(load->join, &load->rows.tables[i]);
	forget_gone(load, &before);
	arena_destroy(old);
	load->look = false;
	load->ending_left = left;
	return true;
}

bool
load_in_transaction(TableLoad *load, LoadStatements statements, Error *err)
{
	if (!load_need_target(load, err))
		return false;
	if (!copy_queue_begin(load->target, worker_job(load->w), err) || !statements(load, err) ||
	    !copy_queue_commit(load->target, err))
		return load_target_failed(load);
	load->look = true;
	return true;
}

/* What was removed, and what is left of its parts: the job's selection is without it by now. */
static bool
delete_removed(TableLoad *load, Error *err)
{
	const char *params[] = {worker_job(load->w)->slot_name};

	return pg_session_exec(load->target, err,
	                       "DELETE FROM dts.target_part p USING dts.target_table t WHERE "
	                       "p.slot_name = $1 AND t.slot_name = p.slot_name AND t.table_oid = "
	                       "p.table_oid AND t.state = 'removed'",
	                       1, params) &&
	       pg_session_exec(load->target, err,
	                       "DELETE FROM dts.target_table WHERE slot_name = $1 AND state = "
	                       "'removed'",
	                       1, params);
}

static int
count_state(const TableLoad *load, GateState state)
{
	int count = 0;

	for (int i = 0; i < load->rows.count; i++)
		count += load->rows.tables[i].state == state;
	return count;
}

bool
table_load_attach(TableLoad *load, TableJoin *join, Error *err)
{
	WorkerChange change;

	load->join = join;
	memset(&load->rows, 0, sizeof(load->rows));
	if (!load_look(load, err))
		return false;
	if (count_state(load, GATE_REMOVED) == 0 || worker_change_wanted(load->w, &change))
		return true;
	memset(&load->rows, 0, sizeof(load->rows));
	return load_in_transaction(load, delete_removed, err) && load_look(load, err);
}

void
table_load_detach(TableLoad *load)
{
	load->join = NULL;
	/* wishes that had not become durable are asked for again */
	if (load->request == REQUEST_MOVING)
		load_drop_request(load);
}

bool
table_load_requested(const TableLoad *load)
{
	WorkerChange change;

	return load->request != REQUEST_NONE || worker_change_wanted(load->w, &change);
}

bool
table_load_busy(const TableLoad *load)
{
	return load->request != REQUEST_NONE || load->ending_left ||
	       (load->join && table_join_holding(load->join) > 0);
}

int
table_load_poll(const TableLoad *load, struct pollfd *fds, int *timeout_ms)
{
	int n = 0;

	if (load->crew != NULL)
		n = copy_crew_poll(load->crew, fds, timeout_ms);
	if (load->call != NULL)
		fds[n++] = (struct pollfd){.fd = worker_call_fd(load->call), .events = POLLIN};
	return n;
}

/*
 * Failures.
 */
void
load_succeeded(TableLoad *load)
{
	load->failing_since_us = 0;
	load->pause_us = 0;
}

/* Something that may pass.  False: it has not for too long. */
static bool
pause(TableLoad *load, const Error *err)
{
	int64_t now_us = worker_now_us(load->w);
	int64_t window_us = (int64_t) worker_job(load->w)->options.retry_other_minutes * 60000000;

	if (load->failing_since_us == 0)
		load->failing_since_us = now_us;
	if (now_us - load->failing_since_us > window_us)
		return false;
	load->pause_us = load->pause_us == 0 ? PAUSE_MIN_US : load->pause_us * 2;
	if (load->pause_us > PAUSE_MAX_US)
		load->pause_us = PAUSE_MAX_US;
	load->not_before_us = now_us + load->pause_us;
	if (load->pause_us > PAUSE_MIN_US)
		worker_event(load->w, "warning", "load_retries", "%s; will try again", err->message);
	return true;
}

TableLoadStep
load_failed(TableLoad *load, Error *err)
{
	if (strcmp(err->sqlstate, ERR_FENCED) == 0)
		return LOAD_YIELD;
	if ((sqlstate_is_transient(err->sqlstate) || strcmp(err->sqlstate, ERR_CHILD) == 0) &&
	    pause(load, err))
	{
		error_clear(err);
		return LOAD_GO_ON;
	}
	return LOAD_FAILED;
}

bool
table_load_quarantine(TableLoad *load, uint32_t oid, const char *schema, const char *name,
                      const Error *reason, Error *err)
{
	if (!load_need_target(load, err))
		return false;
	if (!table_report_quarantine(load->w, load->target, oid, schema, name, reason, err))
		return load_target_failed(load);
	load->look = true;
	return true;
}

static TableLoadStep
step_call(TableLoad *load, Error *err)
{
	bool resolving = load->request == REQUEST_RESOLVING;
	TableLoadStep step;
	WorkerCallEnd end;
	json_t *result;

	if (load->call == NULL || !worker_call_step(load->call, &end, &result, err))
		return LOAD_GO_ON;
	load->call = NULL;
	step = resolving ? load_request_resolved(load, end, result, err)
	                 : load_prepared(load, end, result, err);
	json_decref(result);
	return step;
}

/* Whether all tables stand where the stream does: it has passed every one's start point. */
static bool
stand_together(const TableLoad *load, SourceLsn durable)
{
	if (table_join_holding(load->join) > 0)
		return false;
	for (int i = 0; i < load->rows.count; i++)
	{
		const GateTable *t = &load->rows.tables[i];

		if (t->state == GATE_JOINED && !gate_is_plain(t, durable))
			return false;
	}
	return true;
}

/* Nothing is under way: whatever is to be done next begins. */
static TableLoadStep
step_start(TableLoad *load, SourceLsn durable, Error *err)
{
	WorkerChange change;
	int waiting = count_state(load, GATE_WAITING) + count_state(load, GATE_COPYING);

	if (load->join == NULL || load->call != NULL || load->crew != NULL ||
	    load->request != REQUEST_NONE || worker_now_us(load->w) < load->not_before_us ||
	    worker_change_wanted(load->w, &change))
		return LOAD_GO_ON;
	if (waiting > 0)
	{
		worker_event(load->w, "info", "tables_load", "loading %d table%s beside the stream",
		             waiting, waiting == 1 ? "" : "s");
		load->call = worker_call_start(load->w, table_prepare, load->w, err);
		return load->call != NULL ? LOAD_GO_ON : load_failed(load, err);
	}
	if (load->ending_left && stand_together(load, durable))
		return load_start_crew(load, true, err);
	return LOAD_GO_ON;
}

TableLoadStep
table_load_step(TableLoad *load, SourceLsn durable, Error *err)
{
	TableLoadStep step = LOAD_GO_ON;

	if (load->join != NULL)
		load_hear_of_tables(load);
	step = step_call(load, err);
	if (step == LOAD_GO_ON)
		step = load_step_crew(load, err);
	if (step == LOAD_GO_ON)
		step = load_step_request(load, err);
	if (step == LOAD_GO_ON && load->look && load->join != NULL && !load_look(load, err))
		step = load_failed(load, err);
	if (step == LOAD_GO_ON && !load->look)
		step = step_start(load, durable, err);
	return step;
}
