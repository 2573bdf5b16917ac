/*
 * wire_cursor.h
 *		Bounds-checked reading of the primitives of wire.h from one message.
 *
 * A read that fails notes where it stood and what it wanted, and returns false; the caller passes
 * the failure up, and wire_read.c alone makes an Error of it.  Nothing is copied.
 */
#ifndef DTS_WIRE_CURSOR_H
#define DTS_WIRE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct WireCursor
{
	const uint8_t *start;
	const uint8_t *at;
	const uint8_t *end;
	const uint8_t *failed_at;
	const char *expected; /* NULL: nothing failed so far */
} WireCursor;

static inline void
cursor_init(WireCursor *c, const void *bytes, size_t len)
{
	c->start = c->at = bytes;
	c->end = c->start + len;
	c->failed_at = NULL;
	c->expected = NULL;
}

static inline size_t
cursor_left(const WireCursor *c)
{
	return (size_t) (c->end - c->at);
}

void
cursor_note_failure(WireCursor *c, const uint8_t *at, const char *expected) __attribute__((cold));

/* Always false, so that a failed check reads "return cursor_fail(...)". */
static inline bool
cursor_fail(WireCursor *c, const uint8_t *at, const char *expected)
{
	cursor_note_failure(c, at, expected);
	return false;
}

/* The general case of cursor_uv(). */
bool cursor_uv_long(WireCursor *c, uint64_t *value);

static inline bool
cursor_u8(WireCursor *c, uint8_t *value)
{
	if (c->at >= c->end)
		return cursor_fail(c, c->at, "one more byte");
	*value = *c->at++;
	return true;
}

static inline bool
cursor_u64(WireCursor *c, uint64_t *value)
{
	uint64_t raw;

	if (cursor_left(c) < sizeof(raw))
		return cursor_fail(c, c->at, "eight bytes");
	memcpy(&raw, c->at, sizeof(raw));
	*value = __builtin_bswap64(raw);
	c->at += sizeof(raw);
	return true;
}

static inline bool
cursor_uv(WireCursor *c, uint64_t *value)
{
	if (__builtin_expect(c->at < c->end && *c->at < 0x80, 1))
	{
		*value = *c->at++;
		return true;
	}
	return cursor_uv_long(c, value);
}

/* A varint from min to max; otherwise the failure says "expected". */
static inline bool
cursor_uv_range(WireCursor *c, uint64_t min, uint64_t max, uint64_t *value, const char *expected)
{
	const uint8_t *at = c->at;

	if (!cursor_uv(c, value))
		return false;
	if (*value < min || *value > max)
		return cursor_fail(c, at, expected);
	return true;
}

static inline bool
cursor_bytes(WireCursor *c, size_t len, const char **bytes, const char *expected)
{
	if (cursor_left(c) < len)
		return cursor_fail(c, c->at, expected);
	*bytes = (const char *) c->at;
	c->at += len;
	return true;
}

/* Length and bytes. */
static inline bool
cursor_counted(WireCursor *c, const char **bytes, size_t *len, const char *expected)
{
	uint64_t n;

	if (!cursor_uv(c, &n))
		return false;
	if (n > cursor_left(c))
		return cursor_fail(c, c->at, expected);
	*bytes = (const char *) c->at;
	*len = (size_t) n;
	c->at += n;
	return true;
}

/* The str of the format: no NUL inside. */
bool cursor_str(WireCursor *c, const char **text, size_t *len, const char *expected);

#endif /* DTS_WIRE_CURSOR_H */
