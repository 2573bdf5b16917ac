/*
 * ddl_book.c
 *		See ddl_book.h.
 */
#include "ddl_book.h"

#include <string.h>

static bool
is_table(const json_t *doc)
{
	const char *kind = ddl_text(doc, "kind");

	return kind != NULL && strcmp(kind, "r") == 0;
}

static void
forget_table(DdlScript *script, const char *slot, int64_t oid)
{
	ddl_script_add(script, DDL_STAGE_TABLE,
	               "DELETE FROM dts.target_part WHERE slot_name = %s AND table_oid = %lld", slot,
	               (long long) oid);
	ddl_script_add(script, DDL_STAGE_TABLE,
	               "DELETE FROM dts.target_table WHERE slot_name = %s AND table_oid = %lld", slot,
	               (long long) oid);
}

static void
name_table(DdlScript *script, const char *slot, int64_t oid, const json_t *doc)
{
	ddl_script_add(script, DDL_STAGE_TABLE,
	               "UPDATE dts.target_table SET schema_name = %s, table_name = %s WHERE slot_name "
	               "= %s AND table_oid = %lld",
	               ddl_literal(script->arena, ddl_text(doc, "schema")),
	               ddl_literal(script->arena, ddl_text(doc, "name")), slot, (long long) oid);
}

/* Its rows come in the stream, from the first on. */
static void
enter_table(DdlScript *script, const char *slot, int64_t oid, const json_t *doc)
{
	ddl_script_add(script, DDL_STAGE_TABLE,
	               "INSERT INTO dts.target_table (slot_name, table_oid, schema_name, table_name, "
	               "state, joined_at) VALUES (%s, %lld, %s, %s, 'joined', clock_timestamp()) ON "
	               "CONFLICT (slot_name, table_oid) DO NOTHING",
	               slot, (long long) oid, ddl_literal(script->arena, ddl_text(doc, "schema")),
	               ddl_literal(script->arena, ddl_text(doc, "name")));
}

static void
follow_table(DdlScript *script, const char *slot, const DdlObject *object, const DdlScope *scope)
{
	const json_t *now = object->after;

	if ((!is_table(object->before) && !is_table(now)) || !ddl_in_scope(scope, object))
		return;
	if (now == NULL)
		forget_table(script, slot, object->oid);
	else if (object->before != NULL &&
	         (!ddl_same(object->before, now, "name") || !ddl_same(object->before, now, "schema")))
		name_table(script, slot, object->oid, now);
	else if (object->before == NULL && ddl_text(now, "persistence") == NULL)
		enter_table(script, slot, object->oid, now);
}

static void
follow_schema(DdlScript *script, const char *slot, const DdlObject *object)
{
	if (object->before == NULL || object->after == NULL ||
	    ddl_same(object->before, object->after, "name"))
		return;
	ddl_script_add(script, DDL_STAGE_SCHEMA,
	               "UPDATE dts.target_table SET schema_name = %s WHERE slot_name = %s AND "
	               "schema_name = %s",
	               ddl_literal(script->arena, ddl_text(object->after, "name")), slot,
	               ddl_literal(script->arena, ddl_text(object->before, "name")));
}

const char *const *
ddl_book(Arena *arena, const DdlRecord *record, const DdlScope *scope, const char *slot_name,
         int *count)
{
	const char *slot = ddl_literal(arena, slot_name);
	DdlScript script;

	ddl_script_init(&script, arena);
	for (size_t i = 0; i < json_array_size(record->objects); i++)
	{
		DdlObject object = ddl_object_at(record, i);

		if (strcmp(object.class, "pg_class") == 0)
			follow_table(&script, slot, &object, scope);
		else if (strcmp(object.class, "pg_namespace") == 0)
			follow_schema(&script, slot, &object);
	}
	return ddl_script_order(&script, count, NULL);
}
