/*
 * control_link.h
 *		One asynchronous session with the control database.
 *
 * A link never blocks its owner: it connects, sends small requests one after the other, and hears
 *notifications, all from control_link_service(), which the owner calls when the link's descriptor
 *is ready or its time has come.  A link that is lost, or that does not answer in time, connects
 *again by itself with growing pauses.  Requests outlive a lost session only when they ask for it.
 *
 * (Resolving a host name is the one thing libpq does in place; use an address where the resolver is
 *slow.)
 */
#ifndef DTS_CONTROL_LINK_H
#define DTS_CONTROL_LINK_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define CONTROL_ANSWER_MS  10000 /* a request without answer for so long: the session is dead */
#define CONTROL_PARAMS_MAX 8

typedef struct ControlLink ControlLink;
struct pg_result;

/* What came back.  err is NULL when the request succeeded; rows live during the call only. */
typedef struct ControlReply
{
	const Error *err;
	const struct pg_result *result;
} ControlReply;

typedef void (*ControlDone)(void *arg, const ControlReply *reply);

typedef struct ControlLinkOwner
{
	/* A session stands: control_link_greet() what must come before everything else. */
	void (*connected)(void *arg);
	void (*notified)(void *arg);
	/* The session was lost or could not be had; err says why.  Only for the log. */
	void (*lost)(void *arg, const Error *err);
	void *arg;
} ControlLinkOwner;

ControlLink *control_link_open(const char *conninfo, const char *application_name,
                               const ControlLinkOwner *owner);
void control_link_close(ControlLink *link); /* says goodbye; NULL is allowed */

/* Only closes the descriptor: for a child that inherited its parent's session. */
void control_link_abandon(ControlLink *link);

/* Sessions made from now on use this; the present one is given up. */
void control_link_redirect(ControlLink *link, const char *conninfo);

/*
 * What to poll for; fd is -1 while there is no socket.  timeout_ms: when to service in any case; ready: poll() has
 * told of fd.
 */
void control_link_prepare(ControlLink *link, int64_t now_us, struct pollfd *fd, int *timeout_ms);
void control_link_service(ControlLink *link, int64_t now_us, bool ready);

/* Greetings have been answered and requests flow. */
bool control_link_is_up(const ControlLink *link);
int control_link_backlog(const ControlLink *link); /* requests not yet answered */

/*
 * Queues one statement with text parameters, which are copied.  keep: stays queued, and is sent
 * again, when the session is lost before the answer; otherwise done() hears of the loss at once.
 * done may be NULL.
 */
void control_link_send(ControlLink *link, const char *sql, int nparams, const char *const *params,
                       bool keep, ControlDone done, void *arg);

/* The same ahead of everything queued; for ControlLinkOwner.connected. */
void control_link_greet(ControlLink *link, const char *sql, int nparams, const char *const *params,
                        ControlDone done, void *arg);

/* Nobody wants to hear of the answers to anything sent so far. */
void control_link_forget(ControlLink *link);

/* Gives up the session, for instance because a greeting failed. */
void control_link_drop(ControlLink *link, const Error *err);

int control_reply_rows(const ControlReply *reply);
const char *control_reply_get(const ControlReply *reply, int row, int column); /* NULL: SQL NULL */
bool control_reply_bool(const ControlReply *reply, int row, int column);
int64_t control_reply_int(const ControlReply *reply, int row, int column);

/* Whether a connection string can be read at all. */
bool control_conninfo_check(const char *conninfo, Error *err) must_check;

#endif /* DTS_CONTROL_LINK_H */
