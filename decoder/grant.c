/*
 * grant.c
 *		Which objects a GRANT or REVOKE is about, for the capture of DDL (control/capture/event.sql).
 *
 * SQL sees of such a command what kind of object it is about and nothing else; the server hands the
 * rest to functions in C.  This one reads it and changes nothing.
 */
#include "decoder.h"

#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "tcop/deparse_utility.h"
#include "utils/aclchk_internal.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(dts_grant_objects);

static Oid
class_of(ObjectType type)
{
	switch (type)
	{
		case OBJECT_TABLE:
		case OBJECT_SEQUENCE:
			return RelationRelationId;
		case OBJECT_FUNCTION:
		case OBJECT_PROCEDURE:
		case OBJECT_ROUTINE:
			return ProcedureRelationId;
		case OBJECT_TYPE:
		case OBJECT_DOMAIN:
			return TypeRelationId;
		case OBJECT_SCHEMA:
			return NamespaceRelationId;
		default:
			return InvalidOid;
	}
}

/* pg_ddl_command -> oid[]: the class of the objects, then the objects; NULL for another command. */
Datum
dts_grant_objects(PG_FUNCTION_ARGS)
{
	CollectedCommand *command = (CollectedCommand *) PG_GETARG_POINTER(0);
	List *objects;
	ListCell *cell;
	Datum *oids;
	int count = 0;

	if (command->type != SCT_Grant)
		PG_RETURN_NULL();
	objects = command->d.grant.istmt->objects;
	oids = palloc(sizeof(Datum) * (list_length(objects) + 1));
	oids[count++] = ObjectIdGetDatum(class_of(command->d.grant.istmt->objtype));
	foreach (cell, objects)
		oids[count++] = ObjectIdGetDatum(lfirst_oid(cell));
	PG_RETURN_ARRAYTYPE_P(construct_array(oids, count, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
}
