/*
 * decoder_options.h
 *		From a job's options to those of dts_decoder.
 */
#ifndef DTS_DECODER_OPTIONS_H
#define DTS_DECODER_OPTIONS_H

#include "arena.h"
#include "job.h"
#include "source_stream.h"

#define DECODER_OPTIONS_MAX 12

/*
 * Fills options, with texts allocated in arena, and returns how many there are; -1: an expression of
 * the job's is none.
 */
int
decoder_options(Arena *arena, const JobOptions *job, SourceOption *options, Error *err) must_check;

/* Whether the options say of a table more than its names: rows, columns or operations. */
bool decoder_options_shaped(const JobTable *details);

/*
 * The decoder's option shapes for some tables: all of the job's when schema is NULL, else one.  *shapes
 * is NULL when there is nothing to say.
 */
bool decoder_options_shapes(Arena *arena, const JobOptions *job, const char *schema,
                            const char *table, const char **shapes, Error *err) must_check;

#endif /* DTS_DECODER_OPTIONS_H */
