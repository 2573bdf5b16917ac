/*
 * copy_table.h
 *		The tables of a job on the target, in dts.target_table: what state each is in and from where
 *		on the stream is for it.
 *
 * Next to dts.target_part, whose rows say what is left to do.  The states are those of
 * table_gate.h; a part's worker never touches them.
 */
#ifndef DTS_COPY_TABLE_H
#define DTS_COPY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "error.h"
#include "job.h"
#include "pg_session.h"
#include "strbuf.h"
#include "table_gate.h"

/* Run by the set-up of the target; IF NOT EXISTS throughout. */
#define COPY_TABLE_DDL                                                                             \
	"CREATE TABLE IF NOT EXISTS dts.target_table ("                                                \
	" slot_name text NOT NULL, table_oid bigint NOT NULL, schema_name text NOT NULL,"              \
	" table_name text NOT NULL, state text NOT NULL, start_lsn pg_lsn, start_snapshot text,"       \
	" hold_lsn pg_lsn, applied_lsn pg_lsn, reason text, copies int NOT NULL DEFAULT 0,"            \
	" since timestamptz NOT NULL DEFAULT clock_timestamp(), copied_at timestamptz,"                \
	" joined_at timestamptz, to_empty boolean NOT NULL DEFAULT false, PRIMARY KEY (slot_name, "    \
	"table_oid));"                                                                                 \
	"ALTER TABLE dts.target_table ADD COLUMN IF NOT EXISTS target_schema text,"                    \
	" ADD COLUMN IF NOT EXISTS target_table text;"                                                 \
	"COMMENT ON TABLE dts.target_table IS "                                                        \
	"'tables of a job: state, and from where on the stream is for them';"

typedef struct CopyTables
{
	GateTable *tables; /* in the order of their OIDs */
	const char **reasons;
	bool *to_empty; /* reloaded: whatever rows the target has go */
	int count;
} CopyTables;

bool copy_tables_read(CopyTables *tables, PgSession *target, const Job *job, Arena *arena,
                      Error *err) must_check;
GateTable *copy_tables_find(const CopyTables *tables, uint32_t oid); /* NULL: not there */

/* Appends " IN (...)" with the OIDs of those that wait; it is never empty, as 0 is among them. */
void copy_tables_put_waiting(const CopyTables *tables, StrBuf *sql);

/*
 * All of the following inside the caller's transaction.  `tables` is a list of numbers for
 * IN (...), never empty.
 */

/* The copy of these begins, under the snapshot that dts.target_progress names. */
bool
copy_tables_begin(PgSession *target, const Job *job, const char *tables, Error *err) must_check;

/* Those whose data and indexes are whole now: copying becomes copied. */
bool copy_tables_finish(PgSession *target, const Job *job, Error *err) must_check;

/* The first load is done: all that were copied are part of the stream from its beginning. */
bool copy_tables_join(PgSession *target, const Job *job, Error *err) must_check;

/*
 * The snapshot was lost: tables whose rows are all there stay as they are, the others wait again,
 * without parts and to be emptied.
 */
bool copy_tables_restart(PgSession *target, const Job *job, Error *err) must_check;

/* Whether tables were copied under different snapshots: only the stream brings them together. */
bool copy_tables_diverge(PgSession *target, const Job *job, bool *diverge, Error *err) must_check;

/* All start again. */
bool copy_tables_forget(PgSession *target, const Job *job, Error *err) must_check;

#endif /* DTS_COPY_TABLE_H */
