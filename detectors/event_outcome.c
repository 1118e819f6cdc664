#include "detectors/event_outcome.h"

#include <math.h>

static bool is_scalar(const struct value *value)
{
    return value->type == VALUE_NUMBER || value->type == VALUE_BOOL || value->type == VALUE_STRING;
}

int class_of_value(const struct value *value, const char *positive)
{
    if (!is_scalar(value))
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

/* Without being told: scores of several classes, or a text that is neither of the two classes. */
static bool looks_multiclass(const struct event *event)
{
    if (event->scores.count > 0)
        return event->score.type != VALUE_NUMBER;
    return event->prediction.type == VALUE_STRING && class_of_value(&event->prediction, NULL) < 0;
}

/* The class that is predicted, or that with the highest score (the first by name among equals), and its
 * score. */
bool event_class(const struct event *event, struct text *out_class, double *out_score)
{
    *out_class = is_scalar(&event->prediction) ? event->prediction.text : (struct text){NULL, 0};
    *out_score = event->score.type == VALUE_NUMBER ? event->score.number : (double)NAN;
    for (uint32_t i = 0; i < event->scores.count; i++) {
        const struct field *field = &event->scores.items[i];
        if (field->value.type != VALUE_NUMBER)
            continue;
        double score = field->value.number;
        if (is_scalar(&event->prediction)) {
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

static enum outcome_kind kind_of(const struct event *event, const struct model_options *options)
{
    if (options->task == TASK_BINARY)
        return OUTCOME_BINARY;
    if (options->task == TASK_REGRESSION)
        return OUTCOME_REGRESSION;
    if (options->task == TASK_MULTICLASS || (!options->positive && looks_multiclass(event)))
        return OUTCOME_MULTICLASS;
    bool number_alone = event->score.type != VALUE_NUMBER && event->prediction.type == VALUE_NUMBER;
    return number_alone && !options->positive ? OUTCOME_REGRESSION : OUTCOME_BINARY;
}

bool event_prediction(const struct event *event, const struct model_options *options, struct outcome *out)
{
    if (event->kind != EVENT_PREDICTION || options->task == TASK_NONE)
        return false;
    *out = (struct outcome){.kind = (uint8_t)kind_of(event, options)};
    struct text class;
    if (out->kind == OUTCOME_MULTICLASS)
        return event_class(event, &class, &out->value);
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
    return kind == OUTCOME_REGRESSION || (kind == OUTCOME_BINARY && is_class);
}
