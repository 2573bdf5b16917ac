/*
 * target_pg_apply.c
 *		One change, one statement: relations bound to tables, shapes to prepared statements.
 *
 * A relation version met for the first time is looked up by queries in the same pipeline, so that
 * their answer is younger than everything sent before; the change waits for it.
 *
 * Prepared statements take memory in the server, so that no more than STATEMENTS_MAX exist at a
 * time: the one not used for longest goes.  Plans stay on our side and are prepared again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strbuf.h"
#include "target_pg_internal.h"
#include "target_pg_relation.h"

#define STATEMENTS_MAX 1000

static RelationEntry *
entry_of(TargetPg *t, const Relation *relation)
{
	uint32_t number = relation->number;

	if (number >= t->entry_size)
	{
		uint32_t size = (number + 64) * 2;

		t->entries = xrealloc(t->entries, sizeof(*t->entries) * size);
		memset(t->entries + t->entry_size, 0, sizeof(*t->entries) * (size - t->entry_size));
		t->entry_size = size;
	}
	if (t->entries[number] == NULL)
	{
		t->entries[number] = arena_zalloc(t->arena, sizeof(RelationEntry));
		t->entries[number]->relation = relation;
	}
	return t->entries[number];
}

/* Asks for the target's description; the answers go to target_pg_described(). */
static TargetResult
entry_ask(TargetPg *t, RelationEntry *entry, Error *err)
{
	const Relation *r = entry->relation;
	const char *params[] = {r->schema, r->name, r->root_schema ? r->root_schema : r->schema,
	                        r->root_name ? r->root_name : r->name};
	const char *const queries[] = {target_relation_columns_sql, target_relation_uniques_sql};
	Request request = {.kind = REQUEST_COLUMNS, .relation = entry};

	for (int i = 0; i < 2; i++)
	{
		request.kind = i == 0 ? REQUEST_COLUMNS : REQUEST_UNIQUES;
		if (!pipeline_sent(&t->pipeline,
		                   PQsendQueryParams(t->conn, queries[i], 4, NULL, params, NULL, NULL, 0),
		                   &request, err))
			return TARGET_FAILED;
	}
	entry->state = ENTRY_ASKED;
	if (!pipeline_flush(&t->pipeline, err) || !pipeline_pump(&t->pipeline, err))
		return TARGET_FAILED;
	/* the answers may have come in already, and then nothing would wake us */
	return entry->state == ENTRY_BOUND ? TARGET_OK : TARGET_WAIT;
}

static TargetResult
entry_ready(TargetPg *t, RelationEntry *entry, Error *err)
{
	switch (entry->state)
	{
		case ENTRY_NEW:
			return entry_ask(t, entry, err);
		case ENTRY_ASKED:
			return TARGET_WAIT;
		case ENTRY_BOUND:
			break;
	}
	return TARGET_OK;
}

static void
entry_name_key(TargetPg *t, RelationEntry *entry)
{
	int count = entry->relation->column_count;

	entry->key_columns = arena_alloc(t->arena, sizeof(int) * ((size_t) count + 1));
	for (int i = 0; i < count; i++)
	{
		if (entry->bound->key[i])
			entry->key_columns[entry->key_count++] = i;
	}
}

bool
target_pg_described(TargetPg *t, const Request *request, const PGresult *result, Error *err)
{
	RelationEntry *entry = request->relation;

	if (request->kind == REQUEST_COLUMNS)
	{
		entry->table = target_relation_read_columns(t->arena, entry->relation, result, err);
		if (entry->table == NULL)
			t->status.failed = entry->relation;
		return entry->table != NULL;
	}
	target_relation_read_uniques(t->arena, entry->table, result);
	entry->bound = plan_bind(t->arena, entry->relation, entry->table, err);
	if (entry->bound == NULL)
	{
		t->status.failed = entry->relation;
		return false;
	}
	entry_name_key(t, entry);
	entry->state = ENTRY_BOUND;
	return true;
}

static void
statement_unlink(TargetPg *t, Statement *s)
{
	*(s->newer ? &s->newer->older : &t->newest) = s->older;
	*(s->older ? &s->older->newer : &t->oldest) = s->newer;
	s->newer = s->older = NULL;
}

static void
statement_link(TargetPg *t, Statement *s)
{
	s->older = t->newest;
	s->newer = NULL;
	*(t->newest ? &t->newest->newer : &t->oldest) = s;
	t->newest = s;
}

static bool
statement_drop(TargetPg *t, Statement *s, Error *err)
{
	char sql[64];

	statement_unlink(t, s);
	s->prepared = false;
	t->prepared_count--;
	snprintf(sql, sizeof(sql), "DEALLOCATE %s", s->name);
	return pipeline_query(&t->pipeline, REQUEST_COMMAND, sql, 0, NULL, err);
}

static bool
statement_prepare(TargetPg *t, RelationEntry *entry, Statement *s, const Request *change,
                  Error *err)
{
	Request request = *change;
	Oid *types;

	if (t->prepared_count >= STATEMENTS_MAX && !statement_drop(t, t->oldest, err))
		return false;
	types = arena_alloc(t->scratch, sizeof(Oid) * ((size_t) s->plan->param_count + 1));
	for (int i = 0; i < s->plan->param_count; i++)
		types[i] = s->plan->params[i].type;
	snprintf(s->name, sizeof(s->name), "d%llu", (unsigned long long) ++t->statement_number);
	request.relation = entry;
	request.plan = s->plan;
	request.bytes = (uint32_t) strlen(s->plan->sql);
	if (!pipeline_sent(&t->pipeline,
	                   PQsendPrepare(t->conn, s->name, s->plan->sql, s->plan->param_count, types),
	                   &request, err))
		return false;
	s->prepared = true;
	t->prepared_count++;
	statement_link(t, s);
	return true;
}

/* The statement of this shape, moved to the front of its relation's list. */
static Statement *
statement_find(TargetPg *t, RelationEntry *entry, const PlanShape *shape)
{
	Statement **link = &entry->statements;
	Statement *s;

	while (*link != NULL && !plan_shape_equal(entry->bound, &(*link)->plan->shape, shape))
		link = &(*link)->next;
	s = *link;
	if (s == NULL)
	{
		s = arena_zalloc(t->arena, sizeof(*s));
		s->plan = plan_build(t->arena, entry->bound, shape);
	}
	else
		*link = s->next;
	s->next = entry->statements;
	entry->statements = s;
	return s;
}

static void
params_reserve(TargetPg *t, int count)
{
	if (count <= t->param_size)
		return;
	t->param_size = count * 2;
	t->values = xrealloc(t->values, sizeof(*t->values) * (size_t) t->param_size);
	t->lengths = xrealloc(t->lengths, sizeof(*t->lengths) * (size_t) t->param_size);
	t->formats = xrealloc(t->formats, sizeof(*t->formats) * (size_t) t->param_size);
}

/* Fills the parameters from the change; returns about how many bytes they take. */
static size_t
params_fill(TargetPg *t, const Plan *plan, const Change *change)
{
	size_t bytes = 0;

	params_reserve(t, plan->param_count);
	for (int i = 0; i < plan->param_count; i++)
	{
		const PlanParam *param = &plan->params[i];
		const Value *value = plan_value(param, change);

		t->formats[i] = param->binary;
		t->lengths[i] = 0;
		t->values[i] = NULL;
		bytes += sizeof(int32_t);
		if (value->state != VALUE_PRESENT)
			continue;
		bytes += value->len;
		t->lengths[i] = (int) value->len;
		/* libpq wants text with a NUL behind it; and a pointer even for no bytes at all */
		if (param->binary)
			t->values[i] = value->len > 0 ? value->data : "";
		else
			t->values[i] = arena_strndup(t->scratch, value->data, value->len);
	}
	return bytes;
}

static TargetResult
apply_row(TargetPg *t, const TxnHeader *header, const Change *change, Error *err)
{
	RelationEntry *entry = entry_of(t, change->relation);
	TargetResult ready = entry_ready(t, entry, err);
	Request request = {.kind = REQUEST_CHANGE, .lsn = header->commit, .relation = entry};
	PlanShape shape;
	Statement *s;

	if (ready != TARGET_OK)
		return ready;
	if (!plan_shape(entry->bound, change, &shape, err))
	{
		t->status.failed = entry->relation;
		error_context(err, "source transaction committed at " LSN_FORMAT, LSN_ARGS(header->commit));
		return TARGET_FAILED;
	}
	s = statement_find(t, entry, &shape);
	target_pg_key(entry, change, &request);
	if (!s->prepared && !statement_prepare(t, entry, s, &request, err))
		return TARGET_FAILED;
	if (t->newest != s)
	{
		statement_unlink(t, s);
		statement_link(t, s);
	}
	request.plan = s->plan;
	request.bytes = (uint32_t) params_fill(t, s->plan, change);
	if (!pipeline_sent(&t->pipeline,
	                   PQsendQueryPrepared(t->conn, s->name, s->plan->param_count, t->values,
	                                       t->lengths, t->formats, 0),
	                   &request, err))
		return TARGET_FAILED;
	return TARGET_OK;
}

static TargetResult
apply_truncate(TargetPg *t, const TxnHeader *header, const Change *change, Error *err)
{
	size_t count = (size_t) change->truncated_count;
	const PlanRelation **bound = arena_alloc(t->scratch, sizeof(*bound) * (count + 1));
	Request request = {.kind = REQUEST_TRUNCATE, .lsn = header->commit};
	TargetResult result = TARGET_OK;
	const char *sql;

	for (int i = 0; i < change->truncated_count; i++)
	{
		RelationEntry *entry = entry_of(t, change->truncated[i]);
		TargetResult ready = entry_ready(t, entry, err);

		if (ready == TARGET_FAILED)
			return TARGET_FAILED;
		if (ready == TARGET_WAIT)
			result = TARGET_WAIT;
		bound[i] = entry->bound;
	}
	if (result != TARGET_OK)
		return result;
	sql = plan_truncate(t->scratch, bound, change, err);
	if (sql == NULL)
		return TARGET_FAILED;
	request.bytes = (uint32_t) strlen(sql);
	if (!pipeline_sent(&t->pipeline, PQsendQueryParams(t->conn, sql, 0, NULL, NULL, NULL, NULL, 0),
	                   &request, err))
		return TARGET_FAILED;
	return TARGET_OK;
}

TargetResult
target_pg_apply(Target *target, const TxnHeader *header, const Change *change, Error *err)
{
	TargetPg *t = (TargetPg *) target;

	if (pipeline_full(&t->pipeline))
	{
		if (!pipeline_flush(&t->pipeline, err) || !pipeline_pump(&t->pipeline, err))
			return TARGET_FAILED;
		if (pipeline_full(&t->pipeline))
			return TARGET_WAIT;
	}
	arena_reset(t->scratch);
	switch (change->kind)
	{
		case CHANGE_INSERT:
		case CHANGE_UPDATE:
		case CHANGE_DELETE:
		case CHANGE_NO_IDENTITY:
			return apply_row(t, header, change, err);
		case CHANGE_TRUNCATE:
			return apply_truncate(t, header, change, err);
		case CHANGE_MESSAGE:
			break;
	}
	return TARGET_OK;
}
