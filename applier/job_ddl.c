/*
 * job_ddl.c
 *		What a job wants of commands that change the source's schema: the option "ddl", by class of
 *		command.
 */
#include "job_ddl.h"

#include <string.h>

#include "lsn.h"

#define CLASS_NAME(sym, name) name,
static const char *const class_names[] = {JOB_DDL_CLASSES(CLASS_NAME)};
#undef CLASS_NAME

/* What a command is about, as its tag has it behind the verb; the first that fits. */
static const struct
{
	const char *words;
	JobDdlClass class;
} objects[] = {
    {"TABLE", JOB_DDL_CLASS_TABLE},
    {"FOREIGN TABLE", JOB_DDL_CLASS_TABLE},
    {"INDEX", JOB_DDL_CLASS_INDEX},
    {"VIEW", JOB_DDL_CLASS_VIEW},
    {"MATERIALIZED VIEW", JOB_DDL_CLASS_VIEW},
    {"RULE", JOB_DDL_CLASS_VIEW},
    {"SEQUENCE", JOB_DDL_CLASS_SEQUENCE},
    {"FUNCTION", JOB_DDL_CLASS_FUNCTION},
    {"PROCEDURE", JOB_DDL_CLASS_FUNCTION},
    {"ROUTINE", JOB_DDL_CLASS_FUNCTION},
    {"AGGREGATE", JOB_DDL_CLASS_FUNCTION},
    {"TYPE", JOB_DDL_CLASS_TYPE},
    {"DOMAIN", JOB_DDL_CLASS_TYPE},
    {"SCHEMA", JOB_DDL_CLASS_SCHEMA},
    {"TRIGGER", JOB_DDL_CLASS_TRIGGER},
    {"POLICY", JOB_DDL_CLASS_POLICY},
    {"DEFAULT PRIVILEGES", JOB_DDL_CLASS_GRANT},
    {"INTO", JOB_DDL_CLASS_TABLE}, /* SELECT INTO */
};

/* Whole words: "TABLE" begins "TABLE AS" and not "TABLESPACE". */
static bool
begins_with(const char *text, const char *words)
{
	size_t len = strlen(words);

	return strncmp(text, words, len) == 0 && (text[len] == '\0' || text[len] == ' ');
}

static JobDdlClass
class_of(const char *tag)
{
	const char *object = strchr(tag, ' ');

	if (begins_with(tag, "GRANT") || begins_with(tag, "REVOKE"))
		return JOB_DDL_CLASS_GRANT;
	if (begins_with(tag, "COMMENT"))
		return JOB_DDL_CLASS_COMMENT;
	for (size_t i = 0; object != NULL && i < sizeof(objects) / sizeof(objects[0]); i++)
	{
		if (begins_with(object + 1, objects[i].words))
			return objects[i].class;
	}
	return JOB_DDL_CLASS_OTHER;
}

JobDdlClass
job_ddl_class(const JobDdl *ddl, const char *tag)
{
	return ddl->drops && begins_with(tag, "DROP") ? JOB_DDL_CLASS_DROP : class_of(tag);
}

const char *
job_ddl_class_name(JobDdlClass class)
{
	return class_names[class];
}

bool
job_ddl_left_out(const JobDdl *ddl, uint64_t commit, int64_t number)
{
	for (int i = 0; i < ddl->skip_count; i++)
	{
		if (ddl->skips[i].commit == commit && ddl->skips[i].number == number)
			return true;
	}
	return false;
}

static bool
parse_policy(const json_t *value, const char *path, bool *off, JobDdlPolicy *policy, Error *err)
{
	const char *name = json_string_value(value);

	if (value == NULL || json_is_null(value))
		return true;
	if (name != NULL && strcmp(name, "apply") == 0)
		*policy = JOB_DDL_APPLY;
	else if (name != NULL && strcmp(name, "skip") == 0)
		*policy = JOB_DDL_SKIP;
	else if (name != NULL && strcmp(name, "approve") == 0)
		*policy = JOB_DDL_APPROVE;
	else if (name != NULL && off != NULL && strcmp(name, "off") == 0)
		*off = true;
	else
		return job_bad_option(err, path, "It must be apply, skip or approve.");
	return true;
}

static bool
parse_policies(JobDdl *ddl, const json_t *option, Error *err)
{
	JobDdlPolicy usual = JOB_DDL_APPLY;
	bool off = false;

	if (!parse_policy(json_is_object(option) ? json_object_get(option, "default") : option, "$.ddl",
	                  json_is_object(option) ? NULL : &off, &usual, err))
		return false;
	ddl->captured = !off;
	for (int class = 0; class < JOB_DDL_CLASS_COUNT; class ++)
	{
		const json_t *value = json_object_get(option, class_names[class]);

		ddl->policies[class] = usual;
		if (!parse_policy(value, "$.ddl", NULL, &ddl->policies[class], err))
			return false;
		if (class == JOB_DDL_CLASS_DROP)
			ddl->drops = json_is_string(value);
	}
	return true;
}

bool
job_ddl_parse(Arena *arena, JobDdl *ddl, const json_t *root, Error *err)
{
	const json_t *skips = json_object_get(root, "ddl_skips");

	*ddl = (JobDdl){.captured = true};
	if (!parse_policies(ddl, json_object_get(root, "ddl"), err))
		return false;
	ddl->skips = arena_zalloc(arena, sizeof(JobDdlSkip) * (json_array_size(skips) + 1));
	for (size_t i = 0; i < json_array_size(skips); i++)
	{
		const json_t *item = json_array_get(skips, i);
		const char *lsn = json_string_value(json_object_get(item, "lsn"));
		JobDdlSkip *skip = &ddl->skips[ddl->skip_count];

		skip->number = json_integer_value(json_object_get(item, "number"));
		if (lsn != NULL && lsn_parse(lsn, &skip->commit))
			ddl->skip_count++;
	}
	return true;
}

/* Checked where it was set; what cannot be read changes nothing. */
void
job_ddl_take(JobDdl *ddl, const char *option)
{
	json_t *json = option == NULL ? NULL : json_loads(option, JSON_DECODE_ANY, NULL);
	JobDdl changed = *ddl;
	Error err = {0};

	if ((option == NULL || json != NULL) && parse_policies(&changed, json, &err))
	{
		changed.captured = ddl->captured;
		*ddl = changed;
	}
	json_decref(json);
}
