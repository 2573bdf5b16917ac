/*
 * table_load.c
 *		See table_load.h.
 *
 * One request and one load at a time.  A request is first checked against the ends by a child, then
 * its tables move at a boundary of the stream (table_join.h), then the control database is told;
 * an added or removed table changes the stream's selection, so that the stream is opened anew.
 * When no request is open, whatever waits is prepared by a child and copied by a crew.  Foreign
 * keys, triggers and statistics come when the tables have joined: before that the tables that
 * they refer to may stand at another position.
 */
#include "table_load.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy_catalog.h"
#include "copy_keeper.h"
#include "copy_progress.h"
#include "copy_queue.h"
#include "copy_table.h"
#include "fault.h"
#include "strbuf.h"
#include "table_prepare.h"
#include "table_report.h"
#include "worker_call.h"

#define WORKERS_DEFAULT 4
#define PAUSE_MIN_US    200000
#define PAUSE_MAX_US    10000000

typedef enum RequestStep
{
	REQUEST_NONE,
	REQUEST_RESOLVING, /* a child looks at the ends */
	REQUEST_MOVING,    /* its tables move at the next boundary */
	REQUEST_ANSWERING, /* the control database is told */
} RequestStep;

struct TableLoad
{
	Worker *w;
	PgSession *target; /* for short statements; NULL: to be opened */
	TableJoin *join;   /* of the stream's session; NULL between two */
	Arena *arena;      /* of the rows */
	CopyTables rows;   /* as last read */
	bool look;         /* they may have changed */
	bool ending_left;  /* tasks that follow the join */

	RequestStep request;
	int64_t change_id;
	TableAction action;
	json_t *asked;    /* its tables, as named */
	json_t *resolved; /* those with rows */
	size_t moved;
	bool refused;
	Error refusal;

	WorkerCall *call; /* resolving, or preparing */
	CopyCrew *crew;
	bool ending;   /* the crew does what follows the join */
	bool released; /* the snapshot is no longer needed */
	CopyProgress *progress;
	uint32_t failed_oid; /* of the table that a worker failed at */
	char snapshot[SNAPSHOT_NAME_MAX];
	char encoding[64];
	int64_t not_before_us;
	int64_t pause_us;
	int64_t failing_since_us; /* 0: not failing */
};

TableLoad *
table_load_open(Worker *w)
{
	TableLoad *load = xcalloc(1, sizeof(*load));

	load->w = w;
	load->arena = arena_create(64 * 1024);
	return load;
}

static void
drop_request(TableLoad *load)
{
	json_decref(load->asked);
	json_decref(load->resolved);
	load->asked = load->resolved = NULL;
	load->request = REQUEST_NONE;
	load->refused = false;
	load->moved = 0;
}

static void
end_crew(TableLoad *load, bool complete, bool touch_servers, const Error *err)
{
	if (load->progress != NULL)
		copy_progress_close(load->progress, complete, err);
	load->progress = NULL;
	if (load->crew != NULL)
		copy_crew_end(load->crew, complete ? NULL : load->target, touch_servers && !complete);
	load->crew = NULL;
}

void
table_load_close(TableLoad *load, bool touch_servers)
{
	end_crew(load, false, touch_servers, NULL);
	worker_call_cancel(load->call);
	drop_request(load);
	pg_session_close(load->target);
	arena_destroy(load->arena);
	free(load);
}

static bool
need_target(TableLoad *load, Error *err)
{
	if (load->target == NULL)
		load->target = copy_target_open(worker_job(load->w), NULL, err);
	return load->target != NULL;
}

/* After a failed statement the session is not to be trusted. */
static bool
target_failed(TableLoad *load)
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

/* Reads dts.target_table, and tells the join. */
static bool
look(TableLoad *load, Error *err)
{
	const Job *job = worker_job(load->w);
	Arena *old = load->arena;
	CopyTables before = load->rows;
	int64_t left = 0;
	bool ok;

	load->arena = arena_create(64 * 1024);
	ok = need_target(load, err) &&
	     ((copy_tables_read(&load->rows, load->target, job, load->arena, err) &&
	       copy_queue_left(load->target, job, STAGE_FOREIGN_KEY, STAGE_ANALYZE, &left, err)) ||
	      target_failed(load));
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
	load->ending_left = left > 0;
	return true;
}

/* One transaction of ours around a few statements. */
typedef bool (*Statements)(TableLoad *load, Error *err);

static bool
in_transaction(TableLoad *load, Statements statements, Error *err)
{
	if (!need_target(load, err))
		return false;
	if (!copy_queue_begin(load->target, worker_job(load->w), err) || !statements(load, err) ||
	    !copy_queue_commit(load->target, err))
		return target_failed(load);
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
	if (!look(load, err))
		return false;
	if (count_state(load, GATE_REMOVED) == 0 || worker_change_wanted(load->w, &change))
		return true;
	memset(&load->rows, 0, sizeof(load->rows));
	return in_transaction(load, delete_removed, err) && look(load, err);
}

void
table_load_detach(TableLoad *load)
{
	load->join = NULL;
	/* wishes that had not become durable are asked for again */
	if (load->request == REQUEST_MOVING)
		drop_request(load);
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
	return load->request != REQUEST_NONE || (load->join && table_join_holding(load->join) > 0);
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
static void
succeeded(TableLoad *load)
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

static TableLoadStep
failed(TableLoad *load, Error *err)
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
	if (!need_target(load, err))
		return false;
	if (!table_report_quarantine(load->w, load->target, oid, schema, name, reason, err))
		return target_failed(load);
	load->look = true;
	return true;
}

/* A copy failed for good: one table, or all that are being copied. */
static TableLoadStep
copy_failed(TableLoad *load, Error *err)
{
	Error reason = *err;

	if (!worker_job(load->w)->options.quarantine)
		return LOAD_FAILED;
	for (int i = 0; i < load->rows.count; i++)
	{
		GateTable *t = &load->rows.tables[i];

		if (t->state != GATE_COPYING || (load->failed_oid != 0 && t->oid != load->failed_oid))
			continue;
		error_clear(err);
		if (!table_load_quarantine(load, t->oid, t->schema, t->name, &reason, err))
			return failed(load, err);
	}
	error_clear(err);
	return LOAD_GO_ON;
}

/* The source's table is not what the snapshot shows any more: this one waits again. */
static bool
restart_table(TableLoad *load, Error *err)
{
	char oid[16];
	const char *params[] = {worker_job(load->w)->slot_name, oid};

	snprintf(oid, sizeof(oid), "%" PRIu32, load->failed_oid);
	return pg_session_exec(load->target, err,
	                       "UPDATE dts.target_table SET state = 'waiting', start_lsn = NULL, "
	                       "start_snapshot = NULL, since = clock_timestamp() WHERE slot_name = $1 "
	                       "AND table_oid = CAST($2 AS bigint) AND state = 'copying'",
	                       2, params) &&
	       copy_tables_restart(load->target, worker_job(load->w), err) &&
	       pg_session_exec(load->target, err,
	                       "UPDATE dts.target_progress SET snapshot = NULL WHERE slot_name = $1", 1,
	                       params);
}

/*
 * Requests.
 */
static void
refuse(TableLoad *load, const Error *why)
{
	load->refusal = *why;
	load->refused = true;
	load->request = REQUEST_ANSWERING;
}

static TableLoadStep
begin_request(TableLoad *load, const WorkerChange *change, Error *err)
{
	TableResolve resolve;

	load->change_id = change->id;
	load->asked = json_loads(change->tables, 0, NULL);
	if (!table_action_parse(change->action, &load->action) || load->asked == NULL)
	{
		Error why = {0};

		error_set(&why, ERR_CONFIG, "the request makes no sense to this daemon");
		error_hint(&why, "Run a dts_applier of the same version as the extension \"dts\".");
		refuse(load, &why);
		return LOAD_GO_ON;
	}
	resolve = (TableResolve){load->action, load->asked};
	load->call = worker_call_start(load->w, table_resolve, &resolve, err);
	if (load->call == NULL)
	{
		drop_request(load);
		return failed(load, err);
	}
	load->request = REQUEST_RESOLVING;
	return LOAD_GO_ON;
}

static void
move_tables(TableLoad *load)
{
	size_t i;
	json_t *item;

	json_array_foreach(load->resolved, i, item)
	{
		uint32_t oid = (uint32_t) json_integer_value(json_object_get(item, "oid"));
		const char *schema = json_string_value(json_object_get(item, "schema"));
		const char *name = json_string_value(json_object_get(item, "name"));
		const char *how = json_string_value(json_object_get(item, "move"));
		TableAction action = load->action;

		const char *sql = json_string_value(json_object_get(item, "sql"));

		if (how != NULL && !table_action_parse(how, &action))
			continue;
		if (sql != NULL)
			table_join_before(load->join, oid, sql);
		if (action == TABLES_REMOVE)
			table_join_remove(load->join, oid, schema, name);
		else
			table_join_hold(load->join, oid, schema, name, action == TABLES_RELOAD);
	}
	load->request = REQUEST_MOVING;
	load->moved = 0;
}

static TableLoadStep
request_resolved(TableLoad *load, WorkerCallEnd end, json_t *result, Error *err)
{
	if (end == CALL_OK)
	{
		load->resolved = json_incref(json_object_get(result, "tables"));
		succeeded(load);
		if (load->join != NULL)
			move_tables(load);
		else
			drop_request(load); /* asked again when there is a stream */
		return LOAD_GO_ON;
	}
	if (sqlstate_is_transient(err->sqlstate) || strcmp(err->sqlstate, ERR_FENCED) == 0)
	{
		drop_request(load);
		return failed(load, err);
	}
	refuse(load, err);
	error_clear(err);
	return LOAD_GO_ON;
}

/* A table's standing has become durable. */
static void
hear_of_tables(TableLoad *load)
{
	const GateTable *t;

	while ((t = table_join_changed(load->join)) != NULL)
	{
		load->look = true;
		if (load->request == REQUEST_MOVING)
			load->moved++;
		if (t->state == GATE_JOINED)
			worker_event(load->w, "info", "table_joined",
			             "table \"%s\".\"%s\" has joined the stream", t->schema, t->name);
		if (t->state != GATE_REMOVED && load->target != NULL)
			table_report_state(load->w, load->target, t);
	}
}

static TableLoadStep
step_request(TableLoad *load, Error *err)
{
	WorkerChange change;
	char *tables;
	bool answered;

	switch (load->request)
	{
		case REQUEST_NONE:
			if (load->call == NULL && load->join != NULL &&
			    worker_now_us(load->w) >= load->not_before_us &&
			    worker_change_wanted(load->w, &change))
				return begin_request(load, &change, err);
			return LOAD_GO_ON;
		case REQUEST_RESOLVING:
			return LOAD_GO_ON;
		case REQUEST_MOVING:
			if (load->moved < json_array_size(load->resolved))
				return LOAD_GO_ON;
			load->request = REQUEST_ANSWERING;
			break;
		case REQUEST_ANSWERING:
			break;
	}
	tables = json_dumps(load->resolved ? load->resolved : load->asked, JSON_COMPACT);
	answered = worker_change_answer(load->w, load->change_id, tables ? tables : "[]",
	                                load->refused ? &load->refusal : NULL);
	free(tables);
	if (!answered)
		return LOAD_GO_ON;
	answered = !load->refused && load->action != TABLES_RELOAD;
	drop_request(load);
	return answered ? LOAD_REOPEN : LOAD_GO_ON;
}

/*
 * Copying.
 */
static bool
let_snapshot_go(TableLoad *load, Error *err)
{
	const char *params[] = {worker_job(load->w)->slot_name};

	/* its keeper looks, and leaves by itself */
	return pg_session_exec(load->target, err,
	                       "UPDATE dts.target_progress SET snapshot = NULL WHERE slot_name = $1", 1,
	                       params);
}

static bool
heard(void *arg, const CopyMessage *message, Error *err)
{
	TableLoad *load = arg;
	int64_t left;

	if (message != NULL && message->kind == COPY_FAILED)
		load->failed_oid = message->table_oid;
	copy_progress_heard(load->progress, message);
	if (message != NULL || load->released || load->ending)
		return true;
	if (!need_target(load, err))
		return false;
	if (!copy_queue_left(load->target, worker_job(load->w), STAGE_PRE_DATA, STAGE_DATA, &left, err))
		return target_failed(load);
	load->released = left == 0;
	return left > 0 || in_transaction(load, let_snapshot_go, err);
}

static TableLoadStep
start_crew(TableLoad *load, bool ending, Error *err)
{
	const Job *job = worker_job(load->w);
	int workers = job->options.workers > 0 ? job->options.workers : WORKERS_DEFAULT;
	CopyCrewOptions options = {.last = ending ? STAGE_ANALYZE : STAGE_ATTACH,
	                           .workers = workers,
	                           .encoding = load->encoding,
	                           .snapshot = ending ? "" : load->snapshot,
	                           .heard = heard,
	                           .arg = load};

	if (!need_target(load, err))
		return failed(load, err);
	load->ending = ending;
	load->released = false;
	load->failed_oid = 0;
	load->progress = copy_progress_open(load->w, load->target, err);
	if (load->progress == NULL)
	{
		target_failed(load);
		return failed(load, err);
	}
	load->crew = copy_crew_start(load->w, &options, err);
	if (load->crew != NULL)
		return LOAD_GO_ON;
	end_crew(load, false, false, NULL);
	return failed(load, err);
}

/* What is whole is copied; a table that changed on the source meanwhile waits for a new snapshot. */
static bool
finish_copies(TableLoad *load, Error *err)
{
	const Job *job = worker_job(load->w);
	int64_t left;

	if (!copy_tables_finish(load->target, job, err) ||
	    !copy_queue_left(load->target, job, STAGE_DATA, STAGE_DATA, &left, err))
		return false;
	if (left > 0 && !copy_tables_restart(load->target, job, err))
		return false;
	return let_snapshot_go(load, err);
}

/* The crew has ended without finishing. */
static TableLoadStep
crew_failed(TableLoad *load, CrewResult result, Error *err)
{
	bool changed = strcmp(err->sqlstate, ERR_OBJECT_STATE) == 0 && load->failed_oid != 0;

	end_crew(load, false, true, result == CREW_FAILED && !changed ? err : NULL);
	load->look = true;
	if (result == CREW_YIELDED)
		return LOAD_YIELD;
	if (result == CREW_SNAPSHOT_LOST)
	{
		worker_event(load->w, "warning", "snapshot_lost",
		             "the snapshot of a load beside the stream was lost; tables that are not whole "
		             "are loaded again under a new one");
		error_clear(err);
		return LOAD_GO_ON;
	}
	if (sqlstate_is_transient(err->sqlstate))
		return failed(load, err);
	if (changed && !load->ending)
	{
		worker_event(load->w, "warning", "table_restarts", "%s: %s It is loaded again",
		             err->message, err->detail);
		error_clear(err);
		if (!in_transaction(load, restart_table, err))
			return failed(load, err);
		return LOAD_GO_ON;
	}
	if (load->ending)
		return LOAD_FAILED;
	return copy_failed(load, err);
}

static TableLoadStep
step_crew(TableLoad *load, Error *err)
{
	CrewResult result;

	if (load->crew == NULL)
		return LOAD_GO_ON;
	result = copy_crew_step(load->crew, err);
	switch (result)
	{
		case CREW_WORKING:
			return LOAD_GO_ON;
		case CREW_DONE:
			break;
		case CREW_YIELDED:
		case CREW_SNAPSHOT_LOST:
		case CREW_FAILED:
			return crew_failed(load, result, err);
	}
	end_crew(load, true, false, NULL);
	load->look = true;
	succeeded(load);
	if (!load->ending)
	{
		if (!in_transaction(load, finish_copies, err))
			return failed(load, err);
		FAULT_POINT("table.copied");
	}
	return LOAD_GO_ON;
}

static TableLoadStep
prepared(TableLoad *load, WorkerCallEnd end, const json_t *result, Error *err)
{
	const char *snapshot = json_string_value(json_object_get(result, "snapshot"));
	const char *encoding = json_string_value(json_object_get(result, "encoding"));

	load->look = true;
	if (end != CALL_OK)
	{
		load->failed_oid = 0;
		if (sqlstate_is_transient(err->sqlstate) || strcmp(err->sqlstate, ERR_FENCED) == 0)
			return failed(load, err);
		return copy_failed(load, err);
	}
	snprintf(load->snapshot, sizeof(load->snapshot), "%s", snapshot ? snapshot : "");
	snprintf(load->encoding, sizeof(load->encoding), "%s", encoding ? encoding : "");
	if (load->join != NULL && !look(load, err))
		return failed(load, err);
	return start_crew(load, false, err);
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
	step = resolving ? request_resolved(load, end, result, err) : prepared(load, end, result, err);
	json_decref(result);
	return step;
}

/* Nothing is under way: whatever is to be done next begins. */
static TableLoadStep
step_start(TableLoad *load, Error *err)
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
		return load->call != NULL ? LOAD_GO_ON : failed(load, err);
	}
	if (load->ending_left && table_join_holding(load->join) == 0)
		return start_crew(load, true, err);
	return LOAD_GO_ON;
}

TableLoadStep
table_load_step(TableLoad *load, Error *err)
{
	TableLoadStep step = LOAD_GO_ON;

	if (load->join != NULL)
		hear_of_tables(load);
	step = step_call(load, err);
	if (step == LOAD_GO_ON)
		step = step_crew(load, err);
	if (step == LOAD_GO_ON)
		step = step_request(load, err);
	if (step == LOAD_GO_ON && load->look && load->join != NULL && !look(load, err))
		step = failed(load, err);
	if (step == LOAD_GO_ON && !load->look)
		step = step_start(load, err);
	return step;
}
