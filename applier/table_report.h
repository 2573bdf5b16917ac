/*
 * table_report.h
 *		What an operator sees of tables that are loaded beside the stream.
 */
#ifndef DTS_TABLE_REPORT_H
#define DTS_TABLE_REPORT_H

#include "pg_session.h"
#include "table_gate.h"
#include "worker.h"

/* For dts_job_tables: the table's state, with the numbers of its copy. */
void table_report_state(Worker *w, PgSession *target, const GateTable *table);

/* Makes the quarantine durable, with its reason, and tells of it. */
bool table_report_quarantine(Worker *w, PgSession *target, uint32_t oid, const char *schema,
                             const char *name, const Error *reason, Error *err) must_check;

#endif /* DTS_TABLE_REPORT_H */
