/*
 * test_arena.c
 *		Arenas: alignment, growth, reset.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"

static void
hands_out_aligned_memory_that_does_not_overlap(void **state)
{
	Arena *arena = arena_create(128);
	unsigned char *blocks[200];

	(void) state;
	for (int i = 0; i < 200; i++)
	{
		blocks[i] = arena_alloc(arena, (size_t) i);
		assert_int_equal((uintptr_t) blocks[i] % 16, 0);
		memset(blocks[i], i, (size_t) i);
	}
	for (int i = 0; i < 200; i++)
	{
		for (int k = 0; k < i; k++)
			assert_int_equal(blocks[i][k], i);
	}
	arena_destroy(arena);
}

static void
zeroed_memory_is_zero_also_after_a_reset(void **state)
{
	Arena *arena = arena_create(64);
	char *p;

	(void) state;
	memset(arena_alloc(arena, 48), 7, 48);
	arena_reset(arena);
	p = arena_zalloc(arena, 48);
	for (int i = 0; i < 48; i++)
		assert_int_equal(p[i], 0);
	arena_destroy(arena);
}

static void
reset_keeps_the_first_block(void **state)
{
	Arena *arena = arena_create(256);
	void *first = arena_alloc(arena, 16);

	(void) state;
	for (int i = 0; i < 10; i++)
		arena_alloc(arena, 4096);
	assert_true(arena_used(arena) >= 40960);
	arena_reset(arena);
	assert_int_equal(arena_used(arena), 0);
	assert_ptr_equal(arena_alloc(arena, 16), first);
	arena_destroy(arena);
}

static void
copies_text(void **state)
{
	Arena *arena = arena_create(32);

	(void) state;
	assert_string_equal(arena_strdup(arena, "slot"), "slot");
	assert_string_equal(arena_strndup(arena, "slotted", 4), "slot");
	assert_string_equal(arena_printf(arena, "%s %d, %0*d", "row", 7, 100, 1) + 7,
	                    arena_printf(arena, "%0*d", 100, 1));
	arena_destroy(arena);
	arena_destroy(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hands_out_aligned_memory_that_does_not_overlap),
	    cmocka_unit_test(zeroed_memory_is_zero_also_after_a_reset),
	    cmocka_unit_test(reset_keeps_the_first_block),
	    cmocka_unit_test(copies_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
