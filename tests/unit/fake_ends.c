/*
 * fake_ends.c
 *		See fake_ends.h.
 */
#include "fake_ends.h"

#include <string.h>

static bool
source_next(ChangeSource *base, SourceEvent *event, Error *err)
{
	FakeSource *s = (FakeSource *) base;
	static const SourceEvent idle = {.kind = SOURCE_IDLE};

	if (s->at < s->count && s->idle_before > 0 && s->at == s->idle_before && !s->said_idle)
	{
		s->said_idle = true;
		*event = idle;
	}
	else if (s->at < s->count)
		*event = s->events[s->at++];
	else if (s->broken)
	{
		error_set(err, ERR_CONNECTION, "source gone");
		return false;
	}
	else
	{
		s->idles++;
		*event = idle;
	}
	return true;
}

static bool
source_feedback(ChangeSource *base, SourceLsn durable, int64_t now_us, Error *err)
{
	(void) now_us;
	(void) err;
	((FakeSource *) base)->acknowledged = durable;
	return true;
}

static int
source_socket(const ChangeSource *base)
{
	(void) base;
	return -1;
}

static SourceLsn
source_end(const ChangeSource *base)
{
	return ((const FakeSource *) base)->end;
}

static const char *
source_encoding(const ChangeSource *base)
{
	(void) base;
	return "UTF8";
}

static void
source_close(ChangeSource *base)
{
	(void) base;
}

static void
source_hold(ChangeSource *base)
{
	((FakeSource *) base)->holds++;
}

static const ChangeSourceOps source_ops = {
    .name = "fake",
    .next = source_next,
    .feedback = source_feedback,
    .hold = source_hold,
    .socket = source_socket,
    .source_end = source_end,
    .encoding = source_encoding,
    .close = source_close,
};

void
fake_source_init(FakeSource *source, const SourceEvent *events, int count)
{
	memset(source, 0, sizeof(*source));
	source->base.ops = &source_ops;
	source->events = events;
	source->count = count;
}

/* What every operation does first. */
static TargetResult
target_operation(FakeTarget *t, Error *err)
{
	if (t->waits > 0)
	{
		t->waits--;
		return TARGET_WAIT;
	}
	if (t->failed || ++t->operations == t->fail_at)
	{
		t->failed = true;
		error_set(err, "23505", "duplicate key");
		return TARGET_FAILED;
	}
	return TARGET_OK;
}

static TargetResult
target_set_encoding(Target *base, const char *encoding, Error *err)
{
	(void) base;
	(void) encoding;
	(void) err;
	return TARGET_OK;
}

static TargetResult
target_begin(Target *base, Error *err)
{
	FakeTarget *t = (FakeTarget *) base;
	TargetResult result =
	    t->status.batches_in_flight >= FAKE_BATCHES_MAX ? TARGET_WAIT : target_operation(t, err);

	if (result == TARGET_OK)
		strbuf_puts(&t->said, "begin ");
	return result;
}

static TargetResult
target_apply(Target *base, const TxnHeader *header, const Change *change, Error *err)
{
	static const char *const names[] = {"insert",   "update",  "delete",
	                                    "truncate", "message", "no-identity"};
	FakeTarget *t = (FakeTarget *) base;
	TargetResult result = target_operation(t, err);

	if (result == TARGET_OK)
		strbuf_printf(&t->said, "%s%s(%u) ", names[change->kind],
		              change->by_delete ? "-by-delete" : "", header->xid);
	return result;
}

static TargetResult
target_command(Target *base, const TxnHeader *header, const TargetCommand *command, Error *err)
{
	FakeTarget *t = (FakeTarget *) base;
	TargetResult result = target_operation(t, err);

	for (int i = 0; result == TARGET_OK && i < command->count; i++)
		strbuf_printf(&t->said, "command(%u: %s) ", header->xid, command->sql[i]);
	for (int i = 0; result == TARGET_OK && i < command->bookkeeping_count; i++)
		strbuf_printf(&t->said, "bookkeeping(%u: %s) ", header->xid, command->bookkeeping[i]);
	return result;
}

static TargetResult
target_run(Target *base, const char *sql, Error *err)
{
	FakeTarget *t = (FakeTarget *) base;
	TargetResult result = target_operation(t, err);

	if (result == TARGET_OK)
		strbuf_printf(&t->said, "run(%s) ", sql);
	return result;
}

static TargetResult
target_commit(Target *base, const TargetPosition *position, Error *err)
{
	FakeTarget *t = (FakeTarget *) base;
	TargetResult result =
	    t->status.batches_in_flight >= FAKE_BATCHES_MAX ? TARGET_WAIT : target_operation(t, err);

	if (result != TARGET_OK)
		return result;
	strbuf_printf(&t->said, "commit(%llu) ", (unsigned long long) position->end.value);
	t->committed[t->committed_count++ % 16] = *position;
	t->status.batches_in_flight++;
	return TARGET_OK;
}

static bool
target_ahead_begin(Target *base, const char *encoding)
{
	FakeTarget *t = (FakeTarget *) base;

	(void) encoding;
	strbuf_puts(&t->said, t->ahead_refuses ? "ahead-refused " : "ahead-begin ");
	t->ahead_open = !t->ahead_refuses;
	return t->ahead_open;
}

static TargetResult
target_ahead_apply(Target *base, const TxnHeader *header, const Change *change)
{
	FakeTarget *t = (FakeTarget *) base;

	(void) change;
	if (!t->ahead_open || (t->ahead_fail_at > 0 && --t->ahead_fail_at == 0))
		return TARGET_FAILED;
	strbuf_printf(&t->said, "ahead(%u) ", header->xid);
	return TARGET_OK;
}

static TargetResult
target_ahead_settle(Target *base)
{
	FakeTarget *t = (FakeTarget *) base;

	if (!t->ahead_open || t->ahead_unsettled)
		return TARGET_FAILED;
	if (t->ahead_waits > 0)
	{
		t->ahead_waits--;
		return TARGET_WAIT;
	}
	strbuf_puts(&t->said, "settled ");
	return TARGET_OK;
}

static TargetResult
target_ahead_commit(Target *base, const TargetPosition *position, Error *err)
{
	FakeTarget *t = (FakeTarget *) base;

	strbuf_puts(&t->said, "ahead-");
	t->ahead_open = false;
	return target_commit(base, position, err);
}

static void
target_ahead_drop(Target *base)
{
	FakeTarget *t = (FakeTarget *) base;

	t->ahead_open = false;
	strbuf_puts(&t->said, "ahead-drop ");
}

static bool
target_pump(Target *base, Error *err)
{
	FakeTarget *t = (FakeTarget *) base;

	if (t->failed)
		error_set(err, "23505", "duplicate key");
	if (t->answer_at_pump > 0 && --t->answer_at_pump == 0)
		fake_target_answer(t, t->status.batches_in_flight);
	return !t->failed;
}

static void
target_status(const Target *base, TargetStatus *status)
{
	*status = ((const FakeTarget *) base)->status;
}

static int
target_socket(const Target *base)
{
	(void) base;
	return -1;
}

static short
target_events(const Target *base)
{
	(void) base;
	return 0;
}

static void
target_close(Target *base)
{
	(void) base;
}

static const TargetOps target_ops = {
    .name = "recording",
    .set_encoding = target_set_encoding,
    .begin = target_begin,
    .apply = target_apply,
    .command = target_command,
    .run = target_run,
    .commit = target_commit,
    .ahead_begin = target_ahead_begin,
    .ahead_apply = target_ahead_apply,
    .ahead_settle = target_ahead_settle,
    .ahead_commit = target_ahead_commit,
    .ahead_drop = target_ahead_drop,
    .pump = target_pump,
    .status = target_status,
    .socket = target_socket,
    .events = target_events,
    .close = target_close,
};

void
fake_target_init(FakeTarget *target)
{
	memset(target, 0, sizeof(*target));
	target->base.ops = &target_ops;
	strbuf_init(&target->said);
	strbuf_puts(&target->said, "");
}

void
fake_target_free(FakeTarget *target)
{
	strbuf_free(&target->said);
}

void
fake_target_answer(FakeTarget *target, int commits)
{
	while (commits-- > 0)
	{
		target->status.committed = target->status.durable =
		    target->committed[(target->committed_count - target->status.batches_in_flight) % 16];
		target->status.batches_in_flight--;
		target->status.answers++;
	}
}
