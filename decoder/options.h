/*
 * options.h
 *		The options of START_REPLICATION or of the pg_logical_slot_*_changes() functions.
 */
#ifndef DTS_OPTIONS_H
#define DTS_OPTIONS_H

#include "postgres.h"

#include "nodes/pg_list.h"

typedef enum OriginChoice
{
	ORIGIN_ANY,
	ORIGIN_NONE,
} OriginChoice;

typedef enum NoIdentityChoice
{
	NO_IDENTITY_BY_CALLER, /* error for SQL callers, emit for walsenders */
	NO_IDENTITY_EMIT,
	NO_IDENTITY_ERROR,
} NoIdentityChoice;

/* A name as it stands in schemas (table NULL) or tables. */
typedef struct OptionName
{
	char *schema;
	char *table;
} OptionName;

typedef struct DecoderOptions
{
	int protocol_version;
	int chunk_size;
	List *schemas; /* of OptionName */
	List *tables;
	List *exclude_schemas;
	List *exclude_tables;
	List *table_oids;   /* of Oid */
	List *skip_origins; /* of OptionName */
	List *shapes;       /* of TableShape */
	int origin;         /* OriginChoice */
	int on_no_identity; /* NoIdentityChoice */
	bool streaming;
	bool two_phase;
	bool rewrites;
	bool messages;
	bool ddl;
	bool check_shapes;
} DecoderOptions;

/* Fills options from a list of DefElem; raises an error that lists what would be right. */
extern void options_parse(DecoderOptions *options, List *elements);

#endif /* DTS_OPTIONS_H */
