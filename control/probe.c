/*
 * probe.c
 *		Connects to an endpoint from the backend and says what is there.
 *
 * Every wait gives way to interrupts and to one deadline.  Only a host name's resolution is out of
 * reach: the client library does it in one blocking call.
 */
#include "postgres.h"

#include <libpq-fe.h>

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "options.h"

PG_FUNCTION_INFO_V1(dts_probe);

#define PROBE_COLUMNS 8

#define PROBE_QUERY                                                                                \
	"SELECT pg_catalog.current_setting('server_version'), current_user, "                          \
	"pg_catalog.current_database(), pg_catalog.current_setting('server_encoding'), "               \
	"pg_catalog.pg_is_in_recovery()"

typedef struct Probe
{
	const char *endpoint;
	PGconn *conn;
	TimestampTz deadline;
	char **secrets; /* NULL-terminated values that no error may repeat */
} Probe;

/* What the library says, on one line, with secrets of some length taken out. */
static char *
probe_message(Probe *probe, const char *message)
{
	StringInfoData text;

	initStringInfo(&text);
	while (*message)
	{
		size_t skip = 0;

		for (char **secret = probe->secrets; *secret; secret++)
			if (strlen(*secret) > 3 && strncmp(message, *secret, strlen(*secret)) == 0)
				skip = Max(skip, strlen(*secret));
		if (skip > 0)
			appendStringInfoString(&text, "****");
		else
			appendStringInfoChar(&text, *message == '\n' ? ' ' : *message);
		message += skip > 0 ? skip : 1;
	}
	while (text.len > 0 && text.data[text.len - 1] == ' ')
		text.data[--text.len] = '\0';
	return text.data;
}

static void __attribute__((noreturn)) probe_fail(Probe *probe, const char *detail)
{
	char *message = probe_message(probe, detail);

	ereport(ERROR,
	        (errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION), errhidestmt(true),
	         errmsg("could not connect to endpoint \"%s\"", probe->endpoint),
	         errdetail("%s", message[0] ? message : "The server said nothing."),
	         errhint("Check the endpoint's options (\\des+), its user mapping for dts_daemon, and "
	                 "that the server runs and lets this host in (pg_hba.conf).")));
}

/* Waits for the socket; fails at the deadline. */
static void
probe_wait(Probe *probe, int events)
{
	long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), probe->deadline);
	int rc;

	if (left <= 0)
		probe_fail(probe, "The server did not answer in time.");
	rc = WaitLatchOrSocket(MyLatch, events | WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
	                       PQsocket(probe->conn), left, PG_WAIT_EXTENSION);
	if (rc & WL_LATCH_SET)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
probe_connect(Probe *probe)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	if (PQstatus(probe->conn) == CONNECTION_BAD)
		probe_fail(probe, PQerrorMessage(probe->conn));
	while (status != PGRES_POLLING_OK)
	{
		probe_wait(probe,
		           status == PGRES_POLLING_READING ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE);
		status = PQconnectPoll(probe->conn);
		if (status == PGRES_POLLING_FAILED)
			probe_fail(probe, PQerrorMessage(probe->conn));
	}
}

static PGresult *
probe_query(Probe *probe)
{
	PGresult *result = NULL;
	PGresult *next;

	if (!PQsendQuery(probe->conn, PROBE_QUERY))
		probe_fail(probe, PQerrorMessage(probe->conn));
	for (;;)
	{
		while (PQisBusy(probe->conn))
		{
			probe_wait(probe, WL_SOCKET_READABLE);
			if (!PQconsumeInput(probe->conn))
				probe_fail(probe, PQerrorMessage(probe->conn));
		}
		next = PQgetResult(probe->conn);
		if (next == NULL)
			break;
		PQclear(result);
		result = next;
	}
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
	{
		PQclear(result);
		probe_fail(probe, PQerrorMessage(probe->conn));
	}
	return result;
}

/* The values of the connection string that are secret; NULL when it cannot be read. */
static char **
probe_secrets(const char *conninfo, bool *password)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	int count = 0;
	char **secrets;

	*password = false;
	if (options == NULL)
		return NULL;
	for (PQconninfoOption *option = options; option->keyword; option++)
		count++;
	secrets = palloc0(sizeof(char *) * (count + 1));
	count = 0;
	for (PQconninfoOption *option = options; option->keyword; option++)
		if (option->val && option->val[0] && option->dispchar[0] == '*')
		{
			secrets[count++] = pstrdup(option->val);
			*password = *password || strcmp(option->keyword, "password") == 0;
		}
	PQconninfoFree(options);
	return secrets;
}

static Datum
probe_tuple(FunctionCallInfo fcinfo, Probe *probe, TimestampTz begun, bool need_password)
{
	TupleDesc desc;
	Datum values[PROBE_COLUMNS];
	bool nulls[PROBE_COLUMNS] = {false};
	TimestampTz connected, answered;
	PGresult *result;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
	    desc->natts != PROBE_COLUMNS)
		elog(ERROR, "unexpected result type of dts.probe");
	probe_connect(probe);
	if (need_password && !PQconnectionUsedPassword(probe->conn))
		probe_fail(probe, "The server asked for no password, and only a superuser may use what the "
		                  "operating system's user of the server is let in by.");
	connected = GetCurrentTimestamp();
	result = probe_query(probe);
	answered = GetCurrentTimestamp();
	for (int i = 0; i < 4; i++)
		values[i] = CStringGetTextDatum(PQgetvalue(result, 0, i));
	values[4] = CStringGetTextDatum(
	    PQsslInUse(probe->conn) ? PQsslAttribute(probe->conn, "protocol") : "off");
	values[5] = BoolGetDatum(PQgetvalue(result, 0, 4)[0] == 't');
	values[6] = Float8GetDatum((connected - begun) / 1000.0);
	values[7] = Float8GetDatum((answered - connected) / 1000.0);
	PQclear(result);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * dts.probe(endpoint, conninfo, timeout in ms, need_password) returns one row.
 * need_password: refuses to use what only the operating system's user vouches for.
 */
Datum
dts_probe(PG_FUNCTION_ARGS)
{
	char *conninfo = text_to_cstring(PG_GETARG_TEXT_PP(1));
	bool need_password = PG_GETARG_BOOL(3);
	bool has_password;
	TimestampTz begun = GetCurrentTimestamp();
	Probe probe = {.endpoint = text_to_cstring(PG_GETARG_TEXT_PP(0))};
	Datum row;

	probe.secrets = probe_secrets(conninfo, &has_password);
	if (probe.secrets == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errhidestmt(true),
		                errmsg("the options of endpoint \"%s\" cannot be used", probe.endpoint),
		                errdetail("The client library does not read them."),
		                errhint("Look at them with \\des+ and \\deu.")));
	if (need_password && !has_password)
		probe_fail(&probe, "The endpoint has no password, and only a superuser may use what the "
		                   "operating system's user of the server is let in by.");
	probe.deadline = TimestampTzPlusMilliseconds(begun, PG_GETARG_INT32(2));
	if (!AcquireExternalFD())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
		                errmsg("could not connect to endpoint \"%s\"", probe.endpoint),
		                errdetail("The server process has too many open files."),
		                errhint("Raise max_files_per_process or the limit of the system.")));
	PG_TRY();
	{
		probe.conn = PQconnectStart(conninfo);
		if (probe.conn == NULL)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		row = probe_tuple(fcinfo, &probe, begun, need_password);
	}
	PG_FINALLY();
	{
		PQfinish(probe.conn);
		ReleaseExternalFD();
	}
	PG_END_TRY();
	return row;
}
