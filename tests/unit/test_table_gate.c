/*
 * test_table_gate.c
 *		Which transactions are for a table now: what snapshots see, start points, states.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "table_gate.h"

static GateSnapshot
snapshot(Arena *arena, const char *text)
{
	GateSnapshot s;

	assert_true(gate_snapshot_parse(&s, text, arena));
	return s;
}

static void
snapshots_are_read(void **state)
{
	static const char *const bad[] = {
	    "",         "1",       "1:2",     "2:1:",
	    "1:2:x",    "1:5:2,",  "1:5:3,2", "1:5:5",
	    "3:5:2",    "1:5:2;3", "-1:5:",   "0:5:",
	    "1:5:2,,3", "1: 5:",   "1:5:2,2", "1:99999999999999999999999:"};
	Arena *arena = arena_create(256);
	GateSnapshot s = snapshot(arena, "10:20:10,12,19");

	(void) state;
	assert_int_equal(s.xmin, 10);
	assert_int_equal(s.xmax, 20);
	assert_int_equal(s.running_count, 3);
	assert_int_equal(snapshot(arena, "7:7:").running_count, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(gate_snapshot_parse(&s, bad[i], arena));
	arena_destroy(arena);
}

static void
snapshots_see_what_was_committed(void **state)
{
	Arena *arena = arena_create(256);
	GateSnapshot s = snapshot(arena, "10:20:10,12,19");

	(void) state;
	for (uint32_t xid = 3; xid < 30; xid++)
		assert_int_equal(gate_snapshot_sees(&s, xid),
		                 xid < 20 && xid != 10 && xid != 12 && xid != 19);
	arena_destroy(arena);
}

static void
epochs_are_found_by_distance(void **state)
{
	Arena *arena = arena_create(256);
	/* xmax is 5 transactions into epoch 3 */
	GateSnapshot s = snapshot(arena, "12884901880:12884901893:12884901881,12884901890");

	(void) state;
	assert_true(gate_snapshot_sees(&s, 4294967287u));  /* epoch 2, before xmin */
	assert_true(gate_snapshot_sees(&s, 4294967295u));  /* epoch 2, ended between */
	assert_false(gate_snapshot_sees(&s, 4294967289u)); /* epoch 2, running */
	assert_false(gate_snapshot_sees(&s, 2));           /* epoch 3, running */
	assert_true(gate_snapshot_sees(&s, 4));            /* epoch 3, ended */
	assert_false(gate_snapshot_sees(&s, 5));           /* epoch 3, xmax itself */
	assert_false(gate_snapshot_sees(&s, 1000000));     /* epoch 3, later */
	arena_destroy(arena);
}

#define TXN(x, at)                                                                                 \
	(&(TxnHeader){.xid = (x), .commit = {(at)}, .end = {(at) + 10}, .commit_time = 1})

static void
copies_hold_what_their_snapshot_sees(void **state)
{
	Arena *arena = arena_create(256);
	GateTable t = {.oid = 1, .start = {1000}, .snapshot = snapshot(arena, "10:20:12")};

	(void) state;
	assert_true(gate_in_copy(&t, TXN(11, 900)));
	assert_false(gate_in_copy(&t, TXN(12, 900))); /* had written its commit, was not seen */
	assert_true(gate_in_copy(&t, TXN(13, 999)));
	assert_false(gate_in_copy(&t, TXN(13, 1000))); /* from the LSN on nothing is */
	t.applied = source_lsn(950);
	assert_true(gate_in_copy(&t, TXN(12, 949))); /* from the backlog */
	assert_false(gate_in_copy(&t, TXN(12, 950)));
	t = (GateTable){.oid = 1, .start = {1000}}; /* the slot's own point */
	assert_true(gate_in_copy(&t, TXN(12, 999)));
	assert_false(gate_in_copy(&t, TXN(11, 1000)));
	arena_destroy(arena);
}

static void
states_decide(void **state)
{
	Arena *arena = arena_create(256);
	GateTable t = {.oid = 1, .hold = {500}};
	const SourceLsn stored = {700};

	(void) state;
	assert_int_equal(gate_judge(NULL, TXN(1, 690), stored), GATE_DROP);  /* ends at 700 */
	assert_int_equal(gate_judge(NULL, TXN(1, 691), stored), GATE_APPLY); /* ends behind */
	t.state = GATE_WAITING;
	assert_int_equal(gate_judge(&t, TXN(1, 490), stored), GATE_DROP); /* before the hold */
	assert_int_equal(gate_judge(&t, TXN(1, 491), stored), GATE_HOLD); /* although it is stored */
	assert_int_equal(gate_judge(&t, TXN(1, 900), stored), GATE_HOLD);
	t.state = GATE_COPIED;
	t.start = source_lsn(1000);
	t.snapshot = snapshot(arena, "10:20:12");
	assert_int_equal(gate_judge(&t, TXN(11, 600), stored), GATE_DROP);
	assert_int_equal(gate_judge(&t, TXN(12, 600), stored), GATE_HOLD);
	t.state = GATE_JOINED;
	assert_int_equal(gate_judge(&t, TXN(12, 600), stored), GATE_DROP); /* stored */
	assert_int_equal(gate_judge(&t, TXN(12, 800), stored), GATE_APPLY);
	assert_int_equal(gate_judge(&t, TXN(11, 800), stored), GATE_DROP); /* in the copy */
	assert_false(gate_is_plain(&t, stored));
	assert_true(gate_is_plain(&t, source_lsn(1000)));
	t.state = GATE_QUARANTINED;
	assert_int_equal(gate_judge(&t, TXN(12, 2000), stored), GATE_DROP);
	t.state = GATE_REMOVED;
	assert_int_equal(gate_judge(&t, TXN(12, 2000), stored), GATE_DROP);
	arena_destroy(arena);
}

static void
held_tables_hold_the_acknowledgement(void **state)
{
	GateTable t = {.oid = 1, .hold = {500}, .state = GATE_COPYING};

	(void) state;
	assert_int_equal(gate_ack(&t, source_lsn(900)).value, 500);
	assert_int_equal(gate_ack(&t, source_lsn(400)).value, 400);
	t.applied = source_lsn(600);
	assert_int_equal(gate_ack(&t, source_lsn(900)).value, 600);
	t.state = GATE_JOINED;
	assert_int_equal(gate_ack(&t, source_lsn(900)).value, 900);
	t.state = GATE_QUARANTINED;
	assert_int_equal(gate_ack(&t, source_lsn(900)).value, 900);
}

static void
states_have_names(void **state)
{
	GateState s;

	(void) state;
	for (int i = 0; i < GATE_STATE_COUNT; i++)
	{
		assert_true(gate_state_parse(gate_state_name((GateState) i), &s));
		assert_int_equal(s, i);
	}
	assert_false(gate_state_parse("nothing", &s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(snapshots_are_read),
	    cmocka_unit_test(snapshots_see_what_was_committed),
	    cmocka_unit_test(epochs_are_found_by_distance),
	    cmocka_unit_test(copies_hold_what_their_snapshot_sees),
	    cmocka_unit_test(states_decide),
	    cmocka_unit_test(held_tables_hold_the_acknowledgement),
	    cmocka_unit_test(states_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
