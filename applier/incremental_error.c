/*
 * incremental_error.c
 *		What an error means for the phase; see incremental.h.  SQLSTATEs decide, never texts.
 */
#include <stddef.h>
#include <string.h>

#include "incremental.h"
#include "pg_session.h"

PhaseResult
incremental_classify(const Error *err, bool from_source)
{
	/* the server's words for a slot or WAL that is gone: the check at the next start decides */
	static const char *const look_again[] = {"58P01", "55000", "42704"};

	if (strcmp(err->sqlstate, ERR_FENCED) == 0)
		return PHASE_YIELDED;
	if (strcmp(err->sqlstate, ERR_LOST) == 0)
		return PHASE_LOST;
	if (sqlstate_is_transient(err->sqlstate) || strcmp(err->sqlstate, ERR_PROTOCOL) == 0)
		return PHASE_TRANSIENT;
	for (size_t i = 0; from_source && i < sizeof(look_again) / sizeof(look_again[0]); i++)
	{
		if (strcmp(err->sqlstate, look_again[i]) == 0)
			return PHASE_TRANSIENT;
	}
	return PHASE_TROUBLE;
}
