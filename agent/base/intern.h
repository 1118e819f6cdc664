#ifndef DRIFTD_BASE_INTERN_H
#define DRIFTD_BASE_INTERN_H
/*
 * Strings to small ids 0, 1, 2 … in order of first appearance; ids and the texts they stand for live as long
 * as the table. Bounded: when `max` strings are in, new ones are refused. Open addressing, load ≤ 1/2. One
 * thread.
 */
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/text.h"

#define INTERN_NONE UINT32_MAX

struct intern;

struct intern *intern_new(uint32_t max);
void intern_free(struct intern *intern);
/* The id of `text`, giving it one if it is new; INTERN_NONE when full or out of memory. O(1). */
uint32_t intern_add(struct intern *intern, struct text text);
/* The id of `text`, or INTERN_NONE. */
uint32_t intern_find(const struct intern *intern, struct text text);
/* As above with hash_text(text, 0) known to the caller. */
uint32_t intern_find_hashed(const struct intern *intern, struct text text, uint64_t hash);
/* The text of an id that this table gave out; NUL-terminated behind its length. */
struct text intern_text(const struct intern *intern, uint32_t id);
uint32_t intern_count(const struct intern *intern);

#endif
