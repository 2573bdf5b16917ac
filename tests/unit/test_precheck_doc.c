/*
 * test_precheck_doc.c
 *		docs/prechecks.md tells of exactly the items that there are, in their order.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "precheck.h"

/* Rows of the table in the document: | `item` | ... */
static void
the_document_lists_the_items(void **state)
{
	FILE *file = fopen(TEST_GOLDEN_DIR "/../../docs/prechecks.md", "re");
	char line[2000];
	int found = 0;

	(void) state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char name[64];
		char meaning[200];

		if (sscanf(line, "| `%63[a-z_]` | %199[^|]", name, meaning) != 2)
			continue;
		assert_true(found < PRECHECK_COUNT);
		assert_string_equal(name, precheck_item_name((PrecheckItem) found));
		while (strlen(meaning) > 0 && meaning[strlen(meaning) - 1] == ' ')
			meaning[strlen(meaning) - 1] = '\0';
		assert_string_equal(meaning, precheck_item_meaning((PrecheckItem) found));
		found++;
	}
	fclose(file);
	assert_int_equal(found, PRECHECK_COUNT);
}

static void
lists_of_names_end_after_twenty(void **state)
{
	NameList list = {.count = 0};

	(void) state;
	for (int i = 0; i < 300; i++)
		name_list_add(&list, "\"public\".\"table_%d\"", i);
	assert_non_null(strstr(name_list_end(&list), "\"table_19\""));
	assert_null(strstr(list.text, "\"table_20\""));
	assert_non_null(strstr(list.text, "300 in all"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_document_lists_the_items),
	    cmocka_unit_test(lists_of_names_end_after_twenty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
