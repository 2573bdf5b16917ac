/*
 * output.h
 *		When what the session has written leaves its process.
 */
#ifndef DTS_OUTPUT_H
#define DTS_OUTPUT_H

#include "decoder.h"

/* Called once, at the session's start.  Without it every message leaves at once. */
extern void output_start(Decoder *decoder);

/* So many bytes were put behind what waits. */
extern void output_written(size_t bytes);

/* A transaction that ends here was put behind what waits, whole. */
extern void output_ended(XLogRecPtr end);

/* What waits leaves, as far as the socket takes it: something long may follow. */
extern void output_hurry(void);

/* Whether the server may do something else before it looks at its socket again. */
extern bool output_may_wait(void);

#endif /* DTS_OUTPUT_H */
