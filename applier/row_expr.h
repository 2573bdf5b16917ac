/*
 * row_expr.h
 *		The expressions of a job's options, row filters and computed columns, as both phases get them.
 *
 * What the operator wrote is read by PostgreSQL's grammar, has to be exactly one expression over bare
 * names of columns, and is written anew from the tree where the writer can.  That one text goes into the query of the
 * table's copy and to the decoder, where search_path is pg_catalog alike; nothing of it can end the
 * place that it is put in.  What its names and functions are, the source judges.
 */
#ifndef DTS_ROW_EXPR_H
#define DTS_ROW_EXPR_H

#include "arena.h"
#include "error.h"

/* In the arena; NULL: err says what is wrong, and at which character of the text. */
const char *row_expr_canonical(Arena *arena, const char *text, Error *err) must_check;

/* Hands out the names of the functions that it calls; all are in pg_catalog.  Not the operators'. */
void row_expr_functions(Arena *arena, const char *text, void (*take)(void *arg, const char *name),
                        void *arg);

/* The text with a mark at a character, counted from 1, in a form for one line: "id >HERE> 1". */
const char *row_expr_mark(Arena *arena, const char *text, int position);

#endif /* DTS_ROW_EXPR_H */
