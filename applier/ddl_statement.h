/*
 * ddl_statement.h
 *		The statement way: the command's own text, made safe to run on the target.
 */
#ifndef DTS_DDL_STATEMENT_H
#define DTS_DDL_STATEMENT_H

#include "arena.h"
#include "ddl_record.h"

/*
 * Parses what the client sent.  True: it was one command of a kind that may travel, and *sql is its
 * text with the names of what it creates qualified, without CONCURRENTLY and tablespaces.  All other
 * names are to be resolved by the session's search path.  False: *why_not says the reason.
 */
bool ddl_statement(Arena *arena, const DdlRecord *record, const char **sql, const char **why_not);

#endif /* DTS_DDL_STATEMENT_H */
