/*
 * bars.h
 *		What the jobs do, as bars in the last lines of the daemon's terminal.
 *
 * The lines above them scroll as ever, whoever writes there: the terminal itself is told to leave
 * the last lines out.  Without a terminal nothing is written at all.
 */
#ifndef DTS_BARS_H
#define DTS_BARS_H

#include <stdbool.h>
#include <stddef.h>

#define BARS_MAX 8

/* One job.  percent below 0: unknown, and no bar. */
typedef struct Bar
{
	char job[64];
	char what[64];
	double percent;
	char more[128];
} Bar;

typedef struct Bars
{
	int fd;
	int rows;    /* of the terminal, when it was last drawn on; 0: nothing is drawn */
	int columns; /* likewise */
	int lines;   /* that are ours */
} Bars;

/* False: this is no terminal, and nothing will be drawn. */
bool bars_open(Bars *bars, int fd);

/* Draws the first BARS_MAX of them, and how many more there are. */
void bars_draw(Bars *bars, const Bar *list, int count);

/* Gives the lines back. */
void bars_close(Bars *bars);

/* One line of at most width columns, without any control character; returns its length. */
size_t bar_text(char *text, size_t size, const Bar *bar, int width);

#endif /* DTS_BARS_H */
