/*
 * copy_queue.h
 *		The durable queue of a load: every piece of work of the schema and full phases is a row of
 *		dts.target_part on the target, and is marked in the transaction that does it.
 *
 * A task that is being worked on is a locked row, not a state: when its worker dies, the server
 * rolls back and the task is simply free again.  The queue knows nothing of how a task is done;
 * which one comes next is copy_take's business.
 */
#ifndef DTS_COPY_QUEUE_H
#define DTS_COPY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "job.h"
#include "pg_session.h"

/* Run by the set-up of the target; IF NOT EXISTS throughout. */
#define COPY_QUEUE_DDL                                                                             \
	"CREATE TABLE IF NOT EXISTS dts.target_part ("                                                 \
	" slot_name text NOT NULL, part_id bigint NOT NULL, schema_name text, table_name text,"        \
	" state text NOT NULL, stage int NOT NULL, kind text NOT NULL,"                                \
	" table_oid bigint NOT NULL DEFAULT 0, source_sql text, target_sql text,"                      \
	" rows_estimated bigint NOT NULL DEFAULT 0, bytes_estimated bigint NOT NULL DEFAULT 0,"        \
	" rows_done bigint NOT NULL DEFAULT 0, bytes_done bigint NOT NULL DEFAULT 0,"                  \
	" PRIMARY KEY (slot_name, part_id));"                                                          \
	"ALTER TABLE dts.target_part ADD COLUMN IF NOT EXISTS"                                         \
	" bytes_expected bigint NOT NULL DEFAULT 0;"                                                   \
	"CREATE INDEX IF NOT EXISTS target_part_todo ON dts.target_part (slot_name, stage, part_id)"   \
	" WHERE state = 'todo';"                                                                       \
	"CREATE INDEX IF NOT EXISTS target_part_size ON dts.target_part (slot_name, stage,"            \
	" bytes_estimated DESC, part_id) WHERE state = 'todo';"                                        \
	"CREATE INDEX IF NOT EXISTS target_part_table ON dts.target_part (slot_name, table_oid)"       \
	" WHERE state = 'todo';"

/*
 * X(symbol, whether its tasks run one after the other, but for those of the kind "abreast")
 * A stage begins when the one before it is done, but the indexes of a table may be built as soon as
 * that table's data are whole.
 */
#define COPY_STAGES(X)                                                                             \
	X(PRE_DATA, true)   /* schemas, types, functions, tables */                                    \
	X(PRIVILEGES, true) /* of what PRE_DATA made */                                                \
	X(EMPTY, false)     /* removes rows of target tables */                                        \
	X(DATA, false)      /* one part of one table */                                                \
	X(INDEX, false)     /* indexes, primary keys, unique and exclusion constraints */              \
	X(ATTACH, true)     /* indexes of partitions to their parents' */                              \
	X(FOREIGN_KEY, false)                                                                          \
	X(POST_DATA, true) /* triggers, rules, policies, statistics, comments */                       \
	X(REFRESH, true)   /* materialized views, sequences */                                         \
	X(ANALYZE, false)

#define COPY_STAGE_ENUM(sym, serial) STAGE_##sym,
typedef enum CopyStage
{
	COPY_STAGES(COPY_STAGE_ENUM) STAGE_COUNT
} CopyStage;
#undef COPY_STAGE_ENUM

/* X(symbol, name): how a task is done */
#define COPY_KINDS(X)                                                                              \
	X(SQL, "sql")         /* run target_sql */                                                     \
	X(ABREAST, "abreast") /* the same; neighbours of this kind may run at once */                  \
	X(GRANTS, "grants")   /* run target_sql, leaving out what names an unknown role */             \
	X(EMPTY, "empty")     /* remove the rows of the table */                                       \
	X(PART, "part")       /* source_sql is COPY TO, target_sql COPY FROM */                        \
	X(FRESH, "fresh")     /* the same for a whole table, which is emptied first; frozen */         \
	X(MERGE, "merge")     /* the same by way of a staging table, existing keys stay */             \
	X(CHANGED, "changed") /* a part that no worker can do: it needs a new snapshot */              \
	X(KEY, "key")         /* target_sql; source_sql is the same for a large table, in two */       \
	X(LARGE, "large")     /* large objects: source_sql lists them, target_sql is like grants */    \
	X(SEQUENCES, "sequences") /* set to the source's values */

#define COPY_KIND_ENUM(sym, name) TASK_##sym,
typedef enum CopyKind
{
	COPY_KINDS(COPY_KIND_ENUM) TASK_COUNT
} CopyKind;
#undef COPY_KIND_ENUM

/* Tables below this are done many to a transaction; whatever belongs to them weighs nothing. */
#define COPY_SMALL_BYTES (1024 * 1024)

/* Where rows of a merge pass through, on the target. */
/* Stands in the source's statement when expressions of the options do. */
#define COPY_SHAPED        "/* as the options say */ "

#define COPY_STAGING_TABLE "pg_temp.\"dts_staging\""

typedef struct CopyTask
{
	int64_t id;
	CopyStage stage;
	CopyKind kind;
	const char *schema; /* of the table, or "" */
	const char *table;
	uint32_t table_oid; /* on the source; 0: none */
	const char *source_sql;
	const char *target_sql;
	int64_t rows_estimated;
	int64_t bytes_estimated; /* on the source's disk */
	int64_t bytes_expected;  /* as they will travel */
	bool settled;            /* recorded, with nothing to do at present */
} CopyTask;

/* How many copy workers the job wants. */
int copy_workers(const Job *job);

/* Opens a session on the target that speaks the source's encoding. */
PgSession *copy_target_open(const Job *job, const char *encoding, Error *err) must_check;

/* BEGIN and the epoch check of every transaction of ours (ERR_FENCED when it is not ours). */
bool copy_queue_begin(PgSession *target, const Job *job, Error *err) must_check;
bool copy_queue_commit(PgSession *target, Error *err) must_check;
void copy_queue_rollback(PgSession *target);

/* Appends tasks, in order, inside the caller's transaction.  Fills in their ids. */
bool copy_queue_add(PgSession *target, const Job *job, CopyTask *tasks, int count,
                    Error *err) must_check;

/*
 * After many were added, inside the caller's transaction: without statistics of the queue, every take
 * may sort all that is left of it.
 */
bool copy_queue_analyze(PgSession *target, Error *err) must_check;

/* Whether tasks of the stages first..last wait or are being worked on. */
bool copy_queue_left(PgSession *target, const Job *job, CopyStage first, CopyStage last, bool *left,
                     Error *err) must_check;

/* Whether tasks wait that may run at once in a stage whose tasks otherwise follow one another. */
bool copy_queue_abreast(PgSession *target, const Job *job, bool *some, Error *err) must_check;

/* A table of the load and its size on the source. */
typedef struct CopyWeight
{
	uint32_t table_oid;
	int64_t bytes;
} CopyWeight;

/*
 * Gives the tasks that follow a table's rows the size of the table, so that the largest come first.
 * Tables below COPY_SMALL_BYTES are passed over.  Caller's transaction.
 */
bool copy_queue_weigh(PgSession *target, const Job *job, const CopyWeight *weights, int count,
                      Error *err) must_check;

/* Forgets all data parts and asks for emptying the tables that we filled.  Caller's transaction. */
bool copy_queue_restart_data(PgSession *target, const Job *job, Error *err) must_check;

/*
 * The durable step of the phases, in dts.target_progress.  In this order:
 */
#define COPY_STEPS(X)                                                                              \
	X(NONE, "")                                                                                    \
	X(SCHEMA_PLANNED, "schema_planned") /* its tasks are in the queue */                           \
	X(SCHEMA_DONE, "schema_done")                                                                  \
	X(FULL_PLANNED, "full_planned") /* parts are in the queue */                                   \
	X(DATA_DONE, "data_done")       /* the snapshot is no longer needed */                         \
	X(FULL_DONE, "full_done")

#define COPY_STEP_ENUM(sym, name) STEP_##sym,
typedef enum CopyStep
{
	COPY_STEPS(COPY_STEP_ENUM) STEP_COUNT
} CopyStep;
#undef COPY_STEP_ENUM

bool copy_step_read(PgSession *target, const Job *job, CopyStep *step, Error *err) must_check;
bool copy_step_write(PgSession *target, const Job *job, CopyStep step, Error *err) must_check;

#endif /* DTS_COPY_QUEUE_H */
