/*
 * ddl_state.h
 *		The state way: from what objects were and are on the source to the SQL that takes the
 *		target the same way.
 *
 * Objects are followed by OID and columns by number, so a rename is a rename, whatever the
 * command's text was.  Where an object's OID stayed, a definition that reads differently is no
 * change by itself: names within it may have changed.  All names in the SQL are qualified.
 */
#ifndef DTS_DDL_STATE_H
#define DTS_DDL_STATE_H

#include "ddl_record.h"
#include "ddl_script.h"

/* What the job carries over. */
typedef struct DdlScope
{
	/* whose commands are followed */
	bool (*relation)(void *arg, const char *schema, const char *name);
	bool (*member)(void *arg, const char *schema,
	               const char *name);              /* whose rows are; NULL: those */
	bool (*schema)(void *arg, const char *schema); /* all of it */
	/* "schema"."name" of a relation on the target, in the arena; NULL: as on the source */
	const char *(*target)(void *arg, Arena *arena, const char *schema, const char *name);
	void *arg;
} DdlScope;

/* Where an object's document is, among the others of its record. */
typedef struct DdlObject
{
	const char *class; /* pg_class, pg_type, ... */
	int64_t oid;
	const json_t *before;
	const json_t *after;
	const json_t *users; /* of a type that was there: tables with columns of it */
	const json_t *all;   /* the record's objects */
} DdlObject;

DdlObject ddl_object_at(const DdlRecord *record, size_t i);

/* Adds what makes the target follow all objects of a record, or its drops. */
void ddl_state_command(DdlScript *script, const DdlRecord *record, const DdlScope *scope);
void ddl_state_drop(DdlScript *script, const DdlRecord *record, const DdlScope *scope);

/* Whether the job carries the object over: as it was, or as it is. */
bool ddl_in_scope(const DdlScope *scope, const DdlObject *object);

/* One object each; of their own files. */
void ddl_relation(DdlScript *script, const DdlObject *object); /* ddl_relation.c */
void ddl_columns(DdlScript *script, const DdlObject *object);  /* ddl_column.c */
const char *ddl_column_definition(Arena *arena, const json_t *column, const json_t *objects,
                                  int64_t relation);              /* ddl_column.c */
void ddl_constraints(DdlScript *script, const DdlObject *object); /* ddl_table_part.c */
void ddl_index(DdlScript *script, const DdlObject *object);       /* ddl_table_part.c */
void ddl_attached(DdlScript *script, const DdlObject *object);    /* ddl_table_part.c */
void ddl_type(DdlScript *script, const DdlObject *object);        /* ddl_type.c */
void ddl_function(DdlScript *script, const DdlObject *object);    /* ddl_object.c */
void ddl_schema(DdlScript *script, const DdlObject *object);      /* ddl_object.c */
void ddl_properties(DdlScript *script, const DdlObject *object, const char *kind,
                    const char *name); /* ddl_property.c */

/* Privileges, as the capture lists them. */
typedef struct DdlAcl
{
	const json_t *before; /* NULL: those that are built in */
	const json_t *after;
	const char *on;      /* keyword and name */
	const char *columns; /* "" or " (list)", behind the privilege */
	const char *owner;   /* NULL: nothing is built in */
	int64_t privileges;  /* how many the source's version knows; 0: all versions know the same */
} DdlAcl;

void ddl_acl(DdlScript *script, const DdlAcl *acl); /* ddl_property.c */

/* A relation's keyword in ALTER and DROP; NULL: none that is followed. */
const char *ddl_relation_kind(const json_t *doc);

/* Its qualified name. */
const char *ddl_object_name(Arena *arena, const json_t *doc);

#endif /* DTS_DDL_STATE_H */
