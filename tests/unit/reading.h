/*
 * reading.h
 *		What the reader read, as the text of tests/golden/README.
 */
#ifndef DTS_TEST_READING_H
#define DTS_TEST_READING_H

#include "strbuf.h"
#include "wire_read.h"

void reading_message(StrBuf *to, const WireMessage *m);
void reading_header(StrBuf *to, const TxnHeader *header);
void reading_relation(StrBuf *to, const Relation *relation, uint64_t number);

/* Long values show as what they hold. */
void reading_change(StrBuf *to, const Change *change);

#endif /* DTS_TEST_READING_H */
