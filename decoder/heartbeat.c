/*
 * heartbeat.c
 *		Rows of public.dts_postgres_heartbeat: each slot sees its own, as a message whose content is
 *		the beat's number.
 *
 * Beats of other jobs say nothing here, so that one job's never costs another a transaction on its
 * target.  Whoever can write the table, or makes one of that name, can send numbers, as anybody can
 * send messages: the reader takes those alone that it has written itself.
 */
#include "heartbeat.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "replication/slot.h"
#include "txn.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define ATTNUM_SLOT 1
#define ATTNUM_BEAT 2

static bool
has_column(TupleDesc desc, int attnum, const char *name, Oid type)
{
	Form_pg_attribute att;

	if (attnum > desc->natts)
		return false;
	att = TupleDescAttr(desc, attnum - 1);
	return !att->attisdropped && att->atttypid == type && strcmp(NameStr(att->attname), name) == 0;
}

bool
heartbeat_is_table(Relation relation)
{
	TupleDesc desc = RelationGetDescr(relation);
	char *schema;

	if (strcmp(RelationGetRelationName(relation), DTS_HEARTBEAT_TABLE) != 0 ||
	    relation->rd_rel->relkind != RELKIND_RELATION)
		return false;
	schema = get_namespace_name(RelationGetNamespace(relation));
	return schema && strcmp(schema, "public") == 0 &&
	       has_column(desc, ATTNUM_SLOT, "slot_name", TEXTOID) &&
	       has_column(desc, ATTNUM_BEAT, "beat", INT8OID);
}

void
heartbeat_put(Decoder *decoder, Relation relation, HeapTuple row, TransactionId xid)
{
	const char *own = NameStr(decoder->ctx->slot->data.name);
	TupleDesc desc = RelationGetDescr(relation);
	char number[24];
	bool null;
	Datum slot = heap_getattr(row, ATTNUM_SLOT, desc, &null);
	Datum beat;
	struct varlena *name;

	/* a name that is stored elsewhere is none of a slot */
	if (null || VARATT_IS_EXTERNAL(DatumGetPointer(slot)))
		return;
	name = PG_DETOAST_DATUM_PACKED(slot);
	if (VARSIZE_ANY_EXHDR(name) != strlen(own) || memcmp(VARDATA_ANY(name), own, strlen(own)) != 0)
		return;
	beat = heap_getattr(row, ATTNUM_BEAT, desc, &null);
	if (null)
		return;
	snprintf(number, sizeof(number), INT64_FORMAT, DatumGetInt64(beat));
	txn_open_record(decoder, xid);
	wire_put_message(&decoder->out, DTS_HEARTBEAT_PREFIX, number, strlen(number));
	txn_close_record(decoder);
}
