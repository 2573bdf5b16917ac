/*
 * ddl_session.h
 *		The settings under which a plan runs on the target.
 */
#ifndef DTS_DDL_SESSION_H
#define DTS_DDL_SESSION_H

#include "ddl_plan.h"

/*
 * SQL to run in front of the plan's, in the same transaction; *count commands.  The statement way
 * gets the source session's settings, the state way those that the capture wrote its texts under.
 * A setting that the target does not know is left alone.  Taking on the role is not part of it.
 */
const char **ddl_session_settings(Arena *arena, const DdlPlan *plan, int *count);

#endif /* DTS_DDL_SESSION_H */
