/*
 * test_target_changes.c
 *		Changes on a PostgreSQL target: which rows they find, by key or as a whole, and what stops them.
 *
 *   test_target_changes CONNINFO      an empty database whose owner is a superuser
 */
#include "target_case.h"

static void
test_changes_by_key(void **state)
{
	Case *c = *state;
	Table t;

	open_table(c, &t, "id int PRIMARY KEY, a text, b text", "*id:23 a:25 b:25");
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

static void
test_update_of_a_missing_row_stops_on_the_server(void **state)
{
	Case *c = *state;
	Table t;

	open_table(c, &t, "id int PRIMARY KEY, a text", "*id:23 a:25");
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

/* By them autovacuum knows what there is to do, and a stream may never end; what it has read is to hold back nobody. */
static void
test_the_servers_statistics_hear_of_rows(void **state)
{
	Case *c = *state;
	bool heard = false;
	bool let_go = false;
	Table t;

	open_table(c, &t, "id int PRIMARY KEY", "*id:23");
	for (int row = 1; row < 200 && !heard; row++)
	{
		char value[16];

		begin(c);
		snprintf(value, sizeof(value), "%d", row);
		INSERT(c, &t, value);
		commit(c, (uint64_t) row * 0x100);
		drained(c);
		poll(NULL, 0, 50);
		heard = query_true("SELECT pg_stat_get_tuples_inserted('s.t'::regclass) > 0");
	}
	assert_true(heard);
	/* flushes the server's log, so that the session need not ask for that any more */
	run("CREATE TABLE s.flushed ()");
	for (int look = 0; look < 200 && !let_go; look++)
	{
		drained(c);
		poll(NULL, 0, 50);
		let_go = query_true("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name"
		                    " = '" SLOT "' AND (state <> 'idle' OR backend_xmin IS NOT NULL))");
	}
	assert_true(let_go);
}

TARGET_CASES(TEST(test_changes_by_key), TEST(test_duplicates_go_one_at_a_time),
             TEST(test_keyless_partitions), TEST(test_generated_and_identity_columns),
             TEST(test_truncate_several_tables),
             TEST(test_update_of_a_missing_row_stops_on_the_server),
             TEST(test_delete_of_a_missing_row_is_counted), TEST(test_triggers_do_not_fire),
             TEST(test_missing_table_is_named), TEST(test_prepared_statements_are_bounded),
             TEST(test_the_servers_statistics_hear_of_rows))
