/*
 * ddl_script.h
 *		SQL for the target, gathered object by object and handed out in an order that works.
 *
 * Each command belongs to a stage.  Stages run in the order of the list; within one, commands keep
 * the order in which they were added.
 */
#ifndef DTS_DDL_SCRIPT_H
#define DTS_DDL_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

typedef enum DdlStage
{
	DDL_STAGE_RENAME, /* everything below uses the new names */
	DDL_STAGE_UNTIE,  /* foreign keys and what else keeps others from being dropped */
	DDL_STAGE_DROP,
	DDL_STAGE_SCHEMA,
	DDL_STAGE_TYPE,
	DDL_STAGE_FUNCTION,
	DDL_STAGE_SEQUENCE,
	DDL_STAGE_TABLE,
	DDL_STAGE_COLUMN,
	DDL_STAGE_PARTITION,
	DDL_STAGE_INDEX,
	DDL_STAGE_CONSTRAINT,
	DDL_STAGE_FOREIGN_KEY,
	DDL_STAGE_VIEW,
	DDL_STAGE_ATTACHED, /* triggers, rules, policies */
	DDL_STAGE_PROPERTY, /* options, comments, privileges */
	DDL_STAGE_OWNER,    /* last: afterwards the role may have lost its rights */
} DdlStage;

typedef struct DdlLine
{
	DdlStage stage;
	const char *sql;
	const char *role; /* another than the script's; or NULL */
} DdlLine;

/* A table that is emptied, and whose rows come after. */
typedef struct DdlRewritten
{
	int64_t oid;
	const char *schema; /* as its rows had it; NULL: none were seen */
	const char *name;
} DdlRewritten;

typedef struct DdlScript
{
	Arena *arena; /* everything lives in it */
	DdlLine *lines;
	int count;
	int size;
	const DdlRewritten *rewritten;
	int rewritten_count;
	const char *role;  /* who runs it, and owns what it makes; NULL: not known */
	const char *as;    /* whom the lines to come belong to instead; or NULL */
	const char *doubt; /* the first thing that cannot be told; NULL: all is well */
} DdlScript;

void ddl_script_init(DdlScript *script, Arena *arena);
void ddl_script_add(DdlScript *script, DdlStage stage, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Notes why the script does not bring the target to where the source is. */
void
ddl_script_doubt(DdlScript *script, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool ddl_script_rewritten(const DdlScript *script, int64_t oid);

/* The commands in order; *count of them.  *roles: those of DdlLine beside them; NULL: not wanted. */
const char **ddl_script_order(const DdlScript *script, int *count, const char ***roles);

/* Quoted in the arena: an identifier, "schema"."name", a literal or NULL. */
const char *ddl_ident(Arena *arena, const char *name);
const char *ddl_qualified(Arena *arena, const char *schema, const char *name);
const char *ddl_literal(Arena *arena, const char *text);

#endif /* DTS_DDL_SCRIPT_H */
