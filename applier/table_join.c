/*
 * table_join.c
 *		See table_join.h.
 *
 * A boundary is where no source transaction and no batch is open.  One operation runs there at a
 * time: all wishes together, or a slice of one table.  It waits until everything in flight has been
 * answered, opens a target transaction, commits it, and waits for that answer, too; only then does
 * the memory follow, so that whoever is told of a table's standing can rely on it being durable.
 *
 * Before the stream has passed the stored position nothing joins: the backlog is not yet what it
 * was when that position was stored.
 */
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "strbuf.h"
#include "table_join_internal.h"

#define MEMORY_LIMIT  ((uint64_t) 8 << 20)
#define DISK_LIMIT    ((uint64_t) 64 << 30)
#define SLICE_CHANGES 5000
#define PAUSE_SHARE   2 /* of a slice: as many events of the stream pass between two slices */

TableJoin *
table_join_create(const TableJoinOptions *options)
{
	TableJoin *join = xcalloc(1, sizeof(*join));

	join->slot_name = xstrdup(options->slot_name);
	join->stored = options->stored;
	join->slice_changes = options->slice_changes > 0 ? options->slice_changes : SLICE_CHANGES;
	join->spools = spool_set_create(
	    options->work_dir, options->memory_limit > 0 ? options->memory_limit : MEMORY_LIMIT,
	    options->disk_limit > 0 ? options->disk_limit : DISK_LIMIT);
	return join;
}

void
table_join_destroy(TableJoin *join)
{
	if (join == NULL)
		return;
	while (join->first != NULL)
	{
		JoinTable *t = join->first;

		join->first = t->next;
		backlog_destroy(t->backlog);
		arena_destroy(t->arena);
		free(t->before);
		free(t);
	}
	spool_set_destroy(join->spools);
	free(join->remaining);
	free(join->slot_name);
	free(join);
}

JoinTable *
join_table_find(const TableJoin *join, uint32_t oid)
{
	JoinTable *t = join->buckets[oid % JOIN_BUCKETS];

	while (t != NULL && t->gate.oid != oid)
		t = t->chain;
	return t;
}

static JoinTable *
find_or_add(TableJoin *join, uint32_t oid)
{
	JoinTable *t = join_table_find(join, oid);

	if (t != NULL)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->gate.oid = oid;
	t->gate.state = GATE_JOINED;
	t->told = true;
	t->chain = join->buckets[oid % JOIN_BUCKETS];
	join->buckets[oid % JOIN_BUCKETS] = t;
	t->next = join->first;
	join->first = t;
	return t;
}

/* Makes the table's description ours. */
static void
describe(JoinTable *t, const GateTable *table)
{
	Arena *arena = arena_create(1024);
	size_t size = sizeof(uint64_t) * (size_t) table->snapshot.running_count;

	t->gate = *table;
	t->gate.schema = arena_strdup(arena, table->schema);
	t->gate.name = arena_strdup(arena, table->name);
	t->gate.snapshot.running = arena_alloc(arena, size + 1);
	if (size > 0)
		memcpy(t->gate.snapshot.running, table->snapshot.running, size);
	arena_destroy(t->arena);
	t->arena = arena;
}

static void
drop_backlog(JoinTable *t)
{
	backlog_destroy(t->backlog);
	t->backlog = NULL;
	t->header = NULL;
	t->change = NULL;
}

void
table_join_put(TableJoin *join, const GateTable *table)
{
	JoinTable *t = find_or_add(join, table->oid);

	/* booked by the command that made it; the rows held since then come with its load, not without it */
	if (t->replaces && table->state == GATE_JOINED)
		return;
	describe(t, table);
	if (!gate_state_holds(t->gate.state))
		drop_backlog(t);
	if (t->replaces && t->doing == WISH_NONE)
		t->wish = WISH_NONE; /* a plan has found it by itself */
	t->replaces = false;
}

static JoinTable *
named(TableJoin *join, uint32_t oid, const char *schema, const char *name)
{
	const GateTable table = {.oid = oid, .schema = schema, .name = name, .state = GATE_JOINED};
	JoinTable *t = find_or_add(join, oid);

	if (t->gate.name == NULL)
		describe(t, &table);
	return t;
}

JoinTable *
join_table_pass(TableJoin *join, uint32_t oid)
{
	return find_or_add(join, oid);
}

JoinTable *
join_table_replace(TableJoin *join, const JoinTable *old, uint32_t oid)
{
	GateTable table = {.oid = oid,
	                   .schema = old->gate.schema,
	                   .name = old->gate.name,
	                   .state = GATE_WAITING,
	                   .hold = old->gate.hold};
	JoinTable *t = find_or_add(join, oid);

	describe(t, &table);
	t->wish = WISH_HOLD;
	t->empty = true;
	t->replaces = true;
	return t;
}

void
table_join_hold(TableJoin *join, uint32_t oid, const char *schema, const char *name, bool empty)
{
	JoinTable *t = find_or_add(join, oid);

	if (t->gate.name == NULL)
	{
		const GateTable table = {.oid = oid, .schema = schema, .name = name, .state = GATE_JOINED};

		describe(t, &table);
	}
	t->wish = WISH_HOLD;
	t->empty = empty;
}

void
table_join_remove(TableJoin *join, uint32_t oid, const char *schema, const char *name)
{
	named(join, oid, schema, name)->wish = WISH_REMOVE;
}

void
table_join_before(TableJoin *join, uint32_t oid, const char *sql)
{
	JoinTable *t = find_or_add(join, oid);

	free(t->before);
	t->before = xstrdup(sql);
}

const GateTable *
table_join_changed(TableJoin *join, bool *replaces)
{
	for (JoinTable *t = join->first; t != NULL; t = t->next)
	{
		if (t->told)
			continue;
		t->told = true;
		*replaces = t->replaces;
		return &t->gate;
	}
	return NULL;
}

int
table_join_holding(const TableJoin *join)
{
	int count = 0;

	for (const JoinTable *t = join->first; t != NULL; t = t->next)
		count += t->wish == WISH_HOLD || t->doing == WISH_HOLD || gate_state_holds(t->gate.state);
	return count;
}

int64_t
table_join_waiting(const TableJoin *join)
{
	int64_t changes = 0;

	for (const JoinTable *t = join->first; t != NULL; t = t->next)
		changes += t->backlog != NULL ? backlog_changes(t->backlog) : 0;
	return changes;
}

bool
table_join_in_copy(const TableJoin *join, const TxnHeader *header, const char *schema,
                   const char *name)
{
	for (const JoinTable *t = join->first; t != NULL; t = t->next)
	{
		if (t->gate.start.value != 0 && t->gate.state != GATE_QUARANTINED &&
		    t->gate.state != GATE_REMOVED && strcmp(t->gate.name, name) == 0 &&
		    strcmp(t->gate.schema, schema) == 0 && gate_in_copy(&t->gate, header))
			return true;
	}
	return false;
}

SourceLsn
table_join_ack(const TableJoin *join, SourceLsn durable)
{
	for (const JoinTable *t = join->first; t != NULL; t = t->next)
		durable = gate_ack(&t->gate, durable);
	return durable;
}

void
table_join_passed(TableJoin *join, SourceLsn position)
{
	join->passed = source_lsn_max(join->passed, position);
}

void
table_join_rest(TableJoin *join)
{
	join->pause = 0;
}

/*
 * Boundaries.
 */
static JoinTable *
next_to_join(const TableJoin *join)
{
	if (join->pause > 0 || join->passed.value < join->stored.value)
		return NULL;
	for (JoinTable *t = join->first; t != NULL; t = t->next)
	{
		if (t->gate.state == GATE_COPIED && t->wish == WISH_NONE)
			return t;
	}
	return NULL;
}

static JoinTable *
next_wish(JoinTable *from)
{
	while (from != NULL && from->wish == WISH_NONE)
		from = from->next;
	return from;
}

static JoinTable *
next_doing(JoinTable *from)
{
	while (from != NULL && from->doing == WISH_NONE)
		from = from->next;
	return from;
}

bool
table_join_busy(const TableJoin *join)
{
	return join->stage != JOIN_IDLE;
}

bool
table_join_pending(TableJoin *join)
{
	return join->first != NULL &&
	       (table_join_busy(join) || next_wish(join->first) != NULL || next_to_join(join) != NULL);
}

static void
put_lsn(StrBuf *sql, SourceLsn lsn)
{
	strbuf_printf(sql, "'" LSN_FORMAT "'", LSN_ARGS(lsn));
}

static TargetResult
write_wish(const TableJoin *join, const JoinTable *t, Target *target, Error *err)
{
	TargetResult result;
	StrBuf sql;

	if (t->before != NULL)
	{
		result = target->ops->run(target, t->before, err);
		if (result != TARGET_OK)
			return result;
	}
	strbuf_init(&sql);
	if (t->doing == WISH_HOLD)
	{
		strbuf_puts(&sql, "INSERT INTO dts.target_table (slot_name, table_oid, schema_name, "
		                  "table_name, state, to_empty, hold_lsn) VALUES (");
		strbuf_literal(&sql, join->slot_name);
		strbuf_printf(&sql, ", %" PRIu32 ", ", t->gate.oid);
		strbuf_literal(&sql, t->gate.schema);
		strbuf_puts(&sql, ", ");
		strbuf_literal(&sql, t->gate.name);
		strbuf_printf(&sql, ", 'waiting', %s, ", t->empty ? "true" : "false");
		put_lsn(&sql, join->position);
		strbuf_puts(&sql, ") ON CONFLICT (slot_name, table_oid) DO UPDATE SET state = 'waiting', "
		                  "to_empty = excluded.to_empty, "
		                  "hold_lsn = excluded.hold_lsn, start_lsn = NULL, start_snapshot = NULL, "
		                  "applied_lsn = NULL, reason = NULL, copied_at = NULL, joined_at = NULL, "
		                  "since = clock_timestamp()");
	}
	else
	{
		strbuf_puts(&sql, "INSERT INTO dts.target_table (slot_name, table_oid, schema_name, "
		                  "table_name, state) VALUES (");
		strbuf_literal(&sql, join->slot_name);
		strbuf_printf(&sql, ", %" PRIu32 ", ", t->gate.oid);
		strbuf_literal(&sql, t->gate.schema);
		strbuf_puts(&sql, ", ");
		strbuf_literal(&sql, t->gate.name);
		strbuf_puts(&sql, ", 'removed') ON CONFLICT (slot_name, table_oid) DO UPDATE SET state = "
		                  "'removed', since = clock_timestamp()");
	}
	result = target->ops->run(target, sql.data, err);
	strbuf_free(&sql);
	return result;
}

static TargetResult
work_wishes(TableJoin *join, Target *target, Error *err)
{
	for (; join->at != NULL; join->at = next_doing(join->at->next))
	{
		TargetResult result = write_wish(join, join->at, target, err);

		if (result != TARGET_OK)
			return result;
	}
	return TARGET_OK;
}

/* Applies what is in the backlog and not in the copy, up to the slice's end. */
static TargetResult
work_slice(TableJoin *join, Target *target, Error *err)
{
	JoinTable *t = join->joining;

	for (;;)
	{
		TargetResult result;

		if (t->change == NULL && t->backlog != NULL &&
		    !backlog_next(t->backlog, &t->header, &t->change, err))
			return TARGET_FAILED;
		if (t->change == NULL)
		{
			join->whole = true;
			return TARGET_OK;
		}
		/* what is read stays for the next slice */
		if (join->in_slice >= join->slice_changes && t->header->end.value > join->slice_end.value)
			return TARGET_OK;
		result = TARGET_OK;
		if (!gate_in_copy(&t->gate, t->header))
		{
			result = target->ops->apply(target, t->header, t->change, err);
			if (result == TARGET_OK)
				join->in_slice++;
		}
		if (result != TARGET_OK)
			return result;
		join->slice_end = t->header->end;
		t->change = NULL;
	}
}

static TargetResult
write_mark(const TableJoin *join, Target *target, Error *err)
{
	TargetResult result;
	StrBuf sql;

	strbuf_init(&sql);
	strbuf_puts(&sql, "UPDATE dts.target_table SET ");
	if (join->whole)
		strbuf_puts(&sql, "state = 'joined', joined_at = clock_timestamp(), "
		                  "since = clock_timestamp()");
	else
	{
		strbuf_puts(&sql, "applied_lsn = ");
		put_lsn(&sql, join->slice_end);
	}
	strbuf_puts(&sql, " WHERE slot_name = ");
	strbuf_literal(&sql, join->slot_name);
	strbuf_printf(&sql, " AND table_oid = %" PRIu32, join->joining->gate.oid);
	result = target->ops->run(target, sql.data, err);
	strbuf_free(&sql);
	return result;
}

static void
wishes_answered(TableJoin *join)
{
	for (JoinTable *t = next_doing(join->first); t != NULL; t = next_doing(t->next))
	{
		bool holds = t->doing == WISH_HOLD;

		t->gate.state = holds ? GATE_WAITING : GATE_REMOVED;
		t->gate.start = t->gate.applied = source_lsn(0);
		t->gate.snapshot.set = false;
		t->gate.hold = join->position;
		drop_backlog(t);
		free(t->before);
		t->before = NULL;
		t->doing = WISH_NONE;
		t->told = false;
	}
}

static void
slice_answered(TableJoin *join)
{
	JoinTable *t = join->joining;

	if (!join->whole)
	{
		t->gate.applied = join->slice_end;
		join->pause = join->slice_changes / PAUSE_SHARE;
		return;
	}
	t->gate.state = GATE_JOINED;
	t->told = false;
	drop_backlog(t);
	FAULT_POINT("table.after_join");
}

static void
start_operation(TableJoin *join, SourceLsn position)
{
	join->stage = JOIN_BEGIN;
	join->position = position;
	for (JoinTable *t = next_wish(join->first); t != NULL; t = next_wish(t->next))
	{
		t->doing = t->wish;
		t->wish = WISH_NONE;
	}
	join->at = next_doing(join->first);
	join->joining = join->at != NULL ? NULL : next_to_join(join);
	join->in_slice = 0;
	join->whole = false;
	join->slice_end = source_lsn(0);
}

/* One stage; TARGET_OK: the next one is to follow at once. */
static TargetResult
do_stage(TableJoin *join, Target *target, const char *encoding, int in_flight, Error *err)
{
	/* what the stream need not keep once it is committed must be durable then */
	const TargetPosition position = {.end = join->position, .urgent = true};
	TargetResult result = TARGET_OK;

	switch (join->stage)
	{
		case JOIN_IDLE:
			break;
		case JOIN_BEGIN:
			result = target->ops->set_encoding(target, encoding, err);
			if (result == TARGET_OK)
				result = target->ops->begin(target, err);
			break;
		case JOIN_WORK:
			result = join->joining != NULL ? work_slice(join, target, err)
			                               : work_wishes(join, target, err);
			break;
		case JOIN_MARK:
			if (join->joining != NULL)
				result = write_mark(join, target, err);
			break;
		case JOIN_COMMIT:
			if (join->joining != NULL && join->whole)
				FAULT_POINT("table.before_join");
			result = target->ops->commit(target, &position, err);
			break;
		case JOIN_ANSWER:
			if (in_flight > 0)
				return TARGET_WAIT;
			if (join->joining != NULL)
				slice_answered(join);
			else
				wishes_answered(join);
			join->stage = JOIN_IDLE;
			return TARGET_OK;
	}
	if (result == TARGET_OK)
		join->stage++;
	return result;
}

TargetResult
table_join_step(TableJoin *join, Target *target, const char *encoding, SourceLsn position,
                int in_flight, Error *err)
{
	TargetResult result = TARGET_OK;

	if (join->stage == JOIN_IDLE)
	{
		if (in_flight > 0)
			return TARGET_WAIT;
		start_operation(join, position);
	}
	while (result == TARGET_OK && join->stage != JOIN_IDLE)
	{
		bool committed = join->stage == JOIN_COMMIT;

		result = do_stage(join, target, encoding, in_flight, err);
		/* whether it has been answered the caller has to look up */
		if (committed && result == TARGET_OK)
			return TARGET_WAIT;
	}
	return result;
}
