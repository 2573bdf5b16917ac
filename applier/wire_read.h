/*
 * wire_read.h
 *		Reads the dts wire format (decoder/wire.h is its specification).
 *
 * A WireReader belongs to one session: it holds what the session has described (relations,
 * origins).  A message is opened with wire_read_begin() and its records are then pulled one by one;
 * what is handed out points into the message, or into the reader until its next call.  The reader
 * checks form and bounds of everything; the order of messages is txn.c's matter.
 */
#ifndef DTS_WIRE_READ_H
#define DTS_WIRE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../decoder/wire.h"
#include "change.h"
#include "error.h"
#include "long_values.h"

typedef struct WireReader WireReader;

/* A message without its records.  Fields that its kind does not have are 0. */
typedef struct WireMessage
{
	DtsMessageKind kind;
	bool has_records;
	uint8_t flags;         /* DTS_CHUNK_* */
	TxnHeader header;      /* origin lives as long as the reader */
	uint64_t chunk_number; /* TXN, PREPARE, STREAM */
	uint32_t xid;          /* top transaction; with a header the same as there */
	uint32_t aborted_xid;  /* STREAM_ABORT */
	const char *gid;       /* NUL-terminated, until the next message */
	SourceLsn prepare_end; /* COMMIT_PREPARED, ROLLBACK_PREPARED */

	/* HELLO; texts live as long as the reader */
	uint32_t server_version;
	uint64_t chunk_size;
	const char *encoding;
	const char *decoder_version;
} WireMessage;

/* How the records of a message are to be read. */
typedef struct WireRecords
{
	LongValues *longs; /* of the transaction that they belong to */
	bool known;        /* a replay: their relations were read before */

	/*
	 * Whether the records of this (sub)transaction are to be left out; NULL: none is.  Their long
	 * values are counted apart.
	 */
	bool (*dropped)(void *arg, uint32_t xid);
	LongValues *dropped_longs;

	/*
	 * Long values of this (sub)transaction came without the record that uses them, which is fine
	 * if it was aborted while it was being decoded; NULL: it is an error.
	 */
	void (*cut_off)(void *arg, uint32_t xid);
	void *arg;
} WireRecords;

typedef enum WireStep
{
	WIRE_CHANGE, /* a change was handed out */
	WIRE_END,    /* the message has been read to its end */
	WIRE_FAILED,
} WireStep;

WireReader *wire_reader_create(void);
void wire_reader_destroy(WireReader *reader); /* NULL is allowed */

/*
 * Reads a message up to its records, or whole when it has none.  The bytes must stay until the last
 * record was used.  Errors are ERR_PROTOCOL and name message, record, offset and expectation.
 */
bool wire_read_begin(WireReader *reader, const void *bytes, size_t len, WireMessage *message,
                     Error *err) must_check;

/* Must precede the first wire_read_next() of a message that has records. */
void wire_read_records(WireReader *reader, const WireRecords *records);

/* The next change; *bytes is what it took on the wire, its long values and description included. */
WireStep wire_read_next(WireReader *reader, Change *change, size_t *bytes, Error *err) must_check;

/* The (sub)transaction that the last change belongs to, and the descriptions read so far. */
uint32_t wire_read_xid(const WireReader *reader);
const Relation *wire_read_relation(const WireReader *reader, uint64_t number);

/* An ERR_PROTOCOL about the message last begun, for what its reader finds wrong with it. */
void wire_read_error(const WireReader *reader, Error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Names for people; NULL for a kind that does not exist. */
const char *wire_message_name(unsigned kind);
const char *wire_record_name(unsigned kind);

#endif /* DTS_WIRE_READ_H */
