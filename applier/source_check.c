/*
 * source_check.c
 *		The part of the precheck that asks the source as a server: version, WAL, slots, decoder.
 *		What concerns its tables, its other objects and the WAL it keeps is in
 *		source_check_tables.c, source_check_objects.c and source_check_wal.c.
 */
#include "source_check.h"

#include <stdio.h>
#include <string.h>

#include "source_check_mapping.h"
#include "source_check_objects.h"
#include "source_check_shapes.h"
#include "source_check_own.h"
#include "source_check_tables.h"
#include "source_check_wal.h"
#include "strbuf.h"

#define VERSION_MIN 130000
#define VERSION_MAX 189999

static bool
wants_incremental(const Precheck *p)
{
	return p->job->options.phases[PHASE_INCREMENTAL];
}

/* One row or NULL; a failure becomes the item's answer. */
static PgRows *
one_row(Precheck *p, PrecheckItem item, const char *sql)
{
	Error err;
	PgRows *rows = pg_session_query(p->source, &err, sql, 0, NULL);

	if (rows == NULL)
		precheck_add_error(p, item, &err);
	else if (pg_rows_count(rows) == 0)
	{
		pg_rows_free(rows);
		rows = NULL;
	}
	return rows;
}

static void
check_version(Precheck *p)
{
	int version = pg_session_version(p->source);

	if (version < VERSION_MIN || version > VERSION_MAX)
		precheck_add(p, CHECK_SOURCE_VERSION, PRECHECK_FAIL,
		             "Use a source of PostgreSQL 13 to 18, for example after pg_upgrade.",
		             "the source is PostgreSQL %d, supported are 13 to 18", version / 10000);
	else
		precheck_add(p, CHECK_SOURCE_VERSION, PRECHECK_PASS, "", "PostgreSQL %d", version / 10000);
}

static void
check_role(Precheck *p)
{
	PgRows *rows = one_row(p, CHECK_SOURCE_ROLE, "SELECT pg_catalog.pg_is_in_recovery()");

	if (rows == NULL)
		return;
	if (!pg_rows_bool(rows, 0, 0))
		precheck_add(p, CHECK_SOURCE_ROLE, PRECHECK_PASS, "", "the source is a primary");
	else
		precheck_add(p, CHECK_SOURCE_ROLE, PRECHECK_FAIL,
		             "Name the primary in the endpoint, or several hosts with "
		             "target_session_attrs=read-write.",
		             "the source is a standby in recovery");
	pg_rows_free(rows);
}

static void
check_wal_level(Precheck *p)
{
	PgRows *rows = one_row(p, CHECK_WAL_LEVEL, "SELECT pg_catalog.current_setting('wal_level')");

	if (rows == NULL)
		return;
	if (strcmp(pg_rows_get(rows, 0, 0), "logical") == 0)
		precheck_add(p, CHECK_WAL_LEVEL, PRECHECK_PASS, "", "wal_level is logical");
	else
		precheck_add(p, CHECK_WAL_LEVEL, PRECHECK_FAIL,
		             "ALTER SYSTEM SET wal_level = 'logical'; -- on the source, then restart it",
		             "wal_level is %s", pg_rows_get(rows, 0, 0));
	pg_rows_free(rows);
}

/* A limit of the server against what is in use; the job needs one more. */
static void
check_room(Precheck *p, PrecheckItem item, const char *setting, const char *sql)
{
	PgRows *rows = one_row(p, item, sql);
	char remedy[256];
	int limit;
	int used;

	if (rows == NULL)
		return;
	limit = (int) pg_rows_int(rows, 0, 0);
	used = (int) pg_rows_int(rows, 0, 1);
	snprintf(
	    remedy, sizeof(remedy),
	    "ALTER SYSTEM SET %s = %d; -- on the source, then restart it; or remove what is not needed",
	    setting, used + 4 > 10 ? used + 4 : 10);
	if (used < limit)
		precheck_add(p, item, PRECHECK_PASS, "", "%s is %d, in use %d", setting, limit, used);
	else
		precheck_add(p, item, PRECHECK_FAIL, remedy, "%s is %d and %d are in use", setting, limit,
		             used);
	pg_rows_free(rows);
}

static void
check_slots(Precheck *p)
{
	char sql[512];

	/* the job's own slot, left by an earlier start, is no obstacle */
	snprintf(sql, sizeof(sql),
	         "SELECT pg_catalog.current_setting('max_replication_slots'), "
	         "(SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots "
	         "WHERE slot_name <> '%.63s')",
	         p->job->slot_name);
	check_room(p, CHECK_REPLICATION_SLOTS, "max_replication_slots", sql);
	check_room(p, CHECK_WAL_SENDERS, "max_wal_senders",
	           "SELECT pg_catalog.current_setting('max_wal_senders'), "
	           "(SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity "
	           "WHERE backend_type = 'walsender')");
}

/*
 * output_plugin_libraries is known to current minor releases only, and replaces the default list;
 * a server that does not know it refuses to start with it.
 */
static void
decoder_refused(Precheck *p, const Error *why)
{
	PgRows *rows = one_row(
	    p, CHECK_DECODER,
	    "SELECT pg_catalog.current_setting('output_plugin_libraries', true), "
	    "pg_catalog.concat_ws(', ', nullif(pg_catalog.current_setting('output_plugin_libraries', "
	    "true), ''), 'dts_decoder'), pg_catalog.current_setting('output_plugin_libraries', true) "
	    "~ '(^|[ ,\"])dts_decoder($|[ ,\"])'");
	char remedy[1024];

	if (rows == NULL)
		return;
	if (strcmp(why->sqlstate, "58P01") == 0)
	{
		snprintf(remedy, sizeof(remedy),
		         "Install dts_decoder on the source's server: \"make -C decoder install "
		         "PG_CONFIG=...\" with that server's pg_config%s.",
		         pg_rows_get(rows, 0, 0) == NULL
		             ? ""
		             : "; it must also be named in output_plugin_libraries");
		precheck_add(p, CHECK_DECODER, PRECHECK_FAIL, remedy,
		             "the library dts_decoder is not installed on the source: %s", why->message);
	}
	else if (pg_rows_get(rows, 0, 0) != NULL && !pg_rows_bool(rows, 0, 2))
	{
		snprintf(
		    remedy, sizeof(remedy),
		    "ALTER SYSTEM SET output_plugin_libraries = %.700s; SELECT pg_reload_conf(); -- on "
		    "the source",
		    pg_rows_get(rows, 0, 1));
		precheck_add(
		    p, CHECK_DECODER, PRECHECK_FAIL, remedy,
		    "the source does not allow dts_decoder: output_plugin_libraries is \"%s\" (%s)",
		    pg_rows_get(rows, 0, 0), why->message);
	}
	else
		precheck_add(p, CHECK_DECODER, PRECHECK_FAIL,
		             why->hint[0] ? why->hint : "Mend what the detail says and check again.",
		             "a slot with dts_decoder cannot be made: %s%s%s (SQLSTATE %s)", why->message,
		             why->detail[0] ? "; " : "", why->detail, why->sqlstate);
	pg_rows_free(rows);
}

/*
 * The one sure way to know is to make a slot.  Making it waits for running transactions, so it gets
 * a second: by then the library has been loaded, or refused.
 */
static void
check_decoder(Precheck *p)
{
	PgRows *rows =
	    one_row(p, CHECK_DECODER,
	            "SELECT pg_catalog.current_setting('wal_level') = 'logical' AND "
	            "pg_catalog.current_setting('max_replication_slots')::int > (SELECT "
	            "pg_catalog.count(*) FROM pg_catalog.pg_replication_slots) AND NOT "
	            "pg_catalog.pg_is_in_recovery() AND (SELECT rolsuper OR rolreplication FROM "
	            "pg_catalog.pg_roles WHERE rolname = current_user), "
	            "pg_catalog.pg_backend_pid()");
	char sql[256];
	bool possible;
	Error err;

	if (rows == NULL)
		return;
	possible = pg_rows_bool(rows, 0, 0);
	snprintf(sql, sizeof(sql),
	         "SELECT pg_catalog.pg_create_logical_replication_slot('dts_sync_probe_%s', "
	         "'dts_decoder', true)",
	         pg_rows_get(rows, 0, 1));
	pg_rows_free(rows);
	if (!possible)
	{
		precheck_add(p, CHECK_DECODER, PRECHECK_WARN,
		             "Mend the other items of the source first, then check again.",
		             "no slot can be made yet, so dts_decoder could not be tried");
		return;
	}
	if (!pg_session_exec(p->source, &err, "SET statement_timeout = '2s'", 0, NULL))
	{
		precheck_add_error(p, CHECK_DECODER, &err);
		return;
	}
	if (pg_session_exec(p->source, &err, sql, 0, NULL) || strcmp(err.sqlstate, "57014") == 0)
		precheck_add(p, CHECK_DECODER, PRECHECK_PASS, "", "dts_decoder is installed and allowed");
	else
		decoder_refused(p, &err);
	snprintf(sql, sizeof(sql),
	         "SET statement_timeout = 0; SELECT pg_catalog.pg_drop_replication_slot(slot_name) "
	         "FROM pg_catalog.pg_replication_slots WHERE temporary AND active_pid = "
	         "pg_catalog.pg_backend_pid()");
	/* failing to drop is no harm: the slot goes with the session */
	if (!pg_session_exec(p->source, &err, sql, 0, NULL) &&
	    !pg_session_exec(p->source, &err, "SET statement_timeout = 0", 0, NULL))
		precheck_add_error(p, CHECK_DECODER, &err);
}

/* What holds a slot's creation up, with the statement that ends it; prepared ones of any database. */
static const char long_transactions_sql[] =
    "SELECT pg_catalog.format('pid %s (%s)', pid, usename), "
    "pg_catalog.format('SELECT pg_terminate_backend(%s);', pid) FROM "
    "pg_catalog.pg_stat_activity WHERE xact_start < pg_catalog.clock_timestamp() - interval "
    "'1 minute' AND backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid() UNION ALL "
    "SELECT pg_catalog.format('prepared %L', gid) || CASE WHEN database <> "
    "pg_catalog.current_database() THEN ' in database ' || database ELSE '' END, "
    "pg_catalog.format('ROLLBACK PREPARED %L;', gid) FROM pg_catalog.pg_prepared_xacts";

static void
check_long_transactions(Precheck *p)
{
	Error err;
	NameList list = {.count = 0};
	StrBuf remedy;
	PgRows *rows = pg_session_query(p->source, &err, long_transactions_sql, 0, NULL);

	if (rows == NULL)
	{
		precheck_add_error(p, CHECK_LONG_TRANSACTIONS, &err);
		return;
	}
	strbuf_init(&remedy);
	for (int i = 0; i < pg_rows_count(rows); i++)
	{
		name_list_add(&list, "%s", pg_rows_get(rows, i, 0));
		strbuf_printf(&remedy, "%s ", pg_rows_get(rows, i, 1));
	}
	pg_rows_free(rows);
	strbuf_puts(&remedy, "-- on the source; or let them end");
	if (list.count == 0)
		precheck_add(p, CHECK_LONG_TRANSACTIONS, PRECHECK_PASS, "",
		             "no transaction is older than "
		             "a minute");
	else
		precheck_add(p, CHECK_LONG_TRANSACTIONS, PRECHECK_WARN, remedy.data,
		             "the slot's creation waits for these transactions: %s", name_list_end(&list));
	strbuf_free(&remedy);
}

/* What concerns the selected tables alone. */
void
source_check_selection(Precheck *p)
{
	source_check_tables(p);
	source_check_mapping(p);
}

void
source_check_run(Precheck *p)
{
	check_version(p);
	if (wants_incremental(p))
	{
		check_role(p);
		check_wal_level(p);
		check_slots(p);
		check_decoder(p);
		check_long_transactions(p);
	}
	source_check_tables(p);
	source_check_mapping(p);
	source_check_shapes(p);
	source_check_objects(p);
	if (wants_incremental(p))
		source_check_own(p);
	source_check_wal(p);
}
