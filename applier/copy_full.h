/*
 * copy_full.h
 *		The phase "full".
 */
#ifndef DTS_COPY_FULL_H
#define DTS_COPY_FULL_H

#include "worker.h"

/*
 * Copies the rows of the selected tables as the load's snapshot shows them, then builds what the
 * phase "schema" left for after the data, sets sequences, fills materialized views and analyzes.
 */
PhaseResult copy_full_run(Worker *w, Error *err);

#endif /* DTS_COPY_FULL_H */
