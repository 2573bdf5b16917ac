/*
 * wire_cursor.c
 *		The slow ways of wire_cursor.h.
 */
#include "wire_cursor.h"

#include "../decoder/wire.h"

void
cursor_note_failure(WireCursor *c, const uint8_t *at, const char *expected)
{
	c->failed_at = at;
	c->expected = expected;
}

bool
cursor_uv_long(WireCursor *c, uint64_t *value)
{
	const uint8_t *first = c->at;
	uint64_t result = 0;

	for (int i = 0; i < DTS_WIRE_MAX_VARINT; i++)
	{
		uint8_t byte;

		if (c->at >= c->end)
			return cursor_fail(c, first, "a whole varint");
		byte = *c->at++;
		/* the tenth byte holds the one bit that is left */
		if (i == DTS_WIRE_MAX_VARINT - 1 && byte > 1)
			return cursor_fail(c, first, "a varint of at most 64 bits");
		result |= (uint64_t) (byte & 0x7f) << (7 * i);
		if ((byte & 0x80) == 0)
		{
			if (byte == 0 && i > 0)
				return cursor_fail(c, first, "a varint in its shortest form");
			*value = result;
			return true;
		}
	}
	return cursor_fail(c, first, "a varint of at most ten bytes");
}

bool
cursor_str(WireCursor *c, const char **text, size_t *len, const char *expected)
{
	const uint8_t *at = c->at;

	if (!cursor_counted(c, text, len, expected))
		return false;
	if (memchr(*text, '\0', *len) != NULL)
		return cursor_fail(c, at, "a string without a NUL byte");
	return true;
}
