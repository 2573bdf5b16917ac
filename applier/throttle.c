/*
 * throttle.c
 *		See throttle.h.
 *
 * A bucket is one number, the time at which all that was taken is due: taking moves it on by what
 * the units take at the limit.  That needs one atomic addition with a lower bound, no thread that
 * refills, and is exact however the takers are scheduled.
 */
#include "throttle.h"

#define NS_PER_US     INT64_C(1000)
#define NS_PER_SECOND 1e9
#define DEBT_MAX_NS   (INT64_C(86400) * 1000000000) /* a value of 1 GB at 1 kB/s takes 12 days */

void
throttle_set(Throttle *throttle, const ThrottleLimits *limits, int64_t now_us)
{
	for (int unit = 0; unit < THROTTLE_UNIT_COUNT; unit++)
	{
		int64_t wanted = limits->per_second[unit] > 0 ? limits->per_second[unit] : 0;

		if (atomic_load(&throttle->bucket[unit].per_second) == wanted)
			continue;
		atomic_store(&throttle->bucket[unit].per_second, wanted);
		atomic_store(&throttle->bucket[unit].due_ns, now_us * NS_PER_US);
	}
}

bool
throttle_on(Throttle *throttle)
{
	for (int unit = 0; unit < THROTTLE_UNIT_COUNT; unit++)
	{
		if (atomic_load_explicit(&throttle->bucket[unit].per_second, memory_order_relaxed) > 0)
			return true;
	}
	return false;
}

void
throttle_take(Throttle *throttle, ThrottleUnit unit, int64_t units, int64_t now_us)
{
	int64_t limit = atomic_load(&throttle->bucket[unit].per_second);
	int64_t now_ns = now_us * NS_PER_US;
	int64_t due = atomic_load(&throttle->bucket[unit].due_ns);
	int64_t next;
	double takes;

	if (limit <= 0 || units <= 0)
		return;
	takes = (double) units * NS_PER_SECOND / (double) limit;
	do
	{
		int64_t from = now_ns - THROTTLE_SAVED_US * NS_PER_US;

		if (due > from)
			from = due;
		next = takes < (double) DEBT_MAX_NS ? from + (int64_t) takes : from + DEBT_MAX_NS;
		if (next > now_ns + DEBT_MAX_NS)
			next = now_ns + DEBT_MAX_NS;
	} while (!atomic_compare_exchange_weak(&throttle->bucket[unit].due_ns, &due, next));
}

int64_t
throttle_wait_us(Throttle *throttle, int64_t now_us)
{
	int64_t wait_us = 0;

	for (int unit = 0; unit < THROTTLE_UNIT_COUNT; unit++)
	{
		int64_t due_us;

		if (atomic_load_explicit(&throttle->bucket[unit].per_second, memory_order_relaxed) <= 0)
			continue;
		due_us = (atomic_load(&throttle->bucket[unit].due_ns) + NS_PER_US - 1) / NS_PER_US;
		if (due_us - now_us > wait_us)
			wait_us = due_us - now_us;
	}
	return wait_us;
}

int64_t
throttle_quantum(Throttle *throttle, ThrottleUnit unit, int64_t most)
{
	int64_t limit = atomic_load_explicit(&throttle->bucket[unit].per_second, memory_order_relaxed);
	int64_t quantum = limit / 50;

	if (limit <= 0 || quantum > most)
		return most;
	return quantum > 0 ? quantum : 1;
}
