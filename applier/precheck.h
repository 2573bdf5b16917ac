/*
 * precheck.h
 *		What must be true before a job can start, and how to mend what is not.
 */
#ifndef DTS_PRECHECK_H
#define DTS_PRECHECK_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"
#include "job.h"
#include "pg_session.h"
#include "source_needs.h"

/*
 * X(symbol, name, what it looks at)
 * In the order they are answered.  docs/prechecks.md tells of each.
 */
#define PRECHECK_ITEMS(X)                                                                          \
	X(SOURCE_CONNECTION, "source_connection", "the source can be reached")                         \
	X(TARGET_CONNECTION, "target_connection", "the target can be reached")                         \
	X(DIFFERENT_DATABASES, "different_databases", "source and target are not the same database")   \
	X(SOURCE_VERSION, "source_version", "the source's version is supported")                       \
	X(TARGET_VERSION, "target_version", "the target's version is supported, and not older")        \
	X(ENCODING, "encoding", "the target can hold the source's text")                               \
	X(COLLATIONS, "collations", "the target sorts text as the source does")                        \
	X(CONNECTIONS, "connections", "both ends have room for the job's connections")                 \
	X(SOURCE_ROLE, "source_role", "the source is a primary")                                       \
	X(TARGET_ROLE, "target_role", "the target can be written to")                                  \
	X(WAL_LEVEL, "wal_level", "the source writes what logical decoding needs")                     \
	X(REPLICATION_SLOTS, "replication_slots", "the source has a slot to spare")                    \
	X(WAL_SENDERS, "wal_senders", "the source has a walsender to spare")                           \
	X(DECODER, "decoder", "the source has dts_decoder and lets it be used")                        \
	X(ORIGINS, "origins", "the target has a replication origin to spare")                          \
	X(WAL_SENDER_TIMEOUT, "wal_sender_timeout",                                                    \
	  "the source gives up dead connections, not live ones")                                       \
	X(WAL_RETENTION, "wal_retention",                                                              \
	  "the WAL that the load retains is within the source's limit")                                \
	X(SOURCE_PRIVILEGES, "source_privileges", "the role may read and replicate")                   \
	X(HEARTBEAT, "heartbeat", "the lag can be measured from end to end")                           \
	X(DDL_CAPTURE, "ddl_capture", "commands that change the schema can be followed")               \
	X(TARGET_PRIVILEGES, "target_privileges", "the role may create and write")                     \
	X(OBJECTS, "objects", "what the options name exists on the source")                            \
	X(MAPPING, "mapping", "names on the target and lists of columns fit the source")               \
	X(OTHER_JOBS, "other_jobs", "no other job writes the same tables")                             \
	X(DEPENDENCIES, "dependencies", "what the selected objects need is selected or comes along")   \
	X(FOREIGN_KEYS, "foreign_keys", "no foreign key leaves the selection")                         \
	X(TABLE_KINDS, "table_kinds", "which tables are not carried over")                             \
	X(TABLE_IDENTITY, "table_identity", "changes of every table can be told apart by row")         \
	X(FILTERS, "filters", "row filters, columns and expressions compile at the source")            \
	X(SAME_NAME_TABLES, "same_name_tables", "nothing is in the way on the target")                 \
	X(TARGET_TABLES, "target_tables", "the tables exist when the schema is not copied")            \
	X(COLUMNS, "columns", "existing target tables take the source's columns")                      \
	X(TRIGGERS, "triggers", "nothing fires on the target when the job writes")                     \
	X(SUPERUSER_OBJECTS, "superuser_objects", "the target's role may make what the source has")    \
	X(ROLES, "roles", "the target has the roles that the objects name")                            \
	X(EXTENSIONS, "extensions", "the target has the source's extensions")                          \
	X(LARGE_OBJECTS, "large_objects", "changes to large objects are not followed")                 \
	X(SUBSCRIPTIONS, "subscriptions", "there are no subscriptions, which are not carried over")    \
	X(LONG_TRANSACTIONS, "long_transactions", "nothing holds up the slot's creation")              \
	X(LOCK_TABLE, "lock_table", "pg_dump can lock the source's tables all at once")                \
	X(PG_DUMP, "pg_dump", "pg_dump is there and not older than the source")

#define PRECHECK_ENUM(sym, name, meaning) CHECK_##sym,
typedef enum PrecheckItem
{
	PRECHECK_ITEMS(PRECHECK_ENUM) PRECHECK_COUNT
} PrecheckItem;
#undef PRECHECK_ENUM

typedef enum PrecheckResult
{
	PRECHECK_PASS,
	PRECHECK_WARN,
	PRECHECK_FAIL,
} PrecheckResult;

/* What the checks work with and write to; lives in the child that runs them. */
typedef struct Precheck
{
	const Job *job;
	PgSession *source;
	PgSession *target;
	json_t *checks;
	json_t *figures; /* what a forecast is made from, or NULL */
	bool failed;
	/* the selected tables of the source: schema, table, kind, ...; NULL when they cannot be had */
	PgRows *tables;
	/* what the selection needs besides, when the schema is copied and both could be read */
	SourceNeeds needs;
	Arena *arena;
} Precheck;

/* Columns of Precheck.tables. */
enum
{
	TABLE_COL_SCHEMA,
	TABLE_COL_NAME,
	TABLE_COL_OID,
	TABLE_COL_KIND,        /* relkind */
	TABLE_COL_PERSISTENCE, /* relpersistence */
	TABLE_COL_IDENTITY,    /* 'ok', or what is wrong with the row identity */
	TABLE_COL_READABLE,
	TABLE_COL_ROW_SECURITY, /* it would hide rows from this role */
	TABLE_COL_PARTITION,    /* is one */
	TABLE_COL_ROOT_SCHEMA,  /* of the topmost table above a partition */
	TABLE_COL_ROOT
};

const char *precheck_item_name(PrecheckItem item);
const char *precheck_item_meaning(PrecheckItem item);

/* One answer.  remedy is exact SQL or a setting; both texts may be "". */
void precheck_add(Precheck *p, PrecheckItem item, PrecheckResult result, const char *remedy,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

/* A check could not be made: a failure with the error's text. */
void precheck_add_error(Precheck *p, PrecheckItem item, const Error *err);

/* Names of tables for a detail: the first twenty, and how many there are. */
typedef struct NameList
{
	char text[2048];
	int count;
} NameList;
void name_list_add(NameList *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *name_list_end(NameList *list); /* the text, with "and n more" */

/* Whether the table at this row of p->tables is selected and carried over. */
bool precheck_carried(const Precheck *p, int row);

/* The OIDs of all tables of p->tables as an array literal, or of those carried over; in p->arena. */
const char *precheck_oids(const Precheck *p, bool carried);

/*
 * Runs all; for worker_call().  result: {"passed": bool, "checks": [{item, result, detail,
 * remedy}], "figures": {...}}, as dts.daemon_checks() takes it.
 */
bool precheck_run(const Job *job, void *arg, json_t *result, Error *err) must_check;

/*
 * Whether the source can follow what the options say of objects: those that are named exist, rows can
 * be told apart, names and columns fit.  The first failure becomes the error.
 */
bool precheck_selection(const Job *job, PgSession *source, Error *err) must_check;

/* Stands in for a result when the precheck itself could not run. */
void precheck_failed_itself(const Error *err, json_t **result);
bool precheck_passed(const json_t *result);

#endif /* DTS_PRECHECK_H */
