/*
 * ddl_follow.c
 *		See ddl_follow.h.
 */
#include "ddl_follow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "strbuf.h"

typedef struct Followed
{
	int64_t oid;
	char *schema; /* NULL: gone */
	char *name;
	char *root_schema; /* of the partitioned table at its top; NULL: it is no partition */
	char *root_name;
	char *old_schema; /* in front of the command at hand, when that changed the name */
	char *old_name;
	bool given;     /* to the decoder */
	SourceLsn made; /* the end of the transaction that made it; 0: it was there */
	SourceLsn
	    enters; /* of the transaction that brought it in with rows: until then it is not ours */
} Followed;

struct DdlFollow
{
	const Job *job;
	void (*load)(void *arg, int64_t oid, const char *schema, const char *name);
	void *arg;
	Followed *tables;
	int count;
	int room;
	SourceLsn now; /* the end of the transaction of the last command */
};

DdlFollow *
ddl_follow_create(const Job *job, void (*load)(void *, int64_t, const char *, const char *),
                  void *arg)
{
	DdlFollow *follow = xcalloc(1, sizeof(*follow));

	follow->job = job;
	follow->load = load;
	follow->arg = arg;
	return follow;
}

static void
forget_old(Followed *table)
{
	free(table->old_schema);
	free(table->old_name);
	table->old_schema = table->old_name = NULL;
}

static void
forget(Followed *table)
{
	forget_old(table);
	free(table->schema);
	free(table->name);
	table->schema = table->name = NULL;
}

static void
set_root(Followed *table, const char *schema, const char *name)
{
	char *new_schema = schema == NULL ? NULL : xstrdup(schema);
	char *new_name = schema == NULL ? NULL : xstrdup(name);

	free(table->root_schema);
	free(table->root_name);
	table->root_schema = new_schema;
	table->root_name = new_name;
}

void
ddl_follow_destroy(DdlFollow *follow)
{
	if (follow == NULL)
		return;
	for (int i = 0; i < follow->count; i++)
	{
		forget(&follow->tables[i]);
		set_root(&follow->tables[i], NULL, NULL);
	}
	free(follow->tables);
	free(follow);
}

static Followed *
find(const DdlFollow *follow, int64_t oid)
{
	for (int i = 0; i < follow->count; i++)
	{
		if (follow->tables[i].oid == oid && follow->tables[i].schema != NULL)
			return &follow->tables[i];
	}
	return NULL;
}

static Followed *
add(DdlFollow *follow, int64_t oid, const char *schema, const char *name)
{
	Followed *table = find(follow, oid);

	if (table == NULL)
	{
		if (follow->count == follow->room)
		{
			follow->room = follow->room == 0 ? 64 : follow->room * 2;
			follow->tables =
			    xrealloc(follow->tables, sizeof(*follow->tables) * (size_t) follow->room);
		}
		table = &follow->tables[follow->count++];
		memset(table, 0, sizeof(*table));
		table->oid = oid;
	}
	else
		forget(table);
	table->schema = xstrdup(schema);
	table->name = xstrdup(name);
	return table;
}

void
ddl_follow_put(DdlFollow *follow, int64_t oid, const char *schema, const char *name)
{
	if (follow->job->options.object_count > 0)
		add(follow, oid, schema, name)->given = true;
}

void
ddl_follow_put_root(DdlFollow *follow, int64_t oid, const char *schema, const char *name)
{
	Followed *table = find(follow, oid);

	if (table != NULL)
		set_root(table, schema, name);
}

char *
ddl_follow_oids(const DdlFollow *follow)
{
	StrBuf list;

	if (follow->count == 0)
		return NULL;
	strbuf_init(&list);
	for (int i = 0; i < follow->count; i++)
		strbuf_printf(&list, "%s%" PRId64, i > 0 ? "," : "", follow->tables[i].oid);
	return list.data;
}

static bool
is_named(const char *schema, const char *name, const char *wanted_schema, const char *wanted)
{
	return schema != NULL && strcmp(name, wanted) == 0 && strcmp(schema, wanted_schema) == 0;
}

bool
ddl_follow_selects(const DdlFollow *follow, const char *schema, const char *name)
{
	bool selected = job_selects(follow->job, schema, name);

	for (int i = 0; i < follow->count; i++)
	{
		const Followed *table = &follow->tables[i];

		if (table->enters.value != 0 && table->enters.value == follow->now.value)
		{
			selected = selected && !is_named(table->schema, table->name, schema, name);
			continue;
		}
		if (is_named(table->schema, table->name, schema, name) ||
		    is_named(table->old_schema, table->old_name, schema, name))
			return true;
	}
	return selected;
}

bool
ddl_follow_root(const DdlFollow *follow, const char *schema, const char *name,
                const char **root_schema, const char **root_name)
{
	*root_schema = *root_name = NULL;
	for (int i = 0; i < follow->count; i++)
	{
		const Followed *table = &follow->tables[i];

		if (!is_named(table->schema, table->name, schema, name) &&
		    !is_named(table->old_schema, table->old_name, schema, name))
			continue;
		*root_schema = table->root_schema;
		*root_name = table->root_name;
		return true;
	}
	return false;
}

static bool
is_table(const json_t *doc)
{
	const char *kind = ddl_text(doc, "kind");

	return kind != NULL && (kind[0] == 'r' || kind[0] == 'p') &&
	       ddl_text(doc, "persistence") == NULL;
}

/* Whether the options select it by its own name. */
static bool
selected(const DdlFollow *follow, const json_t *doc)
{
	return job_selects(follow->job, ddl_text(doc, "schema"), ddl_text(doc, "name"));
}

/* Whether it is a partition of one that is the job's. */
static bool
goes_with_parent(const DdlFollow *follow, const json_t *doc)
{
	const json_t *parents = json_object_get(doc, "parents");

	return ddl_text(doc, "partition_bound") != NULL && json_array_size(parents) > 0 &&
	       find(follow, ddl_number(json_array_get(parents, 0), "oid")) != NULL &&
	       !job_excludes(follow->job, ddl_text(doc, "schema"), ddl_text(doc, "name"));
}

/* Whether more than its name hangs on the name: a filter, columns, another name on the target. */
static bool
has_details(const DdlFollow *follow, const char *schema, const char *name, bool moves)
{
	const JobOptions *options = &follow->job->options;

	for (int i = 0; i < options->object_count; i++)
	{
		const JobObject *object = &options->objects[i];

		if (strcmp(object->schema, schema) != 0)
			continue;
		if (object->rename != NULL && moves)
			return true;
		for (int t = 0; t < object->table_count; t++)
		{
			if (strcmp(object->tables[t], name) == 0 && object->details != NULL)
			{
				const JobTable *details = &object->details[t];

				return details->rename != NULL || details->where != NULL ||
				       details->column_count > 0 || details->operations != OPERATIONS_ALL;
			}
		}
	}
	return false;
}

static DdlFollowResult
renamed(DdlFollow *follow, Arena *arena, Followed *table, const json_t *now, SourceLsn end,
        const char **reason)
{
	const char *schema = ddl_text(now, "schema");
	const char *name = ddl_text(now, "name");

	bool moves = strcmp(schema, table->schema) != 0;

	if (has_details(follow, table->schema, table->name, moves) ||
	    has_details(follow, schema, name, moves))
	{
		*reason = arena_printf(arena,
		                       "table \"%s\".\"%s\" gets another name, and the job's options say "
		                       "more of it than that it takes part",
		                       table->schema, table->name);
		return FOLLOW_DOUBT;
	}
	if (!table->given && !selected(follow, now) && !goes_with_parent(follow, now))
	{
		if (table->made.value != end.value)
			return FOLLOW_REOPEN;
		*reason = arena_printf(arena,
		                       "table \"%s\".\"%s\" leaves the job's objects in the transaction "
		                       "that made it",
		                       table->schema, table->name);
		return FOLLOW_DOUBT;
	}
	table->old_schema = table->schema;
	table->old_name = table->name;
	table->schema = xstrdup(schema);
	table->name = xstrdup(name);
	return FOLLOW_ON;
}

static DdlFollowResult
follow_table(DdlFollow *follow, Arena *arena, const json_t *object, SourceLsn end,
             const char **reason)
{
	const json_t *was = json_object_get(object, "before");
	const json_t *now = json_object_get(object, "after");
	int64_t oid = ddl_number(object, "oid");
	Followed *table = find(follow, oid);

	if (table != NULL && now == NULL)
	{
		/* for this command it still is the job's */
		table->old_schema = table->schema;
		table->old_name = table->name;
		table->schema = table->name = NULL;
		return FOLLOW_ON;
	}
	if (!is_table(now))
		return FOLLOW_ON;
	if (table != NULL && (strcmp(table->schema, ddl_text(now, "schema")) != 0 ||
	                      strcmp(table->name, ddl_text(now, "name")) != 0))
		return renamed(follow, arena, table, now, end, reason);
	if (table != NULL || (!selected(follow, now) && !goes_with_parent(follow, now)))
		return FOLLOW_ON;
	table = add(follow, oid, ddl_text(now, "schema"), ddl_text(now, "name"));
	if (was == NULL)
		table->made = end;
	else if (is_table(was) && !selected(follow, was))
	{
		/* one that was there before has rows that the target does not have */
		table->enters = end;
		follow->load(follow->arg, oid, table->schema, table->name);
	}
	return FOLLOW_ON;
}

/* What is in a schema moves along with its name. */
static void
follow_schema(DdlFollow *follow, const json_t *object)
{
	const char *was = ddl_text(json_object_get(object, "before"), "name");
	const char *now = ddl_text(json_object_get(object, "after"), "name");

	if (was == NULL || now == NULL || strcmp(was, now) == 0)
		return;
	for (int i = 0; i < follow->count; i++)
	{
		Followed *table = &follow->tables[i];

		if (table->schema == NULL || strcmp(table->schema, was) != 0)
			continue;
		forget_old(table);
		table->old_schema = table->schema;
		table->old_name = xstrdup(table->name);
		table->schema = xstrdup(now);
	}
}

/* A schema that the options name: nothing would be selected by it any more. */
static bool
is_named_schema(const DdlFollow *follow, const json_t *object)
{
	const char *was = ddl_text(json_object_get(object, "before"), "name");
	const char *now = ddl_text(json_object_get(object, "after"), "name");
	const JobOptions *options = &follow->job->options;

	for (int i = 0;
	     was != NULL && now != NULL && strcmp(was, now) != 0 && i < options->object_count; i++)
	{
		if (strcmp(options->objects[i].schema, was) == 0 ||
		    strcmp(options->objects[i].schema, now) == 0)
			return true;
	}
	return false;
}

DdlFollowResult
ddl_follow_command(DdlFollow *follow, Arena *arena, const DdlRecord *record, SourceLsn end,
                   const char **reason)
{
	DdlFollowResult result = FOLLOW_ON;

	if (follow->job->options.object_count == 0)
		return FOLLOW_ON;
	follow->now = end;
	for (int i = 0; i < follow->count; i++)
		forget_old(&follow->tables[i]);
	for (size_t i = 0; result == FOLLOW_ON && i < json_array_size(record->objects); i++)
	{
		const json_t *object = json_array_get(record->objects, i);
		const char *class = ddl_text(object, "class");

		if (class != NULL && strcmp(class, "pg_class") == 0)
		{
			const json_t *now = json_object_get(object, "after");
			const json_t *root = json_object_get(now, "root");

			result = follow_table(follow, arena, object, end, reason);
			if (is_table(now))
				ddl_follow_put_root(follow, ddl_number(object, "oid"), ddl_text(root, "schema"),
				                    ddl_text(root, "name"));
		}
		else if (class != NULL && strcmp(class, "pg_namespace") == 0)
		{
			if (is_named_schema(follow, object))
			{
				*reason = arena_printf(arena,
				                       "schema \"%s\" gets the name \"%s\", and the job's objects "
				                       "go by names of schemas",
				                       ddl_text(json_object_get(object, "before"), "name"),
				                       ddl_text(json_object_get(object, "after"), "name"));
				return FOLLOW_DOUBT;
			}
			follow_schema(follow, object);
		}
	}
	return result;
}
