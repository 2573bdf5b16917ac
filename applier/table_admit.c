/*
 * table_admit.c
 *		Which changes of the stream are for the target now, and which wait; see table_join.h.
 *
 * Tables go by OID.  A table that is dropped and made again while it is being loaded has another one:
 * what the target holds under the name is not its rows, so it waits from its first change on, and is
 * loaded in the old one's place.
 */
#include <stdlib.h>
#include <string.h>

#include "table_join_internal.h"

static const Change nothing = {.kind = CHANGE_MESSAGE, .prefix = ""};

/* The table that is being loaded under this name. */
static JoinTable *
held_by_name(const TableJoin *join, const Relation *relation)
{
	for (JoinTable *t = join->first; t != NULL; t = t->next)
	{
		if (gate_state_holds(t->gate.state) && t->wish != WISH_REMOVE &&
		    strcmp(t->gate.name, relation->name) == 0 &&
		    strcmp(t->gate.schema, relation->schema) == 0)
			return t;
	}
	return NULL;
}

static JoinTable *
find(TableJoin *join, const Relation *relation)
{
	JoinTable *t = join_table_find(join, relation->oid);
	const JoinTable *old;

	if (t != NULL)
		return t;
	old = held_by_name(join, relation);
	return old != NULL ? join_table_replace(join, old, relation->oid)
	                   : join_table_pass(join, relation->oid);
}

static bool
hold(TableJoin *join, JoinTable *t, const TxnHeader *header, const Change *change, Error *err)
{
	if (t->backlog == NULL)
		t->backlog = backlog_create(join->spools);
	if (backlog_add(t->backlog, header, change, err))
		return true;
	error_context(err, "backlog of table \"%s\".\"%s\", which is being loaded", t->gate.schema,
	              t->gate.name);
	return false;
}

/* What one relation of a truncate is for; each held one gets a truncate of its own. */
static bool
admit_truncated(TableJoin *join, const TxnHeader *header, const Change *change,
                const Relation *relation, bool *apply, Error *err)
{
	JoinTable *t = find(join, relation);
	Change alone = *change;

	*apply = false;
	switch (gate_judge(&t->gate, header, join->stored))
	{
		case GATE_APPLY:
			*apply = true;
			break;
		case GATE_HOLD:
			alone.truncated = &relation;
			alone.truncated_count = 1;
			alone.by_delete = true;
			return hold(join, t, header, &alone, err);
		case GATE_DROP:
			break;
	}
	return true;
}

/*
 * A truncate may name tables of every standing.  Where it does, it is taken apart: partitioned
 * tables go (truncating them would reach leaves that are held, and their leaves are named, too).
 */
static bool
admit_truncate(TableJoin *join, const TxnHeader *header, SourceEvent *event, Error *err)
{
	const Change *change = event->change;
	int left = 0;

	if (join->remaining_room < change->truncated_count)
	{
		join->remaining_room = change->truncated_count;
		join->remaining =
		    xrealloc(join->remaining, sizeof(*join->remaining) * (size_t) change->truncated_count);
	}
	for (int i = 0; i < change->truncated_count; i++)
	{
		bool apply;

		if (!admit_truncated(join, header, change, change->truncated[i], &apply, err))
			return false;
		if (apply)
			join->remaining[left++] = change->truncated[i];
	}
	if (left == change->truncated_count)
		return true;
	join->reduced = *change;
	join->reduced.truncated = join->remaining;
	join->reduced.truncated_count = 0;
	join->reduced.by_delete = true;
	for (int i = 0; i < left; i++)
	{
		if (join->remaining[i]->relkind != 'p')
			join->remaining[join->reduced.truncated_count++] = join->remaining[i];
	}
	event->change = join->reduced.truncated_count > 0 ? &join->reduced : &nothing;
	return true;
}

bool
table_join_is_plain(const TableJoin *join, const Relation *relation)
{
	const JoinTable *t;

	if (join->first == NULL)
		return true;
	t = join_table_find(join, relation->oid);
	return t != NULL ? gate_is_plain(&t->gate, join->stored) : held_by_name(join, relation) == NULL;
}

bool
table_join_admit(TableJoin *join, const TxnHeader *header, SourceEvent *event, Error *err)
{
	const Change *change = event->change;
	JoinTable *t;

	if (join->pause > 0)
		join->pause--;
	if (join->first == NULL || change->kind == CHANGE_MESSAGE)
		return true;
	if (change->kind == CHANGE_TRUNCATE)
		return admit_truncate(join, header, event, err);
	t = find(join, change->relation);
	if (gate_is_plain(&t->gate, join->stored))
		return true;
	switch (gate_judge(&t->gate, header, join->stored))
	{
		case GATE_APPLY:
			return true;
		case GATE_HOLD:
			if (!hold(join, t, header, change, err))
				return false;
			break;
		case GATE_DROP:
			break;
	}
	event->change = &nothing;
	return true;
}
