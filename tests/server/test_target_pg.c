/*
 * test_target_pg.c
 *		The PostgreSQL target against a real server, driven by scripted changes.
 *
 *   test_target_pg CONNINFO      an empty database whose owner is a superuser
 *
 * Text values throughout: what the wire carries in binary is the stream tests' business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pg_session.h"
#include "target_pg.h"

#define INT4  23
#define TEXT  25
#define JSON  114
#define EPOCH 7
#define SLOT  "dts_sync_test"

static const char *conninfo;
static PgSession *sql;

typedef struct Case
{
	Target *target;
	TargetPgStored stored;
	Error err;
	TxnHeader header;
	uint32_t relations;
	bool failure_seen; /* drain() has told */
} Case;

static void
run(const char *text)
{
	Error err;

	if (!pg_session_exec(sql, &err, text, 0, NULL))
		fail_msg("%s: %s", text, err.message);
}

static void
query_is(const char *text, const char *expected)
{
	Error err;
	PgRows *rows = pg_session_query(sql, &err, text, 0, NULL);
	const char *value;

	if (rows == NULL)
		fail_msg("%s: %s", text, err.message);
	value = pg_rows_get(rows, 0, 0);
	assert_string_equal(value ? value : "NULL", expected);
	pg_rows_free(rows);
}

static void
connect_target(Case *c)
{
	const TargetPgOptions options = {.conninfo = conninfo, .slot_name = SLOT, .epoch = EPOCH};

	error_clear(&c->err);
	c->target = target_pg_open(&options, &c->stored, &c->err);
	if (c->target == NULL)
		fail_msg("open: %s %s", c->err.sqlstate, c->err.message);
}

static void
close_target(Case *c)
{
	if (c->target != NULL)
		c->target->ops->close(c->target);
	c->target = NULL;
}

static int
setup(void **state)
{
	Case *c = test_calloc(1, sizeof(*c));

	/* sessions of the test before this one may still be about to end */
	run("DO $$BEGIN WHILE EXISTS (SELECT FROM pg_stat_activity WHERE application_name = '" SLOT
	    "') LOOP PERFORM pg_sleep(0.01), pg_stat_clear_snapshot(); END LOOP; END$$");
	run("DROP SCHEMA IF EXISTS dts CASCADE; DROP SCHEMA IF EXISTS s CASCADE; "
	    "CREATE SCHEMA s; CREATE SCHEMA dts;"
	    "CREATE TABLE dts.target_fence (slot_name text PRIMARY KEY, epoch bigint NOT NULL);"
	    "CREATE TABLE dts.target_progress (slot_name text PRIMARY KEY, source_system text,"
	    " source_timeline int, source_database text, source_encoding text,"
	    " consistent_point pg_lsn, snapshot text, end_lsn pg_lsn,"
	    " use_origin boolean NOT NULL DEFAULT false, step text, updated_at timestamptz);"
	    "INSERT INTO dts.target_fence VALUES ('" SLOT "', 7);"
	    "INSERT INTO dts.target_progress (slot_name, end_lsn) VALUES ('" SLOT "', '0/10');"
	    "SELECT pg_catalog.pg_replication_origin_drop(roname) FROM pg_replication_origin");
	*state = c;
	return 0;
}

static int
teardown(void **state)
{
	Case *c = *state;
	bool unseen = c->err.set && !c->failure_seen;

	if (unseen)
		print_error("%s %s\n", c->err.sqlstate, c->err.message);
	close_target(c);
	test_free(c);
	return unseen ? -1 : 0;
}

/* Relations and values ------------------------------------------------------------------------ */

typedef struct Table
{
	Relation relation;
	Column columns[6];
	char names[6][16];
} Table;

/* columns: "*id:23 a:25", a star for the key's. */
static void
table_make(Case *c, Table *t, const char *name, char identity, const char *columns)
{
	memset(t, 0, sizeof(*t));
	t->relation = (Relation){.number = ++c->relations,
	                         .oid = 1000 + c->relations,
	                         .schema = "s",
	                         .name = name,
	                         .relkind = 'r',
	                         .identity = identity,
	                         .columns = t->columns};
	while (*columns != '\0')
	{
		int i = t->relation.column_count++;
		unsigned oid;
		int used;

		t->columns[i].is_key = *columns == '*';
		assert_int_equal(
		    sscanf(columns + (*columns == '*'), "%15[a-z]:%u%n", t->names[i], &oid, &used), 2);
		columns += used + (*columns == '*');
		t->columns[i].name = t->names[i];
		t->columns[i].type_oid = oid;
		columns += *columns == ' ';
	}
}

/* "1|NULL|-|x": NULL, "-" unchanged, "" absent is "!". */
static const Value *
values(const char *text)
{
	static Value pool[4][6];
	static char texts[4][128];
	static int next;
	Value *v = pool[next % 4];
	char *at = texts[next++ % 4];
	int i = 0;

	if (text == NULL)
		return NULL;
	snprintf(at, sizeof(texts[0]), "%s", text);
	while (at != NULL)
	{
		char *field = strsep(&at, "|");

		v[i].state = strcmp(field, "NULL") == 0 ? VALUE_NULL
		             : strcmp(field, "-") == 0  ? VALUE_UNCHANGED
		             : strcmp(field, "!") == 0  ? VALUE_ABSENT
		                                        : VALUE_PRESENT;
		v[i].data = field;
		v[i++].len = (uint32_t) strlen(field);
	}
	return v;
}

/* Driving ------------------------------------------------------------------------------------- */

static void
wait_target(Case *c)
{
	struct pollfd fd = {c->target->ops->socket(c->target), c->target->ops->events(c->target), 0};

	assert_true(poll(&fd, 1, 10000) > 0);
}

/*
 * Repeats an operation until it was taken.  Answers come when they like: the failure of an earlier statement may show
 * here already.  Then nothing more is done, and drain() tells; a test that does not ask fails in its teardown.
 */
#define DO(c, call)                                                                                \
	do                                                                                             \
	{                                                                                              \
		while (!(c)->err.set && (call) == TARGET_WAIT)                                             \
		{                                                                                          \
			wait_target(c);                                                                        \
			if (!(c)->target->ops->pump((c)->target, &(c)->err))                                   \
				break;                                                                             \
		}                                                                                          \
	} while (0)

static void
begin(Case *c)
{
	DO(c, c->target->ops->begin(c->target, &c->err));
}

static void
apply(Case *c, const Table *t, ChangeKind kind, OldRow old_row, const char *old_values,
      const char *new_values)
{
	const Change change = {.kind = kind,
	                       .relation = &t->relation,
	                       .old_row = old_row,
	                       .old_values = values(old_values),
	                       .new_values = values(new_values)};

	DO(c, c->target->ops->apply(c->target, &c->header, &change, &c->err));
}

#define INSERT(c, t, v)       apply(c, t, CHANGE_INSERT, OLD_NONE, NULL, v)
#define UPDATE(c, t, k, o, n) apply(c, t, CHANGE_UPDATE, k, o, n)
#define DELETE(c, t, k, o)    apply(c, t, CHANGE_DELETE, k, o, NULL)

static void
commit(Case *c, uint64_t end)
{
	const TargetPosition position = {.end = {end}, .commit_time = 1};

	DO(c, c->target->ops->commit(c->target, &position, &c->err));
}

/* Waits for all answers; false when one was an error. */
static bool
drain(Case *c)
{
	TargetStatus status;

	for (;;)
	{
		if (c->err.set || !c->target->ops->pump(c->target, &c->err))
		{
			c->failure_seen = true;
			return false;
		}
		c->target->ops->status(c->target, &status);
		if (status.batches_in_flight == 0)
			return true;
		wait_target(c);
	}
}

static void
drained(Case *c)
{
	if (!drain(c))
		fail_msg("%s %s | %s | %s", c->err.sqlstate, c->err.message, c->err.detail, c->err.context);
}

/* Tests --------------------------------------------------------------------------------------- */

static void
test_changes_by_key(void **state)
{
	Case *c = *state;
	Table t;

	run("CREATE TABLE s.t (id int PRIMARY KEY, a text, b text)");
	table_make(c, &t, "t", 'd', "*id:23 a:25 b:25");
	connect_target(c);
	begin(c);
	INSERT(c, &t, "1|x|NULL");
	INSERT(c, &t, "2|y|toast");
	INSERT(c, &t, "3|z|");
	UPDATE(c, &t, OLD_NONE, NULL, "2|yy|-");
	UPDATE(c, &t, OLD_KEY, "3|!|!", "4|NULL|q");
	UPDATE(c, &t, OLD_NONE, NULL, "1|-|-");
	DELETE(c, &t, OLD_KEY, "1|!|!");
	commit(c, 0x20);
	drained(c);
	query_is("SELECT string_agg(t::text, ' ' ORDER BY id) FROM s.t", "(2,yy,toast) (4,,q)");
}

static void
test_duplicates_go_one_at_a_time(void **state)
{
	Case *c = *state;
	Table t;

	run("CREATE TABLE s.t (a int, j json, extra int DEFAULT 5)");
	table_make(c, &t, "t", 'f', "a:23 j:114");
	connect_target(c);
	begin(c);
	for (int i = 0; i < 3; i++)
	{
		INSERT(c, &t, "1|{\"x\": 1}");
		INSERT(c, &t, "NULL|NULL");
	}
	INSERT(c, &t, "1|{\"x\":1}"); /* the same value, another row image */
	DELETE(c, &t, OLD_FULL, "1|{\"x\": 1}");
	DELETE(c, &t, OLD_FULL, "NULL|NULL");
	UPDATE(c, &t, OLD_FULL, "NULL|NULL", "2|NULL");
	UPDATE(c, &t, OLD_FULL, "1|{\"x\":1}", "9|[]");
	commit(c, 0x20);
	drained(c);
	query_is("SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM s.t",
	         "(,,5) (1,\"{\"\"x\"\": 1}\",5) (1,\"{\"\"x\"\": 1}\",5) (2,,5) (9,[],5)");
}

static void
test_keyless_partitions(void **state)
{
	Case *c = *state;
	Table t;

	/* the source's leaf does not exist here: its root stands in */
	run("CREATE TABLE s.p (a int, b text) PARTITION BY LIST (a);"
	    "CREATE TABLE s.p1 PARTITION OF s.p FOR VALUES IN (1);"
	    "CREATE TABLE s.p2 PARTITION OF s.p FOR VALUES IN (2)");
	table_make(c, &t, "leaf", 'f', "a:23 b:25");
	t.relation.root_schema = "s";
	t.relation.root_name = "p";
	connect_target(c);
	begin(c);
	INSERT(c, &t, "1|x");
	INSERT(c, &t, "2|x");
	INSERT(c, &t, "2|x");
	DELETE(c, &t, OLD_FULL, "2|x");
	UPDATE(c, &t, OLD_FULL, "1|x", "2|y");
	commit(c, 0x20);
	drained(c);
	query_is("SELECT string_agg(tableoid::regclass || p::text, ' ' ORDER BY p::text) FROM s.p",
	         "s.p2(2,x) s.p2(2,y)");
}

static void
test_generated_and_identity_columns(void **state)
{
	Case *c = *state;
	Table t;

	run("CREATE TABLE s.t (id int PRIMARY KEY, g int GENERATED ALWAYS AS IDENTITY, a text,"
	    " c text GENERATED ALWAYS AS (a || '!') STORED, own int DEFAULT 3)");
	table_make(c, &t, "t", 'd', "*id:23 g:23 a:25 c:25");
	connect_target(c);
	begin(c);
	INSERT(c, &t, "1|100|x|ignored");
	INSERT(c, &t, "2|200|y|ignored");
	UPDATE(c, &t, OLD_NONE, NULL, "1|101|-|-");
	UPDATE(c, &t, OLD_KEY, "2|!|!|!", "3|201|z|-");
	commit(c, 0x20);
	drained(c);
	query_is("SELECT string_agg(t::text, ' ' ORDER BY id) FROM s.t",
	         "(1,101,x,x!,3) (3,201,z,z!,3)");
}

static void
test_truncate_several_tables(void **state)
{
	Case *c = *state;
	Table a;
	const Relation *both[2];
	Relation b;
	Change change = {.kind = CHANGE_TRUNCATE, .truncated = both, .truncated_count = 2};

	run("CREATE TABLE s.a (id int PRIMARY KEY); CREATE TABLE s.b (id int REFERENCES s.a);"
	    "INSERT INTO s.a VALUES (1); INSERT INTO s.b VALUES (1)");
	table_make(c, &a, "a", 'd', "*id:23");
	b = a.relation;
	b.number = ++c->relations;
	b.name = "b";
	both[0] = &a.relation;
	both[1] = &b;
	connect_target(c);
	begin(c);
	DO(c, c->target->ops->apply(c->target, &c->header, &change, &c->err));
	INSERT(c, &a, "5");
	commit(c, 0x20);
	drained(c);
	query_is(
	    "SELECT (SELECT count(*) FROM s.b) || ' ' || (SELECT string_agg(id::text, '') FROM s.a)",
	    "0 5");
}

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

	run("CREATE TABLE s.t (id int PRIMARY KEY)");
	table_make(c, &t, "t", 'd', "*id:23");
	connect_target(c);
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
test_update_of_a_missing_row_stops_on_the_server(void **state)
{
	Case *c = *state;
	Table t;

	run("CREATE TABLE s.t (id int PRIMARY KEY, a text)");
	table_make(c, &t, "t", 'd', "*id:23 a:25");
	connect_target(c);
	begin(c);
	INSERT(c, &t, "1|x");
	UPDATE(c, &t, OLD_NONE, NULL, "2|x");
	commit(c, 0x20);
	assert_false(drain(c));
	assert_string_equal(c->err.sqlstate, ERR_ROW_MISSING);
	assert_non_null(strstr(c->err.message, "\"s\".\"t\""));
	assert_non_null(strstr(c->err.detail, "(2)"));
	query_is("SELECT count(*) FROM s.t", "0");
}

static void
test_delete_of_a_missing_row_is_counted(void **state)
{
	Case *c = *state;
	TargetStatus status;
	Table t;
	Table keyless;

	run("CREATE TABLE s.t (id int PRIMARY KEY, a text); CREATE TABLE s.k (a int)");
	table_make(c, &t, "t", 'd', "*id:23 a:25");
	connect_target(c);
	begin(c);
	DELETE(c, &t, OLD_KEY, "2|!");
	INSERT(c, &t, "1|x");
	DELETE(c, &t, OLD_KEY, "1|!");
	commit(c, 0x20);
	drained(c);
	table_make(c, &keyless, "k", 'f', "a:23");
	begin(c);
	DELETE(c, &keyless, OLD_FULL, "2");
	commit(c, 0x30);
	drained(c);
	c->target->ops->status(c->target, &status);
	assert_int_equal(status.deletes_missed, 2);
	assert_ptr_equal(status.missed, &keyless.relation);
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
	const char *superuser = conninfo;
	Table t;

	run("DROP ROLE IF EXISTS weak; CREATE ROLE weak LOGIN;"
	    "GRANT SET ON PARAMETER session_replication_role TO weak;"
	    "CREATE TABLE s.t (id int PRIMARY KEY);"
	    "GRANT ALL ON SCHEMA s, dts TO weak; GRANT ALL ON ALL TABLES IN SCHEMA s, dts TO weak");
	run("ALTER SCHEMA dts OWNER TO weak");
	snprintf(weak, sizeof(weak), "%s user=weak", superuser);
	conninfo = weak;
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
	conninfo = superuser;
	run("DROP OWNED BY weak CASCADE; DROP ROLE weak");
}

static void
test_fenced_daemon_commits_nothing(void **state)
{
	const TargetPosition next = {.end = {0x30}, .commit_time = 1};
	Case *c = *state;
	Table t;

	run("CREATE TABLE s.t (id int PRIMARY KEY)");
	table_make(c, &t, "t", 'd', "*id:23");
	connect_target(c);
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
	Case second = {0};
	Table t;

	run("CREATE TABLE s.t (id int PRIMARY KEY)");
	table_make(c, &t, "t", 'd', "*id:23");
	connect_target(c);
	begin(c);
	INSERT(c, &t, "1");
	connect_target(&second);
	c->target->ops->commit(c->target, &next, &c->err);
	assert_false(drain(c));
	assert_int_equal(second.stored.position.value, 0x10);
	query_is("SELECT count(*) FROM s.t", "0");
	close_target(&second);
}

static void
test_triggers_do_not_fire(void **state)
{
	Case *c = *state;
	Table t;

	run("CREATE TABLE s.t (id int PRIMARY KEY);"
	    "CREATE FUNCTION s.f() RETURNS trigger LANGUAGE plpgsql AS "
	    "$$BEGIN RAISE EXCEPTION 'fired'; END$$;"
	    "CREATE TRIGGER f BEFORE INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.f()");
	table_make(c, &t, "t", 'd', "*id:23");
	connect_target(c);
	begin(c);
	INSERT(c, &t, "1");
	commit(c, 0x20);
	drained(c);
}

static void
test_missing_table_is_named(void **state)
{
	Case *c = *state;
	TargetResult result;
	Table t;
	const Change change = {
	    .kind = CHANGE_INSERT, .relation = &t.relation, .new_values = values("1")};

	table_make(c, &t, "nowhere", 'd', "*id:23");
	connect_target(c);
	begin(c);
	/* the pump may have read the answer, so that there is nothing to poll for */
	while ((result = c->target->ops->apply(c->target, &c->header, &change, &c->err)) == TARGET_WAIT)
		assert_true(c->target->ops->pump(c->target, &c->err));
	assert_int_equal(result, TARGET_UNKNOWN);
	assert_false(drain(c));
	assert_string_equal(c->err.sqlstate, ERR_RELATION_MISMATCH);
	assert_non_null(strstr(c->err.message, "\"s\".\"nowhere\""));
}

/* More shapes than statements may be prepared at a time, over and over. */
static void
test_prepared_statements_are_bounded(void **state)
{
	Case *c = *state;
	enum
	{
		TABLES = 1200,
	};
	Table *tables = test_calloc(TABLES, sizeof(Table));
	char *names = test_calloc(TABLES, 8);

	run("DO $$BEGIN FOR i IN 0..1199 LOOP EXECUTE format('CREATE TABLE s.t%s (id int PRIMARY KEY)',"
	    " i); END LOOP; END$$");
	connect_target(c);
	for (int round = 1; round <= 2; round++)
	{
		begin(c);
		for (int i = 0; i < TABLES; i++)
		{
			char row[8];

			if (round == 1)
			{
				snprintf(names + 8 * i, 8, "t%d", i);
				table_make(c, &tables[i], names + 8 * i, 'd', "*id:23");
			}
			snprintf(row, sizeof(row), "%d", round);
			INSERT(c, &tables[i], row);
		}
		commit(c, (uint64_t) round * 0x100);
		drained(c);
	}
	query_is("SELECT count(*) FROM s.t1199", "2");
	query_is("SELECT count(*) FROM s.t0", "2");
	test_free(tables);
	test_free(names);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_changes_by_key),
	    TEST(test_duplicates_go_one_at_a_time),
	    TEST(test_keyless_partitions),
	    TEST(test_generated_and_identity_columns),
	    TEST(test_truncate_several_tables),
	    TEST(test_nothing_behind_a_failed_batch_commits),
	    TEST(test_committed_is_not_durable_until_flushed),
	    TEST(test_update_of_a_missing_row_stops_on_the_server),
	    TEST(test_delete_of_a_missing_row_is_counted),
	    TEST(test_position_moves_even_when_nothing_was_written),
	    TEST(test_progress_row_where_origins_are_not_granted),
	    TEST(test_fenced_daemon_commits_nothing),
	    TEST(test_new_session_ends_the_old_one),
	    TEST(test_triggers_do_not_fire),
	    TEST(test_missing_table_is_named),
	    TEST(test_prepared_statements_are_bounded),
	};
	Error err;
	int failed;

	if (argc != 2)
		return 2;
	conninfo = argv[1];
	sql = pg_session_open(conninfo, PG_SESSION_TARGET, "test_target_pg", NULL, &err);
	if (sql == NULL)
	{
		fprintf(stderr, "%s\n", err.message);
		return 2;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	pg_session_close(sql);
	return failed;
}
