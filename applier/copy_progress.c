/*
 * copy_progress.c
 *		Progress by table; see copy_progress.h.
 *
 * Bytes done are those of the COPY stream, bytes estimated those on the source's disk.  What a table
 * shows is the sum of its committed parts and of those in hand; a part that is given up takes its
 * rows back.  The rate is that of the last seconds, the newest weighing most.
 *
 * When copying will end is not told by rows, which may differ in length and lie in any order, nor by
 * the bytes that travel, of which nobody knows how many there are in a part.  It is told by the space
 * that rows take on the source's disk, which is known of every part: what a row takes there beyond what
 * it takes on its way is much the same for all rows of a table, and follows from its statistics.
 */
#include "copy_progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "copy_crew.h"

#define RATE_US 1000000
#define SHOW_US 250000 /* while rows only run on */

/* Of the last seconds. */
typedef struct Rate
{
	int64_t us;   /* when it was last computed; 0: never */
	int64_t rows; /* what was shown then */
	int64_t bytes;
	double rows_per_second;
	double bytes_per_second;
} Rate;

typedef struct PartState
{
	int64_t task;
	bool done;
	PartProgress report; /* what is committed */
	Rate rate;
} PartState;

typedef struct TableState
{
	uint32_t oid;
	int indexes_left;
	double row_space;     /* of a row on disk beyond what travels of it */
	TableProgress report; /* what is committed */
	Rate rate;
	int64_t shown_us;
	PartState *parts; /* by task; NULL when it is copied in one piece */
	int part_count;
} TableState;

/* The part that a worker of the crew has in hand. */
typedef struct InHand
{
	uint32_t oid; /* 0: none */
	int64_t task;
	int64_t rows;
	int64_t bytes;
} InHand;

struct CopyProgress
{
	Worker *w;
	Arena *arena;
	TableState *tables; /* by oid */
	int count;
	PartProgress *listed;       /* room for the parts of any table */
	InHand hands[CREW_FDS_MAX]; /* by worker */
	uint32_t failed_oid;        /* of the last COPY_FAILED */
};

static TableState *
find_table(CopyProgress *p, uint32_t oid)
{
	int low = 0;
	int high = p->count - 1;

	while (low <= high)
	{
		int middle = low + (high - low) / 2;

		if (p->tables[middle].oid == oid)
			return &p->tables[middle];
		if (p->tables[middle].oid < oid)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}

static TablePhase
phase_of(const TableState *t)
{
	if (t->report.parts_done < t->report.parts)
		return t->report.parts_done > 0 || t->report.bytes_done > 0 ? TABLE_COPYING : TABLE_WAITING;
	return t->indexes_left > 0 ? TABLE_INDEXING : TABLE_COPIED;
}

static PartState *
find_part(const TableState *t, int64_t task)
{
	for (int i = 0; i < t->part_count; i++)
	{
		if (t->parts[i].task == task)
			return &t->parts[i];
	}
	return NULL;
}

/* Rates from what is shown, over a second at least. */
static void
measure(Rate *rate, int64_t rows_done, int64_t bytes_done, int64_t now_us)
{
	double seconds = (double) (now_us - rate->us) / 1e6;

	if (rate->us != 0 && now_us - rate->us < RATE_US)
		return;
	if (rate->us != 0)
	{
		double rows = (double) (rows_done - rate->rows) / seconds;
		double bytes = (double) (bytes_done - rate->bytes) / seconds;
		bool first = rate->bytes_per_second <= 0;

		/* less than before: a part was given up */
		rows = rows < 0 ? 0 : rows;
		bytes = bytes < 0 ? 0 : bytes;
		rate->rows_per_second = first ? rows : (rows + rate->rows_per_second) / 2;
		rate->bytes_per_second = first ? bytes : (bytes + rate->bytes_per_second) / 2;
	}
	rate->us = now_us;
	rate->rows = rows_done;
	rate->bytes = bytes_done;
}

static const InHand *
hand_of(const CopyProgress *p, int64_t task)
{
	for (int i = 0; i < CREW_FDS_MAX; i++)
	{
		if (p->hands[i].oid != 0 && p->hands[i].task == task)
			return &p->hands[i];
	}
	return NULL;
}

/* What rows and bytes of the stream take on disk. */
static double
space_of(const TableState *t, double rows, double bytes)
{
	return bytes + rows * t->row_space;
}

/* What the parts that are done say of how well that fits their table. */
static double
correction(const TableState *t)
{
	double expected = 0;
	double done = 0;

	for (int i = 0; i < t->part_count; i++)
	{
		const PartProgress *r = &t->parts[i].report;

		if (!t->parts[i].done)
			continue;
		expected += (double) r->bytes_estimated;
		done += space_of(t, (double) r->rows_done, (double) r->bytes_done);
	}
	return expected > 0 && done > 0 ? done / expected : 1;
}

/* 0: nobody knows. */
static double
seconds_left(const TableState *t, double space, const Rate *rate)
{
	double per_second = space_of(t, rate->rows_per_second, rate->bytes_per_second);

	return space > 0 && per_second > 0 ? space / per_second : 0;
}

static void
list_parts(CopyProgress *p, TableState *t, TableProgress *shown)
{
	double factor = correction(t);
	double left = 0; /* of the table, on disk */
	double slowest = 0;

	if (t->part_count == 0)
		left = (double) shown->bytes_estimated -
		       space_of(t, (double) shown->rows_done, (double) shown->bytes_done);
	shown->lists_parts = true;
	shown->listed = p->listed;
	shown->listed_count = t->part_count;
	for (int i = 0; i < t->part_count; i++)
	{
		PartState *part = &t->parts[i];
		const InHand *hand = hand_of(p, part->task);
		PartProgress *listed = &p->listed[i];
		double space = part->done ? 0 : (double) part->report.bytes_estimated * factor;

		*listed = part->report;
		listed->phase = part->done ? TABLE_COPIED : TABLE_WAITING;
		if (hand != NULL)
			space -= space_of(t, (double) hand->rows, (double) hand->bytes);
		left += space > 0 ? space : 0;
		if (hand == NULL)
			continue;
		listed->phase = TABLE_COPYING;
		listed->rows_done = hand->rows;
		listed->bytes_done = hand->bytes;
		measure(&part->rate, hand->rows, hand->bytes, worker_now_us(p->w));
		listed->rows_per_second = part->rate.rows_per_second;
		listed->bytes_per_second = part->rate.bytes_per_second;
		listed->seconds_left = seconds_left(t, space, &part->rate);
		if (listed->seconds_left > slowest)
			slowest = listed->seconds_left;
	}
	shown->seconds_left = seconds_left(t, left, &t->rate);
	if (shown->seconds_left > 0 && slowest > shown->seconds_left)
		shown->seconds_left = slowest;
}

static void
show(CopyProgress *p, TableState *t)
{
	TableProgress shown = t->report;

	shown.parts_active = 0;
	for (int i = 0; i < CREW_FDS_MAX; i++)
	{
		if (p->hands[i].oid != t->oid)
			continue;
		shown.parts_active++;
		shown.rows_done += p->hands[i].rows;
		shown.bytes_done += p->hands[i].bytes;
		shown.phase = TABLE_COPYING;
	}
	measure(&t->rate, shown.rows_done, shown.bytes_done, worker_now_us(p->w));
	shown.rows_per_second = t->rate.rows_per_second;
	shown.bytes_per_second = t->rate.bytes_per_second;
	list_parts(p, t, &shown);
	t->shown_us = worker_now_us(p->w);
	worker_report_table(p->w, &shown);
}

/* The parts of tables that are copied in several. */
static bool
read_parts(CopyProgress *p, PgSession *target, Error *err)
{
	const char *params[] = {worker_job(p->w)->slot_name};
	char sql[512];
	PgRows *rows;
	int most = 0;

	snprintf(
	    sql, sizeof(sql),
	    "SELECT table_oid, part_id, state = 'done', rows_estimated, bytes_estimated, rows_done, "
	    "bytes_done FROM (SELECT *, count(*) OVER (PARTITION BY table_oid) AS parts FROM "
	    "dts.target_part WHERE slot_name = $1 AND stage = %d AND table_oid <> 0) p WHERE parts "
	    "> 1 ORDER BY part_id",
	    STAGE_DATA);
	rows = pg_session_query(target, err, sql, 1, params);
	if (rows == NULL)
		return false;
	for (int i = 0; i < pg_rows_count(rows); i++)
	{
		TableState *t = find_table(p, (uint32_t) pg_rows_int(rows, i, 0));
		PartState *part;

		if (t == NULL)
			continue;
		if (t->parts == NULL)
			t->parts = arena_zalloc(p->arena, sizeof(PartState) * (size_t) t->report.parts);
		if (t->part_count == t->report.parts)
			continue; /* added since they were counted */
		part = &t->parts[t->part_count++];
		most = t->part_count > most ? t->part_count : most;
		part->task = pg_rows_int(rows, i, 1);
		part->done = pg_rows_bool(rows, i, 2);
		part->report = (PartProgress){.rows_estimated = pg_rows_int(rows, i, 3),
		                              .bytes_estimated = pg_rows_int(rows, i, 4),
		                              .rows_done = pg_rows_int(rows, i, 5),
		                              .bytes_done = pg_rows_int(rows, i, 6)};
	}
	pg_rows_free(rows);
	p->listed = arena_zalloc(p->arena, sizeof(PartProgress) * ((size_t) most + 1));
	return true;
}

CopyProgress *
copy_progress_open(Worker *w, PgSession *target, Error *err)
{
	const char *params[] = {worker_job(w)->slot_name};
	char sql[1536];
	CopyProgress *p;
	PgRows *rows;

	snprintf(sql, sizeof(sql),
	         "SELECT table_oid, max(schema_name), max(table_name), "
	         "count(*) FILTER (WHERE stage = %d), "
	         "count(*) FILTER (WHERE stage = %d AND state = 'done'), "
	         "count(*) FILTER (WHERE stage = %d AND state = 'todo'), "
	         "coalesce(sum(rows_estimated) FILTER (WHERE stage = %d), 0), "
	         "coalesce(sum(bytes_estimated) FILTER (WHERE stage = %d), 0), "
	         "coalesce(sum(rows_done) FILTER (WHERE stage = %d), 0), "
	         "coalesce(sum(bytes_done) FILTER (WHERE stage = %d), 0), "
	         "coalesce(sum(bytes_expected), 0) "
	         "FROM dts.target_part p WHERE slot_name = $1 AND table_oid <> 0 AND NOT EXISTS ("
	         "SELECT FROM dts.target_table t WHERE t.slot_name = p.slot_name AND t.table_oid = "
	         "p.table_oid AND t.state IN ('joined', 'quarantined', 'removed')) GROUP BY table_oid "
	         "HAVING count(*) FILTER (WHERE stage = %d) > 0 ORDER BY table_oid",
	         STAGE_DATA, STAGE_DATA, STAGE_INDEX, STAGE_DATA, STAGE_DATA, STAGE_DATA, STAGE_DATA,
	         STAGE_DATA);
	rows = pg_session_query(target, err, sql, 1, params);
	if (rows == NULL)
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->w = w;
	p->arena = arena_create(64 * 1024);
	p->count = pg_rows_count(rows);
	p->tables = arena_zalloc(p->arena, sizeof(TableState) * ((size_t) p->count + 1));
	for (int i = 0; i < p->count; i++)
	{
		TableState *t = &p->tables[i];

		t->oid = (uint32_t) pg_rows_int(rows, i, 0);
		t->report.schema = arena_strdup(p->arena, pg_rows_get(rows, i, 1));
		t->report.table = arena_strdup(p->arena, pg_rows_get(rows, i, 2));
		t->report.parts = (int) pg_rows_int(rows, i, 3);
		t->report.parts_done = (int) pg_rows_int(rows, i, 4);
		t->indexes_left = (int) pg_rows_int(rows, i, 5);
		t->report.rows_estimated = pg_rows_int(rows, i, 6);
		t->report.bytes_estimated = pg_rows_int(rows, i, 7);
		t->report.rows_done = pg_rows_int(rows, i, 8);
		t->report.bytes_done = pg_rows_int(rows, i, 9);
		if (t->report.rows_estimated > 0)
			t->row_space = (double) (t->report.bytes_estimated - pg_rows_int(rows, i, 10)) /
			               (double) t->report.rows_estimated;
		t->report.phase = phase_of(t);
	}
	pg_rows_free(rows);
	if (!read_parts(p, target, err))
	{
		arena_destroy(p->arena);
		free(p);
		return NULL;
	}
	for (int i = 0; i < p->count; i++)
		show(p, &p->tables[i]);
	return p;
}

static void
task_done(TableState *t, const CopyMessage *message)
{
	if (message->stage == STAGE_DATA)
	{
		PartState *part = find_part(t, message->task);

		if (part != NULL)
		{
			part->done = true;
			part->report.rows_done = message->rows;
			part->report.bytes_done = message->bytes;
		}
		t->report.parts_done++;
		t->report.rows_done += message->rows;
		t->report.bytes_done += message->bytes;
	}
	else if (message->stage == STAGE_INDEX && t->indexes_left > 0)
		t->indexes_left--;
	t->report.phase = phase_of(t);
}

/* Rates change also when nothing is said. */
static void
show_those_in_hand(CopyProgress *p)
{
	for (int i = 0; i < CREW_FDS_MAX; i++)
	{
		TableState *t = p->hands[i].oid != 0 ? find_table(p, p->hands[i].oid) : NULL;

		if (t != NULL && worker_now_us(p->w) - t->rate.us >= RATE_US)
			show(p, t);
	}
}

void
copy_progress_heard(CopyProgress *p, const CopyMessage *message)
{
	TableState *t;
	InHand *hand;

	if (message == NULL)
	{
		show_those_in_hand(p);
		return;
	}
	hand = &p->hands[message->worker];
	t = message->table_oid != 0 ? find_table(p, message->table_oid) : NULL;
	switch (message->kind)
	{
		case COPY_NOTE:
			return;
		case COPY_PROGRESS:
			if (message->stage == STAGE_DATA)
				*hand = (InHand){message->table_oid, message->task, message->rows, message->bytes};
			if (message->rows > 0 && t != NULL && worker_now_us(p->w) - t->shown_us < SHOW_US)
				return;
			break;
		case COPY_DONE:
			memset(hand, 0, sizeof(*hand));
			if (t != NULL)
				task_done(t, message);
			break;
		case COPY_HELLO: /* perhaps in the place of one that died */
			memset(hand, 0, sizeof(*hand));
			return;
		case COPY_FAILED:
			p->failed_oid = message->table_oid != 0 ? message->table_oid : p->failed_oid;
			memset(hand, 0, sizeof(*hand));
			break;
		case COPY_CHANGED:
		case COPY_GAVE_WAY:
			memset(hand, 0, sizeof(*hand));
			break;
	}
	if (t != NULL)
		show(p, t);
}

void
copy_progress_close(CopyProgress *p, bool complete, const Error *err)
{
	TableState *t = err != NULL && p->failed_oid != 0 ? find_table(p, p->failed_oid) : NULL;

	memset(p->hands, 0, sizeof(p->hands));
	for (int i = 0; complete && i < p->count; i++)
	{
		TableState *table = &p->tables[i];

		if (table->report.phase == TABLE_COPIED)
			continue;
		table->report.phase = TABLE_COPIED;
		memset(&table->rate, 0, sizeof(table->rate));
		show(p, table);
	}
	if (t != NULL)
	{
		t->report.phase = TABLE_ERROR;
		t->report.error = err->message;
		show(p, t);
	}
	arena_destroy(p->arena);
	free(p);
}
