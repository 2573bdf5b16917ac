/*
 * worker_ddl.c
 *		Commands of the source that are not simply run, between the stream and the control database.
 *
 * One question at a time: the stream stands still before a command until it has an answer.  While
 * the control database is away there is none, and the stream waits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pg_session.h"
#include "worker_internal.h"

#define ASK_EVERY_US 500000

static void
on_answer(void *arg, const ControlReply *reply)
{
	Worker *w = arg;
	const char *answer;

	w->ddl.under_way = false;
	if (reply->err != NULL)
	{
		if (!sqlstate_is_transient(reply->err->sqlstate))
			log_error(LOG_WARNING, "asking the control database about a command", reply->err);
		return;
	}
	answer = control_reply_rows(reply) > 0 ? control_reply_get(reply, 0, 0) : NULL;
	if (answer == NULL)
		return;
	if (strcmp(answer, "apply") == 0)
		w->ddl.answer = WORKER_DDL_APPLY;
	else if (strcmp(answer, "skip") == 0)
		w->ddl.answer = WORKER_DDL_SKIP;
	w->woken = w->woken || w->ddl.answer != WORKER_DDL_UNKNOWN;
}

static bool
is_at_hand(const Worker *w, const json_t *command)
{
	const char *lsn = json_string_value(json_object_get(command, "lsn"));

	return lsn != NULL && strcmp(w->ddl.lsn, lsn) == 0 &&
	       w->ddl.number == json_integer_value(json_object_get(command, "number"));
}

WorkerDdlAnswer
worker_ddl_ask(Worker *w, const char *state, json_t *command)
{
	char *text;

	if (!is_at_hand(w, command) && !w->ddl.under_way)
	{
		w->ddl = (WorkerDdl){.number = json_integer_value(json_object_get(command, "number"))};
		snprintf(w->ddl.lsn, sizeof(w->ddl.lsn), "%s",
		         json_string_value(json_object_get(command, "lsn")));
	}
	if (!is_at_hand(w, command) || w->ddl.answer != WORKER_DDL_UNKNOWN)
		return is_at_hand(w, command) ? w->ddl.answer : WORKER_DDL_UNKNOWN;
	if (w->ddl.under_way || w->now_us < w->ddl.ask_us || !worker_control_is_up(w))
		return WORKER_DDL_UNKNOWN;
	w->ddl.under_way = true;
	w->ddl.ask_us = w->now_us + ASK_EVERY_US;
	json_object_set_new(command, "state", json_string(state));
	text = json_dumps(command, JSON_COMPACT);
	if (text != NULL)
	{
		const char *params[] = {w->id_text, w->epoch_text, text};

		control_link_send(w->link, "SELECT dts.daemon_ddl($1, $2, $3)", 3, params, false, on_answer,
		                  w);
	}
	free(text);
	return WORKER_DDL_UNKNOWN;
}

void
worker_ddl_failed(Worker *w, json_t *command)
{
	char *text;

	json_object_set_new(command, "state", json_string("failed"));
	text = json_dumps(command, JSON_COMPACT);
	if (text != NULL)
	{
		const char *params[] = {w->id_text, w->epoch_text, text};

		worker_control_send(w, "SELECT dts.daemon_ddl($1, $2, $3)", 3, params, true);
	}
	free(text);
}
