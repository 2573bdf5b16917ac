/*
 * relation.c
 *		Reading and keeping of relation descriptions; see relation.h.
 */
#include "relation.h"

#include <stdlib.h>

#include "../decoder/wire.h"
#include "arena.h"

#define RELATION_BLOCK_SIZE ((size_t) 64 * 1024)

/* The smallest column on the wire: flags, name of one byte, type, typmod, format. */
#define COLUMN_MIN_BYTES 6

/* The newest version of one relation, with the bytes it was read from behind the number. */
typedef struct Latest
{
	const Relation *relation; /* NULL: free slot */
	const uint8_t *body;
	size_t body_len;
} Latest;

struct RelationMap
{
	Arena *arena;
	const Relation **by_number; /* [number - 1] */
	uint32_t count;
	uint32_t size;
	Latest *latest; /* open addressing by OID; size is a power of two */
	uint32_t latest_used;
	uint32_t latest_size;
	uint32_t distinct;
};

RelationMap *
relation_map_create(void)
{
	RelationMap *map = xcalloc(1, sizeof(*map));

	map->arena = arena_create(RELATION_BLOCK_SIZE);
	map->latest_size = 64;
	map->latest = xcalloc(map->latest_size, sizeof(Latest));
	return map;
}

void
relation_map_destroy(RelationMap *map)
{
	if (map == NULL)
		return;
	arena_destroy(map->arena);
	free(map->by_number);
	free(map->latest);
	free(map);
}

const Relation *
relation_by_number(const RelationMap *map, uint64_t number)
{
	return number >= 1 && number <= map->count ? map->by_number[number - 1] : NULL;
}

uint32_t
relation_count(const RelationMap *map)
{
	return map->count;
}

uint32_t
relation_distinct(const RelationMap *map)
{
	return map->distinct;
}

static Latest *
latest_find(Latest *table, uint32_t size, uint32_t oid)
{
	uint32_t i = (oid * UINT32_C(2654435761)) & (size - 1);

	while (table[i].relation != NULL && table[i].relation->oid != oid)
		i = (i + 1) & (size - 1);
	return &table[i];
}

static void
latest_grow(RelationMap *map)
{
	uint32_t size = 2 * map->latest_size;
	Latest *table = xcalloc(size, sizeof(Latest));

	for (uint32_t i = 0; i < map->latest_size; i++)
	{
		if (map->latest[i].relation != NULL)
			*latest_find(table, size, map->latest[i].relation->oid) = map->latest[i];
	}
	free(map->latest);
	map->latest = table;
	map->latest_size = size;
}

static void
append_number(RelationMap *map, const Relation *relation)
{
	if (map->count == map->size)
	{
		map->size = map->size ? 2 * map->size : 64;
		map->by_number = xrealloc(map->by_number, sizeof(Relation *) * map->size);
	}
	map->by_number[map->count++] = relation;
}

/* arena NULL: only check.  text is not empty then. */
static bool
read_name(WireCursor *c, Arena *arena, const char **name, const char *expected)
{
	const uint8_t *at = c->at;
	const char *text;
	size_t len;

	if (!cursor_str(c, &text, &len, expected))
		return false;
	if (len == 0)
		return cursor_fail(c, at, expected);
	*name = arena ? arena_strndup(arena, text, len) : "";
	return true;
}

static bool
read_letter(WireCursor *c, const char *letters, char *letter, const char *expected)
{
	uint8_t byte;

	if (!cursor_u8(c, &byte))
		return false;
	if (byte == 0 || strchr(letters, byte) == NULL)
		return cursor_fail(c, c->at - 1, expected);
	*letter = (char) byte;
	return true;
}

static bool
read_format(WireCursor *c, Column *column)
{
	uint64_t number;
	char letter;

	if (!read_letter(c, "fbt", &letter, "a column format (f, b or t)"))
		return false;
	column->format = letter == DTS_FMT_TEXT ? FORMAT_TEXT : FORMAT_BINARY;
	column->fixed_len = 0;
	if (letter != DTS_FMT_FIXED)
		return true;
	if (!cursor_uv_range(c, 1, DTS_WIRE_MAX_VALUE, &number, "the length of a fixed column"))
		return false;
	column->fixed_len = (uint32_t) number;
	return true;
}

static bool
read_column(WireCursor *c, Arena *arena, Column *column)
{
	uint8_t flags;
	uint64_t number;

	if (!cursor_u8(c, &flags))
		return false;
	if (flags & ~(DTS_ATT_KEY | DTS_ATT_TYPE_NAMED | DTS_ATT_NOT_NULL | DTS_ATT_IDENTITY_ALWAYS))
		return cursor_fail(c, c->at - 1, "known flags of a column");
	column->is_key = (flags & DTS_ATT_KEY) != 0;
	column->not_null = (flags & DTS_ATT_NOT_NULL) != 0;
	column->identity_always = (flags & DTS_ATT_IDENTITY_ALWAYS) != 0;
	if (!read_name(c, arena, &column->name, "the name of a column"))
		return false;
	if (!cursor_uv_range(c, 1, UINT32_MAX, &number, "the OID of a type"))
		return false;
	column->type_oid = (uint32_t) number;
	if (!cursor_uv_range(c, 0, (uint64_t) INT32_MAX + 1, &number, "a type modifier"))
		return false;
	column->typmod = (int32_t) ((int64_t) number - 1);
	if (!read_format(c, column))
		return false;
	column->target_name = column->type_schema = column->type_name = NULL;
	if ((flags & DTS_ATT_TYPE_NAMED) == 0)
		return true;
	return read_name(c, arena, &column->type_schema, "the schema of a type") &&
	       read_name(c, arena, &column->type_name, "the name of a type");
}

/* Everything behind the number.  arena NULL: only check, relation and column are scratch. */
static bool
read_body(WireCursor *c, Arena *arena, Relation *relation, Column *scratch)
{
	uint8_t flags;
	uint64_t number;

	if (!cursor_uv_range(c, 1, UINT32_MAX, &number, "the OID of a relation"))
		return false;
	relation->oid = (uint32_t) number;
	if (!read_name(c, arena, &relation->schema, "the schema of a relation") ||
	    !read_name(c, arena, &relation->name, "the name of a relation") ||
	    !read_letter(c, "rp", &relation->relkind, "a relation kind (r or p)") ||
	    !read_letter(c, "dnfi", &relation->identity, "a replica identity (d, n, f or i)") ||
	    !cursor_u8(c, &flags))
		return false;
	if (flags & ~(DTS_REL_HAS_ROOT | DTS_REL_NO_IDENTITY | DTS_REL_REWRITE))
		return cursor_fail(c, c->at - 1, "known flags of a relation");
	relation->no_identity = (flags & DTS_REL_NO_IDENTITY) != 0;
	relation->rewrite = (flags & DTS_REL_REWRITE) != 0;
	relation->root_schema = relation->root_name = NULL;
	if (flags & DTS_REL_HAS_ROOT)
	{
		if (!cursor_uv_range(c, 1, UINT32_MAX, &number, "the OID of a root relation") ||
		    !read_name(c, arena, &relation->root_schema, "the schema of a root relation") ||
		    !read_name(c, arena, &relation->root_name, "the name of a root relation"))
			return false;
	}
	if (!cursor_uv_range(c, 0, DTS_WIRE_MAX_COLUMNS, &number, "a number of columns up to 1664"))
		return false;
	if (number > cursor_left(c) / COLUMN_MIN_BYTES)
		return cursor_fail(c, c->at, "as many columns as were announced");
	relation->column_count = (int) number;
	relation->key_count = 0;
	relation->columns = arena ? arena_alloc(arena, sizeof(Column) * (size_t) number) : NULL;
	for (int i = 0; i < relation->column_count; i++)
	{
		Column *column = arena ? &relation->columns[i] : scratch;

		if (!read_column(c, arena, column))
			return false;
		relation->key_count += column->is_key;
	}
	return true;
}

/* The body has been checked: files it under the next number. */
static void
keep(RelationMap *map, const uint8_t *body, size_t len, uint32_t oid)
{
	Latest *latest = latest_find(map->latest, map->latest_size, oid);
	WireCursor c;
	Relation *relation;
	Column unused;

	if (latest->relation != NULL && latest->body_len == len && memcmp(latest->body, body, len) == 0)
	{
		append_number(map, latest->relation);
		return;
	}
	relation = arena_zalloc(map->arena, sizeof(*relation));
	relation->number = map->count + 1;
	cursor_init(&c, body, len);
	if (!read_body(&c, map->arena, relation, &unused))
		abort(); /* the same bytes were read a moment ago */
	append_number(map, relation);
	map->distinct++;
	if (latest->relation == NULL)
	{
		if (2 * ++map->latest_used > map->latest_size)
		{
			latest_grow(map);
			latest = latest_find(map->latest, map->latest_size, oid);
		}
	}
	latest->relation = relation;
	latest->body = (const uint8_t *) arena_strndup(map->arena, (const char *) body, len);
	latest->body_len = len;
}

bool
relation_read(RelationMap *map, WireCursor *c, bool known)
{
	const uint8_t *at = c->at;
	const uint8_t *body;
	Relation relation;
	Column column;
	uint64_t number;

	if (!cursor_uv(c, &number))
		return false;
	if (known ? number < 1 || number > map->count : number != (uint64_t) map->count + 1)
		return cursor_fail(c, at,
		                   known ? "the number of a relation that was described before"
		                         : "the next number of a relation");
	if (number > UINT32_MAX)
		return cursor_fail(c, at, "a relation number of at most 32 bits");
	body = c->at;

	/* check first: a description that breaks off leaves nothing behind */
	if (!read_body(c, NULL, &relation, &column))
		return false;
	if (!known)
		keep(map, body, (size_t) (c->at - body), relation.oid);
	return true;
}
