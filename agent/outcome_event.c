#include "agent/outcome_event.h"

#include <math.h>

#include "agent/base/hash.h"
#include "detectors/event_outcome.h"

static const uint64_t id_seed = 0x6c6162656c;

uint32_t outcome_wait_s(const struct model_config *config, const struct pane_times *times)
{
    int64_t wait_ms = config->label_delay_ms + times->horizon_ms + times->tiers_ms[0];
    return wait_ms / 1000 >= UINT32_MAX ? UINT32_MAX : (uint32_t)(wait_ms / 1000 + 1);
}

uint32_t outcome_label_wait_s(const struct model_config *config, const struct pane_times *times)
{
    uint64_t wait_s = (uint64_t)outcome_wait_s(config, times) + (uint64_t)times->horizon_ms / 1000 + 1;
    return wait_s < UINT32_MAX ? (uint32_t)wait_s : UINT32_MAX;
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
                           const struct pane_times *times, struct join_entry *out, struct text *out_class)
{
    struct outcome outcome;
    double score;
    *out_class = (struct text){NULL, 0};
    if (!event_prediction(ev, &config->options, &outcome))
        return false;
    *out = (struct join_entry){.ts_ms = ev->ts_ms,
                               .wait_s = outcome_wait_s(config, times),
                               .kind = outcome.kind,
                               .predicted = outcome.predicted,
                               .value = outcome.value};
    return outcome.kind != OUTCOME_MULTICLASS || event_class(ev, out_class, &score);
}

/* A double that is no class of two, the same for the same text. */
static double value_of_name(struct text name)
{
    return 2.0 + (double)(hash_text(name, id_seed) >> 12);
}

/* Numbers that are names of classes are small and whole: others would be targets of a regression. */
static bool may_be_class(const struct value *label)
{
    if (label->type != VALUE_NUMBER)
        return true;
    bool is_short = label->text.len >= 1 && label->text.len <= 3;
    for (uint32_t i = 0; is_short && i < label->text.len; i++)
        is_short = label->text.ptr[i] >= '0' && label->text.ptr[i] <= '9';
    return is_short;
}

bool outcome_of_label(const struct event *ev, const struct model_config *config, struct outcome_label *out)
{
    const struct value *label = &ev->label;
    *out = (struct outcome_label){.value = 0};
    if (config->options.task == TASK_NONE || label->type < VALUE_NUMBER || label->type > VALUE_BOOL)
        return false;
    bool number = label->type == VALUE_NUMBER && isfinite(label->number);
    bool is_auto = config->options.task == TASK_AUTO && !config->options.positive;
    if (config->options.task == TASK_MULTICLASS || (is_auto && may_be_class(label)))
        out->class = label->text;
    int class = class_of_value(label, config->options.positive);
    out->value = number ? label->number : class;
    if (config->options.task == TASK_REGRESSION || (is_auto && number))
        return number;
    if (config->options.task == TASK_MULTICLASS || (is_auto && class < 0)) {
        out->name_alone = true;
        out->value = value_of_name(label->text);
        return true;
    }
    out->value = class;
    return class >= 0;
}
