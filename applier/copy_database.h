/*
 * copy_database.h
 *		What the database itself carries: settings, also of roles in it, comment, privileges.
 */
#ifndef DTS_COPY_DATABASE_H
#define DTS_COPY_DATABASE_H

#include "arena.h"
#include "copy_roles.h"
#include "error.h"
#include "pg_session.h"

/*
 * The statements that give the target's database what the source's has, whatever the two are called;
 * "" when there is nothing, NULL when it could not be read.  In the arena.
 */
const char *copy_database_sql(PgSession *source, PgSession *target, CopyRoles *roles, Arena *arena,
                              Error *err) must_check;

#endif /* DTS_COPY_DATABASE_H */
