/*
 * ddl_partition.h
 *		Tables that become partitions, or cease to be, of one whose columns have other names on the target.
 */
#ifndef DTS_DDL_PARTITION_H
#define DTS_DDL_PARTITION_H

#include "ddl_plan.h"
#include "object_map.h"

/*
 * A partition has the columns that the options give the table at its top, any other table has its
 * own.  So the plan, whose SQL has its names on the target already, gets the renaming of columns in
 * front of ATTACH and behind DETACH.  Where rows or columns are chosen the plan is refused.
 */
void ddl_partition_columns(Arena *arena, const ObjectMap *map, const DdlRecord *record,
                           const DdlScope *scope, DdlPlan *plan);

#endif /* DTS_DDL_PARTITION_H */
