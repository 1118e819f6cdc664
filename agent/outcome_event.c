#include "agent/outcome_event.h"

#include <math.h>

#include "agent/base/hash.h"
#include "detectors/outcomes.h"

static const uint64_t id_seed = 0x6c6162656c;

int outcome_class(const struct value *value, const char *positive)
{
    bool scalar = value->type == VALUE_NUMBER || value->type == VALUE_BOOL || value->type == VALUE_STRING;
    if (!scalar)
        return -1;
    if (positive)
        return text_equal(value->text, text_of(positive));
    if (value->type != VALUE_STRING) /* the two numbers that are classes compare exactly */
        return value->number >= 1 && value->number <= 1   ? 1
               : value->number >= 0 && value->number <= 0 ? 0
                                                          : -1;
    if (text_equal(value->text, text_of("1")) || text_equal(value->text, text_of("true")))
        return 1;
    return text_equal(value->text, text_of("0")) || text_equal(value->text, text_of("false")) ? 0 : -1;
}

static enum outcome_kind kind_of(const struct event *ev, const struct model_config *config)
{
    if (config->task == TASK_BINARY)
        return OUTCOME_BINARY;
    if (config->task == TASK_REGRESSION)
        return OUTCOME_REGRESSION;
    bool number_alone = ev->score.type != VALUE_NUMBER && ev->prediction.type == VALUE_NUMBER;
    return number_alone && !config->options.positive ? OUTCOME_REGRESSION : OUTCOME_BINARY;
}

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
    if (config->task == TASK_NONE)
        return false;
    *out = (struct join_entry){
        .ts_ms = ev->ts_ms, .kind = (uint8_t)kind_of(ev, config), .wait_s = outcome_wait_s(config, times)};
    if (out->kind == OUTCOME_REGRESSION) {
        out->value = ev->prediction.number;
        return ev->prediction.type == VALUE_NUMBER && isfinite(out->value);
    }
    bool scored = ev->score.type == VALUE_NUMBER && isfinite(ev->score.number);
    int predicted = outcome_class(&ev->prediction, config->options.positive);
    if (predicted < 0 && scored)
        predicted = ev->score.number >= config->options.threshold;
    out->value = scored ? ev->score.number : (double)NAN;
    out->predicted = predicted > 0;
    return predicted >= 0;
}

bool outcome_of_label(const struct event *ev, const struct model_config *config, double *out_value)
{
    if (config->task == TASK_NONE)
        return false;
    bool number = ev->label.type == VALUE_NUMBER && isfinite(ev->label.number);
    if (config->task == TASK_REGRESSION ||
        (config->task == TASK_AUTO && number && !config->options.positive)) {
        *out_value = ev->label.number;
        return number;
    }
    int class = outcome_class(&ev->label, config->options.positive);
    *out_value = class;
    return class >= 0;
}

bool outcome_may_pair(const struct join_entry *prediction, double label)
{
    bool is_class = !(label < 0) && !(label > 1) && !(label > 0 && label < 1);
    return prediction->kind != OUTCOME_BINARY || is_class;
}
