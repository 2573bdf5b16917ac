/*
 * flow_case.h
 *		A flow between the fake ends, stepped by the test, with the transactions that its scripts name.
 *
 * Transaction n commits at n * 100 and ends at n * 100 + 10; the scripts of a test are arrays of SourceEvent.
 */
#ifndef DTS_FLOW_CASE_H
#define DTS_FLOW_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_ends.h"
#include "flow.h"

static const Change insert = {.kind = CHANGE_INSERT};

static const TxnHeader headers[] = {
    {.xid = 1, .commit = {100}, .end = {110}, .commit_time = 11},
    {.xid = 2, .commit = {200}, .end = {210}, .commit_time = 12},
    {.xid = 3, .commit = {300}, .end = {310}, .commit_time = 13},
    {.xid = 4, .commit = {400}, .end = {410}, .commit_time = 14},
    {.xid = 5, .commit = {500}, .end = {510}, .commit_time = 15},
    {.xid = 6, .commit = {600}, .end = {610}, .commit_time = 16},
};

/* further members of the event may follow */
#define EVENT(k, n, ...)                                                                           \
	{                                                                                              \
		.kind = SOURCE_##k, .header = &headers[(n) -1], __VA_ARGS__                                \
	}
#define CHANGE(c)                                                                                  \
	{                                                                                              \
		.kind = SOURCE_CHANGE, .change = &(c), .bytes = 10                                         \
	}
#define ONE(n) EVENT(BEGIN, n), CHANGE(insert), EVENT(COMMIT, n)

typedef struct FlowCase
{
	FakeSource source;
	FakeTarget target;
	Flow flow;
	Error err;
} FlowCase;

/* batches of so many rows, on a target that holds what is before "stored" */
static inline void
start(FlowCase *c, const SourceEvent *events, int count, int64_t rows, uint64_t stored)
{
	const BatchLimits limits = {rows, 1000000};

	fake_source_init(&c->source, events, count);
	fake_target_init(&c->target);
	error_clear(&c->err);
	flow_init(&c->flow, &c->source.base, &c->target.base, "slot/token/", &limits,
	          source_lsn(stored), 0);
	c->target.status.durable.end = source_lsn(stored);
}

#define START(c, events, rows, stored)                                                             \
	start(c, events, (int) (sizeof(events) / sizeof((events)[0])), rows, stored)

static inline void
step(FlowCase *c, int64_t now_us)
{
	assert_true(flow_step(&c->flow, now_us, &c->err));
}

static inline void
said(const FlowCase *c, const char *expected)
{
	assert_string_equal(c->target.said.data, expected);
}

#endif /* DTS_FLOW_CASE_H */
