#ifndef DRIFTD_BASE_PAGES_H
#define DRIFTD_BASE_PAGES_H
/*
 * Memory of tables that are read here and there: large ones in huge pages where the system has them, because
 * an access to a table of many small pages waits for the page's address longer than for its bytes. Small ones
 * come from malloc.
 */
#include <stdbool.h>
#include <stddef.h>

#include "agent/base/compiler.h"

/* All zero; NULL when out of memory. The owner remembers how many bytes there are. */
void *pages_new(size_t bytes) MUST_USE;
/* More bytes (more than before), the further ones zero; large memory is moved, not copied. NULL: out of
 * memory, and the old memory is still there. `memory` may be NULL with 0 bytes. */
void *pages_grow(void *memory, size_t old_bytes, size_t bytes) MUST_USE;
void pages_free(void *memory, size_t bytes);

#endif
