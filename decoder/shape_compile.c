/*
 * shape_compile.c
 *		Compiling a shape for one version of a relation: expressions, columns, and what the row
 *		identity has to hold for them; see shape.h.
 */
#include "shape_internal.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "expr.h"
#include "nodes/makefuncs.h"
#include "settings.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/relcache.h"

int
shape_computed(const TableShape *wanted)
{
	ListCell *cell;
	int count = 0;

	foreach (cell, wanted->columns)
		count += ((ShapeColumn *) lfirst(cell))->expr != NULL;
	return count;
}

/* The columns that tell rows apart: the identity's, or the primary key's under FULL. */
static Bitmapset *
key_columns(const RelationEntry *entry, Relation relation)
{
	Bitmapset *keys = NULL;
	Relation index;

	for (int i = 0; i < RelationGetNumberOfAttributes(relation); i++)
	{
		if (entry->plan[i].key)
			keys = bms_add_member(keys, i + 1);
	}
	if (entry->identity != REPLICA_IDENTITY_FULL)
		return keys;
	list_free(RelationGetIndexList(relation));
	index = OidIsValid(relation->rd_pkindex) ? RelationIdGetRelation(relation->rd_pkindex) : NULL;
	if (!RelationIsValid(index))
		return keys;
	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
		keys = bms_add_member(keys, index->rd_index->indkey.values[i]);
	RelationClose(index);
	return keys;
}

static void
compile_expr(Shape *shape, ShapeExpr *expr, CompiledExpr *compiled, Relation relation, bool filter)
{
	shape->at_work = expr;
	expr_compile(compiled, relation, expr->text, filter);
	expr->columns = compiled->columns;
	expr->state = ExecInitExpr(compiled->expr, NULL);
}

/* The old row holds no more than the identity's columns. */
static void
require_identity(const Shape *shape, const RelationEntry *entry, Relation relation)
{
	int number = -1;

	if (!shape_wants(shape, SHAPE_UPDATE | SHAPE_DELETE) ||
	    entry->identity == REPLICA_IDENTITY_FULL || entry->no_identity)
		return;
	while ((number = bms_next_member(shape->where->columns, number)) >= 0)
	{
		if (bms_is_member(number, shape->keys))
			continue;
		ereport(
		    ERROR,
		    (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		     errmsg("the filter reads column \"%s\", which is not part of the row identity",
		            shape_column_name(relation, number)),
		     errdetail("Of a row that an update or delete changed, only the identity's columns are "
		               "known as they were."),
		     errhint("ALTER TABLE %s REPLICA IDENTITY FULL, or want no operations but insert and "
		             "truncate.",
		             quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
		                                        RelationGetRelationName(relation)))));
	}
}

/*
 * An update that does not touch a value stored out of line leaves it out of WAL.  An expression over
 * that one column is then unchanged as well; over several it cannot be known without the old row.
 */
static void
require_values(const Shape *shape, const ShapeExpr *expr, const RelationEntry *entry,
               Relation relation)
{
	const char *toastable = NULL;
	int number = -1;
	int others = 0;

	if (!shape_wants(shape, SHAPE_UPDATE) || entry->identity == REPLICA_IDENTITY_FULL ||
	    entry->no_identity)
		return;
	while ((number = bms_next_member(expr->columns, number)) >= 0)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(relation), number - 1);

		if (bms_is_member(number, shape->keys))
			continue;
		others++;
		if (att->attlen == -1 && att->attstorage != TYPSTORAGE_PLAIN)
			toastable = shape_column_name(relation, number);
	}
	if (!toastable || others < 2)
		return;
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
	         errmsg("the expression reads column \"%s\", whose value may be missing when "
	                "another column changes",
	                toastable),
	         errdetail("A long value that an update does not touch is not in WAL, so an "
	                   "expression over it and other columns cannot be computed."),
	         errhint("ALTER TABLE %s REPLICA IDENTITY FULL, or want no updates.",
	                 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
	                                            RelationGetRelationName(relation)))));
}

static int
find_column(Relation relation, const char *name)
{
	TupleDesc desc = RelationGetDescr(relation);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return i + 1;
	}
	return 0;
}

static void
compile_computed(Shape *shape, int i, const ShapeColumn *column, const RelationEntry *entry,
                 Relation relation)
{
	ShapeExpr *expr = &shape->computed[i];
	int shadowed = find_column(relation, column->name);
	CompiledExpr compiled;

	expr->column = column->name;
	expr->text = column->expr;
	shape->at_work = expr;
	if (shadowed > 0 && bms_is_member(shadowed, shape->keys))
		ereport(ERROR, (errcode(ERRCODE_INVALID_COLUMN_DEFINITION),
		                errmsg("computed column \"%s\" would take the place of a key column",
		                       column->name),
		                errhint("Give it another name and keep the key.")));
	compile_expr(shape, expr, &compiled, relation, false);
	require_values(shape, expr, entry, relation);
	TupleDescInitEntry(shape->desc, (AttrNumber) (shape->natts + i + 1), column->name,
	                   compiled.type, compiled.typmod, 0);
	TupleDescInitEntryCollation(shape->desc, (AttrNumber) (shape->natts + i + 1),
	                            compiled.collation);
}

/* Resolves the list of columns; returns those of the table's own that stay. */
static Bitmapset *
compile_columns(Shape *shape, const RelationEntry *entry, Relation relation)
{
	Bitmapset *kept = NULL;
	ListCell *cell;
	int number = -1;
	int computed = 0;

	foreach (cell, shape->wanted->columns)
	{
		const ShapeColumn *column = lfirst(cell);

		shape->at_work = NULL;
		if (column->expr)
		{
			compile_computed(shape, computed++, column, entry, relation);
			continue;
		}
		number = find_column(relation, column->name);
		if (number == 0)
			ereport(ERROR,
			        (errcode(ERRCODE_UNDEFINED_COLUMN),
			         errmsg("column \"%s\" of the list of columns does not exist", column->name),
			         errhint("Take it out of the list, or give the expression that computes "
			                 "it.")));
		kept = bms_add_member(kept, number);
	}
	shape->at_work = NULL;
	number = -1;
	while ((number = bms_next_member(shape->keys, number)) >= 0)
	{
		if (entry->plan[number - 1].key && !bms_is_member(number, kept))
			ereport(ERROR, (errcode(ERRCODE_INVALID_COLUMN_DEFINITION),
			                errmsg("the list of columns leaves out key column \"%s\"",
			                       shape_column_name(relation, number)),
			                errhint("Add it to the list: rows are told apart by it.")));
	}
	return kept;
}

static void
make_row(Shape *shape, ShapeRow *row, TupleDesc desc)
{
	row->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	row->absent = palloc0(sizeof(bool) * (shape->natts + 1));
	row->filled = palloc0(sizeof(bool) * (shape->natts + 1));
	row->touched = palloc0(sizeof(Datum) * (shape->natts + 1));
}

static void
make_room(Shape *shape, Relation relation, int computed)
{
	TupleDesc desc = RelationGetDescr(relation);
	TupleDesc copy = CreateTupleDescCopy(desc);

	shape->total = shape->natts + computed;
	if (shape->total > MaxTupleAttributeNumber)
		ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
		                errmsg("table has too many columns for %d computed ones", computed)));
	shape->context = CreateStandaloneExprContext();
	make_row(shape, &shape->old, copy);
	make_row(shape, &shape->new, copy);
	if (computed == 0)
		return;
	shape->computed = palloc0(sizeof(ShapeExpr) * computed);
	shape->values = palloc0(sizeof(Datum) * shape->total);
	shape->nulls = palloc0(sizeof(bool) * shape->total);
	shape->unchanged = palloc0(sizeof(bool) * shape->total);
	shape->desc = CreateTemplateTupleDesc(shape->total);
	for (int i = 0; i < shape->natts; i++)
		TupleDescCopyEntry(shape->desc, (AttrNumber) (i + 1), desc, (AttrNumber) (i + 1));
}

/* Tells the plan; nothing here can fail. */
static void
change_plan(const Shape *shape, RelationEntry *entry, const Bitmapset *kept)
{
	entry->columns = 0;
	for (int i = 0; i < shape->natts; i++)
	{
		if (shape->wanted->columns && !bms_is_member(i + 1, kept))
			entry->plan[i].op = OP_SKIP;
		if (entry->plan[i].op != OP_SKIP)
			entry->columns++;
	}
	for (int i = shape->natts; i < shape->total; i++)
		relation_plan_column(&entry->plan[i], TupleDescAttr(shape->desc, i));
	entry->columns += shape->total - shape->natts;
	entry->stored_columns = shape->total;
}

static void
compile(Shape *shape, RelationEntry *entry, Relation relation)
{
	const TableShape *wanted = shape->wanted;
	Bitmapset *kept = NULL;

	make_room(shape, relation, shape_computed(wanted));
	if (wanted->where)
	{
		CompiledExpr compiled;

		shape->where = palloc0(sizeof(ShapeExpr));
		shape->where->column = "";
		shape->where->text = wanted->where;
		compile_expr(shape, shape->where, &compiled, relation, true);
		require_identity(shape, entry, relation);
	}
	if (wanted->columns)
		kept = compile_columns(shape, entry, relation);
	change_plan(shape, entry, kept);
}

Shape *
shape_compile(Decoder *decoder, RelationEntry *entry, Relation relation, const TableShape *wanted)
{
	MemoryContext outer = MemoryContextSwitchTo(entry->plan_context);
	Shape *shape = palloc0(sizeof(Shape));
	int level = settings_fix();

	shape->wanted = wanted;
	shape->natts = RelationGetNumberOfAttributes(relation);
	shape->keys = key_columns(entry, relation);
	PG_TRY();
	{
		/* whoever called may have callbacks that move an error's position */
		error_context_stack = NULL;
		compile(shape, entry, relation);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(entry->plan_context);
		shape->refusal = palloc(sizeof(Refusal));
		shape_keep_error(shape, shape->refusal);
	}
	PG_END_TRY();
	settings_restore(level);
	MemoryContextSwitchTo(outer);
	return shape;
}

/* A partitioned table has no rows of its own, and its partitions identities of theirs. */
static void
check_one(Decoder *decoder, Oid relid)
{
	List *family = find_all_inheritors(relid, AccessShareLock, NULL);
	ListCell *cell;

	foreach (cell, family)
	{
		Relation relation = table_open(lfirst_oid(cell), NoLock);

		if (relation->rd_rel->relkind == RELKIND_RELATION &&
		    (lfirst_oid(cell) == relid || relation->rd_rel->relispartition))
		{
			RelationEntry *entry = relation_find(decoder, relation);

			if (entry->shape && ((Shape *) entry->shape)->refusal)
				shape_raise(relation, ((Shape *) entry->shape)->refusal);
		}
		table_close(relation, NoLock);
	}
}

void
shape_check_all(Decoder *decoder)
{
	ListCell *cell;

	foreach (cell, decoder->options.shapes)
	{
		const TableShape *shape = lfirst(cell);
		Oid relid = shape->oid;

		if (!OidIsValid(relid))
			relid = RangeVarGetRelid(makeRangeVar(shape->schema, shape->table, -1), AccessShareLock,
			                         true);
		if (!OidIsValid(relid) || !get_rel_name(relid))
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
			                OidIsValid(relid)
			                    ? errmsg("table %u of option \"shapes\" does not exist", relid)
			                    : errmsg("table \"%s\".\"%s\" of option \"shapes\" does not exist",
			                             shape->schema, shape->table)));
		check_one(decoder, relid);
	}
	relation_forget_all(decoder);
}
