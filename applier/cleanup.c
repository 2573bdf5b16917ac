/*
 * cleanup.c
 *		Removing everything of a job from both ends; see cleanup.h.
 *
 * The target's epoch is raised first, so that an owner of old that wakes up can neither write nor
 *create anew what is being removed; the source comes next, because a slot left behind fills its
 *disk; the target's rows go last, since they are what a later attempt finds its way by.
 */
#include "cleanup.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fault.h"
#include "log.h"
#include "pg_session.h"
#include "source_capture.h"
#include "source_heartbeat.h"
#include "source_slot.h"
#include "target_pg_fence.h"

#define ATTEMPTS 3

static bool
clean_source_once(const Job *job, Error *err)
{
	PgSession *source =
	    pg_session_open(job->source_conninfo, PG_SESSION_SOURCE, job->slot_name, NULL, err);
	bool ok;

	if (source == NULL)
		return false;
	ok = fence_end_sessions(source, job, err) && source_slot_drop(source, job->slot_name, err) &&
	     source_heartbeat_remove(source, job->slot_name, err) &&
	     source_capture_leave(source, job->slot_name, err);
	pg_session_close(source);
	return ok;
}

static bool
clean_target_once(const Job *job, Error *err)
{
	PgSession *target =
	    pg_session_open(job->target_conninfo, PG_SESSION_TARGET, job->slot_name, NULL, err);
	bool ok;

	if (target == NULL)
		return false;
	ok = fence_end_sessions(target, job, err) && target_fence_remove(target, job, err);
	pg_session_close(target);
	return ok;
}

/* Fences the target, when it can be reached and knows the job. */
static bool
fence_target(const Job *job, Error *err)
{
	PgSession *target =
	    pg_session_open(job->target_conninfo, PG_SESSION_TARGET, job->slot_name, NULL, err);
	bool exists;
	bool ok;

	if (target == NULL)
		return true; /* cleaning it will fail too, and say so */
	ok = target_fence_exists(target, job, &exists, err);
	if (ok && exists && !target_fence_acquire(target, job, err))
		ok = strcmp(err->sqlstate, ERR_FENCED) != 0;
	else
		ok = true;
	pg_session_close(target);
	return ok;
}

/* Tries a few times: a server may just be starting again. */
static bool
attempt(const char *end, bool (*clean)(const Job *job, Error *err), const Job *job, Error *err)
{
	for (int i = 0; i < ATTEMPTS; i++)
	{
		if (i > 0)
			sleep((unsigned int) i);
		if (clean(job, err))
			return true;
		log_error(LOG_WARNING, end, err);
		if (!sqlstate_is_transient(err->sqlstate))
			break;
	}
	return false;
}

/* What removes by hand what several jobs share: the last one takes it all away. */
static const char heartbeat_remedy[] =
    "DO $$ BEGIN IF pg_catalog.to_regclass('public.dts_postgres_heartbeat') IS NOT NULL THEN "
    "DELETE FROM public.dts_postgres_heartbeat WHERE slot_name = '%s'; "
    "IF NOT EXISTS (SELECT FROM public.dts_postgres_heartbeat) THEN "
    "DROP TABLE public.dts_postgres_heartbeat; END IF; END IF; END $$;";
static const char capture_remedy[] =
    "DO $$ DECLARE o text; BEGIN "
    "IF pg_catalog.to_regclass('dts.capture_job') IS NULL THEN RETURN; END IF; "
    "DELETE FROM dts.capture_job WHERE slot_name = '%s'; "
    "IF EXISTS (SELECT FROM dts.capture_job) THEN RETURN; END IF; "
    "FOR o IN SELECT pg_catalog.format('DROP FUNCTION %%s CASCADE', oid::pg_catalog.regprocedure) "
    "FROM pg_catalog.pg_proc WHERE pronamespace = 'dts'::pg_catalog.regnamespace AND "
    "proname ~ '^capture_' LOOP EXECUTE o; END LOOP; "
    "DROP TABLE public.dts_ddl_command, public.dts_args_session, public.dts_pg_class, "
    "public.dts_pg_attribute, public.dts_pg_type, public.dts_pg_enum, "
    "dts.capture_object, dts.capture_job, dts.capture_mark; "
    "IF NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE "
    "refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND "
    "refobjid = 'dts'::pg_catalog.regnamespace) THEN DROP SCHEMA dts; END IF; END $$;";

/* One line of the list of what is left; the slot's name needs no quoting (control checks it). */
static void __attribute__((format(printf, 5, 6)))
left_add(json_t *left, const char *side, const char *object, const Error *why, const char *remedy,
         ...)
{
	char sql[2048];
	va_list args;

	va_start(args, remedy);
	vsnprintf(sql, sizeof(sql), remedy, args);
	va_end(args);
	json_array_append_new(left, json_pack("{s:s, s:s, s:s, s:s*}", "side", side, "object", object,
	                                      "remedy", sql, "reason", why->message));
}

static json_t *
left_list(const Job *job, const Error *source_err, const Error *target_err)
{
	json_t *left = json_array();
	const char *slot = job->slot_name;

	if (source_err != NULL)
	{
		left_add(left, "source", "replication slot", source_err,
		         "SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM "
		         "pg_catalog.pg_replication_slots WHERE slot_name = '%s';",
		         slot);
		left_add(left, "source", "row of the heartbeat", source_err, heartbeat_remedy, slot);
	}
	if (source_err != NULL && job->options.ddl.captured && job->options.phases[PHASE_INCREMENTAL])
		left_add(left, "source", "capture of DDL", source_err, capture_remedy, slot);
	if (target_err != NULL)
	{
		left_add(left, "target", "replication origin", target_err,
		         "SELECT pg_catalog.pg_replication_origin_drop(roname) FROM "
		         "pg_catalog.pg_replication_origin WHERE roname = '%s' OR "
		         "pg_catalog.starts_with(roname, '%s/');",
		         slot, slot);
		left_add(left, "target", "rows of the bookkeeping", target_err,
		         "DELETE FROM dts.target_part WHERE slot_name = '%s'; "
		         "DELETE FROM dts.target_table WHERE slot_name = '%s'; "
		         "DELETE FROM dts.target_progress WHERE slot_name = '%s'; "
		         "DELETE FROM dts.target_fence WHERE slot_name = '%s';",
		         slot, slot, slot, slot);
	}
	return left;
}

bool
cleanup_run(const Job *job, void *arg, json_t *result, Error *err)
{
	Error source_err;
	Error target_err;
	bool source_ok;
	bool target_ok;

	(void) arg;
	if (!fence_target(job, err))
		return false;
	source_ok = attempt("cleaning the source", clean_source_once, job, &source_err);
	if (source_ok)
		FAULT_POINT("clean.source_done");
	target_ok = attempt("cleaning the target", clean_target_once, job, &target_err);
	if (target_ok)
		FAULT_POINT("clean.target_done");
	json_object_set_new(
	    result, "left",
	    left_list(job, source_ok ? NULL : &source_err, target_ok ? NULL : &target_err));
	if (source_ok && target_ok)
		return true;

	error_set(err, source_ok ? target_err.sqlstate : source_err.sqlstate, "could not clean the %s",
	          source_ok ? "target" : (target_ok ? "source" : "source and the target"));
	error_detail(err, "%s%.400s%s%s%.400s",
	             source_ok ? "" : "source: ", source_ok ? "" : source_err.message,
	             source_ok || target_ok ? "" : "; ",
	             target_ok ? "" : "target: ", target_ok ? "" : target_err.message);
	error_hint(err, "Stop the job again when the server can be reached, or with force => true to "
	                "end it without; dts_leftovers lists what is left, with the SQL that removes "
	                "it by hand.");
	return false;
}
