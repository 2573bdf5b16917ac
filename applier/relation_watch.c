/*
 * relation_watch.c
 *		See relation_watch.h.
 */
#include "relation_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

struct RelationWatch
{
	const Relation **slots; /* open addressing by OID; a power of two */
	uint32_t size;
	uint32_t count;
};

RelationWatch *
relation_watch_create(void)
{
	RelationWatch *watch = xcalloc(1, sizeof(*watch));

	watch->size = 64;
	watch->slots = xcalloc(watch->size, sizeof(*watch->slots));
	return watch;
}

void
relation_watch_destroy(RelationWatch *watch)
{
	if (watch == NULL)
		return;
	free(watch->slots);
	free(watch);
}

static const Relation **
find(const Relation **slots, uint32_t size, uint32_t oid)
{
	uint32_t i = (oid * 2654435761u) & (size - 1);

	while (slots[i] != NULL && slots[i]->oid != oid)
		i = (i + 1) & (size - 1);
	return &slots[i];
}

static void
grow(RelationWatch *watch)
{
	uint32_t size = watch->size * 2;
	const Relation **slots = xcalloc(size, sizeof(*slots));

	for (uint32_t i = 0; i < watch->size; i++)
	{
		if (watch->slots[i] != NULL)
			*find(slots, size, watch->slots[i]->oid) = watch->slots[i];
	}
	free(watch->slots);
	watch->slots = slots;
	watch->size = size;
}

static const Column *
column_of(const Relation *relation, const char *name)
{
	for (int i = 0; i < relation->column_count; i++)
	{
		if (strcmp(relation->columns[i].name, name) == 0)
			return &relation->columns[i];
	}
	return NULL;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_type(const Column *a, const Column *b)
{
	return a->type_oid == b->type_oid && a->typmod == b->typmod &&
	       same_text(a->type_schema, b->type_schema) && same_text(a->type_name, b->type_name);
}

/* What is another, in words; false: nothing that concerns the target's table. */
static bool
differs(const Relation *before, const Relation *now, char *what, size_t size)
{
	if (strcmp(before->schema, now->schema) != 0 || strcmp(before->name, now->name) != 0)
	{
		snprintf(what, size, "it was \"%s\".\"%s\" before", before->schema, before->name);
		return true;
	}
	for (int i = 0; i < before->column_count; i++)
	{
		const Column *column = column_of(now, before->columns[i].name);

		if (column != NULL && same_type(&before->columns[i], column))
			continue;
		snprintf(what, size, "column \"%s\" %s", before->columns[i].name,
		         column == NULL ? "is gone, or has another name" : "is of another type");
		return true;
	}
	for (int i = 0; i < now->column_count; i++)
	{
		if (column_of(before, now->columns[i].name) != NULL)
			continue;
		snprintf(what, size, "column \"%s\" is new", now->columns[i].name);
		return true;
	}
	return false;
}

bool
relation_watch_see(RelationWatch *watch, const Relation *relation, const TxnHeader *header,
                   Error *err)
{
	const Relation **slot = find(watch->slots, watch->size, relation->oid);
	const Relation *before = *slot;
	char what[300];

	if (before == relation)
		return true;
	*slot = relation;
	if (before == NULL)
	{
		if (++watch->count * 2 > watch->size)
			grow(watch);
		return true;
	}
	if (!differs(before, relation, what, sizeof(what)))
		return true;
	error_set(err, ERR_DDL,
	          "table \"%s\".\"%s\" was changed on the source by a command that was not captured",
	          relation->schema, relation->name);
	error_detail(err, "Since the transaction committed at " LSN_FORMAT " %s.",
	             LSN_ARGS(header->commit), what);
	error_hint(err,
	           "Make the target's table like the source's, rows that the command changed "
	           "included, then retry the job; or load it again with dts_reload_table.  With the "
	           "capture of DDL (dts_setup_script) the job follows such commands by itself.");
	return false;
}
