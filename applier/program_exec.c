/*
 * program_exec.c
 *		Which program of a name is meant; see program_exec.h.
 */
#include "program_exec.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
program_exec(const char *const *argv)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (len > 0 && strchr(argv[0], '/') == NULL)
	{
		char beside[PATH_MAX * 2];

		self[len] = '\0';
		slash = strrchr(self, '/');
		if (slash != NULL)
		{
			*slash = '\0';
			snprintf(beside, sizeof(beside), "%s/%s", self, argv[0]);
			execv(beside, (char *const *) argv);
		}
	}
	execvp(argv[0], (char *const *) argv);
}
