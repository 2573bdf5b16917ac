/*
 * source_check_wal.h
 *		The part of the precheck that looks at what a slow or absent reader of the source's WAL means.
 */
#ifndef DTS_SOURCE_CHECK_WAL_H
#define DTS_SOURCE_CHECK_WAL_H

#include <stdint.h>

#include "precheck.h"

/* For a job with the phase "incremental". */
void source_check_wal(Precheck *p);

/*
 * The WAL that is retained while so much is copied, in bytes, at this rate of WAL (bytes a second; 0:
 * not known, and then nothing can be said).
 */
int64_t wal_forecast(int64_t bytes_to_copy, int64_t wal_rate);

#endif /* DTS_SOURCE_CHECK_WAL_H */
