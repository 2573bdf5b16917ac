/*
 * target_case.h
 *		A PostgreSQL target against a real server, driven by scripted changes, and what a test says and asks in SQL.
 *
 * Every case begins with empty schemas s and dts, a fence at EPOCH and the position 0/10.  Text values throughout: what
 * the wire carries in binary is the stream tests' business.
 */
#ifndef DTS_TARGET_CASE_H
#define DTS_TARGET_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "target_pg.h"

#define EPOCH 7
#define SLOT  "dts_sync_test"

typedef struct Case
{
	const char *conninfo; /* the target's; a test may put another role's here */
	Target *target;
	TargetPgStored stored;
	Error err;
	TxnHeader header;
	uint32_t relations;
	bool failure_seen; /* drain() has told */
} Case;

typedef struct Table
{
	Relation relation;
	Column columns[6];
	char names[6][16];
} Table;

/* The session that run() and query_is() use; false when there is none, and why was said. */
bool target_case_open(int argc, char **argv);
void target_case_close(void);

int case_setup(void **state);
int case_teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, case_setup, case_teardown)

/* The program that runs these tests, TEST(...) each. */
#define TARGET_CASES(...)                                                                          \
	int main(int argc, char **argv)                                                                \
	{                                                                                              \
		const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
		int failed;                                                                                \
                                                                                                   \
		if (!target_case_open(argc, argv))                                                         \
			return 2;                                                                              \
		failed = cmocka_run_group_tests(tests, NULL, NULL);                                        \
		target_case_close();                                                                       \
		return failed;                                                                             \
	}

/* Beside the target, by the superuser. */
void run(const char *text);
void query_is(const char *text, const char *expected);
bool query_true(const char *text);

void connect_target(Case *c);
void close_target(Case *c);

/* columns: "*id:23 a:25", a star for the key's. */
void table_make(Case *c, Table *t, const char *name, char identity, const char *columns);

/* Makes table s.t with these columns, in SQL and as table_make() has them, and connects. */
void open_table(Case *c, Table *t, const char *ddl, const char *columns);

/* "1|NULL|-|!": a value, NULL, unchanged, absent.  Good until the fourth call from this one. */
const Value *values(const char *text);

void begin(Case *c);
void apply(Case *c, const Table *t, ChangeKind kind, OldRow old_row, const char *old_values,
           const char *new_values);
void commit(Case *c, uint64_t end);
#define INSERT(c, t, v)       apply(c, t, CHANGE_INSERT, OLD_NONE, NULL, v)
#define UPDATE(c, t, k, o, n) apply(c, t, CHANGE_UPDATE, k, o, n)
#define DELETE(c, t, k, o)    apply(c, t, CHANGE_DELETE, k, o, NULL)

/* Waits for all answers; false when one was an error. */
bool drain(Case *c);
/* and there must be none */
void drained(Case *c);

void wait_target(Case *c);

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

#endif /* DTS_TARGET_CASE_H */
