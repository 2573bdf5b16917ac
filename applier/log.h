/*
 * log.h
 *		The daemon's log: one line an event on stderr, text or JSON.
 */
#ifndef DTS_LOG_H
#define DTS_LOG_H

#include <stdbool.h>

#include "error.h"

/* X(symbol, name), quiet last */
#define LOG_LEVELS(X)                                                                              \
	X(DEBUG, "debug")                                                                              \
	X(INFO, "info")                                                                                \
	X(WARNING, "warning")                                                                          \
	X(ERROR, "error")

#define LOG_LEVEL_ENUM(sym, name) LOG_##sym,
typedef enum LogLevel
{
	LOG_LEVELS(LOG_LEVEL_ENUM)
} LogLevel;
#undef LOG_LEVEL_ENUM

void log_init(LogLevel min_level, bool json);
bool log_level_parse(const char *name, LogLevel *level);

/* The job that the following lines of this process are about; NULL for the supervisor. */
void log_set_job(const char *job);

void log_line(LogLevel level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_error(LogLevel level, const char *doing, const Error *err);

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARNING, __VA_ARGS__)

#endif /* DTS_LOG_H */
