/*
 * target_pg_relation.c
 *		The target's description of a table; see target_pg_relation.h.
 */
#include "target_pg_relation.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#define FIND_TABLE                                                                                 \
	"WITH found AS (SELECT c.oid, c.relname, c.relkind, n.nspname,"                                \
	" (n.nspname, c.relname) = ($1, $2) AS leaf"                                                   \
	" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"         \
	" WHERE (n.nspname = $1 AND c.relname = $2) OR (n.nspname = $3 AND c.relname = $4)"            \
	" ORDER BY 5 DESC LIMIT 1) "

const char target_relation_columns_sql[] = FIND_TABLE
    "SELECT c.nspname, c.relname, c.relkind, c.leaf, a.attname, a.atttypid, tn.nspname, t.typname,"
    " a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated <> '',"
    " a.attidentity = 'a',"
    " EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND "
    "i.indimmediate"
    "  AND a.attnum = ANY (i.indkey)),"
    " a.atttypid < 16384 AND EXISTS (SELECT FROM pg_catalog.pg_index i"
    "  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid"
    "  JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0]"
    "  WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL"
    "  AND i.indkey[0] = a.attnum AND o.opcdefault AND o.opcmethod = 403"
    "  AND i.indcollation[0] = a.attcollation),"
    " (SELECT pg_catalog.quote_ident(opn.nspname) || '.' || op.oprname"
    "  FROM pg_catalog.pg_opclass oc"
    "  JOIN pg_catalog.pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3"
    "   AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype"
    "  JOIN pg_catalog.pg_operator op ON op.oid = ao.amopopr"
    "  JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace"
    "  WHERE oc.opcmethod = 403 AND oc.opcdefault AND oc.opcintype ="
    "   CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END LIMIT 1),"
    /* the elements of an array of arrays are no arrays */
    " CASE WHEN t.typcategory = 'A' THEN 0 ELSE t.typarray END, t.typdelim,"
    " EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid"
    "  AND g.tgenabled IN ('R', 'A'))"
    " OR EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid"
    "  AND r.ev_enabled IN ('R', 'A')),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid"
    "  AND (i.indisunique OR i.indisexclusion)), pg_catalog.row_security_active(c.oid)"
    " FROM found c LEFT JOIN (pg_catalog.pg_attribute a"
    "  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    "  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace)"
    " ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

const char target_relation_uniques_sql[] =
    FIND_TABLE "SELECT i.indexrelid, a.attname,"
               " o.opcdefault AND o.opcmethod = 403 AND i.indcollation[k.n] = a.attcollation"
               " FROM found c JOIN pg_catalog.pg_index i ON i.indrelid = c.oid"
               " CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (n)"
               " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[k.n]"
               " JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[k.n]"
               " WHERE i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL"
               " AND i.indexprs IS NULL ORDER BY 1, k.n";

static bool
is_true(const PGresult *result, int row, int column)
{
	return PQgetvalue(result, row, column)[0] == 't';
}

static const char *
text(Arena *arena, const PGresult *result, int row, int column)
{
	return arena_strdup(arena, PQgetvalue(result, row, column));
}

void
target_relation_missing(const Relation *relation, Error *err)
{
	error_set(err, ERR_RELATION_MISMATCH, "table \"%s\".\"%s\" does not exist on the target",
	          relation_target_schema(relation), relation_target_name(relation));
	if (relation->target_schema != NULL || relation->target_name != NULL)
		error_detail(err, "It is \"%s\".\"%s\" on the source.", relation->schema, relation->name);
	error_hint(err, "Create it there like the source's, then resume the job.");
}

static bool
is_table(const PGresult *result, Error *err)
{
	char kind = PQgetvalue(result, 0, 2)[0];
	if (kind == 'r' || kind == 'p')
		return true;
	error_set(err, ERR_RELATION_MISMATCH, "\"%s\".\"%s\" on the target is not a table",
	          PQgetvalue(result, 0, 0), PQgetvalue(result, 0, 1));
	error_hint(err, "Rename it, and create a table like the source's.");
	return false;
}

TargetTable *
target_relation_read_columns(Arena *arena, const PGresult *result, Error *err)
{
	TargetTable *table;
	int count = PQntuples(result);

	if (!is_table(result, err))
		return NULL;
	table = arena_zalloc(arena, sizeof(*table));
	table->schema = text(arena, result, 0, 0);
	table->name = text(arena, result, 0, 1);
	table->partitioned = PQgetvalue(result, 0, 2)[0] == 'p';
	table->is_root = !is_true(result, 0, 3);
	table->triggers = is_true(result, 0, 17);
	table->exclusive_count = atoi(PQgetvalue(result, 0, 18));
	table->row_security = is_true(result, 0, 19);
	table->columns = arena_zalloc(arena, sizeof(TargetColumn) * (size_t) count);
	if (PQgetisnull(result, 0, 4))
		return table; /* a table without columns */
	table->column_count = count;
	for (int i = 0; i < count; i++)
	{
		TargetColumn *column = &table->columns[i];

		column->name = text(arena, result, i, 4);
		column->type_oid = (uint32_t) strtoul(PQgetvalue(result, i, 5), NULL, 10);
		column->type_schema = text(arena, result, i, 6);
		column->type_name = text(arena, result, i, 7);
		column->not_null = is_true(result, i, 8);
		column->has_default = is_true(result, i, 9);
		column->generated = is_true(result, i, 10);
		column->identity_always = is_true(result, i, 11);
		column->primary_key = is_true(result, i, 12);
		column->indexed = is_true(result, i, 13);
		column->equality = PQgetisnull(result, i, 14) ? "pg_catalog.=" : text(arena, result, i, 14);
		column->array_type = (uint32_t) strtoul(PQgetvalue(result, i, 15), NULL, 10);
		column->delimiter = PQgetvalue(result, i, 16)[0];
	}
	return table;
}

static int
column_by_name(const TargetTable *table, const char *name)
{
	for (int i = 0; i < table->column_count; i++)
	{
		if (strcmp(table->columns[i].name, name) == 0)
			return i;
	}
	return -1;
}

void
target_relation_read_uniques(Arena *arena, TargetTable *table, const PGresult *result)
{
	int rows = PQntuples(result);

	table->uniques = arena_zalloc(arena, sizeof(TargetUnique) * ((size_t) rows + 1));
	for (int i = 0; i < rows; i++)
	{
		TargetUnique *unique;

		if (i == 0 || strcmp(PQgetvalue(result, i, 0), PQgetvalue(result, i - 1, 0)) != 0)
		{
			unique = &table->uniques[table->unique_count++];
			unique->columns = arena_zalloc(arena, sizeof(int) * (size_t) (rows - i));
			unique->plain = true;
		}
		unique = &table->uniques[table->unique_count - 1];
		unique->columns[unique->count++] = column_by_name(table, PQgetvalue(result, i, 1));
		unique->plain &= is_true(result, i, 2);
	}
}
