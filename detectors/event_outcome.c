#include "detectors/event_outcome.h"

#include <math.h>

int class_of_value(const struct value *value, const char *positive)
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

static enum outcome_kind kind_of(const struct event *event, const struct model_options *options)
{
    if (options->task == TASK_BINARY)
        return OUTCOME_BINARY;
    if (options->task == TASK_REGRESSION)
        return OUTCOME_REGRESSION;
    bool number_alone = event->score.type != VALUE_NUMBER && event->prediction.type == VALUE_NUMBER;
    return number_alone && !options->positive ? OUTCOME_REGRESSION : OUTCOME_BINARY;
}

bool event_prediction(const struct event *event, const struct model_options *options, struct outcome *out)
{
    if (event->kind != EVENT_PREDICTION || options->task == TASK_NONE)
        return false;
    *out = (struct outcome){.kind = (uint8_t)kind_of(event, options)};
    if (out->kind == OUTCOME_REGRESSION) {
        out->value = event->prediction.number;
        return event->prediction.type == VALUE_NUMBER && isfinite(out->value);
    }
    bool scored = event->score.type == VALUE_NUMBER && isfinite(event->score.number);
    int predicted = class_of_value(&event->prediction, options->positive);
    if (predicted < 0 && scored)
        predicted = event->score.number >= options->threshold;
    out->value = scored ? event->score.number : (double)NAN;
    out->predicted = predicted > 0;
    return predicted >= 0;
}

bool event_label(const struct event *event, const struct model_options *options, double *out_truth)
{
    if (options->task == TASK_NONE)
        return false;
    bool number = event->label.type == VALUE_NUMBER && isfinite(event->label.number);
    if (options->task == TASK_REGRESSION || (options->task == TASK_AUTO && number && !options->positive)) {
        *out_truth = event->label.number;
        return number;
    }
    int class = class_of_value(&event->label, options->positive);
    *out_truth = class;
    return class >= 0;
}

bool label_fits(enum outcome_kind kind, double truth)
{
    bool is_class = !(truth < 0) && !(truth > 1) && !(truth > 0 && truth < 1);
    return kind != OUTCOME_BINARY || is_class;
}
