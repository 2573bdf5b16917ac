/*
 * backlog.h
 *		Decoding a backlog: several records of the log for one turn of the server's loop.
 */
#ifndef DTS_BACKLOG_H
#define DTS_BACKLOG_H

#include "decoder.h"

/* Called once, at the start of a session that may work ahead. */
extern void backlog_start(LogicalDecodingContext *ctx);
/* The session's memory goes. */
extern void backlog_end(void);
/* The server flushes, which it does once in each turn of its loop. */
extern void backlog_turn(void);
/* The server has told the receiver that nothing more will come. */
extern void backlog_over(void);
/* The server asks whether bytes wait, and none do: the place where records are decoded. */
extern void backlog_work(void);

#endif /* DTS_BACKLOG_H */
