/*
 * relation.h
 *		The descriptions of relations that a session has sent, by number.
 *
 * Owns every Relation; they live as long as the map.  The source describes a relation again after
 * each invalidation, often without any difference: such a number maps to the Relation that is
 * already there, so that a long session does not grow, and plans made for it stay good.
 */
#ifndef DTS_RELATION_H
#define DTS_RELATION_H

#include "change.h"
#include "wire_cursor.h"

typedef struct RelationMap RelationMap;

RelationMap *relation_map_create(void);
void relation_map_destroy(RelationMap *map); /* NULL is allowed */

/*
 * Reads a RELATION record behind its kind byte.  known: a replay, in which the number must have
 * been described already and nothing is stored.
 */
bool relation_read(RelationMap *map, WireCursor *c, bool known);

/* NULL: no such number was described. */
const Relation *relation_by_number(const RelationMap *map, uint64_t number);

/* Numbers described, and Relations that these needed. */
uint32_t relation_count(const RelationMap *map);
uint32_t relation_distinct(const RelationMap *map);

#endif /* DTS_RELATION_H */
