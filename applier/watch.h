/*
 * watch.h
 *		What a daemon does beside its jobs: it looks after the slots on the sources and sends alerts.
 *
 * Each is a process of its own under the supervisor, with a blocking session on the control
 *database.  Of several daemons on one control database, one does it at a time.
 */
#ifndef DTS_WATCH_H
#define DTS_WATCH_H

#include "error.h"
#include "pg_session.h"

/* X(symbol, name of the process) */
#define WATCHES(X)                                                                                 \
	X(SLOTS, "dts_slots")                                                                          \
	X(ALERTS, "dts_alerts")

#define WATCH_ENUM(sym, name) WATCH_##sym,
typedef enum Watch
{
	WATCHES(WATCH_ENUM) WATCH_COUNT
} Watch;
#undef WATCH_ENUM

const char *watch_name(Watch watch);

/* Runs until it is killed.  ca_file: certificates to trust for alerts, NULL for the system's. */
void watch_main(Watch watch, const char *control, const char *ca_file) __attribute__((noreturn));

/* watch_slots.c, watch_alerts.c: one round.  False: the session on the control database is of no
 * more use, err says why.  The number of milliseconds until the next round is in *pause_ms. */
bool watch_slots(PgSession *control, int *pause_ms, Error *err) must_check;
bool watch_alerts(PgSession *control, const char *ca_file, int *pause_ms, Error *err) must_check;

#endif /* DTS_WATCH_H */
