/*
 * main.c
 *		dts_applier: the command line.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "log.h"
#include "settings.h"
#include "supervisor.h"
#include "version.h"

#define EXIT_USAGE 2

/* What the command line has beside the settings: X(symbol, name, letter, argument or NULL, what it does) */
#define MAIN_OPTIONS(X)                                                                            \
	X(CONFIG, "config", 'C', "FILE",                                                               \
	  "read settings from FILE, one name = value a line; again on SIGHUP")                         \
	X(VERSION, "version", 'V', NULL, "print the version and exit")                                 \
	X(HELP, "help", 'h', NULL, "print this and exit")

typedef enum MainOption
{
#define OPTION_ENUM(sym, ...) OPTION_##sym,
	MAIN_OPTIONS(OPTION_ENUM) OPTION_COUNT
#undef OPTION_ENUM
} MainOption;

typedef struct OptionRow
{
	const char *name; /* with underscores */
	char letter;
	const char *argument;
	const char *text;
} OptionRow;

/* The settings first, so that their numbers are those of the rows. */
#define SETTING_ROW(sym, name, letter, argument, reload, text) {name, letter, argument, text},
#define OPTION_ROW(sym, name, letter, argument, text)          {name, letter, argument, text},
static const OptionRow rows[] = {SETTINGS(SETTING_ROW) MAIN_OPTIONS(OPTION_ROW)};
#define ROW_COUNT ((int) (SETTING_COUNT + OPTION_COUNT))

static const char *
long_name(const OptionRow *row, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s", row->name);
	for (char *at = buffer; *at != '\0'; at++)
		*at = *at == '_' ? '-' : *at;
	return buffer;
}

static void
print_help(void)
{
	printf("dts_applier carries out the jobs of a dts control database.\n\n"
	       "Usage: dts_applier --control CONNINFO [OPTION]...\n\n");
	for (int i = 0; i < ROW_COUNT; i++)
	{
		char left[64];
		char name[32];
		const char *text = rows[i].text;
		const char *line_end;

		snprintf(left, sizeof(left), "-%c, --%s%s%s", rows[i].letter,
		         long_name(&rows[i], name, sizeof(name)), rows[i].argument ? " " : "",
		         rows[i].argument ? rows[i].argument : "");
		while ((line_end = strchr(text, '\n')) != NULL)
		{
			printf("  %-28s %.*s\n", left, (int) (line_end - text), text);
			left[0] = '\0';
			text = line_end + 1;
		}
		printf("  %-28s %s\n", left, text);
	}
	printf(
	    "\nSIGTERM: workers finish the work in hand, then the daemon ends.  SIGHUP: the files are\n"
	    "read again.  Exit status 2: wrong arguments or settings, 1: other trouble.\n");
}

/* Returns -1 to go on, or the exit status. */
static int
take_option(int row, const char *value, SettingsSource *source)
{
	if (row < SETTING_COUNT)
	{
		source->given[row] = rows[row].argument != NULL ? value : "on";
		return -1;
	}
	switch ((MainOption) (row - SETTING_COUNT))
	{
		case OPTION_CONFIG:
			source->config = value;
			return -1;
		case OPTION_VERSION:
			printf("dts_applier %s\n", DTS_VERSION);
			return EXIT_SUCCESS;
		case OPTION_HELP:
			print_help();
			return EXIT_SUCCESS;
		case OPTION_COUNT:
			break;
	}
	return EXIT_USAGE;
}

static int
parse_arguments(int argc, char **argv, SettingsSource *source)
{
	struct option options[ROW_COUNT + 1];
	char long_names[ROW_COUNT][32];
	char letters[ROW_COUNT * 2 + 1];
	int n = 0;
	int got;

	memset(options, 0, sizeof(options));
	for (int i = 0; i < ROW_COUNT; i++)
	{
		options[i] = (struct option){
		    .name = long_name(&rows[i], long_names[i], sizeof(long_names[i])),
		    .has_arg = rows[i].argument ? required_argument : no_argument,
		    .val = rows[i].letter,
		};
		letters[n++] = rows[i].letter;
		if (rows[i].argument != NULL)
			letters[n++] = ':';
	}
	letters[n] = '\0';
	while ((got = getopt_long(argc, argv, letters, options, NULL)) != -1)
	{
		int status = EXIT_USAGE;

		for (int i = 0; i < ROW_COUNT; i++)
		{
			if (rows[i].letter == got)
				status = take_option(i, optarg, source);
		}
		if (got == '?')
			fprintf(stderr, "Try \"dts_applier --help\".\n");
		if (status >= 0)
			return status;
	}
	if (optind < argc)
	{
		fprintf(stderr, "dts_applier: unexpected argument \"%s\"\nTry \"dts_applier --help\".\n",
		        argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

int
main(int argc, char **argv)
{
	SettingsSource source = {0};
	Settings settings;
	Error err;
	int status = parse_arguments(argc, argv, &source);

	if (status >= 0)
		return status;
	log_init(LOG_INFO, source.given[SETTING_LOG_JSON] != NULL);
	if (!settings_read(&source, &settings, &err))
	{
		log_error(LOG_ERROR, "starting", &err);
		return EXIT_USAGE;
	}
	fault_init();
	settings_apply(&settings);
	return supervisor_run(&source, &settings);
}
