/*
 * error.c
 *		Filling of Error structs; see error.h.
 */
#include "error.h"

#include <stdio.h>
#include <string.h>

void
error_clear(Error *err)
{
	memset(err, 0, sizeof(*err));
}

void
error_set(Error *err, const char *sqlstate, const char *format, ...)
{
	va_list args;

	error_clear(err);
	err->set = true;
	snprintf(err->sqlstate, sizeof(err->sqlstate), "%s", sqlstate);
	va_start(args, format);
	vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
}

void
error_detail(Error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->detail, sizeof(err->detail), format, args);
	va_end(args);
}

void
error_hint(Error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->hint, sizeof(err->hint), format, args);
	va_end(args);
}

void
error_context(Error *err, const char *format, ...)
{
	char inner[ERROR_TEXT_MAX];
	va_list args;
	size_t len;

	memcpy(inner, err->context, sizeof(inner));
	va_start(args, format);
	vsnprintf(err->context, sizeof(err->context), format, args);
	va_end(args);
	if (inner[0] == '\0')
		return;
	len = strlen(err->context);
	snprintf(err->context + len, sizeof(err->context) - len, ", %.*s",
	         (int) (sizeof(err->context) - len), inner);
}
