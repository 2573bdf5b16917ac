/*
 * copy_pace.h
 *		A copy process keeps to the limits of its job: counts what it copies, and sleeps when that is
 *		more than is due.
 */
#ifndef DTS_COPY_PACE_H
#define DTS_COPY_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "throttle.h"

typedef struct CopyPace
{
	Throttle *throttle; /* shared with the other processes of the job */
	int64_t rows;       /* copied and not yet counted */
	int64_t bytes;
	int64_t rows_most; /* so many are counted at once */
	int64_t bytes_most;
	int64_t told_us; /* when it last said how far it is */
} CopyPace;

void copy_pace_init(CopyPace *pace, Throttle *throttle);

/*
 * Counts, and sleeps until it is due.  True, now and then: it sleeps so long that its progress should
 * be told.
 */
bool copy_pace_copied(CopyPace *pace, int64_t rows, int64_t bytes);

/* One query is about to be sent. */
void copy_pace_query(CopyPace *pace);

#endif /* DTS_COPY_PACE_H */
