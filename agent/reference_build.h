#ifndef DRIFTD_AGENT_REFERENCE_BUILD_H
#define DRIFTD_AGENT_REFERENCE_BUILD_H
/* A reference from files: reads them as a replay would, keeps nothing. Used by `driftd reference build` and
 * the demo. */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "collectors/mapping.h"
#include "detectors/reference.h"

struct reference_build {
    const char *const *files;
    uint32_t file_count;
    const char *name, *model, *version; /* NULL: see `driftd reference --help` */
    const struct mapping_spec *mapping; /* NULL: canonical events, or the columns below */
    bool csv;                           /* the files are CSV, whatever the mapping says */
    const char *time_column, *score_column, *prediction_column, *label_column, *id_column; /* NULL: none */
    const char *const *categorical, *const *numeric, *const *exclude; /* NULL-terminated or NULL */
    const char *const *cardinality;                                   /* names, NULL-terminated; NULL: none */
    uint32_t sample_max;                                              /* 0: 1,000,000 */
    const struct cross_spec *crosses; /* combinations of groups to count too; NULL: none */
    uint32_t cross_count;
    const struct facet_spec *facets; /* those with strata combine too; NULL: none */
    uint32_t facet_count;
    bool multivariate; /* learns what comparing features together and embeddings needs */
};

struct reference_build_counts {
    uint64_t events, rejected;
};

/* ERR_INVALID with the first reason when no event was usable. */
int reference_build(const struct reference_build *build, struct reference **out,
                    struct reference_build_counts *out_counts, struct err *err) MUST_USE;

#endif
