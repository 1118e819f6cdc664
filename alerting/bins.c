#include "alerting/bins.h"

#include <math.h>
#include <string.h>

#include <cjson/cJSON.h>

/* The share that stands for an empty bin in the PSI term of missing and invalid. */
static const double SHARE_FLOOR = 1e-4;

static double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) && isfinite(item->valuedouble) ? item->valuedouble : NAN;
}

static double contribution(double share, double reference_share, double psi_term)
{
    if (!isnan(psi_term))
        return psi_term;
    double p = fmax(share, SHARE_FLOOR), q = fmax(reference_share, SHARE_FLOOR);
    return (p - q) * log(p / q);
}

static void insert(struct bin_moves *moves, struct bin_move move)
{
    uint32_t at = moves->count < BINS_SHOWN ? moves->count++ : BINS_SHOWN;
    if (at == BINS_SHOWN) {
        if (move.contribution <= moves->moves[BINS_SHOWN - 1].contribution)
            return;
        at = BINS_SHOWN - 1;
    }
    while (at > 0 && moves->moves[at - 1].contribution < move.contribution) {
        moves->moves[at] = moves->moves[at - 1];
        at--;
    }
    moves->moves[at] = move;
}

const struct bin_moves *bins_read(struct arena *arena, const char *json, size_t len)
{
    cJSON *array = cJSON_ParseWithLength(json, len);
    struct bin_moves *moves = cJSON_IsArray(array) ? arena_zalloc(arena, sizeof(*moves)) : NULL;
    for (const cJSON *item = moves ? array->child : NULL; item; item = item->next) {
        const char *label = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "bin"));
        double share = number(item, "share"), reference_share = number(item, "reference_share");
        if (!label || isnan(share) || isnan(reference_share))
            continue;
        moves->total++;
        insert(moves, (struct bin_move){label, reference_share, share,
                                        contribution(share, reference_share, number(item, "psi_term"))});
    }
    for (uint32_t i = 0; moves && i < moves->count; i++) {
        moves->moves[i].label = arena_strdup(arena, moves->moves[i].label);
        if (!moves->moves[i].label)
            moves = NULL;
    }
    cJSON_Delete(array);
    return moves && moves->count ? moves : NULL;
}
