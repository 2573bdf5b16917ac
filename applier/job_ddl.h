/*
 * job_ddl.h
 *		Reading the option "ddl" of a job; what it says is asked through job.h.
 */
#ifndef DTS_JOB_DDL_H
#define DTS_JOB_DDL_H

#include <jansson.h>

#include "job.h"

/* job.c: false, with err saying what is wrong with the option at that path. */
bool job_bad_option(Error *err, const char *path, const char *why);

bool job_ddl_parse(Arena *arena, JobDdl *ddl, const json_t *root, Error *err) must_check;

/* The option's policies as they are now, as JSON; NULL: it is left out. */
void job_ddl_take(JobDdl *ddl, const char *option);

#endif /* DTS_JOB_DDL_H */
