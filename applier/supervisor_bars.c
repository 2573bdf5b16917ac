/*
 * supervisor_bars.c
 *		See supervisor_bars.h.
 */
#include "supervisor_bars.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EVERY_US 1000000
#define ASKED    64 /* of which the first BARS_MAX are shown, the others counted */

static void
take(char *to, size_t size, const ControlReply *reply, int row, int column)
{
	const char *text = control_reply_get(reply, row, column);

	snprintf(to, size, "%s", text == NULL ? "" : text);
}

static void
on_answer(void *arg, const ControlReply *reply)
{
	SupervisorBars *sb = arg;
	Bar list[ASKED];
	int count = 0;

	sb->asked = false;
	/* whoever asks for jobs logs what is wrong with the link */
	if (reply->err != NULL || !sb->opened)
		return;
	for (int i = 0; i < control_reply_rows(reply) && count < ASKED; i++)
	{
		Bar *bar = &list[count++];
		const char *percent = control_reply_get(reply, i, 2);

		take(bar->job, sizeof(bar->job), reply, i, 0);
		take(bar->what, sizeof(bar->what), reply, i, 1);
		take(bar->more, sizeof(bar->more), reply, i, 3);
		bar->percent = percent == NULL ? -1 : strtod(percent, NULL);
	}
	bars_draw(&sb->bars, list, count);
}

void
supervisor_bars_turn(SupervisorBars *sb, ControlLink *link, bool wanted, bool link_up,
                     int64_t now_us)
{
	if (wanted != sb->opened)
	{
		if (wanted)
			bars_open(&sb->bars, STDOUT_FILENO);
		else
			bars_close(&sb->bars);
		sb->opened = wanted;
	}
	if (!sb->opened || sb->bars.fd < 0 || sb->asked || !link_up || now_us < sb->next_us)
		return;
	sb->next_us = now_us + EVERY_US;
	sb->asked = true;
	control_link_send(link, "SELECT job, what, percent, more FROM dts.daemon_bars()", 0, NULL,
	                  false, on_answer, sb);
}

void
supervisor_bars_lost(SupervisorBars *sb)
{
	sb->asked = false;
}

void
supervisor_bars_end(SupervisorBars *sb)
{
	if (sb->opened)
		bars_close(&sb->bars);
	sb->opened = false;
}
