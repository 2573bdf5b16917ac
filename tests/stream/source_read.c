/*
 * source_read.c
 *		Reads a slot through the applier's ChangeSource and prints what it hands out, for
 *		tests/stream/run.
 *
 *	source_read [--streaming] [--ack] [--quiet] [--work-dir DIR] [--memory BYTES] [--spool BYTES]
 *		[--patience SECONDS] [--stall SECONDS] [--option NAME=VALUE]... CONNINFO SLOT START
 *	source_read --verify STORED CONNINFO SLOT
 *	source_read --drop CONNINFO SLOT
 *
 * Ends at the transactional message "dts.end", or after ten seconds (--patience) without an event.
 * --stall: after the first change, nothing but feedback for so long, as a consumer that is busy.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../unit/reading.h"
#include "fault.h"
#include "source_slot.h"
#include "source_stream.h"

static int64_t patience_us = 10000000;
static int64_t stall_us;

typedef struct Totals
{
	long transactions;
	long changes;
	long values; /* bytes of new rows */
	long bytes;
	long keepalives;
	bool ended;
} Totals;

static int64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int
complain(const Error *err)
{
	printf("error %s: %s\ndetail: %s\nhint: %s\ncontext: %s\n", err->sqlstate, err->message,
	       err->detail, err->hint, err->context);
	return 1;
}

static void
print_event(const SourceEvent *event)
{
	StrBuf line;

	strbuf_init(&line);
	switch (event->kind)
	{
		case SOURCE_BEGIN:
			strbuf_printf(&line, "begin origin=\"%s\"", event->header->origin);
			break;
		case SOURCE_COMMIT:
			strbuf_puts(&line, "commit");
			break;
		case SOURCE_CHANGE:
			reading_change(&line, event->change);
			if (event->change->relation != NULL)
				strbuf_printf(&line, " %s.%s", event->change->relation->schema,
				              event->change->relation->name);
			break;
		case SOURCE_IDLE:
		case SOURCE_REVOKE:
		case SOURCE_KEEPALIVE:
			break;
	}
	if (line.len > 0)
		puts(line.data);
	strbuf_free(&line);
}

static void
count_event(Totals *t, const SourceEvent *event)
{
	const Change *c = event->change;

	t->bytes += (long) event->bytes;
	t->transactions += event->kind == SOURCE_COMMIT;
	t->keepalives += event->kind == SOURCE_KEEPALIVE;
	if (event->kind != SOURCE_CHANGE)
		return;
	t->changes++;
	if (c->new_values != NULL)
	{
		for (int i = 0; i < c->relation->column_count; i++)
			t->values += c->new_values[i].len;
	}
	if (c->kind == CHANGE_MESSAGE && strcmp(c->prefix, "dts.end") == 0)
		t->ended = true;
}

static bool
stall(ChangeSource *source, Error *err)
{
	int64_t end = now_us() + stall_us;

	stall_us = 0;
	while (now_us() < end)
	{
		poll(NULL, 0, 50);
		if (!source->ops->feedback(source, source_lsn(0), now_us(), err))
			return false;
	}
	return true;
}

static bool
read_all(ChangeSource *source, bool quiet, bool ack, Totals *t, Error *err)
{
	SourceLsn reached = source_lsn(0);
	int64_t last = now_us();
	SourceEvent event;

	do
	{
		if (!source->ops->next(source, &event, err) ||
		    !source->ops->feedback(source, ack ? reached : source_lsn(0), now_us(), err))
			return false;
		if (event.kind == SOURCE_IDLE)
		{
			struct pollfd fd = {.fd = source->ops->socket(source), .events = POLLIN};

			if (now_us() - last > patience_us)
				return true;
			poll(&fd, 1, 100);
			continue;
		}
		last = event.kind == SOURCE_KEEPALIVE ? last : now_us();
		count_event(t, &event);
		if (!quiet)
			print_event(&event);
		if (event.kind == SOURCE_CHANGE && stall_us > 0 && !stall(source, err))
			return false;
		if (event.kind == SOURCE_COMMIT)
			reached = event.header->end;
	} while (!t->ended || event.kind != SOURCE_COMMIT);
	return source->ops->feedback(source, ack ? reached : source_lsn(0), now_us(), err);
}

static int
verify(const char *conninfo, const char *slot, const char *stored)
{
	SourceExpected expected = {.slot = slot};
	PgSession *session;
	bool lost = false, ok;
	Error err;

	if (!lsn_parse(stored, &expected.stored.value))
		return 2;
	session = pg_session_open(conninfo, PG_SESSION_REPLICATION, slot, NULL, &err);
	ok = session != NULL && source_slot_verify(session, &expected, &lost, &err);
	pg_session_close(session);
	printf("%s\n", ok ? "good" : lost ? "lost" : "unknown");
	return ok ? 0 : complain(&err);
}

static int
drop(const char *conninfo, const char *slot)
{
	PgSession *session;
	Error err;
	bool ok;

	session = pg_session_open(conninfo, PG_SESSION_SOURCE, slot, NULL, &err);
	ok = session != NULL && source_slot_drop(session, slot, &err);
	pg_session_close(session);
	return ok ? 0 : complain(&err);
}

static int
stream(const SourceStreamOptions *options, bool quiet, bool ack)
{
	Totals totals = {0};
	Error err;
	ChangeSource *source = source_stream_open(options, &err);
	int64_t begun = now_us();
	bool ok;

	if (source == NULL)
		return complain(&err);
	ok = read_all(source, quiet, ack, &totals, &err);
	if (quiet)
		printf("transactions=%ld changes=%ld values=%ld\n", totals.transactions, totals.changes,
		       totals.values);
	fprintf(stderr, "%ld changes, %ld bytes, %ld keepalives in %.3f s, encoding %s\n",
	        totals.changes, totals.bytes, totals.keepalives, (double) (now_us() - begun) / 1e6,
	        source->ops->encoding(source) ? source->ops->encoding(source) : "unknown");
	source->ops->close(source);
	return ok ? 0 : complain(&err);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"streaming", no_argument, NULL, 's'},      {"ack", no_argument, NULL, 'a'},
	    {"quiet", no_argument, NULL, 'q'},          {"work-dir", required_argument, NULL, 'w'},
	    {"memory", required_argument, NULL, 'm'},   {"spool", required_argument, NULL, 'l'},
	    {"option", required_argument, NULL, 'o'},   {"drop", no_argument, NULL, 'd'},
	    {"patience", required_argument, NULL, 'p'}, {"stall", required_argument, NULL, 't'},
	    {"verify", required_argument, NULL, 'v'},   {NULL, 0, NULL, 0},
	};
	SourceStreamOptions options = {.work_dir = "."};
	SourceOption decoder[16];
	bool quiet = false, ack = false, want_drop = false;
	const char *stored = NULL;
	int c;

	fault_init();
	options.decoder_options = decoder;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
	{
		if (c == 's')
			options.streaming = true;
		else if (c == 'a')
			ack = true;
		else if (c == 'q')
			quiet = true;
		else if (c == 'w')
			options.work_dir = optarg;
		else if (c == 'm')
			options.memory_limit = strtoull(optarg, NULL, 10);
		else if (c == 'l')
			options.spool_limit = strtoull(optarg, NULL, 10);
		else if (c == 'p')
			patience_us = (int64_t) atoi(optarg) * 1000000;
		else if (c == 't')
			stall_us = (int64_t) atoi(optarg) * 1000000;
		else if (c == 'd')
			want_drop = true;
		else if (c == 'v')
			stored = optarg;
		else if (c == 'o' && strchr(optarg, '=') != NULL && options.decoder_option_count < 16)
		{
			char *equals = strchr(optarg, '=');

			*equals = '\0';
			decoder[options.decoder_option_count++] = (SourceOption){optarg, equals + 1};
		}
		else
			return 2;
	}
	if (argc - optind < 2)
		return 2;
	options.conninfo = argv[optind];
	options.slot_name = argv[optind + 1];
	if (want_drop)
		return drop(options.conninfo, options.slot_name);
	if (stored != NULL)
		return verify(options.conninfo, options.slot_name, stored);
	if (argc - optind != 3 || !lsn_parse(argv[optind + 2], &options.start.value))
		return 2;
	return stream(&options, quiet, ack);
}
