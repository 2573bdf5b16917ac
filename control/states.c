/*
 * states.c
 *		The table of job_state.h as SQL functions.
 *
 * SQL has no list of states of its own: checks, refusals, views and documentation's tests all come
 * here.  Does not know jobs.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "job_state.h"

#define STATE_NAME(sym, name, ...)  name,
#define ACTION_NAME(sym, name, ...) name,
#define PHASE_NAME(sym, name)       name,

static const char *const state_names[] = {JOB_STATES(STATE_NAME)};
static const char *const action_names[] = {JOB_ACTIONS(ACTION_NAME)};
static const char *const phase_names[] = {JOB_PHASES(PHASE_NAME)};

#define ALLOWED_ROW(state, action, next) {JOB_##state, ACTION_##action, JOB_##next},
static const struct
{
	JobState state;
	JobAction action;
	JobState next;
} allowed[] = {JOB_ALLOWED(ALLOWED_ROW)};

#define TRANSITION_ROW(state, event, next, doing) {JOB_##state, #event, JOB_##next, doing},
static const struct
{
	JobState state;
	const char *event;
	JobState next;
	const char *doing;
} transitions[] = {JOB_TRANSITIONS(TRANSITION_ROW)};

PG_FUNCTION_INFO_V1(dts_job_states);
PG_FUNCTION_INFO_V1(dts_job_actions);
PG_FUNCTION_INFO_V1(dts_job_allowed);
PG_FUNCTION_INFO_V1(dts_job_transitions);
PG_FUNCTION_INFO_V1(dts_job_phases);
PG_FUNCTION_INFO_V1(dts_is_job_state);
PG_FUNCTION_INFO_V1(dts_is_job_action);
PG_FUNCTION_INFO_V1(dts_is_job_phase);
PG_FUNCTION_INFO_V1(dts_action_leads_to);
PG_FUNCTION_INFO_V1(dts_transition_event);

/* A tuplestore as the result of the running function; rows are made by result_row(). */
static ReturnSetInfo *
result_begin(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) || !(rsinfo->allowedModes & SFRM_Materialize))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("set-valued function called in a context that cannot accept a set"),
		                errhint("Call it in the FROM clause.")));
	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, &rsinfo->setDesc) == TYPEFUNC_COMPOSITE)
		rsinfo->setDesc = CreateTupleDescCopy(rsinfo->setDesc);
	else
		rsinfo->setDesc = CreateTupleDescCopy(rsinfo->expectedDesc);
	rsinfo->setResult = tuplestore_begin_heap(true, false, work_mem);
	rsinfo->returnMode = SFRM_Materialize;
	MemoryContextSwitchTo(old);
	return rsinfo;
}

static void
result_row(ReturnSetInfo *rsinfo, Datum *values)
{
	bool nulls[4] = {false, false, false, false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
dts_job_states(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = result_begin(fcinfo);

#define STATE_ROW(sym, name, is_end, needs_worker, meaning)                                        \
	result_row(rsinfo, (Datum[]){CStringGetTextDatum(name), BoolGetDatum(is_end),                  \
	                             BoolGetDatum(needs_worker), CStringGetTextDatum(meaning)});
	JOB_STATES(STATE_ROW)
	return (Datum) 0;
}

Datum
dts_job_actions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = result_begin(fcinfo);

#define ACTION_ROW(sym, name, function)                                                            \
	result_row(rsinfo, (Datum[]){CStringGetTextDatum(name), CStringGetTextDatum(function)});
	JOB_ACTIONS(ACTION_ROW)
	return (Datum) 0;
}

Datum
dts_job_allowed(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = result_begin(fcinfo);

	for (int i = 0; i < lengthof(allowed); i++)
		result_row(rsinfo, (Datum[]){CStringGetTextDatum(state_names[allowed[i].state]),
		                             CStringGetTextDatum(action_names[allowed[i].action]),
		                             CStringGetTextDatum(state_names[allowed[i].next])});
	return (Datum) 0;
}

Datum
dts_job_transitions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = result_begin(fcinfo);

	for (int i = 0; i < lengthof(transitions); i++)
		result_row(rsinfo, (Datum[]){CStringGetTextDatum(state_names[transitions[i].state]),
		                             CStringGetTextDatum(transitions[i].event),
		                             CStringGetTextDatum(state_names[transitions[i].next]),
		                             CStringGetTextDatum(transitions[i].doing)});
	return (Datum) 0;
}

Datum
dts_job_phases(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = result_begin(fcinfo);

	for (int i = 0; i < JOB_PHASE_COUNT; i++)
		result_row(rsinfo, (Datum[]){CStringGetTextDatum(phase_names[i])});
	return (Datum) 0;
}

/* Where the text argument stands in a list, -1 when it does not. */
static int
name_index(FunctionCallInfo fcinfo, int argument, const char *const *names, int count)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(argument));

	for (int i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return -1;
}

Datum
dts_is_job_state(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(name_index(fcinfo, 0, state_names, JOB_STATE_COUNT) >= 0);
}

Datum
dts_is_job_action(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(name_index(fcinfo, 0, action_names, JOB_ACTION_COUNT) >= 0);
}

Datum
dts_is_job_phase(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(name_index(fcinfo, 0, phase_names, JOB_PHASE_COUNT) >= 0);
}

Datum
dts_action_leads_to(PG_FUNCTION_ARGS)
{
	int state = name_index(fcinfo, 0, state_names, JOB_STATE_COUNT);
	int action = name_index(fcinfo, 1, action_names, JOB_ACTION_COUNT);

	for (int i = 0; i < lengthof(allowed); i++)
		if ((int) allowed[i].state == state && (int) allowed[i].action == action)
			PG_RETURN_TEXT_P(cstring_to_text(state_names[allowed[i].next]));
	PG_RETURN_NULL();
}

Datum
dts_transition_event(PG_FUNCTION_ARGS)
{
	int from = name_index(fcinfo, 0, state_names, JOB_STATE_COUNT);
	int to = name_index(fcinfo, 1, state_names, JOB_STATE_COUNT);

	for (int i = 0; i < lengthof(transitions); i++)
		if ((int) transitions[i].state == from && (int) transitions[i].next == to)
			PG_RETURN_TEXT_P(cstring_to_text(transitions[i].event));
	PG_RETURN_NULL();
}
