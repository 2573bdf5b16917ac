/*
 * arena.c
 *		Block allocator with reset; see arena.h.
 */
#include "arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN    16
#define ARENA_ROUND(n) (((n) + ARENA_ALIGN - 1) & ~(size_t) (ARENA_ALIGN - 1))

typedef struct ArenaBlock
{
	struct ArenaBlock *next; /* older block */
	size_t size;             /* of the data behind this header */
	size_t used;
	size_t pad; /* keeps the data aligned */
} ArenaBlock;

struct Arena
{
	ArenaBlock *top;
	size_t block_size;
	size_t handed_out;
};

static void
out_of_memory(size_t size)
{
	fprintf(stderr, "dts_applier: out of memory, request for %zu bytes\n", size);
	_Exit(70);
}

void *
xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (p == NULL)
		out_of_memory(size);
	return p;
}

void *
xcalloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);

	if (p == NULL)
		out_of_memory(size);
	return p;
}

void *
xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (p == NULL)
		out_of_memory(size);
	return p;
}

char *
xstrdup(const char *text)
{
	size_t len = strlen(text) + 1;

	return memcpy(xmalloc(len), text, len);
}

static ArenaBlock *
block_create(size_t size, ArenaBlock *next)
{
	ArenaBlock *block = xmalloc(sizeof(ArenaBlock) + size);

	block->next = next;
	block->size = size;
	block->used = 0;
	return block;
}

Arena *
arena_create(size_t block_size)
{
	Arena *arena = xmalloc(sizeof(Arena));

	arena->block_size = ARENA_ROUND(block_size);
	arena->handed_out = 0;
	arena->top = block_create(arena->block_size, NULL);
	return arena;
}

void *
arena_alloc(Arena *arena, size_t size)
{
	ArenaBlock *block = arena->top;
	size_t need = ARENA_ROUND(size ? size : 1);
	void *p;

	if (need > block->size - block->used)
	{
		size_t want = need > arena->block_size ? need : arena->block_size;

		block = arena->top = block_create(want, block);
	}
	p = (char *) (block + 1) + block->used;
	block->used += need;
	arena->handed_out += need;
	return p;
}

void *
arena_zalloc(Arena *arena, size_t size)
{
	return memset(arena_alloc(arena, size), 0, size);
}

char *
arena_strndup(Arena *arena, const char *bytes, size_t len)
{
	char *p = arena_alloc(arena, len + 1);

	memcpy(p, bytes, len);
	p[len] = '\0';
	return p;
}

char *
arena_strdup(Arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

char *
arena_printf(Arena *arena, const char *format, ...)
{
	va_list args;
	int len;
	char *p;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	p = arena_alloc(arena, (size_t) len + 1);
	va_start(args, format);
	vsnprintf(p, (size_t) len + 1, format, args);
	va_end(args);
	return p;
}

size_t
arena_used(const Arena *arena)
{
	return arena->handed_out;
}

void
arena_reset(Arena *arena)
{
	while (arena->top->next != NULL)
	{
		ArenaBlock *older = arena->top->next;

		free(arena->top);
		arena->top = older;
	}
	arena->top->used = 0;
	arena->handed_out = 0;
}

void
arena_destroy(Arena *arena)
{
	if (arena == NULL)
		return;
	arena_reset(arena);
	free(arena->top);
	free(arena);
}
