/*
 * test_table_join.c
 *		Tables that leave the stream and join it, in a flow between a scripted source and a recording
 *		target: what is held, when it is applied, what commits with what, what is acknowledged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "arena.h"
#include "backlog.h"
#include "fake_ends.h"
#include "flow.h"

static Column column = {.name = "a"};
static const Relation plain = {.number = 1,
                               .oid = 10,
                               .schema = "s",
                               .name = "p",
                               .relkind = 'r',
                               .column_count = 1,
                               .columns = &column};
static const Relation held = {.number = 2,
                              .oid = 20,
                              .schema = "s",
                              .name = "h",
                              .relkind = 'r',
                              .column_count = 1,
                              .columns = &column};
static const Relation root = {.number = 3,
                              .oid = 30,
                              .schema = "s",
                              .name = "r",
                              .relkind = 'p',
                              .column_count = 1,
                              .columns = &column};
static const Value value = {.data = "x", .len = 1, .state = VALUE_PRESENT};
static const Change to_plain = {.kind = CHANGE_INSERT, .relation = &plain, .new_values = &value};
static const Change to_held = {
    .kind = CHANGE_DELETE, .relation = &held, .old_values = &value, .old_row = OLD_FULL};
static const Relation *const three[] = {&root, &plain, &held};
static const Change truncate_all = {
    .kind = CHANGE_TRUNCATE, .truncated = three, .truncated_count = 3};

static const TxnHeader headers[] = {
    {.xid = 101, .commit = {100}, .end = {110}, .commit_time = 1},
    {.xid = 102, .commit = {200}, .end = {210}, .commit_time = 2},
    {.xid = 103, .commit = {300}, .end = {310}, .commit_time = 3},
    {.xid = 104, .commit = {400}, .end = {410}, .commit_time = 4},
    {.xid = 105, .commit = {500}, .end = {510}, .commit_time = 5},
};

#define TXN(n, c)                                                                                  \
	{.kind = SOURCE_BEGIN, .header = &headers[(n) -1]},                                            \
	    {.kind = SOURCE_CHANGE, .change = &(c), .bytes = 10},                                      \
	{                                                                                              \
		.kind = SOURCE_COMMIT, .header = &headers[(n) -1]                                          \
	}

typedef struct Case
{
	FakeSource source;
	FakeTarget target;
	Flow flow;
	TableJoin *join;
	Arena *arena;
	bool replaces;
	Error err;
} Case;

static void
start(Case *c, const SourceEvent *events, int count, uint64_t stored, int64_t slice,
      uint64_t memory)
{
	const BatchLimits limits = {1000, 1 << 20};
	const TableJoinOptions options = {.slot_name = "slot",
	                                  .stored = {stored},
	                                  .work_dir = "/tmp",
	                                  .slice_changes = slice,
	                                  .memory_limit = memory};

	memset(c, 0, sizeof(*c));
	fake_source_init(&c->source, events, count);
	fake_target_init(&c->target);
	c->arena = arena_create(256);
	c->join = table_join_create(&options);
	flow_init(&c->flow, &c->source.base, &c->target.base, "slot/t/", &limits, source_lsn(stored),
	          0);
	c->flow.tables = c->join;
}

static void
put(Case *c, GateState state, uint64_t hold, uint64_t from, const char *snapshot)
{
	GateTable t = {
	    .oid = 20, .schema = "s", .name = "h", .state = state, .hold = {hold}, .start = {from}};

	if (snapshot != NULL)
		assert_true(gate_snapshot_parse(&t.snapshot, snapshot, c->arena));
	table_join_put(c->join, &t);
}

/* A few steps, each answered at once. */
static void
run(Case *c, int steps)
{
	while (steps-- > 0)
	{
		assert_true(flow_step(&c->flow, 0, &c->err));
		fake_target_answer(&c->target, c->target.status.batches_in_flight);
	}
}

static void
end(Case *c)
{
	table_join_destroy(c->join);
	fake_target_free(&c->target);
	arena_destroy(c->arena);
}

#define EVENTS(...) static const SourceEvent events[] = {__VA_ARGS__}
#define COUNT       ((int) (sizeof(events) / sizeof(events[0])))
#define JOINED                                                                                     \
	"run(UPDATE dts.target_table SET state = 'joined', joined_at = clock_timestamp(), "            \
	"since = clock_timestamp() WHERE slot_name = 'slot' AND table_oid = 20) "

static void
changes_of_held_tables_wait(void **state)
{
	EVENTS(TXN(1, to_plain), TXN(2, to_held), TXN(3, to_plain));
	Case c;

	(void) state;
	start(&c, events, COUNT, 50, 0, 0);
	put(&c, GATE_COPYING, 60, 150, "90:105:");
	run(&c, 4);
	assert_string_equal(c.target.said.data, "begin insert(101) insert(103) commit(310) ");
	assert_int_equal(table_join_waiting(c.join), 1);
	assert_int_equal(c.flow.progress.stream.durable.value, 310);
	assert_int_equal(c.source.acknowledged.value, 60); /* and not 310 */
	end(&c);
}

static void
a_join_is_one_transaction(void **state)
{
	EVENTS(TXN(1, to_held), TXN(2, to_held), TXN(3, to_held), TXN(4, to_plain));
	const GateTable *told;
	Case c;

	(void) state;
	start(&c, events, COUNT, 50, 0, 0);
	put(&c, GATE_WAITING, 60, 0, NULL);
	run(&c, 3);
	assert_int_equal(table_join_waiting(c.join), 3);
	/* the copy has seen 101 and 103, and not 102, which had written its commit before */
	put(&c, GATE_COPIED, 60, 350, "102:104:102");
	strbuf_reset(&c.target.said);
	run(&c, 4);
	assert_string_equal(c.target.said.data, "begin delete(102) " JOINED "commit(410) ");
	told = table_join_changed(c.join, &c.replaces);
	assert_non_null(told);
	assert_int_equal(told->state, GATE_JOINED);
	assert_null(table_join_changed(c.join, &c.replaces));
	assert_int_equal(table_join_holding(c.join), 0);
	run(&c, 1);
	assert_int_equal(c.source.acknowledged.value, 410);
	end(&c);
}

static void
nothing_is_told_before_it_is_durable(void **state)
{
	EVENTS(TXN(1, to_held));
	Case c;

	(void) state;
	start(&c, events, COUNT, 50, 0, 0);
	put(&c, GATE_COPIED, 60, 90, "90:95:");
	for (int i = 0; i < 5; i++)
		assert_true(flow_step(&c.flow, 0, &c.err));
	assert_non_null(strstr(c.target.said.data, "'joined'"));
	assert_null(table_join_changed(c.join, &c.replaces));
	assert_int_equal(c.source.acknowledged.value, 50);
	assert_false(flow_finished(&c.flow));
	run(&c, 2);
	assert_non_null(table_join_changed(c.join, &c.replaces));
	end(&c);
}

static void
large_backlogs_join_in_slices(void **state)
{
	EVENTS(TXN(1, to_held), TXN(2, to_held), TXN(3, to_held), TXN(4, to_held), TXN(5, to_held));
	Case c;

	(void) state;
	/* a byte of memory: all of it goes through files */
	start(&c, events, COUNT, 50, 2, 1);
	put(&c, GATE_COPYING, 60, 70, "90:95:");
	run(&c, 2);
	assert_int_equal(table_join_waiting(c.join), 5);
	strbuf_reset(&c.target.said);
	put(&c, GATE_COPIED, 60, 70, "90:95:");
	run(&c, 2);
	/* what a slice has brought need not be sent again */
	assert_int_equal(table_join_ack(c.join, source_lsn(510)).value, 210);
	run(&c, 10);
	assert_string_equal(
	    c.target.said.data,
	    "begin delete(101) delete(102) run(UPDATE dts.target_table SET applied_lsn = '0/D2' WHERE "
	    "slot_name = 'slot' AND table_oid = 20) commit(510) "
	    "begin delete(103) delete(104) run(UPDATE dts.target_table SET applied_lsn = '0/19A' WHERE "
	    "slot_name = 'slot' AND table_oid = 20) commit(510) "
	    "begin delete(105) " JOINED "commit(510) ");
	end(&c);
}

static void
nothing_joins_before_the_stored_position(void **state)
{
	EVENTS(TXN(1, to_held), TXN(2, to_plain), TXN(3, to_plain));
	Case c;

	(void) state;
	/* a restart: everything up to 310 is on the target for the others */
	start(&c, events, COUNT - 3, 310, 0, 0);
	put(&c, GATE_COPIED, 60, 90, "90:95:");
	run(&c, 4);
	assert_string_equal(c.target.said.data, "");
	assert_int_equal(c.source.acknowledged.value, 60);
	c.source.count = COUNT;
	run(&c, 6);
	assert_string_equal(c.target.said.data, "begin delete(101) " JOINED "commit(310) ");
	end(&c);
}

static void
a_hold_begins_at_a_boundary(void **state)
{
	EVENTS(TXN(1, to_held), TXN(2, to_held));
	Case c;

	(void) state;
	start(&c, events, 2, 50, 0, 0);
	run(&c, 1);
	table_join_hold(c.join, 20, "s", "h", true);
	run(&c, 3);
	/* inside of a transaction nothing moves */
	assert_string_equal(c.target.said.data, "begin delete(101) ");
	c.source.count = COUNT;
	run(&c, 6);
	assert_non_null(strstr(c.target.said.data,
	                       "begin delete(101) commit(110) begin run(INSERT INTO dts.target_table"));
	assert_non_null(strstr(c.target.said.data, "'s', 'h', 'waiting', true, '0/6E')"));
	assert_null(strstr(c.target.said.data, "delete(102)"));
	assert_int_equal(table_join_changed(c.join, &c.replaces)->state, GATE_WAITING);
	assert_false(c.replaces);
	assert_int_equal(table_join_waiting(c.join), 1);
	assert_int_equal(c.source.acknowledged.value, 110);
	end(&c);
}

/* Dropped and made again while it is loaded: what the target holds is not the new one's. */
static void
a_table_made_anew_waits(void **state)
{
	static const Relation anew = {.number = 4,
	                              .oid = 21,
	                              .schema = "s",
	                              .name = "h",
	                              .relkind = 'r',
	                              .column_count = 1,
	                              .columns = &column};
	static const Change to_anew = {.kind = CHANGE_INSERT, .relation = &anew, .new_values = &value};
	GateTable planned = {
	    .oid = 21, .schema = "s", .name = "h", .state = GATE_COPYING, .start = {300}};
	const GateTable booked = {.oid = 21, .schema = "s", .name = "h", .state = GATE_JOINED};
	enum
	{
		BY_ITSELF,
		PLANNED,
		BOOKED,
		WAYS
	};
	EVENTS(TXN(1, to_held), TXN(2, to_anew), TXN(3, to_anew));
	Case c;

	(void) state;
	for (int way = 0; way < WAYS; way++)
	{
		start(&c, events, 4, 50, 0, 0);
		put(&c, GATE_COPYING, 60, 80, NULL);
		run(&c, 3);
		assert_int_equal(table_join_waiting(c.join), 1);
		c.source.count = 5;
		run(&c, 1);
		assert_int_equal(table_join_waiting(c.join), 2);
		/* a load that has found the new one by itself takes the wish back */
		if (way == PLANNED)
			table_join_put(c.join, &planned);
		/* the command that made it has booked it as joined: its rows are held all the same */
		if (way == BOOKED)
			table_join_put(c.join, &booked);
		c.source.count = COUNT;
		run(&c, 8);
		assert_null(strstr(c.target.said.data, "insert"));
		if (way == PLANNED)
			assert_null(strstr(c.target.said.data, "dts.target_table"));
		else
		{
			assert_non_null(strstr(c.target.said.data, ", 21, 's', 'h', 'waiting', true, '0/D2')"));
			assert_int_equal(table_join_changed(c.join, &c.replaces)->oid, 21);
			assert_true(c.replaces);
		}
		assert_true(c.source.acknowledged.value <= 80);
		end(&c);
	}
}

static void
removed_tables_are_left_out(void **state)
{
	EVENTS(TXN(1, to_held), TXN(2, to_plain));
	Case c;

	(void) state;
	start(&c, events, COUNT, 50, 0, 0);
	table_join_remove(c.join, 20, "s", "h");
	run(&c, 4);
	assert_non_null(strstr(c.target.said.data, "'removed'"));
	assert_null(strstr(c.target.said.data, "delete"));
	assert_non_null(strstr(c.target.said.data, "insert(102)"));
	assert_int_equal(c.source.acknowledged.value, 210);
	end(&c);
}

static void
truncates_are_taken_apart(void **state)
{
	SourceEvent event = {.kind = SOURCE_CHANGE, .change = &truncate_all};
	Case c;

	(void) state;
	start(&c, NULL, 0, 50, 0, 0);
	assert_true(table_join_admit(c.join, &headers[0], &event, &c.err));
	assert_ptr_equal(event.change, &truncate_all);
	put(&c, GATE_WAITING, 60, 0, NULL);
	assert_true(table_join_admit(c.join, &headers[0], &event, &c.err));
	assert_int_equal(event.change->kind, CHANGE_TRUNCATE);
	assert_int_equal(event.change->truncated_count, 1);
	assert_ptr_equal(event.change->truncated[0], &plain);
	assert_true(event.change->by_delete);
	assert_int_equal(table_join_waiting(c.join), 1);
	put(&c, GATE_COPIED, 60, 70, "90:95:");
	table_join_passed(c.join, source_lsn(110));
	run(&c, 3);
	assert_string_equal(c.target.said.data, "begin truncate-by-delete(101) " JOINED "commit(50) ");
	end(&c);
}

static void
backlogs_give_back_what_they_took(void **state)
{
	SpoolSet *set = spool_set_create("/tmp", 1, 1 << 20);
	Backlog *backlog = backlog_create(set);
	const Value values[] = {{.data = "\0b", .len = 2, .state = VALUE_PRESENT}};
	const Value null = {.state = VALUE_NULL};
	const Change update = {.kind = CHANGE_UPDATE,
	                       .relation = &held,
	                       .old_row = OLD_KEY,
	                       .old_values = values,
	                       .new_values = &null};
	const TxnHeader *header;
	const Change *change;
	Error err;

	(void) state;
	assert_true(backlog_add(backlog, &headers[0], &update, &err));
	assert_true(backlog_add(backlog, &headers[0], &truncate_all, &err));
	assert_true(backlog_next(backlog, &header, &change, &err));
	assert_int_equal(header->xid, 101);
	assert_int_equal(change->kind, CHANGE_UPDATE);
	assert_ptr_equal(change->relation, &held);
	assert_int_equal(change->old_row, OLD_KEY);
	assert_int_equal(change->old_values[0].len, 2);
	assert_memory_equal(change->old_values[0].data, "\0b", 2);
	assert_int_equal(change->new_values[0].state, VALUE_NULL);
	/* added while it is read */
	assert_true(backlog_add(backlog, &headers[1], &to_held, &err));
	assert_int_equal(backlog_changes(backlog), 2);
	assert_true(backlog_next(backlog, &header, &change, &err));
	assert_int_equal(change->truncated_count, 3);
	assert_ptr_equal(change->truncated[2], &held);
	assert_true(backlog_next(backlog, &header, &change, &err));
	assert_int_equal(header->xid, 102);
	assert_null(change->new_values);
	assert_true(backlog_next(backlog, &header, &change, &err));
	assert_null(change);
	assert_true(backlog_is_empty(backlog));
	backlog_destroy(backlog);
	spool_set_destroy(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(changes_of_held_tables_wait),
	    cmocka_unit_test(a_join_is_one_transaction),
	    cmocka_unit_test(nothing_is_told_before_it_is_durable),
	    cmocka_unit_test(large_backlogs_join_in_slices),
	    cmocka_unit_test(nothing_joins_before_the_stored_position),
	    cmocka_unit_test(a_hold_begins_at_a_boundary),
	    cmocka_unit_test(a_table_made_anew_waits),
	    cmocka_unit_test(removed_tables_are_left_out),
	    cmocka_unit_test(truncates_are_taken_apart),
	    cmocka_unit_test(backlogs_give_back_what_they_took),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
