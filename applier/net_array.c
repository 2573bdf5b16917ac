/*
 * net_array.c
 *		See net_array.h.  The binary format is that of array_send(), the text one that of array_in().
 */
#include "net_array.h"

#include <string.h>

/* dimensions, flags, element type, then for the one dimension its length and lower bound */
#define HEADER_BYTES 20
#define FLAGS_AT     4
#define COUNT_AT     12

static void
put_uint32(char *to, uint32_t value)
{
	to[0] = (char) (value >> 24);
	to[1] = (char) (value >> 16);
	to[2] = (char) (value >> 8);
	to[3] = (char) value;
}

void
net_array_begin(NetArray *array, bool binary, uint32_t element_type, char delimiter)
{
	char header[HEADER_BYTES];

	strbuf_reset(&array->data);
	array->binary = binary;
	array->delimiter = delimiter;
	array->has_null = false;
	array->count = 0;
	if (!binary)
	{
		strbuf_putc(&array->data, '{');
		return;
	}
	put_uint32(header, 1);
	put_uint32(header + FLAGS_AT, 0);
	put_uint32(header + 8, element_type);
	put_uint32(header + COUNT_AT, 0);
	put_uint32(header + 16, 1);
	strbuf_add(&array->data, header, sizeof(header));
}

static void
add_text(NetArray *array, const Value *value)
{
	const char *at = value->data;
	const char *end = at + value->len;

	strbuf_putc(&array->data, '"');
	while (at < end)
	{
		const char *plain = at;

		while (at < end && *at != '"' && *at != '\\')
			at++;
		strbuf_add(&array->data, plain, (size_t) (at - plain));
		if (at < end)
		{
			strbuf_putc(&array->data, '\\');
			strbuf_putc(&array->data, *at++);
		}
	}
	strbuf_putc(&array->data, '"');
}

void
net_value_put(StrBuf *data, const Value *value)
{
	bool present = value->state == VALUE_PRESENT;
	uint32_t len = present ? value->len : 0;

	strbuf_reserve(data, len + 5);
	put_uint32(data->data + data->len, present ? len : UINT32_MAX);
	if (len > 0)
		memcpy(data->data + data->len + 4, value->data, len);
	data->len += 4 + (size_t) len;
}

void
net_array_add(NetArray *array, const Value *value)
{
	StrBuf *data = &array->data;
	bool present = value->state == VALUE_PRESENT;

	array->has_null |= !present;
	if (array->binary)
		net_value_put(data, value);
	else
	{
		if (array->count > 0)
			strbuf_putc(data, array->delimiter);
		if (present)
			add_text(array, value);
		else
			strbuf_puts(data, "NULL");
	}
	array->count++;
}

void
net_array_end(NetArray *array)
{
	if (!array->binary)
	{
		strbuf_putc(&array->data, '}');
		return;
	}
	put_uint32(array->data.data + FLAGS_AT, array->has_null ? 1 : 0);
	put_uint32(array->data.data + COUNT_AT, array->count);
}
