/*
 * compat.h
 *		Differences between the server versions the decoder builds against, 13 to 18.
 */
#ifndef DTS_COMPAT_H
#define DTS_COMPAT_H

#include "postgres.h"

#include "access/xlog.h"
#include "replication/logical.h"
#include "replication/output_plugin.h"
#include "replication/reorderbuffer.h"
#include "utils/guc.h"
#include "utils/varlena.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* Its header, utils/pg_locale.h, wants those of ICU, which a package of the server's headers need not
 * bring along. */
extern PGDLLIMPORT char *locale_monetary;

#define COMPAT_HAS_STREAMING (PG_VERSION_NUM >= 140000)
#define COMPAT_HAS_TWO_PHASE (PG_VERSION_NUM >= 140000)

/* A change holds a buffer around the tuple until 16, the tuple itself since. */
#if PG_VERSION_NUM >= 170000
#define compat_change_old(change) ((change)->data.tp.oldtuple)
#define compat_change_new(change) ((change)->data.tp.newtuple)
#else
#define compat_change_old(change)                                                                  \
	((change)->data.tp.oldtuple ? &(change)->data.tp.oldtuple->tuple : NULL)
#define compat_change_new(change)                                                                  \
	((change)->data.tp.newtuple ? &(change)->data.tp.newtuple->tuple : NULL)
#endif

#if PG_VERSION_NUM >= 190000
#error "not known to work with this version of PostgreSQL"
#elif PG_VERSION_NUM >= 150000
#define compat_txn_time(txn)                 ((txn)->xact_time.commit_time)
#define compat_update_progress(ctx, skipped) OutputPluginUpdateProgress(ctx, skipped)
#define compat_flushed_log()                 GetFlushRecPtr(NULL)
#else
#define compat_txn_time(txn)                 ((txn)->commit_time)
#define compat_update_progress(ctx, skipped) OutputPluginUpdateProgress(ctx)
#define compat_flushed_log()                 GetFlushRecPtr()
#endif

#endif /* DTS_COMPAT_H */
