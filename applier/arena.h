/*
 * arena.h
 *		Memory by lifetime: allocate piecemeal, release all at once.
 *
 * An arena belongs to one lifetime (job, transaction, message).  arena_reset() keeps its first
 *block, so a steady state allocates nothing.  Allocation never returns NULL: out of memory ends the
 *process with a line on stderr, and the lease takes care of the rest.
 */
#ifndef DTS_ARENA_H
#define DTS_ARENA_H

#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_create(size_t block_size);
void *arena_alloc(Arena *arena, size_t size); /* aligned for any type, not zeroed */
void *arena_zalloc(Arena *arena, size_t size);
char *arena_strdup(Arena *arena, const char *text);
char *arena_strndup(Arena *arena, const char *bytes, size_t len); /* adds the NUL */
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t arena_used(const Arena *arena); /* bytes handed out since the last reset */
void arena_reset(Arena *arena);
void arena_destroy(Arena *arena); /* NULL is allowed */

/* malloc and realloc that do not return NULL, for what outlives every arena. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);

#endif /* DTS_ARENA_H */
