/*
 * test_object_map.c
 *		Names of the source on the target and back, and what the options say of a table.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "object_map.h"

static Job job;

static const char options[] =
    "{\"phases\": [\"full\"], \"objects\": ["
    "{\"schema\": \"app\", \"rename\": \"app2\", \"tables\": [\"plain\", {\"name\": \"t\", "
    "\"rename\": \"t2\", \"where\": \"id % 2 = 0\", \"columns\": [\"id\", {\"name\": \"v\", "
    "\"rename\": \"w\"}, {\"name\": \"label\", \"expr\": \"upper(v)\"}], \"operations\": "
    "[\"insert\", \"ddl\"]}, {\"name\": \"swap\", \"rename\": \"t\"}]},"
    "{\"schema\": \"whole\", \"rename\": \"all\"}, {\"schema\": \"same\"}]}";

static int
setup(void **state)
{
	Error err;

	(void) state;
	job = (Job){.arena = arena_create(1024)};
	if (!job_options_parse(&job, options, &err))
		fail_msg("%s %s", err.message, err.detail);
	return 0;
}

static int
teardown(void **state)
{
	(void) state;
	arena_destroy(job.arena);
	return 0;
}

static void
maps_to(const char *schema, const char *name, const char *target_schema, const char *target_name)
{
	const char *back_schema, *back_name;
	ObjectTable table;

	object_map_table(job.options.map, schema, name, &table);
	assert_string_equal(table.target_schema, target_schema);
	assert_string_equal(table.target_name, target_name);
	assert_true(
	    object_map_source(job.options.map, target_schema, target_name, &back_schema, &back_name));
	assert_string_equal(back_schema, schema);
	assert_string_equal(back_name, name);
}

static void
names_go_both_ways(void **state)
{
	(void) state;
	maps_to("app", "t", "app2", "t2");
	maps_to("app", "swap", "app2", "t");
	maps_to("app", "plain", "app2", "plain");
	maps_to("app", "t_id_seq", "app2", "t_id_seq");
	maps_to("whole", "any", "all", "any");
	maps_to("same", "t", "same", "t");
	maps_to("other", "t", "other", "t");
}

static void
a_name_that_goes_elsewhere_has_no_source(void **state)
{
	const char *schema, *name;

	(void) state;
	assert_false(object_map_source(job.options.map, "app2", "swap", &schema, &name));
	assert_false(object_map_source(job.options.map, "app", "plain", &schema, &name));
}

static void
a_table_has_what_the_options_say(void **state)
{
	ObjectTable table;

	(void) state;
	object_map_table(job.options.map, "app", "t", &table);
	assert_string_equal(table.where, "id % 2 = 0");
	assert_int_equal(table.operations,
	                 OPERATION_BIT(OPERATION_INSERT) | OPERATION_BIT(OPERATION_DDL));
	assert_string_equal(object_table_target(&table, "id"), "id");
	assert_string_equal(object_table_target(&table, "v"), "w");
	assert_null(object_table_target(&table, "gone"));
	assert_string_equal(object_table_column(&table, "label")->expr, "upper(v)");
	object_map_table(job.options.map, "app", "plain", &table);
	assert_null(table.where);
	assert_int_equal(table.operations, OPERATIONS_ALL);
	assert_string_equal(object_table_target(&table, "anything"), "anything");
}

static void
a_partition_follows_its_root(void **state)
{
	ObjectTable table;

	(void) state;
	object_map_leaf(job.options.map, "app", "t_1", "app", "t", &table);
	assert_string_equal(table.target_name, "t_1");
	assert_string_equal(table.target_schema, "app2");
	assert_string_equal(object_table_target(&table, "v"), "w");
	object_map_leaf(job.options.map, "app", "t_1", NULL, NULL, &table);
	assert_string_equal(object_table_target(&table, "v"), "v");
}

static void
a_relation_has_its_names_on_the_target(void **state)
{
	Column columns[] = {{.name = "id"}, {.name = "v"}};
	Relation relation = {
	    .number = 7, .schema = "app", .name = "t", .column_count = 2, .columns = columns};
	const Relation *mapped = object_map_relation(job.options.map, job.arena, &relation);

	(void) state;
	assert_int_equal(mapped->number, 7);
	assert_string_equal(mapped->name, "t");
	assert_string_equal(relation_target_schema(mapped), "app2");
	assert_string_equal(relation_target_name(mapped), "t2");
	assert_string_equal(column_target_name(&mapped->columns[0]), "id");
	assert_string_equal(column_target_name(&mapped->columns[1]), "w");
	assert_null(columns[1].target_name);
	relation = (Relation){.schema = "app",
	                      .name = "t_1",
	                      .root_schema = "app",
	                      .root_name = "t",
	                      .column_count = 2,
	                      .columns = columns};
	mapped = object_map_relation(job.options.map, job.arena, &relation);
	assert_string_equal(mapped->target_root_name, "t2");
	assert_string_equal(column_target_name(&mapped->columns[1]), "w");
}

static void
nothing_renamed_changes_nothing(void **state)
{
	const char *schema, *name;
	Relation relation = {.schema = "a", .name = "b"};
	Job plain = {.arena = job.arena};
	Error err;

	(void) state;
	assert_true(object_map_changes(job.options.map));
	assert_true(job_options_parse(
	    &plain, "{\"phases\": [\"full\"], \"objects\": [{\"schema\": \"a\", \"tables\": [\"b\"]}]}",
	    &err));
	assert_false(object_map_changes(plain.options.map));
	assert_ptr_equal(object_map_relation(plain.options.map, job.arena, &relation), &relation);
	assert_ptr_equal(object_map_relation(NULL, job.arena, &relation), &relation);
	assert_true(object_map_source(NULL, "a", "b", &schema, &name));
	assert_string_equal(name, "b");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(names_go_both_ways, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_name_that_goes_elsewhere_has_no_source, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_table_has_what_the_options_say, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_partition_follows_its_root, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_relation_has_its_names_on_the_target, setup, teardown),
	    cmocka_unit_test_setup_teardown(nothing_renamed_changes_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
