/*
 * wire_write.c
 *		Messages and the records that are not rows, one function for each (see wire.h).
 *
 * Knows no server; rows are written by tuple.c, descriptions by relation.c.
 */
#include "wire_write.h"

void
wire_buffer_grow(WireBuffer *buf, size_t room)
{
	size_t cap = buf->cap < 1024 ? 1024 : buf->cap;

	while (cap - buf->len < room)
		cap *= 2;
	buf->data = buf->grow(buf->data, cap);
	buf->cap = cap;
}

void
wire_put_hello(WireBuffer *buf, uint32_t server_version, const char *encoding, uint32_t chunk_size,
               const char *decoder_version)
{
	wire_put_byte(buf, DTS_MSG_HELLO);
	wire_put_bytes(buf, DTS_WIRE_MAGIC, DTS_WIRE_MAGIC_LEN);
	wire_put_byte(buf, DTS_WIRE_VERSION);
	wire_put_varint(buf, server_version);
	wire_put_str(buf, encoding);
	wire_put_varint(buf, chunk_size);
	wire_put_str(buf, decoder_version);
}

void
wire_put_header(WireBuffer *buf, const WireHeader *header)
{
	wire_put_varint(buf, header->xid);
	wire_put_u64(buf, header->commit_lsn);
	wire_put_varint(buf, header->end_lsn - header->commit_lsn);
	wire_put_u64(buf, (uint64_t) header->time);
	wire_put_str(buf, header->origin);
}

void
wire_put_chunk(WireBuffer *buf, uint8_t flags, const WireHeader *header, const char *gid,
               uint64_t number)
{
	wire_put_byte(buf, gid ? DTS_MSG_PREPARE : DTS_MSG_TXN);
	wire_put_byte(buf, flags);
	wire_put_header(buf, header);
	if (gid)
		wire_put_str(buf, gid);
	wire_put_varint(buf, number);
}

void
wire_put_stream(WireBuffer *buf, uint32_t xid, uint64_t number)
{
	wire_put_byte(buf, DTS_MSG_STREAM);
	wire_put_varint(buf, xid);
	wire_put_varint(buf, number);
}

void
wire_put_stream_abort(WireBuffer *buf, uint32_t top, uint32_t aborted)
{
	wire_put_byte(buf, DTS_MSG_STREAM_ABORT);
	wire_put_varint(buf, top);
	wire_put_varint(buf, aborted);
}

void
wire_put_ending(WireBuffer *buf, DtsMessageKind kind, const WireHeader *header, const char *gid,
                uint64_t prepare_end)
{
	wire_put_byte(buf, (uint8_t) kind);
	wire_put_header(buf, header);
	if (gid)
		wire_put_str(buf, gid);
	if (kind == DTS_MSG_COMMIT_PREPARED || kind == DTS_MSG_ROLLBACK_PREPARED)
		wire_put_u64(buf, prepare_end);
}

void
wire_put_fragment(WireBuffer *buf, uint8_t flags, uint64_t total, const void *data, size_t length)
{
	wire_put_byte(buf, DTS_REC_FRAGMENT);
	wire_put_byte(buf, flags);
	if (flags & DTS_FRAGMENT_FIRST)
		wire_put_varint(buf, total);
	wire_put_counted(buf, data, length);
}

void
wire_put_message(WireBuffer *buf, const char *prefix, const void *data, size_t length)
{
	wire_put_byte(buf, DTS_REC_MESSAGE);
	wire_put_str(buf, prefix);
	wire_put_counted(buf, data, length);
}

void
wire_put_refused(WireBuffer *buf, const WireRefusal *refusal)
{
	wire_put_byte(buf, DTS_REC_REFUSED);
	wire_put_varint(buf, refusal->relation);
	wire_put_byte(buf, refusal->operation);
	wire_put_str(buf, refusal->sqlstate);
	wire_put_str(buf, refusal->column);
	wire_put_str(buf, refusal->expression);
	wire_put_varint(buf, refusal->position);
	wire_put_str(buf, refusal->message);
	wire_put_str(buf, refusal->detail);
	wire_put_str(buf, refusal->hint);
	wire_put_str(buf, refusal->key);
}
