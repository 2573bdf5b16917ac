/*
 * filter.c
 *		The table set: what the options select, and what is never emitted.
 */
#include "filter.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "heartbeat.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/* Tables of the product outside schema dts; they describe the stream and are no part of it. */
static const char *const own_tables[] = {"dts_ddl_command",  "dts_args_session", "dts_pg_class",
                                         "dts_pg_attribute", "dts_pg_type",      "dts_pg_enum",
                                         DTS_HEARTBEAT_TABLE};

/* Those of them whose rows are commands of the source, in the order of the data. */
static const char *const capture_queue[] = {"dts_ddl_command", "dts_args_session"};

/*
 * Whether the relation is part of the capture's queue, and nobody's imitation: rows in it may come
 * from event triggers alone, which only a superuser could have set up.
 */
static bool
is_capture_queue(Relation relation, const char *schema, const char *name)
{
	if (strcmp(schema, "public") != 0 || !superuser_arg(relation->rd_rel->relowner) ||
	    relation->rd_rel->relkind != RELKIND_RELATION ||
	    relation->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT ||
	    OidIsValid(relation->rd_rel->relrewrite))
		return false;
	for (int i = 0; i < lengthof(capture_queue); i++)
	{
		if (strcmp(name, capture_queue[i]) == 0)
			return true;
	}
	return false;
}

/* Whether the extension lists the table in its configuration, which pg_dump would dump too. */
static bool
is_extension_config(Oid extension, Oid relid)
{
	Relation catalog = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
	            ObjectIdGetDatum(extension));
	scan = systable_beginscan(catalog, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool null;
		Datum datum =
		    heap_getattr(tuple, Anum_pg_extension_extconfig, RelationGetDescr(catalog), &null);

		if (!null)
		{
			ArrayType *array = DatumGetArrayTypeP(datum);
			Oid *oids = (Oid *) ARR_DATA_PTR(array);
			int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

			for (int i = 0; i < count; i++)
				found = found || oids[i] == relid;
		}
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

static bool
never_emitted(Relation relation, Oid subject, const char *schema, const char *name)
{
	Form_pg_class class = relation->rd_rel;
	Oid extension;

	if (class->relkind != RELKIND_RELATION && class->relkind != RELKIND_PARTITIONED_TABLE)
		return true;
	/* The new heap of a materialized view looks like a table's. */
	if (subject != RelationGetRelid(relation) && get_rel_relkind(subject) != RELKIND_RELATION)
		return true;
	if (class->relpersistence != RELPERSISTENCE_PERMANENT)
		return true;
	if (subject < FirstNormalObjectId || IsCatalogRelation(relation))
		return true;
	if (strcmp(schema, "dts") == 0)
		return true;
	if (strcmp(schema, "public") == 0)
	{
		for (int i = 0; i < lengthof(own_tables); i++)
		{
			if (strcmp(name, own_tables[i]) == 0)
				return true;
		}
	}
	extension = getExtensionOfObject(RelationRelationId, subject);
	return OidIsValid(extension) && !is_extension_config(extension, subject);
}

static bool
names_match(List *names, const char *schema, const char *table)
{
	ListCell *cell;

	foreach (cell, names)
	{
		OptionName *name = lfirst(cell);

		if (strcmp(name->schema, schema) == 0 && (!name->table || strcmp(name->table, table) == 0))
			return true;
	}
	return false;
}

/* Looks at the relation and each ancestor in turn. */
static bool
listed(List *schemas, List *tables, List *oids, Oid subject, List *ancestors)
{
	List *family = lcons_oid(subject, list_copy(ancestors));
	ListCell *cell;

	foreach (cell, family)
	{
		Oid relid = lfirst_oid(cell);
		char *schema = get_namespace_name(get_rel_namespace(relid));
		char *name = get_rel_name(relid);

		if (!schema || !name)
			continue;
		if (list_member_oid(oids, relid) || names_match(schemas, schema, name) ||
		    names_match(tables, schema, name))
			return true;
	}
	return false;
}

bool
filter_selects(const DecoderOptions *options, Relation relation, Oid subject, List *ancestors)
{
	char *schema = get_namespace_name(get_rel_namespace(subject));
	char *name = get_rel_name(subject);

	if (!schema || !name)
		return false;
	if (options->ddl && is_capture_queue(relation, schema, name))
		return true;
	if (never_emitted(relation, subject, schema, name))
		return false;
	if (listed(options->exclude_schemas, options->exclude_tables, NIL, subject, ancestors))
		return false;
	if (options->schemas == NIL && options->tables == NIL && options->table_oids == NIL)
		return true;
	return listed(options->schemas, options->tables, options->table_oids, subject, ancestors);
}
