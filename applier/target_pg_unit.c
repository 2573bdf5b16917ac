/*
 * target_pg_unit.c
 *		Units: pieces of target transactions, kept in memory until the target has answered them.
 *
 * A target transaction is one unit, or, when it is large, several.  What is received goes into the
 * open unit; a closed one waits in a queue, is sent statement by statement as far as the pipeline
 * takes it, and is forgotten when its last statement is answered.
 *
 * Two paths lead to the target.  In order: one statement for each change, as they came.  Or as a
 * batch: net rows by table, first deletes, then updates, then inserts, many rows in a statement.
 *
 * When the batch path is allowed, and why it is equal.  Sessions of the stream run as replica, so
 * that a change has no effect but on its own row and its own table's constraints:
 *	- Tables do not see each other, so that their order does not matter.  A table with a trigger or
 *	  rule that fires nevertheless is applied in order.
 *	- Updates and deletes become net rows only where a unique index of the target within the
 *	  identity's key says that a key means one row; else, and when a key changes, the table is
 *	  applied in order for that unit.  The last state of each key is then the state of its row.
 *	- Every other constraint can make the batch fail where the order would not have, as when a value
 *	  of a further unique index is handed from row to row.  It cannot make it succeed with another
 *	  result, because the net rows alone decide that.
 *	- The number of rows that deletes and updates hit is checked, and rows that came and went within
 *	  the unit are checked not to be there.
 *	- A truncate and a new version of a table are units of their own, or begin one.
 * So a batch has the result of its changes in order, or fails.  When it fails the unit is rolled
 * back, repeated in order, and only then is an error an error: what is reported is always the
 * first change in order that cannot be applied.  What was in flight behind it was not executed, is
 * still here, and is sent again.
 *
 * A unit within a transaction begins with a savepoint, so that it alone is repeated; memory is
 * bounded whatever the size of a transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "target_pg_internal.h"
#include "target_pg_lane.h"

#define UNIT_ROWS     32768
#define UNIT_BYTES    ((size_t) 8 << 20)
#define HELD_BYTES    ((size_t) 24 << 20)
#define ARENA_BLOCK   ((size_t) 256 << 10)
#define FEW_CHANGES   8 /* in order up to here */
#define REMEMBER_MIN  4 /* units in order after a failure, doubled by the next ones */
#define REMEMBER_MAX  1024
#define SAVEPOINT_SQL "SAVEPOINT dts_unit"

void
target_pg_unit_open(TargetPg *t, bool begins)
{
	Unit *unit = t->spare;
	Arena *arena;

	if (unit != NULL)
		t->spare = unit->next;
	else
	{
		unit = xcalloc(1, sizeof(*unit));
		unit->arena = arena_create(ARENA_BLOCK);
	}
	arena = unit->arena;
	memset(unit, 0, sizeof(*unit));
	unit->arena = arena;
	unit->number = ++t->unit_number;
	unit->begins = begins;
	unit->turn = t->turn;
	unit->commands_end = &unit->commands;
	net_run_init(&unit->run, arena);
	t->open = unit;
}

void
target_pg_unit_command(TargetPg *t, const char *sql)
{
	UnitCommand *command = arena_zalloc(t->open->arena, sizeof(*command));

	command->sql = arena_strdup(t->open->arena, sql);
	t->open->last_command = command;
	*t->open->commands_end = command;
	t->open->commands_end = &command->next;
}

void
target_pg_unit_close(TargetPg *t, const TargetPosition *position)
{
	Unit *unit = t->open;

	SourceLsn *handed = t->group != NULL ? &t->group->handed : &t->handed;

	unit->ends = position != NULL;
	unit->before = *handed;
	if (unit->ends)
		*handed = (unit->position = *position).end;
	unit->savepoint = !(unit->begins && unit->ends);
	target_pg_lane_closed(t, unit);
	unit->handed_us = target_pg_clock_us();
	if (t->units == NULL)
		t->busy_since_us = unit->handed_us;
	*(t->units ? &t->last->next : &t->units) = unit;
	t->last = unit;
	if (t->sending == NULL)
		t->sending = unit;
	unit->held = arena_used(unit->arena);
	t->held += unit->held;
	t->status.stats.units++;
	t->open = NULL;
	if (!unit->ends)
		target_pg_unit_open(t, false);
}

/* The oldest unit was answered to its end. */
void
target_pg_unit_answered(TargetPg *t)
{
	Unit *unit = t->units;
	int64_t now = target_pg_clock_us();

	t->units = unit->next;
	t->held -= unit->held;
	if (unit->number == t->barrier)
	{
		t->barrier = 0;
		t->relations_stale = true;
	}
	if (unit->ends)
		t->status.stats.commit_wait_us += now - unit->handed_us;
	if (t->units == NULL)
		t->status.stats.busy_us += now - t->busy_since_us;
	arena_reset(unit->arena);
	unit->next = t->spare;
	t->spare = unit;
}

static void
units_free(Unit *unit)
{
	while (unit != NULL)
	{
		Unit *next = unit->next;

		arena_destroy(unit->arena);
		free(unit);
		unit = next;
	}
}

void
target_pg_units_free(TargetPg *t)
{
	units_free(t->open);
	units_free(t->units);
	units_free(t->spare);
}

/*
 * Receiving
 */

/* The entry's table in the open unit. */
static NetTable *
net_table(TargetPg *t, RelationEntry *entry)
{
	if (entry->net_unit != t->open->number)
	{
		entry->net_table = net_run_table(&t->open->run, &entry->subject);
		entry->net_unit = t->open->number;
	}
	return entry->net_table;
}

static bool
has_changes(const TargetPg *t)
{
	return t->open->run.count > 0;
}

/* A relation met for the first time may be a new version of one that the unit has changes of. */
static TargetResult
ready(TargetPg *t, const Relation *relation, RelationEntry **entry, Error *err)
{
	*entry = target_pg_entry(t, relation);
	if ((*entry)->state == ENTRY_BOUND)
		return TARGET_OK;
	if (has_changes(t))
		target_pg_unit_close(t, NULL);
	return target_pg_entry_ready(t, *entry, err);
}

static TargetResult
receive_row(TargetPg *t, const TxnHeader *header, const Change *change, Error *err)
{
	RelationEntry *entry;
	TargetResult result = ready(t, change->relation, &entry, err);

	if (result != TARGET_OK)
		return result;
	if (t->open->run.count >= UNIT_ROWS || arena_used(t->open->arena) >= UNIT_BYTES)
		target_pg_unit_close(t, NULL);
	net_run_add(&t->open->run, net_table(t, entry), change, header->commit);
	switch (change->kind)
	{
		case CHANGE_INSERT:
			t->status.stats.inserts++;
			break;
		case CHANGE_UPDATE:
			t->status.stats.updates++;
			break;
		case CHANGE_DELETE:
			t->status.stats.deletes++;
			break;
		case CHANGE_TRUNCATE:
		case CHANGE_MESSAGE:
		case CHANGE_NO_IDENTITY:
		case CHANGE_REFUSED:
			break;
	}
	return TARGET_OK;
}

static TargetResult
receive_truncate(TargetPg *t, const TxnHeader *header, const Change *change, Error *err)
{
	TargetResult result = TARGET_OK;

	for (int i = 0; i < change->truncated_count; i++)
	{
		RelationEntry *entry;
		TargetResult one = ready(t, change->truncated[i], &entry, err);

		if (one == TARGET_FAILED || one == TARGET_UNKNOWN)
			return one;
		if (one == TARGET_WAIT)
			result = TARGET_WAIT;
	}
	if (result != TARGET_OK)
		return result;
	if (has_changes(t))
		target_pg_unit_close(t, NULL);
	net_run_truncate(&t->open->run, change, header->commit);
	t->open->ordered = true;
	t->status.stats.truncates++;
	t->status.stats.ordered[ORDER_TRUNCATE]++;
	target_pg_unit_close(t, NULL);
	return TARGET_OK;
}

static TargetResult
receive(TargetPg *t, const TxnHeader *header, const Change *change, Error *err)
{
	switch (change->kind)
	{
		case CHANGE_INSERT:
		case CHANGE_UPDATE:
		case CHANGE_DELETE:
		case CHANGE_NO_IDENTITY:
			return receive_row(t, header, change, err);
		case CHANGE_REFUSED:
			/* its relation may not even fit the target's table */
			t->status.failed = change->relation;
			plan_refused(change, err);
			return TARGET_FAILED;
		case CHANGE_TRUNCATE:
			return receive_truncate(t, header, change, err);
		case CHANGE_MESSAGE:
			break;
	}
	return TARGET_OK;
}

bool
target_pg_must_wait(const TargetPg *t)
{
	return t->repeating || t->stuck || t->held >= HELD_BYTES || t->barrier != 0;
}

TargetResult
target_pg_apply(Target *target, const TxnHeader *header, const Change *change, Error *err)
{
	TargetPg *t = (TargetPg *) target;
	TargetResult result;

	if (!t->stuck)
		t->status.failed = NULL;
	if (target_pg_must_wait(t))
	{
		if (!target_pg_work(t, err))
			return TARGET_FAILED;
		if (target_pg_must_wait(t))
			return TARGET_WAIT;
	}
	if (!target_pg_forget_relations(t, err))
		return TARGET_FAILED;
	result = receive(t, header, change, err);
	if (result == TARGET_FAILED && target_pg_repeat(t, err))
		return TARGET_WAIT;
	/* the pieces of a large transaction go on their way */
	if (result == TARGET_OK && t->sending != NULL && !pipeline_full(&t->pipeline) &&
	    !target_pg_work(t, err))
		return TARGET_FAILED;
	return result;
}

/*
 * Sending
 */

static bool
send_command(TargetPg *t, RequestKind kind, const char *sql, Error *err)
{
	return pipeline_query(&t->pipeline, kind, sql, 0, NULL, err);
}

static void
stage_net(TargetPg *t, Unit *unit)
{
	EngineStats *stats = &t->status.stats;

	unit->stage = UNIT_NET;
	unit->table = unit->run.tables;
	unit->groups = NULL;
	unit->block = unit->run.first;
	unit->change_at = 0;
	if (t->keep_order || (unit->run.count <= FEW_CHANGES && !unit->ordered))
	{
		if (unit->run.tables != NULL)
			stats->ordered[t->keep_order ? ORDER_ASKED : ORDER_FEW]++;
		unit->ordered = true;
	}
	for (NetTable *table = unit->run.tables; table != NULL && !unit->ordered; table = table->next)
	{
		RelationEntry *entry = table->subject->owner;

		if (entry->order_units > 0)
		{
			entry->order_units--;
			table->order = ORDER_REMEMBERED;
		}
		if (table->order != ORDER_NONE)
			stats->ordered[table->order]++;
	}
	target_pg_lane_stage(t, unit);
}

static bool
send_begin(TargetPg *t, Unit *unit, Error *err)
{
	const char *encoding = t->wanted_encoding;

	if (unit->begins && !unit->opened)
	{
		if (encoding[0] != '\0' && strcmp(encoding, t->encoding) != 0)
		{
			if (!pipeline_query(&t->pipeline, REQUEST_COMMAND,
			                    "SELECT pg_catalog.set_config('client_encoding', $1, false)", 1,
			                    &encoding, err))
				return false;
			memcpy(t->encoding, t->wanted_encoding, sizeof(t->encoding));
		}
		if (!target_pg_early_take(t) && !target_pg_send_begin(t, err))
			return false;
		if (!target_pg_lane_announce(t, unit, err))
			return false;
	}
	if (unit->savepoint && !unit->opened && !send_command(t, REQUEST_COMMAND, SAVEPOINT_SQL, err))
		return false;
	unit->opened = unit->savepoint;
	stage_net(t, unit);
	return true;
}

static bool
send_net(TargetPg *t, Unit *unit, Error *err)
{
	bool done = true;

	while (unit->table != NULL && (unit->ordered || unit->table->order != ORDER_NONE))
		unit->table = unit->table->next;
	if (unit->table == NULL)
	{
		unit->stage = unit->pass == PASS_EARLY ? UNIT_TURN : UNIT_ORDER;
		return true;
	}
	if (!target_pg_send_group(t, unit, &done, err))
		return false;
	if (done)
	{
		unit->table = unit->table->next;
		unit->groups = NULL;
	}
	return true;
}

/* From here on everything before is there. */
static bool
send_turn(TargetPg *t, Unit *unit, Error *err)
{
	unit->pass = unit->pass == PASS_EARLY ? PASS_LATE : PASS_ALL;
	unit->stage = UNIT_NET;
	unit->table = unit->run.tables;
	unit->groups = NULL;
	return target_pg_lane_follow(t, unit, err);
}

/* One change whose table is applied in order. */
static bool
send_ordered(TargetPg *t, Unit *unit, Error *err)
{
	while (unit->block != NULL)
	{
		NetChange *kept = &unit->block->changes[unit->change_at];
		Change change;

		if (unit->change_at++ == unit->block->count)
		{
			unit->block = unit->block->next;
			unit->change_at = 0;
			continue;
		}
		if (!unit->ordered && kept->table->order == ORDER_NONE)
			continue;
		net_change_restore(kept, &change);
		t->status.stats.rows_ordered += kept->table != NULL;
		return target_pg_send_change(t, kept->commit, &change, err);
	}
	unit->stage = UNIT_END;
	return true;
}

static bool
send_end(TargetPg *t, Unit *unit, Error *err)
{
	bool ended = unit->ends; /* sending may forget the unit */

	for (const UnitCommand *c = unit->commands; c != NULL; c = c->next)
	{
		Request request = {.kind = REQUEST_COMMAND,
		                   .bytes = (uint32_t) strlen(c->sql),
		                   .lsn = unit->commit,
		                   .plan = c->kind == COMMAND_SOURCE ? c : NULL};

		if (!pipeline_sent(&t->pipeline,
		                   PQsendQueryParams(t->conn, c->sql, 0, NULL, NULL, NULL, NULL, 0),
		                   &request, err))
			return false;
	}
	if (unit->ends)
	{
		if (!target_pg_send_end(t, unit, err))
			return false;
	}
	else if (!send_command(t, REQUEST_RELEASE, "RELEASE " SAVEPOINT_SQL, err))
		return false;
	unit->stage = UNIT_SENT;
	return pipeline_flush(&t->pipeline, err) && (!ended || target_pg_early_begin(t, err));
}

static bool
must_hold(const TargetPg *t)
{
	return t->sending == NULL || pipeline_full(&t->pipeline) || target_pg_lane_held(t) ||
	       target_pg_report_waits(t);
}

static bool
send_units(TargetPg *t, Error *err)
{
	while (!must_hold(t))
	{
		Unit *unit = t->sending;
		bool ok = true;

		arena_reset(t->scratch);
		switch (unit->stage)
		{
			case UNIT_BEGIN:
				ok = send_begin(t, unit, err);
				break;
			case UNIT_NET:
				ok = send_net(t, unit, err);
				break;
			case UNIT_TURN:
				ok = send_turn(t, unit, err);
				break;
			case UNIT_ORDER:
				ok = send_ordered(t, unit, err);
				break;
			case UNIT_END:
				/* noted before, because sending may read the answer and forget the unit */
				t->sending = unit->next;
				ok = send_end(t, unit, err);
				break;
			case UNIT_SENT:
				break;
		}
		if (!ok)
			return false;
	}
	/* the server answers a large unit as it goes, so that there is room for more */
	return t->sending == NULL || t->pipeline.since_flush == 0 || pipeline_flush(&t->pipeline, err);
}

static bool
send_some(TargetPg *t, Error *err)
{
	int64_t began_us = target_pg_clock_us();
	bool ok = send_units(t, err);

	t->status.stats.plan_us += target_pg_clock_us() - began_us;
	return ok;
}

/*
 * Repeating
 */

bool
target_pg_may_repeat(const TargetPg *t, const Request *request, const Error *err)
{
	const Unit *unit = t->units;

	if (unit == NULL || unit->ordered || PQstatus(t->conn) != CONNECTION_OK ||
	    strncmp(err->sqlstate, "57P", 3) == 0 || strncmp(err->sqlstate, "08", 2) == 0)
		return false;
	switch (request->kind)
	{
		case REQUEST_CHANGE:
		case REQUEST_PREPARE:
		case REQUEST_GROUP:
			return true;
		case REQUEST_COMMIT:
			/* with savepoints the transaction's other units are gone */
			return !unit->savepoint;
		case REQUEST_COMMAND:
		case REQUEST_FENCE:
		case REQUEST_FOLLOW:
		case REQUEST_TRUNCATE:
		case REQUEST_POSITION:
		case REQUEST_RELEASE:
		case REQUEST_COLUMNS:
		case REQUEST_UNIQUES:
		case REQUEST_FLUSHED:
			break;
	}
	return false;
}

static void
lost(void *owner, const Request *request)
{
	TargetPg *t = owner;
	RelationEntry *entry = request->relation;

	if (request->kind == REQUEST_PREPARE)
		target_pg_statement_lost(t, request->statement);
	if (request->kind == REQUEST_FLUSHED)
		target_pg_flush_lost(t);
	if ((request->kind == REQUEST_COLUMNS || request->kind == REQUEST_UNIQUES) &&
	    entry->state != ENTRY_BOUND)
		entry->state = ENTRY_NEW;
}

/* A table that fails again soon is kept in order for longer. */
static void
remember(const Unit *unit, const RelationEntry *blamed)
{
	for (NetTable *table = unit->run.tables; table != NULL; table = table->next)
	{
		RelationEntry *entry = table->subject->owner;

		if (table->order != ORDER_NONE || (blamed != NULL && entry != blamed))
			continue;
		entry->order_next = entry->order_next == 0 ? REMEMBER_MIN : entry->order_next * 2;
		if (entry->order_next > REMEMBER_MAX)
			entry->order_next = REMEMBER_MAX;
		entry->order_units = entry->order_next;
	}
}

bool
target_pg_give_up(TargetPg *t, Error *err)
{
	t->stuck = false;
	(void) target_pg_early_take(t);
	if (!pipeline_discard(&t->pipeline, lost, err))
		return false;
	t->repeating = true;
	return true;
}

bool
target_pg_repeat(TargetPg *t, Error *err)
{
	Error trouble;

	if (!t->repeat)
		return false;
	t->repeat = false;
	target_pg_lane_failed(t);
	if (!target_pg_give_up(t, &trouble))
	{
		*err = trouble;
		return false;
	}
	error_clear(err);
	return true;
}

/* The server has come back: rolls the unit back, and starts anew from it. */
static bool
repeat_units(TargetPg *t, Error *err)
{
	Unit *failed = t->units;
	bool whole = t->anew || !failed->opened;

	t->repeating = false;
	if (!send_command(t, REQUEST_COMMAND, whole ? "ROLLBACK" : "ROLLBACK TO " SAVEPOINT_SQL, err))
		return false;
	if (t->anew)
		target_pg_lane_restarted(t);
	else
	{
		remember(failed, t->blamed);
		failed->ordered = true;
		t->status.stats.units_repeated++;
		t->status.stats.ordered[ORDER_FAILED]++;
	}
	t->anew = false;
	/* set in front of BEGIN, and so undone with the transaction */
	t->encoding[0] = '\0';
	for (Unit *unit = failed; unit != NULL; unit = unit->next)
	{
		unit->stage = UNIT_BEGIN;
		if (unit != failed || whole)
			unit->opened = false;
	}
	t->sending = failed;
	return true;
}

/*
 * A change that cannot even be sent.  What is before it may fail too, and then that is the first
 * error; or it commits, and then it should be seen to.
 */
static bool
get_stuck(TargetPg *t, Error *err)
{
	if (t->pipeline.failed || t->stuck)
		return false;
	t->stuck = true;
	t->stuck_error = *err;
	error_clear(err);
	return pipeline_flush(&t->pipeline, err);
}

bool
target_pg_work(TargetPg *t, Error *err)
{
	if (t->load.stage != LOAD_OFF)
		return target_pg_load_pump(t, err);
	for (;;)
	{
		bool ok = pipeline_pump(&t->pipeline, err) && target_pg_early_end(t, err) &&
		          target_pg_report(t, err) && target_pg_flush_look(t, err);

		if (ok && t->repeating && t->pipeline.discarding == 0)
			ok = repeat_units(t, err);
		if (ok && t->repeating)
			return true;
		if (ok && t->stuck)
		{
			if (t->pipeline.count > 0)
				return true;
			*err = t->stuck_error;
			return false;
		}
		if (ok && must_hold(t))
			return true;
		if (ok)
			ok = send_some(t, err) || (!t->repeat && get_stuck(t, err));
		if (!ok && !target_pg_repeat(t, err))
			return false;
	}
}
