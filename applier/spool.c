/*
 * spool.c
 *		Memory and files for transactions in progress; see spool.h.
 *
 * A spool is a file, which holds the older messages, and a buffer in memory, which holds the newer
 * ones.  Both hold frames: a FrameHead and the message.  The checksum is seeded with the spool's
 * and the frame's number, so that a frame in another's place is found out too.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "arena.h"
#include "fault.h"

#define SPOOL_FIRST_SIZE ((size_t) 64 * 1024)
#define SPOOL_WINDOW     ((size_t) 256 * 1024) /* read at once */

typedef struct FrameHead
{
	uint32_t len;
	uint32_t reserved; /* 0 */
	uint64_t checksum;
} FrameHead;

struct SpoolSet
{
	char *dir;
	uint64_t memory_limit;
	uint64_t disk_limit;
	uint64_t memory;
	uint64_t disk;
	uint32_t spools_made;
	Spool *first;
};

struct Spool
{
	SpoolSet *set;
	Spool *next;
	Spool *previous;
	uint32_t id;
	uint32_t frames; /* written */

	char *buffer;
	size_t used;
	size_t size;

	int fd; /* -1: all in memory */
	uint64_t file_len;

	/* reading */
	uint32_t frames_read;
	uint64_t file_at; /* behind the window */
	char *window;
	size_t window_size;
	size_t window_start; /* of what is not yet handed out */
	size_t window_end;
	size_t buffer_at;
};

SpoolSet *
spool_set_create(const char *dir, uint64_t memory_limit, uint64_t disk_limit)
{
	SpoolSet *set = xcalloc(1, sizeof(*set));

	set->dir = xstrdup(dir);
	set->memory_limit = memory_limit;
	set->disk_limit = disk_limit;
	return set;
}

void
spool_set_destroy(SpoolSet *set)
{
	if (set == NULL)
		return;
	while (set->first != NULL)
		spool_destroy(set->first);
	free(set->dir);
	free(set);
}

uint64_t
spool_set_memory(const SpoolSet *set)
{
	return set->memory;
}

uint64_t
spool_set_disk(const SpoolSet *set)
{
	return set->disk;
}

Spool *
spool_create(SpoolSet *set)
{
	Spool *spool = xcalloc(1, sizeof(*spool));

	spool->set = set;
	spool->fd = -1;
	spool->id = ++set->spools_made;
	spool->next = set->first;
	if (set->first != NULL)
		set->first->previous = spool;
	set->first = spool;
	return spool;
}

static void
drop_buffer(Spool *spool)
{
	spool->set->memory -= spool->used;
	free(spool->buffer);
	spool->buffer = NULL;
	spool->used = spool->size = 0;
}

void
spool_destroy(Spool *spool)
{
	if (spool == NULL)
		return;
	drop_buffer(spool);
	if (spool->fd >= 0)
		close(spool->fd);
	spool->set->disk -= spool->file_len;
	if (spool->previous != NULL)
		spool->previous->next = spool->next;
	else
		spool->set->first = spool->next;
	if (spool->next != NULL)
		spool->next->previous = spool->previous;
	free(spool->window);
	free(spool);
}

static bool
file_error(const Spool *spool, Error *err, const char *doing)
{
	error_set(err, ERR_DISK, "could not %s the spool of a transaction in progress: %s", doing,
	          strerror(errno));
	error_detail(err, "The spool is a file without a name in folder \"%s\".", spool->set->dir);
	error_hint(err, "Free space on that disk or turn the job's option \"streaming\" off.");
	return false;
}

static bool
open_file(Spool *spool, Error *err)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/spool.XXXXXX", spool->set->dir) >= (int) sizeof(path))
	{
		errno = ENAMETOOLONG;
		return file_error(spool, err, "create");
	}
	spool->fd = mkostemp(path, O_CLOEXEC);
	if (spool->fd < 0 || unlink(path) != 0)
		return file_error(spool, err, "create");
	return true;
}

/* Moves the buffer into the file. */
static bool
flush(Spool *spool, Error *err)
{
	SpoolSet *set = spool->set;
	size_t done = 0;

	if (spool->used > set->disk_limit || set->disk > set->disk_limit - spool->used)
	{
		error_set(err, ERR_DISK, "transactions in progress on the source outgrew the spool");
		error_detail(err, "The limit is %llu bytes, %llu are in use.",
		             (unsigned long long) set->disk_limit, (unsigned long long) set->disk);
		error_hint(err, "End the long transactions on the source, or turn the job's option "
		                "\"streaming\" off.");
		return false;
	}
	if (spool->fd < 0 && !open_file(spool, err))
		return false;
	while (done < spool->used)
	{
		ssize_t n = pwrite(spool->fd, spool->buffer + done, spool->used - done,
		                   (off_t) (spool->file_len + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			if (n == 0)
				errno = ENOSPC;
			return file_error(spool, err, "write");
		}
		done += (size_t) n;
	}
	spool->file_len += spool->used;
	set->disk += spool->used;
	drop_buffer(spool);
	FAULT_POINT("spool.written");
	return true;
}

/* Brings the set under its memory limit. */
static bool
make_room(SpoolSet *set, Error *err)
{
	while (set->memory > set->memory_limit)
	{
		Spool *largest = set->first;

		for (Spool *s = set->first; s != NULL; s = s->next)
		{
			if (s->used > largest->used)
				largest = s;
		}
		if (!flush(largest, err))
			return false;
	}
	return true;
}

static uint64_t
frame_checksum(const Spool *spool, uint32_t frame, const void *bytes, size_t len)
{
	return XXH3_64bits_withSeed(bytes, len, (uint64_t) spool->id << 32 | frame);
}

bool
spool_append(Spool *spool, const void *bytes, size_t len, Error *err)
{
	FrameHead head = {.len = (uint32_t) len};
	size_t need = spool->used + sizeof(head) + len;

	head.checksum = frame_checksum(spool, spool->frames, bytes, len);
	if (need > spool->size)
	{
		spool->size = 2 * need > SPOOL_FIRST_SIZE ? 2 * need : SPOOL_FIRST_SIZE;
		spool->buffer = xrealloc(spool->buffer, spool->size);
	}
	memcpy(spool->buffer + spool->used, &head, sizeof(head));
	memcpy(spool->buffer + spool->used + sizeof(head), bytes, len);
	spool->set->memory += need - spool->used;
	spool->used = need;
	spool->frames++;
	return make_room(spool->set, err);
}

static bool
damaged(const Spool *spool, Error *err, const char *what)
{
	error_set(err, ERR_DISK, "the spool of a transaction in progress was damaged");
	error_detail(err, "%s in message %u of %u, in a file without a name in folder \"%s\".", what,
	             spool->frames_read + 1, spool->frames, spool->set->dir);
	error_hint(err, "Nothing of the transaction was committed on the target, and it will be read "
	                "again from the source; if this comes back, check that disk and the memory.");
	return false;
}

/* Makes sure that the window holds the next len bytes of the file. */
static bool
fill_window(Spool *spool, size_t len, Error *err)
{
	size_t have = spool->window_end - spool->window_start;

	if (have >= len)
		return true;
	if (len - have > spool->file_len - spool->file_at)
		return damaged(spool, err, "Wrong length");
	if (spool->window_size < len || spool->window == NULL)
	{
		spool->window_size = len > SPOOL_WINDOW ? len : SPOOL_WINDOW;
		spool->window = xrealloc(spool->window, spool->window_size);
	}
	if (have > 0)
		memmove(spool->window, spool->window + spool->window_start, have);
	spool->window_start = 0;
	spool->window_end = have;
	while (spool->window_end < len)
	{
		uint64_t left = spool->file_len - spool->file_at;
		size_t room = spool->window_size - spool->window_end;
		ssize_t n = pread(spool->fd, spool->window + spool->window_end, room < left ? room : left,
		                  (off_t) spool->file_at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_error(spool, err, "read");
		if (n == 0)
			return damaged(spool, err, "Unexpected end of file");
		spool->window_end += (size_t) n;
		spool->file_at += (uint64_t) n;
	}
	return true;
}

static bool
check_frame(Spool *spool, const FrameHead *head, const char *body, Error *err)
{
	if (head->reserved != 0 ||
	    head->checksum != frame_checksum(spool, spool->frames_read, body, head->len))
		return damaged(spool, err, "Wrong checksum");
	spool->frames_read++;
	return true;
}

bool
spool_next(Spool *spool, const void **bytes, size_t *len, Error *err)
{
	const char *at;
	FrameHead head;

	*bytes = NULL;
	*len = 0;
	if (spool->window_end - spool->window_start > 0 || spool->file_at < spool->file_len)
	{
		if (!fill_window(spool, sizeof(head), err))
			return false;
		memcpy(&head, spool->window + spool->window_start, sizeof(head));
		if (!fill_window(spool, sizeof(head) + head.len, err))
			return false;
		at = spool->window + spool->window_start + sizeof(head);
		spool->window_start += sizeof(head) + head.len;
	}
	else if (spool->buffer_at < spool->used)
	{
		memcpy(&head, spool->buffer + spool->buffer_at, sizeof(head));
		at = spool->buffer + spool->buffer_at + sizeof(head);
		spool->buffer_at += sizeof(head) + head.len;
	}
	else
		return true; /* the end */
	if (!check_frame(spool, &head, at, err))
		return false;
	*bytes = at;
	*len = head.len;
	return true;
}
