/*
 * table_load_internal.h
 *		What the files of table_load share: the load's state, and the few statements on the target.
 */
#ifndef DTS_TABLE_LOAD_INTERNAL_H
#define DTS_TABLE_LOAD_INTERNAL_H

#include <jansson.h>

#include "copy_keeper.h"
#include "copy_progress.h"
#include "copy_table.h"
#include "table_load.h"
#include "table_prepare.h"
#include "worker_call.h"

typedef enum RequestStep
{
	REQUEST_NONE,
	REQUEST_RESOLVING, /* a child looks at the ends */
	REQUEST_MOVING,    /* its tables move at the next boundary */
	REQUEST_ANSWERING, /* the control database is told */
} RequestStep;

struct TableLoad
{
	Worker *w;
	PgSession *target; /* for short statements; NULL: to be opened */
	TableJoin *join;   /* of the stream's session; NULL between two */
	Arena *arena;      /* of the rows */
	CopyTables rows;   /* as last read */
	bool look;         /* they may have changed */
	bool ending_left;  /* tasks that follow the join */

	RequestStep request;
	int64_t change_id;
	TableAction action;
	json_t *asked;    /* its tables, as named */
	json_t *resolved; /* those with rows */
	size_t moved;
	bool refused;
	Error refusal;

	WorkerCall *call; /* resolving, or preparing */
	CopyCrew *crew;
	bool ending;   /* the crew does what follows the join */
	bool released; /* the snapshot is no longer needed */
	CopyProgress *progress;
	uint32_t failed_oid; /* of the table that a worker failed at */
	char snapshot[SNAPSHOT_NAME_MAX];
	char encoding[64];
	int64_t not_before_us;
	int64_t pause_us;
	int64_t failing_since_us; /* 0: not failing */
};

/* The session for short statements; after one has failed it is not to be trusted. */
bool load_need_target(TableLoad *load, Error *err) must_check;
bool load_target_failed(TableLoad *load); /* false */

/* One transaction of ours around a few statements. */
typedef bool (*LoadStatements)(TableLoad *load, Error *err);
bool load_in_transaction(TableLoad *load, LoadStatements statements, Error *err) must_check;

/* What may pass is tried again later; the phase ends with the rest. */
TableLoadStep load_failed(TableLoad *load, Error *err);
void load_succeeded(TableLoad *load);

/* Requests, in table_load_request.c. */
void load_drop_request(TableLoad *load);
void load_hear_of_tables(TableLoad *load);
TableLoadStep load_request_resolved(TableLoad *load, WorkerCallEnd end, json_t *result, Error *err);
TableLoadStep load_step_request(TableLoad *load, Error *err);

/* Copying, in table_load_copy.c. */
void load_end_crew(TableLoad *load, bool complete, bool touch_servers, const Error *err);
TableLoadStep load_prepared(TableLoad *load, WorkerCallEnd end, const json_t *result, Error *err);
TableLoadStep load_start_crew(TableLoad *load, bool ending, Error *err);
TableLoadStep load_step_crew(TableLoad *load, Error *err);

/* Reads dts.target_table, and tells the join. */
bool load_look(TableLoad *load, Error *err) must_check;

#endif /* DTS_TABLE_LOAD_INTERNAL_H */
