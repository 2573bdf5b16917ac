/*
 * ddl_session.c
 *		Settings for replayed commands; see ddl_session.h.
 */
#include "ddl_session.h"

#include <stddef.h>

/* Those that change what a command's text means, or what it makes; values of the state way. */
static const char *const settings[][2] = {
    {"DateStyle", "ISO, YMD"},
    {"IntervalStyle", "postgres"},
    {"TimeZone", "UTC"},
    {"bytea_output", "hex"},
    {"xmlbinary", "base64"},
    {"xmloption", "content"},
    {"lc_monetary", NULL},
    {"extra_float_digits", "3"},
    {"standard_conforming_strings", "on"},
    {"transform_null_equals", "off"},
    {"array_nulls", "on"},
    /* bodies were checked on the source, against objects that may come later or are not carried over */
    {"check_function_bodies", "off"},
    {"default_table_access_method", "heap"},
    {"default_toast_compression", NULL},
    {"timezone_abbreviations", NULL},
    {"default_text_search_config", NULL},
};

#define SETTINGS ((int) (sizeof(settings) / sizeof(settings[0])))

const char **
ddl_session_settings(Arena *arena, const DdlPlan *plan, int *count)
{
	const char **sql = arena_alloc(arena, (SETTINGS + 1) * sizeof(*sql));
	const char *path = plan->by_statement ? plan->search_path : "pg_catalog";

	*count = 0;
	for (int i = 0; i < SETTINGS; i++)
	{
		const char *name = settings[i][0];
		const char *value = plan->by_statement ? ddl_text(plan->settings, name) : settings[i][1];

		/* a body that does not pass here did on the source */
		if (plan->by_statement && settings[i][1] != NULL && name[0] == 'c')
			value = settings[i][1];
		if (value != NULL)
			sql[(*count)++] = arena_printf(arena,
			                               "SELECT pg_catalog.set_config(s.name, %s, true) FROM "
			                               "pg_catalog.pg_settings s WHERE s.name = %s",
			                               ddl_literal(arena, value), ddl_literal(arena, name));
	}
	sql[(*count)++] = arena_printf(arena, "SELECT pg_catalog.set_config('search_path', %s, true)",
	                               ddl_literal(arena, path == NULL ? "pg_catalog" : path));
	return sql;
}
