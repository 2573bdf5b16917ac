/*
 * dump_program.c
 *		Which pg_dump and pg_restore to run; see dump_program.h.
 *
 * Where PATH has none that is new enough, the folders are looked through in which distributions keep
 * the versions side by side.
 */
#include "dump_program.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program_exec.h"

#define VERSION_MAX 18 /* the newest whose archives are known */

/* Where major versions stand: folder, and what follows the version. */
static const struct
{
	const char *folder;
	const char *prefix; /* before the version in the name */
	const char *below;  /* between it and the program */
} roots[] = {
    {"/usr/lib/postgresql", "", "bin"},
    {"/usr", "pgsql-", "bin"},
    {"/usr/local", "pgsql-", "bin"},
    {"/opt/homebrew/opt", "postgresql@", "bin"},
};

/* Major version of the pg_dump at this path, or 0. */
static int
version_of(const char *path)
{
	const char *const argv[] = {path, "--version", NULL};
	char output[256];
	const char *at;
	ssize_t len;
	int fds[2];
	int status;
	pid_t pid;

	if (pipe(fds) != 0)
		return 0;
	pid = fork();
	if (pid == 0)
	{
		if (dup2(fds[1], STDOUT_FILENO) >= 0)
			program_exec(argv);
		_exit(127);
	}
	close(fds[1]);
	len = pid > 0 ? read(fds[0], output, sizeof(output) - 1) : 0;
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (len <= 0)
		return 0;
	output[len] = '\0';
	/* pg_dump (PostgreSQL) 15.20 (...) */
	at = strstr(output, "(PostgreSQL) ");
	return at == NULL ? 0 : atoi(at + 13);
}

/* Looks through one folder for a version of at least `major` that is older than the best so far. */
static void
look_through(DumpProgram *best, size_t root, int major)
{
	size_t skip = strlen(roots[root].prefix);
	DIR *folder = opendir(roots[root].folder);
	struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL)
	{
		char path[DUMP_PATH_SIZE];
		int version;

		if (strncmp(entry->d_name, roots[root].prefix, skip) != 0)
			continue;
		version = atoi(entry->d_name + skip);
		if (version < major || version > VERSION_MAX ||
		    (best->version != 0 && version >= best->version))
			continue;
		snprintf(path, sizeof(path), "%s/%.100s/%s/pg_dump", roots[root].folder, entry->d_name,
		         roots[root].below);
		if (access(path, X_OK) != 0 || version_of(path) != version)
			continue;
		best->version = version;
		snprintf(best->dump, sizeof(best->dump), "%s", path);
		snprintf(best->restore, sizeof(best->restore), "%s/%.100s/%s/pg_restore",
		         roots[root].folder, entry->d_name, roots[root].below);
	}
	if (folder != NULL)
		closedir(folder);
}

bool
dump_program_find(DumpProgram *program, int major, Error *err)
{
	int on_path = version_of("pg_dump");

	memset(program, 0, sizeof(*program));
	if (on_path >= major && on_path <= VERSION_MAX)
	{
		program->version = on_path;
		snprintf(program->dump, sizeof(program->dump), "pg_dump");
		snprintf(program->restore, sizeof(program->restore), "pg_restore");
		return true;
	}
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		look_through(program, i, major);
	if (program->version != 0)
		return true;
	error_set(err, ERR_CHILD, "no pg_dump of PostgreSQL %d or newer is on the daemon's host",
	          major);
	if (on_path > 0)
		error_detail(err, "The one on PATH is of version %d.", on_path);
	error_hint(err, "Install package postgresql-client-%d, or put a newer pg_dump on PATH.", major);
	return false;
}
