/*
 * ddl_book.h
 *		What a command of the source changes in the job's own bookkeeping on the target.
 */
#ifndef DTS_DDL_BOOK_H
#define DTS_DDL_BOOK_H

#include "ddl_record.h"
#include "ddl_state.h"

/*
 * SQL for dts.target_table, where tables are kept by OID with their names: tables that came, went
 * or have another name now.  *count commands, in the arena.
 */
const char *const *ddl_book(Arena *arena, const DdlRecord *record, const DdlScope *scope,
                            const char *slot_name, int *count);

#endif /* DTS_DDL_BOOK_H */
