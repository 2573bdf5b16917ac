/*
 * ddl_plan.c
 *		Choosing the way; see ddl_plan.h.
 */
#include "ddl_plan.h"

#include <stdlib.h>
#include <string.h>

#include "ddl_statement.h"

/* Whether the job carries over everything that the record says was touched. */
static bool
all_in_scope(const DdlRecord *record, const DdlScope *scope, bool *any)
{
	bool all = true;

	*any = false;
	for (size_t i = 0; i < json_array_size(record->objects); i++)
	{
		DdlObject object = ddl_object_at(record, i);
		bool in = ddl_in_scope(scope, &object);

		all = all && in;
		*any = *any || in;
	}
	return all;
}

/* A new column of rows that are there already got the value of its default once, on the source. */
static bool
fills_rows(const DdlRecord *record)
{
	for (size_t i = 0; i < json_array_size(record->objects); i++)
	{
		const json_t *object = json_array_get(record->objects, i);
		const json_t *was = json_object_get(json_object_get(object, "before"), "columns");
		const json_t *now = json_object_get(json_object_get(object, "after"), "columns");

		for (size_t k = 0; json_object_get(object, "before") != NULL && k < json_array_size(now);
		     k++)
		{
			const json_t *column = json_array_get(now, k);

			if (ddl_text(column, "missing") != NULL &&
			    ddl_find(was, "num", ddl_number(column, "num")) == NULL)
				return true;
		}
	}
	return false;
}

/* Commands whose text would do something else on the target, or whose effect the objects tell better. */
static bool
state_is_better(const DdlRecord *record)
{
	static const char *const tags[] = {"CREATE TABLE AS", "SELECT INTO", "CREATE MATERIALIZED VIEW",
	                                   "REFRESH MATERIALIZED VIEW", NULL};
	bool grants = strcmp(record->tag, "GRANT") == 0 || strcmp(record->tag, "REVOKE") == 0;

	for (int i = 0; tags[i] != NULL; i++)
	{
		if (strcmp(record->tag, tags[i]) == 0)
			return true;
	}
	return fills_rows(record) || (grants && json_array_size(record->objects) > 0);
}

/* Commands that change nothing in the documents, and are followed by their text alone. */
static bool
has_unseen_effect(const DdlRecord *record)
{
	static const char *const seen[] = {"TABLE", "SEQUENCE", "FUNCTION", "PROCEDURE", "ROUTINE",
	                                   "TYPE",  "SCHEMA",   "DOMAIN",   "COLUMN",    NULL};
	const char *type = ddl_text(json_array_get(record->commands, 0), "type");

	if (strcmp(record->tag, "ALTER DEFAULT PRIVILEGES") == 0)
		return true;
	if (type == NULL || (strcmp(record->tag, "GRANT") != 0 && strcmp(record->tag, "REVOKE") != 0))
		return false;
	for (int i = 0; seen[i] != NULL; i++)
	{
		if (strcmp(seen[i], type) == 0)
			return false;
	}
	return true;
}

static void
take(DdlPlan *plan, const DdlScript *script)
{
	plan->sql = ddl_script_order(script, &plan->count, &plan->roles);
	plan->verdict = plan->count > 0 ? DDL_APPLY : DDL_NOTHING;
	for (int i = 0; i < plan->count; i++)
		plan->commit_before_use =
		    plan->commit_before_use || (strncmp(plan->sql[i], "ALTER TYPE", 10) == 0 &&
		                                strstr(plan->sql[i], " ADD VALUE ") != NULL);
	if (script->doubt != NULL)
	{
		plan->verdict = DDL_REFUSED;
		plan->reason = script->doubt;
	}
}

static void
empty_rewritten(DdlScript *script, const DdlRecord *record, const DdlPlanOptions *options)
{
	for (int i = 0; i < options->rewritten_count; i++)
	{
		const DdlRewritten *table = &options->rewritten[i];
		const json_t *object = ddl_find(record->objects, "oid", table->oid);
		const json_t *was = json_object_get(object, "before");

		/* the same type by another expression: nothing but the rows has changed */
		if (object == NULL && table->name != NULL)
			ddl_script_add(script, DDL_STAGE_RENAME, "DELETE FROM ONLY %s",
			               ddl_qualified(script->arena, table->schema, table->name));
		if (was != NULL && options->scope->relation(options->scope->arg, ddl_text(was, "schema"),
		                                            ddl_text(was, "name")))
			ddl_script_add(script, DDL_STAGE_RENAME, "DELETE FROM ONLY %s",
			               ddl_object_name(script->arena, was));
	}
}

static bool
changes_type(const json_t *object)
{
	const json_t *was = json_object_get(json_object_get(object, "before"), "columns");
	const json_t *now = json_object_get(json_object_get(object, "after"), "columns");

	for (size_t i = 0; i < json_array_size(was); i++)
	{
		const json_t *column = json_array_get(was, i);
		const json_t *after = ddl_find(now, "num", ddl_number(column, "num"));

		if (after != NULL &&
		    (!ddl_same(column, after, "type_oid") || !ddl_same(column, after, "typmod")))
			return true;
	}
	return false;
}

/* Foreign keys of the object that go with the command. */
static void
add_gone(json_t *gone, const json_t *object)
{
	const json_t *was = json_object_get(json_object_get(object, "before"), "constraints");
	const json_t *now = json_object_get(json_object_get(object, "after"), "constraints");

	for (size_t i = 0; i < json_array_size(was); i++)
	{
		const json_t *constraint = json_array_get(was, i);
		bool stays = false;

		for (size_t k = 0; k < json_array_size(now); k++)
			stays = stays || ddl_same(constraint, json_array_get(now, k), "name");
		if (!stays && strcmp(ddl_text(constraint, "kind"), "f") == 0)
			json_array_append_new(gone, json_string(ddl_text(constraint, "name")));
	}
}

static const char *
target_name(Arena *arena, const DdlScope *scope, const json_t *doc)
{
	return scope->target == NULL
	           ? ddl_object_name(arena, doc)
	           : scope->target(scope->arg, arena, ddl_text(doc, "schema"), ddl_text(doc, "name"));
}

/*
 * A new type makes the server look at foreign keys, while the table is empty that they go to or
 * come from: they are taken off, and made again behind the rows.
 */
static void
untie_rewritten(Arena *arena, const DdlRecord *record, const DdlPlanOptions *options, DdlPlan *plan)
{
	json_t *tables = json_array();
	json_t *gone = json_array();
	char *names;
	char *left_out;

	for (size_t i = 0; options->rewritten_count > 0 && i < json_array_size(record->objects); i++)
	{
		const json_t *object = json_array_get(record->objects, i);
		const json_t *was = json_object_get(object, "before");

		if (!changes_type(object) || ddl_text(was, "kind") == NULL ||
		    strchr("rp", ddl_text(was, "kind")[0]) == NULL)
			continue;
		json_array_append_new(tables, json_string(target_name(arena, options->scope, was)));
		add_gone(gone, object);
	}
	if (json_array_size(tables) > 0)
	{
		names = json_dumps(tables, JSON_COMPACT);
		left_out = json_dumps(gone, JSON_COMPACT);
		plan->prepare = arena_printf(arena, "SELECT dts.target_untie(%s, %s)",
		                             ddl_literal(arena, names), ddl_literal(arena, left_out));
		plan->finish = "SELECT dts.target_tie()";
		free(names);
		free(left_out);
	}
	json_decref(tables);
	json_decref(gone);
}

static void
plan_by_state(Arena *arena, const DdlRecord *record, const DdlPlanOptions *options, DdlPlan *plan)
{
	DdlScript script;

	ddl_script_init(&script, arena);
	script.role = record->role;
	script.rewritten = options->rewritten;
	script.rewritten_count = options->rewritten_count;
	if (record->event == DDL_EVENT_DROP)
		ddl_state_drop(&script, record, options->scope);
	else
	{
		empty_rewritten(&script, record, options);
		untie_rewritten(arena, record, options, plan);
		ddl_state_command(&script, record, options->scope);
	}
	take(plan, &script);
}

/* Whether the command's own text can be run; plan is filled then. */
static bool
plan_by_statement(Arena *arena, const DdlRecord *record, const DdlPlanOptions *options,
                  DdlPlan *plan, const char **why_not)
{
	const char *sql;

	*why_not = "the command's text is not used";
	if (!options->statements || record->event != DDL_EVENT_COMMAND)
		return false;
	*why_not = "the command was run by a function, or it is not known by whom";
	if (record->nested != DDL_TOP_LEVEL || record->role == NULL || record->query == NULL)
		return false;
	*why_not = "the table's rows were written anew";
	if (options->rewritten_count > 0)
		return false;
	if (!ddl_statement(arena, record, &sql, why_not))
		return false;
	plan->verdict = DDL_APPLY;
	plan->by_statement = true;
	plan->sql = arena_alloc(arena, sizeof(*plan->sql));
	plan->sql[0] = sql;
	plan->count = 1;
	plan->roles = NULL;
	plan->search_path = record->search_path;
	plan->commit_before_use =
	    strstr(record->tag, "ALTER TYPE") != NULL && strstr(sql, " ADD VALUE ") != NULL;
	return true;
}

/* Tables of the job whose rows came, though nothing that the record describes has changed. */
static bool
has_new_rows(const DdlPlanOptions *options)
{
	for (int i = 0; i < options->rewritten_count; i++)
	{
		if (options->rewritten[i].name != NULL)
			return true;
	}
	return false;
}

void
ddl_plan(Arena *arena, const DdlRecord *record, const DdlPlanOptions *options, DdlPlan *plan)
{
	bool any;
	bool all = all_in_scope(record, options->scope, &any);
	const char *why_not = NULL;

	*plan = (DdlPlan){.role = record->role, .settings = record->settings};
	if (record->event == DDL_EVENT_GAP)
	{
		plan->verdict = DDL_REFUSED;
		plan->reason = arena_printf(arena, "the capture failed on the source: %s",
		                            record->error == NULL ? "no reason is known" : record->error);
		return;
	}
	if (record->event == DDL_EVENT_REWRITE)
		return;
	if (record->event == DDL_EVENT_COMMAND && !any && !has_new_rows(options) &&
	    strcmp(record->tag, "REFRESH MATERIALIZED VIEW") != 0 &&
	    !(json_array_size(record->objects) == 0 && has_unseen_effect(record)))
		return;
	if (all && !state_is_better(record) &&
	    plan_by_statement(arena, record, options, plan, &why_not))
		return;
	plan_by_state(arena, record, options, plan);
	if (plan->verdict == DDL_NOTHING && record->event == DDL_EVENT_COMMAND &&
	    has_unseen_effect(record))
	{
		plan->verdict = DDL_REFUSED;
		plan->reason = arena_printf(arena, "the effect of %s is not captured", record->tag);
	}
	if (plan->verdict == DDL_REFUSED && why_not != NULL)
		plan->reason = arena_printf(arena, "%s; %s", plan->reason, why_not);
}
