#ifndef DRIFTD_BASE_ARENA_H
#define DRIFTD_BASE_ARENA_H
/*
 * A bump allocator: many small things with one lifetime. Grows in blocks up to a maximum; what it hands out
 * is aligned to 16 bytes, uninitialised, and valid until arena_reset or arena_free.
 */
#include <stddef.h>

#include "agent/base/compiler.h"
#include "agent/base/text.h"

struct arena;

/* `max_bytes` bounds the sum of its blocks (0: 1 GiB). NULL when out of memory. */
struct arena *arena_new(size_t block_bytes, size_t max_bytes);
void arena_free(struct arena *arena);
/* Forgets everything, keeps the first block. */
void arena_reset(struct arena *arena);
/* NULL when the maximum is met or memory is out. `size` 0 gives a unique pointer. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);
/* A NUL-terminated copy. */
char *arena_strdup(struct arena *arena, const char *string);
char *arena_text(struct arena *arena, struct text text);
size_t arena_bytes(const struct arena *arena);

#endif
