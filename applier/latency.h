/*
 * latency.h
 *		How far a job is behind its source in time, from end to end.
 *
 * Two measures, and neither compares clocks of two machines.  The age of the newest transaction that
 * is durable on the target is told by the source's own clock, which is asked now and then and carried
 * on by ours that only counts.  And a beat (a row that the job itself commits on the source, see
 * source_heartbeat.h) says by our counting alone how long it took to become durable on the target,
 * or for how long it has not: that also sees what no transaction has arrived to tell of, such as a
 * walsender that is busy decoding.
 *
 * Knows no clock: times come in as arguments, those called now_us being monotonic.
 */
#ifndef DTS_LATENCY_H
#define DTS_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#define LATENCY_UNKNOWN (-1)

typedef struct Latency
{
	int64_t base;          /* beats of this session are base plus the time they were sent at */
	int64_t sent_us;       /* the newest beat, 0: none */
	int64_t before_us;     /* the one before it */
	int64_t durable_us;    /* when the newest durable beat was sent, 0: none */
	int64_t waiting_us;    /* when the oldest beat was sent that is not durable, 0: none */
	int64_t source_off_us; /* the source's clock is ours plus this */
	bool source_known;
} Latency;

/* base: a random number, so that beats of an earlier session are not taken for ours. */
void latency_init(Latency *latency, int64_t base);

/* A beat goes out now: its number. */
int64_t latency_send(Latency *latency, int64_t now_us);

/* The beat that was sent last could not be written. */
void latency_unsent(Latency *latency);

/* Whether a number that the stream brought is a beat of this session. */
bool latency_is_ours(const Latency *latency, int64_t beat);

/* A beat, and all that was committed before it, is durable on the target. */
void latency_durable(Latency *latency, int64_t beat);

/* The source's clock, in us of any epoch, was read between the two moments. */
void latency_source_clock(Latency *latency, int64_t source_us, int64_t asked_us, int64_t heard_us);

/*
 * The lag, never negative, or LATENCY_UNKNOWN.  caught_up: all that was received is durable.
 * commit_us: when the source committed the newest durable transaction, in its clock's epoch, 0: none.
 */
int64_t latency_lag(const Latency *latency, bool caught_up, int64_t commit_us, int64_t now_us);

#endif /* DTS_LATENCY_H */
