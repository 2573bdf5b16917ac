/*
 * pg_session.h
 *		One blocking SQL session on a PostgreSQL server, with errors as Error.
 *
 * For everything that is not the stream: prechecks, set-up, planning of the copy, control
 *statements. Every session gets settings that make values independent of what role, database and
 *server configure (dangers.md, Values), and timeouts of its own.  Text results only. The stream
 *(source_stream.c) and the pipelined target (target_pg*.c) build on pg_session_conn().
 */
#ifndef DTS_PG_SESSION_H
#define DTS_PG_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"

struct pg_conn;   /* libpq's PGconn */
struct pg_result; /* libpq's PGresult */

typedef struct PgSession PgSession;
typedef struct PgRows PgRows;

/*
 * For sessions whose server may be the source of a job too (two-way, or one cluster for both): commits
 * wait for its synchronous standbys as that server wants it, but not where a job is one of them.
 */
#define PG_SESSION_NO_OWN_WAIT                                                                     \
	"SELECT pg_catalog.set_config('synchronous_commit', 'local', false)"                           \
	" FROM pg_catalog.current_setting('synchronous_standby_names') AS names"                       \
	" WHERE pg_catalog.strpos(names, 'dts_sync_') > 0 OR pg_catalog.strpos(names, '*') > 0"        \
	" AND EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE plugin = 'dts_decoder')"

typedef enum PgSessionKind
{
	PG_SESSION_CONTROL,     /* control database */
	PG_SESSION_SOURCE,      /* reads from the source; synchronous_commit = local (decision 10) */
	PG_SESSION_TARGET,      /* writes to the target; PG_SESSION_NO_OWN_WAIT */
	PG_SESSION_REPLICATION, /* replication=database on the source */
} PgSessionKind;

/*
 * Connects.  conninfo is a libpq connection string or URI and may hold a password: it never shows
 * up in an error.  application_name names the session on the server (a job's slot name for its
 * sessions). client_encoding NULL: the server's own.  Gives up after connect_timeout of the
 * conninfo, or 10 s. An error without SQLSTATE becomes ERR_CONNECTION.
 */
PgSession *pg_session_open(const char *conninfo, PgSessionKind kind, const char *application_name,
                           const char *client_encoding, Error *err) must_check;
void pg_session_close(PgSession *session); /* NULL is allowed */

/* session_replication_role = replica, verified by reading it back. */
bool pg_session_set_replica(PgSession *session, Error *err) must_check;

/*
 * Runs one statement with bound text parameters (NULL pointers are SQL NULL) and returns its rows,
 * which the caller frees, or NULL with err filled.  A statement without rows returns an empty
 * PgRows.
 */
PgRows *pg_session_query(PgSession *session, Error *err, const char *sql, int nparams,
                         const char *const *params) must_check;

/* The same without interest in the rows. */
bool pg_session_exec(PgSession *session, Error *err, const char *sql, int nparams,
                     const char *const *params) must_check;

int pg_rows_count(const PgRows *rows);
int pg_rows_columns(const PgRows *rows);
const char *pg_rows_get(const PgRows *rows, int row, int column); /* NULL for SQL NULL */
int64_t pg_rows_int(const PgRows *rows, int row, int column);     /* 0 for SQL NULL */
bool pg_rows_bool(const PgRows *rows, int row, int column);
int64_t pg_rows_affected(const PgRows *rows);
void pg_rows_free(PgRows *rows); /* NULL is allowed */

/*
 * Somebody to be asked before each statement of this session; pg_session_pass() is for those who send
 * statements by way of pg_session_conn().
 */
void pg_session_set_gate(PgSession *session, void (*gate)(void *arg), void *arg);
void pg_session_pass(const PgSession *session);

int pg_session_version(const PgSession *session); /* server_version_num */
int pg_session_backend_pid(const PgSession *session);
int pg_session_socket(const PgSession *session);
struct pg_conn *pg_session_conn(PgSession *session);

/* Whether input may wait where poll() does not see it: in the buffers of an encryption. */
bool pg_conn_hides_input(struct pg_conn *conn);

/* Fills err from a failed result, or from the connection when result is NULL. */
void pg_session_error(Error *err, struct pg_conn *conn, const struct pg_result *result);

/*
 * The SQLSTATEs that a later attempt can mend by itself (invariant 7): 08, 53, 40001, 40P01, 55P03,
 * 57P01-57P03, 55006; and ERR_KILLED.
 */
bool sqlstate_is_transient(const char *sqlstate);

/* The values of the options of a connection string that must not be shown; ends with NULL. */
char **pg_session_secrets(Arena *arena, const char *conninfo);

#endif /* DTS_PG_SESSION_H */
