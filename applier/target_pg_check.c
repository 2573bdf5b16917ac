/*
 * target_pg_check.c
 *		The part of the precheck that asks the target as a server, and compares the two ends.
 *		What concerns its tables is in target_pg_check_tables.c.
 */
#include "target_pg_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump_program.h"
#include "target_pg_check_objects.h"
#include "target_pg_check_tables.h"

#define VERSION_MIN 130000

/* One row of the session, or NULL; a failure becomes the item's answer. */
static PgRows *
one_row(Precheck *p, PgSession *session, PrecheckItem item, const char *sql)
{
	Error err;
	PgRows *rows = pg_session_query(session, &err, sql, 0, NULL);

	if (rows == NULL)
		precheck_add_error(p, item, &err);
	else if (pg_rows_count(rows) == 0)
	{
		pg_rows_free(rows);
		rows = NULL;
	}
	return rows;
}

/*
 * A lock taken on one side and seen on the other: names, addresses and even system identifiers can
 * be equal on different servers, and differ on the same one.
 */
static void
check_different(Precheck *p)
{
	char sql[512];
	PgRows *rows = one_row(p, p->source, CHECK_DIFFERENT_DATABASES,
	                       "SELECT pg_catalog.pg_backend_pid(), (pg_catalog.random() * "
	                       "2000000000)::int");

	if (rows == NULL)
		return;
	snprintf(sql, sizeof(sql), "SELECT pg_catalog.pg_advisory_lock(1685349235, %.12s)",
	         pg_rows_get(rows, 0, 1));
	pg_rows_free(one_row(p, p->source, CHECK_DIFFERENT_DATABASES, sql));
	snprintf(sql, sizeof(sql),
	         "SELECT pg_catalog.count(*), pg_catalog.current_database() FROM pg_catalog.pg_locks "
	         "WHERE locktype = 'advisory' AND pid = %.12s AND classid = 1685349235 AND objid = "
	         "%.12s AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = "
	         "pg_catalog.current_database())",
	         pg_rows_get(rows, 0, 0), pg_rows_get(rows, 0, 1));
	pg_rows_free(rows);
	rows = one_row(p, p->target, CHECK_DIFFERENT_DATABASES, sql);
	if (rows == NULL)
		return;
	if (pg_rows_int(rows, 0, 0) > 0)
		precheck_add(p, CHECK_DIFFERENT_DATABASES, PRECHECK_FAIL,
		             "Create the job with another endpoint as its target.",
		             "source and target are the same database \"%s\" of the same server",
		             pg_rows_get(rows, 0, 1));
	else
		precheck_add(p, CHECK_DIFFERENT_DATABASES, PRECHECK_PASS, "",
		             "source and target are different databases");
	pg_rows_free(rows);
	pg_rows_free(one_row(p, p->source, CHECK_DIFFERENT_DATABASES,
	                     "SELECT pg_catalog.pg_advisory_unlock_all()"));
}

static void
check_encoding(Precheck *p)
{
	static const char sql[] = "SELECT pg_catalog.pg_encoding_to_char(encoding) FROM "
	                          "pg_catalog.pg_database WHERE datname = "
	                          "pg_catalog.current_database()";
	PgRows *source = one_row(p, p->source, CHECK_ENCODING, sql);
	PgRows *target = one_row(p, p->target, CHECK_ENCODING, sql);

	if (source != NULL && target != NULL)
	{
		const char *from = pg_rows_get(source, 0, 0);
		const char *to = pg_rows_get(target, 0, 0);

		if (strcmp(from, to) == 0 || (strcmp(to, "UTF8") == 0 && strcmp(from, "SQL_ASCII") != 0))
			precheck_add(p, CHECK_ENCODING, PRECHECK_PASS, "", "source %s, target %s", from, to);
		else
			precheck_add(p, CHECK_ENCODING, PRECHECK_WARN,
			             "Create the target database with the source's encoding, or as UTF8: "
			             "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0;",
			             "the source is %s and the target %s: a character that the target cannot "
			             "hold stops the job",
			             from, to);
	}
	pg_rows_free(source);
	pg_rows_free(target);
}

void
target_check_pair(Precheck *p)
{
	check_different(p);
	check_encoding(p);
}

static void
check_version(Precheck *p)
{
	int target = pg_session_version(p->target) / 10000;
	int source = p->source ? pg_session_version(p->source) / 10000 : 0;

	if (target < VERSION_MIN / 10000)
		precheck_add(p, CHECK_TARGET_VERSION, PRECHECK_FAIL,
		             "Use a target of PostgreSQL 13 or later.",
		             "the target is PostgreSQL %d, supported are 13 and later", target);
	else if (target < source)
		precheck_add(p, CHECK_TARGET_VERSION, PRECHECK_WARN,
		             "Use a target that is not older than the source, or see that no newer "
		             "feature is in use.",
		             "the target is PostgreSQL %d, older than the source's %d", target, source);
	else
		precheck_add(p, CHECK_TARGET_VERSION, PRECHECK_PASS, "", "PostgreSQL %d", target);
}

static void
check_role(Precheck *p)
{
	PgRows *rows =
	    one_row(p, p->target, CHECK_TARGET_ROLE, "SELECT pg_catalog.pg_is_in_recovery()");

	if (rows == NULL)
		return;
	if (pg_rows_bool(rows, 0, 0))
		precheck_add(p, CHECK_TARGET_ROLE, PRECHECK_FAIL,
		             "Name the primary in the endpoint, or several hosts with "
		             "target_session_attrs=read-write.",
		             "the target is a standby in recovery");
	else
		precheck_add(p, CHECK_TARGET_ROLE, PRECHECK_PASS, "", "the target is a primary");
	pg_rows_free(rows);
}

/* From 16 on none are used: target_pg_may_use_origin() says why. */
static void
check_origins(Precheck *p)
{
	int needed = p->job->options.apply_workers > 1 ? p->job->options.apply_workers : 1;
	PgRows *rows = one_row(
	    p, p->target, CHECK_ORIGINS,
	    "SELECT pg_catalog.current_setting('max_replication_slots'), (SELECT pg_catalog.count(*) "
	    "FROM "
	    "pg_catalog.pg_replication_origin), (SELECT pg_catalog.bool_and("
	    "pg_catalog.has_function_privilege(f.oid, 'EXECUTE')) FROM pg_catalog.pg_proc f WHERE "
	    "f.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND f.proname IN "
	    "('pg_replication_origin_create', 'pg_replication_origin_drop', "
	    "'pg_replication_origin_session_setup', 'pg_replication_origin_xact_setup', "
	    "'pg_replication_origin_progress')), "
	    "pg_catalog.current_setting('server_version_num')::int >= 160000, "
	    "pg_catalog.quote_ident(current_user)");
	char remedy[1024];

	if (rows == NULL)
		return;
	if (pg_rows_bool(rows, 0, 3))
		precheck_add(p, CHECK_ORIGINS, PRECHECK_PASS, "",
		             "the position is kept in a row of dts.target_progress on this version");
	else if (!pg_rows_bool(rows, 0, 2))
	{
		snprintf(remedy, sizeof(remedy),
		         "GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text), "
		         "pg_replication_origin_drop(text), pg_replication_origin_session_setup(text), "
		         "pg_replication_origin_session_reset(), pg_replication_origin_xact_setup(pg_lsn, "
		         "timestamptz), pg_replication_origin_xact_reset(), "
		         "pg_replication_origin_progress(text, boolean), pg_replication_origin_oid(text), "
		         "pg_replication_origin_session_progress(boolean) TO %.130s; -- on the target, as "
		         "a superuser",
		         pg_rows_get(rows, 0, 4));
		precheck_add(p, CHECK_ORIGINS, PRECHECK_WARN, remedy,
		             "the role may not use replication origins; the position is kept in a row of "
		             "dts.target_progress instead");
	}
	else if (pg_rows_int(rows, 0, 1) + needed > pg_rows_int(rows, 0, 0))
	{
		snprintf(
		    remedy, sizeof(remedy),
		    "ALTER SYSTEM SET max_replication_slots = %d; -- on the target, then restart it; or "
		    "drop origins that nothing uses",
		    (int) pg_rows_int(rows, 0, 1) + needed + 9);
		/* the stream goes on with fewer sessions, but not without any */
		precheck_add(p, CHECK_ORIGINS,
		             pg_rows_int(rows, 0, 1) >= pg_rows_int(rows, 0, 0) ? PRECHECK_FAIL
		                                                                : PRECHECK_WARN,
		             remedy, "max_replication_slots is %s, %s origins exist and the job needs %d",
		             pg_rows_get(rows, 0, 0), pg_rows_get(rows, 0, 1), needed);
	}
	else
		precheck_add(p, CHECK_ORIGINS, PRECHECK_PASS, "",
		             "max_replication_slots is %s, origins in use %s", pg_rows_get(rows, 0, 0),
		             pg_rows_get(rows, 0, 1));
	pg_rows_free(rows);
}

static void
check_privileges(Precheck *p)
{
	PgRows *rows = one_row(
	    p, p->target, CHECK_TARGET_PRIVILEGES,
	    "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'), "
	    "pg_catalog.quote_ident(current_user), pg_catalog.quote_ident("
	    "pg_catalog.current_database())");
	NameList lacks = {.count = 0};
	char remedy[1024] = "";
	size_t len;
	Error err;

	if (rows == NULL)
		return;
	if (!pg_rows_bool(rows, 0, 0))
	{
		name_list_add(&lacks, "the privilege CREATE on the database");
		snprintf(remedy, sizeof(remedy), "GRANT CREATE ON DATABASE %.130s TO %.130s; ",
		         pg_rows_get(rows, 0, 2), pg_rows_get(rows, 0, 1));
	}
	if (!pg_session_set_replica(p->target, &err))
	{
		len = strlen(remedy);
		name_list_add(&lacks, "the right to set session_replication_role");
		if (pg_session_version(p->target) >= 150000)
			snprintf(remedy + len, sizeof(remedy) - len,
			         "GRANT SET ON PARAMETER session_replication_role TO %.130s; ",
			         pg_rows_get(rows, 0, 1));
		else
			snprintf(remedy + len, sizeof(remedy) - len, "ALTER ROLE %.130s SUPERUSER; ",
			         pg_rows_get(rows, 0, 1));
	}
	else if (!pg_session_exec(p->target, &err, "RESET session_replication_role", 0, NULL))
		name_list_add(&lacks, "a session that works: %s", err.message);
	len = strlen(remedy);
	snprintf(remedy + len, sizeof(remedy) - len, "-- on the target, as a superuser");
	if (lacks.count > 0)
		precheck_add(p, CHECK_TARGET_PRIVILEGES, PRECHECK_FAIL, remedy, "role %s lacks %s",
		             pg_rows_get(rows, 0, 1), name_list_end(&lacks));
	else
		precheck_add(p, CHECK_TARGET_PRIVILEGES, PRECHECK_PASS, "", "role %s may create and write",
		             pg_rows_get(rows, 0, 1));
	pg_rows_free(rows);
}

/* The same choice as the schema phase makes. */
static void
check_pg_dump(Precheck *p)
{
	int source = pg_session_version(p->source) / 10000;
	DumpProgram program;
	Error err;

	if (dump_program_find(&program, source, &err))
		precheck_add(p, CHECK_PG_DUMP, PRECHECK_PASS, "", "pg_dump of PostgreSQL %d: %s",
		             program.version, program.dump);
	else
		precheck_add(p, CHECK_PG_DUMP, PRECHECK_FAIL, err.hint, "%s%s%s", err.message,
		             err.detail[0] ? ": " : "", err.detail);
}

void
target_check_run(Precheck *p)
{
	check_version(p);
	check_role(p);
	if (p->job->options.phases[PHASE_INCREMENTAL])
		check_origins(p);
	check_privileges(p);
	if (p->source == NULL)
		return;
	if (p->tables != NULL)
		target_check_tables(p);
	target_check_objects(p);
	if (p->job->options.phases[PHASE_SCHEMA])
		check_pg_dump(p);
}
