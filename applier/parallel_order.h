/*
 * parallel_order.h
 *		Which connection (lane) takes which target transaction, what may go before its turn, and what
 *		goes anew after a failure: the decisions only, no I/O.
 *
 * Target transactions are numbered as they are handed over.  parallel_order.c says why the rules are
 * what they are.
 */
#ifndef DTS_PARALLEL_ORDER_H
#define DTS_PARALLEL_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#define PARALLEL_LANES_MAX 8
#define PARALLEL_WINDOW    1024 /* transactions in flight; a power of two */

/* A transaction of fewer changes does not pay for another connection. */
#define PARALLEL_ROWS_MIN 500

typedef struct ParallelOrder
{
	int lanes;         /* that transactions are given to */
	int opened;        /* lanes that exist: more, while some are on their way out */
	int64_t newest;    /* handed over */
	int64_t committed; /* it and all before it are */
	int64_t serial;    /* transactions up to it go one after another */
	int64_t barrier;   /* nothing is handed over until it has committed */
	int64_t calm;      /* up to this number transactions stay on their lane */
	int64_t calm_next; /* and so many after the next misprediction */
	int64_t rows_min;  /* a transaction of fewer changes does not pay for another lane */
	int64_t rows;      /* changes of the newest one, so far */
	bool rotating;     /* it was given to another lane than the one before */
	int64_t restarts;  /* grows when a lane is to start anew, and when it has */
	uint8_t lane[PARALLEL_WINDOW];
	bool starts[PARALLEL_WINDOW];        /* the rotation */
	bool announced[PARALLEL_WINDOW];     /* another connection can wait for its end */
	int64_t restart[PARALLEL_LANES_MAX]; /* > 0: what is behind that number is to start anew */
} ParallelOrder;

void parallel_order_init(ParallelOrder *order, int lanes);

/* The lane for the next transaction; -1: none can be handed over now. */
int parallel_order_choose(const ParallelOrder *order);

/* Hands the next transaction to a lane and returns its number. */
int64_t parallel_order_next(ParallelOrder *order, int lane);

/* The lane that has a transaction, which is not yet committed or only just. */
int parallel_order_lane(const ParallelOrder *order, int64_t number);

/* Whether others may have to wait for it: it takes its lock at its beginning. */
bool parallel_order_announced(const ParallelOrder *order, int64_t number);

/* Whether the one before it is neither committed nor in front of it on its own lane. */
bool parallel_order_follows(const ParallelOrder *order, int64_t number);

/* Whether any behind it is on another lane. */
bool parallel_order_followed(const ParallelOrder *order, int64_t number);

/* Whether what this transaction wrote has to be waited for by one of that lane. */
bool parallel_order_waits(const ParallelOrder *order, int lane, int64_t writer);

/* Whether it may be begun. */
bool parallel_order_may_begin(const ParallelOrder *order, int64_t number);

void parallel_order_committed(ParallelOrder *order, int64_t number);

/*
 * It has failed and is rolled back: everything behind it starts anew, one after another.  mispredicted:
 * it might not have, had it waited.
 */
void parallel_order_failed(ParallelOrder *order, int64_t number, bool mispredicted);

/* Whether the lane, whose oldest transaction that is (0: none), has to roll it back now. */
bool parallel_order_restarts(const ParallelOrder *order, int lane, int64_t head);
void parallel_order_restarted(ParallelOrder *order, int lane);

#endif /* DTS_PARALLEL_ORDER_H */
