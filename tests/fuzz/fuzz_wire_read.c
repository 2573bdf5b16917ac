/*
 * fuzz_wire_read.c
 *		libFuzzer target: a session's messages through reader, assembler and spool.
 *
 * The input is a byte of switches and then messages, each behind its length in two bytes (most
 * significant first).  Every byte that an event points to is read, so that a sanitizer sees what a
 * consumer would; and what the assembler promises is checked.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "txn.h"

#define SWITCH_STREAMING 0x01
#define SWITCH_FILES     0x02 /* spool in files at once */
#define SWITCH_HELLO     0x04 /* begin with a good HELLO */
#define SWITCH_AHEAD     0x08

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t hello[] = {'H', 'D', 'T', 'S',  'W',  1, 0x84, 0x94, 9,   4,  'U',
                                'T', 'F', '8', 0x80, 0x80, 4, 3,    '1',  '.', '0'};

/* Where reads go, so that they are not optimised away. */
static volatile unsigned sink;

static void
require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "broken promise: %s\n", what);
	abort();
}

static void
touch(const char *bytes, size_t len)
{
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (unsigned char) bytes[i];
	sink = sum;
}

static void
touch_relation(const Relation *r)
{
	int keys = 0;

	touch(r->schema, strlen(r->schema));
	touch(r->name, strlen(r->name));
	for (int i = 0; i < r->column_count; i++)
	{
		touch(r->columns[i].name, strlen(r->columns[i].name));
		keys += r->columns[i].is_key;
	}
	require(keys == r->key_count, "keys are counted");
}

static void
touch_values(const Relation *r, const Value *values, bool old)
{
	if (values == NULL)
		return;
	for (int i = 0; i < r->column_count; i++)
	{
		const Value *v = &values[i];

		if (v->state == VALUE_PRESENT)
		{
			touch(v->data, v->len);
			require(r->columns[i].fixed_len == 0 || r->columns[i].fixed_len == v->len,
			        "fixed values have their length");
		}
		else
			require(v->data == NULL && v->len == 0, "no state but PRESENT has data");
		require(!old || v->state != VALUE_UNCHANGED, "old rows hold no unchanged values");
		require(old || v->state != VALUE_ABSENT, "new rows are whole");
	}
}

static void
touch_change(const Change *c)
{
	if (c->relation != NULL)
	{
		touch_relation(c->relation);
		touch_values(c->relation, c->old_values, true);
		touch_values(c->relation, c->new_values, false);
	}
	for (int i = 0; i < c->truncated_count; i++)
		touch_relation(c->truncated[i]);
	if (c->kind == CHANGE_MESSAGE)
	{
		touch(c->prefix, strlen(c->prefix));
		touch(c->content, c->content_len);
	}
}

/* Pulls what one message gives; false when the session is over. */
static bool
pull(TxnAssembler *txn, SourceLsn *position, Error *err)
{
	bool was_open = txn_is_open(txn);
	SourceEvent event;

	for (;;)
	{
		if (!txn_next(txn, &event, err))
			return false;
		switch (event.kind)
		{
			case SOURCE_IDLE:
				return true;
			case SOURCE_REVOKE:
				require(!was_open, "what went ahead is revoked between transactions");
				break;
			case SOURCE_BEGIN:
				require(!was_open, "transactions do not overlap");
				require(event.header->commit.value >= position->value, "commits do not go back");
				touch(event.header->origin, strlen(event.header->origin));
				was_open = true;
				break;
			case SOURCE_CHANGE:
				require(was_open != event.ahead, "changes are inside of transactions, or go ahead");
				touch_change(event.change);
				break;
			case SOURCE_COMMIT:
				require(was_open, "a commit has its begin");
				was_open = false;
				*position = event.header->end;
				break;
			case SOURCE_KEEPALIVE:
				require(false, "keepalives are not the assembler's");
		}
	}
}

/* Hands over a copy of its own size, so that a read past its end is seen. */
static bool
feed(TxnAssembler *txn, const uint8_t *bytes, size_t len, SourceLsn *position)
{
	uint8_t *copy = memcpy(xmalloc(len), bytes, len);
	Error err;
	bool ok;

	error_clear(&err);
	ok = txn_message(txn, copy, len, &err) && pull(txn, position, &err);
	require(ok || (err.set && err.sqlstate[0] != '\0' && err.message[0] != '\0'),
	        "a failure has its error");
	require(ok || strcmp(err.sqlstate, ERR_INTERNAL) != 0, "the error is the source's");
	free(copy);
	return ok;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TxnOptions options = {.work_dir = "/tmp", .spool_limit = 1 << 20};
	SourceLsn position = {0};
	TxnAssembler *txn;
	bool ok = true;

	if (size < 1)
		return 0;
	options.streaming = (data[0] & SWITCH_STREAMING) != 0;
	options.ahead = (data[0] & SWITCH_AHEAD) != 0;
	options.memory_limit = (data[0] & SWITCH_FILES) ? 0 : 1 << 20;
	txn = txn_create(&options);
	if (data[0] & SWITCH_HELLO)
		ok = feed(txn, hello, sizeof(hello), &position);
	data++;
	size--;
	while (ok && size >= 2)
	{
		size_t len = (size_t) data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		ok = feed(txn, data, len, &position);
		data += len;
		size -= len;
	}
	txn_destroy(txn);
	return 0;
}
