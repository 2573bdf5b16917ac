/*
 * net_sort.h
 *		Net rows in about the order of an index.
 */
#ifndef DTS_NET_SORT_H
#define DTS_NET_SORT_H

#include "net_changes.h"

/*
 * Sorts by the beginning of the values of these columns, which every row has.  Where the bytes tell
 * the order of the type (integers, dates, uuid, text in C) it is the index's, otherwise some order.
 */
void net_sort_rows(Arena *scratch, const Relation *relation, const int *columns, int column_count,
                   NetRow **rows, int64_t count);

#endif /* DTS_NET_SORT_H */
