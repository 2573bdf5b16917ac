/*
 * options.c
 *		The options of an endpoint's connection: which exist, which are secret, what they may hold.
 *
 * For PostgreSQL the client library itself is the list.  Reads connection strings and answers for
 * the foreign-data wrappers' validators; stores nothing, connects to nothing.
 *
 * Whatever is raised here is kept out of the server's log as a statement: the statement at work may
 * carry a password.
 */
#include "postgres.h"

#include <libpq-fe.h>

#include "access/reloptions.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"

#include "options.h"

PG_FUNCTION_INFO_V1(dts_postgresql_validator);
PG_FUNCTION_INFO_V1(dts_mariadb_validator);

static const struct
{
	const char *name;
	const char *wrapper;
} engines[ENGINE_COUNT] = {
    [ENGINE_POSTGRESQL] = {"postgresql", "dts_postgresql"},
    [ENGINE_MARIADB] = {"mariadb", "dts_mariadb"},
};

/* What goes to the user mapping; everything else to the server. */
static const char *const mapping_options[] = {"user", "password", "sslpassword", "passfile"};

static const char *const mariadb_options[] = {"host",     "port",     "socket",         "dbname",
                                              "user",     "password", "ssl_mode",       "ssl_ca",
                                              "ssl_cert", "ssl_key",  "connect_timeout"};

/* Options whose values are known; a name without values takes whole numbers of min to max. */
static const struct
{
	const char *name;
	const char *values; /* separated by spaces */
	int min;
	int max;
} option_values[] = {
    {"port", NULL, 1, 65535},
    {"connect_timeout", NULL, 0, 3600},
    {"sslmode", "disable allow prefer require verify-ca verify-full", 0, 0},
    {"ssl_mode", "disabled preferred required verify_ca verify_identity", 0, 0},
    {"gssencmode", "disable prefer require", 0, 0},
    {"channel_binding", "disable prefer require", 0, 0},
    {"target_session_attrs", "any read-write read-only primary standby prefer-standby", 0, 0},
};

const char *
engine_name(Engine engine)
{
	return engines[engine].name;
}

const char *
engine_wrapper(Engine engine)
{
	return engines[engine].wrapper;
}

int
engine_find(const char *name)
{
	for (int i = 0; i < ENGINE_COUNT; i++)
		if (strcmp(engines[i].name, name) == 0)
			return i;
	return -1;
}

/* All options of an engine, NULL-terminated.  Options for debugging the protocol are left out. */
static const char **
option_names(Engine engine)
{
	PQconninfoOption *defaults;
	const char **names;
	int count = 0;

	if (engine == ENGINE_MARIADB)
	{
		names = palloc0(sizeof(char *) * (lengthof(mariadb_options) + 1));
		memcpy(names, mariadb_options, sizeof(mariadb_options));
		return names;
	}
	defaults = PQconndefaults();
	for (PQconninfoOption *option = defaults; option && option->keyword; option++)
		count++;
	if (count == 0)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	names = palloc0(sizeof(char *) * (count + 1));
	count = 0;
	for (PQconninfoOption *option = defaults; option && option->keyword; option++)
		if (option->dispchar[0] != 'D')
			names[count++] = pstrdup(option->keyword);
	PQconninfoFree(defaults);
	return names;
}

OptionPlace
option_place(Engine engine, const char *name)
{
	const char **names = option_names(engine);

	while (*names && strcmp(*names, name) != 0)
		names++;
	if (*names == NULL)
		return PLACE_NOWHERE;
	for (int i = 0; i < lengthof(mapping_options); i++)
		if (strcmp(mapping_options[i], name) == 0)
			return PLACE_MAPPING;
	return PLACE_SERVER;
}

char *
option_list(Engine engine, OptionPlace place)
{
	StringInfoData list;

	initStringInfo(&list);
	for (const char **name = option_names(engine); *name; name++)
		if (place == PLACE_NOWHERE || option_place(engine, *name) == place)
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", *name);
	return list.data;
}

/*
 * Whether every item of a comma-separated list is a whole number of that range.  An empty item
 * stands for the default.
 */
static bool
numbers_valid(const char *value, int min, int max)
{
	for (;;)
	{
		char *end;
		long number = strtol(value, &end, 10);

		if (end != value && (number < min || number > max))
			return false;
		if (*end == '\0')
			return true;
		if (*end != ',')
			return false;
		value = end + 1;
	}
}

static bool
word_listed(const char *word, const char *words)
{
	size_t length = strlen(word);

	for (const char *p = words; length > 0 && (p = strstr(p, word)) != NULL; p += length)
		if ((p == words || p[-1] == ' ') && (p[length] == ' ' || p[length] == '\0'))
			return true;
	return false;
}

void
option_check_value(Engine engine, const char *name, const char *value)
{
	for (int i = 0; i < lengthof(option_values); i++)
	{
		const char *values = option_values[i].values;

		if (strcmp(option_values[i].name, name) != 0)
			continue;
		if (values ? word_listed(value, values)
		           : numbers_valid(value, option_values[i].min, option_values[i].max))
			return;
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE), errhidestmt(true),
		                errmsg("invalid value for connection option \"%s\"", name),
		                errdetail("The value is \"%s\".", value),
		                values ? errhint("Valid values are: %s.", values)
		                       : errhint("Valid values are whole numbers from %d to %d.",
		                                 option_values[i].min, option_values[i].max)));
	}
}

static void
add_option(Engine engine, const char *name, const char *value, List **server, List **mapping)
{
	DefElem *option;
	OptionPlace place = option_place(engine, name);

	if (place == PLACE_NOWHERE)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errhidestmt(true),
		                errmsg("invalid connection option \"%s\"", name),
		                errdetail("Engine \"%s\" has no such option.", engine_name(engine)),
		                errhint("Valid options are: %s.", option_list(engine, PLACE_NOWHERE))));
	option_check_value(engine, name, value);
	option = makeDefElem(pstrdup(name), (Node *) makeString(pstrdup(value)), -1);
	if (place == PLACE_MAPPING)
		*mapping = lappend(*mapping, option);
	else
		*server = lappend(*server, option);
}

static void __attribute__((noreturn))
conninfo_invalid(Engine engine, const char *conninfo, const char *why)
{
	/* What the library says repeats pieces of the string: shown only where no secret can be. */
	bool harmless = strstr(conninfo, "pass") == NULL && strchr(conninfo, '@') == NULL;

	ereport(
	    ERROR,
	    (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errhidestmt(true),
	     errmsg("connection string of the endpoint is not valid"),
	     harmless && why ? errdetail("%s", why)
	                     : errdetail("It is not a list of option=value pairs; what is wrong is "
	                                 "not shown because it may hold a password."),
	     errhint("Write option=value pairs separated by spaces, with values that hold spaces in "
	             "single quotes%s. Valid options are: %s.",
	             engine == ENGINE_POSTGRESQL ? ", or a postgresql:// URI" : "",
	             option_list(engine, PLACE_NOWHERE))));
}

/* Reads one pair at *p into buffers; false when there is none or it is malformed (*bad). */
static bool
next_pair(const char **p, StringInfo name, StringInfo value, bool *bad)
{
	bool quoted;

	resetStringInfo(name);
	resetStringInfo(value);
	*p += strspn(*p, " \t\r\n");
	if (**p == '\0')
		return false;
	*bad = true;
	while (**p && !strchr("= \t\r\n", **p))
		appendStringInfoChar(name, *(*p)++);
	*p += strspn(*p, " \t\r\n");
	if (name->len == 0 || **p != '=')
		return false;
	(*p)++;
	*p += strspn(*p, " \t\r\n");
	quoted = **p == '\'';
	if (quoted)
		(*p)++;
	while (**p && (quoted ? **p != '\'' : !strchr(" \t\r\n", **p)))
	{
		if (**p == '\\' && (*p)[1])
			(*p)++;
		appendStringInfoChar(value, *(*p)++);
	}
	if (quoted && *(*p)++ != '\'')
		return false;
	*bad = false;
	return true;
}

void
conninfo_split(Engine engine, const char *conninfo, List **server, List **mapping)
{
	*server = NIL;
	*mapping = NIL;
	if (engine == ENGINE_POSTGRESQL)
	{
		char *message = NULL;
		PQconninfoOption *options = PQconninfoParse(conninfo, &message);

		if (options == NULL)
		{
			char *copy = message ? pstrdup(message) : NULL;

			PQfreemem(message);
			if (copy)
				copy[strcspn(copy, "\n")] = '\0';
			conninfo_invalid(engine, conninfo, copy);
		}
		PG_TRY();
		{
			for (PQconninfoOption *option = options; option->keyword; option++)
				if (option->val)
					add_option(engine, option->keyword, option->val, server, mapping);
		}
		PG_FINALLY();
		{
			PQconninfoFree(options);
		}
		PG_END_TRY();
	}
	else
	{
		StringInfoData name, value;
		const char *p = conninfo;
		bool bad = false;

		initStringInfo(&name);
		initStringInfo(&value);
		while (next_pair(&p, &name, &value, &bad))
			add_option(engine, name.data, value.data, server, mapping);
		if (bad)
			conninfo_invalid(engine, conninfo, NULL);
	}
}

/* The options of CREATE or ALTER SERVER, USER MAPPING and FOREIGN DATA WRAPPER. */
static void
validate(Engine engine, Datum array, Oid catalog)
{
	ListCell *cell;
	OptionPlace wanted = catalog == ForeignServerRelationId ? PLACE_SERVER
	                     : catalog == UserMappingRelationId ? PLACE_MAPPING
	                                                        : PLACE_NOWHERE;

	foreach (cell, untransformRelOptions(array))
	{
		DefElem *option = lfirst_node(DefElem, cell);
		OptionPlace place = option_place(engine, option->defname);

		if (wanted == PLACE_NOWHERE)
			ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errhidestmt(true),
			                errmsg("invalid option \"%s\"", option->defname),
			                errdetail("Only servers and user mappings of \"%s\" have options.",
			                          engine_wrapper(engine)),
			                errhint("Give the option to an endpoint.")));
		if (place != wanted)
			ereport(
			    ERROR,
			    (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errhidestmt(true),
			     errmsg("invalid option \"%s\"", option->defname),
			     place == PLACE_NOWHERE
			         ? errdetail("Engine \"%s\" has no such option.", engine_name(engine))
			         : errdetail("It belongs to the %s.",
			                     place == PLACE_SERVER ? "server" : "user mapping for dts_daemon"),
			     errhint("Valid options here are: %s.", option_list(engine, wanted))));
		option_check_value(engine, option->defname, defGetString(option));
	}
}

Datum
dts_postgresql_validator(PG_FUNCTION_ARGS)
{
	validate(ENGINE_POSTGRESQL, PG_GETARG_DATUM(0), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}

Datum
dts_mariadb_validator(PG_FUNCTION_ARGS)
{
	validate(ENGINE_MARIADB, PG_GETARG_DATUM(0), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}
