/*
 * copy_groups.h
 *		Which entries of an archive can be created at the same time: the decision only, no I/O.
 */
#ifndef DTS_COPY_GROUPS_H
#define DTS_COPY_GROUPS_H

#include <stdbool.h>

#include "arena.h"
#include "copy_archive.h"

/*
 * Whether an entry of the section "pre-data" depends on nothing but what its dependencies say, so
 * that it can be created while others are.  Functions and the like, which may mean more by their
 * text, come one after the other.
 */
bool copy_groups_take(const ArchiveEntry *e);

/*
 * Orders entries that follow one another in an archive by groups: what depends on one another,
 * directly or by way of a third, stands together, in its old order.  Returns the number of groups;
 * sizes, with room for `count`, takes how many entries each of them has.
 */
int copy_groups_order(const Archive *archive, ArchiveEntry **entries, int count, int *sizes,
                      Arena *arena);

#endif /* DTS_COPY_GROUPS_H */
