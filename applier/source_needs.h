/*
 * source_needs.h
 *		What a selection of objects needs that it does not hold: read from the source's pg_depend.
 */
#ifndef DTS_SOURCE_NEEDS_H
#define DTS_SOURCE_NEEDS_H

#include <stdbool.h>

#include "arena.h"
#include "error.h"
#include "job.h"
#include "pg_session.h"

typedef struct SourceNeed
{
	const char *kind;     /* table, view, function, type, extension, ... */
	const char *schema;   /* "" when it has none */
	const char *name;     /* "" when it has no name that is unique in its schema */
	const char *identity; /* as SQL writes it */
	const char *because;  /* identity of what it needs, or of what needs it */
	bool outside;         /* not among the selected objects */
	bool relation;        /* table, view, materialized view, foreign table */
	bool broken;          /* cannot be made: it is, or needs, a relation that stays behind */
} SourceNeed;

typedef struct SourceNeeds
{
	SourceNeed *needs;
	int count;
} SourceNeeds;

/* Whether the job leaves anything out; when not, nothing can be missing. */
bool source_needs_matter(const Job *job);

/*
 * Reads what selected objects need outside of the selection, and which of them cannot be made.  An
 * empty list for a job that takes the whole database.  Lives in the arena.
 */
bool source_needs_read(SourceNeeds *needs, PgSession *source, const Job *job, Arena *arena,
                       Error *err) must_check;

/*
 * What pg_dump may pass over: schemas that neither the selection nor its needs touch, and relations
 * of other schemas likewise, as patterns for --exclude-schema and --exclude-table.
 */
bool source_needs_excludes(const SourceNeeds *needs, PgSession *source, const Job *job,
                           Arena *arena, char ***schemas, int *schema_count, char ***tables,
                           int *table_count, Error *err) must_check;

#endif /* DTS_SOURCE_NEEDS_H */
