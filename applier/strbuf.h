/*
 * strbuf.h
 *		A growing string, always NUL-terminated.  Owned by whoever called strbuf_init().
 */
#ifndef DTS_STRBUF_H
#define DTS_STRBUF_H

#include <stddef.h>
#include <stdint.h>

typedef struct StrBuf
{
	char *data;
	size_t len;
	size_t size;
} StrBuf;

void strbuf_init(StrBuf *buf);
void strbuf_free(StrBuf *buf);
void strbuf_reset(StrBuf *buf); /* empty, memory kept */
void strbuf_reserve(StrBuf *buf, size_t more);
void strbuf_add(StrBuf *buf, const void *bytes, size_t len);
void strbuf_puts(StrBuf *buf, const char *text);
void strbuf_putc(StrBuf *buf, char c);
void strbuf_printf(StrBuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An SQL identifier, always quoted, and "schema"."name". */
void strbuf_ident(StrBuf *buf, const char *name);
void strbuf_qualified(StrBuf *buf, const char *schema, const char *name);

/* An SQL string literal, safe under any standard_conforming_strings. */
void strbuf_literal(StrBuf *buf, const char *text);

#endif /* DTS_STRBUF_H */
