/*
 * ddl_row.h
 *		Rows of the capture's tables as they come in the stream, put together to one document.
 */
#ifndef DTS_DDL_ROW_H
#define DTS_DDL_ROW_H

#include <jansson.h>

#include "change.h"
#include "error.h"

typedef enum DdlRowKind
{
	DDL_ROW_NONE,
	DDL_ROW_SESSION,
	DDL_ROW_COMMAND,
} DdlRowKind;

/* Of which table; the decoder sends no imitations of them. */
DdlRowKind ddl_row_kind(const Relation *relation);

/* Adds the row's columns to the object, as ddl_record_read() wants them. */
bool ddl_row_read(const Change *change, json_t *doc, Error *err) must_check;

#endif /* DTS_DDL_ROW_H */
