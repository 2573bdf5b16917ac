/*
 * job.h
 *		A job as the daemon sees it: what the control database says of it.
 */
#ifndef DTS_JOB_H
#define DTS_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "../control/job_state.h"
#include "arena.h"
#include "error.h"

/* What happens to a target table of the same name that already holds rows or merely exists. */
typedef enum SameNamePolicy
{
	SAME_NAME_FAIL,     /* the precheck fails */
	SAME_NAME_KEEP,     /* its rows stay; a copied row whose key exists is left out */
	SAME_NAME_TRUNCATE, /* its rows are removed */
} SameNamePolicy;

/* X(symbol, name in the options): what the stream may do to a table */
#define JOB_OPERATIONS(X)                                                                          \
	X(INSERT, "insert")                                                                            \
	X(UPDATE, "update")                                                                            \
	X(DELETE, "delete")                                                                            \
	X(TRUNCATE, "truncate")                                                                        \
	X(DDL, "ddl")

#define JOB_OPERATION_ENUM(sym, name) OPERATION_##sym,
typedef enum JobOperation
{
	JOB_OPERATIONS(JOB_OPERATION_ENUM) JOB_OPERATION_COUNT
} JobOperation;
#undef JOB_OPERATION_ENUM

#define OPERATION_BIT(operation) (1u << (operation))
#define OPERATIONS_ALL           (OPERATION_BIT(JOB_OPERATION_COUNT) - 1)

/* A column that a table of the options lists. */
typedef struct JobColumn
{
	char *name;
	char *rename; /* on the target; NULL: the same */
	char *expr;   /* computed at the source; NULL: the column itself */
	char *type;   /* of the expression, as SQL; NULL until the source was asked */
} JobColumn;

/* What the options say of one table beside its name. */
typedef struct JobTable
{
	char *rename; /* on the target; NULL: the same */
	char *where;  /* NULL: every row */
	JobColumn *columns;
	int column_count;    /* 0: every column */
	unsigned operations; /* OPERATION_BITs */
} JobTable;

/* One schema of the option "objects" or "exclude"; no tables: the whole schema. */
typedef struct JobObject
{
	char *schema;
	char *rename; /* on the target; NULL: the same */
	char **tables;
	JobTable *details; /* one for each of the tables; NULL: nothing is said of them */
	int table_count;
} JobObject;

/* Another name for a role of the source on the target. */
typedef struct JobRole
{
	char *source;
	char *target;
} JobRole;

/* Another job at work between the same databases, and what it selects. */
typedef struct JobRival
{
	char *name;
	bool reverse; /* from this one's target to its source */
	JobObject *objects;
	int object_count;
	JobObject *exclude;
	int exclude_count;
	struct ObjectMap *map;
} JobRival;

/*
 * X(symbol, name): classes of commands that change the source's schema.  "drop" is for every command
 * that begins with DROP, when the options name it; else such a command is of its object's class.
 */
#define JOB_DDL_CLASSES(X)                                                                         \
	X(TABLE, "table")                                                                              \
	X(INDEX, "index")                                                                              \
	X(VIEW, "view")                                                                                \
	X(SEQUENCE, "sequence")                                                                        \
	X(FUNCTION, "function")                                                                        \
	X(TYPE, "type")                                                                                \
	X(SCHEMA, "schema")                                                                            \
	X(TRIGGER, "trigger")                                                                          \
	X(POLICY, "policy")                                                                            \
	X(COMMENT, "comment")                                                                          \
	X(GRANT, "grant")                                                                              \
	X(DROP, "drop")                                                                                \
	X(OTHER, "other")

#define JOB_DDL_ENUM(sym, name) JOB_DDL_CLASS_##sym,
typedef enum JobDdlClass
{
	JOB_DDL_CLASSES(JOB_DDL_ENUM) JOB_DDL_CLASS_COUNT
} JobDdlClass;
#undef JOB_DDL_ENUM

/* What becomes of such commands while the stream runs. */
typedef enum JobDdlPolicy
{
	JOB_DDL_APPLY,
	JOB_DDL_SKIP,    /* left out on the target, and written down */
	JOB_DDL_APPROVE, /* the stream waits for an operator */
} JobDdlPolicy;

/* A command of the source that an operator has left out. */
typedef struct JobDdlSkip
{
	uint64_t commit;
	int64_t number;
} JobDdlSkip;

typedef struct JobDdl
{
	bool captured;
	JobDdlPolicy policies[JOB_DDL_CLASS_COUNT];
	bool drops;        /* the options name a policy for "drop" */
	JobDdlSkip *skips; /* told by the control database, no option */
	int skip_count;
} JobDdl;

typedef struct JobOptions
{
	bool phases[JOB_PHASE_COUNT];
	int workers;       /* copy and index processes, 1-64; 0: as many as the daemon thinks right */
	int apply_workers; /* sessions that apply the stream, 1-8 */
	SameNamePolicy same_name_tables;
	JobObject *objects; /* none: the whole database */
	int object_count;
	JobObject *exclude;
	int exclude_count;
	struct ObjectMap *map;  /* of the objects; see object_map.h */
	bool quarantine;        /* a table that fails is put aside; otherwise the job stops */
	bool streaming;         /* ask for transactions in progress */
	int decoding_memory_mb; /* at least this for the source's decoding; 0: what the server has */
	JobDdl ddl;
	bool force; /* no option: the stop that is wanted leaves behind what it cannot remove */
	bool missing_roles_fail;
	JobRole *roles;
	int role_count;
	JobRival *rivals; /* told by the control database, no option */
	int rival_count;
	char *ring; /* jobs that lead from the target back to the source by way of others; or NULL */
	int retry_connection_minutes;
	int retry_other_minutes;
	int heartbeat_seconds; /* between beats, 0: none */
} JobOptions;

typedef struct Job
{
	Arena *arena; /* owns everything below */
	int64_t id;
	char *name;
	char *kind; /* migration or sync */
	char *source_name;
	char *target_name;
	char *source_conninfo; /* secret */
	char *target_conninfo; /* secret */
	char *slot_name;       /* also the origin's and the sessions' application_name */
	int64_t epoch;
	JobState state;
	bool has_phase;
	JobPhase phase; /* when has_phase */
	char *step;     /* free text of the phase's own, "" when none */
	JobOptions options;
} Job;

/* Reads checked options; an error here means that control and daemon differ in version. */
bool job_options_parse(Job *job, const char *json, Error *err) must_check;

/*
 * Whether the options name this table among the objects (or name none), and whether they exclude it.
 * A partition is named or excluded when it, or any partitioned table above it, is.
 */
bool job_names(const Job *job, const char *schema, const char *table);
bool job_excludes(const Job *job, const char *schema, const char *table);

/* Whether the options select this table, its ancestors left aside: named and not excluded. */
bool job_selects(const Job *job, const char *schema, const char *table);

/* Objects as JSON again, in the options' shape with tables as an array of names; free() it. */
char *job_objects_json(const JobObject *objects, int count) must_check;

/* Whether another job does. */
bool job_rival_selects(const JobRival *rival, const char *schema, const char *table);

/* The class of a command by its tag, and what the options want of it. */
JobDdlClass job_ddl_class(const JobDdl *ddl, const char *tag);
const char *job_ddl_class_name(JobDdlClass class);

/* Whether an operator has left this command out. */
bool job_ddl_left_out(const JobDdl *ddl, uint64_t commit, int64_t number);

/* The name that stands for this role on the target: the map's, or its own. */
const char *job_role(const Job *job, const char *role);

#endif /* DTS_JOB_H */
