/*
 * relation.c
 *		The cache of relations: descriptions, their numbers, and the plans that tuple.c follows.
 *
 * An invalidation only marks an entry.  At its next use the description is put together again by
 *the catalogs as the decoded transaction sees them, and gets a new number only if its bytes differ:
 *VACUUM, ANALYZE, new indexes or a change of statistics cost no message.
 *
 * The server's invalidation callbacks cannot be taken back and carry no pointer that could outlive
 *a session, so they find the cache through the one file-scope variable, which the session's memory
 *context clears.
 */
#include "relation.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "filter.h"
#include "heartbeat.h"
#include "shape.h"
#include "txn.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#define RECENT_SIZE 64

/* More entries without use since their invalidation than this are dropped: tables come and go. */
#define STALE_LIMIT   4096

#define REBUILD_TRIES 8

typedef struct RelationCache
{
	Decoder *decoder;
	HTAB *entries;
	uint32 last_number;
	long stale;
	RelationEntry *recent[RECENT_SIZE]; /* by the lowest bits of the OID */
	WireBuffer build;
	MemoryContextCallback on_reset;
} RelationCache;

static RelationCache *live_cache = NULL;

static void
forget_cache(void *arg)
{
	if (live_cache == arg)
		live_cache = NULL;
}

static void
mark_invalid(RelationCache *cache, RelationEntry *entry)
{
	if (!entry->valid)
		return;
	entry->valid = false;
	entry->stale = true;
	cache->stale++;
}

static void
mark_all(RelationCache *cache, bool (*wanted)(const RelationEntry *entry))
{
	HASH_SEQ_STATUS scan;
	RelationEntry *entry;

	hash_seq_init(&scan, cache->entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (!wanted || wanted(entry))
			mark_invalid(cache, entry);
	}
}

static bool
wanted_partitions(const RelationEntry *entry)
{
	return entry->is_partition;
}

static bool
wanted_typed(const RelationEntry *entry)
{
	return entry->names_types;
}

static void
on_relation_change(Datum arg, Oid relid)
{
	RelationEntry *entry;

	if (!live_cache)
		return;
	if (!OidIsValid(relid))
	{
		mark_all(live_cache, NULL);
		return;
	}
	entry = hash_search(live_cache->entries, &relid, HASH_FIND, NULL);
	if (!entry)
		return;
	mark_invalid(live_cache, entry);
	if (entry->has_children)
		mark_all(live_cache, wanted_partitions);
}

static void
on_namespace_change(Datum arg, int cacheid, uint32 hashvalue)
{
	if (live_cache)
		mark_all(live_cache, NULL);
}

static void
on_type_change(Datum arg, int cacheid, uint32 hashvalue)
{
	if (live_cache)
		mark_all(live_cache, wanted_typed);
}

static void
on_origin_change(Datum arg, int cacheid, uint32 hashvalue)
{
	if (live_cache)
		live_cache->decoder->origin_id = InvalidRepOriginId;
}

RelationCache *
relation_cache_create(Decoder *decoder)
{
	static bool registered = false;
	RelationCache *cache = MemoryContextAllocZero(decoder->context, sizeof(RelationCache));
	HASHCTL control;

	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(RelationEntry);
	control.hcxt = decoder->context;
	cache->decoder = decoder;
	cache->entries =
	    hash_create("dts_decoder relations", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	cache->build.grow = decoder->out.grow;
	wire_reserve(&cache->build, 1024);
	cache->on_reset.func = forget_cache;
	cache->on_reset.arg = cache;
	MemoryContextRegisterResetCallback(decoder->context, &cache->on_reset);
	live_cache = cache;
	if (!registered)
	{
		CacheRegisterRelcacheCallback(on_relation_change, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, on_namespace_change, (Datum) 0);
		CacheRegisterSyscacheCallback(TYPEOID, on_type_change, (Datum) 0);
		CacheRegisterSyscacheCallback(REPLORIGIDENT, on_origin_change, (Datum) 0);
		registered = true;
	}
	return cache;
}

void
relation_forget_all(Decoder *decoder)
{
	mark_all(decoder->relations, NULL);
}

static void
drop_stale(RelationCache *cache)
{
	HASH_SEQ_STATUS scan;
	RelationEntry *entry;

	memset(cache->recent, 0, sizeof(cache->recent));
	hash_seq_init(&scan, cache->entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->valid || entry->has_children)
			continue;
		if (entry->plan_context)
			MemoryContextDelete(entry->plan_context);
		if (entry->description)
			pfree(entry->description);
		hash_search(cache->entries, &entry->oid, HASH_REMOVE, NULL);
	}
	cache->stale = 0;
}

static RelationEntry *
enter(RelationCache *cache, Oid relid)
{
	bool found;
	RelationEntry *entry = hash_search(cache->entries, &relid, HASH_ENTER, &found);

	if (!found)
	{
		memset(entry, 0, sizeof(*entry));
		entry->oid = relid;
	}
	return entry;
}

/* OIDs below are fixed by hand for all versions; those that initdb deals out, and users' own, are
 * not. */
static bool
type_is_builtin(Form_pg_type type, Oid oid)
{
	return type->typnamespace == PG_CATALOG_NAMESPACE && oid < FirstGenbkiObjectId;
}

/*
 * Whether the binary form means the same on another server: reg* types carry OIDs, composite types
 * the OIDs of their columns' types; an empty tsquery is sent by all minor releases, but taken only by
 * current ones.
 */
static bool
type_is_portable(Oid oid)
{
	HeapTuple tuple;
	Form_pg_type type;
	bool portable;
	Oid element = InvalidOid;

	switch (oid)
	{
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGTYPEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
		case REGNAMESPACEOID:
		case REGROLEOID:
		case TSQUERYOID:
			return false;
		default:
			break;
	}
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", oid);
	type = (Form_pg_type) GETSTRUCT(tuple);
	portable = type_is_builtin(type, oid) && OidIsValid(type->typsend) &&
	           type->typtype != TYPTYPE_COMPOSITE && type->typtype != TYPTYPE_DOMAIN &&
	           type->typtype != TYPTYPE_ENUM && type->typtype != TYPTYPE_PSEUDO;
	if (type->typcategory == TYPCATEGORY_ARRAY)
		element = type->typelem;
	ReleaseSysCache(tuple);
	return portable && (!OidIsValid(element) || type_is_portable(element));
}

static ColumnOp
builtin_op(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case CHAROID:
		case UUIDOID:
		case MACADDROID:
		case MACADDR8OID:
			return OP_BYTES;
		case INT2OID:
			return OP_INT16;
		case INT4OID:
		case OIDOID:
		case XIDOID:
		case CIDOID:
		case FLOAT4OID:
		case DATEOID:
			return OP_INT32;
		case INT8OID:
		case FLOAT8OID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case CASHOID:
		case LSNOID:
		case XID8OID:
			return OP_INT64;
		case POINTOID:
		case LSEGOID:
		case BOXOID:
		case CIRCLEOID:
			return OP_INT64S;
		case TIMETZOID:
			return OP_TIMETZ;
		case INTERVALOID:
			return OP_INTERVAL;
		case TIDOID:
			return OP_TID;
		case NAMEOID:
			return OP_NAME;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case BYTEAOID:
		case JSONOID:
			return OP_VARLENA;
		default:
			return OP_SEND;
	}
}

static uint8
align_bytes(char align)
{
	switch (align)
	{
		case 's':
			return ALIGNOF_SHORT;
		case 'i':
			return ALIGNOF_INT;
		case 'd':
			return ALIGNOF_DOUBLE;
		default:
			return 1;
	}
}

/* Plans one column and appends its description. */
static void
describe_column(RelationEntry *entry, WireBuffer *build, Form_pg_attribute att, ColumnPlan *plan)
{
	uint8 flags = plan->key ? DTS_ATT_KEY : 0;
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(att->atttypid));
	Form_pg_type type;
	bool named;
	Oid function;
	bool varlena;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", att->atttypid);
	type = (Form_pg_type) GETSTRUCT(tuple);
	named = !type_is_builtin(type, att->atttypid);
	plan->op = type_is_portable(att->atttypid) ? builtin_op(att->atttypid) : OP_TEXT;
	if (plan->op == OP_SEND || plan->op == OP_TEXT)
	{
		if (plan->op == OP_SEND)
			getTypeBinaryOutputInfo(att->atttypid, &function, &varlena);
		else
			getTypeOutputInfo(att->atttypid, &function, &varlena);
		plan->function = MemoryContextAlloc(entry->plan_context, sizeof(FmgrInfo));
		fmgr_info_cxt(function, plan->function, entry->plan_context);
	}
	if (named)
		flags |= DTS_ATT_TYPE_NAMED;
	if (att->attnotnull)
		flags |= DTS_ATT_NOT_NULL;
	if (att->attidentity == ATTRIBUTE_IDENTITY_ALWAYS)
		flags |= DTS_ATT_IDENTITY_ALWAYS;
	wire_put_byte(build, flags);
	wire_put_str(build, NameStr(att->attname));
	wire_put_varint(build, att->atttypid);
	wire_put_varint(build, (uint32) (att->atttypmod + 1));
	if (plan->op < OP_NAME)
	{
		wire_put_byte(build, DTS_FMT_FIXED);
		wire_put_varint(build, plan->length);
	}
	else
		wire_put_byte(build, plan->op == OP_TEXT ? DTS_FMT_TEXT : DTS_FMT_BINARY);
	if (named)
	{
		char *schema = get_namespace_name(type->typnamespace);

		wire_put_str(build, schema ? schema : "");
		wire_put_str(build, NameStr(type->typname));
		entry->names_types = true;
	}
	ReleaseSysCache(tuple);
}

/*
 * Marks the key columns of the replica identity in the plan; returns whether updates and deletes of
 * the relation can be identified at all.  A key over a generated column, which is not on the wire,
 * cannot.
 */
static bool
mark_keys(RelationEntry *entry, Relation relation)
{
	Oid index_oid;
	Relation index;
	bool usable = true;

	if (entry->identity == REPLICA_IDENTITY_FULL)
		return true;
	if (entry->identity == REPLICA_IDENTITY_NOTHING)
		return false;
	index_oid = RelationGetReplicaIndex(relation);
	if (!OidIsValid(index_oid))
		return false;
	index = RelationIdGetRelation(index_oid);
	if (!RelationIsValid(index))
		return false;
	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
	{
		int number = index->rd_index->indkey.values[i];

		if (number <= 0 || entry->plan[number - 1].op == OP_SKIP)
			usable = false;
		else
			entry->plan[number - 1].key = true;
	}
	RelationClose(index);
	if (!usable)
	{
		for (int i = 0; i < entry->stored_columns; i++)
			entry->plan[i].key = false;
	}
	return usable;
}

static void
describe_head(RelationEntry *entry, Relation relation, WireBuffer *build, Oid subject,
              List *ancestors)
{
	uint8 flags = 0;
	Oid root = ancestors ? llast_oid(ancestors) : InvalidOid;

	if (OidIsValid(root))
		flags |= DTS_REL_HAS_ROOT;
	if (entry->no_identity)
		flags |= DTS_REL_NO_IDENTITY;
	if (OidIsValid(relation->rd_rel->relrewrite))
		flags |= DTS_REL_REWRITE;
	wire_put_varint(build, subject);
	wire_put_str(build, get_namespace_name(get_rel_namespace(subject)));
	wire_put_str(build, get_rel_name(subject));
	wire_put_byte(build, (uint8) relation->rd_rel->relkind);
	wire_put_byte(build, (uint8) entry->identity);
	wire_put_byte(build, flags);
	if (OidIsValid(root))
	{
		wire_put_varint(build, root);
		wire_put_str(build, get_namespace_name(get_rel_namespace(root)));
		wire_put_str(build, get_rel_name(root));
	}
	wire_put_varint(build, entry->columns);
}

void
relation_plan_column(ColumnPlan *plan, Form_pg_attribute att)
{
	plan->length = att->attlen;
	plan->byval = att->attbyval;
	plan->align = align_bytes(att->attalign);
	plan->op = att->attisdropped || att->attgenerated ? OP_SKIP : OP_TEXT;
}

/* more: columns to leave room for behind the relation's own. */
static void
build_plan(RelationEntry *entry, Relation relation, int more)
{
	TupleDesc desc = RelationGetDescr(relation);

	entry->stored_columns = desc->natts;
	entry->plan = MemoryContextAllocZero(entry->plan_context,
	                                     sizeof(ColumnPlan) * Max(desc->natts + more, 1));
	entry->columns = entry->keys = 0;
	for (int i = 0; i < desc->natts; i++)
	{
		ColumnPlan *plan = &entry->plan[i];

		relation_plan_column(plan, TupleDescAttr(desc, i));
		if (plan->op != OP_SKIP)
			entry->columns++;
	}
	entry->identity = relation->rd_rel->relreplident;
	entry->no_identity = !mark_keys(entry, relation);
	for (int i = 0; i < desc->natts; i++)
		entry->keys += entry->plan[i].key;
}

static void
remember_ancestors(RelationCache *cache, RelationEntry *entry, List *ancestors)
{
	ListCell *cell;

	entry->is_partition = ancestors != NIL;
	foreach (cell, ancestors)
		enter(cache, lfirst_oid(cell))->has_children = true;
}

static void
rebuild(Decoder *decoder, RelationEntry *entry, Relation relation)
{
	RelationCache *cache = decoder->relations;
	WireBuffer *build = &cache->build;
	Oid rewritten = relation->rd_rel->relrewrite;
	Oid subject = OidIsValid(rewritten) ? rewritten : RelationGetRelid(relation);
	List *ancestors = get_rel_relispartition(subject) ? get_partition_ancestors(subject) : NIL;
	const TableShape *shape;

	if (entry->plan_context)
		MemoryContextReset(entry->plan_context);
	remember_ancestors(cache, entry, ancestors);
	entry->names_types = false;
	entry->shape = NULL;
	entry->selected = filter_selects(&decoder->options, relation, subject, ancestors);
	entry->heartbeat = !entry->selected && heartbeat_is_table(relation);
	if (!entry->selected)
		return;
	if (!entry->plan_context)
		entry->plan_context =
		    AllocSetContextCreate(decoder->context, "dts_decoder relation", ALLOCSET_SMALL_SIZES);
	shape = shape_options_find(decoder->options.shapes, subject, ancestors);
	build_plan(entry, relation, shape ? shape_computed(shape) : 0);
	if (shape)
		entry->shape = shape_compile(decoder, entry, relation, shape);
	build->len = 0;
	describe_head(entry, relation, build, subject, ancestors);
	for (int i = 0; i < entry->stored_columns; i++)
	{
		if (entry->plan[i].op != OP_SKIP)
			describe_column(entry, build, shape_attribute(entry->shape, relation, i),
			                &entry->plan[i]);
	}
	if (entry->description && entry->description_length == build->len &&
	    memcmp(entry->description, build->data, build->len) == 0)
		return;
	if (entry->description)
		pfree(entry->description);
	entry->description = MemoryContextAlloc(decoder->context, build->len);
	memcpy(entry->description, build->data, build->len);
	entry->description_length = build->len;
	entry->described = false;
}

static RelationEntry *
find_slowly(Decoder *decoder, Relation relation)
{
	RelationCache *cache = decoder->relations;
	Oid relid = RelationGetRelid(relation);
	RelationEntry *entry;

	if (cache->stale > STALE_LIMIT)
		drop_stale(cache);
	entry = enter(cache, relid);
	if (entry->stale)
		cache->stale--;
	entry->stale = false;

	/* Catalog look-ups may take in invalidations, of this relation too; then the last try serves
	 * this once. */
	for (int try = 0; !entry->valid && try < REBUILD_TRIES; try++)
	{
		MemoryContext old = MemoryContextSwitchTo(decoder->scratch);

		entry->valid = true;
		PG_TRY();
		{
			rebuild(decoder, entry, relation);
		}
		PG_CATCH();
		{
			entry->valid = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
		MemoryContextSwitchTo(old);
		MemoryContextReset(decoder->scratch);
	}
	cache->recent[relid % RECENT_SIZE] = entry;
	return entry;
}

RelationEntry *
relation_find(Decoder *decoder, Relation relation)
{
	Oid relid = RelationGetRelid(relation);
	RelationEntry *entry = decoder->relations->recent[relid % RECENT_SIZE];

	if (likely(entry && entry->oid == relid && entry->valid))
		return entry;
	return find_slowly(decoder, relation);
}

void
relation_describe(Decoder *decoder, RelationEntry *entry)
{
	if (likely(entry->described))
		return;
	entry->number = ++decoder->relations->last_number;
	wire_put_byte(&decoder->out, DTS_REC_RELATION);
	wire_put_varint(&decoder->out, entry->number);
	wire_put_bytes(&decoder->out, entry->description, entry->description_length);
	entry->described = true;
	txn_close_record(decoder);
}
