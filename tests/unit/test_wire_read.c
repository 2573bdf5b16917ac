/*
 * test_wire_read.c
 *		The wire reader against the golden vectors, and against damage done to them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "golden.h"
#include "reading.h"
#include "txn.h"
#include "wire_cursor.h"
#include "wire_read.h"

/* Long values of every transaction in progress, as txn.c keeps them. */
#define TXN_MAX 8
typedef struct Session
{
	WireReader *reader;
	uint32_t xids[TXN_MAX];
	LongValues *longs[TXN_MAX];
	int count;
} Session;

static void
session_begin(Session *s)
{
	memset(s, 0, sizeof(*s));
	s->reader = wire_reader_create();
}

static void
session_end(Session *s)
{
	for (int i = 0; i < s->count; i++)
		long_values_destroy(s->longs[i]);
	wire_reader_destroy(s->reader);
}

static LongValues *
session_longs(Session *s, uint32_t xid)
{
	for (int i = 0; i < s->count; i++)
	{
		if (s->xids[i] == xid)
			return s->longs[i];
	}
	assert_true(s->count < TXN_MAX);
	s->xids[s->count] = xid;
	return s->longs[s->count++] = long_values_create(true);
}

static bool
session_open(Session *s, const void *bytes, size_t len, WireMessage *m, Error *err)
{
	WireRecords records = {0};

	if (!wire_read_begin(s->reader, bytes, len, m, err))
		return false;
	records.longs = session_longs(s, m->xid);
	if (m->has_records)
		wire_read_records(s->reader, &records);
	return true;
}

/* Reads a whole message; *changes is how many it had. */
static bool
session_read(Session *s, const void *bytes, size_t len, int *changes, Error *err)
{
	WireMessage m;
	Change change;
	WireStep step;
	size_t size;

	*changes = 0;
	if (!session_open(s, bytes, len, &m, err))
		return false;
	if (!m.has_records)
		return true;
	while ((step = wire_read_next(s->reader, &change, &size, err)) == WIRE_CHANGE)
		++*changes;
	return step == WIRE_END;
}

/* Feeds the messages before n, which are good. */
static void
session_replay(Session *s, const Golden *g, int n)
{
	Error err;
	int changes;

	session_begin(s);
	for (int i = 0; i < n; i++)
		assert_true(session_read(s, g->messages[i].bytes, g->messages[i].len, &changes, &err));
}

/*
 * The reader resolves fragments, so the expected text has to: collects whole values, and puts them
 * where the record says "long".
 */
typedef struct Expected
{
	char *whole[16];
	int count;
	char open[8192];
	unsigned xid;
} Expected;

static void
expect_fragment(Expected *e, const char *line)
{
	const char *hex = strrchr(line, ' ') + 1;
	char flags[4];

	assert_int_equal(sscanf(line, "fragment %3s", flags), 1);
	if (strchr(flags, 'F') != NULL)
		e->open[0] = '\0';
	if (strcmp(hex, "''") != 0)
		strcat(e->open, hex);
	if (strchr(flags, 'L') != NULL)
		e->whole[e->count++] = xstrdup(e->open[0] != '\0' ? e->open : "''");
}

static void
expect_record(Expected *e, const char *line, StrBuf *to)
{
	int used = 0;

	strbuf_reset(to);
	while (*line != '\0')
	{
		if (strncmp(line, "long", 4) == 0 && strchr("( ", line[-1]) != NULL &&
		    strchr("),", line[4]) != NULL)
		{
			assert_true(used < e->count);
			strbuf_puts(to, e->whole[used++]);
			line += 4;
		}
		else
			strbuf_putc(to, *line++);
	}
	assert_int_equal(used, e->count);
	while (e->count > 0)
		free(e->whole[--e->count]);
}

/* Without what a Relation does not keep: the root's OID, and the flag of rewrites. */
static void
expect_relation(const char *line, StrBuf *to)
{
	const char *root = strstr(line, " root=");
	const char *flags = strstr(line, " flags=");

	strbuf_reset(to);
	for (const char *p = line; *p != '\0'; p++)
	{
		if (p > flags && p < root && *p == 'W')
			continue;
		strbuf_putc(to, *p);
		if (p == root + strlen(" root=") - 1 && p[1] != '-')
			p = strchr(p, ':');
	}
}

static void
check_message(Session *s, const Golden *g, const GoldenMessage *g_message, Expected *e)
{
	StrBuf want, got;
	WireMessage m;
	Change change;
	Error err;
	size_t size, total = 0;

	strbuf_init(&want);
	strbuf_init(&got);
	error_clear(&err);
	if (!session_open(s, g_message->bytes, g_message->len, &m, &err))
		fail_msg("%s: %s: %s", g->name, err.message, err.detail);
	reading_message(&got, &m);
	assert_string_equal(got.data, g_message->readings[0]);
	e->xid = m.xid;
	for (int i = 1; i < g_message->reading_count; i++)
	{
		const char *line = g_message->readings[i];

		if (strncmp(line, "relation ", 9) == 0)
			continue;
		if (strncmp(line, "fragment ", 9) == 0)
			expect_fragment(e, line);
		else if (sscanf(line, "subxact %u", &e->xid) != 1)
		{
			if (wire_read_next(s->reader, &change, &size, &err) != WIRE_CHANGE)
				fail_msg("%s: %s: %s: %s", g->name, line, err.message, err.detail);
			total += size;
			strbuf_reset(&got);
			reading_change(&got, &change);
			expect_record(e, line, &want);
			assert_string_equal(got.data, want.data);
			assert_int_equal(wire_read_xid(s->reader), e->xid);
		}
	}
	if (m.has_records)
		assert_int_equal(wire_read_next(s->reader, &change, &size, &err), WIRE_END);
	assert_true(total <= g_message->len);
	for (int i = 1; i < g_message->reading_count; i++)
	{
		uint64_t number;

		if (sscanf(g_message->readings[i], "relation %" SCNu64, &number) != 1)
			continue;
		expect_relation(g_message->readings[i], &want);
		strbuf_reset(&got);
		reading_relation(&got, wire_read_relation(s->reader, number), number);
		assert_string_equal(got.data, want.data);
	}
	strbuf_free(&want);
	strbuf_free(&got);
}

static void
reads_golden_vectors_as_written(void **state)
{
	int count, read = 0;
	Golden *vectors = golden_load("", &count);

	(void) state;
	for (int i = 0; i < count; i++)
	{
		Expected expected = {0};
		Session s;

		if (strncmp(vectors[i].name, "bad_", 4) == 0)
			continue;
		session_begin(&s);
		for (int k = 0; k < vectors[i].count; k++)
			check_message(&s, &vectors[i], &vectors[i].messages[k], &expected);
		assert_int_equal(expected.count, 0);
		session_end(&s);
		read++;
	}
	assert_true(read >= 10);
	golden_free(vectors, count);
}

static bool
feed(TxnAssembler *txn, const GoldenMessage *m, Error *err)
{
	SourceEvent event;

	if (!txn_message(txn, m->bytes, m->len, err))
		return false;
	do
	{
		if (!txn_next(txn, &event, err))
			return false;
	} while (event.kind != SOURCE_IDLE);
	return true;
}

static void
refuses_malformed_golden_vectors(void **state)
{
	int count;
	Golden *vectors = golden_load("bad_", &count);
	TxnOptions options = {.streaming = true, .memory_limit = 1 << 20};

	(void) state;
	assert_true(count >= 20);
	for (int i = 0; i < count; i++)
	{
		TxnAssembler *txn = txn_create(&options);

		for (int k = 0; k < vectors[i].count; k++)
		{
			GoldenMessage *m = &vectors[i].messages[k];
			Error err;

			error_clear(&err);
			if (feed(txn, m, &err) == m->refused)
				fail_msg("%s: %s %s", vectors[i].name, err.message, err.detail);
			if (!m->refused)
				continue;
			assert_string_equal(err.sqlstate, ERR_PROTOCOL);
			assert_non_null(strstr(err.message, " message "));
			assert_non_null(strstr(err.detail, " at byte "));
			assert_true(err.hint[0] != '\0');
		}
		txn_destroy(txn);
	}
	golden_free(vectors, count);
}

/*
 * A message may end at the border of a record, so a cut there reads well, with fewer changes; a cut
 * anywhere else must be found.  The bytes are copied to a block of their own size, so that a
 * sanitizer sees a read past the end.
 */
static void
refuses_truncated_messages(void **state)
{
	int count;
	Golden *vectors = golden_load("", &count);

	(void) state;
	for (int i = 0; i < count; i++)
	{
		for (int k = 0; k < vectors[i].count && !vectors[i].messages[k].refused; k++)
		{
			GoldenMessage *m = &vectors[i].messages[k];
			int whole, accepted = 0;
			Session s;
			Error err;

			session_replay(&s, &vectors[i], k);
			assert_true(session_read(&s, m->bytes, m->len, &whole, &err));
			session_end(&s);
			for (size_t len = 0; len < m->len; len++)
			{
				uint8_t *cut = xmalloc(len);
				int changes;

				memcpy(cut, m->bytes, len);
				session_replay(&s, &vectors[i], k);
				if (session_read(&s, cut, len, &changes, &err))
				{
					accepted++;
					assert_true(changes <= whole);
				}
				else
				{
					assert_string_equal(err.sqlstate, ERR_PROTOCOL);
					assert_true(err.detail[0] != '\0');
				}
				session_end(&s);
				free(cut);
			}
			/* the reading's first line is the message, the others are records */
			assert_int_equal(accepted, m->reading_count - 1);
		}
	}
	golden_free(vectors, count);
}

/* Whatever comes of it, it must not crash, and an error must be complete. */
static void
survives_flipped_bits(void **state)
{
	int count, refused = 0;
	Golden *vectors = golden_load("", &count);

	(void) state;
	for (int i = 0; i < count; i++)
	{
		for (int k = 0; k < vectors[i].count && !vectors[i].messages[k].refused; k++)
		{
			GoldenMessage *m = &vectors[i].messages[k];

			for (size_t bit = 0; bit < 8 * m->len; bit++)
			{
				uint8_t *copy = xmalloc(m->len);
				Session s;
				Error err;
				int changes;

				memcpy(copy, m->bytes, m->len);
				copy[bit / 8] ^= (uint8_t) (1u << (bit % 8));
				session_replay(&s, &vectors[i], k);
				error_clear(&err);
				if (!session_read(&s, copy, m->len, &changes, &err))
				{
					assert_string_equal(err.sqlstate, ERR_PROTOCOL);
					assert_non_null(strstr(err.detail, "Expected "));
					refused++;
				}
				session_end(&s);
				free(copy);
			}
		}
	}
	assert_true(refused > 1000);
	golden_free(vectors, count);
}

static void
errors_name_message_record_offset_and_expectation(void **state)
{
	static const uint8_t bytes[] = {'S', 5, 0, 'I', 9, 0};
	Session s;
	Error err;
	int changes;

	(void) state;
	session_begin(&s);
	assert_false(session_read(&s, bytes, sizeof(bytes), &changes, &err));
	assert_string_equal(err.message, "malformed message \"stream\" from the source");
	assert_string_equal(err.detail, "Expected the number of a relation that was described before "
	                                "at byte 4 of 6, in record \"insert\".");
	session_end(&s);
}

static void
refuses_a_message_over_the_limit(void **state)
{
	size_t len = DTS_WIRE_MAX_MESSAGE + 1;
	uint8_t *bytes = xcalloc(len, 1);
	Session s;
	Error err;
	int changes;

	(void) state;
	bytes[0] = 'S';
	bytes[1] = 5;
	session_begin(&s);
	assert_false(session_read(&s, bytes, len, &changes, &err));
	assert_non_null(strstr(err.detail, "at most 4 MB"));
	session_end(&s);
	free(bytes);
}

static void
varints_have_one_form(void **state)
{
	static const struct
	{
		const char *bytes;
		size_t len;
		bool good;
		uint64_t value;
	} cases[] = {
	    {"\x00", 1, true, 0},
	    {"\x7f", 1, true, 127},
	    {"\x80\x01", 2, true, 128},
	    {"\xff\xff\xff\xff\x0f", 5, true, UINT32_MAX},
	    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, true, UINT64_MAX},
	    {"", 0, false, 0},
	    {"\x80", 1, false, 0},
	    {"\x80\x00", 2, false, 0},
	    {"\xff\x80\x00", 3, false, 0},
	    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, false, 0},
	    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11, false, 0},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		WireCursor c;
		uint64_t value = 0;

		cursor_init(&c, cases[i].bytes, cases[i].len);
		assert_int_equal(cursor_uv(&c, &value), cases[i].good);
		if (cases[i].good)
		{
			assert_true(value == cases[i].value);
			assert_int_equal(cursor_left(&c), 0);
		}
		else
			assert_non_null(c.expected);
	}
}

/* Puts a RELATION record for a table with one column into a STREAM message. */
static size_t
describe(uint8_t *to, uint8_t number, uint8_t oid, char column)
{
	const uint8_t bytes[] = {'r', number,           oid, 1, 's', 1, 't', 'r', 'd', 0, 1, 0,
	                         1,   (uint8_t) column, 25,  0, 't'};

	memcpy(to, bytes, sizeof(bytes));
	return sizeof(bytes);
}

static void
an_unchanged_description_is_not_kept_twice(void **state)
{
	uint8_t message[256] = {'S', 5, 0};
	size_t len = 3;
	Session s;
	Error err;
	int changes;

	(void) state;
	len += describe(message + len, 1, 10, 'a');
	len += describe(message + len, 2, 11, 'a');
	len += describe(message + len, 3, 10, 'a');
	len += describe(message + len, 4, 10, 'b');
	session_begin(&s);
	assert_true(session_read(&s, message, len, &changes, &err));
	assert_ptr_equal(wire_read_relation(s.reader, 1), wire_read_relation(s.reader, 3));
	assert_ptr_not_equal(wire_read_relation(s.reader, 1), wire_read_relation(s.reader, 2));
	assert_ptr_not_equal(wire_read_relation(s.reader, 1), wire_read_relation(s.reader, 4));
	assert_string_equal(wire_read_relation(s.reader, 1)->columns[0].name, "a");
	assert_string_equal(wire_read_relation(s.reader, 4)->columns[0].name, "b");
	assert_null(wire_read_relation(s.reader, 0));
	assert_null(wire_read_relation(s.reader, 5));
	session_end(&s);
}

static void
keeps_ten_thousand_relations(void **state)
{
	Session s;

	(void) state;
	session_begin(&s);
	for (uint32_t n = 1; n <= 10000; n++)
	{
		uint8_t message[64] = {'S', 5, 0, 'r'};
		const uint8_t rest[] = {1, 's', 1, 't', 'r', 'd', 0, 0};
		size_t len = 4;
		Error err;
		int changes;

		for (int twice = 0; twice < 2; twice++) /* number and OID */
		{
			uint32_t v = n;

			for (; v >= 0x80; v >>= 7)
				message[len++] = (uint8_t) (v | 0x80);
			message[len++] = (uint8_t) v;
		}
		memcpy(message + len, rest, sizeof(rest));
		assert_true(session_read(&s, message, len + sizeof(rest), &changes, &err));
	}
	for (uint32_t n = 1; n <= 10000; n++)
		assert_int_equal(wire_read_relation(s.reader, n)->oid, n);
	session_end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_golden_vectors_as_written),
	    cmocka_unit_test(refuses_malformed_golden_vectors),
	    cmocka_unit_test(refuses_truncated_messages),
	    cmocka_unit_test(survives_flipped_bits),
	    cmocka_unit_test(errors_name_message_record_offset_and_expectation),
	    cmocka_unit_test(refuses_a_message_over_the_limit),
	    cmocka_unit_test(varints_have_one_form),
	    cmocka_unit_test(an_unchanged_description_is_not_kept_twice),
	    cmocka_unit_test(keeps_ten_thousand_relations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
