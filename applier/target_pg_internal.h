/*
 * target_pg_internal.h
 *		What the files of the PostgreSQL target share.
 */
#ifndef DTS_TARGET_PG_INTERNAL_H
#define DTS_TARGET_PG_INTERNAL_H

#include <libpq-fe.h>

#include "arena.h"
#include "net_array.h"
#include "net_changes.h"
#include "plan.h"
#include "plan_group.h"
#include "target_pg.h"
#include "target_pg_pipeline.h"

/* Prepared once for each session. */
#define STATEMENT_BEGIN    "dts_begin"
#define STATEMENT_FENCE    "dts_fence"
#define STATEMENT_POSITION "dts_position"
#define STATEMENT_COMMIT   "dts_commit"
#define STATEMENT_FLUSHED  "dts_flushed"

typedef struct RelationEntry RelationEntry;
typedef struct LaneGroup LaneGroup;
typedef struct Unit Unit;

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
	ENTRY_MISSING, /* the target has no such table */
} EntryState;

struct RelationEntry
{
	const Relation *relation;
	EntryState state;
	TargetTable *table;
	PlanRelation *bound;
	Statement *statements;
	GroupPlan *groups; /* newest use first */
	int *key_columns;  /* named in errors, and told apart by the batch path */
	int key_count;

	NetSubject subject;
	NetTable *net_table; /* in the open unit, when that is net_unit */
	uint64_t net_unit;

	int order_units; /* so many more units are applied in order, because one has failed */
	int order_next;  /* and so many after the next failure */
};

/* Net rows of one table that one statement could take. */
typedef struct Group
{
	GroupKind kind;
	GroupPlan *plan;
	NetRow **rows;
	int64_t count;
	bool needs_count; /* single statements would not notice a row that is missing */
} Group;

typedef enum UnitStage
{
	UNIT_BEGIN,
	UNIT_NET,
	UNIT_TURN, /* the transaction before on another lane is waited for */
	UNIT_ORDER,
	UNIT_END,
	UNIT_SENT,
} UnitStage;

/* Which net rows are sent. */
typedef enum UnitPass
{
	PASS_ALL,
	PASS_EARLY, /* those that need not wait for the transaction's turn */
	PASS_LATE,  /* the others */
} UnitPass;

typedef enum UnitCommandKind
{
	COMMAND_OWN,    /* the job's bookkeeping, or around a command of the source's */
	COMMAND_SOURCE, /* a command of the source's */
} UnitCommandKind;

typedef struct UnitCommand
{
	UnitCommandKind kind;
	const char *sql;
	const char *target; /* COMMAND_SOURCE: what it comes to on the target, and what */
	const char *source; /* the source ran, or NULL; for an error's text */
	struct UnitCommand *next;
} UnitCommand;

/* A piece of a transaction, kept until it is answered; see target_pg_unit.c. */
struct Unit
{
	Unit *next;
	uint64_t number;
	Arena *arena;
	NetRun run;
	bool begins;      /* the transaction */
	bool ends;        /* the transaction, at this position */
	bool savepoint;   /* a failure rolls back to its own start only */
	bool ordered;     /* all of it */
	int64_t turn;     /* of its transaction among those of all lanes */
	bool follows;     /* another lane, whose transaction comes before; as of its beginning */
	SourceLsn before; /* the position in front of it */
	TargetPosition position;
	bool durable; /* its commit was sent as a synchronous one */
	int64_t handed_us;
	size_t held;           /* bytes, when it was closed */
	UnitCommand *commands; /* sent at its end, in the order of their adding */
	UnitCommand **commands_end;
	UnitCommand *last_command;
	SourceLsn commit; /* of the source transaction whose command it is */

	/* how far it is sent */
	UnitStage stage;
	UnitPass pass;
	bool opened; /* the savepoint exists */
	NetTable *table;
	Group *groups;
	int group_count;
	int group_at;
	int64_t row_at;
	NetBlock *block;
	int change_at;
};

#define FLUSH_MARKS 32

/* A position that is durable when the server's WAL is flushed up to there. */
typedef struct FlushMark
{
	uint64_t inserted; /* the target's LSN */
	TargetPosition position;
} FlushMark;

/* What is committed and not durable; see target_pg_flush.c. */
typedef struct TargetPgFlush
{
	bool off;         /* the session's commits do not wait by themselves */
	bool synchronous; /* every commit is to wait */
	bool asked;       /* the server, how far it is */
	int64_t look_not_before_us;
	FlushMark marks[FLUSH_MARKS]; /* oldest first */
	int mark_count;
	char urgent_sql[64];
} TargetPgFlush;

/* A transaction begun before there is anything for it; see target_pg_early.c. */
typedef struct TargetPgEarly
{
	bool begun;
	int64_t until_us; /* then it is rolled back */
	int64_t committed_us;
} TargetPgEarly;

typedef enum LoadStage
{
	LOAD_OFF,
	LOAD_ASKED, /* the server is to say that it takes rows */
	LOAD_OPEN,
	LOAD_ENDING, /* it is to say that it has taken them */
} LoadStage;

/* Inserts into one table that come one behind the other; see target_pg_load.c. */
typedef struct TargetPgLoad
{
	LoadStage stage;
	int64_t rows_min; /* 0: as usual */
	int64_t run;      /* so many, including those that went by units */
	RelationEntry *entry;
	const GroupPlan *plan;
	const char *sql; /* NULL: not asked for yet, or there is none */
	StrBuf rows;     /* that libpq has not got */
	int64_t bytes;   /* of the COPY, but for these */
	int64_t since_us;
} TargetPgLoad;

typedef struct TargetPg
{
	Target base;
	PgSession *session;
	PGconn *conn;
	Arena *arena;   /* relations and plans */
	Arena *scratch; /* for the statement at hand */
	Pipeline pipeline;
	TargetPgFlush flush;
	TargetPgEarly early;
	TargetPgLoad load;
	char slot[256];
	bool use_origin;
	bool keep_order;      /* all changes, as an option */
	const ObjectMap *map; /* borrowed */
	char encoding[64];
	char wanted_encoding[64];
	SourceLsn handed; /* end of the newest transaction handed over */
	LaneGroup *group; /* borrowed; NULL: the job's only session */
	int lane;
	int lanes;    /* the job's, as it begins */
	int64_t turn; /* of the transaction that takes changes */
	TargetStatus status;
	int64_t busy_since_us; /* 0: nothing is under way */

	Unit *open;    /* takes changes */
	Unit *units;   /* closed and not answered, oldest first */
	Unit *last;    /* the newest of them */
	Unit *sending; /* the first of them that is not sent whole, or NULL */
	Unit *spare;
	uint64_t unit_number;
	size_t held;           /* bytes of the closed ones */
	bool repeat;           /* what failed may be repeated in order */
	RelationEntry *blamed; /* for it, or NULL */
	bool anew;             /* ... not in order, but when its turn has come */
	bool out_of_turn;      /* ... because the transaction before had not committed */
	bool repeating;        /* waiting for the server to come back from the failure */
	uint64_t barrier;      /* what comes waits until this unit is answered; 0: none */
	bool relations_stale;  /* a command was answered: what is known of relations holds no more */
	bool stuck;            /* a change cannot be sent: reported when all before it is answered */
	Error stuck_error;
	int64_t reported_us; /* to the server's statistics */
	int64_t reported_statements;

	RelationEntry **entries; /* by the relation's number */
	uint32_t entry_size;

	Statement *newest; /* prepared statements by last use */
	Statement *oldest;
	int prepared_count;
	uint64_t statement_number;

	const char **values; /* parameters of the statement at hand */
	int *lengths;
	int *formats;
	Oid *types;
	int param_size;
	NetArray *arrays; /* the same, of a group */
	int array_size;
} TargetPg;

/* target_pg_apply.c: relations and the statements of single changes */
RelationEntry *target_pg_entry(TargetPg *t, const Relation *relation);
TargetResult target_pg_entry_ready(TargetPg *t, RelationEntry *entry, Error *err);
bool target_pg_described(TargetPg *t, const Request *request, const PGresult *result, Error *err);
bool target_pg_send_change(TargetPg *t, SourceLsn commit, const Change *change, Error *err);
void target_pg_reserve_params(TargetPg *t, int count);
void target_pg_statement_lost(TargetPg *t, Statement *statement);
bool target_pg_statement_drop(TargetPg *t, Statement *statement, Error *err);

/* target_pg_group.c: the next statement of the unit's table at hand; *done: there is none left */
bool target_pg_send_group(TargetPg *t, Unit *unit, bool *done, Error *err);

/* The plan for rows like these; the relation keeps it. */
GroupPlan *
target_pg_group_plan(TargetPg *t, RelationEntry *entry, GroupKind kind, const Value *values);

/* target_pg_report.c: gives the server an occasion to; whether it is time for one; whether the next transaction waits */
bool target_pg_report(TargetPg *t, Error *err);
bool target_pg_report_due(const TargetPg *t);
bool target_pg_report_waits(const TargetPg *t);

/* target_pg_unit.c */
void target_pg_unit_open(TargetPg *t, bool begins);
TargetResult
target_pg_apply(Target *target, const TxnHeader *header, const Change *change, Error *err);
bool target_pg_must_wait(const TargetPg *t);
void target_pg_unit_command(TargetPg *t, const char *sql);
void target_pg_unit_close(TargetPg *t, const TargetPosition *position);
void target_pg_unit_answered(TargetPg *t);
void target_pg_units_free(TargetPg *t);

/* Sends and reads as much as goes; meets failures that a repetition in order may mend. */
bool target_pg_work(TargetPg *t, Error *err);

/* Whether the request that failed belongs to a unit that can be repeated in order. */
bool target_pg_may_repeat(const TargetPg *t, const Request *request, const Error *err);

/* Gives up what is sent; the server rolls back. */
bool target_pg_give_up(TargetPg *t, Error *err);

/* A failure was just reported: true when it was met, and the caller has to wait. */
bool target_pg_repeat(TargetPg *t, Error *err);

/* target_pg_ddl.c */
TargetResult target_pg_command(Target *target, const TxnHeader *header,
                               const TargetCommand *command, Error *err);
bool target_pg_forget_relations(TargetPg *t, Error *err);
void target_pg_command_error(const UnitCommand *command, SourceLsn commit, Error *err);

/* target_pg.c */
bool target_pg_send_begin(TargetPg *t, Error *err);
bool target_pg_send_end(TargetPg *t, Unit *unit, Error *err);

/* target_pg_error.c: fills err for a request that failed, with table, key and LSN. */
void target_pg_key(const RelationEntry *entry, const Change *change, Request *request);
void target_pg_error(const TargetPg *t, const Request *request, const PGresult *result, Error *err);

/*
 * target_pg_flush.c
 */
int64_t target_pg_clock_us(void);

/* On the session as it was opened, which holds the stream's place and has read the position. */
bool target_pg_flush_start(TargetPg *t, bool synchronous, Error *err);

/* To be sent in front of a COMMIT; whether that is then durable target_pg_flush_committed() hears. */
bool target_pg_flush_urgent(TargetPg *t, bool urgent, Error *err);
void target_pg_flush_committed(TargetPg *t, const TargetPosition *position, bool durable);

/* Asks the server when it is time to; what it answered, or that it did not. */
bool target_pg_flush_look(TargetPg *t, Error *err);
void target_pg_flush_answered(TargetPg *t, const PGresult *result);
void target_pg_flush_lost(TargetPg *t);

/*
 * target_pg_early.c
 */

/* A COMMIT was sent: begins the next transaction when one is likely to come. */
bool target_pg_early_begin(TargetPg *t, Error *err);

/* Whether a transaction is begun already; it is the caller's. */
bool target_pg_early_take(TargetPg *t);

/* Rolls it back when nothing has come for it. */
bool target_pg_early_end(TargetPg *t, Error *err);

/*
 * target_pg_load.c
 */

/* A change of a transaction that goes ahead, by COPY or as target_pg_apply(). */
TargetResult
target_pg_load_change(TargetPg *t, const TxnHeader *header, const Change *change, Error *err);

/* Until everything taken is at the target, and answered. */
TargetResult target_pg_load_end(TargetPg *t, Error *err);

/* Sends and reads while a COPY is open; then nothing else may. */
bool target_pg_load_pump(TargetPg *t, Error *err);

/* The session is about to end. */
void target_pg_load_abandon(TargetPg *t);

/* target_pg_open.c */
bool
target_pg_start(TargetPg *t, const TargetPgOptions *options, TargetPgStored *stored, Error *err);

#endif /* DTS_TARGET_PG_INTERNAL_H */
