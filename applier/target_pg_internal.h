/*
 * target_pg_internal.h
 *		What the files of the PostgreSQL target share.
 */
#ifndef DTS_TARGET_PG_INTERNAL_H
#define DTS_TARGET_PG_INTERNAL_H

#include <libpq-fe.h>

#include "arena.h"
#include "plan.h"
#include "target_pg.h"
#include "target_pg_pipeline.h"

/* Prepared once for each session. */
#define STATEMENT_BEGIN    "dts_begin"
#define STATEMENT_FENCE    "dts_fence"
#define STATEMENT_POSITION "dts_position"
#define STATEMENT_COMMIT   "dts_commit"

typedef struct RelationEntry RelationEntry;

/* A plan and its prepared statement.  Lives as long as the session. */
typedef struct Statement
{
	Plan *plan;
	char name[24];
	bool prepared;
	struct Statement *next;  /* of the same relation, newest use first */
	struct Statement *newer; /* of all that are prepared, by last use */
	struct Statement *older;
} Statement;

typedef enum EntryState
{
	ENTRY_NEW,
	ENTRY_ASKED, /* the target's description is on its way */
	ENTRY_BOUND,
} EntryState;

struct RelationEntry
{
	const Relation *relation;
	EntryState state;
	TargetTable *table;
	PlanRelation *bound;
	Statement *statements;
	int *key_columns; /* named in errors */
	int key_count;
};

typedef struct TargetPg
{
	Target base;
	PgSession *session;
	PGconn *conn;
	Arena *arena;   /* relations and plans */
	Arena *scratch; /* for the change at hand */
	Pipeline pipeline;
	char slot[256];
	bool use_origin;
	bool in_transaction;
	char encoding[64];
	SourceLsn position; /* of the newest commit handed over */
	TargetStatus status;

	TargetPosition commits[TARGET_BATCHES_MAX]; /* in flight, ring */
	int commit_head;

	RelationEntry **entries; /* by the relation's number */
	uint32_t entry_size;

	Statement *newest; /* prepared statements by last use */
	Statement *oldest;
	int prepared_count;
	uint64_t statement_number;

	const char **values; /* parameters of the statement at hand */
	int *lengths;
	int *formats;
	int param_size;
} TargetPg;

/* target_pg_apply.c */
TargetResult
target_pg_apply(Target *target, const TxnHeader *header, const Change *change, Error *err);
bool target_pg_described(TargetPg *t, const Request *request, const PGresult *result, Error *err);

/* target_pg_error.c: fills err for a request that failed, with table, key and LSN. */
void target_pg_key(const RelationEntry *entry, const Change *change, Request *request);
void target_pg_error(const TargetPg *t, const Request *request, const PGresult *result, Error *err);

/* target_pg_open.c */
bool
target_pg_start(TargetPg *t, const TargetPgOptions *options, TargetPgStored *stored, Error *err);

#endif /* DTS_TARGET_PG_INTERNAL_H */
