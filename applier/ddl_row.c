/*
 * ddl_row.c
 *		See ddl_row.h.
 *
 * Texts are in the encoding of the source's database, and JSON knows UTF-8 only.  A row that is not
 * valid in it is refused: nothing is guessed about what a command says.
 */
#include "ddl_row.h"

#include <string.h>

#define OID_BOOL  16
#define OID_INT8  20
#define OID_JSONB 3802

DdlRowKind
ddl_row_kind(const Relation *relation)
{
	if (relation == NULL || strncmp(relation->name, "dts_", 4) != 0 ||
	    strcmp(relation->schema, "public") != 0)
		return DDL_ROW_NONE;
	if (strcmp(relation->name, "dts_ddl_command") == 0)
		return DDL_ROW_COMMAND;
	return strcmp(relation->name, "dts_args_session") == 0 ? DDL_ROW_SESSION : DDL_ROW_NONE;
}

static bool
is_type(const Column *column, uint32_t oid)
{
	return column->type_schema == NULL && column->type_oid == oid;
}

/* One value; NULL: it makes no sense. */
static json_t *
read_value(const Column *column, const Value *value)
{
	const char *data = value->data;
	size_t len = value->len;

	if (is_type(column, OID_BOOL) && len == 1)
		return json_boolean(data[0] == 't' || data[0] == 1);
	if (is_type(column, OID_INT8) && column->format == FORMAT_BINARY && len == 8)
	{
		uint64_t number = 0;

		for (int i = 0; i < 8; i++)
			number = number << 8 | (uint8_t) data[i];
		return json_integer((json_int_t) number);
	}
	if (is_type(column, OID_JSONB))
	{
		/* in binary a version comes before the text */
		if (column->format == FORMAT_BINARY)
		{
			if (len == 0 || data[0] != 1)
				return NULL;
			data++;
			len--;
		}
		return json_loadb(data, len, JSON_DECODE_ANY, NULL);
	}
	return json_stringn(data, len);
}

bool
ddl_row_read(const Change *change, json_t *doc, Error *err)
{
	static const char *const wanted[] = {"id",     "event",       "tag",      "query",
	                                     "nested", "commands",    "objects",  "error",
	                                     "role",   "search_path", "settings", "command"};

	for (int i = 0; i < change->relation->column_count; i++)
	{
		const Column *column = &change->relation->columns[i];
		const Value *value = &change->new_values[i];
		json_t *member = NULL;
		bool known = false;

		for (size_t k = 0; k < sizeof(wanted) / sizeof(wanted[0]); k++)
			known = known || strcmp(column->name, wanted[k]) == 0;
		if (!known || value->state != VALUE_PRESENT)
			continue;
		member = read_value(column, value);
		if (member == NULL)
		{
			error_set(err, ERR_PROTOCOL, "a captured command cannot be read");
			error_detail(err, "Column \"%s\" of table \"%s\".\"%s\" holds what is not valid UTF-8.",
			             column->name, change->relation->schema, change->relation->name);
			error_hint(err, "Run the command on the target by hand, and set the option ddl to "
			                "skip.  The source's encoding has to be UTF8 for DDL to be followed.");
			return false;
		}
		json_object_set_new(doc, column->name, member);
	}
	return true;
}
