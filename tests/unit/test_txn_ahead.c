/*
 * test_txn_ahead.c
 *		Assembly of transactions: one that goes ahead of its commit.
 */
#include "txn_messages.h"

static void
begin_ahead(void)
{
	begin_session((TxnOptions){.streaming = true, .ahead = true});
	send_hello();
	start_stream(5, 0);
	relation(1);
	insert(1, "a");
	assert_true(send());
}

/* What it described holds for the others, and another one in progress waits. */
static void
one_goes_ahead_and_commits(void **state)
{
	(void) state;
	begin_ahead();
	start_stream(6, 0);
	insert(1, "x");
	assert_true(send());
	start_chunk(DTS_CHUNK_FIRST | DTS_CHUNK_LAST, 9, 900, 0);
	insert(1, "plain");
	assert_true(send());
	start_stream(5, 1);
	subxact(7);
	insert(1, "b");
	fragment(DTS_FRAGMENT_FIRST, 4, "lo");
	assert_true(send());
	start_stream(5, 2);
	subxact(7);
	fragment(DTS_FRAGMENT_LAST, 0, "ng");
	insert_long(1);
	assert_true(send());
	send_commit(5, 1000);
	send_commit(6, 1010);
	assert_string_equal(events.data,
	                    "ahead+a B9 +plain C9 ahead+b ahead+long aheadB5 aheadC5 B6 +x C6 ");
	assert_int_equal(txn_spooled(txn), 0);
}

static void
what_went_ahead_is_revoked_by_an_abort(void **state)
{
	(void) state;
	begin_ahead();
	start_stream(5, 1);
	subxact(7);
	insert(1, "no");
	assert_true(send());
	send_abort(5, 7);
	start_stream(5, 2);
	insert(1, "b");
	assert_true(send());
	send_commit(5, 1000);
	/* the next one may again */
	start_stream(8, 0);
	insert(1, "c");
	assert_true(send());
	send_abort(8, 8);
	start_stream(9, 0);
	insert(1, "d");
	assert_true(send());
	send_commit(9, 1010);
	assert_string_equal(
	    events.data, "ahead+a ahead+no revoke B5 +a +b C5 ahead+c revoke ahead+d aheadB9 aheadC9 ");
}

/* In the middle of a piece, and at the commit: all of it comes then. */
static void
what_is_held_comes_with_the_commit(void **state)
{
	SourceEvent event;

	(void) state;
	begin_ahead();
	start_stream(5, 1);
	insert(1, "b");
	relation(2);
	insert(2, "c");
	assert_true(txn_message(txn, message.data, message.len, &err));
	assert_true(txn_next(txn, &event, &err));
	note_event(&event);
	txn_hold(txn);
	assert_true(txn_next(txn, &event, &err));
	assert_int_equal(event.kind, SOURCE_IDLE);
	start_stream(5, 2);
	insert(2, "d");
	assert_true(send());
	send_commit(5, 1000);
	assert_string_equal(events.data, "ahead+a ahead+b B5 +a +b +c +d C5 ");
	strbuf_reset(&events);
	start_stream(6, 0);
	insert(2, "e");
	assert_true(send());
	start(DTS_MSG_STREAM_COMMIT);
	header(6, 1010, "");
	assert_true(txn_message(txn, message.data, message.len, &err));
	assert_true(txn_next(txn, &event, &err));
	note_event(&event);
	txn_hold(txn);
	for (;;)
	{
		assert_true(txn_next(txn, &event, &err));
		if (event.kind == SOURCE_IDLE)
			break;
		note_event(&event);
	}
	assert_string_equal(events.data, "ahead+e aheadB6 +e C6 ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TXN_TEST(one_goes_ahead_and_commits),
	    TXN_TEST(what_went_ahead_is_revoked_by_an_abort),
	    TXN_TEST(what_is_held_comes_with_the_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
