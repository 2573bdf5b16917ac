/*
 * test_target_early.c
 *		A transaction that is begun before its rows have come (applier/target_pg_early.c).
 */
#include "target_case.h"

#define ATTEMPTS 200

/* Whether the session has a transaction with a number, which the check of the epoch gives it. */
static bool
is_begun(void)
{
	return query_true("SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)"
	                  " WHERE application_name = '" SLOT "' AND locktype = 'transactionid')");
}

static void
one_row(Case *c, const Table *t, int row)
{
	char value[16];

	snprintf(value, sizeof(value), "%d", row);
	begin(c);
	INSERT(c, t, value);
	commit(c, (uint64_t) row * 0x100);
	drained(c);
}

/* Rows one right behind the other until the next transaction is begun; returns their number. */
static int
steady_rows(Case *c, const Table *t)
{
	for (int row = 1; row <= ATTEMPTS; row++)
	{
		one_row(c, t, row);
		for (int look = 0; row > 1 && look < 5; look++)
		{
			if (is_begun())
				return row;
			poll(NULL, 0, 5);
		}
	}
	fail_msg("no transaction was begun early");
	return 0;
}

static void
test_a_lone_transaction_leaves_nothing_open(void **state)
{
	Case *c = *state;
	Table t;

	open_table(c, &t, "id int PRIMARY KEY", "*id:23");
	one_row(c, &t, 1);
	for (int look = 0; look < 5; look++)
	{
		assert_false(is_begun());
		poll(NULL, 0, 5);
	}
}

/* What was begun early is used, checks the epoch like any other, and does not stay when nothing comes. */
static void
test_what_was_begun_early_is_given_up_in_time(void **state)
{
	const TargetPosition next = {.end = {0x100000}, .commit_time = 1};
	Case *c = *state;
	bool begun = true;
	char count[16];
	int rows;
	Table t;

	open_table(c, &t, "id int PRIMARY KEY", "*id:23");
	rows = steady_rows(c, &t);
	for (int look = 0; begun && look < ATTEMPTS; look++)
	{
		poll(NULL, 0, 20);
		drained(c);
		begun = is_begun();
	}
	assert_false(begun);
	run("UPDATE dts.target_fence SET epoch = 8");
	begin(c);
	INSERT(c, &t, "0");
	c->target->ops->commit(c->target, &next, &c->err);
	assert_false(drain(c));
	assert_string_equal(c->err.sqlstate, ERR_FENCED);
	snprintf(count, sizeof(count), "%d", rows);
	query_is("SELECT count(*) FROM s.t", count);
}

static void
test_a_failure_in_what_was_begun_early_stops(void **state)
{
	const TargetPosition next = {.end = {0x100000}, .commit_time = 1};
	Case *c = *state;
	char count[16];
	int rows;
	Table t;

	open_table(c, &t, "id int PRIMARY KEY", "*id:23");
	rows = steady_rows(c, &t);
	begin(c);
	INSERT(c, &t, "0");
	INSERT(c, &t, "1");
	c->target->ops->commit(c->target, &next, &c->err);
	assert_false(drain(c));
	assert_string_equal(c->err.sqlstate, "23505");
	close_target(c);
	connect_target(c);
	assert_int_equal(c->stored.position.value, rows * 0x100);
	snprintf(count, sizeof(count), "%d", rows);
	query_is("SELECT count(*) FROM s.t", count);
}

/* The server is between two transactions now and then all the same. */
static void
test_statistics_hear_of_a_steady_stream(void **state)
{
	Case *c = *state;
	bool heard = false;
	Table t;

	open_table(c, &t, "id int PRIMARY KEY", "*id:23");
	for (int row = 1; row < 100000 && !heard; row++)
	{
		one_row(c, &t, row);
		heard =
		    row % 16 == 0 && query_true("SELECT pg_stat_get_tuples_inserted('s.t'::regclass) > 0");
	}
	assert_true(heard);
}

TARGET_CASES(TEST(test_a_lone_transaction_leaves_nothing_open),
             TEST(test_what_was_begun_early_is_given_up_in_time),
             TEST(test_a_failure_in_what_was_begun_early_stops),
             TEST(test_statistics_hear_of_a_steady_stream))
