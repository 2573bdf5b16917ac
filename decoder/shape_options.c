/*
 * shape_options.c
 *		Parsing the option shapes: a JSON array with an object for each table.
 *
 *	[{"schema": "app", "table": "t",			or "oid": 16384 in place of the two
 *	  "where": "id % 2 = 0",
 *	  "columns": ["id", {"name": "label", "expr": "upper(code)"}],
 *	  "operations": ["insert", "update", "delete", "truncate"]}]
 *
 * Only the structure is judged here, at the start of a session, where no catalog can be read; whether
 * an expression compiles shows when the table is met (shape.c), or at once with the option
 * check_shapes.
 */
#include "shape_options.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

static const struct
{
	const char *name;
	int bit;
} operations[] = {{"insert", SHAPE_INSERT},
                  {"update", SHAPE_UPDATE},
                  {"delete", SHAPE_DELETE},
                  {"truncate", SHAPE_TRUNCATE}};

static void __attribute__((noreturn)) bad_shape(const char *path, const char *what)
{
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
	         errmsg("invalid value for option \"shapes\" at %s", path), errdetail("%s", what),
	         errhint("A shape is an object with \"schema\" and \"table\", or \"oid\", and any "
	                 "of \"where\", \"columns\" and \"operations\".")));
}

/* The value of a key; NULL when it is absent or null. */
static JsonbValue *
member(JsonbContainer *object, const char *name)
{
	JsonbValue key = {.type = jbvString};
	JsonbValue *value;

	key.val.string.val = (char *) name;
	key.val.string.len = (int) strlen(name);
	value = findJsonbValueFromContainer(object, JB_FOBJECT, &key);
	return value && value->type != jbvNull ? value : NULL;
}

static char *
text_of(const JsonbValue *value, const char *path)
{
	if (!value)
		return NULL;
	if (value->type != jbvString || value->val.string.len == 0)
		bad_shape(path, "It has to be a string that is not empty.");
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static char *
name_of(const JsonbValue *value, const char *path)
{
	char *name = text_of(value, path);

	if (name && strlen(name) >= NAMEDATALEN)
		bad_shape(path, "A name is too long.");
	return name;
}

static JsonbContainer *
container_of(const JsonbValue *value, bool array, const char *path)
{
	if (value->type != jbvBinary || JsonContainerIsArray(value->val.binary.data) != array ||
	    JsonContainerIsScalar(value->val.binary.data))
		bad_shape(path, array ? "It has to be an array." : "It has to be an object.");
	return value->val.binary.data;
}

/* Whoever misspells a key gets no table without a filter. */
static void
check_keys(JsonbContainer *object, const char *const *known, const char *path)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		bool found = false;

		if (token != WJB_KEY)
			continue;
		for (int i = 0; known[i]; i++)
			found = found || (strlen(known[i]) == (size_t) value.val.string.len &&
			                  memcmp(known[i], value.val.string.val, value.val.string.len) == 0);
		if (!found)
			bad_shape(path, psprintf("The key \"%.*s\" is not known.", value.val.string.len,
			                         value.val.string.val));
	}
}

static ShapeColumn *
parse_column(const JsonbValue *value, const char *path)
{
	static const char *const known[] = {"name", "expr", NULL};
	ShapeColumn *column = palloc0(sizeof(ShapeColumn));
	JsonbContainer *object;

	if (value->type == jbvString)
	{
		column->name = name_of(value, path);
		return column;
	}
	object = container_of(value, false, path);
	check_keys(object, known, path);
	column->name = name_of(member(object, "name"), path);
	column->expr = text_of(member(object, "expr"), path);
	if (!column->name)
		bad_shape(path, "A column needs a \"name\".");
	return column;
}

static List *
parse_columns(const JsonbValue *value, const char *path)
{
	JsonbContainer *array = container_of(value, true, path);
	List *list = NIL;

	if (JsonContainerSize(array) == 0)
		bad_shape(path, "At least one column has to be named.");
	for (uint32 i = 0; i < JsonContainerSize(array); i++)
	{
		char *at = psprintf("%s[%u]", path, i);
		ShapeColumn *column = parse_column(getIthJsonbValueFromContainer(array, i), at);
		ListCell *cell;

		foreach (cell, list)
		{
			if (strcmp(((ShapeColumn *) lfirst(cell))->name, column->name) == 0)
				bad_shape(at, psprintf("Column \"%s\" is named twice.", column->name));
		}
		list = lappend(list, column);
	}
	return list;
}

static int
parse_operations(const JsonbValue *value, const char *path)
{
	JsonbContainer *array = container_of(value, true, path);
	int wanted = 0;

	for (uint32 i = 0; i < JsonContainerSize(array); i++)
	{
		char *at = psprintf("%s[%u]", path, i);
		char *name = text_of(getIthJsonbValueFromContainer(array, i), at);
		int bit = 0;

		for (int k = 0; k < lengthof(operations); k++)
		{
			if (name && strcmp(operations[k].name, name) == 0)
				bit = operations[k].bit;
		}
		if (bit == 0)
			bad_shape(at, "Operations are insert, update, delete and truncate.");
		wanted |= bit;
	}
	return wanted;
}

static TableShape *
parse_shape(const JsonbValue *value, const char *path)
{
	static const char *const known[] = {"oid",     "schema",     "table", "where",
	                                    "columns", "operations", NULL};
	JsonbContainer *object = container_of(value, false, path);
	TableShape *shape = palloc0(sizeof(TableShape));
	JsonbValue *oid = member(object, "oid");
	JsonbValue *columns = member(object, "columns");
	JsonbValue *wanted = member(object, "operations");

	check_keys(object, known, path);
	shape->schema = name_of(member(object, "schema"), psprintf("%s.schema", path));
	shape->table = name_of(member(object, "table"), psprintf("%s.table", path));
	if (oid)
	{
		int64 number = -1;

		if (oid->type == jbvNumeric)
			number =
			    DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(oid->val.numeric)));
		if (number <= 0 || number > PG_UINT32_MAX)
			bad_shape(path, "\"oid\" has to be the OID of a table.");
		shape->oid = (Oid) number;
	}
	if (oid ? shape->schema || shape->table : !shape->schema || !shape->table)
		bad_shape(path, "It has to name a table, by \"schema\" and \"table\" or by \"oid\".");
	shape->where = text_of(member(object, "where"), psprintf("%s.where", path));
	if (columns)
		shape->columns = parse_columns(columns, psprintf("%s.columns", path));
	shape->operations =
	    wanted ? parse_operations(wanted, psprintf("%s.operations", path)) : SHAPE_ALL;
	return shape;
}

List *
shape_options_parse(const char *json)
{
	Jsonb *document = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
	List *list = NIL;

	if (!JB_ROOT_IS_ARRAY(document) || JB_ROOT_IS_SCALAR(document))
		bad_shape("$", "It has to be an array.");
	for (uint32 i = 0; i < JB_ROOT_COUNT(document); i++)
	{
		char *path = psprintf("$[%u]", i);

		list = lappend(list, parse_shape(getIthJsonbValueFromContainer(&document->root, i), path));
	}
	return list;
}

static const TableShape *
find_one(List *shapes, Oid relid)
{
	char *schema = get_namespace_name(get_rel_namespace(relid));
	char *table = get_rel_name(relid);
	ListCell *cell;

	foreach (cell, shapes)
	{
		TableShape *shape = lfirst(cell);

		if (OidIsValid(shape->oid) ? shape->oid == relid
		                           : schema && table && strcmp(shape->schema, schema) == 0 &&
		                                 strcmp(shape->table, table) == 0)
			return shape;
	}
	return NULL;
}

const TableShape *
shape_options_find(List *shapes, Oid relid, List *ancestors)
{
	const TableShape *shape;
	ListCell *cell;

	if (shapes == NIL)
		return NULL;
	shape = find_one(shapes, relid);
	foreach (cell, ancestors)
	{
		if (!shape)
			shape = find_one(shapes, lfirst_oid(cell));
	}
	return shape;
}
