/*
 * test_write_set.c
 *		The rows that transactions in flight have written: found, forgotten, bounded; and against a
 *		plain list, with random tokens.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "write_set.h"

static void
the_newest_writer_is_found(void **state)
{
	WriteSet *set = write_set_create(0);
	uint64_t row = write_set_row(7, 1);

	(void) state;
	assert_int_equal(write_set_find(set, row), 0);
	write_set_add(set, row, 3);
	write_set_add(set, row, 5);
	assert_int_equal(write_set_find(set, row), 5);
	assert_int_equal(write_set_find(set, write_set_row(7, 2)), 0);
	assert_int_equal(write_set_count(set), 1);
	write_set_destroy(set);
	write_set_destroy(NULL);
}

static void
tables_and_rows_are_apart(void **state)
{
	(void) state;
	assert_true(write_set_row(7, 1) != write_set_row(8, 1));
	assert_true(write_set_row(7, 1) != write_set_table(7));
	assert_true(write_set_table(7) != write_set_table(8));
	assert_true(write_set_row(7, 0) != write_set_table(7));
}

static void
what_is_over_is_forgotten(void **state)
{
	WriteSet *set = write_set_create(0);

	(void) state;
	write_set_add(set, 11, 1);
	write_set_add(set, 12, 2);
	write_set_add_all(set, 1);
	write_set_forget(set, 1);
	assert_int_equal(write_set_find(set, 11), 0);
	assert_int_equal(write_set_find(set, 12), 2);
	write_set_destroy(set);
}

static void
everything_written_is_found_for_every_row(void **state)
{
	WriteSet *set = write_set_create(0);

	(void) state;
	write_set_add(set, 11, 2);
	write_set_add_all(set, 4);
	write_set_add(set, 13, 6);
	assert_int_equal(write_set_find(set, 11), 4);
	assert_int_equal(write_set_find(set, 12), 4);
	assert_int_equal(write_set_find(set, 13), 6);
	write_set_forget(set, 4);
	assert_int_equal(write_set_find(set, 12), 0);
	write_set_destroy(set);
}

static void
too_many_tokens_count_as_everything(void **state)
{
	WriteSet *set = write_set_create(100);

	(void) state;
	for (uint64_t i = 0; i < 150; i++)
		write_set_add(set, write_set_row(1, i), 9);
	assert_int_equal(write_set_count(set), 100);
	assert_int_equal(write_set_find(set, write_set_row(1, 149)), 9);
	assert_int_equal(write_set_find(set, write_set_row(2, 1)), 9);
	/* the next transactions find room when it is over */
	write_set_forget(set, 9);
	for (uint64_t i = 0; i < 50; i++)
		write_set_add(set, write_set_row(3, i), 10);
	assert_int_equal(write_set_find(set, write_set_row(3, 49)), 10);
	assert_int_equal(write_set_find(set, write_set_row(2, 1)), 0);
	write_set_destroy(set);
}

static void
agrees_with_a_plain_list(void **state)
{
	enum
	{
		TOKENS = 5000
	};
	static int64_t newest[TOKENS];
	unsigned seed = (unsigned) time(NULL);
	const char *given = getenv("SEED");
	WriteSet *set = write_set_create(0);
	int64_t over = 0;

	(void) state;
	if (given != NULL)
		seed = (unsigned) strtoul(given, NULL, 10);
	print_message("seed %u\n", seed);
	srand(seed);
	for (int64_t number = 1; number <= 400; number++)
	{
		for (int i = 0; i < 200; i++)
		{
			uint64_t at = (uint64_t) rand() % TOKENS;

			newest[at] = number;
			write_set_add(set, write_set_row(1, at), number);
		}
		if (rand() % 3 == 0)
		{
			int64_t upto = number - rand() % 5;

			over = upto > over ? upto : over;
			write_set_forget(set, over);
		}
		for (uint64_t at = 0; at < TOKENS; at += 13)
		{
			int64_t expected = newest[at] > over ? newest[at] : 0;

			assert_int_equal(write_set_find(set, write_set_row(1, at)), expected);
		}
	}
	write_set_destroy(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_newest_writer_is_found),
	    cmocka_unit_test(tables_and_rows_are_apart),
	    cmocka_unit_test(what_is_over_is_forgotten),
	    cmocka_unit_test(everything_written_is_found_for_every_row),
	    cmocka_unit_test(too_many_tokens_count_as_everything),
	    cmocka_unit_test(agrees_with_a_plain_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
