/*
 * retry.h
 *		When to try again after an end was lost: pauses that grow, inside a window.
 *
 * Pure arithmetic: the caller brings the time and the random number.
 */
#ifndef DTS_RETRY_H
#define DTS_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define RETRY_PAUSE_MIN_MS 1000
#define RETRY_PAUSE_MAX_MS 60000

typedef struct Retry
{
	int failures;     /* since the last success */
	int64_t since_us; /* time of the first of them */
} Retry;

/* Whether an error counts against the window for lost connections, or that for other trouble. */
bool retry_is_connection(const char *sqlstate);

/*
 * Counts a failure at now_us.  True: wait *pause_ms and try again.  False: the window, counted from
 * the first failure, is spent.  jitter is any random number; it takes up to a quarter off the
 * pause, so that many jobs do not return at the same instant.
 */
bool retry_failed(Retry *retry, int64_t now_us, int window_minutes, uint32_t jitter,
                  int *pause_ms) must_check;

/* Work was done since the last failure. */
void retry_succeeded(Retry *retry);

#endif /* DTS_RETRY_H */
