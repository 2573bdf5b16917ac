/*
 * source_check_wal.c
 *		Timeouts and retained WAL of the source; see source_check_wal.h.
 *
 * The job's slot keeps all WAL from its creation until the load is over and applied.  How much that
 * will be is the source's usual rate of WAL, as its statistics have it, for as long as a load of this
 * size takes at an assumed speed.  A slot that comes to hold back more than max_slot_wal_keep_size is
 * invalidated, and the load is for nothing.
 */
#include "source_check_wal.h"

#include <inttypes.h>
#include <stdio.h>

#define COPY_RATE     INT64_C(20971520) /* bytes a second, on the careful side */
#define RATE_SECONDS  60                /* statistics that are younger say nothing */
#define TIMEOUT_LEAST 10000             /* ms; the job answers every few seconds */
#define MEGABYTE      INT64_C(1048576)

int64_t
wal_forecast(int64_t bytes_to_copy, int64_t wal_rate)
{
	int64_t seconds = bytes_to_copy / COPY_RATE + 1;

	return wal_rate <= 0 ? 0 : wal_rate > INT64_MAX / seconds ? INT64_MAX : wal_rate * seconds;
}

static void
check_sender_timeout(Precheck *p)
{
	Error err;
	PgRows *rows = pg_session_query(p->source, &err,
	                                "SELECT setting FROM pg_catalog.pg_settings WHERE name = "
	                                "'wal_sender_timeout'",
	                                0, NULL);
	int64_t timeout;

	if (rows == NULL)
	{
		precheck_add_error(p, CHECK_WAL_SENDER_TIMEOUT, &err);
		return;
	}
	timeout = pg_rows_int(rows, 0, 0);
	pg_rows_free(rows);
	if (timeout == 0)
		precheck_add(
		    p, CHECK_WAL_SENDER_TIMEOUT, PRECHECK_WARN,
		    "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf(); -- on the "
		    "source",
		    "wal_sender_timeout is 0: when the daemon's host vanishes, the source holds its "
		    "connection, and with it the slot, for ever, and no other daemon can go on");
	else if (timeout < TIMEOUT_LEAST)
		precheck_add(p, CHECK_WAL_SENDER_TIMEOUT, PRECHECK_WARN,
		             "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf(); -- on "
		             "the source",
		             "wal_sender_timeout is %" PRId64
		             " ms: the connection may be given up while the "
		             "target is busy for a moment",
		             timeout);
	else
		precheck_add(p, CHECK_WAL_SENDER_TIMEOUT, PRECHECK_PASS, "",
		             "wal_sender_timeout is %" PRId64 " s", timeout / 1000);
}

typedef struct Figures
{
	int64_t table_bytes; /* of what is to be copied */
	int64_t index_bytes;
	int64_t wal_rate; /* bytes a second; 0: unknown */
	int64_t limit;    /* MB; -1: none */
} Figures;

static bool
read_figures(Precheck *p, Figures *f, Error *err)
{
	const char *params[] = {precheck_oids(p, true)};
	bool full = p->job->options.phases[PHASE_FULL];
	PgRows *rows = pg_session_query(
	    p->source, err,
	    "SELECT coalesce(pg_catalog.sum(pg_catalog.pg_table_size(t)), 0)::bigint, (SELECT "
	    "setting::bigint FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size'), "
	    "coalesce(pg_catalog.sum(pg_catalog.pg_indexes_size(t)), 0)::bigint FROM "
	    "unnest($1::oid[]) t",
	    1, params);

	if (rows == NULL)
		return false;
	*f = (Figures){.table_bytes = full ? pg_rows_int(rows, 0, 0) : 0,
	               .index_bytes = full ? pg_rows_int(rows, 0, 2) : 0,
	               .limit = pg_rows_int(rows, 0, 1)};
	pg_rows_free(rows);
	if (pg_session_version(p->source) < 140000)
		return true;
	rows = pg_session_query(p->source, err,
	                        "SELECT (wal_bytes / extract(epoch FROM pg_catalog.now() - "
	                        "stats_reset)::numeric)::bigint FROM pg_catalog.pg_stat_wal WHERE "
	                        "stats_reset < pg_catalog.now() - "
	                        "interval '1 minute'",
	                        0, NULL);
	if (rows == NULL)
		return false;
	if (pg_rows_count(rows) > 0)
		f->wal_rate = pg_rows_int(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

/* For dts_forecast. */
static void
keep_figures(Precheck *p, const Figures *f)
{
	p->figures = json_pack("{s:I, s:I}", "table_bytes", (json_int_t) f->table_bytes, "index_bytes",
	                       (json_int_t) f->index_bytes);
	if (f->wal_rate > 0)
		json_object_set_new(p->figures, "wal_bytes_per_second",
		                    json_integer((json_int_t) f->wal_rate));
	if (f->limit >= 0)
		json_object_set_new(p->figures, "wal_limit_bytes",
		                    json_integer((json_int_t) (f->limit * MEGABYTE)));
}

static void
check_retention(Precheck *p)
{
	int64_t bytes, rate, limit, need;
	char remedy[200];
	Figures figures;
	Error err;

	if (!read_figures(p, &figures, &err))
	{
		precheck_add_error(p, CHECK_WAL_RETENTION, &err);
		return;
	}
	keep_figures(p, &figures);
	if (!p->job->options.phases[PHASE_INCREMENTAL])
		return;
	bytes = figures.table_bytes;
	rate = figures.wal_rate;
	limit = figures.limit;
	need = wal_forecast(bytes, rate) / MEGABYTE + 1;
	snprintf(
	    remedy, sizeof(remedy),
	    "ALTER SYSTEM SET max_slot_wal_keep_size = '%" PRId64
	    "MB'; SELECT pg_reload_conf(); -- on the source, if the disk of pg_wal has room for it",
	    need * 3 > bytes / MEGABYTE + 1 ? need * 3 : bytes / MEGABYTE + 1);
	if (limit < 0)
		precheck_add(p, CHECK_WAL_RETENTION, PRECHECK_PASS, "",
		             "no limit is set; %" PRId64 " MB are to be copied, which retains %s%" PRId64
		             " MB of WAL: see that the disk of pg_wal has room for it",
		             bytes / MEGABYTE, rate > 0 ? "about " : "at least ", need);
	else if (rate > 0 && need > limit)
		precheck_add(p, CHECK_WAL_RETENTION, PRECHECK_FAIL, remedy,
		             "max_slot_wal_keep_size is %" PRId64 " MB; copying %" PRId64
		             " MB retains about %" PRId64 " MB of WAL at the usual %" PRId64
		             " kB/s, and the slot would be lost",
		             limit, bytes / MEGABYTE, need, rate / 1024);
	else if (rate == 0 && bytes / MEGABYTE > limit)
		precheck_add(
		    p, CHECK_WAL_RETENTION, PRECHECK_WARN, remedy,
		    "max_slot_wal_keep_size is %" PRId64 " MB and %" PRId64
		    " MB are to be copied; how fast the source writes WAL is not known, and the slot "
		    "is lost when it retains more than the limit",
		    limit, bytes / MEGABYTE);
	else
		precheck_add(p, CHECK_WAL_RETENTION, PRECHECK_PASS, "",
		             "max_slot_wal_keep_size is %" PRId64 " MB, expected are %" PRId64 " MB", limit,
		             need);
}

void
source_check_wal(Precheck *p)
{
	if (p->job->options.phases[PHASE_INCREMENTAL])
		check_sender_timeout(p);
	if (p->tables != NULL)
		check_retention(p);
}
