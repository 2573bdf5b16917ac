/*
 * test_long_values.c
 *		Long values: put together from fragments, and refused when the fragments do not fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire.h"
#include "arena.h"
#include "long_values.h"

static const char *
add(LongValues *v, bool first, bool last, uint64_t total, const char *text)
{
	return long_values_add(v, 5, first, last, total, text, strlen(text));
}

static void
expect(LongValues *v, const char *text)
{
	const char *data;
	uint32_t len;

	assert_true(long_values_take(v, &data, &len));
	assert_int_equal(len, strlen(text));
	assert_memory_equal(data, text, len);
}

static void
values_come_back_in_order(void **state)
{
	LongValues *v = long_values_create(true);
	const char *data;
	uint32_t len;

	(void) state;
	for (int round = 0; round < 3; round++)
	{
		assert_false(long_values_pending(v));
		assert_null(add(v, true, false, 6, "ab"));
		assert_true(long_values_open(v));
		assert_false(long_values_take(v, &data, &len));
		assert_null(add(v, false, false, 0, "cd"));
		assert_null(add(v, false, true, 0, "ef"));
		assert_null(add(v, true, true, 0, ""));
		assert_null(add(v, true, true, 1, "z"));
		assert_int_equal(long_values_xid(v), 5);
		expect(v, "abcdef");
		expect(v, "");
		assert_true(long_values_pending(v));
		expect(v, "z");
		assert_false(long_values_pending(v));
		assert_false(long_values_take(v, &data, &len));
		long_values_clear(v);
	}
	long_values_destroy(v);
	long_values_destroy(NULL);
}

static void
fragments_must_fit(void **state)
{
	LongValues *v = long_values_create(true);

	(void) state;
	assert_non_null(strstr(add(v, false, true, 0, "a"), "the first fragment"));
	assert_null(add(v, true, false, 3, "a"));
	assert_non_null(strstr(add(v, true, false, 3, "a"), "the rest"));
	assert_non_null(strstr(long_values_add(v, 6, false, false, 0, "b", 1), "belong to"));
	assert_non_null(strstr(add(v, false, false, 0, "bcd"), "no more bytes"));
	assert_non_null(strstr(add(v, false, true, 0, "b"), "as many bytes"));
	long_values_clear(v);
	assert_non_null(strstr(add(v, true, false, (uint64_t) DTS_WIRE_MAX_VALUE + 1, "a"), "1 GB"));
	assert_null(add(v, true, false, DTS_WIRE_MAX_VALUE, "a")); /* takes no memory by itself */
	long_values_destroy(v);
}

static void
a_record_has_so_many_columns_only(void **state)
{
	LongValues *v = long_values_create(false);

	(void) state;
	for (int i = 0; i < 2 * DTS_WIRE_MAX_COLUMNS; i++)
		assert_null(add(v, true, true, 1, "a"));
	assert_non_null(strstr(add(v, true, true, 1, "a"), "columns"));
	long_values_destroy(v);
}

static void
large_values_are_whole(void **state)
{
	LongValues *v = long_values_create(true);
	size_t piece = 100000, total = 50 * piece;
	char *bytes = xmalloc(piece);
	const char *data;
	uint32_t len;

	(void) state;
	for (size_t i = 0; i < 50; i++)
	{
		memset(bytes, (int) i, piece);
		assert_null(long_values_add(v, 5, i == 0, i == 49, total, bytes, piece));
	}
	assert_true(long_values_take(v, &data, &len));
	assert_int_equal(len, total);
	for (size_t i = 0; i < total; i++)
		assert_int_equal(data[i], (int) (i / piece));
	free(bytes);
	long_values_destroy(v);
}

static void
counting_alone_stores_nothing(void **state)
{
	LongValues *v = long_values_create(false);
	const char *data = "";
	uint32_t len;

	(void) state;
	assert_null(add(v, true, true, 3, "abc"));
	assert_true(long_values_take(v, &data, &len));
	assert_null(data);
	assert_int_equal(len, 3);
	long_values_destroy(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_come_back_in_order),
	    cmocka_unit_test(fragments_must_fit),
	    cmocka_unit_test(a_record_has_so_many_columns_only),
	    cmocka_unit_test(large_values_are_whole),
	    cmocka_unit_test(counting_alone_stores_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
