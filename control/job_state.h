/*
 * job_state.h
 *		The life of a job: states, actions of an operator, and which of them a state allows.
 *
 * The one truth that SQL functions, daemon, docs and tests read.  Needs only libc.
 * SQL writes what is wanted (an action becomes the job's wish); the daemon writes what is.
 */
#ifndef DTS_JOB_STATE_H
#define DTS_JOB_STATE_H

/*
 * X(symbol, name, is an end state, needs a worker process, what it means)
 */
#define JOB_STATES(X)                                                                              \
	X(DRAFT, "draft", 0, 0, "created or changed, not yet checked")                                 \
	X(CHECKING, "checking", 0, 1, "the precheck runs")                                             \
	X(CHECK_FAILED, "check_failed", 0, 0, "the precheck found what must be mended first")          \
	X(CHECK_PASSED, "check_passed", 0, 0, "ready to start")                                        \
	X(SCHEDULED, "scheduled", 0, 0, "waits for the time of its start, when it is checked again")   \
	X(STARTING, "starting", 0, 1, "slot, origin and bookkeeping are being created")                \
	X(START_FAILED, "start_failed", 0, 0, "could not start; see the error")                        \
	X(RUNNING, "running", 0, 1, "at work in the phase shown")                                      \
	X(READY, "ready", 0, 1, "a migration that is in step; goes on until it is completed")          \
	X(MODIFYING, "modifying", 0, 1, "its objects are being changed; the stream goes on")           \
	X(PAUSING, "pausing", 0, 1, "finishes the work in hand")                                       \
	X(PAUSED, "paused", 0, 0, "stands still; the slot is kept and holds WAL on the source")        \
	X(RESUMING, "resuming", 0, 1, "checks positions and goes on")                                  \
	X(RETRYING, "retrying", 0, 1, "lost an end; tries again with growing pauses")                  \
	X(ERROR, "error", 0, 0, "stopped by an error that a person must mend; can be retried")         \
	X(FAILED, "failed", 0, 0, "cannot go on (slot or history lost); must be loaded again")         \
	X(COMPLETING, "completing", 0, 1, "done; removes its objects from both ends")                  \
	X(COMPLETED, "completed", 1, 0, "done by itself")                                              \
	X(STOPPING, "stopping", 0, 1, "removes its objects from both ends")                            \
	X(STOPPED, "stopped", 1, 0, "ended by an operator; nothing is left on either end")             \
	X(STOP_FAILED, "stop_failed", 0, 0, "ended, but an end could not be cleaned; stop again")      \
	X(ISOLATED, "isolated", 1, 0, "put aside; can be recovered or destroyed")

/*
 * X(symbol, name, SQL function that asks for it)
 */
#define JOB_ACTIONS(X)                                                                             \
	X(CONFIGURE, "configure", "dts_configure_job")                                                 \
	X(CHECK, "check", "dts_check_job")                                                             \
	X(START, "start", "dts_start_job")                                                             \
	X(SCHEDULE, "schedule", "dts_start_job")                                                       \
	X(UNSCHEDULE, "unschedule", "dts_unschedule_job")                                              \
	X(IGNORE_CHECK, "ignore_check", "dts_ignore_check")                                            \
	X(PAUSE, "pause", "dts_pause_job")                                                             \
	X(RESUME, "resume", "dts_resume_job")                                                          \
	X(RETRY, "retry", "dts_retry_job")                                                             \
	X(RESIZE, "resize", "dts_resize_job")                                                          \
	X(MODIFY, "modify", "dts_modify_objects")                                                      \
	X(THROTTLE, "throttle", "dts_set_throttle")                                                    \
	X(COMPLETE, "complete", "dts_complete_job")                                                    \
	X(RESET, "reset", "dts_reset_job")                                                             \
	X(STOP, "stop", "dts_stop_job")                                                                \
	X(ISOLATE, "isolate", "dts_isolate_job")                                                       \
	X(RECOVER, "recover", "dts_recover_job")                                                       \
	X(DESTROY, "destroy", "dts_destroy_job")

/*
 * X(state, action, state that the action leads to)
 * What an operator may do.  dts_stop_job is allowed in every state that is not an end state.
 * ISOLATED -> recover leads back to the end state it came from, shown here as COMPLETED.
 */
#define JOB_ALLOWED(X)                                                                             \
	X(DRAFT, CONFIGURE, DRAFT)                                                                     \
	X(DRAFT, CHECK, CHECKING)                                                                      \
	X(DRAFT, THROTTLE, DRAFT)                                                                      \
	X(DRAFT, STOP, STOPPING)                                                                       \
	X(DRAFT, DESTROY, DRAFT)                                                                       \
	X(CHECKING, THROTTLE, CHECKING)                                                                \
	X(CHECKING, STOP, STOPPING)                                                                    \
	X(CHECK_FAILED, CONFIGURE, DRAFT)                                                              \
	X(CHECK_FAILED, CHECK, CHECKING)                                                               \
	X(CHECK_FAILED, IGNORE_CHECK, CHECK_FAILED)                                                    \
	X(CHECK_FAILED, THROTTLE, CHECK_FAILED)                                                        \
	X(CHECK_FAILED, STOP, STOPPING)                                                                \
	X(CHECK_PASSED, CONFIGURE, DRAFT)                                                              \
	X(CHECK_PASSED, CHECK, CHECKING)                                                               \
	X(CHECK_PASSED, START, STARTING)                                                               \
	X(CHECK_PASSED, SCHEDULE, SCHEDULED)                                                           \
	X(CHECK_PASSED, IGNORE_CHECK, CHECK_PASSED)                                                    \
	X(CHECK_PASSED, THROTTLE, CHECK_PASSED)                                                        \
	X(CHECK_PASSED, STOP, STOPPING)                                                                \
	X(SCHEDULED, START, CHECKING)                                                                  \
	X(SCHEDULED, SCHEDULE, SCHEDULED)                                                              \
	X(SCHEDULED, UNSCHEDULE, CHECK_PASSED)                                                         \
	X(SCHEDULED, THROTTLE, SCHEDULED)                                                              \
	X(SCHEDULED, STOP, STOPPING)                                                                   \
	X(STARTING, THROTTLE, STARTING)                                                                \
	X(STARTING, STOP, STOPPING)                                                                    \
	X(START_FAILED, CONFIGURE, DRAFT)                                                              \
	X(START_FAILED, RETRY, STARTING)                                                               \
	X(START_FAILED, THROTTLE, START_FAILED)                                                        \
	X(START_FAILED, STOP, STOPPING)                                                                \
	X(RUNNING, PAUSE, PAUSING)                                                                     \
	X(RUNNING, RESIZE, RUNNING)                                                                    \
	X(RUNNING, MODIFY, MODIFYING)                                                                  \
	X(RUNNING, THROTTLE, RUNNING)                                                                  \
	X(RUNNING, STOP, STOPPING)                                                                     \
	X(READY, PAUSE, PAUSING)                                                                       \
	X(READY, RESIZE, READY)                                                                        \
	X(READY, MODIFY, MODIFYING)                                                                    \
	X(READY, COMPLETE, COMPLETING)                                                                 \
	X(READY, THROTTLE, READY)                                                                      \
	X(READY, STOP, STOPPING)                                                                       \
	X(MODIFYING, THROTTLE, MODIFYING)                                                              \
	X(MODIFYING, STOP, STOPPING)                                                                   \
	X(PAUSING, THROTTLE, PAUSING)                                                                  \
	X(PAUSING, STOP, STOPPING)                                                                     \
	X(PAUSED, RESUME, RESUMING)                                                                    \
	X(PAUSED, RESIZE, PAUSED)                                                                      \
	X(PAUSED, RESET, DRAFT)                                                                        \
	X(PAUSED, THROTTLE, PAUSED)                                                                    \
	X(PAUSED, STOP, STOPPING)                                                                      \
	X(RESUMING, THROTTLE, RESUMING)                                                                \
	X(RESUMING, STOP, STOPPING)                                                                    \
	X(RETRYING, PAUSE, PAUSING)                                                                    \
	X(RETRYING, RESIZE, RETRYING)                                                                  \
	X(RETRYING, THROTTLE, RETRYING)                                                                \
	X(RETRYING, STOP, STOPPING)                                                                    \
	X(ERROR, RETRY, RESUMING)                                                                      \
	X(ERROR, RESIZE, ERROR)                                                                        \
	X(ERROR, RESET, DRAFT)                                                                         \
	X(ERROR, THROTTLE, ERROR)                                                                      \
	X(ERROR, STOP, STOPPING)                                                                       \
	X(FAILED, RESET, DRAFT)                                                                        \
	X(FAILED, ISOLATE, ISOLATED)                                                                   \
	X(FAILED, STOP, STOPPING)                                                                      \
	X(COMPLETED, ISOLATE, ISOLATED)                                                                \
	X(STOPPED, ISOLATE, ISOLATED)                                                                  \
	X(STOP_FAILED, STOP, STOPPING)                                                                 \
	X(ISOLATED, RECOVER, COMPLETED)                                                                \
	X(ISOLATED, DESTROY, ISOLATED)

/*
 * X(state, event the daemon reports, next state, what the daemon does on the way)
 * What the daemon may do.  The wish it consumes, if any, is the action of the same name.
 */
#define JOB_TRANSITIONS(X)                                                                         \
	X(DRAFT, WISH_CHECK, CHECKING, "run the precheck")                                             \
	X(CHECK_FAILED, WISH_CHECK, CHECKING, "run the precheck")                                      \
	X(CHECK_PASSED, WISH_CHECK, CHECKING, "run the precheck")                                      \
	X(CHECKING, CHECK_OK, CHECK_PASSED, "store the results")                                       \
	X(CHECKING, CHECK_BAD, CHECK_FAILED, "store the results")                                      \
	X(CHECK_PASSED, WISH_START, STARTING, "create bookkeeping and slot")                           \
	X(SCHEDULED, WISH_START, CHECKING, "run the precheck again; it starts when that passes")       \
	X(START_FAILED, WISH_RETRY, STARTING, "clean up and create anew")                              \
	X(STARTING, START_OK, RUNNING, "enter the first phase")                                        \
	X(STARTING, START_BAD, START_FAILED, "remove what was created")                                \
	X(STARTING, LOST, FAILED, "report")                                                            \
	X(RUNNING, PHASE_OK, RUNNING, "enter the next phase")                                          \
	X(RUNNING, ALL_DONE, COMPLETING, "clean up both ends")                                         \
	X(RUNNING, WISH_PAUSE, PAUSING, "finish the batch")                                            \
	X(RUNNING, IN_STEP, READY, "report; a migration can be completed now")                         \
	X(RUNNING, TRANSIENT, RETRYING, "wait and connect again")                                      \
	X(RUNNING, TROUBLE, ERROR, "report")                                                           \
	X(RUNNING, LOST, FAILED, "report")                                                             \
	X(READY, BEHIND, RUNNING, "report; the stream has fallen behind")                              \
	X(READY, WISH_COMPLETE, COMPLETING, "clean up both ends")                                      \
	X(READY, WISH_PAUSE, PAUSING, "finish the batch")                                              \
	X(READY, TRANSIENT, RETRYING, "wait and connect again")                                        \
	X(READY, TROUBLE, ERROR, "report")                                                             \
	X(READY, LOST, FAILED, "report")                                                               \
	X(MODIFYING, CHANGED, RUNNING, "report; also when the change is refused")                      \
	X(MODIFYING, TRANSIENT, RETRYING, "wait and connect again; the change is made then")           \
	X(MODIFYING, TROUBLE, ERROR, "report")                                                         \
	X(MODIFYING, LOST, FAILED, "report")                                                           \
	X(PAUSING, HALTED, PAUSED, "disconnect")                                                       \
	X(PAUSING, TROUBLE, ERROR, "report")                                                           \
	X(PAUSING, LOST, FAILED, "report")                                                             \
	X(PAUSED, WISH_RESUME, RESUMING, "connect and compare positions")                              \
	X(RESUMING, RESUME_OK, RUNNING, "go on in the phase it was in")                                \
	X(RESUMING, TRANSIENT, RETRYING, "wait and connect again")                                     \
	X(RESUMING, TROUBLE, ERROR, "report")                                                          \
	X(RESUMING, LOST, FAILED, "report")                                                            \
	X(RETRYING, RESUME_OK, RUNNING, "go on in the phase it was in")                                \
	X(RETRYING, WISH_PAUSE, PAUSING, "disconnect")                                                 \
	X(RETRYING, TROUBLE, ERROR, "report; also when the retry window is spent")                     \
	X(RETRYING, LOST, FAILED, "report")                                                            \
	X(ERROR, WISH_RETRY, RESUMING, "connect and compare positions")                                \
	X(PAUSED, WISH_RESET, DRAFT, "clean up both ends")                                             \
	X(ERROR, WISH_RESET, DRAFT, "clean up both ends")                                              \
	X(FAILED, WISH_RESET, DRAFT, "clean up both ends")                                             \
	X(COMPLETING, CLEAN_OK, COMPLETED, "report")                                                   \
	X(COMPLETING, CLEAN_BAD, STOP_FAILED, "list what is left")                                     \
	X(STOPPING, CLEAN_OK, STOPPED, "report")                                                       \
	X(STOPPING, CLEAN_BAD, STOP_FAILED, "list what is left")                                       \
	X(DRAFT, WISH_STOP, STOPPING, "clean up both ends")                                            \
	X(CHECKING, WISH_STOP, STOPPING, "clean up both ends")                                         \
	X(CHECK_FAILED, WISH_STOP, STOPPING, "clean up both ends")                                     \
	X(CHECK_PASSED, WISH_STOP, STOPPING, "clean up both ends")                                     \
	X(SCHEDULED, WISH_STOP, STOPPING, "clean up both ends")                                        \
	X(STARTING, WISH_STOP, STOPPING, "clean up both ends")                                         \
	X(START_FAILED, WISH_STOP, STOPPING, "clean up both ends")                                     \
	X(RUNNING, WISH_STOP, STOPPING, "clean up both ends")                                          \
	X(READY, WISH_STOP, STOPPING, "clean up both ends")                                            \
	X(MODIFYING, WISH_STOP, STOPPING, "clean up both ends")                                        \
	X(PAUSING, WISH_STOP, STOPPING, "clean up both ends")                                          \
	X(PAUSED, WISH_STOP, STOPPING, "clean up both ends")                                           \
	X(RESUMING, WISH_STOP, STOPPING, "clean up both ends")                                         \
	X(RETRYING, WISH_STOP, STOPPING, "clean up both ends")                                         \
	X(ERROR, WISH_STOP, STOPPING, "clean up both ends")                                            \
	X(FAILED, WISH_STOP, STOPPING, "clean up both ends")                                           \
	X(STOP_FAILED, WISH_STOP, STOPPING, "clean up both ends")

/*
 * X(symbol, name) in the order they run
 */
#define JOB_PHASES(X)                                                                              \
	X(SCHEMA, "schema")                                                                            \
	X(FULL, "full")                                                                                \
	X(INCREMENTAL, "incremental")

#define JOB_STATE_ENUM(sym, ...) JOB_##sym,
typedef enum JobState
{
	JOB_STATES(JOB_STATE_ENUM) JOB_STATE_COUNT
} JobState;
#undef JOB_STATE_ENUM

#define JOB_ACTION_ENUM(sym, ...) ACTION_##sym,
typedef enum JobAction
{
	JOB_ACTIONS(JOB_ACTION_ENUM) JOB_ACTION_COUNT
} JobAction;
#undef JOB_ACTION_ENUM

#define JOB_PHASE_ENUM(sym, ...) PHASE_##sym,
typedef enum JobPhase
{
	JOB_PHASES(JOB_PHASE_ENUM) JOB_PHASE_COUNT
} JobPhase;
#undef JOB_PHASE_ENUM

#endif /* DTS_JOB_STATE_H */
