/*
 * ddl_table_part.c
 *		What belongs to a table and has an OID of its own: constraints, indexes, triggers, rules,
 *		policies; see ddl_state.h.
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "ddl_state.h"
#include "strbuf.h"

/* Whether the constraint's index is made by a parent's. */
static bool
is_inherited(const json_t *doc)
{
	return ddl_flag(doc, "inherited");
}

static DdlStage
stage_of(const json_t *constraint)
{
	return strcmp(ddl_text(constraint, "kind"), "f") == 0 ? DDL_STAGE_FOREIGN_KEY
	                                                      : DDL_STAGE_CONSTRAINT;
}

static void
comment_constraint(DdlScript *script, const json_t *was, const json_t *now, const char *table)
{
	if (!ddl_same(was, now, "comment"))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "COMMENT ON CONSTRAINT %s ON %s IS %s",
		               ddl_ident(script->arena, ddl_text(now, "name")), table,
		               ddl_literal(script->arena, ddl_text(now, "comment")));
}

static void
change_constraint(DdlScript *script, const json_t *was, const json_t *now, const char *table)
{
	const char *name = ddl_ident(script->arena, ddl_text(now, "name"));

	if (!ddl_same(was, now, "name"))
		ddl_script_add(script, DDL_STAGE_RENAME, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s", table,
		               ddl_ident(script->arena, ddl_text(was, "name")), name);
	if (!ddl_same(was, now, "valid") && json_object_get(now, "valid") == NULL)
		ddl_script_add(script, DDL_STAGE_PROPERTY, "ALTER TABLE %s VALIDATE CONSTRAINT %s", table,
		               name);
	if (!ddl_same(was, now, "deferrable") || !ddl_same(was, now, "deferred"))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "ALTER TABLE %s ALTER CONSTRAINT %s %s%s", table,
		               name, ddl_flag(now, "deferrable") ? "DEFERRABLE" : "NOT DEFERRABLE",
		               ddl_flag(now, "deferred") ? " INITIALLY DEFERRED" : "");
	comment_constraint(script, was, now, table);
}

/* The one of the same name and definition: ALTER TYPE makes some anew, on the target by itself. */
static const json_t *
same_constraint(const json_t *constraints, const json_t *wanted)
{
	for (size_t i = 0; i < json_array_size(constraints); i++)
	{
		const json_t *doc = json_array_get(constraints, i);

		if (ddl_same(doc, wanted, "name") && ddl_same(doc, wanted, "definition"))
			return doc;
	}
	return NULL;
}

/* The index that becomes the constraint's, under the name it had before; NULL: it is made with it. */
static const json_t *
adopted_index(const DdlObject *object, const json_t *constraint)
{
	int64_t oid = ddl_number(constraint, "index");

	return oid == 0 ? NULL : json_object_get(ddl_find(object->all, "oid", oid), "before");
}

static void
add_constraint(DdlScript *script, const DdlObject *object, const json_t *now, const char *table)
{
	Arena *arena = script->arena;
	const json_t *index = adopted_index(object, now);
	const char *name = ddl_ident(arena, ddl_text(now, "name"));

	if (index == NULL)
		ddl_script_add(script, stage_of(now), "ALTER TABLE %s ADD CONSTRAINT %s %s", table, name,
		               ddl_text(now, "definition"));
	else
		ddl_script_add(script, DDL_STAGE_CONSTRAINT,
		               "ALTER TABLE %s ADD CONSTRAINT %s %s USING INDEX %s%s%s", table, name,
		               strcmp(ddl_text(now, "kind"), "p") == 0 ? "PRIMARY KEY" : "UNIQUE",
		               ddl_ident(arena, ddl_text(index, "name")),
		               ddl_flag(now, "deferrable") ? " DEFERRABLE" : "",
		               ddl_flag(now, "deferred") ? " INITIALLY DEFERRED" : "");
	comment_constraint(script, NULL, now, table);
}

void
ddl_constraints(DdlScript *script, const DdlObject *object)
{
	const json_t *before = json_object_get(object->before, "constraints");
	const json_t *after = json_object_get(object->after, "constraints");
	const char *table = ddl_object_name(script->arena, object->after);

	for (size_t i = 0; i < json_array_size(before); i++)
	{
		const json_t *was = json_array_get(before, i);

		if (ddl_find(after, "oid", ddl_number(was, "oid")) == NULL && !is_inherited(was) &&
		    same_constraint(after, was) == NULL)
			ddl_script_add(script, DDL_STAGE_UNTIE, "ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s",
			               table, ddl_ident(script->arena, ddl_text(was, "name")));
	}
	for (size_t i = 0; i < json_array_size(after); i++)
	{
		const json_t *now = json_array_get(after, i);
		const json_t *was = ddl_find(before, "oid", ddl_number(now, "oid"));

		if (was == NULL)
			was = same_constraint(before, now);
		if (was != NULL)
			change_constraint(script, was, now, table);
		else if (!is_inherited(now))
			add_constraint(script, object, now, table);
	}
}

/* An index of the same table that goes in the same record, with the same name: it was made anew. */
static bool
replaces_another(const DdlObject *object)
{
	const json_t *index = json_object_get(object->after, "index");

	for (size_t i = 0; i < json_array_size(object->all); i++)
	{
		const json_t *other = json_array_get(object->all, i);
		const json_t *was = json_object_get(other, "before");

		if (json_object_get(other, "after") == NULL && was != NULL &&
		    ddl_same(was, object->after, "name") &&
		    ddl_number(json_object_get(was, "index"), "table") == ddl_number(index, "table"))
			return true;
	}
	return false;
}

static void
change_index_options(DdlScript *script, const DdlObject *object, const char *name)
{
	const json_t *options = json_object_get(object->after, "options");

	if (object->before == NULL || ddl_same(object->before, object->after, "options"))
		return;
	for (size_t i = 0; i < json_array_size(options); i++)
		ddl_script_add(script, DDL_STAGE_PROPERTY, "ALTER INDEX %s SET (%s)", name,
		               json_string_value(json_array_get(options, i)));
}

/*
 * A partitioned table's index is described as if made on it alone.  So it is only while it is not
 * valid; otherwise the partitions' indexes come with it.
 */
static const char *
index_definition(Arena *arena, const DdlObject *object, const json_t *index)
{
	const char *definition = ddl_text(index, "definition");
	const char *only = arena_printf(arena, " ON ONLY %s USING ", ddl_text(index, "table_name"));
	const char *at = strstr(definition, only);

	if (strcmp(ddl_text(object->after, "kind"), "I") != 0 || ddl_flag(index, "invalid") ||
	    at == NULL)
		return definition;
	return arena_printf(arena, "%.*s ON %s", (int) (at - definition), definition,
	                    at + strlen(" ON ONLY "));
}

void
ddl_index(DdlScript *script, const DdlObject *object)
{
	const json_t *index = json_object_get(object->after, "index");
	const json_t *old = json_object_get(object->before, "index");
	const char *name = ddl_object_name(script->arena, object->after);
	const char *table = ddl_text(index, "table_name");

	/* the constraint makes it, or the parent's index, or ALTER TYPE on the target too */
	if (object->before == NULL && ddl_number(index, "constraint") == 0 &&
	    ddl_text(index, "parent") == NULL && !replaces_another(object))
	{
		if (ddl_flag(index, "invalid") && strcmp(ddl_text(object->after, "kind"), "I") != 0)
			return; /* a concurrent build that has not ended: it will be valid, or dropped */
		ddl_script_add(script, DDL_STAGE_INDEX, "%s",
		               index_definition(script->arena, object, index));
	}
	/* a concurrent build that came to its end */
	if (object->before != NULL && ddl_flag(old, "invalid") && !ddl_flag(index, "invalid") &&
	    strcmp(ddl_text(object->after, "kind"), "i") == 0 && ddl_number(index, "constraint") == 0)
		ddl_script_add(script, DDL_STAGE_INDEX, "%s", ddl_text(index, "definition"));
	if (object->before != NULL && ddl_text(old, "parent") == NULL &&
	    ddl_text(index, "parent") != NULL)
		ddl_script_add(script, DDL_STAGE_PROPERTY, "ALTER INDEX %s ATTACH PARTITION %s",
		               ddl_text(index, "parent"), name);
	if (!ddl_same(old, index, "clustered"))
		ddl_script_add(script, DDL_STAGE_PROPERTY,
		               ddl_flag(index, "clustered") ? "ALTER TABLE %s CLUSTER ON %s"
		                                            : "ALTER TABLE %s SET WITHOUT CLUSTER",
		               table, ddl_ident(script->arena, ddl_text(object->after, "name")));
	if (!ddl_same(old, index, "identity") && ddl_flag(index, "identity"))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "ALTER TABLE %s REPLICA IDENTITY USING INDEX %s",
		               table, ddl_ident(script->arena, ddl_text(object->after, "name")));
	change_index_options(script, object, name);
	if (!ddl_same(object->before, object->after, "comment"))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "COMMENT ON INDEX %s IS %s", name,
		               ddl_literal(script->arena, ddl_text(object->after, "comment")));
}

static const char *
enabled_word(const json_t *doc)
{
	const char *code = ddl_text(doc, "enabled");

	switch (code == NULL ? 'O' : code[0])
	{
		case 'D':
			return "DISABLE";
		case 'A':
			return "ENABLE ALWAYS";
		case 'R':
			return "ENABLE REPLICA";
		default:
			return "ENABLE";
	}
}

static const char *
class_word(const json_t *doc)
{
	const char *class = ddl_text(doc, "class");

	return strcmp(class, "trigger") == 0 ? "TRIGGER"
	       : strcmp(class, "rule") == 0  ? "RULE"
	                                     : "POLICY";
}

static void
finish_attached(DdlScript *script, const json_t *was, const json_t *now, const char *table)
{
	const char *word = class_word(now);
	const char *name = ddl_ident(script->arena, ddl_text(now, "name"));

	if (!ddl_same(was, now, "enabled"))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "ALTER TABLE %s %s %s %s", table,
		               enabled_word(now), word, name);
	if (!ddl_same(was, now, "comment"))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "COMMENT ON %s %s ON %s IS %s", word, name,
		               table, ddl_literal(script->arena, ddl_text(now, "comment")));
}

void
ddl_attached(DdlScript *script, const DdlObject *object)
{
	const json_t *before = json_object_get(object->before, "attached");
	const json_t *after = json_object_get(object->after, "attached");
	const char *table = ddl_object_name(script->arena, object->after);

	for (size_t i = 0; i < json_array_size(before); i++)
	{
		const json_t *was = json_array_get(before, i);
		const json_t *now = ddl_find(after, "oid", ddl_number(was, "oid"));

		/* one that reads differently is made anew; that is the same when only names changed */
		if (json_object_get(was, "inherited") == NULL &&
		    (now == NULL || !ddl_same(was, now, "definition")))
			ddl_script_add(script, DDL_STAGE_UNTIE, "DROP %s IF EXISTS %s ON %s", class_word(was),
			               ddl_ident(script->arena, ddl_text(was, "name")), table);
	}
	for (size_t i = 0; i < json_array_size(after); i++)
	{
		const json_t *now = json_array_get(after, i);
		const json_t *was = ddl_find(before, "oid", ddl_number(now, "oid"));

		if (json_object_get(now, "inherited") != NULL)
			continue;
		if (was == NULL || !ddl_same(was, now, "definition"))
		{
			ddl_script_add(script, DDL_STAGE_ATTACHED, "%s", ddl_text(now, "definition"));
			was = NULL;
		}
		finish_attached(script, was, now, table);
	}
}
