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

/* Whether two items are one role's, both with or both without the right to pass them on. */
static bool
same_holder(const json_t *item, const json_t *other)
{
	return ddl_same(item, other, "to") && ddl_same(item, other, "grantable");
}

/* Whether the array's item is the first that is its holder's. */
static bool
is_first(const json_t *list, size_t i)
{
	for (size_t k = 0; k < i; k++)
	{
		if (same_holder(json_array_get(list, i), json_array_get(list, k)))
			return false;
	}
	return true;
}

/*
 * Whether the item's holder has all privileges that the source's version knows.  That is to be all on
 * the target as well, whose version may know more.
 */
static bool
has_all(const DdlAcl *acl, const json_t *list, const json_t *item)
{
	int64_t count = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
	{
		const json_t *other = json_array_get(list, i);
		bool again = false; /* from another grantor */

		for (size_t k = 0; k < i && !again; k++)
			again = same_holder(item, json_array_get(list, k)) &&
			        ddl_same(other, json_array_get(list, k), "privilege");
		count += same_holder(item, other) && !again;
	}
	return acl->privileges > 0 && count == acl->privileges;
}

/* Whether what others have would go along with what is taken from the role. */
static bool
has_passed_on(const DdlAcl *acl, const char *role)
{
	if (role == NULL || (acl->owner != NULL && strcmp(role, acl->owner) == 0))
		return false;
	for (size_t i = 0; i < json_array_size(acl->after); i++)
	{
		const char *by = ddl_text(json_array_get(acl->after, i), "by");

		if (by != NULL && strcmp(by, role) == 0)
			return true;
	}
	return false;
}

/* From one who had all and has not any more, all is taken: also what only the target knows. */
static bool
is_stripped(const DdlAcl *acl, const json_t *item)
{
	const char *role = ddl_text(item, "to");

	for (size_t i = 0; i < json_array_size(acl->before); i++)
	{
		const json_t *other = json_array_get(acl->before, i);

		if (ddl_same(item, other, "to") && has_all(acl, acl->before, other) &&
		    !has_all(acl, acl->after, other))
			return !has_passed_on(acl, role);
	}
	return false;
}

static void
revoke(DdlScript *script, const DdlAcl *acl)
{
	const json_t *last = NULL; /* stripped */

	for (size_t i = 0; i < json_array_size(acl->before); i++)
	{
		const json_t *item = json_array_get(acl->before, i);
		bool stripped = is_stripped(acl, item);

		if (stripped ? last != NULL && ddl_same(item, last, "to") : holds(acl->after, item))
			continue;
		if (stripped)
			last = item;
		ddl_script_add(script, DDL_STAGE_PROPERTY, "REVOKE %s%s ON %s FROM %s CASCADE",
		               stripped ? "ALL" : ddl_text(item, "privilege"), acl->columns, acl->on,
		               grantee(script->arena, item));
	}
}

void
ddl_acl(DdlScript *script, const DdlAcl *acl)
{
	revoke(script, acl);
	/* until the first grant they are built in, and the list of afterwards is all there is */
	if (acl->before == NULL && acl->after != NULL && acl->owner != NULL)
		ddl_script_add(script, DDL_STAGE_PROPERTY, "REVOKE ALL ON %s FROM PUBLIC, %s", acl->on,
		               ddl_ident(script->arena, acl->owner));
	for (size_t i = 0; i < json_array_size(acl->after); i++)
	{
		const json_t *item = json_array_get(acl->after, i);
		bool all = has_all(acl, acl->after, item);

		if (all && !is_first(acl->after, i))
			continue;
		if (!is_stripped(acl, item) &&
		    (all ? has_all(acl, acl->before, item) : holds(acl->before, item)))
			continue;
		ddl_script_add(script, DDL_STAGE_PROPERTY, "GRANT %s%s ON %s TO %s%s",
		               all ? "ALL" : ddl_text(item, "privilege"), acl->columns, acl->on,
		               grantee(script->arena, item),
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
	{
		DdlAcl acl = {.before = json_object_get(object->before, "acl"),
		              .after = json_object_get(object->after, "acl"),
		              .on = arena_printf(script->arena, "%s %s", grant, name),
		              .columns = "",
		              .owner = owner,
		              .privileges = ddl_number(object->after, "privileges")};

		ddl_acl(script, &acl);
	}
	/* an index has its table's owner, a sequence its column's */
	if (owner == NULL || strcmp(kind, "INDEX") == 0 ||
	    json_object_get(object->after, "owned_by") != NULL)
		return;
	if (object->before == NULL ? script->role == NULL || strcmp(owner, script->role) != 0
	                           : !ddl_same(object->before, object->after, "owner"))
		ddl_script_add(script, DDL_STAGE_OWNER, "ALTER %s %s OWNER TO %s", kind, name,
		               ddl_ident(script->arena, owner));
}
