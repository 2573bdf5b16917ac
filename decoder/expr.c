/*
 * expr.c
 *		Expressions over the columns of a table; see expr.h.
 *
 * Whoever may stream may pass expressions, and they run inside the walsender on a historic snapshot,
 * where no user's table can be read and no user's code may run.  So they are parsed by the server's own
 * parser, and then only what is known to be harmless is let through: columns, constants, and
 * functions, operators and casts that are built in and immutable.  The same text goes into the query
 * of the table's copy, and immutable functions of the same arguments under the same settings give the
 * same result there.
 *
 * Names of columns are resolved here, not by a range table: that would want a lock on the table, and
 * would know whole rows, system columns and qualified names, of which a partition's differ from its
 * root's.
 */
#include "expr.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/heap.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#define ALLOWED                                                                                    \
	"Filters and expressions are made of the table's columns, constants, and built-in functions, " \
	"operators and casts that are immutable."

typedef struct ExprContextData
{
	ParseState *pstate;
	Relation relation;
	Bitmapset *columns;
	List *moving; /* locations of literals such as 'now' */
	int location; /* of the node whose functions are looked at */
} ExprContextData;

static void __attribute__((noreturn))
refuse(ExprContextData *c, int location, int code, const char *message)
{
	ereport(ERROR, (errcode(code), errmsg("%s", message), errhint("%s", ALLOWED),
	                parser_errposition(c->pstate, location)));
}

static void __attribute__((noreturn))
refuse_kind(ExprContextData *c, const Node *node, const char *what)
{
	refuse(c, exprLocation(node), ERRCODE_FEATURE_NOT_SUPPORTED,
	       psprintf("%s is not allowed here", what));
}

/* Whether the input functions of dates and times give this literal another value at every look. */
static bool
literal_moves(const char *text)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};

	for (const char *at = text; *at; at++)
	{
		for (int i = 0; i < lengthof(words); i++)
		{
			if (pg_strncasecmp(at, words[i], strlen(words[i])) == 0)
				return true;
		}
	}
	return false;
}

static void
note_literal(ExprContextData *c, A_Const *constant)
{
#if PG_VERSION_NUM >= 150000
	bool string = !constant->isnull && IsA(&constant->val.node, String);
	const char *text = string ? constant->val.sval.sval : NULL;
#else
	const char *text = IsA(&constant->val, String) ? strVal(&constant->val) : NULL;
#endif

	if (text && literal_moves(text))
		c->moving = lappend_int(c->moving, constant->location);
}

static void
vet_raw_call(ExprContextData *c, FuncCall *call)
{
	if (call->over)
		refuse_kind(c, (Node *) call, "a window function");
	if (call->agg_star || call->agg_distinct || call->agg_within_group || call->agg_order ||
	    call->agg_filter)
		refuse_kind(c, (Node *) call, "an aggregate function");
}

/* What the parser should not even see, since it would read catalogs or look for context. */
static bool
vet_raw(Node *node, void *arg)
{
	ExprContextData *c = arg;

	if (!node)
		return false;
	switch (nodeTag(node))
	{
		case T_SubLink:
			refuse_kind(c, node, "a subquery");
		case T_ParamRef:
			refuse_kind(c, node, "a parameter");
		case T_SetToDefault:
			refuse_kind(c, node, "DEFAULT");
		case T_CurrentOfExpr:
		case T_GroupingFunc:
		case T_XmlExpr:
		case T_XmlSerialize:
			refuse_kind(c, node, "an expression of this kind");
		case T_FuncCall:
			vet_raw_call(c, (FuncCall *) node);
			break;
		case T_A_Const:
			note_literal(c, (A_Const *) node);
			break;
		default:
			break;
	}
	return raw_expression_tree_walker(node, vet_raw, c);
}

static void __attribute__((noreturn)) not_one(void)
{
	ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("the text is not one expression"),
	                errhint("%s", ALLOWED)));
}

/* The one expression that the text is. */
static Node *
parse_one(ExprContextData *c)
{
#if PG_VERSION_NUM >= 140000
	List *list = raw_parser(c->pstate->p_sourcetext, RAW_PARSE_DEFAULT);
#else
	List *list = raw_parser(c->pstate->p_sourcetext);
#endif
	SelectStmt *select;
	ResTarget *target;

	if (list_length(list) != 1)
		not_one();
	select = (SelectStmt *) linitial_node(RawStmt, list)->stmt;
	if (!IsA(select, SelectStmt) || list_length(select->targetList) != 1)
		not_one();
	target = linitial_node(ResTarget, select->targetList);
	if (target->name || target->indirection || select->distinctClause || select->intoClause ||
	    select->fromClause || select->whereClause || select->groupClause || select->havingClause ||
	    select->windowClause || select->valuesLists || select->sortClause || select->limitOffset ||
	    select->limitCount || select->lockingClause || select->withClause ||
	    select->op != SETOP_NONE)
		not_one();
	return target->val;
}

static char *
column_names(TupleDesc desc)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < desc->natts && list.len < 500; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			appendStringInfo(&list, "%s%s", list.len ? ", " : "",
			                 quote_identifier(NameStr(TupleDescAttr(desc, i)->attname)));
	}
	return list.data;
}

/* The parser's hook for names. */
static Node *
resolve_column(ParseState *pstate, ColumnRef *ref)
{
	ExprContextData *c = pstate->p_ref_hook_state;
	TupleDesc desc = RelationGetDescr(c->relation);
	Node *field = linitial(ref->fields);
	const char *name;

	if (IsA(llast(ref->fields), A_Star))
		refuse(c, ref->location, ERRCODE_FEATURE_NOT_SUPPORTED, "a whole row is not allowed here");
	name = strVal(field);
	if (list_length(ref->fields) > 1)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("a qualified name is not allowed here"),
		                errhint("Write the name of the column alone."),
		                parser_errposition(pstate, ref->location)));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || strcmp(NameStr(att->attname), name) != 0)
			continue;
		if (att->attgenerated && att->attgenerated != ATTRIBUTE_GENERATED_STORED)
			refuse(c, ref->location, ERRCODE_FEATURE_NOT_SUPPORTED,
			       psprintf("column \"%s\" is not stored", name));
		c->columns = bms_add_member(c->columns, i + 1);
		return (Node *) makeVar(1, (AttrNumber) (i + 1), att->atttypid, att->atttypmod,
		                        att->attcollation, 0);
	}
	if (SystemAttributeByName(name))
		refuse(c, ref->location, ERRCODE_FEATURE_NOT_SUPPORTED,
		       psprintf("system column \"%s\" is not allowed here", name));
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("column \"%s\" does not exist", name),
	                errhint("Columns of the table: %s.", column_names(desc)),
	                parser_errposition(pstate, ref->location)));
	return NULL;
}

static bool
vet_function(Oid function, void *arg)
{
	ExprContextData *c = arg;
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;
	const char *what = NULL;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	if (proc->prokind == PROKIND_AGGREGATE)
		what = "an aggregate";
	else if (proc->prokind != PROKIND_FUNCTION)
		what = "no plain function";
	else if (proc->proretset)
		what = "set-returning";
	else if (function >= FirstNormalObjectId)
		what = "not built in";
	else if (proc->provolatile == PROVOLATILE_STABLE)
		what = "stable, not immutable: its result depends on settings or on the time";
	else if (proc->provolatile != PROVOLATILE_IMMUTABLE)
		what = "volatile";
	ReleaseSysCache(tuple);
	if (what)
		refuse(c, c->location, ERRCODE_FEATURE_NOT_SUPPORTED,
		       psprintf("function %s is %s", format_procedure(function), what));
	return false;
}

static void
vet_constant(ExprContextData *c, Const *constant)
{
	char category;
	bool preferred;
	ListCell *cell;

	if (constant->consttype >= FirstNormalObjectId &&
	    get_typtype(constant->consttype) == TYPTYPE_BASE &&
	    !OidIsValid(get_element_type(constant->consttype)))
		refuse(c, constant->location, ERRCODE_FEATURE_NOT_SUPPORTED,
		       psprintf("a constant of type %s is not allowed here: the type is not built in",
		                format_type_be(constant->consttype)));
	get_type_category_preferred(constant->consttype, &category, &preferred);
	if (category == TYPCATEGORY_STRING || constant->consttype == JSONOID ||
	    constant->consttype == JSONBOID || constant->consttype == UNKNOWNOID)
		return;
	foreach (cell, c->moving)
	{
		if (lfirst_int(cell) == constant->location)
			refuse(c, constant->location, ERRCODE_FEATURE_NOT_SUPPORTED,
			       "a literal that means another time at every look is not allowed here");
	}
}

static void
vet_comparison(ExprContextData *c, MinMaxExpr *expr)
{
	TypeCacheEntry *type = lookup_type_cache(exprType((Node *) expr), TYPECACHE_CMP_PROC);

	if (OidIsValid(type->cmp_proc))
		vet_function(type->cmp_proc, c);
}

/* After the parser's work: lets through what is known, and nothing else. */
static bool
vet(Node *node, void *arg)
{
	ExprContextData *c = arg;

	if (!node)
		return false;
	c->location = exprLocation(node);
	switch (nodeTag(node))
	{
		case T_Const:
			vet_constant(c, (Const *) node);
			break;
		case T_MinMaxExpr:
			vet_comparison(c, (MinMaxExpr *) node);
			break;
		case T_SubscriptingRef:
			if (((SubscriptingRef *) node)->refcontainertype >= FirstNormalObjectId &&
			    !OidIsValid(get_element_type(((SubscriptingRef *) node)->refcontainertype)))
				refuse_kind(c, node, "a subscript of a type that is not built in");
			break;
		case T_CoerceToDomain:
			refuse_kind(c, node, "a cast to a domain");
		case T_SQLValueFunction:
			refuse_kind(c, node, "what depends on session or time");
		case T_Aggref:
			refuse_kind(c, node, "an aggregate function");
		case T_List:
		case T_Var:
		case T_FuncExpr:
		case T_NamedArgExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_BoolExpr:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_CollateExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_ArrayExpr:
		case T_RowExpr:
		case T_RowCompareExpr:
		case T_CoalesceExpr:
		case T_NullTest:
		case T_BooleanTest:
			break;
		default:
			refuse_kind(c, node, "an expression of this kind");
	}
	check_functions_in_node(node, vet_function, c);
	return expression_tree_walker(node, vet, c);
}

static bool
is_interpreted(Oid function, void *arg)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid language;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	language = ((Form_pg_proc) GETSTRUCT(tuple))->prolang;
	ReleaseSysCache(tuple);
	return language != INTERNALlanguageId && language != ClanguageId;
}

/* Built-in functions in SQL are inlined by planning; one that is not would want to run a query. */
static bool
runs_queries(Node *node, void *arg)
{
	if (!node)
		return false;
	if (check_functions_in_node(node, is_interpreted, arg))
		return true;
	return expression_tree_walker(node, runs_queries, arg);
}

static Node *
settle_type(ExprContextData *c, Node *node, bool filter)
{
	Oid type;

	if (filter)
		return coerce_to_boolean(c->pstate, node, "a filter");
	type = exprType(node);
	if (type == UNKNOWNOID)
		return coerce_type(c->pstate, node, UNKNOWNOID, TEXTOID, -1, COERCION_IMPLICIT,
		                   COERCE_IMPLICIT_CAST, -1);
	if (get_typtype(type) == TYPTYPE_PSEUDO)
		refuse(c, exprLocation(node), ERRCODE_FEATURE_NOT_SUPPORTED,
		       psprintf("a column cannot have type %s", format_type_be(type)));
	return node;
}

void
expr_compile(CompiledExpr *compiled, Relation relation, const char *text, bool filter)
{
	ExprContextData c = {.relation = relation, .pstate = make_parsestate(NULL)};
	Node *node;

	c.pstate->p_sourcetext = psprintf(EXPR_PREFIX "%s", text);
	c.pstate->p_pre_columnref_hook = resolve_column;
	c.pstate->p_ref_hook_state = &c;
	node = parse_one(&c);
	vet_raw(node, &c);
	node = transformExpr(c.pstate, node, EXPR_KIND_SELECT_TARGET);
	node = settle_type(&c, node, filter);
	assign_expr_collations(c.pstate, node);
	vet(node, &c);
	compiled->type = exprType(node);
	compiled->typmod = exprTypmod(node);
	compiled->collation = exprCollation(node);
	compiled->expr = expression_planner((Expr *) node);
	compiled->columns = c.columns;
	if (contain_mutable_functions((Node *) compiled->expr) ||
	    runs_queries((Node *) compiled->expr, NULL))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("a built-in function of the expression cannot be evaluated here"),
		                errhint("%s", ALLOWED)));
	free_parsestate(c.pstate);
}
