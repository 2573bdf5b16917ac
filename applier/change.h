/*
 * change.h
 *		A change of the source as the applier's core sees it, whatever source it came from.
 *
 * Views: everything a Change points to belongs to the ChangeSource and lives until its next call,
 *except Relations, which live as long as the source's session.
 */
#ifndef DTS_CHANGE_H
#define DTS_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lsn.h"

typedef enum ColumnFormat
{
	FORMAT_TEXT = 0,
	FORMAT_BINARY = 1,
} ColumnFormat;

typedef struct Column
{
	const char *name;
	const char *target_name; /* on the target; NULL: the same */
	uint32_t type_oid;       /* meaningful on any server only when type_schema is NULL */
	const char *type_schema; /* NULL: built in (pg_catalog) */
	const char *type_name;   /* NULL: built in */
	int32_t typmod;
	ColumnFormat format;
	uint32_t fixed_len; /* > 0: every value has this many bytes */
	bool is_key;        /* part of the replica identity's key */
	bool not_null;
	bool identity_always; /* GENERATED ALWAYS AS IDENTITY */
} Column;

/* One version of one relation's description.  Immutable. */
typedef struct Relation
{
	uint32_t number; /* unique within the session, from 1 */
	uint32_t oid;    /* on the source */
	const char *schema;
	const char *name;
	const char *root_schema; /* topmost partitioned ancestor, or NULL */
	const char *root_name;
	/* of the same on the target; NULL: the same */
	const char *target_schema;
	const char *target_name;
	const char *target_root_schema;
	const char *target_root_name;
	char relkind;
	char identity; /* d, n, f, i as in pg_class.relreplident */
	bool no_identity;
	bool rewrite; /* its rows are those of a table that a command writes anew */
	int column_count;
	int key_count;
	Column *columns;
} Relation;

/* Names on the target. */
static inline const char *
relation_target_schema(const Relation *relation)
{
	return relation->target_schema ? relation->target_schema : relation->schema;
}

static inline const char *
relation_target_name(const Relation *relation)
{
	return relation->target_name ? relation->target_name : relation->name;
}

static inline const char *
column_target_name(const Column *column)
{
	return column->target_name ? column->target_name : column->name;
}

typedef enum ValueState
{
	VALUE_NULL,
	VALUE_PRESENT,
	VALUE_UNCHANGED, /* TOASTed and not touched by the update: keep what the target has */
	VALUE_ABSENT,    /* not part of this tuple: column outside an old key */
} ValueState;

typedef struct Value
{
	const char *data; /* in the column's format; not NUL-terminated */
	uint32_t len;
	ValueState state;
} Value;

typedef enum ChangeKind
{
	CHANGE_INSERT,
	CHANGE_UPDATE,
	CHANGE_DELETE,
	CHANGE_TRUNCATE,
	CHANGE_MESSAGE,
	CHANGE_NO_IDENTITY, /* cannot be applied: stop (invariant 10) */
	CHANGE_REFUSED,     /* its row filter or an expression failed at the source: stop */
} ChangeKind;

typedef enum OldRow
{
	OLD_NONE, /* update whose identity did not change: take the key from new_values */
	OLD_KEY,  /* old_values holds the key columns, the others are VALUE_ABSENT */
	OLD_FULL, /* old_values holds the whole row */
} OldRow;

/* Why the source could not make what was asked for of a change; lives as long as its session. */
typedef struct Refused
{
	const char *sqlstate;
	const char *column;     /* that is computed; "": the row filter */
	const char *expression; /* or "" */
	uint32_t position;      /* in it, characters from 1; 0: none */
	const char *message;
	const char *detail;
	const char *hint;
	const char *key; /* of the row, for people; or "" */
} Refused;

typedef struct Change
{
	ChangeKind kind;
	const Relation *relation; /* NULL for truncate and message */
	OldRow old_row;
	const Value *old_values; /* column_count of them, or NULL */
	const Value *new_values; /* column_count of them, or NULL */
	char operation;          /* CHANGE_NO_IDENTITY: 'U' or 'D'; CHANGE_REFUSED: also 'I' */
	const Refused *refused;  /* CHANGE_REFUSED */

	/* CHANGE_TRUNCATE */
	const Relation *const *truncated;
	int truncated_count;
	bool cascade;
	bool restart_identity;
	bool by_delete; /* not all of its tables are here: TRUNCATE would refuse those referred to */

	/* CHANGE_MESSAGE */
	const char *prefix; /* NUL-terminated */
	const char *content;
	size_t content_len;
} Change;

typedef struct TxnHeader
{
	uint32_t xid;
	SourceLsn commit; /* start of the commit record: decides what belongs to a start point */
	SourceLsn end;    /* end of the commit record: the position after it */
	int64_t commit_time;
	const char *origin; /* "" when written locally; lives as long as the session */
} TxnHeader;

#endif /* DTS_CHANGE_H */
