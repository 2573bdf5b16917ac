/*
 * plan_driver.c
 *		What the planner makes of captured rows, as a script for psql.
 *
 *	plan_driver on|off [SCHEMA.TABLE...] <ROWS
 *	plan_driver join|leave|trim CONNINFO SLOT
 *
 * ROWS are JSON objects, one a line, as ddl_record.h describes them.  The first argument says
 * whether the statement way may be taken, the others what is not carried over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ddl_plan.h"
#include "ddl_session.h"
#include "source_capture.h"

typedef struct Excluded
{
	char **names;
	int count;
} Excluded;

static bool
relation_in(void *arg, const char *schema, const char *name)
{
	const Excluded *excluded = arg;

	for (int i = 0; i < excluded->count; i++)
	{
		const char *dot = strchr(excluded->names[i], '.');

		if (strlen(schema) == (size_t) (dot - excluded->names[i]) &&
		    strncmp(excluded->names[i], schema, strlen(schema)) == 0 && strcmp(dot + 1, name) == 0)
			return false;
	}
	return true;
}

static bool
schema_in(void *arg, const char *schema)
{
	(void) arg;
	(void) schema;
	return true;
}

static void
print_plan(Arena *arena, const DdlRecord *record, const DdlPlan *plan)
{
	int count;
	const char **settings = ddl_session_settings(arena, plan, &count);

	printf("-- %s: %s\n", record->tag,
	       plan->verdict == DDL_NOTHING   ? "nothing"
	       : plan->verdict == DDL_REFUSED ? plan->reason
	       : plan->by_statement           ? "statement"
	                                      : "state");
	if (plan->verdict == DDL_REFUSED)
		printf("\\echo REFUSED %s\n", record->tag);
	if (plan->verdict != DDL_APPLY)
		return;
	puts("BEGIN;");
	for (int i = 0; i < count; i++)
		printf("%s \\g /dev/null\n", settings[i]);
	if (plan->role != NULL)
		printf("SET LOCAL ROLE %s;\n", ddl_ident(arena, plan->role));
	for (int i = 0; i < plan->count; i++)
	{
		const char *role = plan->roles == NULL ? NULL : plan->roles[i];

		if (role != NULL)
			printf("RESET ROLE;\nSET LOCAL ROLE %s;\n", ddl_ident(arena, role));
		printf("%s;\n", plan->sql[i]);
		if (role != NULL)
			puts("RESET ROLE;");
		if (role != NULL && plan->role != NULL)
			printf("SET LOCAL ROLE %s;\n", ddl_ident(arena, plan->role));
	}
	puts("COMMIT;");
}

/* What the daemon does on the source. */
static int
run_capture(const char *what, const char *conninfo, const char *slot)
{
	Error err = {0};
	PgSession *session = pg_session_open(conninfo, PG_SESSION_SOURCE, slot, NULL, &err);
	bool left;
	bool ok = session != NULL;

	if (ok && strcmp(what, "join") == 0)
		ok = source_capture_join(session, slot, &err);
	else if (ok && strcmp(what, "leave") == 0)
		ok = source_capture_leave(session, slot, &err);
	else if (ok)
		ok = source_capture_trim(session, &left, &err);
	pg_session_close(session);
	if (ok)
		return 0;
	printf("%s: %s (%s) %s\n", err.sqlstate, err.message, err.detail, err.context);
	return 1;
}

int
main(int argc, char **argv)
{
	Excluded excluded = {argv + 2, argc - 2};
	DdlScope scope = {.relation = relation_in, .schema = schema_in, .arg = &excluded};
	DdlRewritten rewritten[100] = {0};
	DdlPlanOptions options = {.scope = &scope, .rewritten = rewritten};
	Arena *arena = arena_create(1 << 16);
	char *line = NULL;
	size_t size = 0;

	if (argc == 4 && strchr(argv[2], '=') != NULL)
		return run_capture(argv[1], argv[2], argv[3]);
	options.statements = argc > 1 && strcmp(argv[1], "on") == 0;
	while (getline(&line, &size, stdin) > 0)
	{
		json_error_t where;
		json_t *doc = json_loads(line, 0, &where);
		DdlRecord record;
		DdlPlan plan;
		Error err = {0};

		if (doc == NULL || !ddl_record_read(doc, &record, &err))
		{
			fprintf(stderr, "bad row: %s\n", doc == NULL ? where.text : err.message);
			return 1;
		}
		if (record.event == DDL_EVENT_REWRITE)
			rewritten[options.rewritten_count++ % 100].oid =
			    ddl_number(json_array_get(record.commands, 0), "oid");
		else
		{
			ddl_plan(arena, &record, &options, &plan);
			print_plan(arena, &record, &plan);
			if (record.event == DDL_EVENT_COMMAND)
				options.rewritten_count = 0;
		}
		json_decref(doc);
	}
	free(line);
	arena_destroy(arena);
	return 0;
}
