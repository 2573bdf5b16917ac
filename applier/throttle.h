/*
 * throttle.h
 *		Keeps work at so many units a second, over any number of processes.
 *
 * A Throttle is plain memory that may be shared: copy processes of one job take from the same one.
 * It holds no lock, so a process that is killed at any instant leaves it usable.  Knows no clock and
 * never sleeps: times come in, and the time to wait until goes out.
 *
 * Work is charged after it was taken on: whoever has taken more than is due waits the longer for
 * the next.  What was not used is kept for THROTTLE_SAVED_US, so that a process that wakes up late
 * can make up for it.
 */
#ifndef DTS_THROTTLE_H
#define DTS_THROTTLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* How much unused time is made up for. */
#define THROTTLE_SAVED_US INT64_C(300000)

/* X(symbol, name in SQL) */
#define THROTTLE_UNITS(X)                                                                          \
	X(QUERIES, "queries")                                                                          \
	X(ROWS, "rows")                                                                                \
	X(BYTES, "bytes")

#define THROTTLE_UNIT_ENUM(sym, ...) THROTTLE_##sym,
typedef enum ThrottleUnit
{
	THROTTLE_UNITS(THROTTLE_UNIT_ENUM) THROTTLE_UNIT_COUNT
} ThrottleUnit;
#undef THROTTLE_UNIT_ENUM

/* The limits of a phase: units per second, 0: none. */
typedef struct ThrottleLimits
{
	int64_t per_second[THROTTLE_UNIT_COUNT];
} ThrottleLimits;

/* All zero: no limit. */
typedef struct Throttle
{
	struct
	{
		_Atomic int64_t per_second; /* 0: no limit */
		_Atomic int64_t due_ns;     /* by then, all that was taken is due */
	} bucket[THROTTLE_UNIT_COUNT];
} Throttle;

/* Sets the limits.  What was taken under a limit that changes is forgiven. */
void throttle_set(Throttle *throttle, const ThrottleLimits *limits, int64_t now_us);

/* Whether there is any limit. */
bool throttle_on(Throttle *throttle);

/* Takes so many units. */
void throttle_take(Throttle *throttle, ThrottleUnit unit, int64_t units, int64_t now_us);

/* For how long more nothing is to be taken; 0: go on. */
int64_t throttle_wait_us(Throttle *throttle, int64_t now_us);

/*
 * So many units are worth asking the throttle about: a fiftieth of a second's, at most the number
 * given.
 */
int64_t throttle_quantum(Throttle *throttle, ThrottleUnit unit, int64_t most);

#endif /* DTS_THROTTLE_H */
