/*
 * job_fsm.h
 *		The life of a job as a state machine: which state an event leads to, and what a worker
 *does in a state.
 *
 * Everything is read from the tables of job_state.h; nothing here touches a clock, a socket or the
 *control database.
 */
#ifndef DTS_JOB_FSM_H
#define DTS_JOB_FSM_H

#include <stdbool.h>

#include "job.h"
#include "phase.h"

/* X(symbol, what happened).  Those that start with WISH_ come from an operator. */
#define JOB_EVENTS(X)                                                                              \
	X(WISH_CHECK, "check wanted")                                                                  \
	X(WISH_START, "start wanted")                                                                  \
	X(WISH_RETRY, "retry wanted")                                                                  \
	X(WISH_PAUSE, "pause wanted")                                                                  \
	X(WISH_RESUME, "resume wanted")                                                                \
	X(WISH_COMPLETE, "completion wanted")                                                          \
	X(WISH_RESET, "load anew wanted")                                                              \
	X(WISH_STOP, "stop wanted")                                                                    \
	X(CHECK_OK, "precheck passed")                                                                 \
	X(CHECK_BAD, "precheck failed")                                                                \
	X(START_OK, "started")                                                                         \
	X(START_BAD, "could not start")                                                                \
	X(PHASE_OK, "phase done")                                                                      \
	X(ALL_DONE, "last phase done")                                                                 \
	X(IN_STEP, "the stream is in step")                                                            \
	X(BEHIND, "the stream is behind")                                                              \
	X(CHANGED, "the objects are changed")                                                          \
	X(TRANSIENT, "an end is away")                                                                 \
	X(TROUBLE, "a person must mend something")                                                     \
	X(LOST, "slot, history or position lost")                                                      \
	X(HALTED, "stands still")                                                                      \
	X(RESUME_OK, "both ends are there")                                                            \
	X(CLEAN_OK, "both ends are clean")                                                             \
	X(CLEAN_BAD, "an end could not be cleaned")

#define JOB_EVENT_ENUM(sym, text) EVENT_##sym,
typedef enum JobEvent
{
	JOB_EVENTS(JOB_EVENT_ENUM) JOB_EVENT_COUNT
} JobEvent;
#undef JOB_EVENT_ENUM

/* What a worker does while the job is in a state. */
typedef enum JobWork
{
	WORK_NONE,   /* no worker is needed: give the lease back */
	WORK_CHECK,  /* run the precheck */
	WORK_START,  /* create bookkeeping, slot and snapshot */
	WORK_PHASE,  /* run the phase */
	WORK_HALT,   /* the phase has ended: say so */
	WORK_ATTACH, /* take both ends over, then go on in the phase */
	WORK_RETRY,  /* the same, after a pause */
	WORK_CLEAN,  /* remove everything of ours from both ends */
} JobWork;

/* False when the state does not know the event; *next and *doing are then left alone. */
bool job_fsm_next(JobState state, JobEvent event, JobState *next, const char **doing) must_check;

JobWork job_fsm_work(JobState state);

/* The event that consuming this wish is; false for wishes that are no step of the life. */
bool job_fsm_wish(JobAction wish, JobEvent *event) must_check;

/* How the end of a phase reads as an event.  False for PHASE_YIELDED, which is none. */
bool job_fsm_phase_event(PhaseResult result, bool last_phase, JobEvent *event) must_check;

/* The first phase of the job, and the one after `phase`; false when there is none. */
bool job_fsm_first_phase(const JobOptions *options, JobPhase *phase) must_check;
bool job_fsm_next_phase(const JobOptions *options, JobPhase phase, JobPhase *next) must_check;

const char *job_state_name(JobState state);
const char *job_action_name(JobAction action);
const char *job_phase_name(JobPhase phase);
const char *job_event_text(JobEvent event);
bool job_state_parse(const char *name, JobState *state) must_check;
bool job_action_parse(const char *name, JobAction *action) must_check;
bool job_phase_parse(const char *name, JobPhase *phase) must_check;

/* Whether an operator's action is allowed in the state. */
bool job_action_allowed(JobState state, JobAction action);

/*
 * Whether the phase runs in this state.  The control database moves a job between the two such
 * states by its lag; to a worker they are one.
 */
bool job_state_runs(JobState state);

/* Whether the state is one that says how a job went wrong, and so keeps its error. */
bool job_state_keeps_error(JobState state);

#endif /* DTS_JOB_FSM_H */
