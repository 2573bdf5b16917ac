/*
 * source_needs.c
 *		What a selection needs; see source_needs.h.
 *
 * One query walks from the selected objects along what they depend on.  pg_depend hangs defaults,
 * constraints, rules, triggers, policies and indexes on their table, so the walk first goes from a
 * table to those.  It ends at built-in objects and at extensions, whose members come with them.
 * Relations outside of the selection stay behind; whatever cannot be made without them is found by
 * walking the same edges back.  Foreign keys are no needs: they are left out singly.
 */
#include "source_needs.h"

#include <stdlib.h>
#include <string.h>

#include "strbuf.h"

#define NAMES_PER_PATTERN 100

/* Objects, exclude: $1, $2.  16384: the first OID of an object that the server did not bring. */
#define SELECTED_RELATIONS                                                                         \
	"o AS (SELECT nullif($1, '')::jsonb AS objects, nullif($2, '')::jsonb AS exclude), "           \
	"schemas AS MATERIALIZED (SELECT n.oid, n.nspname, (o.objects IS NULL OR EXISTS (SELECT FROM " \
	" jsonb_array_elements(o.objects) x WHERE x->>'schema' = n.nspname AND NOT x ? 'tables')) "    \
	" AND NOT EXISTS (SELECT FROM jsonb_array_elements(o.exclude) x WHERE x->>'schema' = "         \
	" n.nspname AND NOT x ? 'tables') AS whole FROM pg_namespace n, o WHERE n.nspname <> 'dts' "   \
	" AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'), "                            \
	"relations AS MATERIALIZED (SELECT c.oid, c.relname, c.relkind, c.relispartition, n.nspname, " \
	" c.relnamespace, "                                                                            \
	" o.objects IS NULL OR EXISTS (SELECT FROM jsonb_array_elements(o.objects) x WHERE "           \
	"  x->>'schema' = n.nspname AND (NOT x ? 'tables' OR x->'tables' ? c.relname)) AS named, "     \
	" EXISTS (SELECT FROM jsonb_array_elements(o.exclude) x WHERE x->>'schema' = n.nspname AND "   \
	"  (NOT x ? 'tables' OR x->'tables' ? c.relname)) AS excluded "                                \
	" FROM pg_class c JOIN schemas n ON n.oid = c.relnamespace, o WHERE c.relkind IN "             \
	" ('r', 'p', 'v', 'm', 'f', 'S') AND NOT (n.nspname = 'public' AND c.relname LIKE "            \
	" 'dts\\_%')), "                                                                               \
	"selected AS MATERIALIZED (SELECT r.oid FROM relations r WHERE CASE WHEN r.relispartition "    \
	" THEN (SELECT bool_or(p.named) AND NOT bool_or(p.excluded) FROM "                             \
	"pg_partition_ancestors(r.oid) "                                                               \
	" a JOIN relations p ON p.oid = a.relid) ELSE r.named AND NOT r.excluded END) "

static const char needs_sql[] =
    "WITH RECURSIVE " SELECTED_RELATIONS
    ", roots(classid, objid) AS MATERIALIZED (SELECT 'pg_class'::regclass::oid, oid FROM selected "
    " UNION ALL SELECT 'pg_proc'::regclass, p.oid FROM pg_proc p JOIN schemas s ON s.oid = "
    " p.pronamespace WHERE s.whole UNION ALL SELECT 'pg_type'::regclass, t.oid FROM pg_type t JOIN "
    " schemas s ON s.oid = t.typnamespace WHERE s.whole AND (t.typrelid = 0 OR EXISTS (SELECT FROM "
    " pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')) UNION ALL SELECT "
    " 'pg_operator'::regclass, p.oid FROM pg_operator p JOIN schemas s ON s.oid = p.oprnamespace "
    " WHERE s.whole UNION ALL SELECT 'pg_opclass'::regclass, p.oid FROM pg_opclass p JOIN schemas "
    "s "
    " ON s.oid = p.opcnamespace WHERE s.whole UNION ALL SELECT 'pg_opfamily'::regclass, p.oid FROM "
    " pg_opfamily p JOIN schemas s ON s.oid = p.opfnamespace WHERE s.whole UNION ALL SELECT "
    " 'pg_ts_config'::regclass, p.oid FROM pg_ts_config p JOIN schemas s ON s.oid = p.cfgnamespace "
    " WHERE s.whole UNION ALL SELECT 'pg_ts_dict'::regclass, p.oid FROM pg_ts_dict p JOIN schemas "
    "s "
    " ON s.oid = p.dictnamespace WHERE s.whole UNION ALL SELECT 'pg_conversion'::regclass, p.oid "
    " FROM pg_conversion p JOIN schemas s ON s.oid = p.connamespace WHERE s.whole UNION ALL SELECT "
    " 'pg_collation'::regclass, p.oid FROM pg_collation p JOIN schemas s ON s.oid = "
    "p.collnamespace "
    " WHERE s.whole), "
    /* hard: without its target the source of the edge cannot be made */
    "members AS MATERIALIZED (SELECT classid, objid, refobjid FROM pg_depend WHERE deptype = 'e' "
    " AND refclassid = 'pg_extension'::regclass), "
    "edges(fc, fo, tc, t, hard) AS MATERIALIZED ("
    " SELECT d.classid, d.objid, d.refclassid, d.refobjid, true FROM pg_depend d LEFT JOIN "
    "pg_class "
    "  c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid LEFT JOIN pg_constraint k ON "
    "  d.classid = 'pg_constraint'::regclass AND k.oid = d.objid WHERE d.refobjid >= 16384 AND "
    "  d.refclassid <> 'pg_namespace'::regclass AND d.deptype IN ('n', 'a', 'i') AND NOT "
    "(c.relkind "
    "  = 'S' AND d.deptype IN ('a', 'i')) AND NOT (coalesce(c.relispartition, false) AND "
    "  d.refclassid = 'pg_class'::regclass) AND coalesce(k.contype, 'c') <> 'f' AND NOT EXISTS "
    "  (SELECT FROM members m WHERE m.classid = d.classid AND m.objid = d.objid) "
    " UNION ALL SELECT classid, objid, 'pg_extension'::regclass, refobjid, true FROM members "
    " UNION ALL SELECT 'pg_class'::regclass, adrelid, 'pg_attrdef'::regclass, oid, true FROM "
    "  pg_attrdef UNION ALL SELECT 'pg_class'::regclass, conrelid, 'pg_constraint'::regclass, oid, "
    "  contype = 'c' FROM pg_constraint WHERE conrelid <> 0 AND contype <> 'f' UNION ALL SELECT "
    "  'pg_type'::regclass, contypid, 'pg_constraint'::regclass, oid, true FROM pg_constraint "
    "WHERE "
    "  contypid <> 0 UNION ALL SELECT 'pg_class'::regclass, tgrelid, 'pg_trigger'::regclass, oid, "
    "  false FROM pg_trigger WHERE NOT tgisinternal UNION ALL SELECT 'pg_class'::regclass, "
    "  ev_class, 'pg_rewrite'::regclass, oid, rulename = '_RETURN' FROM pg_rewrite WHERE ev_class "
    "  >= 16384 UNION ALL SELECT 'pg_class'::regclass, polrelid, 'pg_policy'::regclass, oid, false "
    "  FROM pg_policy UNION ALL SELECT 'pg_class'::regclass, indrelid, 'pg_class'::regclass, "
    "  indexrelid, false FROM pg_index WHERE indrelid >= 16384 UNION ALL SELECT "
    "  'pg_class'::regclass, stxrelid, 'pg_statistic_ext'::regclass, oid, false FROM "
    "  pg_statistic_ext UNION ALL SELECT d.refclassid, d.refobjid, d.classid, d.objid, true FROM "
    "  pg_depend d WHERE d.classid IN ('pg_amop'::regclass, 'pg_amproc'::regclass) AND "
    "d.refclassid "
    "  IN ('pg_opclass'::regclass, 'pg_opfamily'::regclass) AND d.refobjid >= 16384 UNION ALL "
    "  SELECT d.refclassid, d.refobjid, d.classid, d.objid, false FROM pg_depend d WHERE d.classid "
    "  IN ('pg_cast'::regclass, 'pg_transform'::regclass) AND d.refclassid = 'pg_type'::regclass "
    "  AND d.refobjid >= 16384), "
    "walk(classid, objid) AS (SELECT classid, objid FROM roots UNION SELECT e.tc, e.t FROM walk w "
    " JOIN edges e ON e.fc = w.classid AND e.fo = w.objid WHERE NOT (w.classid = "
    " 'pg_class'::regclass AND EXISTS (SELECT FROM relations r WHERE r.oid = w.objid AND r.relkind "
    " <> 'S' AND NOT EXISTS (SELECT FROM selected s WHERE s.oid = r.oid)))), "
    "reached AS MATERIALIZED (SELECT classid, objid FROM walk), "
    "behind AS MATERIALIZED (SELECT w.classid, w.objid FROM reached w JOIN relations r ON "
    "w.classid "
    " = 'pg_class'::regclass AND r.oid = w.objid WHERE r.relkind <> 'S' AND NOT EXISTS (SELECT "
    "FROM "
    " selected s WHERE s.oid = r.oid) AND NOT EXISTS (SELECT FROM members m WHERE m.classid = "
    " w.classid AND m.objid = w.objid)), "
    "broken(classid, objid) AS (SELECT classid, objid FROM behind UNION SELECT e.fc, e.fo FROM "
    " broken b JOIN edges e ON e.tc = b.classid AND e.t = b.objid JOIN reached r ON r.classid = "
    "e.fc "
    " AND r.objid = e.fo WHERE e.hard), "
    "listed AS (SELECT w.classid, w.objid, w.classid NOT IN ('pg_trigger'::regclass, "
    " 'pg_policy'::regclass, 'pg_statistic_ext'::regclass, 'pg_cast'::regclass, "
    " 'pg_transform'::regclass) AND NOT EXISTS (SELECT FROM roots x WHERE x.classid = "
    " w.classid AND x.objid = w.objid) AS outside, EXISTS (SELECT FROM broken b WHERE b.classid = "
    " w.classid AND b.objid = w.objid) AS broken FROM reached w LEFT JOIN pg_class c ON w.classid "
    "= "
    " 'pg_class'::regclass AND c.oid = w.objid LEFT JOIN pg_type t ON w.classid = "
    " 'pg_type'::regclass AND t.oid = w.objid WHERE w.classid NOT IN ('pg_attrdef'::regclass, "
    " 'pg_constraint'::regclass, 'pg_rewrite'::regclass, 'pg_amop'::regclass, "
    " 'pg_amproc'::regclass) AND coalesce(c.relkind, 'r') NOT IN ('i', 'I', 't', 'c') AND NOT "
    " (t.oid IS NOT NULL AND t.typelem <> 0 AND t.typlen = -1 AND t.typcategory = 'A') AND NOT "
    " (t.typrelid <> 0 AND EXISTS (SELECT FROM pg_class k WHERE k.oid = t.typrelid AND k.relkind "
    "<> "
    " 'c')) AND NOT EXISTS (SELECT FROM members m WHERE m.classid = w.classid AND m.objid = "
    " w.objid)) "
    "SELECT i.type, coalesce(i.schema, n.nspname, (SELECT xn.nspname FROM pg_extension x JOIN "
    " pg_namespace xn ON xn.oid = x.extnamespace WHERE l.classid = 'pg_extension'::regclass AND "
    " x.oid = l.objid), ''), coalesce(r.relname, i.name, ''), "
    "i.identity, "
    " coalesce((SELECT pg_describe_object(e.tc, e.t, 0) FROM edges e JOIN broken b ON b.classid = "
    "  e.tc AND b.objid = e.t WHERE l.broken AND NOT l.outside AND e.fc = l.classid AND e.fo = "
    "  l.objid LIMIT 1), (SELECT pg_describe_object(e.fc, e.fo, 0) FROM edges e JOIN reached w ON "
    "  w.classid = e.fc AND w.objid = e.fo WHERE l.outside AND e.tc = l.classid AND e.t = l.objid "
    "  LIMIT 1), ''), l.outside, coalesce(r.relkind, 'S') <> 'S', l.broken "
    "FROM listed l CROSS JOIN LATERAL pg_identify_object(l.classid, l.objid, 0) i "
    "LEFT JOIN relations r ON l.classid = 'pg_class'::regclass AND r.oid = l.objid LEFT JOIN "
    " pg_namespace n ON n.oid = r.relnamespace "
    "WHERE l.outside OR l.broken ORDER BY 1, 4";

bool
source_needs_matter(const Job *job)
{
	return job->options.object_count > 0 || job->options.exclude_count > 0;
}

static PgRows *
ask(PgSession *source, const Job *job, const char *sql, Error *err)
{
	const JobOptions *o = &job->options;
	char *objects = job_objects_json(o->objects, o->object_count);
	char *exclude = job_objects_json(o->exclude, o->exclude_count);
	const char *params[] = {o->object_count > 0 ? objects : "",
	                        o->exclude_count > 0 ? exclude : ""};
	PgRows *rows = pg_session_query(source, err, sql, 2, params);

	free(objects);
	free(exclude);
	if (rows == NULL)
		error_context(err, "reading what the selected objects need");
	return rows;
}

bool
source_needs_read(SourceNeeds *needs, PgSession *source, const Job *job, Arena *arena, Error *err)
{
	PgRows *rows;

	memset(needs, 0, sizeof(*needs));
	if (!source_needs_matter(job))
		return true;
	rows = ask(source, job, needs_sql, err);
	if (rows == NULL)
		return false;
	needs->count = pg_rows_count(rows);
	needs->needs = arena_zalloc(arena, sizeof(SourceNeed) * ((size_t) needs->count + 1));
	for (int i = 0; i < needs->count; i++)
		needs->needs[i] = (SourceNeed){.kind = arena_strdup(arena, pg_rows_get(rows, i, 0)),
		                               .schema = arena_strdup(arena, pg_rows_get(rows, i, 1)),
		                               .name = arena_strdup(arena, pg_rows_get(rows, i, 2)),
		                               .identity = arena_strdup(arena, pg_rows_get(rows, i, 3)),
		                               .because = arena_strdup(arena, pg_rows_get(rows, i, 4)),
		                               .outside = pg_rows_bool(rows, i, 5),
		                               .relation = pg_rows_bool(rows, i, 6),
		                               .broken = pg_rows_bool(rows, i, 7)};
	pg_rows_free(rows);
	return true;
}

/*
 * Relations of the source: schema, name, whether it is selected or a selected one's foreign key refers
 * to it (the archive must know it, so that the key is seen to be left out); and schemas without any
 * relation: name NULL.
 */
static const char relations_sql[] =
    "WITH " SELECTED_RELATIONS "SELECT s.nspname, r.relname, EXISTS (SELECT FROM selected x WHERE "
    "x.oid = r.oid) OR EXISTS (SELECT "
    " FROM pg_constraint k JOIN selected x ON x.oid = k.conrelid WHERE k.contype = 'f' AND "
    " k.confrelid = r.oid), s.whole "
    "FROM schemas s LEFT JOIN relations r ON r.relnamespace = s.oid AND r.relkind <> 'S' "
    "ORDER BY 1, 2";

static bool
is_needed(const SourceNeeds *needs, const char *schema, const char *name)
{
	for (int i = 0; i < needs->count; i++)
	{
		const SourceNeed *need = &needs->needs[i];

		if (strcmp(need->schema, schema) == 0 &&
		    (name == NULL || (need->relation && strcmp(need->name, name) == 0)))
			return true;
	}
	return false;
}

/* Patterns being gathered: "schema".("a"|"b"), a hundred names each. */
typedef struct Patterns
{
	Arena *arena;
	char **list;
	int count;
	int room;
	StrBuf open;
	int names;
} Patterns;

static void
patterns_close(Patterns *p)
{
	if (p->names == 0)
		return;
	if (p->count == p->room)
	{
		int room = p->room == 0 ? 64 : p->room * 2;
		char **more = arena_alloc(p->arena, sizeof(char *) * (size_t) room);

		if (p->count > 0)
			memcpy(more, p->list, sizeof(char *) * (size_t) p->count);
		p->list = more;
		p->room = room;
	}
	strbuf_putc(&p->open, ')');
	p->list[p->count++] = arena_strdup(p->arena, p->open.data);
	strbuf_reset(&p->open);
	p->names = 0;
}

static void
patterns_add(Patterns *p, const char *schema, const char *name)
{
	if (p->names == NAMES_PER_PATTERN)
		patterns_close(p);
	if (p->names++ > 0)
		strbuf_putc(&p->open, '|');
	else
	{
		if (schema != NULL)
		{
			strbuf_ident(&p->open, schema);
			strbuf_putc(&p->open, '.');
		}
		strbuf_putc(&p->open, '(');
	}
	strbuf_ident(&p->open, name);
}

/* Schemas come in order, with their relations together. */
static void
gather(const SourceNeeds *needs, const PgRows *rows, Patterns *schemas, Patterns *tables)
{
	int count = pg_rows_count(rows);

	for (int from = 0, to; from < count; from = to)
	{
		const char *schema = pg_rows_get(rows, from, 0);
		bool wanted = pg_rows_bool(rows, from, 3) || is_needed(needs, schema, NULL);

		for (to = from; to < count && strcmp(pg_rows_get(rows, to, 0), schema) == 0; to++)
			wanted = wanted || pg_rows_bool(rows, to, 2);
		if (!wanted)
		{
			patterns_add(schemas, NULL, schema);
			continue;
		}
		for (int i = from; i < to; i++)
		{
			const char *name = pg_rows_get(rows, i, 1);

			if (name != NULL && !pg_rows_bool(rows, i, 2) && !is_needed(needs, schema, name))
				patterns_add(tables, schema, name);
		}
		patterns_close(tables);
	}
	patterns_close(schemas);
}

bool
source_needs_excludes(const SourceNeeds *needs, PgSession *source, const Job *job, Arena *arena,
                      char ***schemas, int *schema_count, char ***tables, int *table_count,
                      Error *err)
{
	Patterns s = {.arena = arena};
	Patterns t = {.arena = arena};
	PgRows *rows = NULL;

	if (source_needs_matter(job))
	{
		rows = ask(source, job, relations_sql, err);
		if (rows == NULL)
			return false;
		strbuf_init(&s.open);
		strbuf_init(&t.open);
		gather(needs, rows, &s, &t);
		strbuf_free(&s.open);
		strbuf_free(&t.open);
		pg_rows_free(rows);
	}
	*schemas = s.list;
	*schema_count = s.count;
	*tables = t.list;
	*table_count = t.count;
	return true;
}
