/*
 * wire_reader.h
 *		The inside of a WireReader, for wire_read.c and wire_record.c alone.
 */
#ifndef DTS_WIRE_READER_H
#define DTS_WIRE_READER_H

#include "arena.h"
#include "relation.h"
#include "wire_cursor.h"
#include "wire_read.h"

/* Origin names are interned; a source has few. */
typedef struct Origin
{
	struct Origin *next;
	const char *name;
	size_t len;
} Origin;

struct WireReader
{
	Arena *session; /* origins, texts of HELLO */
	Arena *message; /* reset with each message: gid, prefixes */
	RelationMap *relations;
	Origin *origins;

	WireCursor cursor;
	WireMessage current;
	unsigned record; /* kind of the record being read; 0: none */
	const uint8_t *record_at;
	const uint8_t *handed_out; /* end of the last change */

	/* of the records of the current message */
	WireRecords how;
	uint32_t xid;    /* that the next records belong to */
	bool dropping;   /* its records are left out */
	bool used_longs; /* the last change used up long values */

	const Refused *refused; /* the last one; most are alike */

	Value *old_values;
	Value *new_values;
	const Relation **truncated;
	uint64_t truncated_size;
};

/* Shared by messages and records. */
static inline bool
wire_xid(WireCursor *c, uint32_t *xid)
{
	uint64_t number;

	if (!cursor_uv_range(c, 1, UINT32_MAX, &number, "a transaction ID"))
		return false;
	*xid = (uint32_t) number;
	return true;
}

/*
 * Reads the record whose kind byte the cursor has just passed; false with the cursor's failure set.
 * *is_change: it is a change, which is to be handed out unless it is left out.
 */
bool wire_record_read(WireReader *r, Change *change, bool *is_change);

#endif /* DTS_WIRE_READER_H */
