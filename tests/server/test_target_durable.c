/*
 * test_target_durable.c
 *		What a PostgreSQL target calls committed and durable, where it keeps the position, who may move it.
 *
 *   test_target_durable CONNINFO      an empty database whose owner is a superuser
 */
#include "target_case.h"

/* Batch 2 of 4 fails with all of them sent: batch 1 stays, nothing of the others. */
static void
test_nothing_behind_a_failed_batch_commits(void **state)
{
	Case *c = *state;
	TargetStatus status;
	Table t;

	run("CREATE TABLE s.t (id int PRIMARY KEY, a text); INSERT INTO s.t VALUES (42, 'in the way')");
	table_make(c, &t, "t", 'd', "*id:23 a:25");
	connect_target(c);
	/* holds the first batch back until all four are at the server */
	run("BEGIN; LOCK TABLE s.t IN SHARE MODE");
	c->header.commit = source_lsn(0x1ff);
	for (int batch = 1; batch <= 4; batch++)
	{
		char row[32];

		begin(c);
		snprintf(row, sizeof(row), "%d|batch", batch);
		INSERT(c, &t, row);
		if (batch == 2)
			INSERT(c, &t, "42|again");
		commit(c, (uint64_t) batch * 0x100);
	}
	c->target->ops->status(c->target, &status);
	assert_int_equal(status.batches_in_flight, 4);
	run("COMMIT");
	assert_false(drain(c));
	assert_string_equal(c->err.sqlstate, "23505");
	assert_non_null(strstr(c->err.context, "\"s\".\"t\""));
	assert_non_null(strstr(c->err.context, "key (id) = (42)"));
	assert_non_null(strstr(c->err.context, "0/1FF"));
	c->target->ops->status(c->target, &status);
	assert_int_equal(status.committed.end.value, 0x100);
	assert_true(status.durable.end.value <= 0x100);
	/* and it is of no more use, however often it is asked */
	assert_false(c->target->ops->pump(c->target, &c->err));
	assert_string_equal(c->err.sqlstate, "23505");
	close_target(c);
	connect_target(c);
	assert_int_equal(c->stored.position.value, 0x100);
	query_is("SELECT string_agg(id::text, ' ' ORDER BY id) FROM s.t", "1 42");
}

/* Pumps until everything answered is durable. */
static void
flushed(Case *c)
{
	TargetStatus status;

	do
	{
		struct pollfd fd = {c->target->ops->socket(c->target), POLLIN, 0};

		poll(&fd, 1, 20);
		assert_true(c->target->ops->pump(c->target, &c->err));
		c->target->ops->status(c->target, &status);
	} while (status.durable.end.value < status.committed.end.value);
}

/* Though the server was asked again and again. */
static void
stays_not_durable(Case *c)
{
	TargetStatus status;
	int64_t answers;

	c->target->ops->status(c->target, &status);
	answers = status.answers;
	while (status.answers < answers + 3 && status.durable.end.value < status.committed.end.value)
	{
		struct pollfd fd = {c->target->ops->socket(c->target), POLLIN, 0};

		poll(&fd, 1, 20);
		assert_true(c->target->ops->pump(c->target, &c->err));
		c->target->ops->status(c->target, &status);
	}
	assert_true(status.durable.end.value < status.committed.end.value);
}

/* What a session finds is durable before it is told, though nobody has waited for it before. */
static void
found_is_durable(Case *c, uint64_t position)
{
	stays_not_durable(c);
	run("SELECT set_config('dts.inserted', pg_current_wal_insert_lsn()::text, false)");
	query_is("SELECT pg_current_wal_flush_lsn() >= current_setting('dts.inserted')::pg_lsn", "f");
	close_target(c);
	connect_target(c);
	assert_int_equal(c->stored.position.value, position);
	query_is("SELECT pg_current_wal_flush_lsn() >= current_setting('dts.inserted')::pg_lsn", "t");
}

/*
 * An answered commit is visible; durable it is called only when the server's WAL has been flushed past
 * it, or when it was urgent, and then with all before it.
 */
static void
test_committed_is_not_durable_until_flushed(void **state)
{
	const TargetPosition urgent = {.end = {0x500}, .commit_time = 5, .urgent = true};
	Case *c = *state;
	TargetStatus status;
	Table t;

	open_table(c, &t, "id int PRIMARY KEY", "*id:23");
	for (int batch = 1; batch <= 3; batch++)
	{
		char row[32];

		begin(c);
		snprintf(row, sizeof(row), "%d", batch);
		INSERT(c, &t, row);
		commit(c, (uint64_t) batch * 0x100);
		drained(c);
		c->target->ops->status(c->target, &status);
		assert_int_equal(status.committed.end.value, (uint64_t) batch * 0x100);
		assert_true(status.durable.end.value < status.committed.end.value);
	}
	query_is("SELECT count(*) FROM s.t", "3");
	begin(c);
	INSERT(c, &t, "4");
	DO(c, c->target->ops->commit(c->target, &urgent, &c->err));
	drained(c);
	c->target->ops->status(c->target, &status);
	assert_int_equal(status.durable.end.value, 0x500);
	/* by somebody else's flush */
	begin(c);
	INSERT(c, &t, "5");
	commit(c, 0x600);
	drained(c);
	stays_not_durable(c);
	run("CREATE TABLE s.other ()");
	flushed(c);
	c->target->ops->status(c->target, &status);
	assert_int_equal(status.durable.end.value, 0x600);
	assert_int_equal(status.durable.commit_time, 1);
	begin(c);
	INSERT(c, &t, "6");
	commit(c, 0x700);
	drained(c);
	found_is_durable(c, 0x700);
}

static void
test_position_moves_even_when_nothing_was_written(void **state)
{
	Case *c = *state;

	connect_target(c);
	assert_int_equal(c->stored.position.value, 0x10);
	assert_true(c->stored.use_origin);
	begin(c);
	commit(c, 0x500);
	drained(c);
	close_target(c);
	connect_target(c);
	assert_int_equal(c->stored.position.value, 0x500);
}

/* A role without the origin functions keeps the position in the progress row. */
static void
test_progress_row_where_origins_are_not_granted(void **state)
{
	Case *c = *state;
	char weak[512];
	const char *superuser = c->conninfo;
	Table t;

	run("DROP ROLE IF EXISTS weak; CREATE ROLE weak LOGIN;"
	    "GRANT SET ON PARAMETER session_replication_role TO weak;"
	    "CREATE TABLE s.t (id int PRIMARY KEY);"
	    "GRANT ALL ON SCHEMA s, dts TO weak; GRANT ALL ON ALL TABLES IN SCHEMA s, dts TO weak");
	run("ALTER SCHEMA dts OWNER TO weak");
	snprintf(weak, sizeof(weak), "%s user=weak", superuser);
	c->conninfo = weak;
	table_make(c, &t, "t", 'd', "*id:23");
	connect_target(c);
	assert_false(c->stored.use_origin);
	for (int batch = 2; batch < 5; batch++)
	{
		char row[8];

		snprintf(row, sizeof(row), "%d", batch);
		begin(c);
		INSERT(c, &t, row);
		commit(c, (uint64_t) batch * 0x100);
	}
	drained(c);
	query_is("SELECT end_lsn FROM dts.target_progress", "0/400");
	found_is_durable(c, 0x400);
	table_make(c, &t, "t", 'd', "*id:23");
	/* somebody else moved it: what we would add may be there already */
	run("UPDATE dts.target_progress SET end_lsn = '0/480'");
	begin(c);
	INSERT(c, &t, "9");
	commit(c, 0x500);
	assert_false(drain(c));
	assert_string_equal(c->err.sqlstate, "55006");
	query_is("SELECT count(*) FROM s.t", "3");
	close_target(c);
	c->conninfo = superuser;
	run("DROP OWNED BY weak CASCADE; DROP ROLE weak");
}

static void
test_fenced_daemon_commits_nothing(void **state)
{
	const TargetPosition next = {.end = {0x30}, .commit_time = 1};
	Case *c = *state;
	Table t;

	open_table(c, &t, "id int PRIMARY KEY", "*id:23");
	begin(c);
	INSERT(c, &t, "1");
	commit(c, 0x20);
	drained(c);
	run("UPDATE dts.target_fence SET epoch = 8");
	begin(c);
	INSERT(c, &t, "2");
	c->target->ops->commit(c->target, &next, &c->err);
	assert_false(drain(c));
	assert_string_equal(c->err.sqlstate, ERR_FENCED);
	query_is("SELECT count(*) FROM s.t", "1");
}

static void
test_new_session_ends_the_old_one(void **state)
{
	const TargetPosition next = {.end = {0x20}, .commit_time = 1};
	Case *c = *state;
	Case second = {.conninfo = c->conninfo};
	Table t;

	open_table(c, &t, "id int PRIMARY KEY", "*id:23");
	begin(c);
	INSERT(c, &t, "1");
	connect_target(&second);
	c->target->ops->commit(c->target, &next, &c->err);
	assert_false(drain(c));
	assert_int_equal(second.stored.position.value, 0x10);
	query_is("SELECT count(*) FROM s.t", "0");
	close_target(&second);
}

TARGET_CASES(TEST(test_nothing_behind_a_failed_batch_commits),
             TEST(test_committed_is_not_durable_until_flushed),
             TEST(test_position_moves_even_when_nothing_was_written),
             TEST(test_progress_row_where_origins_are_not_granted),
             TEST(test_fenced_daemon_commits_nothing), TEST(test_new_session_ends_the_old_one))
