/*
 * ddl_record.h
 *		A command of the source as the capture wrote it down: one row of dts_ddl_command with its
 *		session's row of dts_args_session.
 *
 * The documents in commands and objects are those that control/capture/event.sql and state.sql
 * make; both may be NULL.  A record points into the JSON it was read from.
 */
#ifndef DTS_DDL_RECORD_H
#define DTS_DDL_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

typedef enum DdlEvent
{
	DDL_EVENT_COMMAND, /* commands that ended, and the objects they touched */
	DDL_EVENT_DROP,    /* objects that a command drops; of an ALTER, its own record follows */
	DDL_EVENT_REWRITE, /* a table whose rows are about to be written anew */
	DDL_EVENT_GAP,     /* the capture failed: what was done is not known */
} DdlEvent;

typedef enum DdlNested
{
	DDL_NESTED_UNKNOWN,
	DDL_TOP_LEVEL,
	DDL_NESTED, /* run by a function or DO block */
} DdlNested;

typedef struct DdlRecord
{
	int64_t id;
	DdlEvent event;
	DdlNested nested;
	const char *tag;
	const char *query; /* NULL: not known */
	const json_t *commands;
	const json_t *objects;
	const char *error;       /* DDL_EVENT_GAP */
	const char *role;        /* NULL: not known */
	const char *search_path; /* NULL: not known */
	const json_t *settings;  /* object of strings, or NULL */
} DdlRecord;

/* Reads an object with the columns of both rows as keys.  Fails on what the capture never writes. */
bool ddl_record_read(const json_t *doc, DdlRecord *record, Error *err) must_check;

/* Members of the documents; NULL, 0 or false when there is none or it is of another type. */
const char *ddl_text(const json_t *doc, const char *key);
int64_t ddl_number(const json_t *doc, const char *key);
bool ddl_flag(const json_t *doc, const char *key);

/* The element of an array of objects whose number under key is that one. */
const json_t *ddl_find(const json_t *array, const char *key, int64_t number);

/* Whether two members are the same, absent ones included. */
bool ddl_same(const json_t *a, const json_t *b, const char *key);

#endif /* DTS_DDL_RECORD_H */
