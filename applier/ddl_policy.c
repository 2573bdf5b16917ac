/*
 * ddl_policy.c
 *		What becomes of a planned command; see ddl_job.h.
 *
 * The control database keeps what is not simply run: commands that wait for an operator, that were
 * left out, or that failed.  It is asked before a command is left out or waits, so that there is no
 * such thing without a record; and what an operator has said of a command holds for every worker
 * that comes upon it again.
 */
#include <stdio.h>
#include <string.h>

#include "ddl_job.h"
#include "strbuf.h"

/* As dts.daemon_ddl() takes it. */
static json_t *
command_json(const Worker *w, const TxnHeader *header, const DdlRecord *record, const DdlPlan *plan)
{
	const JobDdl *ddl = &worker_job(w)->options.ddl;
	char lsn[LSN_TEXT_MAX];
	StrBuf target;
	json_t *json;

	snprintf(lsn, sizeof(lsn), LSN_FORMAT, LSN_ARGS(header->commit));
	strbuf_init(&target);
	for (int i = 0; i < plan->count; i++)
		strbuf_printf(&target, "%s%s;", i > 0 ? "\n" : "", plan->sql[i]);
	json = json_pack("{s:s, s:I, s:s, s:s, s:s*, s:s*, s:s*}", "lsn", lsn, "number",
	                 (json_int_t) record->id, "tag", record->tag, "class",
	                 job_ddl_class_name(job_ddl_class(ddl, record->tag)), "role", record->role,
	                 "source", record->query, "target", plan->count > 0 ? target.data : NULL);
	strbuf_free(&target);
	return json;
}

bool
ddl_policy_decide(Worker *w, const TxnHeader *header, const DdlRecord *record, const DdlPlan *plan,
                  DdlDecision *decision, Error *err)
{
	const JobDdl *ddl = &worker_job(w)->options.ddl;
	JobDdlPolicy policy = ddl->policies[job_ddl_class(ddl, record->tag)];
	json_t *command;

	(void) err;
	*decision = DDL_RUN;
	if (job_ddl_left_out(ddl, header->commit.value, record->id))
	{
		*decision = DDL_LEAVE_OUT;
		return true;
	}
	if (policy == JOB_DDL_APPLY && plan->verdict != DDL_REFUSED)
		return true;
	command = command_json(w, header, record, plan);
	if (plan->reason != NULL)
		json_object_set_new(command, "reason", json_string(plan->reason));
	if (policy == JOB_DDL_APPLY)
	{
		worker_ddl_failed(w, command);
		json_decref(command);
		return true;
	}
	switch (worker_ddl_ask(w, policy == JOB_DDL_SKIP ? "skipped" : "waiting", command))
	{
		case WORKER_DDL_UNKNOWN:
			*decision = DDL_WAIT;
			break;
		case WORKER_DDL_APPLY:
			if (plan->verdict == DDL_REFUSED)
				worker_ddl_failed(w, command);
			break;
		case WORKER_DDL_SKIP:
			*decision = DDL_LEAVE_OUT;
			break;
	}
	json_decref(command);
	return true;
}

json_t *
ddl_policy_handed(const Worker *w, const TxnHeader *header, const DdlRecord *record,
                  const DdlPlan *plan)
{
	return command_json(w, header, record, plan);
}
