/*
 * ddl_column.c
 *		Columns of tables, views and composite types, by their numbers; see ddl_state.h.
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "ddl_state.h"
#include "strbuf.h"

/* The options of an identity column's own sequence, which is among the record's objects. */
static const char *
identity_options(Arena *arena, const json_t *objects, int64_t relation, int64_t num)
{
	for (size_t i = 0; i < json_array_size(objects); i++)
	{
		const json_t *doc = json_object_get(json_array_get(objects, i), "after");
		const json_t *owned = json_object_get(doc, "owned_by");
		const json_t *s = json_object_get(doc, "sequence");

		if (s == NULL || !ddl_flag(owned, "identity") || ddl_number(owned, "table") != relation ||
		    ddl_number(owned, "num") != num)
			continue;
		return arena_printf(arena,
		                    " (SEQUENCE NAME %s START WITH %" PRId64 " INCREMENT BY %" PRId64
		                    " MINVALUE %" PRId64 " MAXVALUE %" PRId64 " CACHE %" PRId64 "%s)",
		                    ddl_object_name(arena, doc), ddl_number(s, "start"),
		                    ddl_number(s, "increment"), ddl_number(s, "min"), ddl_number(s, "max"),
		                    ddl_number(s, "cache"), ddl_flag(s, "cycle") ? " CYCLE" : "");
	}
	return "";
}

static const char *
identity_kind(const json_t *column)
{
	return strcmp(ddl_text(column, "identity"), "a") == 0 ? "ALWAYS" : "BY DEFAULT";
}

const char *
ddl_column_definition(Arena *arena, const json_t *column, const json_t *objects, int64_t relation)
{
	const char *collation = ddl_text(column, "collation");
	const char *value = ddl_text(column, "default");
	const char *generated = ddl_text(column, "generated");
	const char *rest = "";

	if (generated != NULL)
		rest = arena_printf(arena, " GENERATED ALWAYS AS (%s) %s", value,
		                    strcmp(generated, "v") == 0 ? "VIRTUAL" : "STORED");
	else if (ddl_text(column, "identity") != NULL)
		rest = arena_printf(arena, " GENERATED %s AS IDENTITY%s", identity_kind(column),
		                    identity_options(arena, objects, relation, ddl_number(column, "num")));
	else if (value != NULL)
		rest = arena_printf(arena, " DEFAULT %s", value);
	return arena_printf(arena, "%s %s%s%s%s%s", ddl_ident(arena, ddl_text(column, "name")),
	                    ddl_text(column, "type"), collation == NULL ? "" : " COLLATE ",
	                    collation == NULL ? "" : collation, rest,
	                    ddl_flag(column, "not_null") ? " NOT NULL" : "");
}

typedef struct ColumnContext
{
	DdlScript *script;
	const char *alter;     /* ALTER TABLE "s"."t" */
	const char *attribute; /* COLUMN or ATTRIBUTE */
	const char *table;     /* "s"."t" */
	const DdlObject *object;
	bool composite;
	bool view;
} ColumnContext;

static bool
name_taken(const json_t *columns, const json_t *but, const char *name)
{
	for (size_t i = 0; i < json_array_size(columns); i++)
	{
		const json_t *column = json_array_get(columns, i);

		if (column != but && strcmp(ddl_text(column, "name"), name) == 0)
			return true;
	}
	return false;
}

/* Two columns may have changed names when a record in between is missing: over a third name. */
static void
rename_columns(const ColumnContext *c, const json_t *before, const json_t *after)
{
	Arena *arena = c->script->arena;

	for (int round = 0; round < 2; round++)
	{
		for (size_t i = 0; i < json_array_size(after); i++)
		{
			const json_t *now = json_array_get(after, i);
			const json_t *was = ddl_find(before, "num", ddl_number(now, "num"));
			const char *name = ddl_text(now, "name");
			const char *old = ddl_text(was, "name");
			bool detour;

			/* heirs follow their parents */
			if (was == NULL || strcmp(name, old) == 0 || ddl_flag(now, "inherited"))
				continue;
			detour = name_taken(before, was, name);
			if (round == 1 && !detour)
				continue;
			if (detour)
			{
				const char *third =
				    arena_printf(arena, "dts_renamed_%" PRId64, ddl_number(now, "num"));

				if (round == 0)
					name = third;
				else
					old = third;
			}
			ddl_script_add(c->script, DDL_STAGE_RENAME, "%s RENAME %s %s TO %s", c->alter,
			               c->attribute, ddl_ident(arena, old), ddl_ident(arena, name));
		}
	}
}

static void
drop_columns(const ColumnContext *c, const json_t *before, const json_t *after)
{
	for (size_t i = 0; i < json_array_size(before); i++)
	{
		const json_t *was = json_array_get(before, i);

		if (ddl_find(after, "num", ddl_number(was, "num")) != NULL || ddl_flag(was, "inherited"))
			continue;
		ddl_script_add(c->script, DDL_STAGE_COLUMN, "%s DROP %s IF EXISTS %s", c->alter,
		               c->attribute, ddl_ident(c->script->arena, ddl_text(was, "name")));
	}
}

/* Heirs have defaults of their own, which their own documents tell: none follows its parent's. */
static const char *
alone(const ColumnContext *c, const json_t *now)
{
	Arena *arena = c->script->arena;

	return arena_printf(arena, "%s %s ALTER COLUMN %s", c->view ? c->alter : "ALTER TABLE ONLY",
	                    c->view ? "" : c->table, ddl_ident(arena, ddl_text(now, "name")));
}

static void
change_default(const ColumnContext *c, const json_t *was, const json_t *now, const char *column)
{
	const char *value = ddl_text(now, "default");

	if (ddl_text(was, "generated") != NULL)
	{
		/* the text may differ for a rename only; before 17 an expression cannot be changed */
		if (ddl_text(now, "generated") == NULL && !ddl_flag(now, "inherited"))
			ddl_script_add(c->script, DDL_STAGE_COLUMN, "%s DROP EXPRESSION", column);
		return;
	}
	if (ddl_same(was, now, "default") || ddl_text(now, "generated") != NULL)
		return;
	if (value == NULL)
		ddl_script_add(c->script, DDL_STAGE_UNTIE, "%s DROP DEFAULT", alone(c, now));
	else
		ddl_script_add(c->script, DDL_STAGE_PROPERTY, "%s SET DEFAULT %s", alone(c, now), value);
}

/* Whether the same command changed the column's parent likewise: then the target takes both along. */
static bool
comes_from_parent(const ColumnContext *c, const json_t *now, const char *key)
{
	const json_t *parents = json_object_get(c->object->after, "parents");

	for (size_t i = 0; i < json_array_size(parents); i++)
	{
		const json_t *parent =
		    ddl_find(c->object->all, "oid", ddl_number(json_array_get(parents, i), "oid"));
		const json_t *was = json_object_get(json_object_get(parent, "before"), "columns");
		const json_t *is = json_object_get(json_object_get(parent, "after"), "columns");

		for (size_t k = 0; k < json_array_size(is); k++)
		{
			const json_t *column = json_array_get(is, k);

			if (ddl_same(column, now, "name") &&
			    !ddl_same(ddl_find(was, "num", ddl_number(column, "num")), column, key))
				return true;
		}
	}
	return false;
}

static void
change_not_null(const ColumnContext *c, const json_t *was, const json_t *now, const char *column)
{
	if (ddl_same(was, now, "not_null") ||
	    (ddl_flag(now, "inherited") && comes_from_parent(c, now, "not_null")))
		return;
	ddl_script_add(c->script, DDL_STAGE_PROPERTY, "%s %s NOT NULL", column,
	               ddl_flag(now, "not_null") ? "SET" : "DROP");
}

static void
change_identity(const ColumnContext *c, const json_t *was, const json_t *now, const char *column)
{
	if (ddl_same(was, now, "identity"))
		return;
	if (ddl_text(now, "identity") == NULL)
		ddl_script_add(c->script, DDL_STAGE_COLUMN, "%s DROP IDENTITY", column);
	else if (ddl_text(was, "identity") == NULL)
		ddl_script_add(c->script, DDL_STAGE_PROPERTY, "%s ADD GENERATED %s AS IDENTITY%s", column,
		               identity_kind(now),
		               identity_options(c->script->arena, c->object->all, c->object->oid,
		                                ddl_number(now, "num")));
	else
		ddl_script_add(c->script, DDL_STAGE_PROPERTY, "%s SET GENERATED %s", column,
		               identity_kind(now));
}

/*
 * What USING says on the target, where it is not told what it said on the source.  The rows of a
 * table that is written anew come after it: it is empty now.  A partitioned table has no rows of its
 * own; with partitions that are not written anew the old values are good as they are, and without
 * any there are none.
 */
static const char *
new_values(const ColumnContext *c, const json_t *was, const json_t *now, const char *type)
{
	Arena *arena = c->script->arena;
	const char *kind = ddl_text(c->object->after, "kind");
	const char *name = ddl_ident(arena, ddl_text(now, "name"));

	if (ddl_script_rewritten(c->script, c->object->oid))
		return arena_printf(arena, " USING NULL::%s", type);
	if (kind == NULL || kind[0] != 'p')
		return "";
	if (c->script->rewritten_count > 0)
		return arena_printf(arena, " USING NULL::%s", type);
	if (ddl_same(was, now, "type_oid"))
		return arena_printf(arena, " USING %s::%s", name, type);
	return arena_printf(arena, " USING %s::pg_catalog.text::%s", name, type);
}

static void
change_type(const ColumnContext *c, const json_t *was, const json_t *now, const char *column)
{
	const char *type = ddl_text(now, "type");
	const char *collation = ddl_text(now, "collation");
	const char *using = new_values(c, was, now, type);

	if (ddl_same(was, now, "type_oid") && ddl_same(was, now, "typmod") &&
	    ddl_same(was, now, "collation"))
		return;
	/* a default that cannot be cast stands in the way; it is set again afterwards */
	if (!c->composite && ddl_text(was, "default") != NULL && ddl_text(was, "generated") == NULL)
	{
		ddl_script_add(c->script, DDL_STAGE_TABLE, "%s DROP DEFAULT", alone(c, now));
		if (ddl_same(was, now, "default"))
			ddl_script_add(c->script, DDL_STAGE_PROPERTY, "%s SET DEFAULT %s", alone(c, now),
			               ddl_text(now, "default"));
	}
	if (ddl_flag(now, "inherited"))
		return;
	ddl_script_add(c->script, DDL_STAGE_COLUMN, "%s TYPE %s%s%s%s", column, type,
	               collation == NULL ? "" : " COLLATE ", collation == NULL ? "" : collation, using);
}

static const char *
storage_word(const char *code)
{
	switch (code[0])
	{
		case 'p':
			return "PLAIN";
		case 'e':
			return "EXTERNAL";
		case 'm':
			return "MAIN";
		default:
			return "EXTENDED";
	}
}

/* What an existing or a new column has besides its definition. */
static void
change_details(const ColumnContext *c, const json_t *was, const json_t *now, const char *column)
{
	Arena *arena = c->script->arena;
	const char *name = ddl_ident(arena, ddl_text(now, "name"));
	const char *usual = ddl_text(now, "usual_storage");
	/* a new type brings its own storage, on the target too */
	bool retyped = was != NULL && !ddl_same(was, now, "type_oid");

	if (!ddl_same(was, now, "comment"))
		ddl_script_add(c->script, DDL_STAGE_PROPERTY, "COMMENT ON COLUMN %s.%s IS %s", c->table,
		               name, ddl_literal(arena, ddl_text(now, "comment")));
	if (!ddl_same(was, now, "acl"))
	{
		DdlAcl acl = {.before = json_object_get(was, "acl"),
		              .after = json_object_get(now, "acl"),
		              .on = arena_printf(arena, "TABLE %s", c->table),
		              .columns = arena_printf(arena, " (%s)", name)};

		ddl_acl(c->script, &acl);
	}
	if (c->composite || c->view)
		return;
	if (ddl_text(now, "storage") != NULL && (retyped || !ddl_same(was, now, "storage")))
		ddl_script_add(c->script, DDL_STAGE_PROPERTY, "%s SET STORAGE %s", column,
		               storage_word(ddl_text(now, "storage")));
	else if (!retyped && !ddl_same(was, now, "storage"))
		ddl_script_add(c->script, DDL_STAGE_PROPERTY, "%s SET STORAGE %s", column,
		               storage_word(usual == NULL ? "x" : usual));
	if (!ddl_same(was, now, "compression"))
		ddl_script_add(c->script, DDL_STAGE_PROPERTY, "%s SET COMPRESSION %s", column,
		               ddl_text(now, "compression") == NULL             ? "default"
		               : strcmp(ddl_text(now, "compression"), "l") == 0 ? "lz4"
		                                                                : "pglz");
	if (!ddl_same(was, now, "statistics"))
		ddl_script_add(c->script, DDL_STAGE_PROPERTY, "%s SET STATISTICS %" PRId64, column,
		               json_object_get(now, "statistics") == NULL ? -1
		                                                          : ddl_number(now, "statistics"));
	for (size_t i = 0;
	     !ddl_same(was, now, "options") && i < json_array_size(json_object_get(now, "options"));
	     i++)
		ddl_script_add(c->script, DDL_STAGE_PROPERTY, "%s SET (%s)", column,
		               json_string_value(json_array_get(json_object_get(now, "options"), i)));
}

static void
change_column(const ColumnContext *c, const json_t *was, const json_t *now)
{
	const char *column = arena_printf(c->script->arena, "%s ALTER %s %s", c->alter, c->attribute,
	                                  ddl_ident(c->script->arena, ddl_text(now, "name")));

	if (!c->view)
		change_type(c, was, now, column);
	if (!c->composite)
		change_default(c, was, now, column);
	if (!c->composite && !ddl_flag(now, "inherited"))
		change_identity(c, was, now, column);
	if (!c->composite && !c->view)
		change_not_null(c, was, now, column);
	change_details(c, was, now, column);
}

/*
 * What rows that are there already have in a new column: the default's value as of the command.  A
 * partitioned table has no rows of its own; its partitions tell.
 */
static const char *
missing_value(const DdlObject *object, const json_t *column)
{
	const char *value = ddl_text(column, "missing");

	for (size_t i = 0; value == NULL && i < json_array_size(object->all); i++)
	{
		const json_t *columns =
		    json_object_get(json_object_get(json_array_get(object->all, i), "after"), "columns");

		for (size_t k = 0; value == NULL && k < json_array_size(columns); k++)
		{
			const json_t *other = json_array_get(columns, k);

			if (ddl_flag(other, "inherited") && ddl_same(other, column, "name"))
				value = ddl_text(other, "missing");
		}
	}
	return value;
}

/* A column whose default is computed: first with the value that it came to, then with the default. */
static void
add_filled(const ColumnContext *c, const json_t *now, const char *value)
{
	Arena *arena = c->script->arena;
	const char *name = ddl_ident(arena, ddl_text(now, "name"));
	const char *collation = ddl_text(now, "collation");

	ddl_script_add(c->script, DDL_STAGE_COLUMN, "%s ADD COLUMN %s %s%s%s DEFAULT %s::%s%s",
	               c->alter, name, ddl_text(now, "type"), collation == NULL ? "" : " COLLATE ",
	               collation == NULL ? "" : collation, ddl_literal(arena, value),
	               ddl_text(now, "type"), ddl_flag(now, "not_null") ? " NOT NULL" : "");
	if (ddl_text(now, "default") == NULL)
		ddl_script_add(c->script, DDL_STAGE_PROPERTY, "%s ALTER COLUMN %s DROP DEFAULT", c->alter,
		               name);
	else
		ddl_script_add(c->script, DDL_STAGE_PROPERTY, "%s ALTER COLUMN %s SET DEFAULT %s", c->alter,
		               name, ddl_text(now, "default"));
}

static void
add_column(const ColumnContext *c, const json_t *now)
{
	Arena *arena = c->script->arena;
	const char *value;

	/* the parent's command adds it here too */
	if (ddl_flag(now, "inherited"))
		return;
	value = missing_value(c->object, now);
	if (value != NULL && ddl_text(now, "generated") == NULL && ddl_text(now, "identity") == NULL)
		add_filled(c, now, value);
	else
		ddl_script_add(c->script, DDL_STAGE_COLUMN, "%s ADD %s %s", c->alter, c->attribute,
		               ddl_column_definition(arena, now, c->object->all, c->object->oid));
	change_details(c, NULL, now,
	               arena_printf(arena, "%s ALTER %s %s", c->alter, c->attribute,
	                            ddl_ident(arena, ddl_text(now, "name"))));
}

void
ddl_columns(DdlScript *script, const DdlObject *object)
{
	const char *kind = ddl_relation_kind(object->after);
	const json_t *before = json_object_get(object->before, "columns");
	const json_t *after = json_object_get(object->after, "columns");
	ColumnContext c = {.script = script,
	                   .object = object,
	                   .table = ddl_object_name(script->arena, object->after),
	                   .composite = strcmp(kind, "TYPE") == 0,
	                   .view = strstr(kind, "VIEW") != NULL};

	c.alter = arena_printf(script->arena, "ALTER %s %s", kind, c.table);
	c.attribute = c.composite ? "ATTRIBUTE" : "COLUMN";
	if (object->before == NULL)
	{
		/* made with its columns; what CREATE cannot say follows */
		for (size_t i = 0; i < json_array_size(after); i++)
		{
			const json_t *now = json_array_get(after, i);

			change_details(&c, NULL, now,
			               arena_printf(script->arena, "%s ALTER COLUMN %s", c.alter,
			                            ddl_ident(script->arena, ddl_text(now, "name"))));
		}
		return;
	}
	rename_columns(&c, before, after);
	if (!c.view)
		drop_columns(&c, before, after);
	for (size_t i = 0; i < json_array_size(after); i++)
	{
		const json_t *now = json_array_get(after, i);
		const json_t *was = ddl_find(before, "num", ddl_number(now, "num"));

		if (was != NULL)
			change_column(&c, was, now);
		else if (!c.view)
			add_column(&c, now);
	}
}
