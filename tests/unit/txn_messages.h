/*
 * txn_messages.h
 *		For tests of the assembly of transactions: messages put together byte by byte, and what comes out
 *		of them as text: "B5" begin of transaction 5, "+7" insert of row 7, "C5" commit; "ahead" in
 *		front of what goes ahead.
 *
 * Each test that includes this has its own.
 */
#ifndef DTS_TXN_MESSAGES_H
#define DTS_TXN_MESSAGES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "strbuf.h"
#include "txn.h"
#include "wire_read.h"

static StrBuf message;
static StrBuf events; /* of the test so far */
static TxnAssembler *txn;
static Error err;

static inline void
begin_session(TxnOptions options)
{
	strbuf_reset(&events);
	error_clear(&err);
	options.work_dir = "/tmp";
	if (options.spool_limit == 0)
		options.spool_limit = UINT64_MAX;
	txn = txn_create(&options);
}

static inline int
set_up(void **state)
{
	(void) state;
	strbuf_init(&message);
	strbuf_init(&events);
	return 0;
}

static inline int
tear_down(void **state)
{
	(void) state;
	txn_destroy(txn);
	txn = NULL;
	strbuf_free(&message);
	strbuf_free(&events);
	return 0;
}

static inline void
u8(unsigned value)
{
	strbuf_putc(&message, (char) value);
}

static inline void
uv(uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		u8((unsigned) (value & 0x7f) | 0x80);
	u8((unsigned) value);
}

static inline void
u64(uint64_t value)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		u8((unsigned) (value >> shift) & 0xff);
}

static inline void
str(const char *text)
{
	uv(strlen(text));
	strbuf_puts(&message, text);
}

static inline void
header(uint32_t xid, uint64_t commit, const char *origin)
{
	uv(xid);
	u64(commit);
	uv(10);
	u64(777);
	str(origin);
}

static inline void
start(DtsMessageKind kind)
{
	strbuf_reset(&message);
	u8(kind);
}

static inline void
start_hello(uint32_t version)
{
	start(DTS_MSG_HELLO);
	strbuf_puts(&message, DTS_WIRE_MAGIC);
	u8(DTS_WIRE_VERSION);
	uv(version);
	str("UTF8");
	uv(DTS_WIRE_CHUNK_DEFAULT);
	str("1.0");
}

static inline void
start_chunk(unsigned flags, uint32_t xid, uint64_t commit, uint64_t number)
{
	start(DTS_MSG_TXN);
	u8(flags);
	header(xid, commit, "");
	uv(number);
}

static inline void
start_stream(uint32_t xid, uint64_t number)
{
	start(DTS_MSG_STREAM);
	uv(xid);
	uv(number);
}

/* Relation number with one binary column. */
static inline void
relation(unsigned number)
{
	u8(DTS_REC_RELATION);
	uv(number);
	uv(1000 + number);
	str("s");
	str("t");
	strbuf_puts(&message, "rd");
	u8(0);
	uv(1);
	u8(DTS_ATT_KEY);
	str("a");
	uv(25);
	uv(0);
	u8(DTS_FMT_BINARY);
}

static inline void
insert(unsigned number, const char *value)
{
	u8(DTS_REC_INSERT);
	uv(number);
	u8(0);
	str(value);
}

static inline void
insert_long(unsigned number)
{
	u8(DTS_REC_INSERT);
	uv(number);
	u8(DTS_TUPLE_STATES);
	u8(DTS_STATE_LONG);
}

static inline void
fragment(unsigned flags, uint64_t total, const char *bytes)
{
	u8(DTS_REC_FRAGMENT);
	u8(flags);
	if (flags & DTS_FRAGMENT_FIRST)
		uv(total);
	str(bytes);
}

static inline void
subxact(uint32_t xid)
{
	u8(DTS_REC_SUBXACT);
	uv(xid);
}

static inline void
note_event(const SourceEvent *e)
{
	const char *ahead = e->ahead ? "ahead" : "";

	switch (e->kind)
	{
		case SOURCE_BEGIN:
			strbuf_printf(&events, "%sB%u ", ahead, e->header->xid);
			break;
		case SOURCE_COMMIT:
			strbuf_printf(&events, "%sC%u ", ahead, e->header->xid);
			break;
		case SOURCE_REVOKE:
			strbuf_puts(&events, "revoke ");
			break;
		case SOURCE_CHANGE:
			strbuf_printf(&events, "%s+%.*s ", ahead, (int) e->change->new_values[0].len,
			              e->change->new_values[0].data);
			assert_int_equal(e->change->kind, CHANGE_INSERT);
			break;
		case SOURCE_IDLE:
		case SOURCE_KEEPALIVE:
			fail();
	}
}

/*
 * Hands the message over and pulls all events.  It lies in a block of its own that is overwritten
 * afterwards, as libpq's would be.
 */
static inline bool
send(void)
{
	size_t len = message.len;
	char *bytes = memcpy(xmalloc(len), message.data, len);
	SourceEvent event;
	bool ok = txn_message(txn, bytes, len, &err);

	while (ok)
	{
		ok = txn_next(txn, &event, &err);
		if (!ok || event.kind == SOURCE_IDLE)
			break;
		note_event(&event);
	}
	memset(bytes, 0xff, len);
	free(bytes);
	return ok;
}

static inline void
send_hello(void)
{
	start_hello(150020);
	assert_true(send());
	assert_string_equal(txn_encoding(txn), "UTF8");
}

static inline void
begin_streaming(uint64_t memory_limit)
{
	begin_session((TxnOptions){.streaming = true, .memory_limit = memory_limit});
	send_hello();
}

static inline void
send_commit(uint32_t xid, uint64_t commit)
{
	start(DTS_MSG_STREAM_COMMIT);
	header(xid, commit, "");
	if (!send())
		fail_msg("%s: %s", err.message, err.detail);
}

static inline void
send_abort(uint32_t xid, uint32_t aborted)
{
	start(DTS_MSG_STREAM_ABORT);
	uv(xid);
	uv(aborted);
	assert_true(send());
}

#define TXN_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif /* DTS_TXN_MESSAGES_H */
