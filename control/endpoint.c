/*
 * endpoint.c
 *		Makes an endpoint: a foreign server, and a user mapping of the role dts_daemon for the secret.
 *
 * In C because no text of SQL may ever hold the secret: built as parse nodes, the options reach no
 * log, no statistics of statements and no error's context.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "options.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(dts_caller);
PG_FUNCTION_INFO_V1(dts_create_endpoint);

/* The role in force outside of any SECURITY DEFINER function. */
Datum
dts_caller(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(GetUserNameFromId(GetOuterUserId(), false)));
}

static void
endpoint_store(const char *name, Engine engine, List *server_options, List *mapping_options)
{
	CreateForeignServerStmt *server = makeNode(CreateForeignServerStmt);
	CreateUserMappingStmt *mapping = makeNode(CreateUserMappingStmt);
	RoleSpec *role = makeNode(RoleSpec);

	server->servername = pstrdup(name);
	server->fdwname = pstrdup(engine_wrapper(engine));
	server->options = server_options;
	CreateForeignServer(server);
	CommandCounterIncrement();

	role->roletype = ROLESPEC_CSTRING;
	role->rolename = "dts_daemon";
	role->location = -1;
	mapping->user = role;
	mapping->servername = pstrdup(name);
	mapping->options = mapping_options;
	CreateUserMapping(mapping);
	CommandCounterIncrement();
}

static void
endpoint_create(const char *name, const char *engine_text, const char *conninfo)
{
	List *server_options;
	List *mapping_options;
	int engine = engine_find(engine_text);

	if (name[0] == '\0' || strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_NAME), errmsg("invalid name of an endpoint: \"%s\"", name),
		         errdetail("It is empty or longer than %d bytes.", NAMEDATALEN - 1),
		         errhint("Give the endpoint a short name.")));
	if (engine < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("unknown engine \"%s\"", engine_text),
		                errdetail("Endpoint \"%s\" was not created.", name),
		                errhint("Valid engines are: %s, %s.", engine_name(ENGINE_POSTGRESQL),
		                        engine_name(ENGINE_MARIADB))));
	if (GetForeignServerByName(name, true))
		ereport(ERROR,
		        (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("endpoint \"%s\" already exists", name),
		         errdetail("A foreign server of that name exists."),
		         errhint("Drop it with dts_drop_endpoint, change it with ALTER SERVER and "
		                 "ALTER USER MAPPING, or choose another name.")));
	conninfo_split(engine, conninfo, &server_options, &mapping_options);
	endpoint_store(name, engine, server_options, mapping_options);
}

/*
 * dts.create_endpoint(name, engine, conninfo): whatever goes wrong inside leaves without the
 * statement and without the context in which the caller's code may have spelled the secret out.
 */
Datum
dts_create_endpoint(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		endpoint_create(text_to_cstring(PG_GETARG_TEXT_PP(0)),
		                text_to_cstring(PG_GETARG_TEXT_PP(1)),
		                text_to_cstring(PG_GETARG_TEXT_PP(2)));
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		error->hide_stmt = true;
		error->hide_ctx = true;
		error->context = NULL;
		error->internalquery = NULL;
		ReThrowError(error);
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}
