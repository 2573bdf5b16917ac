/*
 * ddl_property.c
 *		What objects of every class have: a comment, privileges, an owner; see ddl_state.h.
 */
#include <stddef.h>
#include <string.h>

#include "ddl_state.h"
#include "strbuf.h"

static const char *
grantee(Arena *arena, const json_t *item)
{
	const char *role = ddl_text(item, "to");

	return role == NULL || role[0] == '\0' ? "PUBLIC" : ddl_ident(arena, role);
}

static bool
holds(const json_t *acl, const json_t *item)
{
	for (size_t i = 0; i < json_array_size(acl); i++)
	{
		const json_t *other = json_array_get(acl, i);

		if (ddl_same(item, other, "to") && ddl_same(item, other, "privilege") &&
		    ddl_same(item, other, "grantable"))
			return true;
	}
	return false;
}

/* columns: "" or " (list)", behind the privilege.  on: keyword and name. */
void
ddl_acl(DdlScript *script, const json_t *before, const json_t *after, const char *on,
        const char *columns, const char *owner)
{
	for (size_t i = 0; i < json_array_size(before); i++)
	{
		const json_t *item = json_array_get(before, i);

		if (!holds(after, item))
			ddl_script_add(script, DDL_STAGE_PROPERTY, "REVOKE %s%s ON %s FROM %s CASCADE",
			               ddl_text(item, "privilege"), columns, on, grantee(script->arena, item));
	}
	/* until the first grant they are built in, and the list of afterwards is all there is */
	if (before == NULL && after != NULL && owner != NULL)
		ddl_script_add(script, DDL_STAGE_PROPERTY, "REVOKE ALL ON %s FROM PUBLIC, %s", on,
		               ddl_ident(script->arena, owner));
	for (size_t i = 0; i < json_array_size(after); i++)
	{
		const json_t *item = json_array_get(after, i);

		if (!holds(before, item))
			ddl_script_add(script, DDL_STAGE_PROPERTY, "GRANT %s%s ON %s TO %s%s",
			               ddl_text(item, "privilege"), columns, on, grantee(script->arena, item),
			               ddl_flag(item, "grantable") ? " WITH GRANT OPTION" : "");
	}
}

/* GRANT knows other keywords than ALTER and COMMENT. */
static const char *
grant_keyword(const char *kind)
{
	static const char *const known[][2] = {
	    {"TABLE", "TABLE"},         {"VIEW", "TABLE"},        {"MATERIALIZED VIEW", "TABLE"},
	    {"FOREIGN TABLE", "TABLE"}, {"SEQUENCE", "SEQUENCE"}, {"TYPE", "TYPE"},
	    {"DOMAIN", "TYPE"},         {"FUNCTION", "FUNCTION"}, {"PROCEDURE", "PROCEDURE"},
	    {"SCHEMA", "SCHEMA"}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
	{
		if (strcmp(known[i][0], kind) == 0)
			return known[i][1];
	}
	return NULL;
}

void
ddl_properties(DdlScript *script, const DdlObject *object, const char *kind, const char *name)
{
	const char *grant = grant_keyword(kind);
	const char *owner = ddl_text(object->after, "owner");

	if (!ddl_same(object->before, object->after, "comment"))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "COMMENT ON %s %s IS %s", kind, name,
		               ddl_literal(script->arena, ddl_text(object->after, "comment")));
	if (grant != NULL && !ddl_same(object->before, object->after, "acl"))
		ddl_acl(script, json_object_get(object->before, "acl"),
		        json_object_get(object->after, "acl"),
		        arena_printf(script->arena, "%s %s", grant, name), "", owner);
	/* an index has its table's owner, a sequence its column's */
	if (owner == NULL || strcmp(kind, "INDEX") == 0 ||
	    json_object_get(object->after, "owned_by") != NULL)
		return;
	if (object->before == NULL ? script->role == NULL || strcmp(owner, script->role) != 0
	                           : !ddl_same(object->before, object->after, "owner"))
		ddl_script_add(script, DDL_STAGE_OWNER, "ALTER %s %s OWNER TO %s", kind, name,
		               ddl_ident(script->arena, owner));
}
