/*
 * test_copy_plan.c
 *		Cutting tables into parts: nothing lost, nothing twice, largest first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arena.h"
#include "copy_plan.h"

#define MB   (1024LL * 1024)
#define PAGE 8192LL

static PlanTable
table_of(int64_t bytes)
{
	return (PlanTable){.bytes = bytes, .pages = bytes / PAGE, .rows = bytes / 100};
}

/* Every page of every table is in exactly one part, and the last part is open-ended. */
static void
assert_covered(int count, const PlanPart *parts, int n)
{
	for (int t = 0; t < count; t++)
	{
		int64_t at = 0;
		bool ended = false;
		int pieces = 0;
		int total;

		for (int k = 0; k < n; k++)
			pieces += parts[k].table == t;
		assert_true(pieces > 0);
		total = pieces;
		while (!ended)
		{
			int found = -1;

			for (int k = 0; k < n; k++)
			{
				if (parts[k].table == t && parts[k].from_page == at)
				{
					assert_int_equal(found, -1);
					found = k;
				}
			}
			assert_int_not_equal(found, -1);
			assert_int_equal(parts[found].only, total == 1);
			ended = parts[found].to_page == PLAN_OPEN_END;
			assert_true(ended || parts[found].to_page > at);
			at = parts[found].to_page;
			pieces--;
		}
		assert_int_equal(pieces, 0);
	}
	for (int k = 1; k < n; k++)
		assert_true(parts[k - 1].bytes >= parts[k].bytes);
}

static void
test_empty(void **state)
{
	Arena *arena = arena_create(1024);
	PlanTable none = {0};
	int n = -1;

	(void) state;
	assert_non_null(copy_plan_split(NULL, 0, 4, arena, &n));
	assert_int_equal(n, 0);
	assert_covered(1, copy_plan_split(&none, 1, 4, arena, &n), 1);
	assert_int_equal(n, 1);
	arena_destroy(arena);
}

static void
test_small_tables_stay_whole(void **state)
{
	Arena *arena = arena_create(1024);
	PlanTable tables[] = {table_of(PAGE), table_of(47 * MB), table_of(0), table_of(10 * MB)};
	int n;
	PlanPart *parts = copy_plan_split(tables, 4, 8, arena, &n);

	(void) state;
	assert_int_equal(n, 4);
	assert_covered(4, parts, n);
	assert_int_equal(parts[0].table, 1);
	assert_int_equal(parts[1].table, 3);
	arena_destroy(arena);
}

static void
test_large_table_is_cut(void **state)
{
	Arena *arena = arena_create(1024);
	PlanTable tables[] = {table_of(100 * MB), table_of(8192 * MB), table_of(PAGE)};
	int n;
	PlanPart *parts = copy_plan_split(tables, 3, 4, arena, &n);

	(void) state;
	assert_covered(3, parts, n);
	/* about four parts a worker */
	assert_true(n >= 16 && n <= 20);
	assert_int_equal(parts[0].table, 1);
	arena_destroy(arena);
}

static void
test_part_size_has_limits(void **state)
{
	Arena *arena = arena_create(1024);
	PlanTable huge = table_of(1024 * 1024 * MB);
	PlanTable medium = table_of(320 * MB);
	int n;
	PlanPart *parts = copy_plan_split(&huge, 1, 2, arena, &n);

	(void) state;
	assert_covered(1, parts, n);
	assert_int_equal(n, 1024);
	parts = copy_plan_split(&medium, 1, 64, arena, &n);
	assert_covered(1, parts, n);
	assert_int_equal(n, 10);
	arena_destroy(arena);
}

static void
test_whole_is_never_cut(void **state)
{
	Arena *arena = arena_create(1024);
	PlanTable table = table_of(8192 * MB);
	int n;

	(void) state;
	table.whole = true;
	assert_true(copy_plan_split(&table, 1, 4, arena, &n)->only);
	assert_int_equal(n, 1);
	arena_destroy(arena);
}

static void
test_random(void **state)
{
	Arena *arena = arena_create(1024);

	(void) state;
	srandom(1);
	for (int round = 0; round < 200; round++)
	{
		PlanTable tables[10];
		int count = 1 + (int) (random() % 10);
		PlanPart *parts;
		int n;

		for (int i = 0; i < count; i++)
		{
			tables[i] = table_of((random() % 100000) * PAGE);
			tables[i].whole = random() % 5 == 0;
		}
		parts = copy_plan_split(tables, count, (int) (random() % 65), arena, &n);
		assert_covered(count, parts, n);
		arena_reset(arena);
	}
	arena_destroy(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_small_tables_stay_whole),
	    cmocka_unit_test(test_large_table_is_cut),
	    cmocka_unit_test(test_part_size_has_limits),
	    cmocka_unit_test(test_whole_is_never_cut),
	    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
