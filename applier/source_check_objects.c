/*
 * source_check_objects.c
 *		Objects of the source besides its tables; see source_check_objects.h.
 */
#include "source_check_objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool
is_table(const SourceNeed *need)
{
	return strcmp(need->kind, "table") == 0 || strcmp(need->kind, "foreign table") == 0;
}

/* Whether the target has this relation already. */
static bool
on_target(Precheck *p, const SourceNeed *need)
{
	const char *params[] = {need->identity};
	Error err;
	PgRows *rows;
	bool found;

	if (p->target == NULL)
		return false;
	rows = pg_session_query(p->target, &err, "SELECT pg_catalog.to_regclass($1) IS NOT NULL", 1,
	                        params);
	found = rows != NULL && pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return found;
}

static void
answer_dependencies(Precheck *p, NameList *broken, NameList *left_out, NameList *behind,
                    NameList *along)
{
	static const char remedy[] =
	    "Select what is missing as well, with dts_configure_job; or create it on the target; or do "
	    "without these objects.";

	if (behind->count > 0 && broken->count > 0)
		precheck_add(
		    p, CHECK_DEPENDENCIES, PRECHECK_FAIL, remedy,
		    "these tables cannot be made on the target: %s; what they need is not selected: "
		    "%s",
		    name_list_end(broken), name_list_end(behind));
	else if (behind->count > 0 && left_out->count > 0)
		precheck_add(p, CHECK_DEPENDENCIES, PRECHECK_WARN, remedy,
		             "left out: %s; what they need is not selected: %s", name_list_end(left_out),
		             name_list_end(behind));
	else if (along->count > 0)
		precheck_add(p, CHECK_DEPENDENCIES, PRECHECK_PASS, "",
		             "comes along because the selection needs it: %s", name_list_end(along));
	else
		precheck_add(p, CHECK_DEPENDENCIES, PRECHECK_PASS, "",
		             "the selection needs nothing from outside");
}

/* Lists that share one detail are kept short. */
static void
check_dependencies(Precheck *p)
{
	NameList broken = {.count = 0};
	NameList left_out = {.count = 0};
	NameList behind = {.count = 0};
	NameList along = {.count = 0};
	Error err;

	if (!source_needs_read(&p->needs, p->source, p->job, p->arena, &err))
	{
		precheck_add_error(p, CHECK_DEPENDENCIES, &err);
		return;
	}
	for (int i = 0; i < p->needs.count; i++)
	{
		const SourceNeed *need = &p->needs.needs[i];

		if (need->outside && need->relation)
		{
			if (!on_target(p, need))
				name_list_add(&behind, "%s %s", need->kind, need->identity);
		}
		else if (need->broken && !need->outside && is_table(need))
			name_list_add(&broken, "%s (needs %s)", need->identity, need->because);
		else if (need->broken)
			name_list_add(&left_out, "%s %s (needs %s)", need->kind, need->identity, need->because);
		else if (need->outside)
			name_list_add(&along, "%s %s", need->kind, need->identity);
	}
	answer_dependencies(p, &broken, &left_out, &behind, &along);
}

/* Foreign keys of selected tables to others. */
static void
check_foreign_keys(Precheck *p)
{
	const char *params[] = {precheck_oids(p, false)};
	NameList list = {.count = 0};
	Error err;
	PgRows *rows = pg_session_query(
	    p->source, &err,
	    "SELECT pg_catalog.format('%s (%s to %s)', k.conname, k.conrelid::pg_catalog.regclass, "
	    "k.confrelid::pg_catalog.regclass) FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' "
	    "AND "
	    "k.conparentid = 0 AND k.conrelid = ANY ($1::oid[]) AND NOT k.confrelid = ANY ($1::oid[]) "
	    "ORDER BY 1",
	    1, params);

	if (rows == NULL)
	{
		precheck_add_error(p, CHECK_FOREIGN_KEYS, &err);
		return;
	}
	for (int i = 0; i < pg_rows_count(rows); i++)
		name_list_add(&list, "%s", pg_rows_get(rows, i, 0));
	pg_rows_free(rows);
	if (list.count == 0)
		precheck_add(p, CHECK_FOREIGN_KEYS, PRECHECK_PASS, "",
		             "every foreign key stays within the selected tables");
	else if (p->job->options.phases[PHASE_SCHEMA])
		precheck_add(
		    p, CHECK_FOREIGN_KEYS, PRECHECK_WARN,
		    "Select the tables that they refer to as well, with dts_configure_job, or add "
		    "the keys on the target afterwards.",
		    "these foreign keys refer to tables that are not selected and are left out: %s",
		    name_list_end(&list));
	else
		precheck_add(p, CHECK_FOREIGN_KEYS, PRECHECK_WARN,
		             "Select the tables that they refer to as well, with dts_configure_job, or see "
		             "that the target has the same rows in them.",
		             "these foreign keys refer to tables that are not selected; the job does not "
		             "check them: %s",
		             name_list_end(&list));
}

/* How many large objects there are, and whether the target has one of the same number. */
static bool
count_large_objects(Precheck *p, bool *any, bool *clash, Error *err)
{
	PgRows *rows = pg_session_query(
	    p->source, err,
	    "SELECT pg_catalog.min(oid), pg_catalog.max(oid) FROM pg_catalog.pg_largeobject_metadata",
	    0, NULL);
	const char *range[2];
	PgRows *found;

	if (rows == NULL)
		return false;
	*clash = false;
	*any = pg_rows_get(rows, 0, 0) != NULL;
	if (*any && p->target != NULL)
	{
		range[0] = pg_rows_get(rows, 0, 0);
		range[1] = pg_rows_get(rows, 0, 1);
		found = pg_session_query(p->target, err,
		                         "SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata "
		                         "WHERE oid BETWEEN $1::oid AND $2::oid)",
		                         2, range);
		*clash = found != NULL && pg_rows_bool(found, 0, 0);
		if (found == NULL)
			*any = false;
		pg_rows_free(found);
		if (found == NULL)
		{
			pg_rows_free(rows);
			return false;
		}
	}
	pg_rows_free(rows);
	return true;
}

static void
check_large_objects(Precheck *p)
{
	const JobOptions *o = &p->job->options;
	bool copied = o->phases[PHASE_FULL] && o->object_count == 0;
	bool any, clash;
	Error err;

	if (!count_large_objects(p, &any, &clash, &err))
		precheck_add_error(p, CHECK_LARGE_OBJECTS, &err);
	else if (!any)
		precheck_add(p, CHECK_LARGE_OBJECTS, PRECHECK_PASS, "", "there are none");
	else if (copied && clash && o->same_name_tables == SAME_NAME_FAIL)
		precheck_add(p, CHECK_LARGE_OBJECTS, PRECHECK_FAIL,
		             "Remove them with lo_unlink on the target, or set the option "
		             "\"same_name_tables\" to \"keep\" or \"truncate\" with dts_configure_job.",
		             "the target has large objects among whose numbers are the source's");
	else if (!copied)
		precheck_add(
		    p, CHECK_LARGE_OBJECTS, PRECHECK_WARN,
		    "Copy them by other means, for example pg_dump --large-objects, or move them "
		    "into bytea columns.",
		    "the source has large objects; they are copied only by the phase \"full\" of a "
		    "job that takes the whole database");
	else if (o->phases[PHASE_INCREMENTAL])
		precheck_add(
		    p, CHECK_LARGE_OBJECTS, PRECHECK_WARN,
		    "Let nobody change large objects while the job runs, or move them into bytea "
		    "columns.",
		    "the source has large objects: the phase \"full\" copies them as they are then; "
		    "changes to them are not in the WAL that is decoded and do not follow");
	else
		precheck_add(p, CHECK_LARGE_OBJECTS, PRECHECK_PASS, "", "they are copied");
}

static void
check_subscriptions(Precheck *p)
{
	NameList list = {.count = 0};
	Error err;
	PgRows *rows =
	    pg_session_query(p->source, &err,
	                     "SELECT s.subname FROM pg_catalog.pg_subscription s JOIN "
	                     "pg_catalog.pg_database d ON d.oid = "
	                     "s.subdbid WHERE d.datname = pg_catalog.current_database() ORDER BY 1",
	                     0, NULL);

	if (rows == NULL)
	{
		precheck_add_error(p, CHECK_SUBSCRIPTIONS, &err);
		return;
	}
	for (int i = 0; i < pg_rows_count(rows); i++)
		name_list_add(&list, "\"%s\"", pg_rows_get(rows, i, 0));
	pg_rows_free(rows);
	if (list.count == 0)
		precheck_add(p, CHECK_SUBSCRIPTIONS, PRECHECK_PASS, "", "there are none");
	else
		precheck_add(
		    p, CHECK_SUBSCRIPTIONS, PRECHECK_WARN,
		    "When the target takes over: CREATE SUBSCRIPTION ... WITH (create_slot = false, "
		    "slot_name = ..., copy_data = false) there, after it was disabled and set to "
		    "slot_name = NONE on the source.",
		    "these subscriptions of the source stay where they are: on the target they "
		    "would fetch the same changes again: %s",
		    name_list_end(&list));
}

/* pg_dump holds a lock on each of its tables until it ends; the lock table is shared by all sessions. */
static void
check_lock_table(Precheck *p)
{
	Error err;
	char remedy[200];
	int64_t room, tables;
	PgRows *rows =
	    pg_session_query(p->source, &err,
	                     "SELECT pg_catalog.current_setting('max_locks_per_transaction')::bigint * "
	                     "(pg_catalog.current_setting('max_connections')::bigint + "
	                     "pg_catalog.current_setting('max_prepared_transactions')::bigint), "
	                     "pg_catalog.current_setting('max_locks_per_transaction')",
	                     0, NULL);

	if (rows == NULL)
	{
		precheck_add_error(p, CHECK_LOCK_TABLE, &err);
		return;
	}
	room = pg_rows_int(rows, 0, 0);
	tables = pg_rows_count(p->tables);
	snprintf(remedy, sizeof(remedy),
	         "ALTER SYSTEM SET max_locks_per_transaction = %" PRId64
	         "; -- on the source, then restart it",
	         pg_rows_int(rows, 0, 1) * (2 * tables / (room > 0 ? room : 1) + 1));
	pg_rows_free(rows);
	if (tables < room)
		precheck_add(p, CHECK_LOCK_TABLE, PRECHECK_PASS, "",
		             "room for %" PRId64 " locks, %" PRId64 " tables", room, tables);
	else
		precheck_add(p, CHECK_LOCK_TABLE, PRECHECK_WARN, remedy,
		             "the source has room for %" PRId64
		             " locks of all sessions together, and pg_dump "
		             "locks %" PRId64 " tables: it may fail with \"out of shared memory\"",
		             room, tables);
}

void
source_check_objects(Precheck *p)
{
	bool schema = p->job->options.phases[PHASE_SCHEMA];

	if (schema)
		check_dependencies(p);
	if (schema && p->tables != NULL)
		check_lock_table(p);
	if (p->tables != NULL)
		check_foreign_keys(p);
	check_large_objects(p);
	if (schema && p->job->options.object_count == 0)
		check_subscriptions(p);
}
