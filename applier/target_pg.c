/*
 * target_pg.c
 *		The operations of the PostgreSQL target but for apply; see target.h and target_pg.h.
 */
#include "target_pg.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "target_pg_internal.h"
#include "target_pg_lane.h"

static bool
send_prepared(TargetPg *t, RequestKind kind, const char *name, Error *err)
{
	Request request = {.kind = kind};

	return pipeline_sent(&t->pipeline, PQsendQueryPrepared(t->conn, name, 0, NULL, NULL, NULL, 0),
	                     &request, err);
}

static TargetResult
target_pg_set_encoding(Target *target, const char *encoding, Error *err)
{
	TargetPg *t = (TargetPg *) target;

	(void) err;
	if (encoding != NULL)
		snprintf(t->wanted_encoding, sizeof(t->wanted_encoding), "%s", encoding);
	return TARGET_OK;
}

static TargetResult
target_pg_begin(Target *target, Error *err)
{
	TargetPg *t = (TargetPg *) target;

	(void) err;
	if (t->status.batches_in_flight >= TARGET_BATCHES_MAX)
		return TARGET_WAIT;
	target_pg_unit_open(t, true);
	t->load.run = 0;
	return TARGET_OK;
}

/* Goes out at the end of the transaction, whichever path its changes take. */
static TargetResult
target_pg_run(Target *target, const char *sql, Error *err)
{
	(void) err;
	target_pg_unit_command((TargetPg *) target, sql);
	return TARGET_OK;
}

bool
target_pg_send_begin(TargetPg *t, Error *err)
{
	return send_prepared(t, REQUEST_COMMAND, STATEMENT_BEGIN, err) &&
	       send_prepared(t, REQUEST_FENCE, STATEMENT_FENCE, err);
}

static void
put_int64(char *to, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		to[i] = (char) (value >> (56 - 8 * i));
}

/* Everything sent so far is at the server, as a fault in front of the commit wants to have it. */
static void
settle_for_fault(TargetPg *t)
{
	Error ignored;

	if (!fault_armed || !pipeline_flush(&t->pipeline, &ignored))
		return;
	while (t->pipeline.count > 0 && pipeline_pump(&t->pipeline, &ignored))
	{
		struct pollfd fd = {.fd = PQsocket(t->conn), .events = POLLIN};

		if (t->pipeline.unsent)
			fd.events |= POLLOUT;
		if (t->pipeline.count > 0 && poll(&fd, 1, 1000) <= 0)
			return;
		t->pipeline.nothing_to_read = false;
	}
}

/* The new position as $1, the source's commit time or the position before it as $2. */
static bool
send_position(TargetPg *t, const Unit *unit, Error *err)
{
	char binary[2][8];
	const char *values[] = {binary[0], binary[1]};
	const int lengths[] = {8, 8};
	const int formats[] = {1, 1};
	Request request = {.kind = REQUEST_POSITION, .lsn = unit->position.end};

	put_int64(binary[0], unit->position.end.value);
	put_int64(binary[1],
	          t->use_origin ? (uint64_t) unit->position.commit_time : unit->before.value);
	return pipeline_sent(
	    &t->pipeline,
	    PQsendQueryPrepared(t->conn, STATEMENT_POSITION, 2, values, lengths, formats, 0), &request,
	    err);
}

/* The position and the commit, as the end of a transaction. */
bool
target_pg_send_end(TargetPg *t, Unit *unit, Error *err)
{
	bool urgent = unit->position.urgent;

	/* noted before, because sending may read the answer */
	unit->durable = urgent || t->flush.synchronous;
	if (!send_position(t, unit, err) || !target_pg_flush_urgent(t, urgent, err))
		return false;
	settle_for_fault(t);
	FAULT_POINT("apply.before_commit");
	return send_prepared(t, REQUEST_COMMIT, STATEMENT_COMMIT, err);
}

static TargetResult
target_pg_commit(Target *target, const TargetPosition *position, Error *err)
{
	TargetPg *t = (TargetPg *) target;

	if (t->status.batches_in_flight >= TARGET_BATCHES_MAX)
		return TARGET_WAIT;
	/* noted before it is sent, because sending may read answers */
	t->status.batches_in_flight++;
	target_pg_unit_close(t, position);
	return target_pg_work(t, err) ? TARGET_OK : TARGET_FAILED;
}

static bool
committed(TargetPg *t, const PGresult *result, Error *err)
{
	if (strcmp(PQcmdStatus((PGresult *) result), "COMMIT") != 0)
	{
		error_set(err, ERR_INTERNAL, "the target answered a commit with \"%s\"",
		          PQcmdStatus((PGresult *) result));
		return false;
	}
	if (t->units == NULL || !t->units->ends)
	{
		error_set(err, ERR_INTERNAL, "the target committed what was not handed over");
		return false;
	}
	FAULT_POINT("apply.after_commit");
	target_pg_flush_committed(t, &t->units->position, t->units->durable);
	t->status.batches_in_flight--;
	t->status.stats.transactions++;
	target_pg_lane_committed(t, t->units);
	target_pg_unit_answered(t);
	return true;
}

static void
count_missed_delete(TargetPg *t, const Request *request, const PGresult *result)
{
	const Plan *plan = request->plan;
	const RelationEntry *entry = request->relation;
	const char *rows;

	if (plan == NULL || plan->shape.kind != PLAN_DELETE)
		return;
	if (plan->counts_rows)
		rows = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
	else
		rows = PQcmdTuples((PGresult *) result); /* "" for the answer to PREPARE */
	if (strcmp(rows, "0") != 0)
		return;
	t->status.deletes_missed++;
	t->status.missed = entry->relation;
	t->status.missed_lsn = request->lsn;
}

static bool
target_pg_answer(void *owner, const Request *request, const PGresult *result, Error *err)
{
	TargetPg *t = owner;
	ExecStatusType status = PQresultStatus(result);
	const RelationEntry *entry;

	t->status.answers++;
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
	{
		entry = request->relation;
		t->status.failed = entry != NULL ? entry->relation : NULL;
		t->status.command_failed = request->kind == REQUEST_COMMAND && request->plan != NULL;
		target_pg_error(t, request, result, err);
		t->anew = target_pg_lane_mispredicted(t, err);
		t->out_of_turn = strcmp(err->sqlstate, ERR_OUT_OF_TURN) == 0;
		t->repeat = t->anew || target_pg_may_repeat(t, request, err);
		t->blamed = request->relation;
		return false;
	}
	switch (request->kind)
	{
		case REQUEST_COMMIT:
			return committed(t, result, err);
		case REQUEST_CHANGE:
			count_missed_delete(t, request, result);
			return true;
		case REQUEST_COLUMNS:
		case REQUEST_UNIQUES:
			return target_pg_described(t, request, result, err);
		case REQUEST_RELEASE:
			target_pg_unit_answered(t);
			return true;
		case REQUEST_FOLLOW:
			target_pg_lane_followed(t, result);
			return true;
		case REQUEST_FLUSHED:
			target_pg_flush_answered(t, result);
			return true;
		case REQUEST_COMMAND:
		case REQUEST_FENCE:
		case REQUEST_PREPARE:
		case REQUEST_GROUP:
		case REQUEST_TRUNCATE:
		case REQUEST_POSITION:
			break;
	}
	return true;
}

static bool
target_pg_pump(Target *target, Error *err)
{
	return target_pg_work((TargetPg *) target, err);
}

static void
target_pg_status(const Target *target, TargetStatus *status)
{
	const TargetPg *t = (const TargetPg *) target;

	*status = t->status;
	status->wake_us = t->early.begun ? t->early.until_us : 0;
	status->stats.statements = t->pipeline.statements;
	status->stats.bytes_in_flight = (int64_t) (t->pipeline.bytes + t->load.rows.len);
	status->stats.bytes_held = (int64_t) t->held;
}

static int
target_pg_socket(const Target *target)
{
	return PQsocket(((const TargetPg *) target)->conn);
}

static void
target_pg_polled(Target *target, bool readable)
{
	TargetPg *t = (TargetPg *) target;

	t->pipeline.nothing_to_read = !readable && !pg_conn_hides_input(t->conn);
}

static short
target_pg_events(const Target *target)
{
	const TargetPg *t = (const TargetPg *) target;

	return t->pipeline.unsent ? POLLIN | POLLOUT : POLLIN;
}

static void
target_pg_close(Target *target)
{
	TargetPg *t = (TargetPg *) target;

	target_pg_load_abandon(t);
	pg_session_close(t->session);
	pipeline_end(&t->pipeline);
	arena_destroy(t->arena);
	arena_destroy(t->scratch);
	free(t->entries);
	free(t->values);
	free(t->lengths);
	free(t->formats);
	free(t->types);
	for (int i = 0; i < t->array_size; i++)
		strbuf_free(&t->arrays[i].data);
	free(t->arrays);
	target_pg_units_free(t);
	free(t);
}

static const TargetOps target_pg_ops = {
    .name = "postgresql",
    .set_encoding = target_pg_set_encoding,
    .begin = target_pg_begin,
    .apply = target_pg_apply,
    .command = target_pg_command,
    .run = target_pg_run,
    .commit = target_pg_commit,
    .pump = target_pg_pump,
    .status = target_pg_status,
    .socket = target_pg_socket,
    .events = target_pg_events,
    .polled = target_pg_polled,
    .close = target_pg_close,
};

Target *
target_pg_open(const TargetPgOptions *options, TargetPgStored *stored, Error *err)
{
	TargetPg *t = xcalloc(1, sizeof(*t));

	t->base.ops = &target_pg_ops;
	strbuf_init(&t->load.rows);
	t->load.rows_min = options->load_rows;
	t->arena = arena_create(64 * 1024);
	t->scratch = arena_create(64 * 1024);
	snprintf(t->slot, sizeof(t->slot), "%s", options->slot_name);
	t->keep_order = options->keep_order;
	t->lane = options->lane;
	t->lanes = options->lanes > 0 ? options->lanes : 1;
	t->map = options->map;
	if (!target_pg_start(t, options, stored, err))
	{
		target_pg_close(&t->base);
		return NULL;
	}
	t->handed = stored->position;
	t->status.durable.end = stored->position;
	t->status.committed.end = stored->position;
	t->use_origin = stored->use_origin;
	t->reported_us = target_pg_clock_us();
	if (!pipeline_start(&t->pipeline, t->conn, target_pg_answer, t, err))
	{
		target_pg_close(&t->base);
		return NULL;
	}
	return &t->base;
}
