/*
 * ddl_plan.h
 *		What the target has to run so that it follows one captured command.
 *
 * Two ways complete each other.  The statement way runs the command itself, when the client sent
 * nothing but it and it does no more than it says.  The state way makes SQL from what the objects
 * were and are: for everything else, and for commands whose effect on the target would be another
 * (rows computed anew, dependents that only the target has).  What neither can follow is refused
 * with a reason; nothing is left out in silence.
 */
#ifndef DTS_DDL_PLAN_H
#define DTS_DDL_PLAN_H

#include "ddl_record.h"
#include "ddl_state.h"

typedef enum DdlVerdict
{
	DDL_NOTHING, /* nothing that the job carries over was touched */
	DDL_APPLY,
	DDL_REFUSED, /* reason says why: a person has to look */
} DdlVerdict;

typedef struct DdlPlanOptions
{
	const DdlScope *scope;
	bool statements; /* whether the statement way may be taken */
	/* tables whose rows the same command wrote anew, from the rewrite records before this one */
	const DdlRewritten *rewritten;
	int rewritten_count;
} DdlPlanOptions;

typedef struct DdlPlan
{
	DdlVerdict verdict;
	bool by_statement;
	const char *reason;
	const char **sql; /* one command each, in order */
	int count;
	const char **roles; /* beside them, where a command is another's: an object that went along */
	/*
	 * As whom: NULL when the session is not known, and then the objects' owner.  search_path is
	 * the session's for the statement way; the state way's names are qualified.
	 */
	const char *role;
	const char *search_path;
	const json_t *settings;
	/*
	 * To be run as ourselves around the command and the rows that it wrote: what ties tables that
	 * are empty meanwhile to others.  NULL: nothing.
	 */
	const char *prepare;
	const char *finish;
	bool commit_before_use; /* new labels of an enum: usable after the commit only */
} DdlPlan;

/* The plan lives in the arena and points into the record. */
void ddl_plan(Arena *arena, const DdlRecord *record, const DdlPlanOptions *options, DdlPlan *plan);

#endif /* DTS_DDL_PLAN_H */
