/*
 * ddl_object.c
 *		Functions, procedures and schemas; see ddl_state.h.
 */
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "ddl_state.h"

static const char *
function_kind(const json_t *doc)
{
	const char *kind = ddl_text(doc, "kind");

	return strcmp(kind, "p") == 0 ? "PROCEDURE" : strcmp(kind, "a") == 0 ? "AGGREGATE" : "FUNCTION";
}

void
ddl_function(DdlScript *script, const DdlObject *object)
{
	Arena *arena = script->arena;
	const json_t *was = object->before;
	const json_t *now = object->after;
	const char *kind = function_kind(now);
	const char *language = ddl_text(now, "language");
	const char *definition = ddl_text(now, "definition");
	const char *arguments = ddl_text(now, "arguments");
	const char *name = arena_printf(arena, "%s(%s)", ddl_object_name(arena, now), arguments);

	if (strcasecmp(language, "c") == 0 || strcasecmp(language, "internal") == 0)
	{
		ddl_script_doubt(script, "function %s is written in %s, which is not carried over", name,
		                 language);
		return;
	}
	if (was != NULL && !ddl_same(was, now, "schema"))
		ddl_script_add(script, DDL_STAGE_RENAME, "ALTER %s %s(%s) SET SCHEMA %s", kind,
		               ddl_object_name(arena, was), ddl_text(was, "arguments"),
		               ddl_ident(arena, ddl_text(now, "schema")));
	if (was != NULL && !ddl_same(was, now, "name"))
		ddl_script_add(script, DDL_STAGE_RENAME, "ALTER %s %s(%s) RENAME TO %s", kind,
		               ddl_qualified(arena, ddl_text(now, "schema"), ddl_text(was, "name")),
		               ddl_text(was, "arguments"), ddl_ident(arena, ddl_text(now, "name")));
	if (definition != NULL)
		ddl_script_add(script, DDL_STAGE_FUNCTION, "%s", definition);
	else if (was == NULL)
		ddl_script_doubt(script, "aggregate %s cannot be made from the catalogs", name);
	ddl_properties(script, object, kind, name);
}

void
ddl_schema(DdlScript *script, const DdlObject *object)
{
	Arena *arena = script->arena;
	const json_t *was = object->before;
	const json_t *now = object->after;
	const char *name = ddl_ident(arena, ddl_text(now, "name"));

	if (was == NULL)
		ddl_script_add(script, DDL_STAGE_SCHEMA, "CREATE SCHEMA IF NOT EXISTS %s", name);
	else if (!ddl_same(was, now, "name"))
		ddl_script_add(script, DDL_STAGE_RENAME, "ALTER SCHEMA %s RENAME TO %s",
		               ddl_ident(arena, ddl_text(was, "name")), name);
	ddl_properties(script, object, "SCHEMA", name);
}
