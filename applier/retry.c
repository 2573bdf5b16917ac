/*
 * retry.c
 *		Back-off; see retry.h.
 */
#include "retry.h"

#include <string.h>

bool
retry_is_connection(const char *sqlstate)
{
	return strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "57P", 3) == 0;
}

bool
retry_failed(Retry *retry, int64_t now_us, int window_minutes, uint32_t jitter, int *pause_ms)
{
	int64_t window_us = (int64_t) window_minutes * 60 * 1000000;
	int64_t pause = RETRY_PAUSE_MAX_MS;
	int64_t left_ms;

	if (retry->failures == 0)
		retry->since_us = now_us;
	if (retry->failures > 0 && now_us - retry->since_us >= window_us)
		return false;
	if (window_us <= 0)
		return false;

	/* 1, 2, 4 ... s; the shift is bounded before it can overflow */
	if (retry->failures < 6)
		pause = (int64_t) RETRY_PAUSE_MIN_MS << retry->failures;
	if (pause > RETRY_PAUSE_MAX_MS)
		pause = RETRY_PAUSE_MAX_MS;
	pause -= (int64_t) (jitter % 1000) * (pause / 4) / 1000;

	/* the last attempt is made at the end of the window, not given away */
	left_ms = (retry->since_us + window_us - now_us) / 1000;
	if (pause > left_ms)
		pause = left_ms;

	retry->failures++;
	*pause_ms = (int) pause;
	return true;
}

void
retry_succeeded(Retry *retry)
{
	retry->failures = 0;
	retry->since_us = 0;
}
