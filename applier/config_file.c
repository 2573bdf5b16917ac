/*
 * config_file.c
 *		The file of option --control-file; see config_file.h.
 */
#include "config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *
config_file_read(const char *path, Error *err)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (file == NULL)
	{
		error_set(err, ERR_CONFIG, "could not open control file \"%s\"", path);
		error_detail(err, "%s.", strerror(errno));
		return NULL;
	}
	while ((len = getline(&line, &size, file)) >= 0)
	{
		while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL)
			line[--len] = '\0';
		if (len > 0 && line[0] != '#')
		{
			fclose(file);
			return line;
		}
	}
	fclose(file);
	free(line);
	error_set(err, ERR_CONFIG, "control file \"%s\" holds no connection string", path);
	return NULL;
}
