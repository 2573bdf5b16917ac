/*
 * target_case.c
 *		The target's session, its tables and the driving of its operations for the tests of this folder.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg_session.h"
#include "target_case.h"

static const char *conninfo;
static PgSession *sql;

bool
target_case_open(int argc, char **argv)
{
	Error err;

	if (argc != 2)
		return false;
	conninfo = argv[1];
	sql = pg_session_open(conninfo, PG_SESSION_TARGET, "target_case", NULL, &err);
	if (sql == NULL)
		fprintf(stderr, "%s\n", err.message);
	return sql != NULL;
}

void
target_case_close(void)
{
	pg_session_close(sql);
}

void
run(const char *text)
{
	Error err;

	if (!pg_session_exec(sql, &err, text, 0, NULL))
		fail_msg("%s: %s", text, err.message);
}

static PgRows *
query(const char *text)
{
	Error err;
	PgRows *rows = pg_session_query(sql, &err, text, 0, NULL);

	if (rows == NULL)
		fail_msg("%s: %s", text, err.message);
	return rows;
}

void
query_is(const char *text, const char *expected)
{
	PgRows *rows = query(text);
	const char *value = pg_rows_get(rows, 0, 0);

	assert_string_equal(value ? value : "NULL", expected);
	pg_rows_free(rows);
}

bool
query_true(const char *text)
{
	PgRows *rows = query(text);
	bool is_true = pg_rows_bool(rows, 0, 0);

	pg_rows_free(rows);
	return is_true;
}

void
connect_target(Case *c)
{
	const TargetPgOptions options = {.conninfo = c->conninfo, .slot_name = SLOT, .epoch = EPOCH};

	error_clear(&c->err);
	c->target = target_pg_open(&options, &c->stored, &c->err);
	if (c->target == NULL)
		fail_msg("open: %s %s", c->err.sqlstate, c->err.message);
}

void
close_target(Case *c)
{
	if (c->target != NULL)
		c->target->ops->close(c->target);
	c->target = NULL;
}

int
case_setup(void **state)
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
	c->conninfo = conninfo;
	*state = c;
	return 0;
}

int
case_teardown(void **state)
{
	Case *c = *state;
	bool unseen = c->err.set && !c->failure_seen;

	if (unseen)
		print_error("%s %s\n", c->err.sqlstate, c->err.message);
	close_target(c);
	test_free(c);
	return unseen ? -1 : 0;
}

void
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

void
open_table(Case *c, Table *t, const char *ddl, const char *columns)
{
	char create[256];

	snprintf(create, sizeof(create), "CREATE TABLE s.t (%s)", ddl);
	run(create);
	table_make(c, t, "t", 'd', columns);
	connect_target(c);
}

const Value *
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

void
wait_target(Case *c)
{
	struct pollfd fd = {c->target->ops->socket(c->target), c->target->ops->events(c->target), 0};

	assert_true(poll(&fd, 1, 10000) > 0);
}

void
begin(Case *c)
{
	DO(c, c->target->ops->begin(c->target, &c->err));
}

void
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

void
commit(Case *c, uint64_t end)
{
	const TargetPosition position = {.end = {end}, .commit_time = 1};

	DO(c, c->target->ops->commit(c->target, &position, &c->err));
}

bool
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

void
drained(Case *c)
{
	if (!drain(c))
		fail_msg("%s %s | %s | %s", c->err.sqlstate, c->err.message, c->err.detail, c->err.context);
}
