/*
 * watch.c
 *		The loop of the processes beside the jobs; see watch.h.
 *
 * An advisory lock of the session decides which daemon's process is at work, so that the lock is
 *free again the moment the process or its connection dies.
 */
#include "watch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "log.h"
#include "version.h"

#define LOCK_CLASS            "1148474171" /* next to the class of those who wait for caught_up */
#define AWAY_SECONDS          5  /* until a control database that is away is tried again */
#define IDLE_SECONDS          10 /* until another daemon's lock is tried again */
#define MESSAGE_SAME_MAX      60 /* times an error is not repeated in the log */

#define WATCH_NAME(sym, name) name,
static const char *const names[] = {WATCHES(WATCH_NAME)};

const char *
watch_name(Watch watch)
{
	return names[watch];
}

static bool
take_lock(PgSession *control, Watch watch, bool *taken, Error *err)
{
	char key[16];
	const char *hello[] = {DTS_VERSION};
	const char *params[] = {key};
	PgRows *rows;

	snprintf(key, sizeof(key), "%d", (int) watch);
	if (!pg_session_exec(control, err, "SELECT dts.daemon_hello($1)", 1, hello))
		return false;
	rows = pg_session_query(control, err,
	                        "SELECT pg_catalog.pg_try_advisory_lock(" LOCK_CLASS ", $1::int4)", 1,
	                        params);
	if (rows == NULL)
		return false;
	*taken = pg_rows_bool(rows, 0, 0);
	pg_rows_free(rows);
	return true;
}

/* Rounds until the session is lost. */
static void
watch_session(Watch watch, PgSession *control, const char *ca_file, Error *err)
{
	bool taken = false;
	int pause_ms = 0;

	for (;;)
	{
		bool ok = true;

		if (!taken && !take_lock(control, watch, &taken, err))
			return;
		if (!taken)
		{
			sleep(IDLE_SECONDS);
			continue;
		}
		switch (watch)
		{
			case WATCH_SLOTS:
				ok = watch_slots(control, &pause_ms, err);
				break;
			case WATCH_ALERTS:
				ok = watch_alerts(control, ca_file, &pause_ms, err);
				break;
			case WATCH_COUNT:
				break;
		}
		if (!ok)
			return;
		usleep((useconds_t) pause_ms * 1000);
	}
}

void
watch_main(Watch watch, const char *control, const char *ca_file)
{
	sigset_t none;
	int quiet = 0;

	prctl(PR_SET_NAME, names[watch]);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (;;)
	{
		Error err;
		PgSession *session =
		    pg_session_open(control, PG_SESSION_CONTROL, names[watch], "UTF8", &err);

		if (session != NULL)
			watch_session(watch, session, ca_file, &err);
		pg_session_close(session);
		if (quiet++ % MESSAGE_SAME_MAX == 0)
			log_error(LOG_WARNING, names[watch], &err);
		sleep(AWAY_SECONDS);
	}
}
