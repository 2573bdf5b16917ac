/*
 * target_pg_ddl.c
 *		Commands of the source on the PostgreSQL target.
 *
 * A command is a unit of its own within its target transaction, so that it comes behind the changes
 * before it, whichever path those take.  What comes behind it waits until it has been answered:
 * then everything that is known of relations is thrown away, prepared statements with it, and asked
 * for again.
 *
 * The command's settings hold for it alone: what they replace is kept in a setting of ours and put
 * back behind it, because values of rows are read under those of the stream.
 *
 * It runs as the role that ran it on the source.  SET ROLE alone would not keep that promise where
 * we are superuser: functions that the command calls (in a check, in an expression of USING) could
 * take our role back.  So it then goes through a function of that role's, where no role can be set.
 */
#include <stdio.h>
#include <string.h>

#include "strbuf.h"
#include "target_pg_internal.h"

#define SAVED "dts.ddl_saved"

static void
add(TargetPg *t, UnitCommandKind kind, const char *sql)
{
	target_pg_unit_command(t, sql);
	t->open->last_command->kind = kind;
}

static void
put_all(TargetPg *t, const char *const *sql, int count)
{
	for (int i = 0; i < count; i++)
		add(t, COMMAND_OWN, sql[i]);
}

static void
put_commands(TargetPg *t, const TargetCommand *command)
{
	const char *source =
	    command->source == NULL ? NULL : arena_strdup(t->open->arena, command->source);
	StrBuf sql;

	strbuf_init(&sql);
	for (int i = 0; i < command->count; i++)
	{
		const char *role =
		    command->roles != NULL && command->roles[i] != NULL ? command->roles[i] : command->role;

		strbuf_reset(&sql);
		strbuf_puts(&sql, "SELECT dts.target_command(");
		if (role == NULL)
			strbuf_puts(&sql, "NULL");
		else
			strbuf_literal(&sql, role);
		strbuf_puts(&sql, command->role_needed ? ", true, " : ", false, ");
		strbuf_literal(&sql, command->sql[i]);
		strbuf_putc(&sql, ')');
		add(t, COMMAND_SOURCE, sql.data);
		t->open->last_command->target = arena_strdup(t->open->arena, command->sql[i]);
		t->open->last_command->source = source;
	}
	strbuf_free(&sql);
}

TargetResult
target_pg_command(Target *target, const TxnHeader *header, const TargetCommand *command, Error *err)
{
	TargetPg *t = (TargetPg *) target;

	if (target_pg_must_wait(t))
	{
		if (!target_pg_work(t, err))
			return TARGET_FAILED;
		if (target_pg_must_wait(t))
			return TARGET_WAIT;
	}
	if (!target_pg_forget_relations(t, err))
		return TARGET_FAILED;
	if (t->open->run.count > 0)
		target_pg_unit_close(t, NULL);
	t->open->ordered = true;
	t->open->commit = header->commit;
	if (command->prepare != NULL)
		add(t, COMMAND_OWN, command->prepare);
	if (command->count > 0)
	{
		add(t, COMMAND_OWN,
		    "SELECT pg_catalog.set_config('" SAVED "', pg_catalog.jsonb_object_agg(s.name, "
		    "pg_catalog.current_setting(s.name))::text, true) FROM pg_catalog.pg_settings s "
		    "WHERE s.context IN ('user', 'superuser') AND s.name IN "
		    "('DateStyle', 'IntervalStyle', 'TimeZone', 'bytea_output', 'xmlbinary', 'xmloption', "
		    "'lc_monetary', 'extra_float_digits', 'standard_conforming_strings', "
		    "'transform_null_equals', 'array_nulls', 'check_function_bodies', "
		    "'default_table_access_method', 'default_toast_compression', "
		    "'timezone_abbreviations', 'default_text_search_config', 'search_path')");
		put_all(t, command->settings, command->setting_count);
		put_commands(t, command);
		add(t, COMMAND_OWN,
		    "SELECT pg_catalog.set_config(s.key, s.value, true) FROM pg_catalog.jsonb_each_text("
		    "pg_catalog.current_setting('" SAVED "')::pg_catalog.jsonb) s");
	}
	put_all(t, command->bookkeeping, command->bookkeeping_count);
	t->barrier = t->open->number;
	target_pg_unit_close(t, NULL);
	return target_pg_work(t, err) ? TARGET_OK : TARGET_FAILED;
}

/*
 * Behind a command that was answered.  By then nothing is in flight that points to a relation's
 * entry: it was waited for.
 */
bool
target_pg_forget_relations(TargetPg *t, Error *err)
{
	if (!t->relations_stale)
		return true;
	t->relations_stale = false;
	while (t->oldest != NULL)
	{
		if (!target_pg_statement_drop(t, t->oldest, err))
			return false;
	}
	if (t->entry_size > 0)
		memset(t->entries, 0, sizeof(*t->entries) * t->entry_size);
	t->status.missed = NULL;
	arena_reset(t->arena);
	return true;
}

void
target_pg_command_error(const UnitCommand *command, SourceLsn commit, Error *err)
{
	Error server = *err;

	error_set(err, server.sqlstate, "a command of the source fails on the target: %s",
	          server.message);
	error_detail(err, "%s%sSource: %.350s  Target: %.350s", server.detail,
	             server.detail[0] != '\0' ? "  " : "",
	             command->source == NULL ? "(not known)" : command->source, command->target);
	error_hint(err,
	           "%s%sMake the target ready for the command, then retry the job; or leave it out "
	           "with dts_skip_ddl.",
	           server.hint, server.hint[0] != '\0' ? "  " : "");
	error_context(err, "source transaction committed at " LSN_FORMAT, LSN_ARGS(commit));
}
