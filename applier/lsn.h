/*
 * lsn.h
 *		Positions.  Those of the source's WAL and those of the target's are different types,
 *		so that one is never taken for the other (invariant 8).
 */
#ifndef DTS_LSN_H
#define DTS_LSN_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct SourceLsn
{
	uint64_t value; /* 0: none */
} SourceLsn;

typedef struct TargetLsn
{
	uint64_t value;
} TargetLsn;

/* For printf: "%X/%X" with two arguments. */
#define LSN_FORMAT    "%" PRIX32 "/%" PRIX32
#define LSN_ARGS(lsn) (uint32_t)((lsn).value >> 32), (uint32_t) (lsn).value
#define LSN_TEXT_MAX  20

/* Reads "16/B374D848"; false when the text is not an LSN. */
bool lsn_parse(const char *text, uint64_t *value);

static inline SourceLsn
source_lsn(uint64_t value)
{
	return (SourceLsn){value};
}

static inline SourceLsn
source_lsn_max(SourceLsn a, SourceLsn b)
{
	return a.value > b.value ? a : b;
}

#endif /* DTS_LSN_H */
