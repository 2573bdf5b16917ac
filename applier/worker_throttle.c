/*
 * worker_throttle.c
 *		The limits of a job's phases: heard from the control database, kept where the worker's copy
 *		processes see them.
 *
 * One throttle a phase in memory shared with all children, so that a new limit counts at once and for
 * all of them together.  When the control database is away, what held last goes on to hold.
 */
#include <string.h>
#include <sys/mman.h>

#include "log.h"
#include "worker_internal.h"

bool
worker_throttle_open(Worker *w)
{
	void *memory = mmap(NULL, sizeof(Throttle) * JOB_PHASE_COUNT, PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return false;
	w->throttles = memory; /* zeroed */
	return true;
}

Throttle *
worker_throttle(const Worker *w, JobPhase phase)
{
	return &w->throttles[phase];
}

#define UNIT_NAME(sym, name) [THROTTLE_##sym] = name,
static const char *const unit_names[] = {THROTTLE_UNITS(UNIT_NAME)};
#undef UNIT_NAME

void
worker_throttle_take(Worker *w, const char *json)
{
	json_t *root = json != NULL ? json_loads(json, 0, NULL) : NULL;

	for (int phase = 0; phase < JOB_PHASE_COUNT; phase++)
	{
		const json_t *given = json_object_get(root, job_phase_name((JobPhase) phase));
		ThrottleLimits limits = {{0}};

		for (int unit = 0; unit < THROTTLE_UNIT_COUNT; unit++)
			limits.per_second[unit] =
			    (int64_t) json_integer_value(json_object_get(given, unit_names[unit]));
		throttle_set(&w->throttles[phase], &limits, w->now_us);
	}
	json_decref(root);
}
