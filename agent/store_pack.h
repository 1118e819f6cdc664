#ifndef DRIFTD_AGENT_STORE_PACK_H
#define DRIFTD_AGENT_STORE_PACK_H
/* The form of panes on disk, for those who read them without the store's thread. */
#include <stddef.h>

#include "agent/base/arena.h"
#include "agent/base/compiler.h"

/* Never trusts what it reads: ERR_CORRUPT. The result lives in the arena. */
int store_unpack(const void *packed, size_t packed_len, struct arena *arena, const void **out,
                 size_t *out_len) MUST_USE;

#endif
