/*
 * log.c
 *		One line an event on stderr; see log.h.
 */
#include "log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"

#define LOG_LINE_MAX (6 * ERROR_TEXT_MAX)

static LogLevel log_min = LOG_INFO;
static bool log_json;
static char log_job[128];

#define LOG_LEVEL_NAME(sym, name) name,
static const char *const level_names[] = {LOG_LEVELS(LOG_LEVEL_NAME)};

void
log_init(LogLevel min_level, bool json)
{
	log_min = min_level;
	log_json = json;
}

bool
log_level_parse(const char *name, LogLevel *level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
	{
		if (strcmp(name, level_names[i]) == 0)
		{
			*level = (LogLevel) i;
			return true;
		}
	}
	return false;
}

void
log_set_job(const char *job)
{
	snprintf(log_job, sizeof(log_job), "%s", job ? job : "");
}

/* A text in another encoding, as far as it can be read without knowing which. */
static json_t *
readable(const char *message)
{
	char *copy = xstrdup(message);
	json_t *json;

	for (char *at = copy; *at != '\0'; at++)
		*at = (unsigned char) *at < 0x80 ? *at : '?';
	json = json_string(copy);
	free(copy);
	return json;
}

static void
emit(LogLevel level, const char *message)
{
	struct timeval now;
	struct tm tm;
	char stamp[40];
	char line[LOG_LINE_MAX + 256];
	size_t len;

	gettimeofday(&now, NULL);
	gmtime_r(&now.tv_sec, &tm);
	len = strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(stamp + len, sizeof(stamp) - len, ".%03d UTC", (int) (now.tv_usec / 1000));
	if (log_json)
	{
		json_t *o =
		    json_pack("{s:s, s:s, s:i, s:s, s:s}", "time", stamp, "level", level_names[level],
		              "pid", (int) getpid(), "job", log_job, "message", message);
		char *text;

		if (o == NULL)
			o = json_pack("{s:s, s:s, s:i, s:s, s:o}", "time", stamp, "level", level_names[level],
			              "pid", (int) getpid(), "job", log_job, "message", readable(message));
		text = o ? json_dumps(o, JSON_COMPACT) : NULL;

		snprintf(line, sizeof(line), "%s\n", text ? text : "{}");
		free(text);
		json_decref(o);
	}
	else
		snprintf(line, sizeof(line), "%s [%d] %s%s%s: %s\n", stamp, (int) getpid(),
		         level_names[level], log_job[0] ? " job " : "", log_job, message);

	/* one write, so that lines of several processes do not mix */
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return;
}

void
log_line(LogLevel level, const char *format, ...)
{
	char message[LOG_LINE_MAX];
	va_list args;

	if (level < log_min)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	for (char *p = message; *p; p++)
	{
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	}
	emit(level, message);
}

void
log_error(LogLevel level, const char *doing, const Error *err)
{
	log_line(level, "%s: %s (SQLSTATE %s)%s%s%s%s%s%s", doing, err->message, err->sqlstate,
	         err->context[0] ? "; while " : "", err->context, err->detail[0] ? "; detail: " : "",
	         err->detail, err->hint[0] ? "; hint: " : "", err->hint);
}
