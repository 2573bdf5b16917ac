/*
 * ddl_record.c
 *		Reading what the capture wrote; see ddl_record.h.
 */
#include "ddl_record.h"

#include <string.h>

const char *
ddl_text(const json_t *doc, const char *key)
{
	return json_string_value(json_object_get(doc, key));
}

int64_t
ddl_number(const json_t *doc, const char *key)
{
	return json_integer_value(json_object_get(doc, key));
}

bool
ddl_flag(const json_t *doc, const char *key)
{
	return json_is_true(json_object_get(doc, key));
}

const json_t *
ddl_find(const json_t *array, const char *key, int64_t number)
{
	for (size_t i = 0; i < json_array_size(array); i++)
	{
		const json_t *doc = json_array_get(array, i);

		if (ddl_number(doc, key) == number)
			return doc;
	}
	return NULL;
}

bool
ddl_same(const json_t *a, const json_t *b, const char *key)
{
	json_t *x = json_object_get(a, key);
	json_t *y = json_object_get(b, key);

	return x == NULL || y == NULL ? x == y : json_equal(x, y) != 0;
}

static bool
read_event(const char *text, DdlEvent *event)
{
	static const char *const names[] = {[DDL_EVENT_COMMAND] = "command",
	                                    [DDL_EVENT_DROP] = "drop",
	                                    [DDL_EVENT_REWRITE] = "rewrite",
	                                    [DDL_EVENT_GAP] = "gap"};

	for (int i = 0; text != NULL && i < (int) (sizeof(names) / sizeof(names[0])); i++)
	{
		if (strcmp(text, names[i]) == 0)
		{
			*event = (DdlEvent) i;
			return true;
		}
	}
	return false;
}

/* An array of objects, or nothing. */
static bool
read_array(const json_t *doc, const char *key, const json_t **array)
{
	const json_t *value = json_object_get(doc, key);

	*array = NULL;
	if (value == NULL || json_is_null(value))
		return true;
	for (size_t i = 0; i < json_array_size(value); i++)
	{
		if (!json_is_object(json_array_get(value, i)))
			return false;
	}
	*array = value;
	return json_is_array(value);
}

bool
ddl_record_read(const json_t *doc, DdlRecord *record, Error *err)
{
	const json_t *nested = json_object_get(doc, "nested");

	*record = (DdlRecord){.id = ddl_number(doc, "id"),
	                      .tag = ddl_text(doc, "tag"),
	                      .query = ddl_text(doc, "query"),
	                      .error = ddl_text(doc, "error"),
	                      .role = ddl_text(doc, "role"),
	                      .search_path = ddl_text(doc, "search_path"),
	                      .settings = json_object_get(doc, "settings")};
	if (json_is_boolean(nested))
		record->nested = json_is_true(nested) ? DDL_NESTED : DDL_TOP_LEVEL;
	if (record->tag != NULL && read_event(ddl_text(doc, "event"), &record->event) &&
	    read_array(doc, "commands", &record->commands) &&
	    read_array(doc, "objects", &record->objects))
		return true;
	error_set(err, ERR_PROTOCOL, "a captured command cannot be read");
	error_detail(err, "Row %lld of public.dts_ddl_command is not what the capture writes.",
	             (long long) record->id);
	error_hint(
	    err,
	    "Somebody changed the row or the capture's functions: stop the job, and start it anew.");
	return false;
}
