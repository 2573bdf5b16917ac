/*
 * precheck_ends.h
 *		Checks that ask both ends the same.
 */
#ifndef DTS_PRECHECK_ENDS_H
#define DTS_PRECHECK_ENDS_H

#include "precheck.h"

/* After the tables of the source have been read; an end that is away is left out. */
void precheck_ends(Precheck *p);

#endif /* DTS_PRECHECK_ENDS_H */
