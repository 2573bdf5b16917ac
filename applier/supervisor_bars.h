/*
 * supervisor_bars.h
 *		The supervisor's bars: asks the control database what the jobs do, and draws it.
 */
#ifndef DTS_SUPERVISOR_BARS_H
#define DTS_SUPERVISOR_BARS_H

#include <stdbool.h>
#include <stdint.h>

#include "bars.h"
#include "control_link.h"

typedef struct SupervisorBars
{
	Bars bars;
	bool opened;
	bool asked;
	int64_t next_us;
} SupervisorBars;

/* Once a turn of the loop.  wanted: the setting; link_up: it can be asked now. */
void supervisor_bars_turn(SupervisorBars *sb, ControlLink *link, bool wanted, bool link_up,
                          int64_t now_us);

/* The link was lost, and no answer will come. */
void supervisor_bars_lost(SupervisorBars *sb);
void supervisor_bars_end(SupervisorBars *sb);

#endif /* DTS_SUPERVISOR_BARS_H */
