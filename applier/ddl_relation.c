/*
 * ddl_relation.c
 *		Tables, sequences, views and composite types as a whole; see ddl_state.h.
 *
 * Tablespaces are of the server and stay out.
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "ddl_state.h"
#include "strbuf.h"

const char *
ddl_relation_kind(const json_t *doc)
{
	const char *kind = ddl_text(doc, "kind");

	switch (kind == NULL ? 0 : kind[0])
	{
		case 'r':
		case 'p':
			return "TABLE";
		case 'i':
		case 'I':
			return "INDEX";
		case 'S':
			return "SEQUENCE";
		case 'v':
			return "VIEW";
		case 'm':
			return "MATERIALIZED VIEW";
		case 'f':
			return "FOREIGN TABLE";
		case 'c':
			return "TYPE";
		default:
			return NULL;
	}
}

const char *
ddl_object_name(Arena *arena, const json_t *doc)
{
	return ddl_qualified(arena, ddl_text(doc, "schema"), ddl_text(doc, "name"));
}

static bool
is_kind(const json_t *doc, const char *kinds)
{
	return strchr(kinds, ddl_text(doc, "kind")[0]) != NULL;
}

static const char *
column_list(Arena *arena, const DdlObject *object, bool names_only)
{
	const json_t *columns = json_object_get(object->after, "columns");
	bool of_type = ddl_text(object->after, "of_type") != NULL;
	bool first = true;
	StrBuf buf;
	const char *result;

	strbuf_init(&buf);
	for (size_t i = 0; i < json_array_size(columns); i++)
	{
		const json_t *column = json_array_get(columns, i);

		if (!names_only && (of_type || ddl_flag(column, "inherited")))
			continue;
		strbuf_puts(&buf, first ? "" : ", ");
		strbuf_puts(&buf, names_only
		                      ? ddl_ident(arena, ddl_text(column, "name"))
		                      : ddl_column_definition(arena, column, object->all, object->oid));
		first = false;
	}
	result = arena_strdup(arena, buf.data);
	strbuf_free(&buf);
	return result;
}

/* The texts of an array, or the member of its objects, with commas between. */
static const char *
joined(Arena *arena, const json_t *array, const char *member)
{
	const char *result = "";

	for (size_t i = 0; i < json_array_size(array); i++)
	{
		const json_t *item = json_array_get(array, i);

		result = arena_printf(arena, "%s%s%s", result, i == 0 ? "" : ", ",
		                      member == NULL ? json_string_value(item) : ddl_text(item, member));
	}
	return result;
}

static const char *
with_options(Arena *arena, const json_t *doc)
{
	const json_t *options = json_object_get(doc, "options");

	return json_array_size(options) == 0
	           ? ""
	           : arena_printf(arena, " WITH (%s)", joined(arena, options, NULL));
}

/* Columns of a partition come with it, but their defaults are its own. */
static void
create_partition(DdlScript *script, const DdlObject *object, const char *name)
{
	const json_t *doc = object->after;
	const json_t *columns = json_object_get(doc, "columns");
	const char *key = ddl_text(doc, "partition_key");

	ddl_script_add(script, DDL_STAGE_TABLE, "CREATE %sTABLE %s PARTITION OF %s %s%s%s%s",
	               ddl_text(doc, "persistence") != NULL ? "UNLOGGED " : "", name,
	               joined(script->arena, json_object_get(doc, "parents"), "name"),
	               ddl_text(doc, "partition_bound"), key == NULL ? "" : " PARTITION BY ",
	               key == NULL ? "" : key, with_options(script->arena, doc));
	for (size_t i = 0; i < json_array_size(columns); i++)
	{
		const json_t *column = json_array_get(columns, i);
		const char *value = ddl_text(column, "default");

		if (ddl_text(column, "generated") == NULL && value != NULL)
			ddl_script_add(script, DDL_STAGE_PROPERTY,
			               "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", name,
			               ddl_ident(script->arena, ddl_text(column, "name")), value);
	}
}

static void
create_table(DdlScript *script, const DdlObject *object, const char *name)
{
	Arena *arena = script->arena;
	const json_t *doc = object->after;
	const char *type = ddl_text(doc, "of_type");
	const char *key = ddl_text(doc, "partition_key");
	const char *method = ddl_text(doc, "access_method");
	const char *parents = joined(arena, json_object_get(doc, "parents"), "name");

	if (ddl_text(doc, "partition_bound") != NULL)
	{
		create_partition(script, object, name);
		return;
	}
	ddl_script_add(script, DDL_STAGE_TABLE, "CREATE %sTABLE %s %s%s%s%s%s%s%s%s%s",
	               ddl_text(doc, "persistence") != NULL ? "UNLOGGED " : "", name,
	               type == NULL ? "" : arena_printf(arena, "OF %s", type),
	               type == NULL ? arena_printf(arena, "(%s)", column_list(arena, object, false))
	                            : "",
	               parents[0] == '\0' ? "" : " INHERITS (", parents, parents[0] == '\0' ? "" : ")",
	               key == NULL ? "" : " PARTITION BY ", key == NULL ? "" : key,
	               method == NULL || strcmp(method, "heap") == 0
	                   ? ""
	                   : arena_printf(arena, " USING %s", ddl_ident(arena, method)),
	               with_options(arena, doc));
}

static const char *
sequence_options(Arena *arena, const json_t *s)
{
	return arena_printf(arena,
	                    "AS %s START WITH %" PRId64 " INCREMENT BY %" PRId64 " MINVALUE %" PRId64
	                    " MAXVALUE %" PRId64 " CACHE %" PRId64 " %s",
	                    ddl_text(s, "type"), ddl_number(s, "start"), ddl_number(s, "increment"),
	                    ddl_number(s, "min"), ddl_number(s, "max"), ddl_number(s, "cache"),
	                    ddl_flag(s, "cycle") ? "CYCLE" : "NO CYCLE");
}

static void
follow_sequence(DdlScript *script, const DdlObject *object, const char *name)
{
	const json_t *s = json_object_get(object->after, "sequence");
	const json_t *owned = json_object_get(object->after, "owned_by");
	const json_t *owned_before = json_object_get(object->before, "owned_by");

	/* an identity column's comes with the column */
	if (object->before == NULL && !ddl_flag(owned, "identity"))
		ddl_script_add(script, DDL_STAGE_SEQUENCE, "CREATE %sSEQUENCE %s %s",
		               ddl_text(object->after, "persistence") != NULL ? "UNLOGGED " : "", name,
		               sequence_options(script->arena, s));
	else if (object->before != NULL && !ddl_same(object->before, object->after, "sequence"))
		ddl_script_add(script, DDL_STAGE_SEQUENCE, "ALTER SEQUENCE %s %s", name,
		               sequence_options(script->arena, s));
	if (ddl_flag(owned, "identity") ||
	    (ddl_same(owned, owned_before, "table") && ddl_same(owned, owned_before, "num")))
		return;
	if (owned == NULL && ddl_flag(owned_before, "identity"))
		return;
	ddl_script_add(script, DDL_STAGE_PROPERTY, "ALTER SEQUENCE %s OWNED BY %s", name,
	               owned == NULL
	                   ? "NONE"
	                   : arena_printf(script->arena, "%s.%s", ddl_text(owned, "table_name"),
	                                  ddl_ident(script->arena, ddl_text(owned, "column"))));
}

/* The text that the catalogs give ends with a semicolon. */
static const char *
view_query(Arena *arena, const json_t *doc)
{
	const char *text = ddl_text(doc, "view");
	size_t len = text == NULL ? 0 : strlen(text);

	return arena_strndup(arena, text == NULL ? "" : text,
	                     len > 0 && text[len - 1] == ';' ? len - 1 : len);
}

static void
follow_view(DdlScript *script, const DdlObject *object, const char *name)
{
	const json_t *doc = object->after;
	Arena *arena = script->arena;

	if (object->before != NULL && ddl_same(object->before, doc, "view") &&
	    ddl_same(object->before, doc, "options"))
		return;
	if (!is_kind(doc, "m"))
		ddl_script_add(script, DDL_STAGE_VIEW, "CREATE OR REPLACE VIEW %s (%s)%s AS %s", name,
		               column_list(arena, object, true), with_options(arena, doc),
		               view_query(arena, doc));
	else if (object->before == NULL)
		ddl_script_add(
		    script, DDL_STAGE_VIEW, "CREATE MATERIALIZED VIEW %s (%s)%s AS %s WITH %sDATA", name,
		    column_list(arena, object, true), with_options(arena, doc), view_query(arena, doc),
		    json_object_get(doc, "populated") == NULL ? "" : "NO ");
}

/* From the old name to the new one. */
static void
rename_relation(DdlScript *script, const DdlObject *object, const char *kind)
{
	Arena *arena = script->arena;
	const json_t *was = object->before;
	const json_t *now = object->after;
	const json_t *index = json_object_get(now, "index");

	/* a constraint's index is renamed and moved with the constraint and its table */
	if (!ddl_same(was, now, "schema") && index == NULL && json_object_get(now, "owned_by") == NULL)
		ddl_script_add(script, DDL_STAGE_RENAME, "ALTER %s %s SET SCHEMA %s", kind,
		               ddl_object_name(arena, was), ddl_ident(arena, ddl_text(now, "schema")));
	if (!ddl_same(was, now, "name") && ddl_number(index, "constraint") == 0)
		ddl_script_add(script, DDL_STAGE_RENAME, "ALTER %s %s RENAME TO %s", kind,
		               ddl_qualified(arena, ddl_text(now, "schema"), ddl_text(was, "name")),
		               ddl_ident(arena, ddl_text(now, "name")));
}

static void
change_options(DdlScript *script, const DdlObject *object, const char *alter)
{
	const json_t *was = json_object_get(object->before, "options");
	const json_t *now = json_object_get(object->after, "options");

	if (ddl_same(object->before, object->after, "options") || is_kind(object->after, "v"))
		return;
	for (size_t i = 0; i < json_array_size(was); i++)
	{
		const char *option = json_string_value(json_array_get(was, i));

		ddl_script_add(script, DDL_STAGE_PROPERTY, "%s RESET (%.*s)", alter,
		               (int) strcspn(option, "="), option);
	}
	if (json_array_size(now) > 0)
		ddl_script_add(script, DDL_STAGE_PROPERTY, "%s SET (%s)", alter,
		               joined(script->arena, now, NULL));
}

static void
change_parents(DdlScript *script, const DdlObject *object, const char *name)
{
	const json_t *was = json_object_get(object->before, "parents");
	const json_t *now = json_object_get(object->after, "parents");
	bool was_partition = ddl_text(object->before, "partition_bound") != NULL;
	bool is_partition = ddl_text(object->after, "partition_bound") != NULL;

	for (size_t i = 0; i < json_array_size(was); i++)
	{
		const json_t *parent = json_array_get(was, i);

		if (ddl_find(now, "oid", ddl_number(parent, "oid")) == NULL)
			ddl_script_add(script, DDL_STAGE_PARTITION,
			               was_partition ? "ALTER TABLE %s DETACH PARTITION %s"
			                             : "ALTER TABLE %2$s NO INHERIT %1$s",
			               ddl_text(parent, "name"), name);
	}
	for (size_t i = 0; i < json_array_size(now); i++)
	{
		const json_t *parent = json_array_get(now, i);

		if (ddl_find(was, "oid", ddl_number(parent, "oid")) != NULL)
			continue;
		if (is_partition)
			ddl_script_add(script, DDL_STAGE_PARTITION, "ALTER TABLE %s ATTACH PARTITION %s %s",
			               ddl_text(parent, "name"), name,
			               ddl_text(object->after, "partition_bound"));
		else
			ddl_script_add(script, DDL_STAGE_PARTITION, "ALTER TABLE %s INHERIT %s", name,
			               ddl_text(parent, "name"));
	}
}

static const char *
identity_word(const json_t *doc)
{
	const char *code = ddl_text(doc, "identity");

	return code == NULL ? "DEFAULT" : strcmp(code, "f") == 0 ? "FULL" : "NOTHING";
}

static void
change_table(DdlScript *script, const DdlObject *object, const char *alter)
{
	const json_t *was = object->before;
	const json_t *now = object->after;
	const char *identity = ddl_text(now, "identity");

	if (was != NULL && !ddl_same(was, now, "persistence"))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "%s SET %s", alter,
		               ddl_text(now, "persistence") == NULL ? "LOGGED" : "UNLOGGED");
	if (was != NULL && !ddl_same(was, now, "access_method"))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "%s SET ACCESS METHOD %s", alter,
		               ddl_ident(script->arena, ddl_text(now, "access_method")));
	if (was != NULL && !ddl_same(was, now, "of_type"))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "%s %s%s", alter,
		               ddl_text(now, "of_type") == NULL ? "NOT OF" : "OF ",
		               ddl_text(now, "of_type") == NULL ? "" : ddl_text(now, "of_type"));
	/* USING INDEX is said with the index */
	if (!ddl_same(was, now, "identity") && (identity == NULL || identity[0] != 'i'))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "%s REPLICA IDENTITY %s", alter,
		               identity_word(now));
	if (!ddl_same(was, now, "row_security"))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "%s %s ROW LEVEL SECURITY", alter,
		               ddl_flag(now, "row_security") ? "ENABLE" : "DISABLE");
	if (!ddl_same(was, now, "force_row_security"))
		ddl_script_add(script, DDL_STAGE_PROPERTY, "%s %s ROW LEVEL SECURITY", alter,
		               ddl_flag(now, "force_row_security") ? "FORCE" : "NO FORCE");
	if (was != NULL)
		change_parents(script, object, ddl_object_name(script->arena, now));
}

static void
create_relation(DdlScript *script, const DdlObject *object, const char *name)
{
	if (is_kind(object->after, "rp"))
		create_table(script, object, name);
	else if (is_kind(object->after, "c"))
		ddl_script_add(script, DDL_STAGE_TYPE, "CREATE TYPE %s AS (%s)", name,
		               column_list(script->arena, object, false));
	else if (is_kind(object->after, "f"))
		ddl_script_doubt(script, "foreign table %s cannot be made from the catalogs", name);
}

void
ddl_relation(DdlScript *script, const DdlObject *object)
{
	const char *kind = ddl_relation_kind(object->after);
	const char *name = ddl_object_name(script->arena, object->after);
	const char *alter = arena_printf(script->arena, "ALTER %s %s", kind, name);

	if (object->before != NULL)
		rename_relation(script, object, kind);
	else
		create_relation(script, object, name);
	if (is_kind(object->after, "iI"))
	{
		ddl_index(script, object);
		return;
	}
	if (is_kind(object->after, "S"))
		follow_sequence(script, object, name);
	else
		ddl_columns(script, object);
	if (is_kind(object->after, "vm"))
		follow_view(script, object, name);
	if (object->before != NULL)
		change_options(script, object, alter);
	if (is_kind(object->after, "rp"))
	{
		change_table(script, object, alter);
		ddl_constraints(script, object);
	}
	ddl_attached(script, object);
	ddl_properties(script, object, kind, name);
}
