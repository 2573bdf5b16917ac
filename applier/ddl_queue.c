/*
 * ddl_queue.c
 *		See ddl_queue.h.
 */
#include "ddl_queue.h"

#include <stdlib.h>
#include <string.h>

#include "backlog.h"
#include "ddl_book.h"
#include "ddl_row.h"
#include "ddl_session.h"

#define MEMORY_LIMIT ((uint64_t) 8 << 20)
#define DISK_LIMIT   ((uint64_t) 64 << 30)
#define ARENA_BLOCK  ((size_t) 64 << 10)

typedef enum QueueStage
{
	QUEUE_IDLE,
	QUEUE_DECIDE,  /* the command is planned */
	QUEUE_COMMAND, /* to be handed to the target */
	QUEUE_ROWS,    /* the rows that were held for it follow */
	QUEUE_FINISH,  /* and then what can only be made behind them */
} QueueStage;

struct DdlQueue
{
	DdlQueueOptions options;
	SpoolSet *spools;
	json_t *session; /* the row that came last */

	/* the transaction */
	DdlRewritten *rewritten; /* since the last command */
	int rewritten_count;
	int rewritten_room;
	Backlog *held;
	uint32_t *held_oids;
	int held_count;
	int held_room;
	Error held_error; /* of the first row */
	uint32_t *discarded;
	int discarded_count;
	bool cut;

	/* the command at hand */
	QueueStage stage;
	Arena *arena;
	json_t *doc;
	DdlRecord record;
	DdlPlan plan;
	TargetCommand command;
	bool without_rows; /* it is left out, and what was held for it goes */
	Backlog *releasing;
	const TxnHeader *row_header;
	const Change *row;
};

DdlQueue *
ddl_queue_create(const DdlQueueOptions *options)
{
	DdlQueue *queue = xcalloc(1, sizeof(*queue));

	queue->options = *options;
	queue->arena = arena_create(ARENA_BLOCK);
	queue->spools = spool_set_create(
	    options->work_dir, options->memory_limit > 0 ? options->memory_limit : MEMORY_LIMIT,
	    options->disk_limit > 0 ? options->disk_limit : DISK_LIMIT);
	return queue;
}

void
ddl_queue_destroy(DdlQueue *queue)
{
	if (queue == NULL)
		return;
	backlog_destroy(queue->held);
	backlog_destroy(queue->releasing);
	spool_set_destroy(queue->spools);
	json_decref(queue->session);
	json_decref(queue->doc);
	arena_destroy(queue->arena);
	free(queue->rewritten);
	free(queue->held_oids);
	free(queue->discarded);
	free(queue);
}

static bool
is_held(const DdlQueue *queue, uint32_t oid)
{
	for (int i = 0; i < queue->held_count; i++)
	{
		if (queue->held_oids[i] == oid)
			return true;
	}
	return false;
}

static bool
is_discarded(const DdlQueue *queue, uint32_t oid)
{
	for (int i = 0; i < queue->discarded_count; i++)
	{
		if (queue->discarded[i] == oid)
			return true;
	}
	return false;
}

void
ddl_queue_discard(DdlQueue *queue, uint32_t oid)
{
	queue->discarded =
	    xrealloc(queue->discarded, sizeof(uint32_t) * ((size_t) queue->discarded_count + 1));
	queue->discarded[queue->discarded_count++] = oid;
}

static bool
wants_truncate(const DdlQueue *queue, const Change *change)
{
	for (int i = 0; i < change->truncated_count; i++)
	{
		if (is_held(queue, change->truncated[i]->oid) ||
		    ddl_row_kind(change->truncated[i]) != DDL_ROW_NONE)
			return true;
	}
	return false;
}

bool
ddl_queue_wants(const DdlQueue *queue, const Change *change)
{
	const Relation *relation = change->relation;

	if (change->kind == CHANGE_TRUNCATE)
		return wants_truncate(queue, change);
	return relation != NULL &&
	       (relation->rewrite || (queue->held_count > 0 && is_held(queue, relation->oid)) ||
	        is_discarded(queue, relation->oid) || ddl_row_kind(relation) != DDL_ROW_NONE);
}

static DdlRewritten *
find_rewritten(DdlQueue *queue, int64_t oid)
{
	for (int i = 0; i < queue->rewritten_count; i++)
	{
		if (queue->rewritten[i].oid == oid)
			return &queue->rewritten[i];
	}
	return NULL;
}

static void
add_rewritten(DdlQueue *queue, int64_t oid)
{
	if (find_rewritten(queue, oid) != NULL)
		return;
	if (queue->rewritten_count == queue->rewritten_room)
	{
		queue->rewritten_room = queue->rewritten_room == 0 ? 8 : queue->rewritten_room * 2;
		queue->rewritten =
		    xrealloc(queue->rewritten, sizeof(*queue->rewritten) * (size_t) queue->rewritten_room);
	}
	queue->rewritten[queue->rewritten_count++] = (DdlRewritten){.oid = oid};
}

static bool
hold(DdlQueue *queue, const TxnHeader *header, const Change *change, Error *err)
{
	const Relation *relation = change->relation;
	DdlRewritten *rewritten;

	if (queue->held == NULL)
		queue->held = backlog_create(queue->spools);
	if (relation != NULL && relation->rewrite &&
	    (rewritten = find_rewritten(queue, relation->oid)) != NULL)
	{
		rewritten->schema = relation->schema;
		rewritten->name = relation->name;
	}
	if (relation != NULL && !is_held(queue, relation->oid))
	{
		if (queue->held_count == queue->held_room)
		{
			queue->held_room = queue->held_room == 0 ? 8 : queue->held_room * 2;
			queue->held_oids =
			    xrealloc(queue->held_oids, sizeof(uint32_t) * (size_t) queue->held_room);
		}
		queue->held_oids[queue->held_count++] = relation->oid;
	}
	if (backlog_add(queue->held, header, change, err))
		return true;
	error_context(err, "rows that came before their table's command");
	return false;
}

bool
ddl_queue_hold(DdlQueue *queue, const TxnHeader *header, const Change *change, Error *err)
{
	if (queue->held_count == 0)
		queue->held_error = *err;
	error_clear(err);
	return hold(queue, header, change, err);
}

static TargetResult
hold_rewritten(DdlQueue *queue, const TxnHeader *header, const Change *change, Error *err)
{
	const Relation *relation = change->relation;
	const DdlScope *scope = &queue->options.scope;

	/* the command is not wanted on that table, so neither are its rows */
	if (scope->member != NULL && scope->member(scope->arg, relation->schema, relation->name) &&
	    !scope->relation(scope->arg, relation->schema, relation->name))
		return TARGET_OK;
	if (queue->held_count == 0)
	{
		error_set(&queue->held_error, ERR_DDL,
		          "a command that was not captured wrote table \"%s\".\"%s\" anew",
		          relation->schema, relation->name);
		error_detail(&queue->held_error,
		             "Its new rows came in the transaction committed at " LSN_FORMAT ".",
		             LSN_ARGS(header->commit));
		error_hint(&queue->held_error,
		           "Make the target's table like the source's, then load it again with "
		           "dts_reload_table.");
	}
	return hold(queue, header, change, err) ? TARGET_OK : TARGET_FAILED;
}

/*
 * Reading.
 */
static void
forget_command(DdlQueue *queue)
{
	if (queue->doc != NULL && queue->record.event == DDL_EVENT_COMMAND)
		queue->rewritten_count = 0;
	json_decref(queue->doc);
	queue->doc = NULL;
	queue->stage = QUEUE_IDLE;
	arena_reset(queue->arena);
}

/* The session's row belongs to the command when it says so; without it less is known. */
static bool
read_record(DdlQueue *queue, const Change *change, Error *err)
{
	const char *key;
	json_t *value;

	queue->doc = json_object();
	if (!ddl_row_read(change, queue->doc, err))
		return false;
	if (queue->session != NULL &&
	    ddl_number(queue->session, "command") == ddl_number(queue->doc, "id"))
	{
		json_object_foreach(queue->session, key, value) json_object_set(queue->doc, key, value);
	}
	return ddl_record_read(queue->doc, &queue->record, err);
}

static bool
read_session(DdlQueue *queue, const Change *change, Error *err)
{
	json_decref(queue->session);
	queue->session = json_object();
	return ddl_row_read(change, queue->session, err);
}

/* Where it is not known who ran a command: the owner of what it made or changed. */
static const char *
owner_of(const DdlRecord *record)
{
	for (size_t i = 0; i < json_array_size(record->objects); i++)
	{
		const json_t *object = json_array_get(record->objects, i);
		const char *owner = ddl_text(json_object_get(object, "before"), "owner");

		if (owner == NULL)
			owner = ddl_text(json_object_get(object, "after"), "owner");
		if (owner != NULL)
			return owner;
	}
	return NULL;
}

static void
make_command(DdlQueue *queue)
{
	const DdlQueueOptions *options = &queue->options;
	DdlPlan *plan = &queue->plan;
	const char *role = plan->role != NULL ? plan->role : owner_of(&queue->record);

	DdlScope book = options->scope;

	if (book.member != NULL)
		book.relation = book.member;
	queue->command =
	    (TargetCommand){.role = role == NULL ? NULL : options->role(options->arg, role),
	                    .role_needed = options->role_needed,
	                    .source = queue->record.query};
	if (plan->verdict == DDL_APPLY)
	{
		queue->command.prepare = plan->prepare;
		queue->command.sql = plan->sql;
		queue->command.roles = plan->roles;
		for (int i = 0; plan->roles != NULL && i < plan->count; i++)
		{
			if (plan->roles[i] != NULL)
				plan->roles[i] = options->role(options->arg, plan->roles[i]);
		}
		queue->command.count = plan->count;
		queue->command.settings =
		    ddl_session_settings(queue->arena, plan, &queue->command.setting_count);
	}
	queue->command.bookkeeping = ddl_book(queue->arena, &queue->record, &book, options->slot_name,
	                                      &queue->command.bookkeeping_count);
}

static bool
plan_command(DdlQueue *queue, const TxnHeader *header, Error *err)
{
	const char *doubt = NULL;
	const DdlPlanOptions options = {.scope = &queue->options.scope,
	                                .statements =
	                                    queue->options.statements && queue->options.map == NULL,
	                                .rewritten = queue->rewritten,
	                                .rewritten_count = queue->rewritten_count};

	if (queue->options.look != NULL &&
	    !queue->options.look(queue->options.arg, queue->arena, header, &queue->record, &doubt, err))
		return false;
	ddl_plan(queue->arena, &queue->record, &options, &queue->plan);
	if (queue->options.map != NULL && queue->plan.verdict == DDL_APPLY)
		queue->options.map(queue->options.arg, queue->arena, &queue->record, &queue->plan);
	if (doubt != NULL)
	{
		queue->plan.verdict = DDL_REFUSED;
		queue->plan.reason = doubt;
	}
	make_command(queue);
	queue->without_rows = false;
	queue->stage = QUEUE_DECIDE;
	return true;
}

static void
refused(const DdlQueue *queue, const TxnHeader *header, Error *err)
{
	const DdlRecord *record = &queue->record;

	error_set(err, ERR_DDL, "a command of the source cannot be followed: %s",
	          queue->plan.reason == NULL ? record->tag : queue->plan.reason);
	error_detail(err, "%s, run as \"%s\".  Source: %.400s%s%.300s", record->tag,
	             record->role == NULL ? "(not known)" : record->role,
	             record->query == NULL ? "(not known)" : record->query,
	             queue->plan.count > 0 ? "  Target: " : "",
	             queue->plan.count > 0 ? queue->plan.sql[0] : "");
	error_hint(err,
	           "Make the target like the source and leave the command out with dts_skip_ddl, or "
	           "load the job again with dts_reset_job.");
	error_context(err, "source transaction committed at " LSN_FORMAT, LSN_ARGS(header->commit));
}

static TargetResult
decide(DdlQueue *queue, const TxnHeader *header, Error *err)
{
	const DdlQueueOptions *options = &queue->options;
	DdlDecision decision = DDL_RUN;

	if (queue->plan.verdict != DDL_NOTHING && options->decide != NULL &&
	    !options->decide(options->arg, header, &queue->record, &queue->plan, &decision, err))
		return TARGET_FAILED;
	switch (decision)
	{
		case DDL_WAIT:
			return TARGET_WAIT;
		case DDL_LEAVE_OUT:
			queue->command.count = queue->command.bookkeeping_count = 0;
			queue->command.prepare = NULL;
			queue->without_rows = true;
			break;
		case DDL_RUN:
			if (queue->plan.verdict == DDL_REFUSED)
			{
				refused(queue, header, err);
				return TARGET_FAILED;
			}
			break;
	}
	queue->stage = QUEUE_COMMAND;
	return TARGET_OK;
}

/* Whether the rows that are held were written by the command. */
static bool
ends_rows(const DdlQueue *queue)
{
	return queue->held != NULL && queue->record.event == DDL_EVENT_COMMAND &&
	       (queue->plan.verdict != DDL_NOTHING || queue->without_rows);
}

static TargetResult
read_command(DdlQueue *queue, const TxnHeader *header, const Change *change, bool *work, Error *err)
{
	TargetResult result;

	if (queue->stage == QUEUE_IDLE)
	{
		if (!read_record(queue, change, err))
			return TARGET_FAILED;
		if (queue->record.event == DDL_EVENT_REWRITE)
		{
			add_rewritten(queue, ddl_number(json_array_get(queue->record.commands, 0), "oid"));
			forget_command(queue);
			return TARGET_OK;
		}
		if (!plan_command(queue, header, err))
			return TARGET_FAILED;
	}
	if (queue->stage == QUEUE_DECIDE)
	{
		result = decide(queue, header, err);
		if (result != TARGET_OK)
			return result;
	}
	*work = queue->command.count > 0 || queue->command.bookkeeping_count > 0 || ends_rows(queue);
	if (!*work)
		forget_command(queue);
	return TARGET_OK;
}

TargetResult
ddl_queue_read(DdlQueue *queue, const TxnHeader *header, const Change *change, bool *work,
               Error *err)
{
	DdlRowKind kind = ddl_row_kind(change->relation);

	*work = false;
	if (kind == DDL_ROW_NONE)
	{
		/* somebody empties the capture's tables: their rows have come */
		if (change->kind == CHANGE_TRUNCATE && ddl_row_kind(change->truncated[0]) != DDL_ROW_NONE)
			return TARGET_OK;
		if (change->relation != NULL && is_discarded(queue, change->relation->oid))
			return TARGET_OK;
		if (change->relation != NULL && change->relation->rewrite)
			return hold_rewritten(queue, header, change, err);
		return hold(queue, header, change, err) ? TARGET_OK : TARGET_FAILED;
	}
	/* deletes are those of trimming */
	if (change->kind != CHANGE_INSERT)
		return TARGET_OK;
	if (kind == DDL_ROW_COMMAND)
		return read_command(queue, header, change, work, err);
	return read_session(queue, change, err) ? TARGET_OK : TARGET_FAILED;
}

/*
 * Running.
 */
static void
handed_over(DdlQueue *queue, const TxnHeader *header)
{
	const DdlQueueOptions *options = &queue->options;

	queue->cut = true;
	if (queue->command.count > 0 && options->handed != NULL)
		options->handed(options->arg, header, &queue->record, &queue->plan);
	if (ends_rows(queue))
	{
		queue->releasing = queue->held;
		queue->held = NULL;
		queue->held_count = 0;
		error_clear(&queue->held_error);
		if (queue->without_rows)
		{
			backlog_destroy(queue->releasing);
			queue->releasing = NULL;
		}
	}
	queue->stage = QUEUE_ROWS;
}

/* What the target still does not know waits for another command. */
static TargetResult
release(DdlQueue *queue, Target *target, Error *err)
{
	while (queue->releasing != NULL)
	{
		TargetResult result;

		if (queue->row == NULL &&
		    !backlog_next(queue->releasing, &queue->row_header, &queue->row, err))
			return TARGET_FAILED;
		if (queue->row == NULL)
		{
			backlog_destroy(queue->releasing);
			queue->releasing = NULL;
			break;
		}
		result = target->ops->apply(target, queue->row_header, queue->row, err);
		if (result == TARGET_UNKNOWN)
			result = ddl_queue_hold(queue, queue->row_header, queue->row, err) ? TARGET_OK
			                                                                   : TARGET_FAILED;
		if (result != TARGET_OK)
			return result;
		queue->row = NULL;
	}
	return TARGET_OK;
}

TargetResult
ddl_queue_run(DdlQueue *queue, Target *target, const TxnHeader *header, Error *err)
{
	TargetResult result = TARGET_OK;

	if (queue->stage == QUEUE_COMMAND)
	{
		if (queue->command.count > 0 || queue->command.bookkeeping_count > 0)
			result = target->ops->command(target, header, &queue->command, err);
		if (result != TARGET_OK)
			return result;
		handed_over(queue, header);
	}
	if (queue->stage == QUEUE_ROWS)
	{
		result = release(queue, target, err);
		if (result != TARGET_OK)
			return result;
		queue->stage = QUEUE_FINISH;
	}
	if (queue->plan.finish != NULL && !queue->without_rows)
	{
		const TargetCommand finish = {.bookkeeping = &queue->plan.finish, .bookkeeping_count = 1};

		result = target->ops->command(target, header, &finish, err);
	}
	if (result == TARGET_OK)
		forget_command(queue);
	return result;
}

bool
ddl_queue_end(DdlQueue *queue, bool *cut, Error *err)
{
	*cut = queue->cut;
	queue->cut = false;
	queue->rewritten_count = 0;
	queue->discarded_count = 0;
	if (queue->held == NULL)
		return true;
	*err = queue->held_error;
	return false;
}
