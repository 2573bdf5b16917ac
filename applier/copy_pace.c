/*
 * copy_pace.c
 *		See copy_pace.h.
 *
 * It sleeps in short pieces, so that a limit that is raised or lifted counts at once.  The process
 * may be killed while it sleeps, like at any other time.
 */
#include "copy_pace.h"

#include <time.h>

#define BYTES_MOST    (64 * 1024)
#define NAP_US        50000
#define TELL_EVERY_US 500000

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* How much may be copied before it is counted: little where the limit is low. */
static void
set_most(CopyPace *pace)
{
	pace->rows_most = throttle_quantum(pace->throttle, THROTTLE_ROWS, INT64_MAX);
	pace->bytes_most = throttle_quantum(pace->throttle, THROTTLE_BYTES, BYTES_MOST);
}

void
copy_pace_init(CopyPace *pace, Throttle *throttle)
{
	*pace = (CopyPace){.throttle = throttle};
	set_most(pace);
}

static void
sleep_until_due(const CopyPace *pace)
{
	int64_t wait_us;

	while ((wait_us = throttle_wait_us(pace->throttle, now_us())) > 0)
	{
		struct timespec nap = {.tv_nsec = (long) (wait_us < NAP_US ? wait_us : NAP_US) * 1000};

		nanosleep(&nap, NULL);
	}
}

bool
copy_pace_copied(CopyPace *pace, int64_t rows, int64_t bytes)
{
	int64_t now;

	pace->rows += rows;
	pace->bytes += bytes;
	if (pace->rows < pace->rows_most && pace->bytes < pace->bytes_most)
		return false;
	set_most(pace);
	if (throttle_on(pace->throttle))
	{
		now = now_us();
		throttle_take(pace->throttle, THROTTLE_ROWS, pace->rows, now);
		throttle_take(pace->throttle, THROTTLE_BYTES, pace->bytes, now);
		pace->rows = pace->bytes = 0;
		sleep_until_due(pace);
		now = now_us();
		if (now - pace->told_us < TELL_EVERY_US)
			return false;
		pace->told_us = now;
		return true;
	}
	pace->rows = pace->bytes = 0;
	return false;
}

void
copy_pace_query(CopyPace *pace)
{
	if (!throttle_on(pace->throttle))
		return;
	sleep_until_due(pace);
	throttle_take(pace->throttle, THROTTLE_QUERIES, 1, now_us());
}
