/*
 * fault.h
 *		Named points at which a test makes the process die, stop or fail.
 *
 * DTS_FAULT="name=kill[:n],name=stop[:n],name=exit[:n],name=sleep[:n]" acts at the n-th time (1)
 *the point is passed: SIGKILL or SIGSTOP to the process itself, _exit(1), or ten seconds of sleep.
 *When DTS_FAULT_DIR is set, a file of the point's name is created there first, and a point whose
 * file already exists does nothing: so a point is hit once, also across restarts.
 * Without DTS_FAULT in the environment a point costs one test of a static flag.
 */
#ifndef DTS_FAULT_H
#define DTS_FAULT_H

#include <stdbool.h>

extern bool fault_armed;

void fault_init(void); /* reads the environment; once, at the start of main() */
void fault_hit(const char *name);

#define FAULT_POINT(name)                                                                          \
	do                                                                                             \
	{                                                                                              \
		if (__builtin_expect(fault_armed, 0))                                                      \
			fault_hit(name);                                                                       \
	} while (0)

#endif /* DTS_FAULT_H */
