/*
 * settings.c
 *		See settings.h.  The sessions that copy tables have the same settings from the applier.
 */
#include "settings.h"

#include "compat.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "parser/parse_expr.h"
#include "parser/parser.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/guc.h"

static const char *const settings[][2] = {
    {"datestyle", "ISO, YMD"},
    {"intervalstyle", "postgres"},
    {"extra_float_digits", "3"},
    {"bytea_output", "hex"},
    {"lc_monetary", "C"},
    {"search_path", "pg_catalog"},
    {"timezone", "UTC"},
    {"standard_conforming_strings", "on"},
    {"transform_null_equals", "off"},
    {"array_nulls", "on"},
};

static bool
are_fixed(void)
{
	return DateStyle == USE_ISO_DATES && DateOrder == DATEORDER_YMD &&
	       IntervalStyle == INTSTYLE_POSTGRES && extra_float_digits >= 1 &&
	       bytea_output == BYTEA_OUTPUT_HEX && strcmp(locale_monetary, "C") == 0 &&
	       strcmp(namespace_search_path, "pg_catalog") == 0 &&
	       strcmp(pg_get_timezone_name(session_timezone), "UTC") == 0 &&
	       standard_conforming_strings && !Transform_null_equals && Array_nulls;
}

int
settings_fix(void)
{
	int level;

	if (likely(are_fixed()))
		return 0;
	level = NewGUCNestLevel();
	for (int i = 0; i < lengthof(settings); i++)
		set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
		                  GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
settings_restore(int level)
{
	if (level != 0)
		AtEOXact_GUC(true, level);
}
