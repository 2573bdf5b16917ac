/*
 * table_load.h
 *		Loading tables beside the stream: requests about tables, preparation, copy workers.
 *
 * Lives as long as the phase, over any number of the stream's sessions.  It never blocks the stream
 * for more than a short statement on the target: what takes longer is done by children.  What is
 * durable, and so what a new daemon goes on from, are dts.target_table and dts.target_part.
 */
#ifndef DTS_TABLE_LOAD_H
#define DTS_TABLE_LOAD_H

#include <poll.h>

#include "copy_crew.h"
#include "error.h"
#include "table_join.h"
#include "worker.h"

#define TABLE_LOAD_FDS (CREW_FDS_MAX + 1)

typedef struct TableLoad TableLoad;

TableLoad *table_load_open(Worker *w);

/* Ends all children; touch_servers as in copy_crew_end(). */
void table_load_close(TableLoad *load, bool touch_servers);

/* A session of the stream begins: every table as it stands.  The join stays the caller's. */
bool table_load_attach(TableLoad *load, TableJoin *join, Error *err) must_check;

/* The session has ended, and with it the join. */
void table_load_detach(TableLoad *load);

/* Fills in what to poll for, and lowers *timeout_ms. */
int table_load_poll(const TableLoad *load, struct pollfd *fds, int *timeout_ms);

typedef enum TableLoadStep
{
	LOAD_GO_ON,
	LOAD_REOPEN, /* the job's selection has changed: the stream is to be opened anew */
	LOAD_YIELD,  /* another daemon owns the job */
	LOAD_FAILED, /* err */
} TableLoadStep;

/* durable: the stream's position on the target. */
TableLoadStep table_load_step(TableLoad *load, SourceLsn durable, Error *err) must_check;

/* Puts a table aside because of the error: durable when it returns. */
bool table_load_quarantine(TableLoad *load, uint32_t oid, const char *schema, const char *name,
                           const Error *reason, Error *err) must_check;

/* Whether a request waits to be followed. */
bool table_load_requested(const TableLoad *load);

/* Whether there is anything under way that caught_up has to wait for. */
bool table_load_busy(const TableLoad *load);

#endif /* DTS_TABLE_LOAD_H */
