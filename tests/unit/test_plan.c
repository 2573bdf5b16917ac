/*
 * test_plan.c
 *		Binding of relations and the SQL text of every shape.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "plan.h"

#define INT4 23
#define TEXT 25

#define CHECK_ONE                                                                                  \
	" RETURNING 1) SELECT dts.target_rows_wrong(pg_catalog.count(*)) FROM u "                      \
	"HAVING pg_catalog.count(*) <> 1"

/* A table (id, a, b) on both sides, changed by each test as it likes. */
typedef struct Case
{
	Arena *arena;
	Column source[3];
	Relation relation;
	TargetColumn target[4];
	int unique_columns[1];
	TargetUnique unique;
	TargetTable table;
	Value old[3];
	Value new[3];
	Change change;
	PlanRelation *bound;
	Plan *plan;
	Error err;
} Case;

static int
setup(void **state)
{
	static const char *const names[] = {"id", "a", "b", "extra"};
	Case *c = test_calloc(1, sizeof(*c));

	c->arena = arena_create(4096);
	for (int i = 0; i < 4; i++)
	{
		if (i < 3)
			c->source[i] = (Column){.name = names[i],
			                        .type_oid = i < 2 ? INT4 : TEXT,
			                        .format = i < 2 ? FORMAT_BINARY : FORMAT_TEXT,
			                        .is_key = i == 0};
		c->target[i] = (TargetColumn){.name = names[i],
		                              .type_oid = i < 2 ? INT4 : TEXT,
		                              .type_schema = "pg_catalog",
		                              .type_name = i < 2 ? "int4" : "text",
		                              .equality = "pg_catalog.=",
		                              .not_null = i == 0,
		                              .primary_key = i == 0};
	}
	c->relation = (Relation){.number = 1,
	                         .schema = "s",
	                         .name = "t",
	                         .relkind = 'r',
	                         .identity = 'd',
	                         .column_count = 3,
	                         .key_count = 1,
	                         .columns = c->source};
	c->unique = (TargetUnique){c->unique_columns, 1, true};
	c->table = (TargetTable){.schema = "s",
	                         .name = "t",
	                         .column_count = 3,
	                         .columns = c->target,
	                         .unique_count = 1,
	                         .uniques = &c->unique};
	for (int i = 0; i < 3; i++)
	{
		c->old[i] = (Value){"\0\0\0\1", 4, VALUE_PRESENT};
		c->new[i] = (Value){"\0\0\0\2", 4, VALUE_PRESENT};
	}
	c->change = (Change){.relation = &c->relation, .new_values = c->new};
	*state = c;
	return 0;
}

static int
teardown(void **state)
{
	Case *c = *state;

	arena_destroy(c->arena);
	test_free(c);
	return 0;
}

static void
full(Case *c)
{
	c->relation.identity = 'f';
	c->source[0].is_key = false;
	c->target[0].primary_key = false;
	c->table.unique_count = 0;
	c->change.old_row = OLD_FULL;
	c->change.old_values = c->old;
}

static bool
shape(Case *c, ChangeKind kind, PlanShape *result)
{
	c->bound = plan_bind(c->arena, &c->relation, &c->table, &c->err);
	assert_non_null(c->bound);
	c->change.kind = kind;
	return plan_shape(c->bound, &c->change, result, &c->err);
}

static void
sql_is(Case *c, ChangeKind kind, const char *expected)
{
	PlanShape s;

	assert_true(shape(c, kind, &s));
	c->plan = plan_build(c->arena, c->bound, &s);
	assert_string_equal(c->plan->sql, expected);
}

/* The columns behind the parameters: "1 0o" is the new a, then the old id. */
static void
params_are(const Case *c, const char *expected)
{
	char text[64] = "";

	for (int i = 0; i < c->plan->param_count; i++)
	{
		const PlanParam *p = &c->plan->params[i];
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s%d%s", i > 0 ? " " : "", p->column,
		         p->match ? "o" : "");
		assert_int_equal(p->binary, c->source[p->column].format == FORMAT_BINARY);
		assert_int_equal(p->type, c->target[p->column].type_oid);
	}
	assert_string_equal(text, expected);
}

static void
test_insert(void **state)
{
	Case *c = *state;

	sql_is(c, CHANGE_INSERT,
	       "INSERT INTO \"s\".\"t\" (\"id\", \"a\", \"b\") OVERRIDING SYSTEM VALUE "
	       "VALUES ($1, $2, $3)");
	params_are(c, "0 1 2");
	c->target[1].generated = true;
	sql_is(c, CHANGE_INSERT,
	       "INSERT INTO \"s\".\"t\" (\"id\", \"b\") OVERRIDING SYSTEM VALUE VALUES ($1, $2)");
	c->relation.column_count = 0;
	c->target[0].has_default = true;
	sql_is(c, CHANGE_INSERT, "INSERT INTO \"s\".\"t\" DEFAULT VALUES");
}

static void
test_update_by_unchanged_key_leaves_the_key_alone(void **state)
{
	Case *c = *state;

	sql_is(c, CHANGE_UPDATE,
	       "WITH u AS (UPDATE ONLY \"s\".\"t\" AS t SET \"a\" = $1, \"b\" = $2 WHERE t.\"id\" "
	       "OPERATOR(pg_catalog.=) $3" CHECK_ONE);
	params_are(c, "1 2 0o");
	assert_ptr_equal(plan_value(&c->plan->params[2], &c->change), &c->new[0]);
}

static void
test_update_of_the_key_finds_the_old_one(void **state)
{
	Case *c = *state;

	c->change.old_row = OLD_KEY;
	c->change.old_values = c->old;
	c->old[1].state = c->old[2].state = VALUE_ABSENT;
	sql_is(c, CHANGE_UPDATE,
	       "WITH u AS (UPDATE ONLY \"s\".\"t\" AS t SET \"id\" = $1, \"a\" = $2, \"b\" = $3 WHERE "
	       "t.\"id\" OPERATOR(pg_catalog.=) $4" CHECK_ONE);
	assert_ptr_equal(plan_value(&c->plan->params[3], &c->change), &c->old[0]);
}

static void
test_unchanged_toast_is_left_alone(void **state)
{
	Case *c = *state;

	c->new[2].state = VALUE_UNCHANGED;
	sql_is(c, CHANGE_UPDATE,
	       "WITH u AS (UPDATE ONLY \"s\".\"t\" AS t SET \"a\" = $1 WHERE t.\"id\" "
	       "OPERATOR(pg_catalog.=) $2" CHECK_ONE);
	c->new[1].state = VALUE_UNCHANGED;
	sql_is(c, CHANGE_UPDATE,
	       "WITH u AS (SELECT FROM ONLY \"s\".\"t\" AS t WHERE t.\"id\" OPERATOR(pg_catalog.=) $1) "
	       "SELECT dts.target_rows_wrong(pg_catalog.count(*)) FROM u "
	       "HAVING pg_catalog.count(*) <> 1");
}

static void
test_null_is_written_not_left_out(void **state)
{
	Case *c = *state;

	c->new[2].state = VALUE_NULL;
	sql_is(c, CHANGE_UPDATE,
	       "WITH u AS (UPDATE ONLY \"s\".\"t\" AS t SET \"a\" = $1, \"b\" = $2 WHERE t.\"id\" "
	       "OPERATOR(pg_catalog.=) $3" CHECK_ONE);
}

static void
test_identity_always_is_replaced_only_when_needed(void **state)
{
	Case *c = *state;

	c->target[1].identity_always = true;
	c->table.column_count = 4; /* a column of the target's own keeps its value */
	sql_is(c, CHANGE_UPDATE,
	       "WITH d AS (DELETE FROM ONLY \"s\".\"t\" AS t WHERE t.\"id\" OPERATOR(pg_catalog.=) $1 "
	       "RETURNING t.*), u AS (INSERT INTO \"s\".\"t\" (\"id\", \"a\", \"b\", \"extra\") "
	       "OVERRIDING SYSTEM VALUE SELECT d.\"id\", $2, $3, d.\"extra\" FROM d" CHECK_ONE);
	params_are(c, "0o 1 2");

	/* an old image proves that it did not change */
	c->relation.identity = 'f';
	c->change.old_row = OLD_FULL;
	c->change.old_values = c->old;
	c->new[1] = c->old[1];
	sql_is(c, CHANGE_UPDATE,
	       "WITH u AS (UPDATE ONLY \"s\".\"t\" AS t SET \"id\" = $1, \"b\" = $2 WHERE t.\"id\" "
	       "OPERATOR(pg_catalog.=) $3" CHECK_ONE);
}

static void
test_delete(void **state)
{
	Case *c = *state;

	c->change.new_values = NULL;
	c->change.old_row = OLD_KEY;
	c->change.old_values = c->old;
	sql_is(c, CHANGE_DELETE,
	       "DELETE FROM ONLY \"s\".\"t\" AS t WHERE t.\"id\" OPERATOR(pg_catalog.=) $1");
	assert_false(c->plan->counts_rows);
	c->table.partitioned = true;
	sql_is(c, CHANGE_DELETE,
	       "DELETE FROM \"s\".\"t\" AS t WHERE t.\"id\" OPERATOR(pg_catalog.=) $1");
	/* without a unique index there, more than one row might go */
	c->table.unique_count = 0;
	c->table.partitioned = false;
	sql_is(c, CHANGE_DELETE,
	       "WITH u AS (DELETE FROM ONLY \"s\".\"t\" AS t WHERE t.\"id\" OPERATOR(pg_catalog.=) $1 "
	       "RETURNING 1) SELECT CASE WHEN pg_catalog.count(*) > 1 THEN "
	       "dts.target_rows_wrong(pg_catalog.count(*)) ELSE pg_catalog.count(*) END FROM u");
	assert_true(c->plan->counts_rows);
}

static void
test_keyless_delete_takes_one_row(void **state)
{
	Case *c = *state;

	full(c);
	c->change.new_values = NULL;
	sql_is(c, CHANGE_DELETE,
	       "DELETE FROM ONLY \"s\".\"t\" AS t USING (SELECT x.tableoid AS part, x.ctid AS place "
	       "FROM ONLY \"s\".\"t\" AS x WHERE ROW(x.\"id\", x.\"a\", x.\"b\")::record "
	       "OPERATOR(pg_catalog.*=) ROW($1, $2, $3)::record LIMIT 1) AS m "
	       "WHERE t.ctid = m.place AND t.tableoid = m.part");
	params_are(c, "0o 1o 2o");
}

static void
test_keyless_uses_an_index_and_knows_null(void **state)
{
	Case *c = *state;

	full(c);
	c->target[0].indexed = true;
	c->target[1].indexed = true;
	c->old[1].state = VALUE_NULL;
	c->old[2].state = VALUE_UNCHANGED; /* nobody knows: not compared */
	sql_is(c, CHANGE_UPDATE,
	       "WITH u AS (UPDATE ONLY \"s\".\"t\" AS t SET \"id\" = $1, \"a\" = $2, \"b\" = $3 FROM "
	       "(SELECT x.tableoid AS part, x.ctid AS place FROM ONLY \"s\".\"t\" AS x WHERE "
	       "ROW(x.\"id\", x.\"a\")::record OPERATOR(pg_catalog.*=) ROW($4, $5)::record AND "
	       "x.\"id\" OPERATOR(pg_catalog.=) $6 AND x.\"a\" IS NULL LIMIT 1) AS m "
	       "WHERE t.ctid = m.place AND t.tableoid = m.part" CHECK_ONE);
	params_are(c, "0 1 2 0o 1o 0o");
}

static void
test_full_identity_uses_the_targets_primary_key(void **state)
{
	Case *c = *state;

	full(c);
	c->target[0].primary_key = true;
	c->table.unique_count = 1;
	c->change.new_values = NULL;
	sql_is(c, CHANGE_DELETE,
	       "DELETE FROM ONLY \"s\".\"t\" AS t WHERE t.\"id\" OPERATOR(pg_catalog.=) $1");
}

static void
test_shapes_differ_by_what_they_write(void **state)
{
	Case *c = *state;
	PlanShape a;
	PlanShape b;
	Plan *plan;

	assert_true(shape(c, CHANGE_UPDATE, &a));
	plan = plan_build(c->arena, c->bound, &a);
	c->new[2].state = VALUE_UNCHANGED;
	assert_true(plan_shape(c->bound, &c->change, &b, &c->err));
	assert_false(plan_shape_equal(c->bound, &plan->shape, &b));
	c->new[2].state = VALUE_NULL;
	assert_true(plan_shape(c->bound, &c->change, &b, &c->err));
	assert_true(plan_shape_equal(c->bound, &plan->shape, &b));
}

static void
test_no_identity_stops_with_remedy(void **state)
{
	Case *c = *state;
	PlanShape s;

	c->change.operation = 'U';
	assert_false(shape(c, CHANGE_NO_IDENTITY, &s));
	assert_string_equal(c->err.sqlstate, ERR_NO_IDENTITY);
	assert_non_null(strstr(c->err.message, "\"s\".\"t\""));
	assert_non_null(strstr(c->err.hint, "REPLICA IDENTITY"));
	/* a key that is not there is none either */
	c->new[0].state = VALUE_NULL;
	assert_false(shape(c, CHANGE_UPDATE, &s));
	c->change.old_values = NULL;
	c->change.new_values = NULL;
	assert_false(shape(c, CHANGE_DELETE, &s));
}

static void
refused(Case *c, const char *column)
{
	assert_null(plan_bind(c->arena, &c->relation, &c->table, &c->err));
	assert_string_equal(c->err.sqlstate, ERR_RELATION_MISMATCH);
	assert_non_null(strstr(c->err.detail, column));
	assert_non_null(strstr(c->err.message, "\"s\".\"t\""));
}

static void
test_mismatches_are_named(void **state)
{
	Case *c = *state;

	c->target[1].name = "other";
	refused(c, "\"a\"");
	c->target[1].name = "a";
	c->target[1].type_oid = TEXT;
	refused(c, "\"a\"");
	c->target[1].type_oid = INT4;
	c->table.column_count = 4;
	c->target[3].not_null = true;
	refused(c, "\"extra\"");
	c->target[3].has_default = true;
	assert_non_null(plan_bind(c->arena, &c->relation, &c->table, &c->err));
}

static void
test_types_outside_the_catalog_match_by_name(void **state)
{
	Case *c = *state;

	c->source[2].type_schema = "public";
	c->source[2].type_name = "mood";
	c->source[2].type_oid = 17000;
	c->target[2].type_schema = "ext";
	c->target[2].type_name = "mood";
	c->target[2].type_oid = 18000;
	assert_non_null(plan_bind(c->arena, &c->relation, &c->table, &c->err));
	c->target[2].type_name = "temper";
	refused(c, "\"b\"");
}

static void
test_truncate(void **state)
{
	Case *c = *state;
	Relation other = c->relation;
	TargetTable root = c->table;
	const Relation *both[] = {&c->relation, &other};
	const PlanRelation *bound[2];
	Change change = {.kind = CHANGE_TRUNCATE, .truncated = both, .truncated_count = 2};

	other.name = "p";
	root.name = "p";
	root.partitioned = true;
	bound[0] = plan_bind(c->arena, &c->relation, &c->table, &c->err);
	bound[1] = plan_bind(c->arena, &other, &root, &c->err);
	assert_string_equal(plan_truncate(c->arena, bound, &change, &c->err),
	                    "TRUNCATE ONLY \"s\".\"t\", \"s\".\"p\" CONTINUE IDENTITY RESTRICT");
	change.cascade = change.restart_identity = true;
	assert_string_equal(plan_truncate(c->arena, bound, &change, &c->err),
	                    "TRUNCATE ONLY \"s\".\"t\", \"s\".\"p\" RESTART IDENTITY CASCADE");
}

/* Truncating one partition must not empty a whole table that stands in for it. */
static void
test_truncate_of_a_leaf_does_not_empty_the_root(void **state)
{
	Case *c = *state;
	Relation leaf = c->relation;
	Relation root = c->relation;
	TargetTable table = c->table;
	const Relation *both[] = {&leaf, &root};
	const PlanRelation *bound[2];
	Change change = {.kind = CHANGE_TRUNCATE, .truncated = both, .truncated_count = 1};
	TargetTable stands_in;

	leaf.name = "t_1";
	table.partitioned = true;
	stands_in = table;
	stands_in.is_root = true;
	bound[0] = plan_bind(c->arena, &leaf, &stands_in, &c->err);
	bound[1] = plan_bind(c->arena, &root, &table, &c->err);
	assert_null(plan_truncate(c->arena, bound, &change, &c->err));
	assert_string_equal(c->err.sqlstate, ERR_RELATION_MISMATCH);
	change.truncated_count = 2;
	assert_string_equal(plan_truncate(c->arena, bound, &change, &c->err),
	                    "TRUNCATE \"s\".\"t\" CONTINUE IDENTITY RESTRICT");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_insert),
	    TEST(test_update_by_unchanged_key_leaves_the_key_alone),
	    TEST(test_update_of_the_key_finds_the_old_one),
	    TEST(test_unchanged_toast_is_left_alone),
	    TEST(test_null_is_written_not_left_out),
	    TEST(test_identity_always_is_replaced_only_when_needed),
	    TEST(test_delete),
	    TEST(test_keyless_delete_takes_one_row),
	    TEST(test_keyless_uses_an_index_and_knows_null),
	    TEST(test_full_identity_uses_the_targets_primary_key),
	    TEST(test_shapes_differ_by_what_they_write),
	    TEST(test_no_identity_stops_with_remedy),
	    TEST(test_mismatches_are_named),
	    TEST(test_types_outside_the_catalog_match_by_name),
	    TEST(test_truncate),
	    TEST(test_truncate_of_a_leaf_does_not_empty_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
