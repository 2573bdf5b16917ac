/*
 * settings.c
 *		See settings.h.
 */
#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_file.h"
#include "control_link.h"
#include "strbuf.h"

#define LEASE_MIN                    5
#define LEASE_MAX                    300
#define LEASE_DEFAULT                15
#define JOBS_MAX                     1000
#define JOBS_DEFAULT                 64
#define WORK_DIR_ENV                 "DTS_WORK_DIR"

#define SETTING_NAME(sym, name, ...) name,
static const char *const names[] = {SETTINGS(SETTING_NAME)};
#undef SETTING_NAME

const char *
setting_name(Setting setting)
{
	return names[setting];
}

static bool
bad_value(Error *err, Setting setting, const char *value, const char *must_be)
{
	error_set(err, ERR_CONFIG, "invalid value of setting \"%s\": \"%s\"", names[setting], value);
	error_hint(err, "It must be %s.", must_be);
	return false;
}

static bool
take_number(Setting setting, const char *text, int min, int max, int *value, Error *err)
{
	char must_be[64];
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno == 0 && *text != '\0' && *end == '\0' && number >= min && number <= max)
	{
		*value = (int) number;
		return true;
	}
	snprintf(must_be, sizeof(must_be), "a whole number from %d to %d", min, max);
	return bad_value(err, setting, text, must_be);
}

static bool
take_switch(Setting setting, const char *text, bool *value, Error *err)
{
	*value = strcmp(text, "on") == 0;
	return *value || strcmp(text, "off") == 0 || bad_value(err, setting, text, "on or off");
}

static bool
take(Settings *s, Setting setting, const char *value, Error *err)
{
	switch (setting)
	{
		case SETTING_CONTROL:
			s->control = value;
			return true;
		case SETTING_CONTROL_FILE:
			s->control_file = value;
			return true;
		case SETTING_LEASE:
			return take_number(setting, value, LEASE_MIN, LEASE_MAX, &s->lease, err);
		case SETTING_MAX_JOBS:
			return take_number(setting, value, 1, JOBS_MAX, &s->max_jobs, err);
		case SETTING_WORK_DIR:
			s->work_dir = value;
			return true;
		case SETTING_ALERT_CA:
			s->alert_ca = value;
			return true;
		case SETTING_LOG_LEVEL:
			return log_level_parse(value, &s->log_level) ||
			       bad_value(err, setting, value, "debug, info, warning or error");
		case SETTING_LOG_JSON:
			return take_switch(setting, value, &s->log_json, err);
		case SETTING_PROGRESS:
			return take_switch(setting, value, &s->progress, err);
		case SETTING_COUNT:
			break;
	}
	return false;
}

static bool
unknown_setting(Error *err, const char *name)
{
	StrBuf list;

	strbuf_init(&list);
	for (int i = 0; i < SETTING_COUNT; i++)
		strbuf_printf(&list, "%s%s", i > 0 ? ", " : "", names[i]);
	error_set(err, ERR_CONFIG, "unknown setting \"%s\"", name);
	error_hint(err, "Valid settings are: %s.", list.data);
	strbuf_free(&list);
	return false;
}

static char *
trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && isspace((unsigned char) text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* A value may stand in single quotes, where two stand for one. */
static bool
unquote(char *value, Error *err)
{
	char *to = value;
	char *at = value + 1;

	if (value[0] != '\'')
		return true;
	for (; *at != '\0' && !(at[0] == '\'' && at[1] != '\''); at++)
	{
		if (*at == '\'')
			at++;
		*to++ = *at;
	}
	if (at[0] == '\'' && at[1] == '\0')
	{
		*to = '\0';
		return true;
	}
	error_set(err, ERR_CONFIG, "a quoted value does not end with its quote");
	error_hint(err, "Write a quote within quotes twice.");
	return false;
}

/* name = value; empty lines and # comments are left out. */
static bool
take_line(Settings *s, const SettingsSource *source, char *line, Error *err)
{
	char *name = trim(line);
	char *equals = strchr(name, '=');
	char *behind = name + strspn(name, "abcdefghijklmnopqrstuvwxyz_");
	char *value;

	if (*name == '\0' || *name == '#')
		return true;
	/* what stands in front of it is shown only where it is a name: else it may be anything */
	if (equals == NULL || behind + strspn(behind, " \t") != equals)
	{
		error_set(err, ERR_CONFIG, "no \"=\" found behind a name");
		error_hint(err, "Write one name = value a line.");
		return false;
	}
	*equals = '\0';
	name = trim(name);
	value = trim(equals + 1);
	if (!unquote(value, err))
		return false;
	for (int i = 0; i < SETTING_COUNT; i++)
	{
		if (strcmp(name, names[i]) == 0)
			/* what is wrong in the file is told also where the command line says otherwise */
			return take(s, (Setting) i, arena_strdup(s->arena, value), err) &&
			       (source->given[i] == NULL || take(s, (Setting) i, source->given[i], err));
	}
	return unknown_setting(err, name);
}

static bool
read_file(Settings *s, const SettingsSource *source, Error *err)
{
	FILE *file = fopen(source->config, "re");
	char *line = NULL;
	size_t size = 0;
	int number = 0;
	bool ok = true;

	if (file == NULL)
	{
		error_set(err, ERR_CONFIG, "could not open configuration file \"%s\"", source->config);
		error_detail(err, "%s.", strerror(errno));
		return false;
	}
	while (ok && getline(&line, &size, file) >= 0)
	{
		number++;
		ok = take_line(s, source, line, err);
	}
	fclose(file);
	free(line);
	if (!ok)
		error_context(err, "file \"%s\", line %d", source->config, number);
	return ok;
}

/* The nearest that names the control database: what the command line says before the file, and the file before the environment. */
static bool
find_control(Settings *s, const SettingsSource *source, Error *err)
{
	bool file_given = source->given[SETTING_CONTROL_FILE] != NULL;

	if (s->control_file != NULL && source->given[SETTING_CONTROL] == NULL &&
	    (file_given || s->control == NULL))
	{
		char *text = config_file_read(s->control_file, err);

		if (text == NULL)
			return false;
		s->control = arena_strdup(s->arena, text);
		free(text);
	}
	if (s->control == NULL)
		s->control = getenv(SETTINGS_CONTROL_ENV);
	if (s->control != NULL)
		return control_conninfo_check(s->control, err);
	error_set(err, ERR_CONFIG, "which control database?");
	error_hint(err, "Give --control, --control-file or --config, or set " SETTINGS_CONTROL_ENV ".");
	return false;
}

bool
settings_read(const SettingsSource *source, Settings *settings, Error *err)
{
	Settings s = {.arena = arena_create(1024),
	              .lease = LEASE_DEFAULT,
	              .max_jobs = JOBS_DEFAULT,
	              .log_level = LOG_INFO};
	bool ok = true;

	for (int i = 0; ok && i < SETTING_COUNT; i++)
		ok = source->given[i] == NULL || take(&s, (Setting) i, source->given[i], err);
	if (ok && source->config != NULL)
		ok = read_file(&s, source, err);
	if (!ok || !find_control(&s, source, err))
	{
		arena_destroy(s.arena);
		return false;
	}
	*settings = s;
	return true;
}

void
settings_free(Settings *settings)
{
	arena_destroy(settings->arena);
	memset(settings, 0, sizeof(*settings));
}

bool
settings_have_file(const SettingsSource *source)
{
	return source->config != NULL || source->given[SETTING_CONTROL_FILE] != NULL;
}

void
settings_apply(const Settings *settings)
{
	log_init(settings->log_level, settings->log_json);
	if (settings->work_dir != NULL)
		setenv(WORK_DIR_ENV, settings->work_dir, 1);
}
