/*
 * ddl_type.c
 *		Enums and domains; see ddl_state.h.  Composite types are relations; what other types are is
 *		not in the catalogs' documents, only their names, owners and comments.
 */
#include <stddef.h>
#include <string.h>

#include "ddl_state.h"

static void
create_enum(DdlScript *script, const json_t *doc, const char *name)
{
	const json_t *labels = json_object_get(doc, "labels");
	const char *list = "";

	for (size_t i = 0; i < json_array_size(labels); i++)
		list =
		    arena_printf(script->arena, "%s%s%s", list, i == 0 ? "" : ", ",
		                 ddl_literal(script->arena, ddl_text(json_array_get(labels, i), "label")));
	ddl_script_add(script, DDL_STAGE_TYPE, "CREATE TYPE %s AS ENUM (%s)", name, list);
}

/* The first of the labels that were there before, as it is called now. */
static const json_t *
first_old(const json_t *before, const json_t *after)
{
	for (size_t i = 0; i < json_array_size(after); i++)
	{
		const json_t *now = json_array_get(after, i);

		if (ddl_find(before, "oid", ddl_number(now, "oid")) != NULL)
			return now;
	}
	return NULL;
}

/* Labels are followed by OID.  Each new one is put behind the one before it, which is there by then. */
static void
change_enum(DdlScript *script, const DdlObject *object, const char *name)
{
	const json_t *before = json_object_get(object->before, "labels");
	const json_t *after = json_object_get(object->after, "labels");
	Arena *arena = script->arena;

	for (size_t i = 0; i < json_array_size(after); i++)
	{
		const json_t *now = json_array_get(after, i);
		const json_t *was = ddl_find(before, "oid", ddl_number(now, "oid"));
		const char *label = ddl_literal(arena, ddl_text(now, "label"));

		if (was != NULL && !ddl_same(was, now, "label"))
			ddl_script_add(script, DDL_STAGE_RENAME, "ALTER TYPE %s RENAME VALUE %s TO %s", name,
			               ddl_literal(arena, ddl_text(was, "label")), label);
		else if (was == NULL && i > 0)
			ddl_script_add(script, DDL_STAGE_TYPE, "ALTER TYPE %s ADD VALUE %s AFTER %s", name,
			               label,
			               ddl_literal(arena, ddl_text(json_array_get(after, i - 1), "label")));
		else if (was == NULL && first_old(before, after) != NULL)
			ddl_script_add(script, DDL_STAGE_TYPE, "ALTER TYPE %s ADD VALUE %s BEFORE %s", name,
			               label, ddl_literal(arena, ddl_text(first_old(before, after), "label")));
		else if (was == NULL)
			ddl_script_add(script, DDL_STAGE_TYPE, "ALTER TYPE %s ADD VALUE %s", name, label);
	}
}

static void
domain_constraints(DdlScript *script, const json_t *was, const json_t *now, const char *name)
{
	const json_t *before = json_object_get(was, "constraints");
	const json_t *after = json_object_get(now, "constraints");
	Arena *arena = script->arena;

	for (size_t i = 0; i < json_array_size(before); i++)
	{
		const json_t *doc = json_array_get(before, i);

		if (ddl_find(after, "oid", ddl_number(doc, "oid")) == NULL)
			ddl_script_add(script, DDL_STAGE_UNTIE, "ALTER DOMAIN %s DROP CONSTRAINT %s", name,
			               ddl_ident(arena, ddl_text(doc, "name")));
	}
	for (size_t i = 0; i < json_array_size(after); i++)
	{
		const json_t *doc = json_array_get(after, i);
		const json_t *old = ddl_find(before, "oid", ddl_number(doc, "oid"));

		if (old == NULL)
			ddl_script_add(script, DDL_STAGE_TYPE, "ALTER DOMAIN %s ADD CONSTRAINT %s %s", name,
			               ddl_ident(arena, ddl_text(doc, "name")), ddl_text(doc, "definition"));
		else if (!ddl_same(old, doc, "name"))
			ddl_script_add(script, DDL_STAGE_RENAME, "ALTER DOMAIN %s RENAME CONSTRAINT %s TO %s",
			               name, ddl_ident(arena, ddl_text(old, "name")),
			               ddl_ident(arena, ddl_text(doc, "name")));
	}
}

static void
follow_domain(DdlScript *script, const DdlObject *object, const char *name)
{
	const json_t *was = json_object_get(object->before, "domain");
	const json_t *now = json_object_get(object->after, "domain");
	const char *collation = ddl_text(now, "collation");
	const char *value = ddl_text(now, "default");

	if (was == NULL)
		ddl_script_add(script, DDL_STAGE_TYPE, "CREATE DOMAIN %s AS %s%s%s%s%s%s", name,
		               ddl_text(now, "base"), collation == NULL ? "" : " COLLATE ",
		               collation == NULL ? "" : collation, value == NULL ? "" : " DEFAULT ",
		               value == NULL ? "" : value, ddl_flag(now, "not_null") ? " NOT NULL" : "");
	else if (!ddl_same(was, now, "not_null"))
		ddl_script_add(script, DDL_STAGE_TYPE, "ALTER DOMAIN %s %s NOT NULL", name,
		               ddl_flag(now, "not_null") ? "SET" : "DROP");
	if (was != NULL && !ddl_same(was, now, "default"))
		ddl_script_add(script, DDL_STAGE_TYPE, "ALTER DOMAIN %s %s DEFAULT%s%s", name,
		               value == NULL ? "DROP" : "SET", value == NULL ? "" : " ",
		               value == NULL ? "" : value);
	domain_constraints(script, was, now, name);
}

void
ddl_type(DdlScript *script, const DdlObject *object)
{
	const json_t *doc = object->after;
	const char *name = ddl_object_name(script->arena, doc);
	bool is_domain = strcmp(ddl_text(doc, "kind"), "d") == 0;
	const char *kind = is_domain ? "DOMAIN" : "TYPE";

	/* a table's or composite type's row type is that relation's affair; a range's second type the first's */
	if (ddl_number(doc, "relation") != 0 || strcmp(ddl_text(doc, "kind"), "m") == 0)
		return;
	if (object->before != NULL && !ddl_same(object->before, doc, "schema"))
		ddl_script_add(script, DDL_STAGE_RENAME, "ALTER %s %s SET SCHEMA %s", kind,
		               ddl_object_name(script->arena, object->before),
		               ddl_ident(script->arena, ddl_text(doc, "schema")));
	if (object->before != NULL && !ddl_same(object->before, doc, "name"))
		ddl_script_add(
		    script, DDL_STAGE_RENAME, "ALTER %s %s RENAME TO %s", kind,
		    ddl_qualified(script->arena, ddl_text(doc, "schema"), ddl_text(object->before, "name")),
		    ddl_ident(script->arena, ddl_text(doc, "name")));
	if (is_domain)
		follow_domain(script, object, name);
	else if (strcmp(ddl_text(doc, "kind"), "e") == 0 && object->before == NULL)
		create_enum(script, doc, name);
	else if (strcmp(ddl_text(doc, "kind"), "e") == 0)
		change_enum(script, object, name);
	else if (object->before == NULL)
		ddl_script_doubt(script, "type %s cannot be made from the catalogs", name);
	ddl_properties(script, object, kind, name);
}
