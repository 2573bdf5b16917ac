/*
 * row_expr.h
 *		The expressions of a job's options, row filters and computed columns, as both phases get them.
 *
 * What the operator wrote is read by PostgreSQL's grammar, has to be exactly one expression over bare
 * names of columns, and is written anew from the tree.  That one text goes into the query of the
 * table's copy and to the decoder, where search_path is pg_catalog alike; nothing of it can end the
 * place that it is put in.  What its names and functions are, the source judges.
 */
#ifndef DTS_ROW_EXPR_H
#define DTS_ROW_EXPR_H

#include "arena.h"
#include "error.h"

/* In the arena; NULL: err says what is wrong, and at which character of the text. */
const char *row_expr_canonical(Arena *arena, const char *text, Error *err) must_check;

/* The text with a mark at a character, counted from 1, in a form for one line: "id >HERE> 1". */
const char *row_expr_mark(Arena *arena, const char *text, int position);

#endif /* DTS_ROW_EXPR_H */
