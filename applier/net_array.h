/*
 * net_array.h
 *		Values of one column as an array in PostgreSQL's own formats, to be a parameter.
 */
#ifndef DTS_NET_ARRAY_H
#define DTS_NET_ARRAY_H

#include <stdbool.h>
#include <stdint.h>

#include "change.h"
#include "strbuf.h"

/* An array under construction.  The buffer is kept from one to the next. */
typedef struct NetArray
{
	StrBuf data;
	bool binary;
	char delimiter; /* of the element type, in text */
	bool has_null;
	uint32_t count;
} NetArray;

void net_array_begin(NetArray *array, bool binary, uint32_t element_type, char delimiter);

/* Anything but VALUE_PRESENT is NULL. */
void net_array_add(NetArray *array, const Value *value);

/* A value as arrays and COPY have it in binary: its length and its bytes.  Anything but VALUE_PRESENT is NULL. */
void net_value_put(StrBuf *data, const Value *value);

/* Completes the array: binary, data.len bytes; or text with a NUL behind it. */
void net_array_end(NetArray *array);

#endif /* DTS_NET_ARRAY_H */
