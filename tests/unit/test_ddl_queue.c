/*
 * test_ddl_queue.c
 *		Captured commands out of the stream: read from rows, planned, handed over in their place, rows
 *		that come before them held, what is decided about them followed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ddl_queue.h"
#include "fake_ends.h"

#define TEXT(t)                                                                                    \
	{                                                                                              \
		.data = (t), .len = (uint32_t) strlen(t), .state = VALUE_PRESENT                           \
	}

static Column command_columns[] = {
    {.name = "id", .type_oid = 20, .format = FORMAT_BINARY},
    {.name = "event", .type_oid = 25},
    {.name = "tag", .type_oid = 25},
    {.name = "query", .type_oid = 25},
    {.name = "nested", .type_oid = 16, .format = FORMAT_BINARY},
    {.name = "commands", .type_oid = 3802, .format = FORMAT_BINARY},
    {.name = "objects", .type_oid = 3802, .format = FORMAT_BINARY},
    {.name = "error", .type_oid = 25},
};
static const Relation command_table = {.number = 1,
                                       .oid = 100,
                                       .schema = "public",
                                       .name = "dts_ddl_command",
                                       .relkind = 'r',
                                       .column_count = 8,
                                       .columns = command_columns};
static Column row_columns[] = {{.name = "id", .type_oid = 23}};
static const Relation new_heap = {.number = 2,
                                  .oid = 9,
                                  .schema = "s",
                                  .name = "t",
                                  .rewrite = true,
                                  .relkind = 'r',
                                  .column_count = 1,
                                  .columns = row_columns};
static const TxnHeader header = {.xid = 7, .commit = {100}, .end = {110}};

typedef struct Case
{
	DdlQueue *queue;
	FakeTarget target;
	DdlDecision decision;
	int asked;
	Error err;
} Case;

static bool
all_relations(void *arg, const char *schema, const char *name)
{
	(void) arg;
	(void) name;
	return strcmp(schema, "s") == 0;
}

static bool
all_schemas(void *arg, const char *schema)
{
	(void) arg;
	return strcmp(schema, "s") == 0;
}

static const char *
same_role(void *arg, const char *role)
{
	(void) arg;
	return role;
}

static bool
decide(void *arg, const TxnHeader *txn, const DdlRecord *record, const DdlPlan *plan,
       DdlDecision *decision, Error *err)
{
	Case *c = arg;

	(void) txn;
	(void) record;
	(void) plan;
	(void) err;
	c->asked++;
	*decision = c->decision;
	return true;
}

static void
start(Case *c)
{
	const DdlQueueOptions options = {.scope = {.relation = all_relations, .schema = all_schemas},
	                                 .slot_name = "slot",
	                                 .role = same_role,
	                                 .decide = decide,
	                                 .arg = c,
	                                 .work_dir = "/tmp"};

	memset(c, 0, sizeof(*c));
	fake_target_init(&c->target);
	c->queue = ddl_queue_create(&options);
}

static void
end(Case *c)
{
	ddl_queue_destroy(c->queue);
	fake_target_free(&c->target);
}

/* One event of the stream, as the flow treats it. */
static TargetResult
take(Case *c, const Change *change)
{
	bool work;
	TargetResult result;

	assert_true(ddl_queue_wants(c->queue, change));
	result = ddl_queue_read(c->queue, &header, change, &work, &c->err);
	if (result == TARGET_OK && work)
		result = ddl_queue_run(c->queue, &c->target.base, &header, &c->err);
	return result;
}

static TargetResult
command(Case *c, const char *event, const char *commands, const char *objects)
{
	char binary[2][2000];
	Value values[] = {{.data = "\0\0\0\0\0\0\0\5", .len = 8, .state = VALUE_PRESENT},
	                  TEXT(event),
	                  TEXT("ALTER TABLE"),
	                  TEXT("the source's text"),
	                  {.data = "\1", .len = 1, .state = VALUE_PRESENT},
	                  {.state = VALUE_NULL},
	                  {.state = VALUE_NULL},
	                  {.state = VALUE_NULL}};
	const Change change = {.kind = CHANGE_INSERT, .relation = &command_table, .new_values = values};
	const char *const documents[] = {commands, objects};

	for (int i = 0; i < 2; i++)
	{
		if (documents[i] == NULL)
			continue;
		values[5 + i].len = (uint32_t) snprintf(binary[i], sizeof(binary[i]), "\1%s", documents[i]);
		values[5 + i].data = binary[i];
		values[5 + i].state = VALUE_PRESENT;
	}
	return take(c, &change);
}

#define TABLE(columns)                                                                             \
	"{\"schema\": \"s\", \"name\": \"t\", \"kind\": \"r\", \"owner\": \"o\", \"columns\": "        \
	"[" columns "]}"
#define INT     "{\"num\": 1, \"name\": \"id\", \"type\": \"integer\", \"type_oid\": 23}"
#define TEXTUAL "{\"num\": 1, \"name\": \"id\", \"type\": \"text\", \"type_oid\": 25}"
#define OBJECT(before, after)                                                                      \
	"[{\"class\": \"pg_class\", \"oid\": 9, \"before\": " before ", \"after\": " after "}]"
#define CHANGED OBJECT(TABLE(INT), TABLE(TEXTUAL))

static void
test_a_command_runs_in_its_place_and_the_batch_ends_with_it(void **state)
{
	Case c;
	bool cut;

	(void) state;
	start(&c);
	assert_int_equal(command(&c, "command", NULL, OBJECT(TABLE(INT), TABLE(TEXTUAL))), TARGET_OK);
	assert_non_null(strstr(c.target.said.data, "command(7: ALTER TABLE \"s\".\"t\" ALTER"));
	assert_true(ddl_queue_end(c.queue, &cut, &c.err));
	assert_true(cut);
	assert_int_equal(c.asked, 1);
	end(&c);
}

static void
test_rows_of_a_rewrite_come_behind_the_command(void **state)
{
	const Value values[] = {TEXT("x")};
	const Change row = {.kind = CHANGE_INSERT, .relation = &new_heap, .new_values = values};
	Case c;
	bool cut;
	const char *emptied;
	const char *altered;
	const char *inserted;

	(void) state;
	start(&c);
	assert_int_equal(command(&c, "rewrite", "[{\"class\": \"pg_class\", \"oid\": 9}]", NULL),
	                 TARGET_OK);
	assert_int_equal(take(&c, &row), TARGET_OK);
	assert_string_equal(c.target.said.data, "");
	assert_int_equal(command(&c, "command", NULL, OBJECT(TABLE(INT), TABLE(TEXTUAL))), TARGET_OK);
	emptied = strstr(c.target.said.data, "DELETE FROM ONLY \"s\".\"t\"");
	altered = strstr(c.target.said.data, "ALTER TABLE");
	inserted = strstr(c.target.said.data, "insert(7)");
	assert_true(emptied != NULL && altered > emptied && inserted > altered);
	assert_true(ddl_queue_end(c.queue, &cut, &c.err));
	end(&c);
}

static void
test_a_rewrite_without_its_command_is_an_error(void **state)
{
	const Value values[] = {TEXT("x")};
	const Change row = {.kind = CHANGE_INSERT, .relation = &new_heap, .new_values = values};
	Case c;
	bool cut;

	(void) state;
	start(&c);
	assert_int_equal(take(&c, &row), TARGET_OK);
	assert_false(ddl_queue_end(c.queue, &cut, &c.err));
	assert_string_equal(c.err.sqlstate, ERR_DDL);
	assert_non_null(strstr(c.err.message, "\"s\".\"t\""));
	end(&c);
}

static void
test_a_gap_stops_the_stream_unless_it_is_left_out(void **state)
{
	Case c;

	(void) state;
	start(&c);
	assert_int_equal(command(&c, "gap", NULL, NULL), TARGET_FAILED);
	assert_string_equal(c.err.sqlstate, ERR_DDL);
	end(&c);
	start(&c);
	c.decision = DDL_LEAVE_OUT;
	assert_int_equal(command(&c, "gap", NULL, NULL), TARGET_OK);
	assert_string_equal(c.target.said.data, "");
	end(&c);
}

static void
test_a_command_waits_until_it_is_decided(void **state)
{
	Case c;

	(void) state;
	start(&c);
	c.decision = DDL_WAIT;
	assert_int_equal(command(&c, "command", NULL, CHANGED), TARGET_WAIT);
	assert_int_equal(command(&c, "command", NULL, CHANGED), TARGET_WAIT);
	assert_string_equal(c.target.said.data, "");
	c.decision = DDL_RUN;
	assert_int_equal(command(&c, "command", NULL, CHANGED), TARGET_OK);
	assert_int_equal(c.asked, 3);
	end(&c);
}

static void
test_what_is_discarded_never_arrives(void **state)
{
	static const Relation entering = {.number = 3,
	                                  .oid = 11,
	                                  .schema = "s",
	                                  .name = "in",
	                                  .relkind = 'r',
	                                  .column_count = 1,
	                                  .columns = row_columns};
	const Value values[] = {TEXT("x")};
	const Change row = {.kind = CHANGE_INSERT, .relation = &entering, .new_values = values};
	Case c;
	bool cut;

	(void) state;
	start(&c);
	assert_false(ddl_queue_wants(c.queue, &row));
	ddl_queue_discard(c.queue, 11);
	assert_int_equal(take(&c, &row), TARGET_OK);
	assert_true(ddl_queue_end(c.queue, &cut, &c.err));
	assert_string_equal(c.target.said.data, "");
	assert_false(ddl_queue_wants(c.queue, &row));
	end(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_command_runs_in_its_place_and_the_batch_ends_with_it),
	    cmocka_unit_test(test_rows_of_a_rewrite_come_behind_the_command),
	    cmocka_unit_test(test_a_rewrite_without_its_command_is_an_error),
	    cmocka_unit_test(test_a_gap_stops_the_stream_unless_it_is_left_out),
	    cmocka_unit_test(test_a_command_waits_until_it_is_decided),
	    cmocka_unit_test(test_what_is_discarded_never_arrives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
