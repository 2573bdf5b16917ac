/*
 * bars.c
 *		See bars.h.
 */
#include "bars.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "strbuf.h"

#define CELLS        24 /* of a bar */
#define COLUMNS_LESS 20 /* a terminal narrower than that gets none */
#define LINE_MAX_LEN 512

/* Bytes of at most width characters of UTF-8, of which none is cut in two. */
static size_t
fitting(const char *text, int width)
{
	size_t at = 0;

	for (int n = 0; text[at] != '\0'; n++)
	{
		size_t next = at + 1;

		while (((unsigned char) text[next] & 0xc0) == 0x80)
			next++;
		if (n == width)
			break;
		at = next;
	}
	return at;
}

size_t
bar_text(char *text, size_t size, const Bar *bar, int width)
{
	char cells[CELLS + 1];
	size_t len;

	memset(cells, ' ', CELLS);
	cells[CELLS] = '\0';
	if (bar->percent >= 0)
	{
		memset(cells, '-', CELLS);
		memset(cells, '#', (size_t) ((bar->percent > 100 ? 100 : bar->percent) / 100 * CELLS));
		snprintf(text, size, "%-16s %-14s [%s] %5.1f %%  %s", bar->job, bar->what, cells,
		         bar->percent, bar->more);
	}
	else
		snprintf(text, size, "%-16s %-14s %s", bar->job, bar->what, bar->more);
	/* names may hold anything */
	for (char *c = text; *c != '\0'; c++)
	{
		if ((unsigned char) *c < ' ' || *c == 127)
			*c = '?';
	}
	len = fitting(text, width);
	text[len] = '\0';
	return len;
}

/* The terminal may have changed its size since. */
static bool
measure(Bars *bars, int wanted)
{
	struct winsize size;
	bool fits = ioctl(bars->fd, TIOCGWINSZ, &size) == 0 && size.ws_row > wanted + 2 &&
	            size.ws_col >= COLUMNS_LESS;

	if (!fits || size.ws_row != bars->rows || wanted != bars->lines)
		bars_close(bars);
	if (fits)
		bars->columns = size.ws_col;
	if (fits && bars->rows == 0 && wanted > 0)
	{
		StrBuf out;

		/* room for the lines, then the region above them, with the cursor at its end */
		strbuf_init(&out);
		for (int i = 0; i < wanted; i++)
			strbuf_putc(&out, '\n');
		strbuf_printf(&out, "\033[1;%dr\033[%d;1H", size.ws_row - wanted, size.ws_row - wanted);
		if (write(bars->fd, out.data, out.len) != (ssize_t) out.len)
			fits = false;
		strbuf_free(&out);
		bars->rows = size.ws_row;
		bars->lines = wanted;
	}
	return fits && wanted > 0;
}

bool
bars_open(Bars *bars, int fd)
{
	*bars = (Bars){.fd = isatty(fd) ? fd : -1};
	return bars->fd >= 0;
}

void
bars_draw(Bars *bars, const Bar *list, int count)
{
	int shown = count > BARS_MAX ? BARS_MAX : count;
	int lines = shown + (count > shown ? 1 : 0);
	char text[LINE_MAX_LEN];
	StrBuf out;

	if (bars->fd < 0 || !measure(bars, lines))
		return;
	strbuf_init(&out);
	strbuf_puts(&out, "\0337"); /* the cursor goes back in the end */
	for (int i = 0; i < shown; i++)
	{
		bar_text(text, sizeof(text), &list[i], bars->columns);
		strbuf_printf(&out, "\033[%d;1H\033[2K%s", bars->rows - lines + 1 + i, text);
	}
	if (count > shown)
		strbuf_printf(&out, "\033[%d;1H\033[2Kand %d more", bars->rows, count - shown);
	strbuf_puts(&out, "\0338");
	if (write(bars->fd, out.data, out.len) != (ssize_t) out.len)
		bars->fd = -1; /* nobody looks any more */
	strbuf_free(&out);
}

void
bars_close(Bars *bars)
{
	char text[64];
	int len;

	if (bars->fd < 0 || bars->rows == 0)
		return;
	/* all lines scroll again, and ours are empty */
	len = snprintf(text, sizeof(text), "\033[r\033[%d;1H\033[J", bars->rows - bars->lines + 1);
	if (write(bars->fd, text, (size_t) len) != len)
		bars->fd = -1;
	bars->rows = 0;
	bars->lines = 0;
}
