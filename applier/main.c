/*
 * main.c
 *		dts_applier: the command line.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_file.h"
#include "control_link.h"
#include "fault.h"
#include "log.h"
#include "supervisor.h"
#include "version.h"

#define CONTROL_ENV   "DTS_CONTROL"
#define EXIT_USAGE    2
#define LEASE_MIN     5
#define LEASE_MAX     300
#define LEASE_DEFAULT 15
#define JOBS_MAX      1000
#define JOBS_DEFAULT  64

/* X(symbol, long name, short name or 0, argument or NULL, what it does) */
#define MAIN_OPTIONS(X)                                                                            \
	X(CONTROL, "control", 'c', "CONNINFO",                                                         \
	  "the control database; others can see it in ps, so put\n"                                    \
	  "no password here: use " CONTROL_ENV ", --control-file, a passfile or a service")            \
	X(CONTROL_FILE, "control-file", 'f', "FILE", "read CONNINFO from FILE; again on SIGHUP")       \
	X(LEASE, "lease", 'l', "SECONDS", "how long a silent worker keeps its job, 5-300 (15)")        \
	X(MAX_JOBS, "max-jobs", 'j', "N", "how many jobs to run at once, 1-1000 (64)")                 \
	X(ALERT_CA, "alert-ca", 'a', "FILE",                                                           \
	  "certificates to trust where alerts are posted, not the system's")                           \
	X(LOG_LEVEL, "log-level", 'v', "LEVEL", "debug, info, warning or error (info)")                \
	X(LOG_JSON, "log-json", 'J', NULL, "log lines as JSON objects")                                \
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
	const char *name;
	char letter;
	const char *argument;
	const char *text;
} OptionRow;

#define OPTION_ROW(sym, name, letter, argument, text) {name, letter, argument, text},
static const OptionRow rows[] = {MAIN_OPTIONS(OPTION_ROW)};

typedef struct Arguments
{
	const char *control;
	const char *control_file;
	int lease;
	int max_jobs;
	const char *alert_ca;
	LogLevel level;
	bool json;
} Arguments;

static void
print_help(void)
{
	printf("dts_applier carries out the jobs of a dts control database.\n\n"
	       "Usage: dts_applier --control CONNINFO [OPTION]...\n\n");
	for (int i = 0; i < OPTION_COUNT; i++)
	{
		char left[64];
		const char *text = rows[i].text;
		const char *line_end;

		snprintf(left, sizeof(left), "-%c, --%s%s%s", rows[i].letter, rows[i].name,
		         rows[i].argument ? " " : "", rows[i].argument ? rows[i].argument : "");
		while ((line_end = strchr(text, '\n')) != NULL)
		{
			printf("  %-28s %.*s\n", left, (int) (line_end - text), text);
			left[0] = '\0';
			text = line_end + 1;
		}
		printf("  %-28s %s\n", left, text);
	}
	printf(
	    "\nSIGTERM: workers finish the work in hand, then the daemon ends.  SIGHUP: the control\n"
	    "file is read again.  Exit status 2: wrong arguments, 1: other trouble.\n");
}

static bool
parse_number(const OptionRow *row, const char *text, int min, int max, int *value)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || *text == '\0' || *end != '\0' || number < min || number > max)
	{
		fprintf(stderr, "dts_applier: --%s must be a whole number from %d to %d, not \"%s\"\n",
		        row->name, min, max, text);
		return false;
	}
	*value = (int) number;
	return true;
}

/* Returns -1 to go on, or the exit status. */
static int
take_option(MainOption option, const char *value, Arguments *args)
{
	switch (option)
	{
		case OPTION_CONTROL:
			args->control = value;
			return -1;
		case OPTION_CONTROL_FILE:
			args->control_file = value;
			return -1;
		case OPTION_LEASE:
			return parse_number(&rows[option], value, LEASE_MIN, LEASE_MAX, &args->lease)
			           ? -1
			           : EXIT_USAGE;
		case OPTION_MAX_JOBS:
			return parse_number(&rows[option], value, 1, JOBS_MAX, &args->max_jobs) ? -1
			                                                                        : EXIT_USAGE;
		case OPTION_ALERT_CA:
			args->alert_ca = value;
			return -1;
		case OPTION_LOG_LEVEL:
			if (log_level_parse(value, &args->level))
				return -1;
			fprintf(stderr,
			        "dts_applier: --log-level must be debug, info, warning or error, not \"%s\"\n",
			        value);
			return EXIT_USAGE;
		case OPTION_LOG_JSON:
			args->json = true;
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
parse_arguments(int argc, char **argv, Arguments *args)
{
	struct option options[OPTION_COUNT + 1];
	char letters[OPTION_COUNT * 2 + 1];
	int n = 0;
	int got;

	memset(options, 0, sizeof(options));
	for (int i = 0; i < OPTION_COUNT; i++)
	{
		options[i] = (struct option){
		    .name = rows[i].name,
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

		for (int i = 0; i < OPTION_COUNT; i++)
		{
			if (rows[i].letter == got)
				status = take_option((MainOption) i, optarg, args);
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
	Arguments args = {.lease = LEASE_DEFAULT, .max_jobs = JOBS_DEFAULT, .level = LOG_INFO};
	SupervisorConfig config;
	char *from_file = NULL;
	Error err;
	int status = parse_arguments(argc, argv, &args);

	if (status >= 0)
		return status;
	log_init(args.level, args.json);
	fault_init();
	if (args.control == NULL && args.control_file != NULL)
	{
		from_file = config_file_read(args.control_file, &err);
		if (from_file == NULL)
		{
			log_error(LOG_ERROR, "starting", &err);
			return EXIT_USAGE;
		}
		args.control = from_file;
	}
	if (args.control == NULL)
		args.control = getenv(CONTROL_ENV);
	if (args.control == NULL)
	{
		fprintf(stderr, "dts_applier: which control database? Give --control, --control-file or "
		                "set " CONTROL_ENV ".\nTry \"dts_applier --help\".\n");
		return EXIT_USAGE;
	}
	if (!control_conninfo_check(args.control, &err))
	{
		log_error(LOG_ERROR, "starting", &err);
		free(from_file);
		return EXIT_USAGE;
	}
	config = (SupervisorConfig){
	    .worker = {.control = args.control,
	               .control_file = from_file ? args.control_file : NULL,
	               .lease_seconds = args.lease},
	    .max_jobs = args.max_jobs,
	    .alert_ca = args.alert_ca,
	};
	status = supervisor_run(&config);
	free(from_file);
	return status;
}
