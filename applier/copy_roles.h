/*
 * copy_roles.h
 *		Roles that the source's definitions name: which the target has, under which names, and
 *		definitions without those that it lacks.
 */
#ifndef DTS_COPY_ROLES_H
#define DTS_COPY_ROLES_H

#include <stdbool.h>

#include "arena.h"
#include "error.h"
#include "job.h"
#include "pg_session.h"

typedef struct CopyRoles CopyRoles;

/* Reads the target's roles.  Lives in the arena, as does all that comes from it. */
CopyRoles *copy_roles_read(const Job *job, PgSession *target, Arena *arena, Error *err) must_check;

/* The role's name on the target, or NULL, and then it is among the missing ones. */
const char *copy_roles_name(CopyRoles *roles, const char *role);

/* The same for an owner: NULL also when our role may not make that one the owner of anything. */
const char *copy_roles_owner(CopyRoles *roles, const char *role);

/*
 * The SQL of a privilege, policy, user mapping or owner with the names that hold on the target, and
 * without what is of no use there: a statement about a missing role, a missing role in a policy's
 * list.  "" when nothing is left; NULL when it is right as it is.
 */
const char *copy_roles_rewrite(CopyRoles *roles, const char *sql);

/* Those that were asked for and are missing, or may not be owners, in the order of asking. */
int copy_roles_missing(const CopyRoles *roles, const char *const **names);
int copy_roles_foreign(const CopyRoles *roles, const char *const **names);

#endif /* DTS_COPY_ROLES_H */
