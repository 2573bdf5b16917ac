/*
 * table_prepare.h
 *		What has to be asked and made before tables are loaded beside the stream: blocking work,
 *		done in a child of the worker (worker_call.h).
 */
#ifndef DTS_TABLE_PREPARE_H
#define DTS_TABLE_PREPARE_H

#include <jansson.h>

#include "error.h"
#include "job.h"
#include "worker.h"

typedef enum TableAction
{
	TABLES_ADD,
	TABLES_REMOVE,
	TABLES_RELOAD,
	TABLES_MODIFY, /* another list of objects */
} TableAction;

bool table_action_parse(const char *name, TableAction *action);

typedef struct TableResolve
{
	TableAction action;
	const json_t *tables; /* [{"schema", "name"}]; of TABLES_MODIFY all options as they are to be */
} TableResolve;

/*
 * Which tables with rows of their own are meant: result gets "tables": [{"oid", "schema", "name"}],
 * of TABLES_MODIFY with "move": "add", "remove" or "reload".
 * An error that is not transient says why the job cannot follow the request.
 */
bool table_resolve(const Job *job, void *resolve, json_t *result, Error *err);

/*
 * Goes on with, or begins, the load of the tables that wait (arg is the Worker): schema where the
 * target lacks it, snapshot, parts.  result: "snapshot" and "encoding" for the copy workers.
 */
bool table_prepare(const Job *job, void *worker, json_t *result, Error *err);

#endif /* DTS_TABLE_PREPARE_H */
