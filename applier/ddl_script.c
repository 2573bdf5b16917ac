/*
 * ddl_script.c
 *		Gathering SQL; see ddl_script.h.
 */
#include "ddl_script.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "strbuf.h"

void
ddl_script_init(DdlScript *script, Arena *arena)
{
	*script = (DdlScript){.arena = arena};
}

static char *
format_into(Arena *arena, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static char *
format_into(Arena *arena, const char *format, va_list args)
{
	va_list again;
	int len;
	char *text;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	text = arena_alloc(arena, (size_t) len + 1);
	vsnprintf(text, (size_t) len + 1, format, args);
	return text;
}

void
ddl_script_add(DdlScript *script, DdlStage stage, const char *format, ...)
{
	va_list args;

	if (script->count == script->size)
	{
		int size = script->size == 0 ? 16 : script->size * 2;
		DdlLine *lines = arena_alloc(script->arena, (size_t) size * sizeof(*lines));

		if (script->count > 0)
			memcpy(lines, script->lines, (size_t) script->count * sizeof(*lines));
		script->lines = lines;
		script->size = size;
	}
	va_start(args, format);
	script->lines[script->count].sql = format_into(script->arena, format, args);
	va_end(args);
	script->lines[script->count].role = script->as;
	script->lines[script->count++].stage = stage;
}

void
ddl_script_doubt(DdlScript *script, const char *format, ...)
{
	va_list args;

	if (script->doubt != NULL)
		return;
	va_start(args, format);
	script->doubt = format_into(script->arena, format, args);
	va_end(args);
}

bool
ddl_script_rewritten(const DdlScript *script, int64_t oid)
{
	for (int i = 0; i < script->rewritten_count; i++)
	{
		if (script->rewritten[i].oid == oid)
			return true;
	}
	return false;
}

const char **
ddl_script_order(const DdlScript *script, int *count, const char ***roles)
{
	const char **sql = arena_alloc(script->arena, ((size_t) script->count + 1) * sizeof(*sql));
	const char **by = arena_alloc(script->arena, ((size_t) script->count + 1) * sizeof(*by));

	*count = 0;
	for (int stage = 0; stage <= DDL_STAGE_OWNER; stage++)
	{
		for (int i = 0; i < script->count; i++)
		{
			if ((int) script->lines[i].stage != stage)
				continue;
			by[*count] = script->lines[i].role;
			sql[(*count)++] = script->lines[i].sql;
		}
	}
	if (roles != NULL)
		*roles = by;
	return sql;
}

static const char *
quoted(Arena *arena, void (*quote)(StrBuf *, const char *), const char *text)
{
	StrBuf buf;
	const char *result;

	strbuf_init(&buf);
	quote(&buf, text);
	result = arena_strdup(arena, buf.data);
	strbuf_free(&buf);
	return result;
}

const char *
ddl_ident(Arena *arena, const char *name)
{
	return quoted(arena, strbuf_ident, name == NULL ? "" : name);
}

const char *
ddl_qualified(Arena *arena, const char *schema, const char *name)
{
	return arena_printf(arena, "%s.%s", ddl_ident(arena, schema), ddl_ident(arena, name));
}

const char *
ddl_literal(Arena *arena, const char *text)
{
	return text == NULL ? "NULL" : quoted(arena, strbuf_literal, text);
}
