/*
 * worker_change.c
 *		Requests about the tables of a running job, between the control database and the phase.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pg_session.h"
#include "worker_internal.h"

#define AGAIN_US 500000

void
worker_change_take(Worker *w, const char *text)
{
	json_t *json = text == NULL ? NULL : json_loads(text, 0, NULL);
	int64_t id = json_integer_value(json_object_get(json, "id"));
	const char *action = json_string_value(json_object_get(json, "action"));
	char *tables = json_dumps(json_object_get(json, "tables"), JSON_COMPACT);

	/* what was answered may still be in an answer that was under way */
	if (id != w->view.change_id && (id == 0 || id > w->change_answered))
	{
		free(w->view.change_action);
		free(w->view.change_tables);
		w->view.change_id = action != NULL && tables != NULL ? id : 0;
		w->view.change_action = xstrdup(action ? action : "");
		w->view.change_tables = xstrdup(tables ? tables : "");
		w->woken = true;
	}
	free(tables);
	json_decref(json);
}

bool
worker_change_wanted(const Worker *w, WorkerChange *change)
{
	if (w->view.change_id == 0 || w->view.change_id <= w->change_answered)
		return false;
	*change = (WorkerChange){
	    .id = w->view.change_id,
	    .action = w->view.change_action,
	    .tables = w->view.change_tables,
	};
	return true;
}

static void
on_answered(void *arg, const ControlReply *reply)
{
	Worker *w = arg;

	w->change_under_way = false;
	w->change_again_us = w->now_us + AGAIN_US;
	w->woken = true;
	if (reply->err == NULL)
		w->change_answered = w->view.change_id;
	else if (!sqlstate_is_transient(reply->err->sqlstate))
		log_error(LOG_ERROR, "answering a request about tables", reply->err);
}

bool
worker_change_answer(Worker *w, int64_t id, const char *tables, const Error *refusal)
{
	char number[32];
	json_t *json = NULL;
	char *text = NULL;

	if (w->change_answered >= id)
		return true;
	if (w->change_under_way || w->now_us < w->change_again_us)
		return false;
	if (refusal != NULL)
	{
		Error masked = *refusal;

		worker_mask_secrets(w, masked.message);
		worker_mask_secrets(w, masked.detail);
		worker_mask_secrets(w, masked.hint);
		json = json_pack("{s:s, s:s, s:s, s:s}", "sqlstate", masked.sqlstate, "message",
		                 masked.message, "detail", masked.detail, "hint", masked.hint);
		text = json ? json_dumps(json, JSON_COMPACT) : xstrdup("{\"message\": \"refused\"}");
	}
	snprintf(number, sizeof(number), "%" PRId64, id);
	{
		const char *params[] = {w->id_text, w->epoch_text, number, tables, text};

		w->change_under_way = true;
		control_link_send(w->link, "SELECT dts.daemon_change($1, $2, $3, $4, $5)", 5, params, true,
		                  on_answered, w);
	}
	free(text);
	json_decref(json);
	return false;
}

bool
worker_reread(Worker *w)
{
	return worker_control_read(w);
}
