/*
 * copy_catalog.h
 *		Which tables of the source a load copies, and how: read from its catalogs in one query.
 */
#ifndef DTS_COPY_CATALOG_H
#define DTS_COPY_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "job.h"
#include "object_map.h"
#include "pg_session.h"

/* A table that holds rows of its own. */
typedef struct CatalogTable
{
	uint32_t oid;
	const char *schema;
	const char *name;
	const char *columns;   /* "a", "b": quoted, stored ones only, or expressions; "" when none */
	const char *where;     /* the options' row filter, or "" */
	bool shaped;           /* has a filter or expressions of the options' */
	const char *condition; /* of an extension's configuration table: WHERE ..., or "" */
	bool config;           /* an extension's: its script may have put rows there */
	const char *target_schema;
	const char *target_name;
	const char *target_columns; /* in the order of columns */
	const char *types; /* names (on the target) and types of the columns, to be compared with it */
	bool binary;       /* every column travels binary between servers */
	int64_t rows;      /* estimated, 0 when unknown */
	int64_t bytes;     /* with what is stored out of line */
	int64_t expected;  /* bytes of its rows as they travel, by its statistics */
	int64_t pages;
	const char *root_schema; /* the topmost partitioned table above it, or itself */
	const char *root_name;
	ObjectTable said;     /* by the options, for it or for the partitioned table above it */
	bool late_statistics; /* has extended statistics, which follow the data */
} CatalogTable;

typedef struct Catalog
{
	CatalogTable *tables;
	int count;
} Catalog;

/* How much of a schema the job's options select. */
typedef enum SchemaSelection
{
	SCHEMA_NONE,
	SCHEMA_PARTLY,
	SCHEMA_WHOLE,
} SchemaSelection;

SchemaSelection copy_schema_selection(const Job *job, const char *schema);

/* What is ours on any server and never copied: schema dts, and public.dts_* */
bool copy_is_own(const char *schema, const char *name);

/*
 * Reads the tables that the job selects, as the session's snapshot shows them.  Excluded are
 * temporary, unlogged and foreign tables, members of extensions unless they are configuration.
 */
bool copy_catalog_read(Catalog *catalog, PgSession *source, const Job *job, Arena *arena,
                       Error *err) must_check;

/* SQL: what CatalogTable.types holds, over pg_attribute a of one table. */
#define CATALOG_TYPES                                                                              \
	"string_agg(a.attname || ' ' || a.atttypid, ',' ORDER BY a.attname COLLATE \"C\")"

/* The source's encoding, e.g. "UTF8". */
bool copy_catalog_encoding(PgSession *source, char *encoding, size_t size, Error *err) must_check;

/* Opens a session on the source that speaks the source's own encoding, and names it. */
PgSession *copy_source_open(const Job *job, char *encoding, size_t size, Error *err) must_check;

/* BEGIN on the snapshot.  *lost: the snapshot no longer exists. */
bool
copy_snapshot_begin(PgSession *source, const char *snapshot, bool *lost, Error *err) must_check;

#endif /* DTS_COPY_CATALOG_H */
