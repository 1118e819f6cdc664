#ifndef DRIFTD_BASE_CLOCK_H
#define DRIFTD_BASE_CLOCK_H
/* Wall and monotonic time behind one struct, so that tests bring their own. Milliseconds since the Unix epoch
 * / since some start. */
#include <stdint.h>

struct clock {
    int64_t (*wall_ms)(const struct clock *clock);
    int64_t (*monotonic_ms)(const struct clock *clock);
    void *context;
};

extern const struct clock clock_system;

#endif
