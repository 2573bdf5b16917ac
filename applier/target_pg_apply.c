/*
 * target_pg_apply.c
 *		Relations bound to tables, and the ordered path: one change, one prepared statement.
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

RelationEntry *
target_pg_entry(TargetPg *t, const Relation *relation)
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
		t->entries[number]->relation = object_map_relation(t->map, t->arena, relation);
	}
	return t->entries[number];
}

/* Asks for the target's description; the answers go to target_pg_described(). */
static TargetResult
entry_ask(TargetPg *t, RelationEntry *entry, Error *err)
{
	const Relation *r = entry->relation;
	const char *schema = relation_target_schema(r);
	const char *name = relation_target_name(r);
	const char *root_schema = r->target_root_schema ? r->target_root_schema : r->root_schema;
	const char *root_name = r->target_root_name ? r->target_root_name : r->root_name;
	const char *params[] = {schema, name, root_schema ? root_schema : schema,
	                        root_name ? root_name : name};
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
	return entry->state == ENTRY_ASKED ? TARGET_WAIT : target_pg_entry_ready(t, entry, err);
}

TargetResult
target_pg_entry_ready(TargetPg *t, RelationEntry *entry, Error *err)
{
	switch (entry->state)
	{
		case ENTRY_NEW:
			return entry_ask(t, entry, err);
		case ENTRY_ASKED:
			return TARGET_WAIT;
		case ENTRY_MISSING:
			t->status.failed = entry->relation;
			target_relation_missing(entry->relation, err);
			return TARGET_UNKNOWN;
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

/* What the batch path may do with the table. */
static void
entry_net_subject(RelationEntry *entry)
{
	NetSubject *subject = &entry->subject;

	subject->relation = entry->relation;
	subject->owner = entry;
	subject->order = group_order(entry->bound);
	subject->key_columns = entry->key_columns;
	if (group_by_key(entry->bound, &subject->keyless))
		subject->key_count = entry->key_count;
}

bool
target_pg_described(TargetPg *t, const Request *request, const PGresult *result, Error *err)
{
	RelationEntry *entry = request->relation;

	if (request->kind == REQUEST_COLUMNS && PQntuples(result) == 0)
	{
		/* its rows may have come before the command that makes it */
		entry->state = ENTRY_MISSING;
		return true;
	}
	if (entry->state == ENTRY_MISSING)
		return true;
	if (request->kind == REQUEST_COLUMNS)
	{
		entry->table = target_relation_read_columns(t->arena, result, err);
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
	entry_net_subject(entry);
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

void
target_pg_statement_lost(TargetPg *t, Statement *s)
{
	if (!s->prepared)
		return;
	statement_unlink(t, s);
	s->prepared = false;
	t->prepared_count--;
}

bool
target_pg_statement_drop(TargetPg *t, Statement *s, Error *err)
{
	char sql[64];

	target_pg_statement_lost(t, s);
	snprintf(sql, sizeof(sql), "DEALLOCATE %s", s->name);
	return pipeline_query(&t->pipeline, REQUEST_COMMAND, sql, 0, NULL, err);
}

static bool
statement_prepare(TargetPg *t, RelationEntry *entry, Statement *s, const Request *change,
                  Error *err)
{
	Request request = *change;
	Oid *types;

	if (t->prepared_count >= STATEMENTS_MAX && !target_pg_statement_drop(t, t->oldest, err))
		return false;
	types = arena_alloc(t->scratch, sizeof(Oid) * ((size_t) s->plan->param_count + 1));
	for (int i = 0; i < s->plan->param_count; i++)
		types[i] = s->plan->params[i].type;
	snprintf(s->name, sizeof(s->name), "d%llu", (unsigned long long) ++t->statement_number);
	request.kind = REQUEST_PREPARE;
	request.relation = entry;
	request.plan = s->plan;
	request.statement = s;
	request.bytes = (uint32_t) strlen(s->plan->sql);
	/* noted before, because sending may find out that it was lost */
	s->prepared = true;
	t->prepared_count++;
	statement_link(t, s);
	return pipeline_sent(&t->pipeline,
	                     PQsendPrepare(t->conn, s->name, s->plan->sql, s->plan->param_count, types),
	                     &request, err);
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

void
target_pg_reserve_params(TargetPg *t, int count)
{
	if (count <= t->param_size)
		return;
	t->param_size = count * 2;
	t->values = xrealloc(t->values, sizeof(*t->values) * (size_t) t->param_size);
	t->lengths = xrealloc(t->lengths, sizeof(*t->lengths) * (size_t) t->param_size);
	t->formats = xrealloc(t->formats, sizeof(*t->formats) * (size_t) t->param_size);
	t->types = xrealloc(t->types, sizeof(*t->types) * (size_t) t->param_size);
}

/* Fills the parameters from the change; returns about how many bytes they take. */
static size_t
params_fill(TargetPg *t, const Plan *plan, const Change *change)
{
	size_t bytes = 0;

	target_pg_reserve_params(t, plan->param_count);
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

static bool
send_row(TargetPg *t, SourceLsn commit, const Change *change, Error *err)
{
	RelationEntry *entry = target_pg_entry(t, change->relation);
	Request request = {.kind = REQUEST_CHANGE, .lsn = commit, .relation = entry};
	PlanShape shape;
	Statement *s;

	if (!plan_shape(entry->bound, change, &shape, err))
	{
		t->status.failed = entry->relation;
		error_context(err, "source transaction committed at " LSN_FORMAT, LSN_ARGS(commit));
		return false;
	}
	s = statement_find(t, entry, &shape);
	target_pg_key(entry, change, &request);
	if (!s->prepared && !statement_prepare(t, entry, s, &request, err))
		return false;
	if (t->newest != s)
	{
		statement_unlink(t, s);
		statement_link(t, s);
	}
	request.plan = s->plan;
	request.bytes = (uint32_t) params_fill(t, s->plan, change);
	return pipeline_sent(&t->pipeline,
	                     PQsendQueryPrepared(t->conn, s->name, s->plan->param_count, t->values,
	                                         t->lengths, t->formats, 0),
	                     &request, err);
}

static bool
send_truncate(TargetPg *t, SourceLsn commit, const Change *change, Error *err)
{
	size_t count = (size_t) change->truncated_count;
	const PlanRelation **bound = arena_alloc(t->scratch, sizeof(*bound) * (count + 1));
	Request request = {.kind = REQUEST_TRUNCATE, .lsn = commit};
	const char *sql;

	for (int i = 0; i < change->truncated_count; i++)
		bound[i] = target_pg_entry(t, change->truncated[i])->bound;
	sql = plan_truncate(t->scratch, bound, change, err);
	if (sql == NULL)
		return false;
	request.bytes = (uint32_t) strlen(sql);
	return pipeline_sent(
	    &t->pipeline, PQsendQueryParams(t->conn, sql, 0, NULL, NULL, NULL, NULL, 0), &request, err);
}

bool
target_pg_send_change(TargetPg *t, SourceLsn commit, const Change *change, Error *err)
{
	if (change->kind == CHANGE_TRUNCATE)
		return send_truncate(t, commit, change, err);
	return send_row(t, commit, change, err);
}
