/*
 * phase.h
 *		How a phase of a job ends: what the phases report and the state machine steps by.
 */
#ifndef DTS_PHASE_H
#define DTS_PHASE_H

/* How a phase ended.  err is filled for the last three. */
typedef enum PhaseResult
{
	PHASE_COMPLETED, /* on to the next */
	PHASE_YIELDED,   /* did as ORDER_YIELD or ORDER_LEAVE said */
	PHASE_TRANSIENT, /* an end was lost or busy: may be tried again by itself */
	PHASE_TROUBLE,   /* a person must mend something; can go on afterwards */
	PHASE_LOST,      /* slot, history or position lost: load again */
} PhaseResult;

#endif /* DTS_PHASE_H */
