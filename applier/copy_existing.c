/*
 * copy_existing.c
 *		Names of what the target has already; see copy_existing.h.
 *
 * Every sort of object is one query whose names are spelled as pg_dump spells the tags of its
 * entries.  Operators are not among them: their tags do not tell them apart.
 */
#include "copy_existing.h"

#include <stdlib.h>
#include <string.h>

#include "object_map.h"

typedef enum NameSort
{
	SORT_SCHEMA,
	SORT_RELATION, /* tables, views, sequences, indexes, statistics */
	SORT_TYPE,
	SORT_PART, /* constraints, triggers, policies, rules: table and name */
	SORT_ROUTINE,
	SORT_NAMED, /* sort of pg_dump, schema, name */
	SORT_COUNT
} NameSort;

#define NOT_SYSTEM "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

static const char *const queries[SORT_COUNT] = {
    [SORT_SCHEMA] = "SELECT nspname FROM pg_catalog.pg_namespace",
    [SORT_RELATION] =
        "SELECT n.nspname || E'\\001' || c.relname FROM pg_catalog.pg_class c JOIN "
        "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE " NOT_SYSTEM
        " UNION ALL SELECT n.nspname || E'\\001' || s.stxname FROM pg_catalog.pg_statistic_ext s "
        "JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace",
    [SORT_TYPE] = "SELECT n.nspname || E'\\001' || t.typname FROM pg_catalog.pg_type t JOIN "
                  "pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE " NOT_SYSTEM,
    [SORT_PART] =
        "SELECT n.nspname || E'\\001' || c.relname || ' ' || p.name FROM pg_catalog.pg_class c "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN (SELECT conrelid AS rel, "
        "conname AS name FROM pg_catalog.pg_constraint UNION ALL SELECT tgrelid, tgname FROM "
        "pg_catalog.pg_trigger UNION ALL SELECT polrelid, polname FROM pg_catalog.pg_policy UNION "
        "ALL SELECT ev_class, rulename FROM pg_catalog.pg_rewrite) p ON p.rel = c.oid "
        "WHERE " NOT_SYSTEM,
    [SORT_ROUTINE] =
        "SELECT n.nspname || E'\\001' || p.proname || '(' || CASE WHEN p.prokind = 'a' AND "
        "p.pronargs = 0 THEN '*' ELSE pg_catalog.oidvectortypes(p.proargtypes) END || ')' FROM "
        "pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace "
        "WHERE " NOT_SYSTEM,
    [SORT_NAMED] =
        "SELECT x.sort || E'\\001' || coalesce(n.nspname, '') || E'\\001' || x.name FROM ("
        "SELECT 'PROCEDURAL LANGUAGE' AS sort, lanname AS name, 0::oid AS nsp FROM "
        "pg_catalog.pg_language UNION ALL SELECT 'ACCESS METHOD', amname, 0 FROM pg_catalog.pg_am "
        "UNION ALL SELECT 'FOREIGN DATA WRAPPER', fdwname, 0 FROM "
        "pg_catalog.pg_foreign_data_wrapper UNION ALL SELECT 'SERVER', srvname, 0 FROM "
        "pg_catalog.pg_foreign_server UNION ALL SELECT 'USER MAPPING', 'USER MAPPING ' || usename "
        "|| ' SERVER ' || srvname, 0 FROM pg_catalog.pg_user_mappings UNION ALL SELECT 'EVENT "
        "TRIGGER', evtname, 0 FROM pg_catalog.pg_event_trigger UNION ALL SELECT 'PUBLICATION', "
        "pubname, 0 FROM pg_catalog.pg_publication UNION ALL SELECT 'CAST', 'CAST (' || "
        "pg_catalog.format_type(castsource, NULL) || ' AS ' || pg_catalog.format_type(casttarget, "
        "NULL) || ')', 0 FROM pg_catalog.pg_cast WHERE oid >= 16384 UNION ALL SELECT 'COLLATION', "
        "collname, collnamespace FROM pg_catalog.pg_collation WHERE oid >= 16384 UNION ALL SELECT "
        "'CONVERSION', conname, connamespace FROM pg_catalog.pg_conversion WHERE oid >= 16384 "
        "UNION ALL SELECT 'OPERATOR CLASS', opcname, opcnamespace FROM pg_catalog.pg_opclass WHERE "
        "oid >= 16384 UNION ALL SELECT 'OPERATOR FAMILY', opfname, opfnamespace FROM "
        "pg_catalog.pg_opfamily WHERE oid >= 16384 UNION ALL SELECT 'TEXT SEARCH CONFIGURATION', "
        "cfgname, cfgnamespace FROM pg_catalog.pg_ts_config WHERE oid >= 16384 UNION ALL SELECT "
        "'TEXT SEARCH DICTIONARY', dictname, dictnamespace FROM pg_catalog.pg_ts_dict WHERE oid >= "
        "16384 UNION ALL SELECT 'TEXT SEARCH PARSER', prsname, prsnamespace FROM "
        "pg_catalog.pg_ts_parser WHERE oid >= 16384 UNION ALL SELECT 'TEXT SEARCH TEMPLATE', "
        "tmplname, tmplnamespace FROM pg_catalog.pg_ts_template WHERE oid >= 16384) x LEFT JOIN "
        "pg_catalog.pg_namespace n ON n.oid = x.nsp",
};

/* Sorts of entries and where they are looked up; others are in SORT_NAMED or are parts. */
static const struct
{
	const char *desc;
	NameSort sort;
} sorts[] = {
    {"SCHEMA", SORT_SCHEMA},
    {"TABLE", SORT_RELATION},
    {"VIEW", SORT_RELATION},
    {"MATERIALIZED VIEW", SORT_RELATION},
    {"FOREIGN TABLE", SORT_RELATION},
    {"SEQUENCE", SORT_RELATION},
    {"INDEX", SORT_RELATION},
    {"STATISTICS", SORT_RELATION},
    {"TYPE", SORT_TYPE},
    {"SHELL TYPE", SORT_TYPE},
    {"DOMAIN", SORT_TYPE},
    {"FUNCTION", SORT_ROUTINE},
    {"PROCEDURE", SORT_ROUTINE},
    {"AGGREGATE", SORT_ROUTINE},
    {"CONSTRAINT", SORT_PART},
    {"FK CONSTRAINT", SORT_PART},
    {"CHECK CONSTRAINT", SORT_PART},
    {"TRIGGER", SORT_PART},
    {"POLICY", SORT_PART},
    {"RULE", SORT_PART},
    {"PROCEDURAL LANGUAGE", SORT_NAMED},
    {"ACCESS METHOD", SORT_NAMED},
    {"FOREIGN DATA WRAPPER", SORT_NAMED},
    {"SERVER", SORT_NAMED},
    {"USER MAPPING", SORT_NAMED},
    {"EVENT TRIGGER", SORT_NAMED},
    {"PUBLICATION", SORT_NAMED},
    {"CAST", SORT_NAMED},
    {"COLLATION", SORT_NAMED},
    {"CONVERSION", SORT_NAMED},
    {"OPERATOR CLASS", SORT_NAMED},
    {"OPERATOR FAMILY", SORT_NAMED},
    {"TEXT SEARCH CONFIGURATION", SORT_NAMED},
    {"TEXT SEARCH DICTIONARY", SORT_NAMED},
    {"TEXT SEARCH PARSER", SORT_NAMED},
    {"TEXT SEARCH TEMPLATE", SORT_NAMED},
};

struct CopyExisting
{
	Arena *arena;
	const ObjectMap *map;
	char **names[SORT_COUNT]; /* sorted */
	int counts[SORT_COUNT];
};

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

CopyExisting *
copy_existing_read(PgSession *target, const ObjectMap *map, Arena *arena, Error *err)
{
	CopyExisting *existing = arena_zalloc(arena, sizeof(CopyExisting));

	existing->arena = arena;
	existing->map = map;
	for (int sort = 0; sort < SORT_COUNT; sort++)
	{
		PgRows *rows = pg_session_query(target, err, queries[sort], 0, NULL);
		int count;

		if (rows == NULL)
		{
			error_context(err, "reading the target's catalogs");
			return NULL;
		}
		count = pg_rows_count(rows);
		existing->counts[sort] = count;
		existing->names[sort] = arena_alloc(arena, sizeof(char *) * ((size_t) count + 1));
		for (int i = 0; i < count; i++)
			existing->names[sort][i] = arena_strdup(arena, pg_rows_get(rows, i, 0));
		qsort(existing->names[sort], (size_t) count, sizeof(char *), compare_names);
		pg_rows_free(rows);
	}
	return existing;
}

/*
 * The entry's tag with the table's name on the target: that of a part is table and name, separated
 * by a blank that either may hold, so that whatever the options rename is taken for the table.
 */
static const char *
mapped_tag(const CopyExisting *existing, const ArchiveEntry *e, NameSort sort)
{
	ObjectTable table;

	if (sort == SORT_RELATION || sort == SORT_TYPE)
	{
		object_map_table(existing->map, e->schema, e->tag, &table);
		return table.target_name;
	}
	for (const char *at = strchr(e->tag, ' '); sort == SORT_PART && at != NULL;
	     at = strchr(at + 1, ' '))
	{
		const char *name = arena_strndup(existing->arena, e->tag, (size_t) (at - e->tag));

		object_map_table(existing->map, e->schema, name, &table);
		if (strcmp(table.target_name, name) != 0)
			return arena_printf(existing->arena, "%s%s", table.target_name, at);
	}
	return e->tag;
}

bool
copy_existing_has(const CopyExisting *existing, const ArchiveEntry *e)
{
	for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++)
	{
		NameSort sort = sorts[i].sort;
		const char *schema = object_map_schema(existing->map, e->schema);
		const char *name;

		if (strcmp(e->desc, sorts[i].desc) != 0)
			continue;
		/* every database has schema public; the archive only says how it differs */
		if (sort == SORT_SCHEMA)
			name = strcmp(e->tag, "public") == 0 ? NULL : object_map_schema(existing->map, e->tag);
		else if (sort == SORT_NAMED)
			name = arena_printf(existing->arena, "%s\001%s\001%s", e->desc, schema, e->tag);
		else
			name = arena_printf(existing->arena, "%s\001%s", schema, mapped_tag(existing, e, sort));
		return name != NULL && existing->counts[sort] > 0 &&
		       bsearch(&name, existing->names[sort], (size_t) existing->counts[sort],
		               sizeof(char *), compare_names) != NULL;
	}
	return false;
}
