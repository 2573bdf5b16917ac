/*
 * wire_write.h
 *		Putting the wire format (wire.h) together in one growing buffer.
 *
 * Needs nothing of the server, so that it can be tested without one: memory comes from
 * the function in WireBuffer, which must not return NULL.  Everything on the path of a
 * row is inline; "raw" functions write at a pointer for which the caller has made room.
 */
#ifndef DTS_WIRE_WRITE_H
#define DTS_WIRE_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire.h"

typedef struct WireBuffer
{
	uint8_t *data;
	size_t len;
	size_t cap;
	void *(*grow)(void *data, size_t size); /* data NULL at first; size in bytes */
} WireBuffer;

/* What the wire calls a header. */
typedef struct WireHeader
{
	uint32_t xid;
	uint64_t commit_lsn;
	uint64_t end_lsn;
	int64_t time;
	const char *origin;
} WireHeader;

/* A REFUSED record; texts are never NULL. */
typedef struct WireRefusal
{
	uint32_t relation;
	uint8_t operation;
	const char *sqlstate;
	const char *column;
	const char *expression;
	uint32_t position;
	const char *message;
	const char *detail;
	const char *hint;
	const char *key;
} WireRefusal;

extern void wire_buffer_grow(WireBuffer *buf, size_t room);
extern void wire_put_hello(WireBuffer *buf, uint32_t server_version, const char *encoding,
                           uint32_t chunk_size, const char *decoder_version);
extern void wire_put_header(WireBuffer *buf, const WireHeader *header);
/* Starts a TXN (gid NULL) or PREPARE chunk; its flags are the byte at WIRE_FLAGS_AT. */
extern void wire_put_chunk(WireBuffer *buf, uint8_t flags, const WireHeader *header,
                           const char *gid, uint64_t number);
extern void wire_put_stream(WireBuffer *buf, uint32_t xid, uint64_t number);
extern void wire_put_stream_abort(WireBuffer *buf, uint32_t top, uint32_t aborted);
/* The messages that are a header and, except STREAM_COMMIT, a gid. */
extern void wire_put_ending(WireBuffer *buf, DtsMessageKind kind, const WireHeader *header,
                            const char *gid, uint64_t prepare_end);
extern void
wire_put_fragment(WireBuffer *buf, uint8_t flags, uint64_t total, const void *data, size_t length);
extern void wire_put_refused(WireBuffer *buf, const WireRefusal *refusal);
extern void wire_put_message(WireBuffer *buf, const char *prefix, const void *data, size_t length);

#define WIRE_FLAGS_AT 1

static inline void
wire_reserve(WireBuffer *buf, size_t room)
{
	if (buf->cap - buf->len < room)
		wire_buffer_grow(buf, room);
}

static inline uint8_t *
wire_raw_varint(uint8_t *at, uint64_t value)
{
	while (value >= 0x80)
	{
		*at++ = (uint8_t) (value | 0x80);
		value >>= 7;
	}
	*at++ = (uint8_t) value;
	return at;
}

static inline uint8_t *
wire_raw_bytes(uint8_t *at, const void *data, size_t length)
{
	memcpy(at, data, length);
	return at + length;
}

/* Copies host-order integers as most significant byte first. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WIRE_SWAP16(x) __builtin_bswap16(x)
#define WIRE_SWAP32(x) __builtin_bswap32(x)
#define WIRE_SWAP64(x) __builtin_bswap64(x)
#else
#define WIRE_SWAP16(x) (x)
#define WIRE_SWAP32(x) (x)
#define WIRE_SWAP64(x) (x)
#endif

static inline uint8_t *
wire_raw_copy16(uint8_t *at, const void *from)
{
	uint16_t value;

	memcpy(&value, from, sizeof(value));
	value = WIRE_SWAP16(value);
	return wire_raw_bytes(at, &value, sizeof(value));
}

static inline uint8_t *
wire_raw_copy32(uint8_t *at, const void *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	value = WIRE_SWAP32(value);
	return wire_raw_bytes(at, &value, sizeof(value));
}

static inline uint8_t *
wire_raw_copy64(uint8_t *at, const void *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	value = WIRE_SWAP64(value);
	return wire_raw_bytes(at, &value, sizeof(value));
}

static inline void
wire_put_byte(WireBuffer *buf, uint8_t value)
{
	wire_reserve(buf, 1);
	buf->data[buf->len++] = value;
}

static inline void
wire_put_varint(WireBuffer *buf, uint64_t value)
{
	wire_reserve(buf, DTS_WIRE_MAX_VARINT);
	buf->len = (size_t) (wire_raw_varint(buf->data + buf->len, value) - buf->data);
}

static inline void
wire_put_u64(WireBuffer *buf, uint64_t value)
{
	wire_reserve(buf, 8);
	wire_raw_copy64(buf->data + buf->len, &value);
	buf->len += 8;
}

static inline void
wire_put_bytes(WireBuffer *buf, const void *data, size_t length)
{
	wire_reserve(buf, length);
	memcpy(buf->data + buf->len, data, length);
	buf->len += length;
}

/* Length and bytes: a str, or a value of variable length. */
static inline void
wire_put_counted(WireBuffer *buf, const void *data, size_t length)
{
	wire_put_varint(buf, length);
	wire_put_bytes(buf, data, length);
}

static inline void
wire_put_str(WireBuffer *buf, const char *text)
{
	wire_put_counted(buf, text, strlen(text));
}

#endif /* DTS_WIRE_WRITE_H */
