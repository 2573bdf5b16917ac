/*
 * test_copy_groups.c
 *		Entries that need one another stay together and in order; all others fall apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "copy_groups.h"

#define MAX 400

typedef struct Case
{
	Arena *arena;
	ArchiveEntry entries[MAX];
	ArchiveEntry *list[MAX];
	int sizes[MAX];
	int count;
} Case;

static void
entry(Case *c, int id, const char *desc, int first, int second)
{
	ArchiveEntry *e = &c->entries[c->count];
	int *depends = arena_zalloc(c->arena, 2 * sizeof(int));

	*e = (ArchiveEntry){.id = id, .desc = desc, .depends = depends};
	if (first != 0)
		depends[e->depend_count++] = first;
	if (second != 0)
		depends[e->depend_count++] = second;
	c->list[c->count++] = e;
}

static int
order(Case *c)
{
	Archive archive = {.max_id = 10000};

	return copy_groups_order(&archive, c->list, c->count, c->sizes, c->arena);
}

static void
test_together(void **state)
{
	static const int expected[] = {11, 14, 15, 17, 12, 13, 16};
	Case c = {.arena = arena_create(4096)};

	(void) state;
	entry(&c, 11, "TABLE", 1, 2);     /* what stands before the run joins nobody */
	entry(&c, 12, "TABLE", 1, 9999);  /* nor does what is not in the archive */
	entry(&c, 13, "SEQUENCE", 12, 0); /* of 12 */
	entry(&c, 14, "SEQUENCE", 11, 0); /* of 11 */
	entry(&c, 15, "DEFAULT", 14, 11); /* of 11 */
	entry(&c, 16, "VIEW", 1, 20000);  /* out of range */
	entry(&c, 17, "VIEW", 15, 1);     /* of 11, by way of others */
	assert_int_equal(order(&c), 3);
	for (int i = 0; i < c.count; i++)
		assert_int_equal(c.list[i]->id, expected[i]);
	assert_int_equal(c.sizes[0], 4);
	assert_int_equal(c.sizes[1], 2);
	assert_int_equal(c.sizes[2], 1);
	arena_destroy(c.arena);
}

/* Whatever the dependencies are, none crosses two groups, and none points forwards. */
static void
test_random(void **state)
{
	(void) state;
	srand(7);
	for (int round = 0; round < 200; round++)
	{
		Case c = {.arena = arena_create(4096)};
		int group_of[MAX + 1] = {0};
		int place_of[MAX + 1] = {0};
		int links = rand() % 100;
		int groups;
		int at = 0;

		for (int i = 1; i <= MAX; i++)
			entry(&c, i, "TABLE", rand() % 100 < links && i > 1 ? 1 + rand() % (i - 1) : 0,
			      rand() % 100 < links / 4 && i > 1 ? 1 + rand() % (i - 1) : 0);
		groups = order(&c);
		for (int k = 0; k < groups; k++)
		{
			for (int i = 0; i < c.sizes[k]; i++, at++)
			{
				group_of[c.list[at]->id] = k;
				place_of[c.list[at]->id] = at;
			}
		}
		assert_int_equal(at, MAX);
		assert_true(links > 0 || groups == MAX);
		for (int i = 0; i < MAX; i++)
		{
			const ArchiveEntry *e = c.list[i];

			for (int k = 0; k < e->depend_count; k++)
			{
				assert_int_equal(group_of[e->depends[k]], group_of[e->id]);
				assert_true(place_of[e->depends[k]] < i);
			}
		}
		arena_destroy(c.arena);
	}
}

static void
test_take(void **state)
{
	ArchiveEntry table = {.desc = "TABLE"};
	ArchiveEntry function = {.desc = "FUNCTION"};

	(void) state;
	assert_true(copy_groups_take(&table));
	assert_false(copy_groups_take(&function));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_together),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
