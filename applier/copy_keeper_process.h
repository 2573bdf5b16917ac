/*
 * copy_keeper_process.h
 *		The process that holds an exported snapshot, and what it tells whoever started it.
 */
#ifndef DTS_COPY_KEEPER_PROCESS_H
#define DTS_COPY_KEEPER_PROCESS_H

#include <stdbool.h>

#include "copy_keeper.h"
#include "error.h"
#include "job.h"
#include "lsn.h"

/* Ends the query that its session on the source shows. */
#define KEEPER_MARK     "/* dts snapshot keeper */"
#define KEEPER_XIDS_MAX 65536 /* text of a snapshot's running transactions */

/* What the keeper is to make. */
typedef enum KeeperKind
{
	KEEPER_SLOT,  /* slot and the snapshot that it exports */
	KEEPER_PLAIN, /* a snapshot, when there is no stream to go with it */
	KEEPER_LATER, /* a snapshot and what it sees, beside a slot that exists */
} KeeperKind;

/* What the keeper tells its parent once. */
typedef struct KeeperReport
{
	bool ok;
	char snapshot[SNAPSHOT_NAME_MAX];
	char consistent_point[LSN_TEXT_MAX]; /* KEEPER_SLOT */
	char insert_lsn[LSN_TEXT_MAX];       /* KEEPER_LATER: nothing from here on is seen */
	char xids[KEEPER_XIDS_MAX];          /* KEEPER_LATER: as pg_current_snapshot() writes it */
	Error error;
} KeeperReport;

/* Makes it, reports through the socket, and holds it until nobody needs it.  Does not return. */
void keeper_main(const Job *job, KeeperKind kind, int report_fd) __attribute__((noreturn));

#endif /* DTS_COPY_KEEPER_PROCESS_H */
