/*
 * pg_session.c
 *		Blocking SQL sessions; see pg_session.h.  Owns the settings every session of ours starts
 *with.
 */
#include "pg_session.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "strbuf.h"

struct PgSession
{
	PGconn *conn;
	void (*gate)(void *arg); /* or NULL */
	void *gate_arg;
};

struct PgRows
{
	PGresult *result;
};

/*
 * Set in the startup packet, so that they win over ALTER ROLE and ALTER DATABASE, and hold for
 * walsenders too, where SET does not exist.
 */
static const char common_options[] =
    "-c datestyle=ISO,YMD -c intervalstyle=postgres -c bytea_output=hex -c extra_float_digits=3 "
    "-c timezone=UTC -c lc_monetary=C -c standard_conforming_strings=on -c "
    "escape_string_warning=off "
    "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 "
    "-c search_path=pg_catalog -c row_security=off -c xmloption=content "
    "-c xmlbinary=base64 -c array_nulls=on -c transform_null_equals=off "
    "-c default_transaction_read_only=off -c default_transaction_isolation=read\\ committed "
    "-c default_transaction_deferrable=off -c check_function_bodies=off -c jit=off "
    "-c client_min_messages=warning -c synchronous_commit=";

static const char *
synchronous_commit_for(PgSessionKind kind)
{
	switch (kind)
	{
		case PG_SESSION_SOURCE:
		case PG_SESSION_REPLICATION:
			return "local";
		case PG_SESSION_CONTROL:
		case PG_SESSION_TARGET:
			return "on";
	}
	return "on";
}

static void
copy_text(char *to, size_t size, const char *from)
{
	size_t len;

	snprintf(to, size, "%s", from ? from : "");
	len = strlen(to);
	while (len > 0 && to[len - 1] == '\n')
		to[--len] = '\0';
}

void
pg_session_error(Error *err, PGconn *conn, const PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *primary = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	error_set(err, state ? state : ERR_CONNECTION, "%s", "");
	copy_text(err->message, sizeof(err->message), primary ? primary : PQerrorMessage(conn));
	if (err->message[0] == '\0')
		copy_text(err->message, sizeof(err->message), "connection to server lost");
	if (result == NULL)
		return;
	copy_text(err->detail, sizeof(err->detail), PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
	copy_text(err->hint, sizeof(err->hint), PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
	copy_text(err->context, sizeof(err->context), PQresultErrorField(result, PG_DIAG_CONTEXT));
}

bool
sqlstate_is_transient(const char *sqlstate)
{
	static const char *const exact[] = {"40001", "40P01", "55P03",    "55006",     "57P01",
	                                    "57P02", "57P03", ERR_KILLED, ERR_OUTDATED};

	if (strncmp(sqlstate, "08", 2) == 0)
		return strcmp(sqlstate, ERR_PROTOCOL) != 0;
	if (strncmp(sqlstate, "53", 2) == 0)
		return true;
	for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
	{
		if (strcmp(sqlstate, exact[i]) == 0)
			return true;
	}
	return false;
}

/* Whether the conninfo (or its service) names this option itself. */
static bool
conninfo_has(const char *conninfo, const char *keyword)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	bool found = false;

	for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
	{
		if (strcmp(o->keyword, keyword) == 0 && o->val != NULL && o->val[0] != '\0')
			found = true;
	}
	PQconninfoFree(options);
	return found;
}

PgSession *
pg_session_open(const char *conninfo, PgSessionKind kind, const char *application_name,
                const char *client_encoding, Error *err)
{
	const char *keys[16];
	const char *values[16];
	int n = 0;
	char options[1024];
	PgSession *session;
	PGconn *conn;

	snprintf(options, sizeof(options), "%s%s", common_options, synchronous_commit_for(kind));

#define PARAM(k, v) (keys[n] = (k), values[n++] = (v))
	/* what stands before dbname is a default that the conninfo overrides */
	PARAM("connect_timeout", "10");
	PARAM("keepalives_idle", "10");
	PARAM("keepalives_interval", "5");
	PARAM("keepalives_count", "3");
	PARAM("tcp_user_timeout", "30000");
	PARAM("dbname", conninfo);
	PARAM("options", options);
	PARAM("application_name", application_name);
	PARAM("client_encoding", client_encoding);
	if (kind == PG_SESSION_REPLICATION)
		PARAM("replication", "database");
	PARAM(NULL, NULL);
#undef PARAM

	if (conninfo_has(conninfo, "options"))
	{
		error_set(err, ERR_CONFIG, "connection option \"options\" is not allowed");
		error_hint(err, "Set server parameters for the role with ALTER ROLE ... SET instead.");
		return NULL;
	}
	conn = PQconnectdbParams(keys, values, 1);
	if (conn == NULL || PQstatus(conn) != CONNECTION_OK)
	{
		pg_session_error(err, conn, NULL);
		PQfinish(conn);
		return NULL;
	}
	session = xmalloc(sizeof(*session));
	session->conn = conn;
	if (kind == PG_SESSION_TARGET &&
	    !pg_session_exec(session, err, PG_SESSION_NO_OWN_WAIT, 0, NULL))
	{
		pg_session_close(session);
		return NULL;
	}
	return session;
}

void
pg_session_close(PgSession *session)
{
	if (session == NULL)
		return;
	PQfinish(session->conn);
	free(session);
}

void
pg_session_set_gate(PgSession *session, void (*gate)(void *arg), void *arg)
{
	session->gate = gate;
	session->gate_arg = arg;
}

void
pg_session_pass(const PgSession *session)
{
	if (session->gate != NULL)
		session->gate(session->gate_arg);
}

PgRows *
pg_session_query(PgSession *session, Error *err, const char *sql, int nparams,
                 const char *const *params)
{
	PGresult *result;
	PgRows *rows;

	pg_session_pass(session);
	result = nparams == 0 ? PQexec(session->conn, sql)
	                      : PQexecParams(session->conn, sql, nparams, NULL, params, NULL, NULL, 0);
	switch (PQresultStatus(result))
	{
		case PGRES_TUPLES_OK:
		case PGRES_COMMAND_OK:
		case PGRES_EMPTY_QUERY:
			break;
		default:
			pg_session_error(err, session->conn, result);
			PQclear(result);
			return NULL;
	}
	rows = xmalloc(sizeof(*rows));
	rows->result = result;
	return rows;
}

bool
pg_session_exec(PgSession *session, Error *err, const char *sql, int nparams,
                const char *const *params)
{
	PgRows *rows = pg_session_query(session, err, sql, nparams, params);
	bool ok = rows != NULL;

	pg_rows_free(rows);
	return ok;
}

bool
pg_session_set_replica(PgSession *session, Error *err)
{
	PgRows *rows;
	bool ok;

	if (!pg_session_exec(session, err, "SET session_replication_role = replica", 0, NULL))
		return false;
	rows = pg_session_query(session, err, "SHOW session_replication_role", 0, NULL);
	if (rows == NULL)
		return false;
	ok = pg_rows_count(rows) == 1 && strcmp(pg_rows_get(rows, 0, 0), "replica") == 0;
	pg_rows_free(rows);
	if (!ok)
		error_set(err, ERR_OBJECT_STATE, "session_replication_role did not become replica");
	return ok;
}

int
pg_rows_count(const PgRows *rows)
{
	return PQntuples(rows->result);
}

int
pg_rows_columns(const PgRows *rows)
{
	return PQnfields(rows->result);
}

const char *
pg_rows_get(const PgRows *rows, int row, int column)
{
	return PQgetisnull(rows->result, row, column) ? NULL : PQgetvalue(rows->result, row, column);
}

int64_t
pg_rows_int(const PgRows *rows, int row, int column)
{
	return strtoll(PQgetvalue(rows->result, row, column), NULL, 10);
}

bool
pg_rows_bool(const PgRows *rows, int row, int column)
{
	return PQgetvalue(rows->result, row, column)[0] == 't';
}

int64_t
pg_rows_affected(const PgRows *rows)
{
	return strtoll(PQcmdTuples(rows->result), NULL, 10);
}

void
pg_rows_free(PgRows *rows)
{
	if (rows == NULL)
		return;
	PQclear(rows->result);
	free(rows);
}

int
pg_session_version(const PgSession *session)
{
	return PQserverVersion(session->conn);
}

int
pg_session_backend_pid(const PgSession *session)
{
	return PQbackendPID(session->conn);
}

int
pg_session_socket(const PgSession *session)
{
	return PQsocket(session->conn);
}

bool
pg_conn_hides_input(PGconn *conn)
{
	return PQsslInUse(conn) != 0 || PQgssEncInUse(conn) != 0;
}

PGconn *
pg_session_conn(PgSession *session)
{
	return session->conn;
}

char **
pg_session_secrets(Arena *arena, const char *conninfo)
{
	PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
	char **secrets;
	int count = 0;

	for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
		count++;
	secrets = arena_zalloc(arena, sizeof(char *) * ((size_t) count + 1));
	count = 0;
	for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
	{
		/* libpq marks what is not to be shown in a dialog */
		if (o->val != NULL && o->val[0] != '\0' && strchr(o->dispchar, '*') != NULL)
			secrets[count++] = arena_strdup(arena, o->val);
	}
	PQconninfoFree(options);
	return secrets;
}
