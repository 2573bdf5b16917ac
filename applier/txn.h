/*
 * txn.h
 *		Puts messages of the wire together to whole transactions.
 *
 * Plain transactions pass through, record by record, as their chunks arrive.  The pieces of
 * transactions in progress are checked and spooled, and handed out when their commit arrives,
 * without the records of aborted subtransactions.  Checks the order of messages and of commits.
 * Knows no socket and no clock.
 */
#ifndef DTS_TXN_H
#define DTS_TXN_H

#include "error.h"
#include "source.h"

typedef struct TxnAssembler TxnAssembler;

typedef struct TxnOptions
{
	SourceLsn start; /* a transaction that commits before it is an error */
	bool streaming;  /* transactions in progress were asked for */
	bool ahead;      /* one of them at a time is handed out as it comes (source.h) */
	const char *work_dir;
	uint64_t memory_limit;
	uint64_t spool_limit;
	int server_version; /* that HELLO must agree with; 0: any */
} TxnOptions;

/* The options' texts need not outlive the call. */
TxnAssembler *txn_create(const TxnOptions *options);
void txn_destroy(TxnAssembler *txn); /* NULL is allowed */

/*
 * Takes the next message; only when txn_next() has answered SOURCE_IDLE.  The bytes must stay until
 * it does so again.  After an error the assembler is of no more use.
 */
bool txn_message(TxnAssembler *txn, const void *bytes, size_t len, Error *err) must_check;

/* Every event of source.h but SOURCE_KEEPALIVE; SOURCE_IDLE: give me another message. */
bool txn_next(TxnAssembler *txn, SourceEvent *event, Error *err) must_check;

/* Whether BEGIN was handed out without COMMIT. */
bool txn_is_open(const TxnAssembler *txn);

/* As ChangeSourceOps.hold says. */
void txn_hold(TxnAssembler *txn);

/* NULL before HELLO. */
const char *txn_encoding(const TxnAssembler *txn);

/* Transactions in progress, and what they take. */
int txn_streams(const TxnAssembler *txn);
uint64_t txn_spooled(const TxnAssembler *txn);

#endif /* DTS_TXN_H */
