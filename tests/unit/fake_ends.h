/*
 * fake_ends.h
 *		A scripted ChangeSource and a recording Target for tests of what lies between.
 *
 * The source hands out an array of events.  The target writes what it is told into one text, e.g.
 * "begin insert(7) insert(8) commit(200) ", answers TARGET_WAIT on demand, makes commits durable
 * when the test says so, and fails at an operation of the test's choice.
 */
#ifndef DTS_FAKE_ENDS_H
#define DTS_FAKE_ENDS_H

#include "source.h"
#include "strbuf.h"
#include "target.h"

typedef struct FakeSource
{
	ChangeSource base;
	const SourceEvent *events; /* SOURCE_IDLE for ever behind the last */
	int count;
	int at;
	int idles;       /* how often it was asked for more in vain */
	int idle_before; /* > 0: says idle once before this event */
	bool said_idle;
	int holds;
	bool broken; /* fails behind the last event */
	SourceLsn acknowledged;
	SourceLsn end;
} FakeSource;

/* Commits in flight that the target takes. */
#define FAKE_BATCHES_MAX 4

typedef struct FakeTarget
{
	Target base;
	StrBuf said;
	int waits;   /* the next so many operations answer TARGET_WAIT */
	int fail_at; /* the n-th operation fails, 0: none */
	int operations;
	bool failed;
	bool ahead_refuses;   /* there is no session for what goes ahead */
	int ahead_fail_at;    /* the n-th of its changes fails, 0: none */
	bool ahead_unsettled; /* it fails when it is to settle */
	int ahead_waits;      /* so often it is not settled yet */
	bool ahead_open;
	int answer_at_pump; /* the n-th pump from now reads all answers */
	TargetPosition committed[16];
	int committed_count;
	TargetStatus status;
} FakeTarget;

void fake_source_init(FakeSource *source, const SourceEvent *events, int count);
void fake_target_init(FakeTarget *target);
void fake_target_free(FakeTarget *target);

/* The oldest so many commits in flight become durable. */
void fake_target_answer(FakeTarget *target, int commits);

#endif /* DTS_FAKE_ENDS_H */
