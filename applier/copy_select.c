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
#include "copy_existing.h"
#include "copy_mapped.h"
#include "copy_roles.h"
#include "strbuf.h"

#define WARNINGS_MAX 200

typedef struct Chooser
{
	const Archive *archive;
	const Job *job;
	Arena *arena;
	CopySelection *out;
	const CopyExisting *existing;
	CopyRoles *roles;
	int *attached_to;         /* by entry id: of a partition, its parent's */
	const CopyMapped *mapped; /* by entry id; NULL: nothing is renamed */
} Chooser;

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
	static const char *const list[] = {
	    "SUBSCRIPTION", "SUBSCRIPTION TABLE", "DATABASE",   "DATABASE PROPERTIES",
	    "ENCODING",     "STDSTRINGS",         "SEARCHPATH", NULL};

	return is_one_of(e->desc, list) || e->section == ARCHIVE_SECTION_DATA ||
	       /* those that capture DDL on the source; no user's */
	       (strcmp(e->desc, "EVENT TRIGGER") == 0 && strncmp(e->tag, "dts_capture_", 12) == 0);
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
	                                   "CAST",
	                                   "TRANSFORM",
	                                   "USER MAPPING",
	                                   "PUBLICATION TABLE",
	                                   "PUBLICATION TABLES IN SCHEMA",
	                                   NULL};

	return is_one_of(e->desc, list) || (strcmp(e->desc, "SEQUENCE") == 0 && depends_on_table(c, e));
}

/* What belongs to no schema goes with the whole database, and else where it is needed. */
static EntryVerdict
judge_database_object(const Chooser *c, const ArchiveEntry *e)
{
	static const char *const whole_only[] = {"EVENT TRIGGER", "PUBLICATION", "DEFAULT ACL", NULL};

	if (strcmp(e->desc, "EXTENSION") == 0 && strcmp(e->tag, "dts") == 0)
		return ENTRY_DROP;
	if (c->job->options.object_count == 0)
		return ENTRY_KEEP;
	return is_one_of(e->desc, whole_only) ? ENTRY_DROP : ENTRY_MAYBE;
}

static EntryVerdict
judge_object(const Chooser *c, const ArchiveEntry *e)
{
	bool is_schema = strcmp(e->desc, "SCHEMA") == 0;
	const char *schema = is_schema ? e->tag : e->schema;
	SchemaSelection selected;

	if (never_copied(e) || (schema[0] != '\0' && copy_is_own(schema, is_schema ? "" : e->tag)))
		return ENTRY_DROP;
	if (schema[0] == '\0')
		return judge_database_object(c, e);
	selected = copy_schema_selection(c->job, schema);
	if (is_schema)
		return selected == SCHEMA_NONE ? ENTRY_MAYBE : ENTRY_KEEP;
	if (is_relation(e))
	{
		if (job_selects(c->job, schema, e->tag))
			return ENTRY_KEEP;
		return strcmp(e->desc, "SEQUENCE") == 0 ? ENTRY_MAYBE : ENTRY_DROP;
	}
	return selected == SCHEMA_WHOLE ? ENTRY_KEEP : ENTRY_MAYBE;
}

static void
find_partitions(Chooser *c)
{
	c->attached_to = arena_zalloc(c->arena, sizeof(int) * ((size_t) c->archive->max_id + 1));
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
		if (parent != NULL && child != NULL)
			c->attached_to[child->id] = parent->id;
	}
}

/* A partition goes with the partitioned tables above it. */
static void
judge_partitions(Chooser *c)
{
	for (int i = 0; i < c->archive->count; i++)
	{
		const ArchiveEntry *e = &c->archive->entries[i];
		bool named = false;
		bool excluded = false;

		if (c->attached_to[e->id] == 0 || copy_is_own(e->schema, e->tag))
			continue;
		for (const ArchiveEntry *at = e; at != NULL; at = c->archive->by_id[c->attached_to[at->id]])
		{
			named = named || job_names(c->job, at->schema, at->tag);
			excluded = excluded || job_excludes(c->job, at->schema, at->tag);
		}
		c->out->verdict[e->id] = named && !excluded ? ENTRY_KEEP : ENTRY_DROP;
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
		if (c->mapped != NULL && c->mapped[e->id].left_out)
		{
			verdict[e->id] = ENTRY_DROP;
			continue;
		}
		for (int k = 0; k < e->depend_count; k++)
		{
			const ArchiveEntry *d = depends_on(c, e, k);

			if (d != NULL && verdict[d->id] == ENTRY_DROP)
				missing = missing == NULL || is_relation(d) ? d : missing;
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

/*
 * What needs a column that the job leaves out stays behind as well; what is only about that column
 * does so without a word.
 */
static bool
judge_mapped(Chooser *c, Error *err)
{
	EntryVerdict *verdict = c->out->verdict;

	for (int i = 0; c->mapped != NULL && i < c->archive->count; i++)
	{
		const ArchiveEntry *e = &c->archive->entries[i];
		const CopyMapped *m = &c->mapped[e->id];

		if (verdict[e->id] == ENTRY_DROP)
			continue;
		if (m->needs != NULL && strcmp(e->desc, "TABLE") == 0)
		{
			error_set(err, ERR_CONFIG, "table \"%s\".\"%s\" cannot be made on the target",
			          e->schema, e->tag);
			error_detail(err,
			             "It needs the column %s, which it does not have or which the job leaves "
			             "out.",
			             m->needs);
			error_hint(err, "Correct the table's \"columns\" with dts_configure_job.");
			return false;
		}
		if (m->needs != NULL)
			warn(c, arena_printf(c->arena,
			                     "%s \"%s\" of schema \"%s\" is left out: it needs the column %s, "
			                     "which the job leaves out",
			                     e->desc, e->tag, e->schema, m->needs));
		if (m->unread != NULL)
			warn(c, arena_printf(c->arena,
			                     "%s \"%s\".\"%s\" keeps its text, which names \"%s\": that has "
			                     "another name on the target",
			                     e->desc, e->schema, e->tag, m->unread));
		if (m->left_out)
			verdict[e->id] = ENTRY_DROP;
	}
	return true;
}

/*
 * Leaves out what needs something that stays behind, and in turn what needs that.  Tables are never
 * left out in silence: one that cannot be made is an error.
 */
static bool
judge_broken(Chooser *c, Error *err)
{
	EntryVerdict *verdict = c->out->verdict;
	bool changed = true;

	while (changed)
	{
		changed = false;
		for (int i = 0; i < c->archive->count; i++)
		{
			const ArchiveEntry *e = &c->archive->entries[i];
			const ArchiveEntry *missing = NULL;

			if (verdict[e->id] != ENTRY_KEEP || is_part(c, e))
				continue;
			for (int k = 0; k < e->depend_count && missing == NULL; k++)
			{
				const ArchiveEntry *d = depends_on(c, e, k);

				if (d != NULL && verdict[d->id] == ENTRY_DROP && c->attached_to[e->id] != d->id &&
				    d->section == ARCHIVE_SECTION_PRE_DATA && !is_part(c, d) &&
				    !copy_existing_has(c->existing, d))
					missing = d;
			}
			if (missing == NULL)
				continue;
			if (strcmp(e->desc, "TABLE") == 0)
			{
				error_set(err, ERR_CONFIG, "table \"%s\".\"%s\" cannot be made on the target",
				          e->schema, e->tag);
				error_detail(err, "It needs %s \"%s\".\"%s\", which the job does not select.",
				             missing->desc, missing->schema, missing->tag);
				error_hint(err, "Select that as well with dts_configure_job, or create it on the "
				                "target.");
				return false;
			}
			verdict[e->id] = ENTRY_DROP;
			changed = true;
			warn(c, arena_printf(c->arena,
			                     "%s \"%s\".\"%s\" is left out: it needs %s \"%s\".\"%s\", which "
			                     "the job does not select",
			                     e->desc, e->schema, e->tag, missing->desc, missing->schema,
			                     missing->tag));
		}
	}
	return true;
}

/* Parts that say what a table is rather than stand beside it: an existing table keeps its own. */
static bool
belongs_to_existing(const Chooser *c, const ArchiveEntry *e)
{
	static const char *const list[] = {
	    "DEFAULT", "TABLE ATTACH", "INDEX ATTACH",      "COMMENT",        "ROW SECURITY",
	    "ACL",     "SEQUENCE",     "SEQUENCE OWNED BY", "SECURITY LABEL", NULL};

	bool published = strncmp(e->desc, "PUBLICATION TABLE", 17) == 0;

	if (!published && !is_one_of(e->desc, list))
		return false;
	for (int i = 0; i < e->depend_count; i++)
	{
		const ArchiveEntry *d = depends_on(c, e, i);

		if (d != NULL && strcmp(d->desc, "SCHEMA") != 0 &&
		    (!published || strcmp(d->desc, "PUBLICATION") == 0) &&
		    c->out->verdict[d->id] == ENTRY_EXISTS)
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
		else if (copy_existing_has(c->existing, e))
		{
			if (fail && is_relation(e))
			{
				if (found++ > 0)
					strbuf_puts(&names, ", ");
				object_map_put(c->job->options.map, &names, e->schema, e->tag);
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

static bool
names_roles(const ArchiveEntry *e)
{
	static const char *const list[] = {"ACL", "DEFAULT ACL", "POLICY", "USER MAPPING", NULL};

	return is_one_of(e->desc, list);
}

/* Comments of what was left out for its roles. */
static void
drop_followers(Chooser *c, const bool *dropped)
{
	for (int i = 0; i < c->archive->count; i++)
	{
		const ArchiveEntry *e = &c->archive->entries[i];

		for (int k = 0; k < e->depend_count; k++)
		{
			const ArchiveEntry *d = depends_on(c, e, k);

			if (d != NULL && dropped[d->id] && c->out->verdict[e->id] == ENTRY_KEEP)
				c->out->verdict[e->id] = ENTRY_DROP;
		}
	}
}

static bool
refuse_missing(const char *const *names, int count, Error *err)
{
	StrBuf list;

	strbuf_init(&list);
	for (int i = 0; i < count; i++)
		strbuf_printf(&list, "%s\"%s\"", i > 0 ? ", " : "", names[i]);
	error_set(err, ERR_OBJECT_STATE, "roles are missing on the target");
	error_detail(err, "%.900s", list.data);
	error_hint(err, "Create them, or name others for them in the option \"missing_roles\".");
	strbuf_free(&list);
	return false;
}

/* Owners, privileges, policies and user mappings by the roles that the target has. */
static bool
judge_roles(Chooser *c, Error *err)
{
	bool *dropped = arena_zalloc(c->arena, sizeof(bool) * ((size_t) c->archive->max_id + 1));
	const char *const *names;
	int count;

	for (int i = 0; i < c->archive->count; i++)
	{
		const ArchiveEntry *e = &c->archive->entries[i];
		ArchiveChange *change = &c->out->changes[e->id];

		if (c->out->verdict[e->id] != ENTRY_KEEP)
			continue;
		if (e->owner[0] != '\0')
		{
			const char *owner = copy_roles_owner(c->roles, e->owner);

			if (owner == NULL || strcmp(owner, e->owner) != 0)
				change->owner = owner == NULL ? "" : owner;
		}
		if (names_roles(e))
			change->definition = copy_roles_rewrite(c->roles, e->definition);
		if (change->definition != NULL && change->definition[0] == '\0')
		{
			c->out->verdict[e->id] = ENTRY_DROP;
			dropped[e->id] = true;
		}
	}
	drop_followers(c, dropped);
	count = copy_roles_missing(c->roles, &names);
	if (count > 0 && c->job->options.missing_roles_fail)
		return refuse_missing(names, count, err);
	for (int i = 0; i < count; i++)
		warn(c, arena_printf(c->arena,
		                     "role \"%s\" is missing on the target: its objects belong to the "
		                     "target endpoint's user, its privileges, policies and user mappings "
		                     "are left out",
		                     names[i]));
	count = copy_roles_foreign(c->roles, &names);
	for (int i = 0; i < count; i++)
		warn(c,
		     arena_printf(c->arena,
		                  "the target endpoint's user is no member of role \"%s\" and cannot make "
		                  "it an owner: its objects belong to that user",
		                  names[i]));
	return true;
}

/* What no one needs stays behind. */
static void
drop_unneeded(Chooser *c)
{
	for (int i = 0; i < c->archive->count; i++)
	{
		int id = c->archive->entries[i].id;

		if (c->out->verdict[id] == ENTRY_MAYBE)
			c->out->verdict[id] = ENTRY_DROP;
	}
}

const char *
copy_selection_definition(const CopySelection *selection, const ArchiveEntry *e)
{
	const char *changed = selection->changes[e->id].definition;

	return changed != NULL ? changed : e->definition;
}

bool
copy_select(CopySelection *selection, const Archive *archive, const Job *job, PgSession *target,
            CopyRoles *roles, Arena *arena, Error *err)
{
	Chooser c = {.archive = archive, .job = job, .arena = arena, .out = selection, .roles = roles};
	size_t ids = (size_t) archive->max_id + 1;

	memset(selection, 0, sizeof(*selection));
	selection->verdict = arena_zalloc(arena, sizeof(EntryVerdict) * ids);
	selection->changes = arena_zalloc(arena, sizeof(ArchiveChange) * ids);
	selection->warnings = arena_zalloc(arena, sizeof(char *) * WARNINGS_MAX);
	c.existing = copy_existing_read(target, job->options.map, arena, err);
	if (c.existing == NULL)
		return false;
	find_partitions(&c);
	if (!copy_mapped_open(&selection->map, archive, job, c.attached_to, arena, err))
		return false;
	if (selection->map != NULL)
		c.mapped = copy_mapped_look(selection->map, archive, arena);
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];

		selection->verdict[e->id] = is_part(&c, e) ? ENTRY_MAYBE : judge_object(&c, e);
	}
	judge_partitions(&c);
	for (int i = 0; i < archive->count; i++)
	{
		const ArchiveEntry *e = &archive->entries[i];

		if (selection->verdict[e->id] == ENTRY_KEEP)
			pull(&c, e, 0);
	}
	judge_parts(&c, false);
	drop_unneeded(&c);
	if (!judge_mapped(&c, err))
		return false;
	/* again for the comments and privileges of what was pulled in, and without what is broken */
	if (!judge_broken(&c, err))
		return false;
	judge_parts(&c, true);
	return judge_existing(&c, err) && judge_roles(&c, err);
}
