/*
 * ddl_policy.c
 *		What becomes of a planned command; see ddl_job.h.
 */
#include "ddl_job.h"

bool
ddl_policy_decide(Worker *w, const TxnHeader *header, const DdlRecord *record, const DdlPlan *plan,
                  DdlDecision *decision, Error *err)
{
	(void) w;
	(void) header;
	(void) record;
	(void) plan;
	(void) err;
	*decision = DDL_RUN;
	return true;
}
