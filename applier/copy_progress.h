/*
 * copy_progress.h
 *		What the tables of a load have come to, for dts_job_tables.
 */
#ifndef DTS_COPY_PROGRESS_H
#define DTS_COPY_PROGRESS_H

#include "copy_worker.h"
#include "pg_session.h"
#include "worker.h"

typedef struct CopyProgress CopyProgress;

/* Reads from the queue what is done already, and reports it. */
CopyProgress *copy_progress_open(Worker *w, PgSession *target, Error *err) must_check;

/* A message of a copy worker; NULL about once a second. */
void copy_progress_heard(CopyProgress *p, const CopyMessage *message);

/* The load has ended; err: the table that was at work last shows it.  Frees p. */
void copy_progress_close(CopyProgress *p, bool complete, const Error *err);

#endif /* DTS_COPY_PROGRESS_H */
