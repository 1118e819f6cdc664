#ifndef DRIFTD_AGENT_COMMAND_COMPARE_H
#define DRIFTD_AGENT_COMMAND_COMPARE_H
/* The part of `driftd compare` that sets two versions side by side. Names are borrowed. */
#include <stdint.h>

#include "agent/cli_options.h"

struct versions_to_compare {
    const char *model, *first, *second;
    int64_t from_ms, to_ms; /* of the end of windows; INT64_MIN: any */
    enum output_format format;
};
/* A row per metric of the newest window of each length that both have labels in. Returns an exit status. */
int compare_versions(const char *command, const struct cli_source *source,
                     const struct versions_to_compare *wanted);

#endif
