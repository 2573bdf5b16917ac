/*
 * golden.c
 *		Reading of golden vectors; see golden.h.
 */
#include "golden.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

static void __attribute__((noreturn)) complain(const char *path, const char *line)
{
	fprintf(stderr, "%s: can not read line: %s\n", path, line);
	exit(1);
}

static void
add_hex(GoldenMessage *m, const char *path, const char *line)
{
	for (const char *p = line + 1; *p != '\0'; p++)
	{
		char pair[3] = {p[0], p[1], '\0'};

		if (isspace((unsigned char) *p))
			continue;
		if (!isxdigit((unsigned char) p[0]) || !isxdigit((unsigned char) p[1]))
			complain(path, line);
		m->bytes = xrealloc(m->bytes, m->len + 1);
		m->bytes[m->len++] = (uint8_t) strtoul(pair, NULL, 16);
		p++;
	}
}

static void
add_reading(GoldenMessage *m, const char *text)
{
	m->readings = xrealloc(m->readings, sizeof(char *) * (size_t) (m->reading_count + 1));
	m->readings[m->reading_count++] = xstrdup(text);
}

static void
load_file(Golden *g, const char *path)
{
	FILE *file = fopen(path, "r");
	const char *slash = strrchr(path, '/');
	char line[16384];

	memset(g, 0, sizeof(*g));
	g->name = xstrdup(slash ? slash + 1 : path);
	*strrchr(g->name, '.') = '\0';
	if (file == NULL)
		complain(path, "");
	while (fgets(line, sizeof(line), file) != NULL)
	{
		GoldenMessage *m = g->count > 0 ? &g->messages[g->count - 1] : NULL;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (line[0] == '>')
		{
			g->messages = xrealloc(g->messages, sizeof(*m) * (size_t) (g->count + 1));
			m = &g->messages[g->count++];
			memset(m, 0, sizeof(*m));
			add_hex(m, path, line);
		}
		else if (m == NULL)
			complain(path, line);
		else if (line[0] == '+')
			add_hex(m, path, line);
		else if (line[0] == '=')
			add_reading(m, line + 2);
		else if (line[0] == '!')
			m->refused = true;
		else
			complain(path, line);
	}
	fclose(file);
}

Golden *
golden_load(const char *prefix, int *count)
{
	char pattern[4096];
	Golden *vectors;
	glob_t paths;

	snprintf(pattern, sizeof(pattern), "%s/%s*.vec", TEST_GOLDEN_DIR, prefix);
	if (glob(pattern, 0, NULL, &paths) != 0)
		complain(pattern, "(no vectors)");
	*count = (int) paths.gl_pathc;
	vectors = xcalloc(paths.gl_pathc, sizeof(Golden));
	for (size_t i = 0; i < paths.gl_pathc; i++)
		load_file(&vectors[i], paths.gl_pathv[i]);
	globfree(&paths);
	return vectors;
}

void
golden_free(Golden *vectors, int count)
{
	for (int i = 0; i < count; i++)
	{
		for (int k = 0; k < vectors[i].count; k++)
		{
			GoldenMessage *m = &vectors[i].messages[k];

			for (int n = 0; n < m->reading_count; n++)
				free(m->readings[n]);
			free(m->readings);
			free(m->bytes);
		}
		free(vectors[i].messages);
		free(vectors[i].name);
	}
	free(vectors);
}
