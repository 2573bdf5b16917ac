/*
 * test_bars.c
 *		A job's line on the terminal: bar, percent, width, and nothing that a name could do to it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "bars.h"

static const char *
line(const Bar *bar, int width)
{
	static char text[512];

	bar_text(text, sizeof(text), bar, width);
	return text;
}

static void
a_bar_shows_its_percent(void **state)
{
	Bar bar = {.job = "move", .what = "full", .percent = 50, .more = "3 of 6 tables"};

	(void) state;
	assert_string_equal(
	    line(&bar, 200),
	    "move             full           [############------------]  50.0 %  3 of 6 tables");
	bar.percent = 0;
	assert_non_null(strstr(line(&bar, 200), "[------------------------]   0.0 %"));
	bar.percent = 1000;
	assert_non_null(strstr(line(&bar, 200), "[########################]"));
	bar.percent = -1;
	assert_null(strchr(line(&bar, 200), '['));
}

static void
a_line_is_never_wider_than_the_terminal(void **state)
{
	Bar bar = {.job = "j\xc3\xa4\xc3\xb6\xc3\xbc", .what = "full", .percent = -1, .more = ""};

	(void) state;
	assert_string_equal(line(&bar, 1), "j");
	assert_string_equal(line(&bar, 2), "j\xc3\xa4");
	assert_string_equal(line(&bar, 4), "j\xc3\xa4\xc3\xb6\xc3\xbc");
}

static void
a_name_cannot_command_the_terminal(void **state)
{
	Bar bar = {.job = "a\033[2Jb\n\177", .what = "full", .percent = -1, .more = ""};

	(void) state;
	assert_non_null(strstr(line(&bar, 100), "a?[2Jb??"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_bar_shows_its_percent),
	    cmocka_unit_test(a_line_is_never_wider_than_the_terminal),
	    cmocka_unit_test(a_name_cannot_command_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
