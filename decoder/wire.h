/* clang-format off */
/*
 * wire.h
 *		The dts wire format, version 1: what dts_decoder writes and wire_read.c reads.
 *
 * This header is the specification.  It needs nothing but libc, and is the only
 * thing that the decoder and the applier share.  Golden vectors in tests/golden
 * hold both sides to it.
 *
 * Framing.  One CopyData payload, or one row of pg_logical_slot_get_binary_changes(),
 * is one message.  A message never exceeds DTS_WIRE_MAX_MESSAGE bytes; the writer
 * closes a message when it reaches the chunk size it was asked for (64 kB unless told
 * otherwise), so a transaction is one message when it is small and a run of chunks
 * when it is not.
 *
 * Notation.
 *		u8		one byte
 *		u64		eight bytes, most significant first
 *		uv		unsigned LEB128 varint, at most 10 bytes, shortest form only
 *		str		uv length, then that many bytes; no terminator, no NUL inside
 *		lsn		u64
 *		time	u64, microseconds since 2000-01-01 00:00 UTC, two's complement
 * Bytes left over at the end of a message are an error.
 *
 * Messages.  The first byte is a DTS_MSG_* kind.
 *
 *	HELLO			"DTSW" (4 bytes), u8 version, uv server_version_num, str encoding name,
 *					uv chunk size, str decoder version.
 *					First message of a session, and only there.
 *	TXN				u8 flags (DTS_CHUNK_*), header, uv chunk number from 0, records.
 *					A committed transaction.  The chunks of one follow each other without
 *					another message between them.  The flag LAST ends it.
 *	STREAM			uv top xid, uv chunk number from 0 within that transaction, records.
 *					A piece of a transaction in progress.  Pieces of several may interleave.
 *	STREAM_COMMIT	header.  The transaction whose pieces were streamed has committed.
 *	STREAM_ABORT	uv top xid, uv aborted xid.  Equal: forget the transaction.  Otherwise forget
 *					every record of that subtransaction (each subtransaction is named; the
 *					server reports children on their own).
 *	PREPARE			as TXN, with "str gid" after the header.  Header LSNs and time are those of
 *					the PREPARE record.
 *	STREAM_PREPARE	header, str gid.
 *	COMMIT_PREPARED	header, str gid, lsn end of the PREPARE record.
 *	ROLLBACK_PREPARED header, str gid, lsn end of the PREPARE record.
 *
 * header: uv top xid, lsn commit (start of the commit record), uv end (end of the commit record
 *		minus its start), time committed, str origin name (empty: written locally).
 *		A transaction belongs after a start point S iff commit >= S; positions use the end.
 *
 * Records.  The first byte is a DTS_REC_* kind.
 *
 *	RELATION		uv number, uv oid, str schema, str name, u8 relkind, u8 replica identity (the
 *					pg_class letter), u8 flags (DTS_REL_*), [if DTS_REL_HAS_ROOT: uv root oid, str
 *					root schema, str root name,] uv column count, then per column: u8 flags
 *					(DTS_ATT_*), str name, uv type oid, uv (typmod + 1), u8 format (DTS_FMT_*),
 *					[DTS_FMT_FIXED: uv length,] [DTS_ATT_TYPE_NAMED: str type schema, str type
 *					name].
 *					Numbers count up from 1 within a session and name one version of one
 *					relation's description for the rest of it; changes refer to the number.  A
 *					description is sent before its first use, in whichever message that is, and
 *					holds for the whole session even when the transaction around it aborts.
 *					Dropped and generated columns are left out.
 *	INSERT			uv number, tuple new.
 *	UPDATE			uv number, tuple new.  The row's identity did not change; it is read from new.
 *	UPDATE_KEY		uv number, tuple old (key columns only), tuple new.
 *	UPDATE_OLD		uv number, tuple old (all columns; identity FULL), tuple new.
 *	DELETE_KEY		uv number, tuple old (key columns only).
 *	DELETE_OLD		uv number, tuple old (all columns; identity FULL).
 *	NO_IDENTITY		uv number, u8 'U' or 'D'.  A row was updated or deleted of which WAL holds no
 *					usable identity.  The reader must stop; nothing can be applied.
 *	REFUSED			uv number, u8 'I', 'U' or 'D', str sqlstate, str column, str expression, uv position,
 *					str message, str detail, str hint, str key.  The shape that the reader asked for
 *					does not compile for the relation, or cannot be had of this row: the filter, when
 *					the column is empty, or the computed column.  Position counts characters of the
 *					expression from 1, 0 is none; the key is for people and may be empty.  The
 *					reader must stop; nothing can be applied.
 *	TRUNCATE		u8 flags (DTS_TRUNCATE_*), uv count, then count numbers (uv).
 *	MESSAGE			str prefix, value.  A transactional logical message whose prefix is
 *					DTS_MESSAGE_PREFIX or begins with it and a dot.  One with DTS_HEARTBEAT_PREFIX may
 *					also stand for a row of public.dts_postgres_heartbeat: the beat's number in digits.
 *	FRAGMENT		u8 flags (DTS_FRAGMENT_*), [DTS_FRAGMENT_FIRST: uv total length,] uv length,
 *					bytes.  A piece of a long value.  Long values are complete, in the order of
 *					their use, before the record that uses them, and belong to the very next record
 *					that is not a FRAGMENT, RELATION or SUBXACT; messages may end in between.
 *					Fragments of a streamed transaction that is aborted before that record are
 *					forgotten with it.
 *	SUBXACT			uv xid.  In STREAM only: the records that follow, until the next SUBXACT or the
 *					end of the message, belong to it.  Without it they belong to the top xid.
 *
 * tuple: u8 flags (DTS_TUPLE_*), [DTS_TUPLE_STATES: two bits a column, lowest bits first,
 *		DTS_STATE_*, padded with zero bits to a byte,] then the data of each column in state VALUE.
 *		Without DTS_TUPLE_STATES every column is in state VALUE.
 *		A tuple of key columns holds those flagged DTS_ATT_KEY, in order, and no others.
 *		Data is `length` bytes for DTS_FMT_FIXED, and uv length and bytes otherwise: the output of
 *		the type's send function for FIXED and BINARY, text in the encoding of HELLO for TEXT.
 *		State LONG takes the next complete run of fragments in place of the data.  State UNCHANGED
 *		(a TOASTed value that the update did not touch) occurs in new tuples only.
 *
 * Options of the plugin are listed in decoder/options.c.
 */
/* clang-format on */
#ifndef DTS_WIRE_H
#define DTS_WIRE_H

#define DTS_WIRE_VERSION   1
#define DTS_WIRE_MAGIC     "DTSW"
#define DTS_WIRE_MAGIC_LEN 4

/* Sizes in bytes.  A reader refuses a larger message; a writer never makes one. */
#define DTS_WIRE_CHUNK_MIN     1024
#define DTS_WIRE_CHUNK_DEFAULT 65536
#define DTS_WIRE_CHUNK_MAX     1048576
#define DTS_WIRE_MAX_MESSAGE   (4 * 1024 * 1024)
#define DTS_WIRE_MAX_VALUE     0x3fffffff
#define DTS_WIRE_MAX_COLUMNS   1664
#define DTS_WIRE_MAX_VARINT    10

/* Logical messages with this prefix are ours; others are not decoded. */
#define DTS_MESSAGE_PREFIX   "dts"
#define DTS_HEARTBEAT_PREFIX "dts.heartbeat"

/* The X-macros let reader, writer and tests name kinds from one list. */
#define DTS_MESSAGES(X)                                                                            \
	X(DTS_MSG_HELLO, 'H', "hello")                                                                 \
	X(DTS_MSG_TXN, 'T', "transaction")                                                             \
	X(DTS_MSG_STREAM, 'S', "stream")                                                               \
	X(DTS_MSG_STREAM_COMMIT, 'c', "stream commit")                                                 \
	X(DTS_MSG_STREAM_ABORT, 'a', "stream abort")                                                   \
	X(DTS_MSG_PREPARE, 'P', "prepare")                                                             \
	X(DTS_MSG_STREAM_PREPARE, 'p', "stream prepare")                                               \
	X(DTS_MSG_COMMIT_PREPARED, 'K', "commit prepared")                                             \
	X(DTS_MSG_ROLLBACK_PREPARED, 'R', "rollback prepared")

#define DTS_RECORDS(X)                                                                             \
	X(DTS_REC_RELATION, 'r', "relation")                                                           \
	X(DTS_REC_INSERT, 'I', "insert")                                                               \
	X(DTS_REC_UPDATE, 'U', "update")                                                               \
	X(DTS_REC_UPDATE_KEY, 'K', "update with old key")                                              \
	X(DTS_REC_UPDATE_OLD, 'O', "update with old row")                                              \
	X(DTS_REC_DELETE_KEY, 'D', "delete by key")                                                    \
	X(DTS_REC_DELETE_OLD, 'X', "delete by row")                                                    \
	X(DTS_REC_NO_IDENTITY, 'N', "change without identity")                                         \
	X(DTS_REC_REFUSED, 'E', "change that its shape refuses")                                       \
	X(DTS_REC_TRUNCATE, 'T', "truncate")                                                           \
	X(DTS_REC_MESSAGE, 'M', "message")                                                             \
	X(DTS_REC_FRAGMENT, 'F', "fragment")                                                           \
	X(DTS_REC_SUBXACT, 'x', "subtransaction")

#define DTS_WIRE_ENUM(name, letter, text) name = letter,
typedef enum DtsMessageKind
{
	DTS_MESSAGES(DTS_WIRE_ENUM)
} DtsMessageKind;

typedef enum DtsRecordKind
{
	DTS_RECORDS(DTS_WIRE_ENUM)
} DtsRecordKind;
#undef DTS_WIRE_ENUM

/* Flags of a TXN or PREPARE chunk. */
#define DTS_CHUNK_FIRST 0x01
#define DTS_CHUNK_LAST  0x02

/* Flags of a relation. */
#define DTS_REL_HAS_ROOT    0x01 /* a partition: the topmost ancestor follows */
#define DTS_REL_NO_IDENTITY 0x02 /* its updates and deletes carry no usable identity */
#define DTS_REL_REWRITE     0x04 /* rows of a rewritten table (option rewrites) */

/* Flags of a column. */
#define DTS_ATT_KEY             0x01 /* part of the replica identity's key */
#define DTS_ATT_TYPE_NAMED      0x02 /* type outside pg_catalog: its name follows */
#define DTS_ATT_NOT_NULL        0x04
#define DTS_ATT_IDENTITY_ALWAYS 0x08 /* GENERATED ALWAYS AS IDENTITY */

/* Formats of a column's data. */
#define DTS_FMT_FIXED  'f'
#define DTS_FMT_BINARY 'b'
#define DTS_FMT_TEXT   't'

/* Flags of a tuple, and states of a column, two bits each. */
#define DTS_TUPLE_STATES     0x01
#define DTS_STATE_VALUE      0
#define DTS_STATE_NULL       1
#define DTS_STATE_UNCHANGED  2
#define DTS_STATE_LONG       3

#define DTS_FRAGMENT_FIRST   0x01 /* uv total length of the value precedes the piece's length */
#define DTS_FRAGMENT_LAST    0x02

#define DTS_TRUNCATE_CASCADE 0x01
#define DTS_TRUNCATE_RESTART 0x02 /* RESTART IDENTITY */

#endif /* DTS_WIRE_H */
