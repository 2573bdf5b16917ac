/*
 * copy_select.c
 *		The edited list of pg_restore; see copy_select.h.
 *
 * Entries are of two sorts.  Objects of their own (tables, types, functions) are judged by the
 * job's options.  Parts of an object (its indexes, triggers, comments, privileges) follow it, and
 * all else they depend on: a foreign key to a table that stays behind stays behind as well, with a
 * warning.  From a schema that is selected only by tables, what those need comes along, but never
 * another table.
 */
#include "copy_select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy_catalog.h"
#include "strbuf.h"

#define WARNINGS_MAX 200

/* A sorted set of texts. */
typedef struct NameSet
{
	char **names;
	int count;
} NameSet;

typedef struct Chooser
{
	const Archive *archive;
	const Job *job;
	Arena *arena;
	CopySelection *out;
	NameSet roles;
	NameSet schemas;
	NameSet relations; /* schema, \001, name; so are the next two */
	NameSet types;
	NameSet parts; /* table and part: constraints, triggers, policies, rules */
} Chooser;

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool
set_has(const NameSet *set, const char *name)
{
	return set->count > 0 &&
	       bsearch(&name, set->names, (size_t) set->count, sizeof(char *), compare_names) != NULL;
}

static bool
set_has_in(const Chooser *c, const NameSet *set, const char *schema, const char *name)
{
	return set_has(set, arena_printf(c->arena, "%s\001%s", schema, name));
}

static bool
set_read(Chooser *c, NameSet *set, PgSession *target, const char *sql, Error *err)
{
	PgRows *rows = pg_session_query(target, err, sql, 0, NULL);

	if (rows == NULL)
		return false;
	set->count = pg_rows_count(rows);
	set->names = arena_alloc(c->arena, sizeof(char *) * ((size_t) set->count + 1));
	for (int i = 0; i < set->count; i++)
		set->names[i] = arena_strdup(c->arena, pg_rows_get(rows, i, 0));
	qsort(set->names, (size_t) set->count, sizeof(char *), compare_names);
	pg_rows_free(rows);
	return true;
}

static bool
read_target(Chooser *c, PgSession *target, Error *err)
{
	return set_read(c, &c->roles, target, "SELECT rolname FROM pg_catalog.pg_roles", err) &&
	       set_read(c, &c->schemas, target, "SELECT nspname FROM pg_catalog.pg_namespace", err) &&
	       set_read(c, &c->relations, target,
	                "SELECT n.nspname || E'\\001' || c.relname FROM pg_catalog.pg_class c JOIN "
	                "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' "
	                "AND n.nspname <> 'information_schema'",
	                err) &&
	       set_read(c, &c->types, target,
	                "SELECT n.nspname || E'\\001' || t.typname FROM pg_catalog.pg_type t JOIN "
	                "pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname !~ '^pg_' "
	                "AND n.nspname <> 'information_schema'",
	                err) &&
	       set_read(c, &c->parts, target,
	                "SELECT n.nspname || E'\\001' || c.relname || ' ' || p.name FROM "
	                "pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
	                "c.relnamespace JOIN (SELECT conrelid AS rel, conname AS name FROM "
	                "pg_catalog.pg_constraint UNION ALL SELECT tgrelid, tgname FROM "
	                "pg_catalog.pg_trigger UNION ALL SELECT polrelid, polname FROM "
	                "pg_catalog.pg_policy UNION ALL SELECT ev_class, rulename FROM "
	                "pg_catalog.pg_rewrite) p ON p.rel = c.oid WHERE n.nspname !~ '^pg_' AND "
	                "n.nspname <> 'information_schema'",
	                err);
}

static void
warn(Chooser *c, char *text)
{
	if (c->out->warning_count < WARNINGS_MAX)
		c->out->warnings[c->out->warning_count++] = text;
}

static bool
is_one_of(const char *desc, const char *const *list)
{
	for (; *list != NULL; list++)
	{
		if (strcmp(desc, *list) == 0)
			return true;
	}
	return false;
}

static bool
never_copied(const ArchiveEntry *e)
{
	static const char *const list[] = {"PUBLICATION",
	                                   "PUBLICATION TABLE",
	                                   "PUBLICATION TABLES IN SCHEMA",
	                                   "SUBSCRIPTION",
	                                   "SUBSCRIPTION TABLE",
	                                   "DATABASE",
	                                   "DATABASE PROPERTIES",
	                                   "ENCODING",
	                                   "STDSTRINGS",
	                                   "SEARCHPATH",
	                                   NULL};

	return is_one_of(e->desc, list) || e->section == ARCHIVE_SECTION_DATA;
}

static bool
is_relation(const ArchiveEntry *e)
{
	static const char *const list[] = {"TABLE",         "VIEW",     "MATERIALIZED VIEW",
	                                   "FOREIGN TABLE", "SEQUENCE", NULL};

	return is_one_of(e->desc, list);
}

static const ArchiveEntry *
depends_on(const Chooser *c, const ArchiveEntry *e, int i)
{
	int id = e->depends[i];

	return id > 0 && id <= c->archive->max_id ? c->archive->by_id[id] : NULL;
}

static bool
depends_on_table(const Chooser *c, const ArchiveEntry *e)
{
	for (int i = 0; i < e->depend_count; i++)
	{
		const ArchiveEntry *d = depends_on(c, e, i);

		if (d != NULL && strcmp(d->desc, "TABLE") == 0)
			return true;
	}
	return false;
}

/* Follows what it depends on; an identity column's sequence depends on its table. */
static bool
is_part(const Chooser *c, const ArchiveEntry *e)
{
	static const char *const list[] = {"INDEX",
	                                   "INDEX ATTACH",
	                                   "TABLE ATTACH",
	                                   "CONSTRAINT",
	                                   "FK CONSTRAINT",
	                                   "CHECK CONSTRAINT",
	                                   "TRIGGER",
	                                   "RULE",
	                                   "POLICY",
	                                   "ROW SECURITY",
	                                   "DEFAULT",
	                                   "SEQUENCE OWNED BY",
	                                   "STATISTICS",
	                                   "COMMENT",
	                                   "ACL",
	                                   "SECURITY LABEL",
	                                   NULL};

	return is_one_of(e->desc, list) || (strcmp(e->desc, "SEQUENCE") == 0 && depends_on_table(c, e));
}

static EntryVerdict
judge_object(const Chooser *c, const ArchiveEntry *e)
{
	bool is_schema = strcmp(e->desc, "SCHEMA") == 0;
	const char *schema = is_schema ? e->tag : e->schema;
	SchemaSelection selected;

	if (never_copied(e) || (strcmp(e->desc, "EXTENSION") == 0 && strcmp(e->tag, "dts") == 0) ||
	    (schema[0] != '\0' && copy_is_own(schema, is_schema ? "" : e->tag)))
		return ENTRY_DROP;
	if (schema[0] == '\0')
		return ENTRY_KEEP;
	selected = copy_schema_selection(c->job, schema);
	if (selected == SCHEMA_NONE)
		return ENTRY_DROP;
	if (is_schema)
		return ENTRY_KEEP;
	if (is_relation(e))
	{
		if (job_selects(c->job, schema, e->tag))
			return ENTRY_KEEP;
		return strcmp(e->desc, "SEQUENCE") == 0 ? ENTRY_MAYBE : ENTRY_DROP;
	}
	return selected == SCHEMA_WHOLE ? ENTRY_KEEP : ENTRY_MAYBE;
}

/* A partition is selected when its parent is. */
static void
keep_partitions(Chooser *c)
{
	EntryVerdict *verdict = c->out->verdict;
	bool changed = true;

	while (changed)
	{
		changed = false;
		for (int i = 0; i < c->archive->count; i++)
		{
			const ArchiveEntry *e = &c->archive->entries[i];
			const ArchiveEntry *parent = NULL;
			const ArchiveEntry *child = NULL;

			if (strcmp(e->desc, "TABLE ATTACH") != 0)
				continue;
			for (int k = 0; k < e->depend_count; k++)
			{
				const ArchiveEntry *d = depends_on(c, e, k);

				if (d == NULL)
					continue;
				if (strcmp(d->tag, e->tag) == 0 && strcmp(d->schema, e->schema) == 0)
					child = d;
				else
					parent = d;
			}
			if (parent != NULL && child != NULL && verdict[parent->id] == ENTRY_KEEP &&
			    verdict[child->id] == ENTRY_DROP)
			{
				verdict[child->id] = ENTRY_KEEP;
				changed = true;
			}
		}
	}
}

static void
pull(Chooser *c, const ArchiveEntry *e, int depth)
{
	for (int i = 0; i < e->depend_count && depth < 1000; i++)
	{
		const ArchiveEntry *d = depends_on(c, e, i);

		if (d == NULL || c->out->verdict[d->id] != ENTRY_MAYBE)
			continue;
		c->out->verdict[d->id] = ENTRY_KEEP;
		pull(c, d, depth + 1);
	}
}

/* Privileges or a comment of what the archive itself does not create: schema public, a language. */
static bool
stands_alone(const Chooser *c, const ArchiveEntry *e)
{
	for (int i = 0; i < e->depend_count; i++)
	{
		if (depends_on(c, e, i) != NULL)
			return false;
	}
	if (strncmp(e->tag, "SCHEMA ", 7) == 0)
		return copy_schema_selection(c->job, e->tag + 7) != SCHEMA_NONE;
	if (e->schema[0] == '\0')
		return c->job->options.object_count == 0;
	return copy_schema_selection(c->job, e->schema) == SCHEMA_WHOLE;
}

/* Parts in archive order, so that a part of a part finds its own judged. */
static void
judge_parts(Chooser *c, bool last_time)
{
	EntryVerdict *verdict = c->out->verdict;

	for (int i = 0; i < c->archive->count; i++)
	{
		const ArchiveEntry *e = &c->archive->entries[i];
		const ArchiveEntry *missing = NULL;
		const ArchiveEntry *kept = NULL;

		if (!is_part(c, e) || never_copied(e))
			continue;
		for (int k = 0; k < e->depend_count; k++)
		{
			const ArchiveEntry *d = depends_on(c, e, k);

			if (d != NULL && verdict[d->id] == ENTRY_DROP)
				missing = d;
			else if (d != NULL && verdict[d->id] == ENTRY_KEEP)
				kept = d;
		}
		if (missing == NULL && kept != NULL)
		{
			verdict[e->id] = ENTRY_KEEP;
			pull(c, e, 0);
		}
		else
			verdict[e->id] = stands_alone(c, e) ? ENTRY_KEEP : ENTRY_DROP;
		if (last_time && missing != NULL && kept != NULL)
			warn(c, arena_printf(c->arena, "%s \"%s\" is left out: it needs %s \"%s\".\"%s\"",
			                     e->desc, e->tag, missing->desc, missing->schema, missing->tag));
	}
}

/* What the target has already. */
static bool
exists_on_target(const Chooser *c, const ArchiveEntry *e)
{
	if (strcmp(e->desc, "SCHEMA") == 0)
		return set_has(&c->schemas, e->tag) && strcmp(e->tag, "public") != 0;
	if (is_relation(e))
		return set_has_in(c, &c->relations, e->schema, e->tag);
	if (strcmp(e->desc, "INDEX") == 0 || strcmp(e->desc, "STATISTICS") == 0)
		return set_has_in(c, &c->relations, e->schema, e->tag);
	if (strcmp(e->desc, "TYPE") == 0 || strcmp(e->desc, "DOMAIN") == 0)
		return set_has_in(c, &c->types, e->schema, e->tag);
	return set_has_in(c, &c->parts, e->schema, e->tag);
}

/* Parts that say what a table is rather than stand beside it: an existing table keeps its own. */
static bool
belongs_to_existing(const Chooser *c, const ArchiveEntry *e)
{
	static const char *const list[] = {
	    "DEFAULT", "TABLE ATTACH", "INDEX ATTACH",      "COMMENT",        "ROW SECURITY",
	    "ACL",     "SEQUENCE",     "SEQUENCE OWNED BY", "SECURITY LABEL", NULL};

	if (!is_one_of(e->desc, list))
		return false;
	for (int i = 0; i < e->depend_count; i++)
	{
		const ArchiveEntry *d = depends_on(c, e, i);

		if (d != NULL && strcmp(d->desc, "SCHEMA") != 0 && c->out->verdict[d->id] == ENTRY_EXISTS)
			return true;
	}
	return false;
}

static bool
judge_existing(Chooser *c, Error *err)
{
	bool fail = c->job->options.same_name_tables == SAME_NAME_FAIL;
	StrBuf names;
	int found = 0;

	strbuf_init(&names);
	for (int i = 0; i < c->archive->count; i++)
	{
		const ArchiveEntry *e = &c->archive->entries[i];

		if (c->out->verdict[e->id] != ENTRY_KEEP)
			continue;
		if (belongs_to_existing(c, e))
			c->out->verdict[e->id] = ENTRY_EXISTS;
		else if (exists_on_target(c, e))
		{
			if (fail && is_relation(e))
			{
				if (found++ > 0)
					strbuf_puts(&names, ", ");
				strbuf_qualified(&names, e->schema, e->tag);
			}
			c->out->verdict[e->id] = ENTRY_EXISTS;
		}
	}
	if (found > 0)
	{
		error_set(err, ERR_OBJECT_STATE, "the target already has %d of the relations to be copied",
		          found);
		error_detail(err, "%.900s", names.data);
		error_hint(err,
		           "Drop them on the target, or set the option \"same_name_tables\" to \"keep\" "
		           "or \"truncate\".");
	}
	strbuf_free(&names);
	return found == 0;
}

static void
judge_owners(Chooser *c)
{
	NameSet warned = {0};

	warned.names = arena_alloc(c->arena, sizeof(char *) * ((size_t) c->archive->count + 1));
	for (int i = 0; i < c->archive->count; i++)
	{
		const ArchiveEntry *e = &c->archive->entries[i];

		if (c->out->verdict[e->id] != ENTRY_KEEP || e->owner[0] == '\0' ||
		    set_has(&c->roles, e->owner))
			continue;
		c->out->no_owner[e->id] = true;
		if (set_has(&warned, e->owner))
			continue;
		warned.names[warned.count++] = arena_strdup(c->arena, e->owner);
		qsort(warned.names, (size_t) warned.count, sizeof(char *), compare_names);
		warn(c, arena_printf(c->arena,
		                     "role \"%s\" is missing on the target: its objects belong to the "
		                     "target endpoint's user",
		                     e->owner));
	}
}

bool
copy_select(CopySelection *selection, const Archive *archive, const Job *job, PgSession *target,
            Arena *arena, Error *err)
{
	Chooser c = {.archive = archive, .job = job, .arena = arena, .out = selection};
	size_t ids = (size_t) archive->max_id + 1;

	memset(selection, 0, sizeof(*selection));
	selection->verdict = arena_zalloc(arena, sizeof(EntryVerdict) * ids);
	selection->no_owner = arena_zalloc(arena, sizeof(bool) * ids);
	selection->warnings = arena_zalloc(arena, sizeof(char *) * WARNINGS_MAX);
	if (!read_target(&c, target, err))
	{
		error_context(err, "reading the target's catalogs");
		return false;
	}
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];

		selection->verdict[e->id] = is_part(&c, e) ? ENTRY_MAYBE : judge_object(&c, e);
	}
	keep_partitions(&c);
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];

		if (selection->verdict[e->id] == ENTRY_KEEP)
			pull(&c, e, 0);
	}
	judge_parts(&c, false);
	/* what no one needed, and then the comments and privileges of what was pulled in */
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];

		if (selection->verdict[e->id] == ENTRY_MAYBE)
			selection->verdict[e->id] = ENTRY_DROP;
	}
	judge_parts(&c, true);
	if (!judge_existing(&c, err))
		return false;
	judge_owners(&c);
	return true;
}
