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
        return !(value->number < 1) && !(value->number > 1)   ? 1
               : !(value->number < 0) && !(value->number > 0) ? 0
                                                              : -1;
    if (text_equal(value->text, text_of("1")) || text_equal(value->text, text_of("true")))
        return 1;
    return text_equal(value->text, text_of("0")) || text_equal(value->text, text_of("false")) ? 0 : -1;
}

static bool is_scalar(const struct value *value)
{
    return value->type == VALUE_NUMBER || value->type == VALUE_BOOL || value->type == VALUE_STRING;
}

/* Without being told: scores of several classes, or a text that is neither of the two classes. */
static bool looks_multiclass(const struct event *ev)
{
    if (ev->scores.count > 0)
        return ev->score.type != VALUE_NUMBER;
    return ev->prediction.type == VALUE_STRING && outcome_class(&ev->prediction, NULL) < 0;
}

static enum outcome_kind kind_of(const struct event *ev, const struct model_config *config)
{
    if (config->task == TASK_BINARY)
        return OUTCOME_BINARY;
    if (config->task == TASK_REGRESSION)
        return OUTCOME_REGRESSION;
    if (config->task == TASK_MULTICLASS || (!config->options.positive && looks_multiclass(ev)))
        return OUTCOME_MULTICLASS;
    bool number_alone = ev->score.type != VALUE_NUMBER && ev->prediction.type == VALUE_NUMBER;
    return number_alone && !config->options.positive ? OUTCOME_REGRESSION : OUTCOME_BINARY;
}

/* The class that is predicted, or that with the highest score (the first by name among equals), and its
 * score. */
static bool take_class(const struct event *ev, struct text *out_class, double *out_score)
{
    *out_class = is_scalar(&ev->prediction) ? ev->prediction.text : (struct text){NULL, 0};
    *out_score = ev->score.type == VALUE_NUMBER ? ev->score.number : (double)NAN;
    for (uint32_t i = 0; i < ev->scores.count; i++) {
        const struct field *field = &ev->scores.items[i];
        if (field->value.type != VALUE_NUMBER)
            continue;
        double score = field->value.number;
        if (is_scalar(&ev->prediction)) {
            if (text_equal(field->name, *out_class))
                *out_score = score;
            continue;
        }
        bool is_tie = !(score < *out_score) && !(score > *out_score);
        if (out_class->ptr && (is_tie ? text_compare(field->name, *out_class) >= 0 : score < *out_score))
            continue;
        *out_class = field->name;
        *out_score = score;
    }
    return out_class->ptr != NULL;
}

uint32_t outcome_wait_s(const struct model_config *config, const struct pane_times *times)
{
    int64_t wait_ms = config->label_delay_ms + times->horizon_ms + times->tiers_ms[0];
    return wait_ms / 1000 >= UINT32_MAX ? UINT32_MAX : (uint32_t)(wait_ms / 1000 + 1);
}

uint64_t outcome_id_hash(const struct event *ev)
{
    return hash_text(ev->id, hash_text(ev->model, id_seed));
}

bool outcome_of_prediction(const struct event *ev, const struct model_config *config,
                           const struct pane_times *times, struct join_entry *out, struct text *out_class)
{
    *out_class = (struct text){NULL, 0};
    if (config->task == TASK_NONE)
        return false;
    *out = (struct join_entry){
        .ts_ms = ev->ts_ms, .kind = (uint8_t)kind_of(ev, config), .wait_s = outcome_wait_s(config, times)};
    if (out->kind == OUTCOME_MULTICLASS)
        return take_class(ev, out_class, &out->value);
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
    *out = (struct outcome_label){.kind = OUTCOME_BINARY};
    if (config->task == TASK_NONE || !is_scalar(label))
        return false;
    bool number = label->type == VALUE_NUMBER && isfinite(label->number);
    bool is_auto = config->task == TASK_AUTO && !config->options.positive;
    if (config->task == TASK_MULTICLASS || (is_auto && may_be_class(label)))
        out->class = label->text;
    int class = outcome_class(label, config->options.positive);
    out->value = number ? label->number : class;
    if (config->task == TASK_REGRESSION || (is_auto && number))
        return number;
    if (config->task == TASK_MULTICLASS || (is_auto && class < 0)) {
        out->kind = OUTCOME_MULTICLASS;
        out->value = value_of_name(label->text);
        return true;
    }
    out->value = class;
    return class >= 0;
}
