#include "detectors/dispersion.h"

#include <math.h>

struct dispersion_at dispersion_at(const struct dispersion *dispersion, int64_t length_ms)
{
    struct dispersion_at found = {1, 1};
    if (!dispersion || dispersion->levels == 0)
        return found;
    uint32_t level = 0, last = dispersion->levels - 1;
    while (level < last && ((int64_t)DISPERSION_UNIT_MS << level) < length_ms)
        level++;
    double beyond = fmax(1, (double)length_ms / (double)((int64_t)DISPERSION_UNIT_MS << level));
    found.pearson = fmax(1, dispersion->pearson[level] * beyond);
    found.all = fmax(found.pearson, dispersion->score[level] * beyond);
    return found;
}

void dispersion_join(struct dispersion *into, const struct dispersion *other)
{
    for (uint32_t level = 0; level < other->levels; level++) {
        bool both = level < into->levels;
        into->pearson[level] =
            both ? fmax(into->pearson[level], other->pearson[level]) : other->pearson[level];
        into->score[level] = both ? fmax(into->score[level], other->score[level]) : other->score[level];
        if (level == 0 || both)
            continue;
        into->pearson[level] = fmax(into->pearson[level], into->pearson[level - 1]);
        into->score[level] = fmax(into->score[level], into->score[level - 1]);
    }
    if (other->levels > into->levels)
        into->levels = other->levels;
}
