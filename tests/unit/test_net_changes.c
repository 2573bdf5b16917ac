/*
 * test_net_changes.c
 *		What changes of one key come to, what is kept in order, and the statements and arrays for
 *		many rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "net_array.h"
#include "net_changes.h"
#include "net_sort.h"
#include "plan_group.h"

#define OID_INT4 23
#define OID_TEXT 25

static Column columns[] = {
    {.name = "id", .type_oid = OID_INT4, .format = FORMAT_BINARY, .fixed_len = 4, .is_key = true},
    {.name = "a", .type_oid = OID_TEXT, .format = FORMAT_BINARY},
    {.name = "b", .type_oid = OID_TEXT, .format = FORMAT_TEXT},
};
static Relation relation = {.number = 1,
                            .oid = 1,
                            .schema = "s",
                            .name = "t",
                            .relkind = 'r',
                            .identity = 'd',
                            .column_count = 3,
                            .key_count = 1,
                            .columns = columns};
static const int key_columns[] = {0};

typedef struct Case
{
	Arena *arena;
	NetRun run;
	NetTable *table;
	NetSubject subject;
	uint64_t lsn;
} Case;

static void
setup(Case *c)
{
	memset(c, 0, sizeof(*c));
	c->arena = arena_create(4096);
	c->subject = (NetSubject){.relation = &relation,
	                          .key_columns = key_columns,
	                          .key_count = 1,
	                          .keyless = ORDER_NONE,
	                          .order = ORDER_NONE};
	net_run_init(&c->run, c->arena);
	c->table = net_run_table(&c->run, &c->subject);
}

/* "~" unchanged, "-" NULL, "?" not part of the tuple */
static Value
value(const char *text)
{
	Value v = {.data = text, .len = (uint32_t) strlen(text), .state = VALUE_PRESENT};

	if (strcmp(text, "~") == 0)
		v.state = VALUE_UNCHANGED;
	if (strcmp(text, "-") == 0)
		v.state = VALUE_NULL;
	if (strcmp(text, "?") == 0)
		v.state = VALUE_ABSENT;
	return v;
}

static void
add(Case *c, ChangeKind kind, const char *key, const char *a, const char *b)
{
	/* gone after the call, like a source's views */
	char texts[3][16];
	Value values[3];
	Change change = {.kind = kind, .relation = &relation};

	snprintf(texts[0], sizeof(texts[0]), "%s", key);
	snprintf(texts[1], sizeof(texts[1]), "%s", a);
	snprintf(texts[2], sizeof(texts[2]), "%s", b);
	for (int i = 0; i < 3; i++)
		values[i] = value(texts[i]);
	if (kind == CHANGE_DELETE)
	{
		change.old_row = OLD_KEY;
		change.old_values = values;
	}
	else
		change.new_values = values;
	net_run_add(&c->run, c->table, &change, source_lsn(++c->lsn));
	memset(texts, '#', sizeof(texts));
}

static void
insert(Case *c, const char *key, const char *a, const char *b)
{
	add(c, CHANGE_INSERT, key, a, b);
}

static void
update(Case *c, const char *key, const char *a, const char *b)
{
	add(c, CHANGE_UPDATE, key, a, b);
}

static void
remove_row(Case *c, const char *key)
{
	add(c, CHANGE_DELETE, key, "?", "?");
}

static void
put_value(StrBuf *buf, const Value *v)
{
	static const char *const signs[] = {
	    [VALUE_NULL] = "-", [VALUE_UNCHANGED] = "~", [VALUE_ABSENT] = "?"};

	if (v->state == VALUE_PRESENT)
		strbuf_add(buf, v->data, v->len);
	else
		strbuf_puts(buf, signs[v->state]);
}

/* All net rows, or "ordered n". */
static void
comes_to(Case *c, const char *expected)
{
	static const char *const kinds[] = {"insert", "update", "delete", "replace", "nothing"};
	StrBuf said;

	strbuf_init(&said);
	if (c->table->order != ORDER_NONE)
		strbuf_printf(&said, "ordered %d ", (int) c->table->order);
	else
	{
		for (NetRow *row = c->table->rows; row != NULL; row = row->next)
		{
			strbuf_printf(&said, "%s(", kinds[row->kind]);
			for (int i = 0; i < (row->kind == NET_DELETE || row->kind == NET_NOTHING ? 1 : 3); i++)
			{
				if (i > 0)
					strbuf_putc(&said, ' ');
				put_value(&said, &row->values[i]);
			}
			strbuf_puts(&said, ") ");
		}
	}
	assert_string_equal(said.data, expected);
	strbuf_free(&said);
	arena_destroy(c->arena);
}

static void
test_changes_of_one_key(void **state)
{
	Case c;

	(void) state;
	setup(&c);
	insert(&c, "1", "x", "y");
	update(&c, "1", "z", "-");
	comes_to(&c, "insert(1 z -) ");
	setup(&c);
	update(&c, "1", "x", "~");
	update(&c, "1", "~", "y");
	comes_to(&c, "update(1 x y) ");
	setup(&c);
	insert(&c, "1", "x", "y");
	remove_row(&c, "1");
	comes_to(&c, "nothing(1) ");
	setup(&c);
	insert(&c, "1", "x", "y");
	remove_row(&c, "1");
	insert(&c, "1", "n", "m");
	comes_to(&c, "insert(1 n m) ");
	setup(&c);
	update(&c, "1", "x", "y");
	remove_row(&c, "1");
	comes_to(&c, "delete(1) ");
	setup(&c);
	remove_row(&c, "1");
	insert(&c, "1", "x", "y");
	update(&c, "1", "~", "z");
	comes_to(&c, "replace(1 x z) ");
	setup(&c);
	remove_row(&c, "1");
	insert(&c, "1", "x", "y");
	remove_row(&c, "1");
	comes_to(&c, "delete(1) ");
}

static void
test_unchanged_values_are_taken_from_before(void **state)
{
	Case c;

	(void) state;
	setup(&c);
	insert(&c, "1", "large", "y");
	update(&c, "1", "~", "z");
	update(&c, "1", "~", "w");
	comes_to(&c, "insert(1 large w) ");
	setup(&c);
	update(&c, "1", "~", "z");
	update(&c, "1", "~", "w");
	comes_to(&c, "update(1 ~ w) ");
}

static void
test_what_does_not_follow_is_applied_in_order(void **state)
{
	char expected[32];
	Case c;

	(void) state;
	snprintf(expected, sizeof(expected), "ordered %d ", (int) ORDER_SEQUENCE);
	setup(&c);
	update(&c, "1", "x", "y");
	insert(&c, "1", "x", "y");
	comes_to(&c, expected);
	setup(&c);
	remove_row(&c, "1");
	update(&c, "1", "x", "y");
	comes_to(&c, expected);
	setup(&c);
	remove_row(&c, "1");
	remove_row(&c, "1");
	comes_to(&c, expected);
}

static void
test_key_change_and_missing_key_are_applied_in_order(void **state)
{
	Value old[] = {value("1"), value("?"), value("?")};
	Value new[] = {value("2"), value("x"), value("y")};
	Value same[] = {value("~"), value("x"), value("y")};
	Change change = {.kind = CHANGE_UPDATE,
	                 .relation = &relation,
	                 .old_row = OLD_KEY,
	                 .old_values = old,
	                 .new_values = new};
	char expected[32];
	Case c;

	(void) state;
	snprintf(expected, sizeof(expected), "ordered %d ", (int) ORDER_KEY_CHANGE);
	setup(&c);
	net_run_add(&c.run, c.table, &change, source_lsn(1));
	comes_to(&c, expected);
	/* the same key, sent because it is large */
	change.new_values = same;
	setup(&c);
	net_run_add(&c.run, c.table, &change, source_lsn(1));
	comes_to(&c, "update(1 x y) ");
	/* inserts need no key, anything else does */
	setup(&c);
	c.subject.key_count = 0;
	c.subject.keyless = ORDER_NO_KEY;
	insert(&c, "1", "x", "y");
	insert(&c, "1", "x", "y");
	assert_int_equal(c.table->order, ORDER_NONE);
	remove_row(&c, "1");
	snprintf(expected, sizeof(expected), "ordered %d ", (int) ORDER_NO_KEY);
	comes_to(&c, expected);
}

static void
test_many_keys_find_their_rows(void **state)
{
	char key[16];
	Case c;

	(void) state;
	setup(&c);
	for (int i = 0; i < 5000; i++)
	{
		snprintf(key, sizeof(key), "k%d", i);
		insert(&c, key, "x", "y");
	}
	for (int i = 4000; i < 9000; i++)
	{
		snprintf(key, sizeof(key), "k%d", i);
		update(&c, key, "z", "~");
	}
	assert_int_equal(c.table->order, ORDER_NONE);
	assert_int_equal(c.table->kinds[NET_INSERT], 5000);
	assert_int_equal(c.table->kinds[NET_UPDATE], 4000);
	assert_int_equal(c.table->row_count, 9000);
	arena_destroy(c.arena);
}

static void
test_the_run_keeps_every_change_in_order(void **state)
{
	Case c;
	Change change;
	const NetChange *kept;

	(void) state;
	setup(&c);
	insert(&c, "1", "x", "y");
	update(&c, "1", "~", "z");
	remove_row(&c, "1");
	assert_int_equal(c.run.count, 3);
	kept = c.run.first->changes;
	net_change_restore(&kept[0], &change);
	assert_int_equal(change.kind, CHANGE_INSERT);
	assert_memory_equal(change.new_values[1].data, "x", 1);
	net_change_restore(&kept[1], &change);
	assert_int_equal(change.kind, CHANGE_UPDATE);
	assert_int_equal(change.new_values[1].state, VALUE_UNCHANGED);
	net_change_restore(&kept[2], &change);
	assert_int_equal(change.kind, CHANGE_DELETE);
	assert_int_equal(change.old_row, OLD_KEY);
	assert_memory_equal(change.old_values[0].data, "1", 1);
	assert_int_equal(kept[2].commit.value, 3);
	arena_destroy(c.arena);
}

static void
test_rows_are_sorted_like_their_index(void **state)
{
	static const char *const keys[] = {"\x80\0\0\1", "\0\0\0\5", "\xff\xff\xff\xff", "\0\0\0\1"};
	static const int sorted[] = {0, 2, 3, 1};
	NetRow rows[4];
	NetRow *list[4];
	Value values[4];
	Arena *arena = arena_create(4096);

	(void) state;
	for (int i = 0; i < 4; i++)
	{
		values[i] = (Value){.data = keys[i], .len = 4, .state = VALUE_PRESENT};
		rows[i].values = &values[i];
		list[i] = &rows[i];
	}
	net_sort_rows(arena, &relation, key_columns, 1, list, 4);
	for (int i = 0; i < 4; i++)
		assert_ptr_equal(list[i], &rows[sorted[i]]);
	arena_destroy(arena);
}

static void
test_arrays(void **state)
{
	static const char binary[] = "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\3\0\0\0\1"
	                             "\0\0\0\2ab\xff\xff\xff\xff\0\0\0\0";
	NetArray array = {.count = 0};
	Value plain = value("ab");
	Value null = value("-");
	Value empty = value("");
	Value hard = value("a\"\\,{");

	(void) state;
	strbuf_init(&array.data);
	net_array_begin(&array, true, OID_TEXT, ',');
	net_array_add(&array, &plain);
	net_array_add(&array, &null);
	net_array_add(&array, &empty);
	net_array_end(&array);
	assert_int_equal(array.data.len, sizeof(binary) - 1);
	assert_memory_equal(array.data.data, binary, sizeof(binary) - 1);
	net_array_begin(&array, false, OID_TEXT, ';');
	net_array_add(&array, &hard);
	net_array_add(&array, &null);
	net_array_add(&array, &empty);
	net_array_end(&array);
	assert_string_equal(array.data.data, "{\"a\\\"\\\\,{\";NULL;\"\"}");
	strbuf_free(&array.data);
}

static TargetColumn target_columns[] = {
    {.name = "id", .type_oid = OID_INT4, .equality = "pg_catalog.=", .array_type = 1007},
    {.name = "a", .type_oid = OID_TEXT, .equality = "pg_catalog.=", .array_type = 1009},
    {.name = "b", .type_oid = OID_TEXT, .equality = "pg_catalog.=", .array_type = 1009},
};
static int unique_columns[] = {0};
static TargetUnique unique = {.columns = unique_columns, .count = 1, .plain = true};
static TargetTable target_table = {.schema = "s",
                                   .name = "t",
                                   .column_count = 3,
                                   .columns = target_columns,
                                   .unique_count = 1,
                                   .uniques = &unique};

static PlanRelation *
bind(Arena *arena)
{
	Error err;
	PlanRelation *bound;

	error_clear(&err);
	bound = plan_bind(arena, &relation, &target_table, &err);
	assert_non_null(bound);
	return bound;
}

static void
test_statements(void **state)
{
	Arena *arena = arena_create(4096);
	PlanRelation *bound = bind(arena);
	Value values[] = {value("1"), value("~"), value("x")};
	NetRow row = {.values = values, .kind = NET_UPDATE};
	GroupPlan *plan = group_plan(arena, bound, GROUP_UPDATE, row.values);

	(void) state;
	assert_string_equal(
	    plan->sql, "WITH u AS (UPDATE ONLY \"s\".\"t\" AS t SET \"b\" = s.p2 FROM (SELECT "
	               "pg_catalog.unnest($1) AS p1, pg_catalog.unnest($2) AS p2) AS s WHERE t.\"id\" "
	               "OPERATOR(pg_catalog.=) s.p1 RETURNING 1) SELECT "
	               "dts.target_rows_wrong(pg_catalog.count(*)) FROM u HAVING pg_catalog.count(*) "
	               "<> $3");
	assert_true(group_fits(bound, plan, GROUP_UPDATE, row.values));
	values[1] = value("now");
	assert_false(group_fits(bound, plan, GROUP_UPDATE, row.values));
	plan = group_plan(arena, bound, GROUP_INSERT, row.values);
	assert_string_equal(plan->sql,
	                    "INSERT INTO \"s\".\"t\" (\"id\", \"a\", \"b\") OVERRIDING SYSTEM VALUE "
	                    "SELECT pg_catalog.unnest($1) AS p1, pg_catalog.unnest($2) AS p2, "
	                    "pg_catalog.unnest($3) AS p3");
	/* the format of a COPY is one for all columns */
	assert_null(group_copy(arena, bound, plan));
	for (int i = 0; i < 3; i++)
		columns[i].format = FORMAT_BINARY;
	assert_string_equal(group_copy(arena, bound, plan),
	                    "COPY \"s\".\"t\" (\"id\", \"a\", \"b\") FROM STDIN (FORMAT binary)");
	/* which does not know of policies */
	target_table.row_security = true;
	assert_null(group_copy(arena, bound, plan));
	target_table.row_security = false;
	/* nor of rows to delete */
	assert_null(group_copy(arena, bound, group_plan(arena, bound, GROUP_DELETE, row.values)));
	for (int i = 0; i < 3; i++)
		columns[i].format = FORMAT_TEXT;
	arena_destroy(arena);
}

static void
test_what_has_no_statement_for_many(void **state)
{
	Arena *arena = arena_create(4096);
	Value values[] = {value("1"), value("x"), value("y")};
	NetRow row = {.values = values, .kind = NET_UPDATE};
	EngineOrder why;
	PlanRelation *bound;

	(void) state;
	/* an array of arrays would come apart */
	target_columns[1].array_type = 0;
	bound = bind(arena);
	assert_null(group_plan(arena, bound, GROUP_UPDATE, row.values)->sql);
	assert_true(group_by_key(bound, &why));
	target_columns[1].array_type = 1009;
	/* nothing to write */
	values[1] = value("~");
	values[2] = value("~");
	assert_null(group_plan(arena, bound, GROUP_UPDATE, row.values)->sql);
	/* no index that serves, triggers, roots */
	unique.plain = false;
	assert_false(group_by_key(bind(arena), &why));
	assert_int_equal(why, ORDER_NO_KEY);
	unique.plain = true;
	assert_true(group_by_key(bind(arena), &why));
	target_columns[1].identity_always = true;
	assert_false(group_by_key(bind(arena), &why));
	assert_int_equal(why, ORDER_IDENTITY);
	target_columns[1].identity_always = false;
	assert_int_equal(group_order(bind(arena)), ORDER_NONE);
	target_table.triggers = true;
	assert_int_equal(group_order(bind(arena)), ORDER_TRIGGER);
	target_table.triggers = false;
	target_table.is_root = true;
	assert_int_equal(group_order(bind(arena)), ORDER_PARTITIONED);
	target_table.is_root = false;
	arena_destroy(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_changes_of_one_key),
	    cmocka_unit_test(test_unchanged_values_are_taken_from_before),
	    cmocka_unit_test(test_what_does_not_follow_is_applied_in_order),
	    cmocka_unit_test(test_key_change_and_missing_key_are_applied_in_order),
	    cmocka_unit_test(test_many_keys_find_their_rows),
	    cmocka_unit_test(test_the_run_keeps_every_change_in_order),
	    cmocka_unit_test(test_rows_are_sorted_like_their_index),
	    cmocka_unit_test(test_arrays),
	    cmocka_unit_test(test_statements),
	    cmocka_unit_test(test_what_has_no_statement_for_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
