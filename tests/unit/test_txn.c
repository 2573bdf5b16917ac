/*
 * test_txn.c
 *		Assembly of transactions: chunks, streams that interleave, aborted subtransactions, long
 *		values, order.
 */
#include "txn_messages.h"

/* The message must be refused, and everything after it. */
static void
refused(const char *why)
{
	SourceEvent event;

	assert_false(send());
	assert_string_equal(err.sqlstate, ERR_PROTOCOL);
	if (strstr(err.detail, why) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", why, err.detail);
	assert_false(txn_next(txn, &event, &err));
	assert_false(txn_message(txn, "x", 1, &err));
}

static void
plain_transactions_pass_through_in_chunks(void **state)
{
	(void) state;
	begin_session((TxnOptions){0});
	assert_null(txn_encoding(txn));
	send_hello();
	start_chunk(DTS_CHUNK_FIRST, 5, 1000, 0);
	relation(1);
	insert(1, "a");
	assert_true(send());
	assert_true(txn_is_open(txn));
	start_chunk(0, 5, 1000, 1);
	assert_true(send());
	start_chunk(DTS_CHUNK_LAST, 5, 1000, 2);
	insert(1, "b");
	assert_true(send());
	assert_false(txn_is_open(txn));
	start_chunk(DTS_CHUNK_FIRST | DTS_CHUNK_LAST, 4, 1010, 0);
	insert(1, "c");
	assert_true(send());
	assert_string_equal(events.data, "B5 +a +b C5 B4 +c C4 ");
}

static void
headers_hold_positions_and_origin(void **state)
{
	SourceEvent event;

	(void) state;
	begin_session((TxnOptions){.start = source_lsn(1000)});
	send_hello();
	start(DTS_MSG_TXN);
	u8(DTS_CHUNK_FIRST | DTS_CHUNK_LAST);
	header(5, 1000, "elsewhere");
	uv(0);
	assert_true(txn_message(txn, message.data, message.len, &err));
	assert_true(txn_next(txn, &event, &err));
	assert_int_equal(event.kind, SOURCE_BEGIN);
	assert_int_equal(event.header->xid, 5);
	assert_true(event.header->commit.value == 1000);
	assert_true(event.header->end.value == 1010);
	assert_true(event.header->commit_time == 777);
	assert_string_equal(event.header->origin, "elsewhere");
	assert_true(txn_next(txn, &event, &err));
	assert_int_equal(event.kind, SOURCE_COMMIT);
	assert_true(event.header->end.value == 1010);
	assert_true(txn_next(txn, &event, &err));
	assert_int_equal(event.kind, SOURCE_IDLE);
}

static void
sessions_begin_with_one_hello_of_the_right_server(void **state)
{
	(void) state;
	begin_session((TxnOptions){.server_version = 150020});
	start_hello(160001);
	refused("server version 160001, the connection 150020");
	txn_destroy(txn);
	begin_session((TxnOptions){0});
	start_chunk(DTS_CHUNK_FIRST, 5, 1000, 0);
	refused("begins with message \"hello\"");
	txn_destroy(txn);
	begin_session((TxnOptions){.server_version = 150020});
	send_hello();
	start_hello(150020);
	refused("once in a session");
}

static void
chunks_must_follow_each_other(void **state)
{
	(void) state;
	for (int fault = 0; fault < 8; fault++)
	{
		static const char *const why[] = {"came where chunk 1 of 5", "came where chunk 1 of 5",
		                                  "came where chunk 1 of 5", "Chunk 1 of transaction 5 was",
		                                  "came where chunk 1 of 5", "without the first",
		                                  "number 0 for the first",  "number 0 for the first"};

		begin_session((TxnOptions){.streaming = true});
		send_hello();
		if (fault < 5)
		{
			start_chunk(DTS_CHUNK_FIRST, 5, 1000, 0);
			assert_true(send());
		}
		if (fault == 0)
			start_chunk(0, 5, 1000, 2);
		else if (fault == 1)
			start_chunk(0, 6, 1000, 1);
		else if (fault == 2)
			start_chunk(0, 5, 1001, 1);
		else if (fault == 3)
			start_stream(7, 0);
		else if (fault == 4)
			start_chunk(DTS_CHUNK_FIRST, 6, 2000, 0);
		else if (fault == 5)
			start_chunk(DTS_CHUNK_LAST, 5, 1000, 1);
		else
			start_chunk(fault == 6 ? DTS_CHUNK_FIRST : 0, 5, 1000, fault == 6);
		refused(why[fault]);
		txn_destroy(txn);
	}
	txn = NULL;
}

static void
commits_must_not_go_back(void **state)
{
	(void) state;
	begin_session((TxnOptions){.start = source_lsn(1000)});
	send_hello();
	start_chunk(DTS_CHUNK_FIRST | DTS_CHUNK_LAST, 5, 999, 0);
	refused("committed at 0/3E7, before the position reached, 0/3E8");
	txn_destroy(txn);
	begin_session((TxnOptions){.start = source_lsn(1000)});
	send_hello();
	start_chunk(DTS_CHUNK_FIRST | DTS_CHUNK_LAST, 5, 1000, 0);
	assert_true(send());
	start_chunk(DTS_CHUNK_FIRST | DTS_CHUNK_LAST, 6, 1009, 0);
	refused("before the position reached, 0/3F2");
}

static void
prepared_transactions_are_refused_by_name(void **state)
{
	static const DtsMessageKind kinds[] = {DTS_MSG_PREPARE, DTS_MSG_STREAM_PREPARE,
	                                       DTS_MSG_COMMIT_PREPARED, DTS_MSG_ROLLBACK_PREPARED};

	(void) state;
	for (size_t i = 0; i < 4; i++)
	{
		begin_streaming(0);
		start(kinds[i]);
		if (kinds[i] == DTS_MSG_PREPARE)
			u8(DTS_CHUNK_FIRST | DTS_CHUNK_LAST);
		header(5, 1000, "");
		str("gid");
		if (kinds[i] == DTS_MSG_PREPARE)
			uv(0);
		if (kinds[i] == DTS_MSG_COMMIT_PREPARED || kinds[i] == DTS_MSG_ROLLBACK_PREPARED)
			u64(900);
		refused("two_phase");
		txn_destroy(txn);
	}
	txn = NULL;
}

static void
streams_interleave_and_commit_in_their_order(uint64_t memory_limit)
{
	begin_streaming(memory_limit);
	start_stream(5, 0);
	relation(1);
	insert(1, "a");
	assert_true(send());
	start_stream(6, 0);
	insert(1, "x");
	relation(2);
	insert(2, "y");
	assert_true(send());
	start_chunk(DTS_CHUNK_FIRST | DTS_CHUNK_LAST, 9, 900, 0);
	insert(2, "plain");
	assert_true(send());
	start_stream(5, 1);
	insert(2, "b");
	assert_true(send());
	assert_int_equal(txn_streams(txn), 2);
	assert_true(txn_spooled(txn) > 0);
	send_commit(6, 1000);
	start_stream(5, 2);
	insert(1, "c");
	assert_true(send());
	send_commit(5, 1010);
	start_chunk(DTS_CHUNK_FIRST | DTS_CHUNK_LAST, 10, 1020, 0);
	relation(3); /* the replays have described nothing */
	insert(3, "d");
	assert_true(send());
	assert_string_equal(events.data, "B9 +plain C9 B6 +x +y C6 B5 +a +b +c C5 B10 +d C10 ");
	assert_int_equal(txn_streams(txn), 0);
	assert_int_equal(txn_spooled(txn), 0);
}

static void
streams_interleave_in_memory(void **state)
{
	(void) state;
	streams_interleave_and_commit_in_their_order(1 << 20);
}

static void
streams_interleave_in_files(void **state)
{
	(void) state;
	streams_interleave_and_commit_in_their_order(0);
}

static void
aborted_subtransactions_leave_nothing(void **state)
{
	(void) state;
	begin_streaming(0);
	start_stream(5, 0);
	relation(1);
	insert(1, "a");
	subxact(7);
	insert(1, "no");
	fragment(DTS_FRAGMENT_FIRST | DTS_FRAGMENT_LAST, 3, "not");
	insert_long(1);
	subxact(8);
	insert(1, "b");
	subxact(5);
	insert(1, "c");
	subxact(7);
	fragment(DTS_FRAGMENT_FIRST, 3, "n");
	assert_true(send());
	start_stream(5, 1);
	subxact(7);
	fragment(DTS_FRAGMENT_LAST, 0, "ot");
	insert_long(1);
	subxact(5);
	insert(1, "d");
	subxact(7);
	relation(2);
	insert(2, "no");
	subxact(9);
	insert(2, "no");
	assert_true(send());
	send_abort(5, 9);
	send_abort(5, 7);
	start_stream(5, 2);
	subxact(10);
	insert(2, "e");
	assert_true(send());
	send_commit(5, 1000);
	assert_string_equal(events.data, "B5 +a +b +c +d +e C5 ");
}

static void
aborted_transactions_leave_nothing_but_their_descriptions(void **state)
{
	(void) state;
	begin_streaming(0);
	start_stream(5, 0);
	relation(1);
	insert(1, "no");
	assert_true(send());
	send_abort(5, 5);
	assert_int_equal(txn_streams(txn), 0);
	assert_int_equal(txn_spooled(txn), 0);
	send_abort(77, 77);
	send_abort(77, 78);
	start_chunk(DTS_CHUNK_FIRST | DTS_CHUNK_LAST, 6, 1000, 0);
	insert(1, "a");
	assert_true(send());
	assert_string_equal(events.data, "B6 +a C6 ");
}

static void
ten_thousand_subtransactions(void **state)
{
	size_t plus = 0;

	(void) state;
	begin_streaming(1000);
	start_stream(5, 0);
	relation(1);
	assert_true(send());
	for (uint32_t n = 1; n <= 10000; n++)
	{
		start_stream(5, n);
		subxact(100 + n);
		insert(1, n % 3 == 0 ? "no" : "y");
		assert_true(send());
	}
	for (uint32_t n = 9999; n > 0; n -= 3)
		send_abort(5, 100 + n);
	send_commit(5, 1000);
	for (const char *p = events.data; *p != '\0'; p++)
		plus += *p == '+';
	assert_int_equal(plus, 10000 - 3333);
	assert_null(strstr(events.data, "no"));
}

static void
long_values_cross_chunks_and_pieces(void **state)
{
	(void) state;
	begin_streaming(0);
	start_chunk(DTS_CHUNK_FIRST, 4, 900, 0);
	relation(1);
	fragment(DTS_FRAGMENT_FIRST, 6, "ab");
	assert_true(send());
	start_chunk(DTS_CHUNK_LAST, 4, 900, 1);
	fragment(0, 0, "cd");
	relation(2);
	fragment(DTS_FRAGMENT_LAST, 0, "ef");
	insert_long(2);
	insert(1, "short");
	assert_true(send());

	start_stream(5, 0);
	subxact(7);
	fragment(DTS_FRAGMENT_FIRST, 6, "gh");
	assert_true(send());
	start_stream(6, 0);
	fragment(DTS_FRAGMENT_FIRST, 4, "xy");
	assert_true(send());
	start_stream(5, 1);
	subxact(7);
	fragment(DTS_FRAGMENT_LAST, 0, "ijkl");
	assert_true(send());
	start_stream(6, 1);
	fragment(DTS_FRAGMENT_LAST, 0, "zz");
	insert_long(1);
	assert_true(send());
	start_stream(5, 2);
	subxact(7);
	insert_long(2);
	assert_true(send());
	send_commit(5, 1000);
	send_commit(6, 2000);
	assert_string_equal(events.data, "B4 +abcdef +short C4 B5 +ghijkl C5 B6 +xyzz C6 ");
}

/* A concurrent abort ends decoding anywhere, also behind the fragments of a record. */
static void
a_subtransaction_may_break_off_before_its_abort(void **state)
{
	(void) state;
	begin_streaming(0);
	start_stream(5, 0);
	relation(1);
	insert(1, "a");
	subxact(7);
	fragment(DTS_FRAGMENT_FIRST, 6, "gh");
	assert_true(send());
	send_abort(5, 7);
	start_stream(5, 1);
	subxact(8);
	fragment(DTS_FRAGMENT_FIRST | DTS_FRAGMENT_LAST, 1, "b");
	insert_long(1);
	assert_true(send());
	send_commit(5, 1000);
	assert_string_equal(events.data, "B5 +a +b C5 ");
}

/* The abort is known to the source's decoding before it is known here. */
static void
a_subtransaction_may_break_off_and_others_go_on(void **state)
{
	(void) state;
	for (int promise = 0; promise < 2; promise++)
	{
		strbuf_reset(&events);
		begin_streaming(0);
		start_stream(5, 0);
		relation(1);
		subxact(7);
		fragment(DTS_FRAGMENT_FIRST | DTS_FRAGMENT_LAST, 2, "no");
		fragment(DTS_FRAGMENT_FIRST, 6, "gh");
		assert_true(send());
		start_stream(5, 1);
		subxact(7);
		fragment(DTS_FRAGMENT_FIRST | DTS_FRAGMENT_LAST, 2, "no");
		insert_long(1);
		insert(1, "no");
		fragment(DTS_FRAGMENT_FIRST, 2, "n");
		subxact(8);
		fragment(DTS_FRAGMENT_FIRST | DTS_FRAGMENT_LAST, 1, "b");
		insert_long(1);
		insert(1, "c");
		assert_true(send());
		if (promise == 0)
		{
			send_abort(5, 7);
			send_commit(5, 1000);
			assert_string_equal(events.data, "B5 +b +c C5 ");
		}
		else
		{
			start(DTS_MSG_STREAM_COMMIT);
			header(5, 1000, "");
			refused("long values of transaction 7 belong to did not come");
		}
		txn_destroy(txn);
	}
	txn = NULL;
}

static void
long_values_without_their_record_are_refused(void **state)
{
	(void) state;
	begin_session((TxnOptions){0});
	send_hello();
	start_chunk(DTS_CHUNK_FIRST | DTS_CHUNK_LAST, 5, 1000, 0);
	fragment(DTS_FRAGMENT_FIRST | DTS_FRAGMENT_LAST, 1, "b");
	refused("did not come");
	txn_destroy(txn);
	begin_session((TxnOptions){0});
	send_hello();
	start_chunk(DTS_CHUNK_FIRST, 5, 1000, 0);
	relation(1);
	fragment(DTS_FRAGMENT_FIRST | DTS_FRAGMENT_LAST, 1, "b");
	insert(1, "a");
	refused("a record that uses the long values before it");
	txn_destroy(txn);
	begin_streaming(0);
	start_stream(5, 0);
	fragment(DTS_FRAGMENT_FIRST, 2, "b");
	assert_true(send());
	start(DTS_MSG_STREAM_COMMIT);
	header(5, 1000, "");
	refused("did not come");
	txn_destroy(txn);
	begin_streaming(0);
	start_stream(5, 0);
	relation(1);
	subxact(7);
	fragment(DTS_FRAGMENT_FIRST | DTS_FRAGMENT_LAST, 1, "b");
	subxact(8);
	insert_long(1);
	refused("a complete long value before the record that uses it");
}

static void
stream_messages_must_make_sense(void **state)
{
	(void) state;
	begin_session((TxnOptions){0});
	send_hello();
	start_stream(5, 0);
	refused("not asked for");
	txn_destroy(txn);
	begin_streaming(0);
	start(DTS_MSG_STREAM_COMMIT);
	header(5, 1000, "");
	refused("No piece of transaction 5");
	txn_destroy(txn);
	begin_streaming(0);
	start_stream(5, 1);
	refused("piece 0 was due");
	txn_destroy(txn);
	begin_streaming(0);
	start_stream(5, 0);
	assert_true(send());
	start_stream(5, 2);
	refused("piece 1 was due");
}

static void
the_spool_limit_is_an_error_of_the_disk(void **state)
{
	(void) state;
	begin_session((TxnOptions){.streaming = true, .memory_limit = 100, .spool_limit = 200});
	send_hello();
	start_stream(5, 0);
	relation(1);
	for (int i = 0; i < 100; i++)
		insert(1, "abcdef");
	assert_false(send());
	assert_string_equal(err.sqlstate, ERR_DISK);
}

static void
damage_in_a_piece_is_found_when_it_arrives(void **state)
{
	(void) state;
	begin_streaming(0);
	start_stream(5, 0);
	insert(3, "a");
	refused("described before");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TXN_TEST(plain_transactions_pass_through_in_chunks),
	    TXN_TEST(headers_hold_positions_and_origin),
	    TXN_TEST(sessions_begin_with_one_hello_of_the_right_server),
	    TXN_TEST(chunks_must_follow_each_other),
	    TXN_TEST(commits_must_not_go_back),
	    TXN_TEST(prepared_transactions_are_refused_by_name),
	    TXN_TEST(streams_interleave_in_memory),
	    TXN_TEST(streams_interleave_in_files),
	    TXN_TEST(aborted_subtransactions_leave_nothing),
	    TXN_TEST(aborted_transactions_leave_nothing_but_their_descriptions),
	    TXN_TEST(ten_thousand_subtransactions),
	    TXN_TEST(long_values_cross_chunks_and_pieces),
	    TXN_TEST(a_subtransaction_may_break_off_before_its_abort),
	    TXN_TEST(a_subtransaction_may_break_off_and_others_go_on),
	    TXN_TEST(long_values_without_their_record_are_refused),
	    TXN_TEST(stream_messages_must_make_sense),
	    TXN_TEST(the_spool_limit_is_an_error_of_the_disk),
	    TXN_TEST(damage_in_a_piece_is_found_when_it_arrives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
