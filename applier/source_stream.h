/*
 * source_stream.h
 *		The ChangeSource that reads a PostgreSQL server's slot through dts_decoder.
 *
 * Owns the replication connection.  Transactions in progress (option streaming) wait in memory and
 * then in files in work_dir until they commit; nothing of a session outlives it, because the source
 * sends what was not acknowledged again.
 */
#ifndef DTS_SOURCE_STREAM_H
#define DTS_SOURCE_STREAM_H

#include <stdint.h>

#include "error.h"
#include "lsn.h"
#include "source.h"

typedef struct SourceOption
{
	const char *name; /* of an option of dts_decoder */
	const char *value;
} SourceOption;

typedef struct SourceStreamOptions
{
	const char *conninfo;
	const char *slot_name; /* also the session's application_name */
	SourceLsn start;       /* the stored position; transactions before it are refused */
	bool streaming;        /* ask for transactions in progress */
	bool ahead;            /* and hand one of them out as it comes */

	/* Besides protocol_version and streaming, which are set by themselves. */
	const SourceOption *decoder_options;
	int decoder_option_count;

	int decoding_memory_mb; /* raises logical_decoding_work_mem to this, 0 leaves it; without ahead */
	const char *work_dir;   /* must exist when streaming; the spool's files have no name there */
	uint64_t spool_limit;   /* bytes in files, all transactions together; 0: 64 GB */
	uint64_t memory_limit; /* bytes of unfinished transactions in memory; 0: 8 MB */
} SourceStreamOptions;

/*
 * Connects and starts to stream; blocks as long as connecting takes.  The options need not outlive
 * the call.  Errors: the server's SQLSTATE, ERR_CONNECTION, or ERR_LOST when the slot is gone or
 * was invalidated; 55006 (transient) when another session still uses the slot.
 *
 * The session's errors in next() and feedback() are ERR_CONNECTION or the server's when the source
 * went away, ERR_PROTOCOL when it sent what the wire format does not allow, ERR_DISK when
 * transactions in progress outgrew the spool.
 */
ChangeSource *source_stream_open(const SourceStreamOptions *options, Error *err) must_check;

#endif /* DTS_SOURCE_STREAM_H */
