/*
 * ddl_state.c
 *		The state way, object by object; see ddl_state.h.
 */
#include "ddl_state.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static bool
is_any(const char *text, const char *const *list)
{
	for (; *list != NULL; list++)
	{
		if (strcmp(text, *list) == 0)
			return true;
	}
	return false;
}

/* What is of the server or of replication itself and never travels. */
static bool
never_followed(const char *class)
{
	static const char *const list[] = {"pg_publication",           "pg_publication_rel",
	                                   "pg_publication_namespace", "pg_subscription",
	                                   "pg_event_trigger",         NULL};

	return is_any(class, list);
}

static bool
doc_in_scope(const DdlScope *scope, const char *class, const json_t *doc)
{
	const json_t *on = json_object_get(json_object_get(doc, "index"), "on");
	const char *schema = ddl_text(doc, "schema");
	const char *kind = ddl_text(doc, "kind");

	if (doc == NULL)
		return false;
	if (on == NULL)
		on = json_object_get(json_object_get(doc, "owned_by"), "on");
	if (on == NULL)
		on = json_object_get(doc, "on");
	if (on != NULL)
		return scope->relation(scope->arg, ddl_text(on, "schema"), ddl_text(on, "name"));
	if (strcmp(class, "pg_class") == 0 && kind[0] != 'c')
		return scope->relation(scope->arg, schema, ddl_text(doc, "name"));
	if (strcmp(class, "pg_namespace") == 0)
		schema = ddl_text(doc, "name");
	return schema == NULL || scope->schema(scope->arg, schema);
}

/* A type that tables of the job use came to the target with them, and has to stay like the source's. */
static bool
has_user_in_scope(const DdlScope *scope, const json_t *users)
{
	for (size_t i = 0; i < json_array_size(users); i++)
	{
		const json_t *user = json_array_get(users, i);

		if (scope->relation(scope->arg, ddl_text(user, "schema"), ddl_text(user, "name")))
			return true;
	}
	return false;
}

bool
ddl_in_scope(const DdlScope *scope, const DdlObject *object)
{
	return doc_in_scope(scope, object->class, object->before) ||
	       doc_in_scope(scope, object->class, object->after) ||
	       has_user_in_scope(scope, object->users);
}

/*
 * CREATE EXTENSION makes the schema that its control file names, but not one that it is told; and the job may not
 * follow that schema, though it follows what in others depends on the extension.
 */
static void
extension_schema(DdlScript *script, const DdlScope *scope, const DdlObject *extension,
                 const char *schema)
{
	for (size_t i = 0; i < json_array_size(extension->all); i++)
	{
		const json_t *doc = json_object_get(json_array_get(extension->all, i), "after");
		const char *class = ddl_text(json_array_get(extension->all, i), "class");

		if (class != NULL && strcmp(class, "pg_namespace") == 0 && doc_in_scope(scope, class, doc))
			return;
	}
	if (strncmp(schema, "pg_", 3) != 0)
		ddl_script_add(script, DDL_STAGE_SCHEMA, "CREATE SCHEMA IF NOT EXISTS %s", schema);
}

/* An object that no document describes: extensions apart, only its text could follow it. */
static void
follow_other(DdlScript *script, const DdlScope *scope, const DdlObject *object)
{
	const char *type = ddl_text(object->after, "type");
	const char *identity = ddl_text(object->after, "identity");

	const char *schema = ddl_text(object->after, "extension_schema");

	if (schema != NULL && object->before == NULL)
	{
		extension_schema(script, scope, object, schema);
		ddl_script_add(script, DDL_STAGE_SCHEMA, "CREATE EXTENSION IF NOT EXISTS %s WITH SCHEMA %s",
		               identity, schema);
	}
	else if (schema != NULL && !ddl_same(object->before, object->after, "extension_schema"))
		ddl_script_add(script, DDL_STAGE_SCHEMA, "ALTER EXTENSION %s SET SCHEMA %s", identity,
		               schema);
	else
		ddl_script_doubt(script, "%s %s cannot be followed through the catalogs", type, identity);
}

/* A first sight of what was there before: the capture failed when it was made, or began later. */
static bool
is_first_sight(const DdlRecord *record, const DdlObject *object)
{
	const char *kind = ddl_text(object->after, "kind");

	if (object->before != NULL || strncmp(record->tag, "CREATE", 6) == 0 ||
	    strcmp(record->tag, "SELECT INTO") == 0 || strncmp(record->tag, "IMPORT", 6) == 0)
		return false;
	if (strcmp(object->class, "pg_class") == 0)
		return strchr("rpvmfc", kind[0]) != NULL;
	return strcmp(object->class, "pg_proc") != 0;
}

static void
follow(DdlScript *script, const DdlScope *scope, const DdlRecord *record, const DdlObject *object)
{
	if (is_first_sight(record, object))
		ddl_script_doubt(script, "what %s was before is not known",
		                 ddl_text(object->after, "schema") == NULL
		                     ? ddl_text(object->after, "name")
		                     : ddl_object_name(script->arena, object->after));
	else if (strcmp(object->class, "pg_class") == 0)
	{
		if (ddl_relation_kind(object->after) != NULL)
			ddl_relation(script, object);
	}
	else if (strcmp(object->class, "pg_type") == 0)
		ddl_type(script, object);
	else if (strcmp(object->class, "pg_proc") == 0)
		ddl_function(script, object);
	else if (strcmp(object->class, "pg_namespace") == 0)
		ddl_schema(script, object);
	else
		follow_other(script, scope, object);
}

DdlObject
ddl_object_at(const DdlRecord *record, size_t i)
{
	const json_t *doc = json_array_get(record->objects, i);
	const char *class = ddl_text(doc, "class");

	return (DdlObject){.class = class == NULL ? "" : class,
	                   .oid = ddl_number(doc, "oid"),
	                   .before = json_object_get(doc, "before"),
	                   .after = json_object_get(doc, "after"),
	                   .users = json_object_get(doc, "users"),
	                   .all = record->objects};
}

static bool
schema_goes(const DdlRecord *record, const char *schema)
{
	for (size_t i = 0; schema != NULL && i < json_array_size(record->objects); i++)
	{
		DdlObject object = ddl_object_at(record, i);
		const char *name = ddl_text(object.before, "name");

		if (strcmp(object.class, "pg_namespace") == 0 && object.after == NULL && name != NULL &&
		    strcmp(name, schema) == 0)
			return true;
	}
	return false;
}

/*
 * What went along may be another's than the role's that ran the command: its owner takes it away.
 * Whoever may drop a schema may drop what is in it.
 */
static const char *
owner_of(const DdlScript *script, const DdlRecord *record, const json_t *doc)
{
	const char *owner = ddl_text(doc, "owner");

	if (schema_goes(record, ddl_text(doc, "schema")))
		return NULL;
	return owner != NULL && script->role != NULL && strcmp(owner, script->role) != 0 ? owner : NULL;
}

/* Only what the record says of objects that are there still. */
static void
follow_all(DdlScript *script, const DdlRecord *record, const DdlScope *scope)
{
	for (size_t i = 0; i < json_array_size(record->objects); i++)
	{
		DdlObject object = ddl_object_at(record, i);

		if (object.after == NULL || never_followed(object.class) || !ddl_in_scope(scope, &object))
			continue;
		if (record->event == DDL_EVENT_DROP)
			script->as = owner_of(script, record, object.before);
		follow(script, scope, record, &object);
	}
	script->as = NULL;
}

static void
refresh(DdlScript *script, const DdlRecord *record, const DdlScope *scope)
{
	for (size_t i = 0; i < json_array_size(record->commands); i++)
	{
		const json_t *command = json_array_get(record->commands, i);
		const json_t *doc =
		    json_object_get(ddl_find(record->objects, "oid", ddl_number(command, "oid")), "after");

		if (scope->schema(scope->arg, ddl_text(command, "schema")))
			ddl_script_add(script, DDL_STAGE_VIEW, "REFRESH MATERIALIZED VIEW %s%s",
			               ddl_text(command, "identity"),
			               json_object_get(doc, "populated") == NULL ? "" : " WITH NO DATA");
	}
}

void
ddl_state_command(DdlScript *script, const DdlRecord *record, const DdlScope *scope)
{
	if (strcmp(record->tag, "REFRESH MATERIALIZED VIEW") == 0)
		refresh(script, record, scope);
	else
		follow_all(script, record, scope);
}

/* The keyword of DROP for an object type as the server names it. */
static const char *
drop_keyword(Arena *arena, const char *type)
{
	char *word;

	if (strcmp(type, "statistics object") == 0)
		return "STATISTICS";
	word = arena_strdup(arena, type);
	for (char *c = word; *c != '\0'; c++)
		*c = (char) toupper((unsigned char) *c);
	return word;
}

/* What belongs to a table goes by the table; its document says which. */
static bool
dropped_in_scope(const DdlScope *scope, const DdlRecord *record, const json_t *dropped,
                 const char *type)
{
	static const char *const of_one[] = {"index", "sequence", "statistics object", NULL};
	static const char *const of_table[] = {"trigger", "policy", "rule", "table column", NULL};
	static const char *const relations[] = {"table", "view", "materialized view", "foreign table",
	                                        NULL};
	const json_t *names = json_object_get(dropped, "names");
	const char *first = json_string_value(json_array_get(names, 0));
	const char *second = json_string_value(json_array_get(names, 1));
	const char *schema = ddl_text(dropped, "schema");
	const json_t *object = ddl_find(record->objects, "oid", ddl_number(dropped, "oid"));

	if (is_any(type, of_one) && json_object_get(object, "before") != NULL)
		return doc_in_scope(scope, ddl_text(object, "class"), json_object_get(object, "before"));
	if (is_any(type, of_table) || is_any(type, relations))
		return first != NULL && second != NULL && scope->relation(scope->arg, first, second);
	if (strcmp(type, "schema") == 0)
		return first == NULL || scope->schema(scope->arg, first);
	return schema == NULL || scope->schema(scope->arg, schema);
}

/* An index of its own: no constraint's, no part of a partitioned one's. */
static bool
is_own_index(const DdlRecord *record, const json_t *dropped)
{
	const json_t *object = ddl_find(record->objects, "oid", ddl_number(dropped, "oid"));
	const json_t *index = json_object_get(json_object_get(object, "before"), "index");

	return index != NULL && ddl_number(index, "constraint") == 0 &&
	       ddl_text(index, "parent") == NULL;
}

/* Its table, or the partitioned table above it, goes too: then the target takes it along. */
static bool
goes_with_another(const DdlRecord *record, const json_t *dropped)
{
	const json_t *was =
	    json_object_get(ddl_find(record->objects, "oid", ddl_number(dropped, "oid")), "before");
	const json_t *index = json_object_get(was, "index");
	const json_t *parents = json_object_get(was, "parents");
	int64_t above = 0;
	const json_t *other;

	if (index != NULL)
		above = ddl_number(index, "table");
	else if (ddl_text(was, "partition_bound") != NULL)
		above = ddl_number(json_array_get(parents, 0), "oid");
	other = above == 0 ? NULL : ddl_find(record->objects, "oid", above);
	return json_object_get(other, "before") != NULL && json_object_get(other, "after") == NULL;
}

/* A member of an extension that goes, which alone can take it along; the capture keeps no document of such. */
static bool
goes_with_extension(const DdlRecord *record, const json_t *dropped, const char *type)
{
	static const char *const members[] = {
	    "table", "view", "materialized view", "foreign table", "sequence", "index", NULL};
	const json_t *object = ddl_find(record->objects, "oid", ddl_number(dropped, "oid"));

	if (!is_any(type, members) || ddl_flag(dropped, "original") ||
	    json_object_get(object, "before") != NULL)
		return false;
	for (size_t i = 0; i < json_array_size(record->commands); i++)
	{
		const char *other = ddl_text(json_array_get(record->commands, i), "type");

		if (other != NULL && strcmp(other, "extension") == 0)
			return true;
	}
	return false;
}

/* Parts of other things, which go with them; and what of a table its own record or document tells. */
static bool
goes_along(const DdlRecord *record, const json_t *dropped, const char *type)
{
	static const char *const parts[] = {"table constraint", "domain constraint", "default value",
	                                    NULL};
	static const char *const owned[] = {"index", "sequence", "trigger", "policy", "rule", NULL};
	bool is_drop = strncmp(record->tag, "DROP", 4) == 0;

	if (strcmp(type, "table column") == 0)
		return !is_drop;
	if (goes_with_another(record, dropped) || goes_with_extension(record, dropped, type))
		return true;
	if (is_drop && strcmp(type, "index") == 0 && is_own_index(record, dropped))
		return false;
	return ddl_number(dropped, "sub") != 0 || is_any(type, parts) ||
	       (is_any(type, owned) && !(is_drop && ddl_flag(dropped, "original")));
}

/* Foreign keys between tables that go together would keep each other from going. */
static void
untie(DdlScript *script, const DdlRecord *record, const DdlScope *scope)
{
	for (size_t i = 0; i < json_array_size(record->objects); i++)
	{
		DdlObject object = ddl_object_at(record, i);
		const json_t *constraints = json_object_get(object.before, "constraints");

		if (object.after != NULL || !ddl_in_scope(scope, &object))
			continue;
		script->as = owner_of(script, record, object.before);
		for (size_t k = 0; k < json_array_size(constraints); k++)
		{
			const json_t *doc = json_array_get(constraints, k);

			if (strcmp(ddl_text(doc, "kind"), "f") == 0 && !ddl_flag(doc, "inherited"))
				ddl_script_add(script, DDL_STAGE_UNTIE,
				               "ALTER TABLE IF EXISTS %s DROP CONSTRAINT IF EXISTS %s",
				               ddl_object_name(script->arena, object.before),
				               ddl_ident(script->arena, ddl_text(doc, "name")));
		}
	}
}

/* A column that went with its type, in its turn among the other dependents. */
static void
drop_column(DdlScript *script, const json_t *dropped)
{
	const json_t *names = json_object_get(dropped, "names");
	const char *part[3];

	for (size_t i = 0; i < 3; i++)
		part[i] = json_string_value(json_array_get(names, i));
	if (part[0] != NULL && part[1] != NULL && part[2] != NULL)
		ddl_script_add(script, DDL_STAGE_DROP, "ALTER TABLE IF EXISTS %s DROP COLUMN IF EXISTS %s",
		               ddl_qualified(script->arena, part[0], part[1]),
		               ddl_ident(script->arena, part[2]));
}

/*
 * Everything that went is dropped one by one, dependents first, never by CASCADE: that could take
 * what only the target has.
 */
void
ddl_state_drop(DdlScript *script, const DdlRecord *record, const DdlScope *scope)
{
	untie(script, record, scope);
	for (size_t i = json_array_size(record->commands); i > 0; i--)
	{
		const json_t *object;
		const json_t *dropped = json_array_get(record->commands, i - 1);
		const char *type = ddl_text(dropped, "type");
		const char *class = ddl_text(dropped, "class");

		if (type == NULL || class == NULL || never_followed(class) ||
		    goes_along(record, dropped, type) || !dropped_in_scope(scope, record, dropped, type))
			continue;
		object = ddl_find(record->objects, "oid", ddl_number(dropped, "oid"));
		script->as = ddl_flag(dropped, "original")
		                 ? NULL
		                 : owner_of(script, record, json_object_get(object, "before"));
		if (strcmp(type, "table column") == 0)
			drop_column(script, dropped);
		else
			ddl_script_add(script, DDL_STAGE_DROP, "DROP %s IF EXISTS %s",
			               drop_keyword(script->arena, type), ddl_text(dropped, "identity"));
	}
	script->as = NULL;
	follow_all(script, record, scope);
}
