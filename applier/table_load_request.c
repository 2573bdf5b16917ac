/*
 * table_load_request.c
 *		Requests about tables: checked, moved at a boundary of the stream, answered; see table_load.h.
 */
#include <string.h>

#include "table_load_internal.h"
#include "table_report.h"

void
load_drop_request(TableLoad *load)
{
	json_decref(load->asked);
	json_decref(load->resolved);
	load->asked = load->resolved = NULL;
	load->request = REQUEST_NONE;
	load->refused = false;
	load->moved = 0;
}

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
		load_drop_request(load);
		return load_failed(load, err);
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
		const char *sql = json_string_value(json_object_get(item, "sql"));
		TableAction action = load->action;

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

TableLoadStep
load_request_resolved(TableLoad *load, WorkerCallEnd end, json_t *result, Error *err)
{
	if (end == CALL_OK)
	{
		load->resolved = json_incref(json_object_get(result, "tables"));
		load_succeeded(load);
		if (load->join != NULL)
			move_tables(load);
		else
			load_drop_request(load); /* asked again when there is a stream */
		return LOAD_GO_ON;
	}
	if (sqlstate_is_transient(err->sqlstate) || strcmp(err->sqlstate, ERR_FENCED) == 0)
	{
		load_drop_request(load);
		return load_failed(load, err);
	}
	refuse(load, err);
	error_clear(err);
	return LOAD_GO_ON;
}

/* Whether the request under way is about it. */
static bool
is_asked_for(const TableLoad *load, uint32_t oid)
{
	size_t i;
	json_t *item;

	json_array_foreach(load->resolved, i, item)
	{
		if (json_integer_value(json_object_get(item, "oid")) == (json_int_t) oid)
			return true;
	}
	return false;
}

/* A table's standing has become durable. */
void
load_hear_of_tables(TableLoad *load)
{
	const GateTable *t;
	bool replaces;

	while ((t = table_join_changed(load->join, &replaces)) != NULL)
	{
		load->look = true;
		if (load->request == REQUEST_MOVING && t->state != GATE_JOINED &&
		    is_asked_for(load, t->oid))
			load->moved++;
		else if (t->state == GATE_WAITING && replaces)
			worker_event(load->w, "warning", "table_replaced",
			             "table \"%s\".\"%s\" was dropped and made again on the source while it "
			             "was loaded; the new one is loaded in its place",
			             t->schema, t->name);
		if (t->state == GATE_JOINED)
			worker_event(load->w, "info", "table_joined",
			             "table \"%s\".\"%s\" has joined the stream", t->schema, t->name);
		if (t->state != GATE_REMOVED && load->target != NULL)
			table_report_state(load->w, load->target, t);
	}
}

TableLoadStep
load_step_request(TableLoad *load, Error *err)
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
	load_drop_request(load);
	return answered ? LOAD_REOPEN : LOAD_GO_ON;
}
