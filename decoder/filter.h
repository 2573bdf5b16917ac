/*
 * filter.h
 *		Whether a relation is selected.
 */
#ifndef DTS_FILTER_H
#define DTS_FILTER_H

#include "decoder.h"
#include "utils/rel.h"

/*
 * Asked once per version of a relation; relation.c keeps the answer.  ancestors: OIDs of its
 * partition ancestors, nearest first.  subject: the relation itself, or the one that it rewrites.
 */
extern bool
filter_selects(const DecoderOptions *options, Relation relation, Oid subject, List *ancestors);

#endif /* DTS_FILTER_H */
