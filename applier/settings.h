/*
 * settings.h
 *		What the daemon can be told: defaults, then a configuration file, then the command line.
 *
 * One table says it all; the command line, the file, --help and the documentation have the same
 * settings under the same names (with dashes there, with underscores here).  What the command line
 * says holds through every reload of the file.
 */
#ifndef DTS_SETTINGS_H
#define DTS_SETTINGS_H

#include <stdbool.h>

#include "arena.h"
#include "error.h"
#include "log.h"

#define SETTINGS_CONTROL_ENV "DTS_CONTROL"

/*
 * X(symbol, name, letter, argument or NULL: a switch, what a reload does, what it does)
 * A reload applies it at once, or to workers begun afterwards.
 */
#define SETTINGS(X)                                                                                \
	X(CONTROL, "control", 'c', "CONNINFO", AT_ONCE,                                                \
	  "the control database; others can see the command line in\n"                                 \
	  "ps, so put no password there: use --config, " SETTINGS_CONTROL_ENV ", --control-file,\n"    \
	  "a passfile or a service")                                                                   \
	X(CONTROL_FILE, "control_file", 'f', "FILE", AT_ONCE, "read CONNINFO from FILE")               \
	X(LEASE, "lease", 'l', "SECONDS", NEW_WORKERS,                                                 \
	  "how long a silent worker keeps its job, 5 to 300 (15)")                                     \
	X(MAX_JOBS, "max_jobs", 'j', "N", AT_ONCE, "how many jobs to run at once, 1 to 1000 (64)")     \
	X(WORK_DIR, "work_dir", 'd', "DIR", NEW_WORKERS, "where large transactions wait (/var/tmp)")   \
	X(ALERT_CA, "alert_ca", 'a', "FILE", AT_ONCE,                                                  \
	  "certificates to trust where alerts are posted, not the system's")                           \
	X(LOG_LEVEL, "log_level", 'v', "LEVEL", AT_ONCE, "debug, info, warning or error (info)")       \
	X(LOG_JSON, "log_json", 'J', NULL, AT_ONCE, "log lines as JSON objects")                       \
	X(PROGRESS, "progress", 'p', NULL, AT_ONCE,                                                    \
	  "show what the jobs do in the last lines of the terminal, if\n"                              \
	  "standard output is one")

#define SETTING_ENUM(sym, ...) SETTING_##sym,
typedef enum Setting
{
	SETTINGS(SETTING_ENUM) SETTING_COUNT
} Setting;
#undef SETTING_ENUM

/* Strings live in the arena, or as long as the command line. */
typedef struct Settings
{
	Arena *arena;
	const char *control; /* secret */
	const char *control_file;
	int lease;
	int max_jobs;
	const char *work_dir; /* NULL: the environment's */
	const char *alert_ca; /* NULL: the system's */
	LogLevel log_level;
	bool log_json;
	bool progress;
} Settings;

/* Where settings come from. */
typedef struct SettingsSource
{
	const char *config;               /* the file, or NULL */
	const char *given[SETTING_COUNT]; /* by the command line; NULL: not.  A switch: "on" */
} SettingsSource;

const char *setting_name(Setting setting);

/*
 * Reads all anew.  False: err says in which line and what would be right; nothing is to be freed.
 * settings_free() gives the memory back.
 */
bool settings_read(const SettingsSource *source, Settings *settings, Error *err) must_check;
void settings_free(Settings *settings);

/* Whether there is anything that could have changed since. */
bool settings_have_file(const SettingsSource *source);

/* Makes what concerns this process alone hold: the log and the environment. */
void settings_apply(const Settings *settings);

#endif /* DTS_SETTINGS_H */
