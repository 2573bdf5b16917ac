/*
 * shape.c
 *		Evaluating shapes for each change; see shape.h.  Compiling is in shape_compile.c.
 *
 * An update is judged by its old and its new row: into the filter it is an insert, out of it a
 * delete.  That needs the old row's values of all columns that the filter reads, so they have to be
 * part of the row's identity unless only inserts are wanted.  A value that an update did not touch
 * may be out of line and not in WAL; then the old row has it under identity FULL.  Where no row has it,
 * what would need it is refused, never guessed.
 *
 * Errors of expressions are caught without a subtransaction, which would cost more than all the rest
 * of a change.  That is sound because the server ends every decoded transaction by aborting the
 * (sub)transaction around it, which releases whatever the error left behind; and only errors that speak
 * of the expression or the data are kept, the others go on.
 */
#include "shape_internal.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "expr.h"
#include "mb/pg_wchar.h"
#include "settings.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define TEXT_LIMIT 2000 /* bytes of an expression that a refusal repeats */
#define KEY_LIMIT  200

Form_pg_attribute
shape_attribute(const Shape *shape, Relation relation, int i)
{
	if (!shape || i < shape->natts)
		return TupleDescAttr(RelationGetDescr(relation), i);
	return TupleDescAttr(shape->desc, i);
}

const bool *
shape_unchanged(const Shape *shape)
{
	return shape->unchanged;
}

bool
shape_wants(const Shape *shape, int operation)
{
	return (shape->wanted->operations & operation) != 0;
}

const Refusal *
shape_refusal(const Shape *shape)
{
	return shape->refusal;
}

/* Errors of the machine, the server and the session are not the expression's. */
static bool
speaks_of_data(int code)
{
	static const char *const others[] = {"08", "40", "53", "57", "58", "F0", "XX"};
	const char *state = unpack_sql_state(code);

	for (int i = 0; i < lengthof(others); i++)
	{
		if (strncmp(state, others[i], 2) == 0)
			return false;
	}
	return true;
}

static const char *
clip(const char *text, int limit)
{
	int length = text ? (int) strlen(text) : 0;

	return text ? pnstrdup(text, pg_mbcliplen(text, length, limit)) : "";
}

/*
 * In a PG_CATCH block, in the context that the refusal is for: keeps the error as a refusal, or lets
 * it go on.
 */
void
shape_keep_error(const Shape *shape, Refusal *refusal)
{
	ErrorData *error = CopyErrorData();
	int prefix = (int) strlen(EXPR_PREFIX);

	if (!speaks_of_data(error->sqlerrcode))
		PG_RE_THROW();
	FlushErrorState();
	memset(refusal, 0, sizeof(*refusal));
	refusal->column = shape->at_work ? shape->at_work->column : "";
	refusal->text = clip(shape->at_work ? shape->at_work->text : NULL, TEXT_LIMIT);
	refusal->code = error->sqlerrcode;
	refusal->position = error->cursorpos > prefix ? error->cursorpos - prefix : 0;
	refusal->message = clip(error->message, TEXT_LIMIT);
	refusal->detail = clip(error->detail, TEXT_LIMIT);
	refusal->hint = clip(error->hint, TEXT_LIMIT);
	refusal->key = "";
}

const char *
shape_column_name(Relation relation, int number)
{
	return NameStr(TupleDescAttr(RelationGetDescr(relation), number - 1)->attname);
}

static bool
out_of_line(Datum value, Form_pg_attribute att)
{
	return att->attlen == -1 && VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value));
}

static void
load_row(const Shape *shape, ShapeRow *row, HeapTuple tuple, TupleDesc desc)
{
	ExecClearTuple(row->slot);
	heap_deform_tuple(tuple, desc, row->slot->tts_values, row->slot->tts_isnull);
	ExecStoreVirtualTuple(row->slot);
	row->any_absent = row->any_filled = false;
	if (!HeapTupleHasExternal(tuple))
		return;
	for (int i = 0; i < shape->natts; i++)
	{
		row->filled[i] = false;
		row->absent[i] = !row->slot->tts_isnull[i] &&
		                 out_of_line(row->slot->tts_values[i], TupleDescAttr(desc, i));
		row->any_absent = row->any_absent || row->absent[i];
	}
}

/* Takes untouched values from the old row, as far as it has them. */
static void
fill_absent(const Shape *shape, const RelationEntry *entry, TupleDesc desc)
{
	ShapeRow *to = &((Shape *) shape)->new;
	const ShapeRow *from = &shape->old;
	bool full = entry->identity == REPLICA_IDENTITY_FULL;

	to->any_absent = false;
	for (int i = 0; i < shape->natts; i++)
	{
		if (!to->absent[i])
			continue;
		if ((full || entry->plan[i].key) && !from->slot->tts_isnull[i] &&
		    !(from->any_absent && from->absent[i]))
		{
			to->touched[i] = to->slot->tts_values[i];
			to->slot->tts_values[i] = from->slot->tts_values[i];
			to->absent[i] = false;
			to->filled[i] = to->any_filled = true;
		}
		else
			to->any_absent = true;
	}
}

/* The first column that the expression reads and the row lacks; 0: none. */
static int
reads_absent(const ShapeRow *row, const ShapeExpr *expr)
{
	int number = -1;

	if (!row->any_absent)
		return 0;
	while ((number = bms_next_member(expr->columns, number)) >= 0)
	{
		if (row->absent[number - 1])
			return number;
	}
	return 0;
}

static void __attribute__((noreturn))
value_missing(Relation relation, const char *column, const char *why)
{
	ereport(ERROR,
	        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
	         errmsg("the value of column \"%s\" is not in WAL", column), errdetail("%s", why),
	         errhint("ALTER TABLE %s REPLICA IDENTITY FULL, then load the table again.",
	                 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
	                                            RelationGetRelationName(relation)))));
}

static bool
matches(Shape *shape, const ShapeRow *row, Relation relation)
{
	int absent = reads_absent(row, shape->where);
	bool null;
	Datum result;

	shape->at_work = shape->where;
	if (absent)
		value_missing(relation, shape_column_name(relation, absent),
		              "The filter reads a long value that the update did not touch.");
	shape->context->ecxt_scantuple = row->slot;
	result = ExecEvalExpr(shape->where->state, shape->context, &null);
	return !null && DatumGetBool(result);
}

/*
 * The kind that the filter makes of a change; DTS_REC_NONE for nothing.  Without an old row in WAL
 * the identity did not change, and with it nothing that the filter reads.
 */
static bool
judge(Shape *shape, ShapedChange *change, Relation relation)
{
	bool is_in = change->new &&matches(shape, &shape->new, relation);
	bool was_in;

	if (change->kind == DTS_REC_INSERT || change->kind == DTS_REC_UPDATE)
		return is_in;
	was_in = matches(shape, &shape->old, relation);
	if (!change->new || (was_in && is_in))
		return was_in;
	if (is_in)
	{
		change->kind = DTS_REC_INSERT;
		change->old = NULL;
	}
	else if (was_in)
	{
		change->kind = change->kind == DTS_REC_UPDATE_OLD ? DTS_REC_DELETE_OLD : DTS_REC_DELETE_KEY;
		change->new = NULL;
	}
	return was_in || is_in;
}

/* An insert has all values. */
static void
require_whole(const Shape *shape, const RelationEntry *entry, Relation relation)
{
	for (int i = 0; i < shape->natts && shape->new.any_absent; i++)
	{
		if (shape->new.absent[i] && entry->plan[i].op != OP_SKIP)
			value_missing(relation, shape_column_name(relation, i + 1),
			              "The row came into the filter by an update of its key that did not touch "
			              "this long value.");
	}
}

/* Whether nothing that the expression reads has changed, as far as it is in WAL. */
static bool
stays(const Shape *shape, const ShapeExpr *expr, const ShapeRow *row, bool key_changed)
{
	int number = -1;

	while ((number = bms_next_member(expr->columns, number)) >= 0)
	{
		if (!row->absent[number - 1] && (key_changed || !bms_is_member(number, shape->keys)))
			return false;
	}
	return true;
}

/* The row with its computed columns, as a tuple. */
static HeapTuple
form(Shape *shape, const RelationEntry *entry, const ShapeRow *row, const ShapedChange *change,
     Relation relation)
{
	bool update = change->kind != DTS_REC_INSERT && row == &shape->new;

	for (int i = 0; i < shape->natts; i++)
	{
		bool filled = update && row->any_filled && row->filled[i];

		shape->nulls[i] = row->slot->tts_isnull[i] || entry->plan[i].op == OP_SKIP;
		/* what the update did not touch need not travel */
		shape->values[i] = filled ? row->touched[i] : row->slot->tts_values[i];
	}
	shape->context->ecxt_scantuple = row->slot;
	for (int i = shape->natts; i < shape->total; i++)
	{
		const ShapeExpr *expr = &shape->computed[i - shape->natts];

		shape->at_work = expr;
		shape->nulls[i] = true;
		shape->unchanged[i] = false;
		if (!reads_absent(row, expr))
			shape->values[i] = ExecEvalExpr(expr->state, shape->context, &shape->nulls[i]);
		else if (update && stays(shape, expr, row, change->old != NULL))
			shape->unchanged[i] = true;
		else
			value_missing(relation, shape_column_name(relation, reads_absent(row, expr)),
			              "The expression reads a long value that the update did not touch.");
	}
	return heap_form_tuple(shape->desc, shape->values, shape->nulls);
}

static bool
evaluate(Shape *shape, const RelationEntry *entry, Relation relation, ShapedChange *change)
{
	TupleDesc desc = RelationGetDescr(relation);

	if (change->old)
		load_row(shape, &shape->old, change->old, desc);
	if (change->new)
	{
		load_row(shape, &shape->new, change->new, desc);
		if (shape->new.any_absent && change->old)
			fill_absent(shape, entry, desc);
	}
	if (shape->where)
	{
		bool was_insert = change->kind == DTS_REC_INSERT;

		if (!judge(shape, change, relation))
			return false;
		if (!was_insert && change->kind == DTS_REC_INSERT)
		{
			shape->at_work = NULL;
			require_whole(shape, entry, relation);
			if (!shape->desc && shape->new.any_filled)
				change->new =
				    heap_form_tuple(shape->new.slot->tts_tupleDescriptor,
				                    shape->new.slot->tts_values, shape->new.slot->tts_isnull);
		}
	}
	if (!shape->desc)
		return true;
	/* the new row last: the marks of what is unchanged are its */
	if (change->old && entry->identity == REPLICA_IDENTITY_FULL)
		change->old = form(shape, entry, &shape->old, change, relation);
	if (change->new)
		change->new = form(shape, entry, &shape->new, change, relation);
	return true;
}

/* The row's key for people, as far as its types are built in. */
static const char *
describe_key(const Shape *shape, Relation relation, HeapTuple tuple)
{
	TupleDesc desc = RelationGetDescr(relation);
	StringInfoData text;
	int number = -1;

	initStringInfo(&text);
	while (tuple && (number = bms_next_member(shape->keys, number)) > 0)
	{
		Form_pg_attribute att = TupleDescAttr(desc, number - 1);
		bool null, varlena;
		Datum value = heap_getattr(tuple, number, desc, &null);
		Oid function;

		if (att->atttypid >= FirstGenbkiObjectId || (!null && out_of_line(value, att)))
			continue;
		getTypeOutputInfo(att->atttypid, &function, &varlena);
		appendStringInfo(&text, "%s%s = %s", text.len ? ", " : "",
		                 quote_identifier(NameStr(att->attname)),
		                 null ? "null" : OidOutputFunctionCall(function, value));
	}
	return clip(text.data, KEY_LIMIT);
}

ShapeResult
shape_change(Decoder *decoder, RelationEntry *entry, Relation relation, ShapedChange *change)
{
	Shape *shape = entry->shape;
	HeapTuple volatile named = change->new ? change->new : change->old;
	volatile ShapeResult result = SHAPE_DROP;
	MemoryContext outer;
	int level;

	if (!shape->where && !shape->desc)
		return SHAPE_SEND;
	ResetExprContext(shape->context);
	outer = MemoryContextSwitchTo(shape->context->ecxt_per_tuple_memory);
	level = settings_fix();
	PG_TRY();
	{
		/* whoever called may have callbacks that say where an error is, and mean themselves */
		error_context_stack = NULL;
		if (evaluate(shape, entry, relation, change))
			result = SHAPE_SEND;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(shape->context->ecxt_per_tuple_memory);
		shape_keep_error(shape, &change->refusal);
		change->refusal.key = describe_key(shape, relation, named);
		result = SHAPE_REFUSED;
	}
	PG_END_TRY();
	settings_restore(level);
	MemoryContextSwitchTo(outer);
	return result;
}

void
shape_raise(Relation relation, const Refusal *refusal)
{
	StringInfoData where;

	initStringInfo(&where);
	if (refusal->text[0])
		appendStringInfo(&where, "%s: %s", refusal->column[0] ? "Expression" : "Filter",
		                 refusal->text);
	if (refusal->position > 0)
		appendStringInfo(&where, " (at character %d)", refusal->position);
	if (refusal->key[0])
		appendStringInfo(&where, "%sRow: %s.", where.len ? ". " : "", refusal->key);
	if (refusal->detail[0])
		appendStringInfo(&where, "%s%s", where.len ? ". " : "", refusal->detail);
	ereport(ERROR, (errcode(refusal->code),
	                errmsg("%s%s of table \"%s\".\"%s\": %s",
	                       refusal->column[0] ? "computed column "
	                       : refusal->text[0] ? "filter"
	                                          : "shape",
	                       refusal->column[0] ? quote_identifier(refusal->column) : "",
	                       get_namespace_name(RelationGetNamespace(relation)),
	                       RelationGetRelationName(relation), refusal->message),
	                where.len ? errdetail_internal("%s", where.data) : 0,
	                refusal->hint[0] ? errhint("%s", refusal->hint) : 0));
}
