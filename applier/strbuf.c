/*
 * strbuf.c
 *		A growing string; see strbuf.h.
 */
#include "strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#define STRBUF_FIRST 256

void
strbuf_init(StrBuf *buf)
{
	buf->data = xmalloc(STRBUF_FIRST);
	buf->data[0] = '\0';
	buf->len = 0;
	buf->size = STRBUF_FIRST;
}

void
strbuf_free(StrBuf *buf)
{
	free(buf->data);
	memset(buf, 0, sizeof(*buf));
}

void
strbuf_reset(StrBuf *buf)
{
	buf->len = 0;
	buf->data[0] = '\0';
}

void
strbuf_reserve(StrBuf *buf, size_t more)
{
	size_t want = buf->len + more + 1;

	if (want <= buf->size)
		return;
	while (buf->size < want)
		buf->size *= 2;
	buf->data = xrealloc(buf->data, buf->size);
}

void
strbuf_add(StrBuf *buf, const void *bytes, size_t len)
{
	strbuf_reserve(buf, len);
	memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void
strbuf_puts(StrBuf *buf, const char *text)
{
	strbuf_add(buf, text, strlen(text));
}

void
strbuf_putc(StrBuf *buf, char c)
{
	strbuf_add(buf, &c, 1);
}

void
strbuf_printf(StrBuf *buf, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	strbuf_reserve(buf, (size_t) len);
	va_start(args, format);
	vsnprintf(buf->data + buf->len, (size_t) len + 1, format, args);
	va_end(args);
	buf->len += (size_t) len;
}

static void
put_quoted(StrBuf *buf, const char *text, char quote)
{
	strbuf_putc(buf, quote);
	for (; *text; text++)
	{
		if (*text == quote)
			strbuf_putc(buf, quote);
		strbuf_putc(buf, *text);
	}
	strbuf_putc(buf, quote);
}

void
strbuf_ident(StrBuf *buf, const char *name)
{
	put_quoted(buf, name, '"');
}

void
strbuf_qualified(StrBuf *buf, const char *schema, const char *name)
{
	strbuf_ident(buf, schema);
	strbuf_putc(buf, '.');
	strbuf_ident(buf, name);
}

void
strbuf_literal(StrBuf *buf, const char *text)
{
	if (strchr(text, '\\') != NULL)
	{
		/* E'' reads the same under either setting once backslashes are doubled */
		strbuf_puts(buf, " E'");
		for (; *text; text++)
		{
			if (*text == '\\' || *text == '\'')
				strbuf_putc(buf, *text);
			strbuf_putc(buf, *text);
		}
		strbuf_putc(buf, '\'');
	}
	else
		put_quoted(buf, text, '\'');
}
