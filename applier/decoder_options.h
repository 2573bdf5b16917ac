/*
 * decoder_options.h
 *		From a job's options to those of dts_decoder.
 */
#ifndef DTS_DECODER_OPTIONS_H
#define DTS_DECODER_OPTIONS_H

#include "arena.h"
#include "job.h"
#include "source_stream.h"

#define DECODER_OPTIONS_MAX 10

/* Fills options, with texts allocated in arena, and returns how many there are. */
int decoder_options(Arena *arena, const JobOptions *job, SourceOption *options);

#endif /* DTS_DECODER_OPTIONS_H */
