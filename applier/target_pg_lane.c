/*
 * target_pg_lane.c
 *		What a session does to be one of several; see target_pg_lane.h, and parallel_order.c for why.
 */
#include "target_pg_lane.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
target_pg_origin_name(const char *slot, int lane, char *name, size_t size)
{
	if (lane == 0)
		snprintf(name, size, "%s", slot);
	else
		snprintf(name, size, "%s/%d", slot, lane + 1);
}

bool
target_pg_lane_alone(const TargetPg *t)
{
	return t->group == NULL || t->group->order.opened == 1;
}

/* The table's rows are told apart by the key alone, and nobody else looks at them. */
static bool
rows_are_apart(const NetTable *table)
{
	const RelationEntry *entry = table->subject->owner;
	int exclusive = entry->table->exclusive_count;

	if (table->order != ORDER_NONE)
		return false;
	return table->subject->key_count > 0 ? exclusive == 1 : exclusive == 0;
}

static void
note_table(TargetPg *t, const Unit *unit, NetTable *table)
{
	const ParallelOrder *order = &t->group->order;
	WriteSet *writes = t->group->writes;
	uint32_t oid = table->subject->relation->oid;
	uint64_t whole = write_set_table(oid);
	bool apart = rows_are_apart(table);
	bool table_waits =
	    !apart || parallel_order_waits(order, t->lane, write_set_find(writes, whole));

	for (NetRow *row = table->rows; row != NULL; row = row->next)
	{
		uint64_t hash;

		row->waits = table_waits;
		if (!apart || !net_row_key(table, row, &hash))
			continue;
		hash = write_set_row(oid, hash);
		row->waits |= parallel_order_waits(order, t->lane, write_set_find(writes, hash));
		write_set_add(writes, hash, unit->turn);
	}
	if (!apart)
		write_set_add(writes, whole, unit->turn);
}

void
target_pg_lane_closed(TargetPg *t, Unit *unit)
{
	if (target_pg_lane_alone(t))
		return;
	if (unit->ordered || unit->commands != NULL)
		write_set_add_all(t->group->writes, unit->turn);
	for (NetTable *table = unit->run.tables; table != NULL; table = table->next)
		note_table(t, unit, table);
}

bool
target_pg_lane_held(const TargetPg *t)
{
	const Unit *unit = t->sending;

	return t->group != NULL && unit != NULL && unit->stage == UNIT_BEGIN && unit->begins &&
	       !parallel_order_may_begin(&t->group->order, unit->turn);
}

/* A lock's second key; the first is made of the slot's name. */
static void
lock_number(int64_t turn, char *text, size_t size)
{
	snprintf(text, size, "%" PRId64, turn & INT32_MAX);
}

bool
target_pg_lane_announce(TargetPg *t, const Unit *unit, Error *err)
{
	char number[24];
	const char *params[] = {t->slot, number};

	if (t->group == NULL || !parallel_order_announced(&t->group->order, unit->turn))
		return true;
	lock_number(unit->turn, number, sizeof(number));
	return pipeline_query(&t->pipeline, REQUEST_COMMAND,
	                      "SELECT pg_catalog.pg_advisory_xact_lock("
	                      "pg_catalog.hashtext('dts.order ' || $1), $2::int)",
	                      2, params, err);
}

void
target_pg_lane_stage(const TargetPg *t, Unit *unit)
{
	unit->pass = PASS_ALL;
	unit->follows =
	    t->group != NULL && unit->begins && parallel_order_follows(&t->group->order, unit->turn);
	if (!unit->follows)
		return;
	/* only a transaction that can be repeated as a whole may fail for not having waited */
	if (unit->ordered || unit->savepoint)
		unit->stage = UNIT_TURN;
	else
		unit->pass = PASS_EARLY;
}

bool
target_pg_lane_follow(TargetPg *t, const Unit *unit, Error *err)
{
	char origin[300];
	char number[24];
	char position[32];
	const char *params[] = {t->slot, t->use_origin ? origin : NULL, number, position};

	target_pg_origin_name(t->slot, parallel_order_lane(&t->group->order, unit->turn - 1), origin,
	                      sizeof(origin));
	lock_number(unit->turn - 1, number, sizeof(number));
	snprintf(position, sizeof(position), LSN_FORMAT, LSN_ARGS(unit->before));
	return pipeline_query(&t->pipeline, REQUEST_FOLLOW,
	                      "SELECT dts.target_follow($1, $2, $3::int, $4::pg_lsn)", 4, params, err);
}

void
target_pg_lane_followed(TargetPg *t, const PGresult *result)
{
	t->status.stats.transactions_parallel++;
	t->status.stats.order_waits +=
	    PQntuples(result) > 0 && PQgetvalue((PGresult *) result, 0, 0)[0] == 't';
}

bool
target_pg_lane_mispredicted(const TargetPg *t, const Error *err)
{
	const Unit *unit = t->units;

	if (unit == NULL || !unit->begins || PQstatus(t->conn) != CONNECTION_OK ||
	    strncmp(err->sqlstate, "57P", 3) == 0 || strncmp(err->sqlstate, "08", 2) == 0 ||
	    strcmp(err->sqlstate, ERR_FENCED) == 0)
		return false;
	/* one behind it may have locked what it needs; nothing else of that one can harm it */
	return unit->follows || (strcmp(err->sqlstate, "40P01") == 0 && t->group != NULL &&
	                         parallel_order_followed(&t->group->order, unit->turn));
}

void
target_pg_lane_failed(TargetPg *t)
{
	if (target_pg_lane_alone(t) || t->units == NULL)
		return;
	/* rolled back to its savepoint the transaction goes on, and others go on to wait for it */
	if (!t->anew && t->units->opened)
		return;
	if (t->anew && !t->out_of_turn)
		t->status.stats.mispredictions++;
	parallel_order_failed(&t->group->order, t->units->turn, t->anew && !t->out_of_turn);
}

bool
target_pg_lane_restart(TargetPg *t, Error *err)
{
	ParallelOrder *order = &t->group->order;

	if (!parallel_order_restarts(order, t->lane, t->units != NULL ? t->units->turn : 0))
		return true;
	if (t->repeating)
	{
		t->anew = true; /* and restarted when it has come back */
		return true;
	}
	if (t->units == NULL || (t->sending == t->units && t->units->stage == UNIT_BEGIN))
	{
		parallel_order_restarted(order, t->lane);
		return true;
	}
	t->anew = true;
	return target_pg_give_up(t, err);
}

void
target_pg_lane_restarted(TargetPg *t)
{
	parallel_order_restarted(&t->group->order, t->lane);
}

void
target_pg_lane_committed(TargetPg *t, const Unit *unit)
{
	if (t->group == NULL)
		return;
	parallel_order_committed(&t->group->order, unit->turn);
	write_set_forget(t->group->writes, t->group->order.committed);
}
