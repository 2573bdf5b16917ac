/*
 * phase.h
 *		How a phase of a job ends: what the phases report and the state machine steps by.
 */
#ifndef DTS_PHASE_H
#define DTS_PHASE_H

/* X(symbol, in the log).  err is filled for the last three. */
#define PHASE_RESULTS(X)                                                                           \
	X(COMPLETED, "is completed")    /* on to the next */                                           \
	X(YIELDED, "makes way")         /* did as ORDER_YIELD or ORDER_LEAVE said */                   \
	X(TRANSIENT, "is interrupted")  /* an end was lost or busy: may be tried again by itself */    \
	X(TROUBLE, "cannot go on")      /* a person must mend something; can go on afterwards */       \
	X(LOST, "has lost its history") /* slot, history or position lost: load again */

#define PHASE_RESULT_ENUM(sym, text) PHASE_##sym,
typedef enum PhaseResult
{
	PHASE_RESULTS(PHASE_RESULT_ENUM)
} PhaseResult;
#undef PHASE_RESULT_ENUM

#endif /* DTS_PHASE_H */
