#include "agent/outcome_event.h"

#include "agent/base/hash.h"
#include "detectors/event_outcome.h"

static const uint64_t id_seed = 0x6c6162656c;

uint32_t outcome_wait_s(const struct model_config *config, const struct pane_times *times)
{
    int64_t wait_ms = config->label_delay_ms + times->horizon_ms + times->tiers_ms[0];
    return wait_ms / 1000 >= UINT32_MAX ? UINT32_MAX : (uint32_t)(wait_ms / 1000 + 1);
}

bool outcome_is_sampled(const struct model_config *config, uint64_t id_hash)
{
    /* Bits that the join's tables do not use for places. */
    return config->label_sample >= 1 || (double)(id_hash >> 11) * 0x1p-53 < config->label_sample;
}

uint64_t outcome_id_hash(const struct event *ev)
{
    return hash_text(ev->id, hash_text(ev->model, id_seed));
}

bool outcome_of_prediction(const struct event *ev, const struct model_config *config,
                           const struct pane_times *times, struct join_entry *out)
{
    struct outcome outcome;
    if (!event_prediction(ev, &config->options, &outcome))
        return false;
    *out = (struct join_entry){.ts_ms = ev->ts_ms,
                               .wait_s = outcome_wait_s(config, times),
                               .kind = outcome.kind,
                               .predicted = outcome.predicted,
                               .value = outcome.value};
    return true;
}

bool outcome_of_label(const struct event *ev, const struct model_config *config, double *out_value)
{
    return event_label(ev, &config->options, out_value);
}

bool outcome_may_pair(const struct join_entry *prediction, double label)
{
    return label_fits((enum outcome_kind)prediction->kind, label);
}
