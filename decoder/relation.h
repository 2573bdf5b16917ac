/*
 * relation.h
 *		What a session knows of each relation: description, number, and how to write its rows.
 */
#ifndef DTS_RELATION_H
#define DTS_RELATION_H

#include "decoder.h"
#include "utils/rel.h"

/* How a column's stored form becomes bytes on the wire. */
typedef enum ColumnOp
{
	OP_SKIP,  /* dropped or generated: stepped over */
	OP_BYTES, /* fixed length, copied */
	OP_INT16, /* fixed length, byte order turned */
	OP_INT32,
	OP_INT64,
	OP_INT64S, /* several in a row */
	OP_TIMETZ,
	OP_INTERVAL,
	OP_TID,
	OP_NAME,
	OP_VARLENA, /* the payload is what the send function would give */
	OP_SEND,    /* send function */
	OP_TEXT,    /* output function */
} ColumnOp;

typedef struct ColumnPlan
{
	uint8 op; /* ColumnOp */
	uint8 align;
	bool key;
	bool byval;
	int16 length; /* as stored; -1 varlena, -2 cstring */
	FmgrInfo *function;
} ColumnPlan;

typedef struct RelationEntry
{
	Oid oid; /* hash key */
	bool valid;
	bool stale; /* invalidated since it was valid, and not used since */
	bool selected;
	bool heartbeat;    /* the table of beats, which is never selected */
	bool described;    /* its description has been sent */
	bool has_children; /* some entry's description depends on this relation as an ancestor */
	bool is_partition;
	bool names_types;
	bool no_identity;
	char identity;
	uint32 number;
	int stored_columns;
	int columns; /* on the wire */
	int keys;
	ColumnPlan *plan;
	struct Shape *shape; /* NULL: rows go as they are */
	uint8 *description;  /* as on the wire, without kind and number */
	size_t description_length;
	MemoryContext plan_context;
} RelationEntry;

extern struct RelationCache *relation_cache_create(Decoder *decoder);
/* The entry for a relation as the current transaction sees it. */
extern RelationEntry *relation_find(Decoder *decoder, Relation relation);
/* Puts the description into the open record's place when it has not been sent. */
extern void relation_describe(Decoder *decoder, RelationEntry *entry);
/* The part of a column's plan that its storage decides. */
extern void relation_plan_column(ColumnPlan *plan, Form_pg_attribute att);
/* Every entry is put together again at its next use. */
extern void relation_forget_all(Decoder *decoder);

#endif /* DTS_RELATION_H */
