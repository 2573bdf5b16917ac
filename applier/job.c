/*
 * job.c
 *		The options of a job, read from the JSON that the control database has checked.
 *
 * What is wrong here is a difference of versions between control and daemon, since the operator's
 *mistakes have been refused before; the path of the member is named all the same.
 */
#include "job.h"
#include "job_ddl.h"

#include <jansson.h>
#include <string.h>

#include "object_map.h"

#define WORKERS_MAX       64
#define APPLY_WORKERS_MAX 8
#define MINUTES_MAX       1440
#define DECODING_MB_MAX   65536
#define HEARTBEAT_MAX     3600
#define OPTION_PATH_ERROR "option %s is not what this daemon understands"

bool
job_bad_option(Error *err, const char *path, const char *cause)
{
	error_set(err, ERR_CONFIG, OPTION_PATH_ERROR, path);
	error_detail(err, "%s", cause);
	error_hint(err, "Run a dts_applier of the same version as the extension \"dts\".");
	return false;
}

static bool
parse_phases(JobOptions *options, const json_t *root, Error *err)
{
#define PHASE_NAME(sym, name) name,
	static const char *const names[] = {JOB_PHASES(PHASE_NAME)};
#undef PHASE_NAME
	const json_t *phases = json_object_get(root, "phases");

	if (!json_is_array(phases) || json_array_size(phases) == 0)
		return job_bad_option(err, "$.phases", "It must be an array with at least one phase.");
	for (size_t i = 0; i < json_array_size(phases); i++)
	{
		const char *name = json_string_value(json_array_get(phases, i));
		bool known = false;

		for (int p = 0; name != NULL && p < JOB_PHASE_COUNT; p++)
		{
			if (strcmp(name, names[p]) == 0)
				options->phases[p] = known = true;
		}
		if (!known)
			return job_bad_option(err, "$.phases", "It names an unknown phase.");
	}
	return true;
}

/* A text member; absent or null leaves *text NULL. */
static bool
parse_text(Arena *arena, const json_t *object, const char *member, const char *path, char **text,
           Error *err)
{
	const json_t *value = json_object_get(object, member);

	if (value == NULL || json_is_null(value))
		return true;
	if (!json_is_string(value) || json_string_length(value) == 0)
		return job_bad_option(err, arena_printf(arena, "%s.%s", path, member),
		                      "It must be a text that is not empty.");
	*text = arena_strdup(arena, json_string_value(value));
	return true;
}

static bool
parse_columns(Arena *arena, const json_t *columns, JobTable *table, const char *path, Error *err)
{
	if (columns == NULL || json_is_null(columns))
		return true;
	if (!json_is_array(columns) || json_array_size(columns) == 0)
		return job_bad_option(err, path, "\"columns\" must be an array that is not empty.");
	table->column_count = (int) json_array_size(columns);
	table->columns = arena_zalloc(arena, sizeof(JobColumn) * (size_t) table->column_count);
	for (int i = 0; i < table->column_count; i++)
	{
		const json_t *item = json_array_get(columns, (size_t) i);
		const char *name = json_is_string(item) ? json_string_value(item)
		                                        : json_string_value(json_object_get(item, "name"));
		JobColumn *column = &table->columns[i];

		if (name == NULL || name[0] == '\0')
			return job_bad_option(err, path, "A column has no name.");
		column->name = arena_strdup(arena, name);
		if (!parse_text(arena, item, "rename", path, &column->rename, err) ||
		    !parse_text(arena, item, "expr", path, &column->expr, err))
			return false;
	}
	return true;
}

static bool
parse_operations(const json_t *operations, JobTable *table, const char *path, Error *err)
{
#define OPERATION_NAME(sym, name) name,
	static const char *const names[] = {JOB_OPERATIONS(OPERATION_NAME)};
#undef OPERATION_NAME

	table->operations = OPERATIONS_ALL;
	if (operations == NULL || json_is_null(operations))
		return true;
	if (!json_is_array(operations))
		return job_bad_option(err, path, "\"operations\" must be an array.");
	table->operations = 0;
	for (size_t i = 0; i < json_array_size(operations); i++)
	{
		const char *name = json_string_value(json_array_get(operations, i));
		bool known = false;

		for (int k = 0; name != NULL && k < JOB_OPERATION_COUNT; k++)
		{
			if (strcmp(name, names[k]) != 0)
				continue;
			table->operations |= OPERATION_BIT(k);
			known = true;
		}
		if (!known)
			return job_bad_option(err, path, "It names an unknown operation.");
	}
	return true;
}

static bool
parse_tables(Arena *arena, const json_t *tables, JobObject *object, const char *path, Error *err)
{
	if (tables == NULL || json_is_null(tables))
		return true;
	if (!json_is_array(tables))
		return job_bad_option(err, path, "\"tables\" must be an array.");
	object->table_count = (int) json_array_size(tables);
	object->tables = arena_zalloc(arena, sizeof(char *) * ((size_t) object->table_count + 1));
	object->details = arena_zalloc(arena, sizeof(JobTable) * ((size_t) object->table_count + 1));
	for (int i = 0; i < object->table_count; i++)
	{
		const json_t *item = json_array_get(tables, (size_t) i);
		const char *name = json_is_string(item) ? json_string_value(item)
		                                        : json_string_value(json_object_get(item, "name"));
		const char *at = arena_printf(arena, "%s.tables[%d]", path, i);
		JobTable *table = &object->details[i];

		if (name == NULL || name[0] == '\0')
			return job_bad_option(err, path, "A table has no name.");
		object->tables[i] = arena_strdup(arena, name);
		if (!parse_text(arena, item, "rename", at, &table->rename, err) ||
		    !parse_text(arena, item, "where", at, &table->where, err) ||
		    !parse_columns(arena, json_object_get(item, "columns"), table, at, err) ||
		    !parse_operations(json_object_get(item, "operations"), table, at, err))
			return false;
	}
	return true;
}

static bool
parse_objects(Arena *arena, const json_t *root, const char *member, JobObject **objects, int *count,
              Error *err)
{
	const json_t *array = json_object_get(root, member);
	char *path = arena_printf(arena, "$.%s", member);

	*objects = NULL;
	*count = 0;
	if (array == NULL || json_is_null(array))
		return true;
	if (!json_is_array(array))
		return job_bad_option(err, path, "It must be an array.");
	*count = (int) json_array_size(array);
	*objects = arena_zalloc(arena, sizeof(JobObject) * ((size_t) *count + 1));
	for (int i = 0; i < *count; i++)
	{
		const json_t *item = json_array_get(array, (size_t) i);
		const char *schema = json_string_value(json_object_get(item, "schema"));

		path = arena_printf(arena, "$.%s[%d]", member, i);
		if (schema == NULL || schema[0] == '\0')
			return job_bad_option(err, path, "It has no \"schema\".");
		(*objects)[i].schema = arena_strdup(arena, schema);
		if (!parse_text(arena, item, "rename", path, &(*objects)[i].rename, err) ||
		    !parse_tables(arena, json_object_get(item, "tables"), &(*objects)[i], path, err))
			return false;
	}
	return true;
}

static bool
parse_policy(JobOptions *options, const json_t *root, Error *err)
{
	const char *policy = json_string_value(json_object_get(root, "same_name_tables"));

	if (policy == NULL || strcmp(policy, "fail") == 0)
		options->same_name_tables = SAME_NAME_FAIL;
	else if (strcmp(policy, "keep") == 0)
		options->same_name_tables = SAME_NAME_KEEP;
	else if (strcmp(policy, "truncate") == 0)
		options->same_name_tables = SAME_NAME_TRUNCATE;
	else
		return job_bad_option(err, "$.same_name_tables", "It must be fail, keep or truncate.");
	return true;
}

static bool
parse_table_error(JobOptions *options, const json_t *root, Error *err)
{
	const char *policy = json_string_value(json_object_get(root, "on_table_error"));

	options->quarantine = policy != NULL && strcmp(policy, "quarantine") == 0;
	if (policy == NULL || options->quarantine || strcmp(policy, "stop") == 0)
		return true;
	return job_bad_option(err, "$.on_table_error", "It must be stop or quarantine.");
}

/* A whole number between min and max; absent or null leaves *value alone. */
static bool
parse_int(const json_t *object, const char *member, const char *path, int min, int max, int *value,
          Error *err)
{
	const json_t *number = json_object_get(object, member);

	if (number == NULL || json_is_null(number))
		return true;
	if (!json_is_integer(number) || json_integer_value(number) < min ||
	    json_integer_value(number) > max)
		return job_bad_option(err, path, "It is not a whole number in the range allowed.");
	*value = (int) json_integer_value(number);
	return true;
}

static bool
parse_role_map(Arena *arena, JobOptions *options, const json_t *map, Error *err)
{
	const char *key;
	const json_t *value;

	if (map == NULL || json_is_null(map))
		return true;
	if (!json_is_object(map))
		return job_bad_option(err, "$.missing_roles.map", "It must be an object.");
	options->roles = arena_zalloc(arena, sizeof(JobRole) * (json_object_size(map) + 1));
	json_object_foreach((json_t *) map, key, value)
	{
		if (!json_is_string(value) || json_string_length(value) == 0)
			return job_bad_option(err, "$.missing_roles.map", "A role must have a name.");
		options->roles[options->role_count++] =
		    (JobRole){arena_strdup(arena, key), arena_strdup(arena, json_string_value(value))};
	}
	return true;
}

static bool
parse_missing_roles(Arena *arena, JobOptions *options, const json_t *root, Error *err)
{
	const json_t *option = json_object_get(root, "missing_roles");
	const json_t *policy = json_is_object(option) ? json_object_get(option, "others") : option;
	const char *name = json_string_value(policy);

	if (policy != NULL && !json_is_null(policy) &&
	    (name == NULL || (strcmp(name, "skip") != 0 && strcmp(name, "fail") != 0)))
		return job_bad_option(err,
		                      json_is_object(option) ? "$.missing_roles.others" : "$.missing_roles",
		                      "It must be skip or fail.");
	options->missing_roles_fail = name != NULL && strcmp(name, "fail") == 0;
	return !json_is_object(option) ||
	       parse_role_map(arena, options, json_object_get(option, "map"), err);
}

static bool
parse_rivals(Arena *arena, JobOptions *options, const json_t *root, Error *err)
{
	const json_t *array = json_object_get(root, "rivals");
	const char *ring = json_string_value(json_object_get(root, "ring"));

	if (ring != NULL)
		options->ring = arena_strdup(arena, ring);
	options->rivals = arena_zalloc(arena, sizeof(JobRival) * (json_array_size(array) + 1));
	for (size_t i = 0; i < json_array_size(array); i++)
	{
		const json_t *item = json_array_get(array, i);
		const char *name = json_string_value(json_object_get(item, "job"));
		JobRival *rival = &options->rivals[options->rival_count++];

		rival->name = arena_strdup(arena, name == NULL ? "" : name);
		rival->reverse = json_is_true(json_object_get(item, "reverse"));
		if (!parse_objects(arena, item, "objects", &rival->objects, &rival->object_count, err) ||
		    !parse_objects(arena, item, "exclude", &rival->exclude, &rival->exclude_count, err))
			return false;
		rival->map = object_map_create(
		    arena, &(JobOptions){.objects = rival->objects, .object_count = rival->object_count});
	}
	return true;
}

static bool
parse_root(Job *job, const json_t *root, Error *err)
{
	JobOptions *options = &job->options;
	const json_t *retry = json_object_get(root, "retry");
	const json_t *streaming = json_object_get(root, "streaming");

	if (!json_is_object(root))
		return job_bad_option(err, "$", "It must be an object.");
	if (streaming != NULL && !json_is_null(streaming) && !json_is_boolean(streaming))
		return job_bad_option(err, "$.streaming", "It must be true or false.");
	options->streaming = !json_is_false(streaming);
	options->force = json_is_true(json_object_get(root, "force"));
	return parse_phases(options, root, err) &&
	       parse_objects(job->arena, root, "objects", &options->objects, &options->object_count,
	                     err) &&
	       parse_objects(job->arena, root, "exclude", &options->exclude, &options->exclude_count,
	                     err) &&
	       parse_policy(options, root, err) && parse_table_error(options, root, err) &&
	       job_ddl_parse(job->arena, &options->ddl, root, err) &&
	       parse_missing_roles(job->arena, options, root, err) &&
	       parse_rivals(job->arena, options, root, err) &&
	       parse_int(root, "workers", "$.workers", 0, WORKERS_MAX, &options->workers, err) &&
	       parse_int(root, "apply_workers", "$.apply_workers", 0, APPLY_WORKERS_MAX,
	                 &options->apply_workers, err) &&
	       parse_int(root, "decoding_memory_mb", "$.decoding_memory_mb", 0, DECODING_MB_MAX,
	                 &options->decoding_memory_mb, err) &&
	       parse_int(retry, "connection_minutes", "$.retry.connection_minutes", 0, MINUTES_MAX,
	                 &options->retry_connection_minutes, err) &&
	       parse_int(retry, "other_minutes", "$.retry.other_minutes", 0, MINUTES_MAX,
	                 &options->retry_other_minutes, err) &&
	       parse_int(root, "heartbeat_seconds", "$.heartbeat_seconds", 0, HEARTBEAT_MAX,
	                 &options->heartbeat_seconds, err);
}

bool
job_options_parse(Job *job, const char *json, Error *err)
{
	json_error_t problem;
	json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &problem);
	bool ok;

	memset(&job->options, 0, sizeof(job->options));
	job->options.retry_connection_minutes = 720;
	job->options.retry_other_minutes = 10;
	job->options.decoding_memory_mb = 256;
	job->options.heartbeat_seconds = 10;
	if (root == NULL)
		return job_bad_option(err, "$", problem.text);
	ok = parse_root(job, root, err);
	json_decref(root);
	if (ok)
		job->options.map = object_map_create(job->arena, &job->options);
	return ok;
}

static bool
list_has(const JobObject *objects, int count, const char *schema, const char *table)
{
	for (int i = 0; i < count; i++)
	{
		if (strcmp(objects[i].schema, schema) != 0)
			continue;
		if (objects[i].tables == NULL)
			return true;
		for (int t = 0; t < objects[i].table_count; t++)
		{
			if (strcmp(objects[i].tables[t], table) == 0)
				return true;
		}
	}
	return false;
}

bool
job_names(const Job *job, const char *schema, const char *table)
{
	const JobOptions *options = &job->options;

	return options->objects == NULL ||
	       list_has(options->objects, options->object_count, schema, table);
}

bool
job_excludes(const Job *job, const char *schema, const char *table)
{
	return list_has(job->options.exclude, job->options.exclude_count, schema, table);
}

bool
job_selects(const Job *job, const char *schema, const char *table)
{
	return job_names(job, schema, table) && !job_excludes(job, schema, table);
}

bool
job_rival_selects(const JobRival *rival, const char *schema, const char *table)
{
	if (rival->objects != NULL && !list_has(rival->objects, rival->object_count, schema, table))
		return false;
	return !list_has(rival->exclude, rival->exclude_count, schema, table);
}

const char *
job_role(const Job *job, const char *role)
{
	for (int i = 0; i < job->options.role_count; i++)
	{
		if (strcmp(job->options.roles[i].source, role) == 0)
			return job->options.roles[i].target;
	}
	return role;
}

char *
job_objects_json(const JobObject *objects, int count)
{
	json_t *array = json_array();
	char *text;

	for (int i = 0; i < count; i++)
	{
		json_t *object = json_pack("{s:s}", "schema", objects[i].schema);

		if (objects[i].tables != NULL)
		{
			json_t *tables = json_array();

			for (int t = 0; t < objects[i].table_count; t++)
				json_array_append_new(tables, json_string(objects[i].tables[t]));
			json_object_set_new(object, "tables", tables);
		}
		json_array_append_new(array, object);
	}
	text = json_dumps(array, JSON_COMPACT);
	json_decref(array);
	return text;
}
