/*
 * target.h
 *		Target: where source transactions are applied.
 *
 * A target transaction holds whole source transactions and the position after them.  Several may be
 * in flight: what follows a failed one is never executed.  Nothing here blocks: an operation that
 * cannot be taken now answers TARGET_WAIT and did nothing; the caller polls and offers it again.
 * After TARGET_FAILED the session is of no more use; whatever was not reported durable may or may
 * not have been committed, which only the position read by the next session tells.
 */
#ifndef DTS_TARGET_H
#define DTS_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "change.h"
#include "engine_stats.h"
#include "error.h"

#define TARGET_BATCHES_MAX 64 /* committed by us, not yet answered by the target */

typedef enum TargetResult
{
	TARGET_OK,
	TARGET_WAIT,
	TARGET_FAILED, /* err says why */
	TARGET_UNKNOWN, /* of apply: the target lacks the change's table; err says so, nothing was done */
} TargetResult;

/* What makes the target follow one command of the source's. */
typedef struct TargetCommand
{
	const char *const *settings; /* SQL that sets what the commands run under */
	int setting_count;
	const char *role;    /* as whom; NULL: as ourselves */
	bool role_needed;    /* when the target lacks it, that is an error; else: as ourselves */
	const char *prepare; /* as ourselves, in front of all; or NULL */
	const char *const *sql;
	const char *const *roles; /* beside them, where one is another role's; NULL: all are role's */
	int count;
	const char *const *bookkeeping; /* of the job's own, under its own settings */
	int bookkeeping_count;
	const char *source; /* what the source ran, for an error's text */
} TargetCommand;

typedef struct TargetPosition
{
	SourceLsn end;
	int64_t commit_time; /* source's, us since 2000; 0: idle progress, belongs to no transaction */
	bool urgent;         /* somebody waits for it to be durable: as soon as it is committed */
} TargetPosition;

/* What has become of the work handed over so far. */
typedef struct TargetStatus
{
	TargetPosition committed; /* newest position answered: others see it there */
	TargetPosition durable;   /* newest position known to be durable, perhaps one before that */
	int batches_in_flight;    /* commits not answered yet */
	int64_t round_trip_us;    /* to the server and back, about */
	int64_t wake_us;          /* when to pump though nothing has come, CLOCK_MONOTONIC; 0: never */
	int64_t answers;          /* grows with every answer: what was refused before may go now */
	int64_t deletes_missed;   /* deletes that found no row */
	const Relation *missed;   /* the relation of the newest of them */
	bool command_failed;      /* after a failure: it was a command of the source */
	const Relation *failed;   /* after a failure that concerns one relation alone: that one */
	SourceLsn missed_lsn;     /* and the commit of its transaction on the source */
	EngineStats stats;
} TargetStatus;

typedef struct Target Target;

typedef struct TargetOps
{
	const char *name;

	/* The encoding that text values will be in from now on; between transactions. */
	TargetResult (*set_encoding)(Target *target, const char *encoding, Error *err);

	/* Opens a target transaction. It checks that the job is still ours (ERR_FENCED). */
	TargetResult (*begin)(Target *target, Error *err);

	/*
	 * Applies one row change or truncate of the source transaction described by header.  The change
	 * is not looked at after the call has answered TARGET_OK.
	 */
	TargetResult (*apply)(Target *target, const TxnHeader *header, const Change *change,
	                      Error *err);

	/*
	 * Runs a command of the source in the open transaction, in order with the changes before and
	 * behind it.  Nothing that was known of relations holds behind it.  Copied.
	 */
	TargetResult (*command)(Target *target, const TxnHeader *header, const TargetCommand *command,
	                        Error *err);

	/* Runs a statement of the job's own bookkeeping in the open transaction. */
	TargetResult (*run)(Target *target, const char *sql, Error *err);

	/* Stores the position in the open transaction and commits it. */
	TargetResult (*commit)(Target *target, const TargetPosition *position, Error *err);

	/*
	 * A transaction of the source that goes ahead (source.h), in a target transaction and a session of
	 * its own.  ahead_begin opens them, which may block; false: there is none to be had now.  TARGET_FAILED of the others:
	 * they are gone, and the target transaction with them; the target itself goes on.  ahead_settle answers TARGET_OK when
	 * everything applied so far has been answered.  ahead_commit, while no other commit is in flight,
	 * commits as commit does; its failures are those of the target.  ahead_drop rolls back.
	 * All NULL: never.
	 */
	bool (*ahead_begin)(Target *target, const char *encoding);
	TargetResult (*ahead_apply)(Target *target, const TxnHeader *header, const Change *change);
	TargetResult (*ahead_settle)(Target *target);
	TargetResult (*ahead_commit)(Target *target, const TargetPosition *position, Error *err);
	void (*ahead_drop)(Target *target);

	/* Sends and reads as much as goes without waiting; false when anything has failed. */
	bool (*pump)(Target *target, Error *err);

	void (*status)(const Target *target, TargetStatus *status);

	/* What to poll. */
	int (*socket)(const Target *target);
	short (*events)(const Target *target);

	/* Whether that has anything to read: until told again, what has nothing is not asked. */
	void (*polled)(Target *target, bool readable);

	/* Ends the session; an open transaction is rolled back. */
	void (*close)(Target *target);
} TargetOps;

/* Embedded first in every implementation. */
struct Target
{
	const TargetOps *ops;
};

#endif /* DTS_TARGET_H */
