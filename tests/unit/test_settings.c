/*
 * test_settings.c
 *		Settings: defaults, file, command line, which comes first, and what is documented.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "settings.h"

static char path[] = "/tmp/dts_settings.XXXXXX";

static void
write_file(const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int
make_file(void **state)
{
	int fd = mkstemp(path);

	(void) state;
	close(fd);
	unsetenv(SETTINGS_CONTROL_ENV);
	return fd < 0;
}

static int
remove_file(void **state)
{
	(void) state;
	return unlink(path);
}

static Settings
read_settings(const SettingsSource *source)
{
	Settings settings;
	Error err;

	error_clear(&err);
	if (!settings_read(source, &settings, &err))
		fail_msg("%s; %s; %s", err.message, err.context, err.hint);
	return settings;
}

static void
defaults_hold(void **state)
{
	const SettingsSource source = {.given[SETTING_CONTROL] = "host=a"};
	Settings s = read_settings(&source);

	(void) state;
	assert_string_equal(s.control, "host=a");
	assert_int_equal(s.lease, 15);
	assert_int_equal(s.max_jobs, 64);
	assert_int_equal(s.log_level, LOG_INFO);
	assert_false(s.log_json);
	assert_null(s.work_dir);
	assert_false(settings_have_file(&source));
	settings_free(&s);
}

static void
the_command_line_comes_before_the_file(void **state)
{
	SettingsSource source = {.config = path, .given[SETTING_MAX_JOBS] = "7"};
	Settings s;

	(void) state;
	write_file(
	    "# ours\n\n  control = 'host=b options=''-c a=b'''  \nmax_jobs=3\nlog_json =on\nlease = "
	    "30\n");
	s = read_settings(&source);
	assert_string_equal(s.control, "host=b options='-c a=b'");
	assert_int_equal(s.max_jobs, 7);
	assert_int_equal(s.lease, 30);
	assert_true(s.log_json);
	assert_true(settings_have_file(&source));
	settings_free(&s);
	source.given[SETTING_CONTROL] = "host=c";
	s = read_settings(&source);
	assert_string_equal(s.control, "host=c");
	settings_free(&s);
}

static void
the_control_database_is_found_in_order(void **state)
{
	SettingsSource source = {0};
	Settings s;
	Error err;

	(void) state;
	error_clear(&err);
	assert_false(settings_read(&source, &s, &err));
	setenv(SETTINGS_CONTROL_ENV, "host=env", 1);
	s = read_settings(&source);
	assert_string_equal(s.control, "host=env");
	settings_free(&s);
	write_file("# comment\nhost=file\n");
	source.given[SETTING_CONTROL_FILE] = path;
	s = read_settings(&source);
	assert_string_equal(s.control, "host=file");
	settings_free(&s);
	source.given[SETTING_CONTROL] = "host=line";
	s = read_settings(&source);
	assert_string_equal(s.control, "host=line");
	settings_free(&s);
	unsetenv(SETTINGS_CONTROL_ENV);
}

static void
mistakes_are_told_with_their_line(void **state)
{
	static const struct
	{
		const char *text;
		const char *message;
		int line;
	} cases[] = {
	    {"control = host=a\nlease = 4\n", "\"lease\": \"4\"", 2},
	    {"control = host=a\nlease = 15 s\n", "\"lease\": \"15 s\"", 2},
	    {"max_jobs = 99999999999999999999\n", "\"max_jobs\"", 1},
	    {"\n\nlog_json = maybe\n", "\"log_json\": \"maybe\"", 3},
	    {"log_level = \n", "\"log_level\": \"\"", 1},
	    {"Max_jobs = 3\n", "behind a name", 1},
	    {"control = 'host=a' more\n", "does not end with its quote", 1},
	    {"control = 'host=a\n", "does not end with its quote", 1},
	    {"nothing = 3\n", "unknown setting \"nothing\"", 1},
	    {"just words\n", "behind a name", 1},
	};
	/* what the command line says does not hide a mistake in the file */
	const SettingsSource source = {.config = path,
	                               .given = {[SETTING_LEASE] = "20", [SETTING_MAX_JOBS] = "5"}};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Settings s;
		Error err;
		char line[20];

		error_clear(&err);
		write_file(cases[i].text);
		assert_false(settings_read(&source, &s, &err));
		if (strstr(err.message, cases[i].message) == NULL)
			fail_msg("%s: %s", cases[i].text, err.message);
		snprintf(line, sizeof(line), "line %d", cases[i].line);
		assert_non_null(strstr(err.context, line));
		assert_true(err.hint[0] != '\0');
	}
}

/* Rows of the table in the document: | `setting` | `-x` | ... | a reload | meaning | */
static void
the_document_lists_the_settings(void **state)
{
#define LETTER(sym, name, letter, argument, reload, text) {name, letter, #reload},
	static const struct
	{
		const char *name;
		char letter;
		const char *reload;
	} rows[] = {SETTINGS(LETTER)};
#undef LETTER
	FILE *file = fopen(TEST_GOLDEN_DIR "/../../docs/daemon.md", "re");
	char line[2000];
	int found = 0;

	(void) state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char name[64];
		char letter;

		if (sscanf(line, "| `%63[a-z_]` | `-%c` |", name, &letter) != 2)
			continue;
		assert_true(found < SETTING_COUNT);
		assert_string_equal(name, rows[found].name);
		assert_int_equal(letter, rows[found].letter);
		assert_non_null(strstr(
		    line, strcmp(rows[found].reload, "AT_ONCE") == 0 ? "| at once |" : "| new workers |"));
		found++;
	}
	fclose(file);
	assert_int_equal(found, SETTING_COUNT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults_hold),
	    cmocka_unit_test(the_command_line_comes_before_the_file),
	    cmocka_unit_test(the_control_database_is_found_in_order),
	    cmocka_unit_test(mistakes_are_told_with_their_line),
	    cmocka_unit_test(the_document_lists_the_settings),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
