/*
 * source_check_own.h
 *		The part of the precheck about what the job makes on the source besides its slot.
 */
#ifndef DTS_SOURCE_CHECK_OWN_H
#define DTS_SOURCE_CHECK_OWN_H

#include "precheck.h"

/* For a job with the phase "incremental". */
void source_check_own(Precheck *p);

#endif /* DTS_SOURCE_CHECK_OWN_H */
