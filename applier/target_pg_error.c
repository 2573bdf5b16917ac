/*
 * target_pg_error.c
 *		Names for what failed: table, key, position on the source.
 *
 * A request keeps the beginning of its key's values as they came, because its change is gone when
 * the answer arrives; they become text only here.  No other value of a row gets into a text.
 */
#include <stdio.h>
#include <string.h>

#include "strbuf.h"
#include "target_pg_internal.h"

#define KEY_VALUE_NULL 0xffff

/* Key values are kept as u16 column, u16 length, bytes; what does not fit is cut. */
void
target_pg_key(const RelationEntry *entry, const Change *change, Request *request)
{
	const Value *values = change->old_row != OLD_NONE ? change->old_values : change->new_values;
	size_t used = 0;

	for (int k = 0; k < entry->key_count && values != NULL; k++)
	{
		uint16_t column = (uint16_t) entry->key_columns[k];
		const Value *value = &values[column];
		uint16_t len = KEY_VALUE_NULL;

		if (used + 2 * sizeof(uint16_t) > REQUEST_KEY_MAX)
			break;
		if (value->state == VALUE_PRESENT)
		{
			size_t room = REQUEST_KEY_MAX - used - 2 * sizeof(uint16_t);

			len = (uint16_t) (value->len < room ? value->len : room);
			memcpy(request->key + used + 2 * sizeof(uint16_t), value->data, len);
		}
		memcpy(request->key + used, &column, sizeof(column));
		memcpy(request->key + used + sizeof(column), &len, sizeof(len));
		used += 2 * sizeof(uint16_t) + (len == KEY_VALUE_NULL ? 0 : len);
	}
	request->key_len = (uint16_t) used;
}

static int64_t
read_integer(const char *data, uint16_t len)
{
	uint64_t value = (data[0] & 0x80) != 0 ? UINT64_MAX : 0;

	for (uint16_t i = 0; i < len; i++)
		value = value << 8 | (uint8_t) data[i];
	return (int64_t) value;
}

static void
add_value(StrBuf *text, const Column *column, const char *data, uint16_t len)
{
	enum
	{
		OID_BOOL = 16,
		OID_NAME = 19,
		OID_INT8 = 20,
		OID_INT2 = 21,
		OID_INT4 = 23,
		OID_TEXT = 25,
		OID_BPCHAR = 1042,
		OID_VARCHAR = 1043,
	};
	uint32_t oid = column->type_schema == NULL ? column->type_oid : 0;

	if (column->format == FORMAT_TEXT || oid == OID_TEXT || oid == OID_VARCHAR ||
	    oid == OID_BPCHAR || oid == OID_NAME)
		strbuf_add(text, data, len);
	else if ((oid == OID_INT2 && len == 2) || (oid == OID_INT4 && len == 4) ||
	         (oid == OID_INT8 && len == 8))
		strbuf_printf(text, "%lld", (long long) read_integer(data, len));
	else if (oid == OID_BOOL && len == 1)
		strbuf_putc(text, data[0] ? 't' : 'f');
	else
	{
		strbuf_puts(text, "\\x");
		for (uint16_t i = 0; i < len; i++)
			strbuf_printf(text, "%02x", (uint8_t) data[i]);
	}
}

/* "key (a, b) = (1, x)" */
static void
add_key(StrBuf *text, const RelationEntry *entry, const Request *request)
{
	size_t used = 0;

	if (request->key_len == 0)
	{
		strbuf_puts(text, "a row without key");
		return;
	}
	strbuf_puts(text, "key (");
	for (int k = 0; k < entry->key_count; k++)
		strbuf_printf(text, "%s%s", k > 0 ? ", " : "",
		              entry->relation->columns[entry->key_columns[k]].name);
	strbuf_puts(text, ") = (");
	while (used < request->key_len)
	{
		uint16_t column;
		uint16_t len;

		memcpy(&column, request->key + used, sizeof(column));
		memcpy(&len, request->key + used + sizeof(column), sizeof(len));
		if (used > 0)
			strbuf_puts(text, ", ");
		used += 2 * sizeof(uint16_t);
		if (len == KEY_VALUE_NULL)
		{
			strbuf_puts(text, "NULL");
			continue;
		}
		add_value(text, &entry->relation->columns[column], request->key + used, len);
		used += len;
	}
	strbuf_putc(text, ')');
}

static const char *
plan_verb(const Plan *plan)
{
	if (plan == NULL)
		return "change";
	switch (plan->shape.kind)
	{
		case PLAN_INSERT:
			return "insert";
		case PLAN_UPDATE:
		case PLAN_REPLACE:
		case PLAN_PROBE:
			return "update";
		case PLAN_DELETE:
			return "delete";
	}
	return "change";
}

static void
change_error(const Request *request, Error *err)
{
	const RelationEntry *entry = request->relation;
	const Relation *relation = entry->relation;
	const char *verb = plan_verb(request->plan);
	char renamed[160] = "";
	StrBuf key;

	strbuf_init(&key);
	add_key(&key, entry, request);
	if (strcmp(err->sqlstate, ERR_ROW_MISSING) == 0)
	{
		char hits[32];

		snprintf(hits, sizeof(hits), "%.31s", err->message);
		if (strcmp(hits, "0") == 0)
			error_set(err, ERR_ROW_MISSING, "%s of table \"%s\".\"%s\" found no row on the target",
			          verb, relation->schema, relation->name);
		else
			error_set(err, ERR_ROW_MISSING,
			          "%s of table \"%s\".\"%s\" found %s rows on the target instead of one", verb,
			          relation->schema, relation->name, hits);
		error_hint(err, "The target's table was changed by someone else.  Mend the row there and "
		                "resume the job, or load the table again.");
	}
	else if (strcmp(err->sqlstate, "23505") == 0)
		error_hint(err, "Remove the row on the target that is in the way, then resume the job.");
	/* "Failing row contains ..." is the user's data */
	if (strcmp(err->sqlstate, "23502") == 0 || strcmp(err->sqlstate, "23514") == 0)
		err->detail[0] = '\0';
	if (err->detail[0] == '\0')
		error_detail(err,
		             "It is %s, in the transaction that the source committed at " LSN_FORMAT ".",
		             key.data, LSN_ARGS(request->lsn));
	if (relation->target_schema != NULL || relation->target_name != NULL)
		snprintf(renamed, sizeof(renamed), " (\"%.63s\".\"%.63s\" on the target)",
		         relation_target_schema(relation), relation_target_name(relation));
	error_context(
	    err, "%s of table \"%s\".\"%s\"%s, %s, source transaction committed at " LSN_FORMAT, verb,
	    relation->schema, relation->name, renamed, key.data, LSN_ARGS(request->lsn));
	strbuf_free(&key);
}

void
target_pg_error(const TargetPg *t, const Request *request, const PGresult *result, Error *err)
{
	pg_session_error(err, t->conn, result);
	/* the server's context may quote parameters */
	err->context[0] = '\0';
	switch (request->kind)
	{
		case REQUEST_CHANGE:
		case REQUEST_PREPARE:
			change_error(request, err);
			break;
		case REQUEST_TRUNCATE:
			error_context(err, "truncate, source transaction committed at " LSN_FORMAT,
			              LSN_ARGS(request->lsn));
			break;
		case REQUEST_POSITION:
			if (strcmp(err->sqlstate, ERR_ROW_MISSING) == 0)
			{
				error_set(err, "55006", "the stored position was moved by another session");
				error_detail(err, "An older session of the job was still at work on the target.");
			}
			break;
		case REQUEST_COMMAND:
			if (request->plan != NULL)
				target_pg_command_error(request->plan, request->lsn, err);
			break;
		case REQUEST_FENCE:
		case REQUEST_FOLLOW:
		case REQUEST_COMMIT:
		case REQUEST_RELEASE:
		case REQUEST_GROUP:
		case REQUEST_COLUMNS:
		case REQUEST_UNIQUES:
		case REQUEST_FLUSHED:
			break;
	}
}
