/*
 * copy_schema.h
 *		The phase "schema".
 */
#ifndef DTS_COPY_SCHEMA_H
#define DTS_COPY_SCHEMA_H

#include "worker.h"

/*
 * Creates the selected objects on the target: everything that the data need, and, when the phase
 * "full" is not among the job's, all the rest.
 */
PhaseResult copy_schema_run(Worker *w, Error *err);

#endif /* DTS_COPY_SCHEMA_H */
