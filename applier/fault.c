/*
 * fault.c
 *		Fault points for tests; see fault.h.
 */
#include "fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAULT_MAX 16

typedef struct FaultPoint
{
	char name[64];
	char action[8];
	int nth;
	int passed;
} FaultPoint;

bool fault_armed;
static FaultPoint points[FAULT_MAX];
static int point_count;

void
fault_init(void)
{
	const char *spec = getenv("DTS_FAULT");
	char *copy, *item, *rest;

	if (spec == NULL || spec[0] == '\0')
		return;
	copy = rest = strdup(spec);
	while (copy != NULL && (item = strsep(&rest, ",")) != NULL && point_count < FAULT_MAX)
	{
		FaultPoint *p = &points[point_count];

		p->nth = 1;
		if (sscanf(item, "%63[^=]=%7[a-z]:%d", p->name, p->action, &p->nth) >= 2)
			point_count++;
		else
			fprintf(stderr, "dts_applier: fault \"%s\" is not name=action[:n]\n", item);
	}
	free(copy);
	fault_armed = point_count > 0;
}

/* True when this process is the first ever to reach the point. */
static bool
claim(const char *name)
{
	const char *dir = getenv("DTS_FAULT_DIR");
	char path[512];
	int fd;

	if (dir == NULL)
		return true;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd < 0)
		return false;
	dprintf(fd, "%d\n", (int) getpid());
	close(fd);
	return true;
}

void
fault_hit(const char *name)
{
	for (int i = 0; i < point_count; i++)
	{
		FaultPoint *p = &points[i];

		if (strcmp(p->name, name) != 0 || ++p->passed != p->nth || !claim(name))
			continue;
		fprintf(stderr, "dts_applier: fault point %s: %s\n", name, p->action);
		if (strcmp(p->action, "kill") == 0)
			kill(getpid(), SIGKILL);
		else if (strcmp(p->action, "stop") == 0)
			kill(getpid(), SIGSTOP);
		else if (strcmp(p->action, "sleep") == 0)
			sleep(10);
		else
			_exit(1);
	}
}
