/*
 * options.c
 *		Parsing the plugin's options from one table.
 *
 *	protocol_version	required; 1
 *	chunk_size			bytes at which a message is closed
 *	schemas, tables, table_oids			what is selected; none of them given = everything
 *	exclude_schemas, exclude_tables		what is left out of that; stronger than a selection by name
 *or OID origin				any | none: none leaves out what came in by replication skip_origins
 *origins whose transactions are left out streaming, two_phase, rewrites, messages, ddl	on | off
 *	on_no_identity		emit | error
 *	shapes				row filters, columns and operations of tables, as JSON; see shape_options.c
 *	check_shapes		on | off: compile all shapes at once, for SQL callers
 *
 * Names are SQL identifiers, comma-separated, quoted where SQL would ask for it.
 */
#include "options.h"

#include "compat.h"
#include "nodes/parsenodes.h"
#include "parser/scansup.h"
#include "shape_options.h"
#include "utils/builtins.h"
#include "wire.h"

typedef struct Choice
{
	const char *name;
	int value;
} Choice;

typedef void (*OptionParser)(const char *name, const char *text, const void *extra, void *field);

typedef struct OptionRule
{
	const char *name;
	OptionParser parse;
	size_t offset;
	const void *extra;
} OptionRule;

typedef struct IntRange
{
	int low;
	int high;
} IntRange;

static void
bad_value(const char *name, const char *text, const char *hint)
{
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
	         errmsg("invalid value for option \"%s\": \"%s\"", name, text), errhint("%s", hint)));
}

static void
parse_number(const char *name, const char *text, const void *extra, void *field)
{
	const IntRange *range = extra;
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < range->low || value > range->high)
		bad_value(name, text,
		          range->low == range->high
		              ? psprintf("The only valid value is %d.", range->low)
		              : psprintf("Valid values are %d to %d.", range->low, range->high));
	*(int *) field = (int) value;
}

static void
parse_switch(const char *name, const char *text, const void *extra, void *field)
{
	if (!parse_bool(text, (bool *) field))
		bad_value(name, text, "Valid values are on and off.");
}

static void
parse_choice(const char *name, const char *text, const void *extra, void *field)
{
	const Choice *choice;
	StringInfoData valid;

	for (choice = extra; choice->name; choice++)
	{
		if (strcmp(choice->name, text) == 0)
		{
			*(int *) field = choice->value;
			return;
		}
	}
	initStringInfo(&valid);
	for (choice = extra; choice->name; choice++)
		appendStringInfo(&valid, "%s%s", valid.len ? ", " : "", choice->name);
	bad_value(name, text, psprintf("Valid values are %s.", valid.data));
}

/* Reads one identifier, which ends before '.', ',' or the end; NULL when there is none. */
static char *
read_identifier(const char **at)
{
	StringInfoData out;
	const char *p = *at;

	initStringInfo(&out);
	if (*p == '"')
	{
		for (p++;; p++)
		{
			if (*p == '\0')
				return NULL;
			if (*p == '"')
			{
				if (p[1] != '"')
					break;
				p++;
			}
			appendStringInfoChar(&out, *p);
		}
		p++;
	}
	else
	{
		const char *start = p;
		char *folded;

		while (*p && *p != '.' && *p != ',' && *p != '"' && !isspace((unsigned char) *p))
			p++;
		folded = downcase_identifier(start, (int) (p - start), false, false);
		appendStringInfoString(&out, folded);
	}
	if (out.len == 0 || out.len >= NAMEDATALEN)
		return NULL;
	while (isspace((unsigned char) *p))
		p++;
	*at = p;
	return out.data;
}

/* extra: the number of identifiers in a name, as an int. */
static void
parse_names(const char *name, const char *text, const void *extra, void *field)
{
	int parts = *(const int *) extra;
	const char *hint = parts == 2 ? "List tables as schema.table, separated by commas; put names "
	                                "in double quotes where SQL needs it."
	                              : "List names separated by commas; put names in double quotes "
	                                "where SQL needs it.";
	List *list = NIL;
	const char *p = text;

	for (;;)
	{
		OptionName *item = palloc0(sizeof(OptionName));

		while (isspace((unsigned char) *p))
			p++;
		item->schema = read_identifier(&p);
		if (item->schema && parts == 2)
		{
			if (*p != '.')
				bad_value(name, text, hint);
			p++;
			while (isspace((unsigned char) *p))
				p++;
			item->table = read_identifier(&p);
		}
		if (!item->schema || (parts == 2 && !item->table) || (*p != ',' && *p != '\0'))
			bad_value(name, text, hint);
		list = lappend(list, item);
		if (*p++ == '\0')
			break;
	}
	*(List **) field = list;
}

static void
parse_oids(const char *name, const char *text, const void *extra, void *field)
{
	List *list = NIL;
	const char *p = text;

	for (;;)
	{
		char *end = NULL;
		unsigned long value;

		errno = 0;
		while (isspace((unsigned char) *p))
			p++;
		value = isdigit((unsigned char) *p) ? strtoul(p, &end, 10) : 0;
		if (value == 0 || errno != 0 || value > PG_UINT32_MAX || (*end != ',' && *end != '\0'))
			bad_value(name, text, "List OIDs of tables, separated by commas.");
		list = lappend_oid(list, (Oid) value);
		if (*end == '\0')
			break;
		p = end + 1;
	}
	*(List **) field = list;
}

static void
parse_shapes(const char *name, const char *text, const void *extra, void *field)
{
	*(List **) field = shape_options_parse(text);
}

static const Choice origin_choices[] = {{"any", ORIGIN_ANY}, {"none", ORIGIN_NONE}, {NULL, 0}};
static const Choice no_identity_choices[] = {
    {"emit", NO_IDENTITY_EMIT}, {"error", NO_IDENTITY_ERROR}, {NULL, 0}};
static const IntRange version_range = {DTS_WIRE_VERSION, DTS_WIRE_VERSION};
static const IntRange chunk_range = {DTS_WIRE_CHUNK_MIN, DTS_WIRE_CHUNK_MAX};
static const int one_part = 1;
static const int two_parts = 2;

#define FIELD(f) offsetof(DecoderOptions, f)
static const OptionRule rules[] = {
    {"protocol_version", parse_number, FIELD(protocol_version), &version_range},
    {"chunk_size", parse_number, FIELD(chunk_size), &chunk_range},
    {"schemas", parse_names, FIELD(schemas), &one_part},
    {"tables", parse_names, FIELD(tables), &two_parts},
    {"table_oids", parse_oids, FIELD(table_oids), NULL},
    {"exclude_schemas", parse_names, FIELD(exclude_schemas), &one_part},
    {"exclude_tables", parse_names, FIELD(exclude_tables), &two_parts},
    {"origin", parse_choice, FIELD(origin), origin_choices},
    {"skip_origins", parse_names, FIELD(skip_origins), &one_part},
    {"streaming", parse_switch, FIELD(streaming), NULL},
    {"two_phase", parse_switch, FIELD(two_phase), NULL},
    {"ddl", parse_switch, FIELD(ddl), NULL},
    {"rewrites", parse_switch, FIELD(rewrites), NULL},
    {"messages", parse_switch, FIELD(messages), NULL},
    {"shapes", parse_shapes, FIELD(shapes), NULL},
    {"check_shapes", parse_switch, FIELD(check_shapes), NULL},
    {"on_no_identity", parse_choice, FIELD(on_no_identity), no_identity_choices},
};
#undef FIELD

static const OptionRule *
find_rule(const char *name)
{
	StringInfoData valid;

	for (int i = 0; i < lengthof(rules); i++)
	{
		if (strcmp(rules[i].name, name) == 0)
			return &rules[i];
	}
	initStringInfo(&valid);
	for (int i = 0; i < lengthof(rules); i++)
		appendStringInfo(&valid, "%s%s", i ? ", " : "", rules[i].name);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
	                errmsg("unknown option \"%s\" of dts_decoder", name),
	                errhint("Valid options are %s.", valid.data)));
	return NULL;
}

void
options_parse(DecoderOptions *options, List *elements)
{
	uint32 seen = 0;
	ListCell *cell;

	memset(options, 0, sizeof(*options));
	options->chunk_size = DTS_WIRE_CHUNK_DEFAULT;
	options->messages = true;
	foreach (cell, elements)
	{
		DefElem *element = lfirst(cell);
		const OptionRule *rule = find_rule(element->defname);
		uint32 bit = 1U << (rule - rules);

		if (seen & bit)
			ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
			                errmsg("option \"%s\" of dts_decoder is given twice", rule->name),
			                errhint("Give each option once; lists are separated by commas.")));
		seen |= bit;
		if (!element->arg)
			bad_value(rule->name, "", "Every option needs a value.");
		rule->parse(rule->name, strVal(element->arg), rule->extra, (char *) options + rule->offset);
	}
	if (options->protocol_version == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("option \"protocol_version\" of dts_decoder is missing"),
		                errhint("This decoder speaks version %d: protocol_version '%d'.",
		                        DTS_WIRE_VERSION, DTS_WIRE_VERSION)));
}
