/* Suite detectors: sequential detectors on whole streams. Names and parameters are those of the cases. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "detectors/sequential.h"
#include "tests/vectors/vectors.h"

static const struct {
    const char *name, *ours;
} detector_names[] = {
    {"PageHinkley", "page_hinkley"},
    {"PH", "page_hinkley"},
    {"PageHinkleyMOA", "page_hinkley_moa"},
    {"PageHinkley_MOA", "page_hinkley_moa"},
    {"CUSUMMOA", "cusum_moa"},
    {"CusumDM", "cusum_moa"},
    {"EWMAChart", "ewma"},
    {"EDDMMOA", "eddm"},
    {"EDDM_MOA", "eddm"},
    {"HDDMA", "hddm_a"},
    {"HDDMW", "hddm_w"},
};

static const struct {
    const char *name, *ours;
} parameter_names[] = {
    {"two", "two_sided"},
    {"two_sided_test", "two_sided"},
    {"skip_last", "skip_newest"},
    {"lam", "lambda"},
    {"lambda_val", "lambda"},
    {"lambda_", "threshold"},
    {"min", "min_instances"},
    {"min_num_instances", "min_instances"},
    {"warm", "warm_start"},
    {"min_window", "window"},
    {"window_size", "window"},
    {"stat_size", "stat"},
    {"L", "threshold"},
    {"h", "threshold"},
    {"k", "slack"},
    {"arl", "run_length"},
    {"arl0", "run_length"},
    {"population", "population_sd"},
    {"drift_threshold", "drift"},
    {"warning_threshold", "warning"},
    {"drift_conf", "drift_confidence"},
    {"warning_conf", "warning_confidence"},
    {"drift", "drift_confidence"},
    {"warning", "warning_confidence"},
    {"alpha", "drift_confidence"},
    {"min_instances", "warm_start"},
    {"warm_start", "min_instances"},
    {"lambda", "threshold"},
};

static enum sequential_kind kind_of(const char *name)
{
    for (unsigned kind = 0; kind < SEQUENTIAL_KIND_COUNT; kind++)
        if (strcasecmp(sequential_describe((enum sequential_kind)kind)->name, name) == 0)
            return (enum sequential_kind)kind;
    for (size_t i = 0; i < ARRAY_LEN(detector_names); i++)
        if (strcasecmp(detector_names[i].name, name) == 0)
            return sequential_find(detector_names[i].ours);
    return SEQUENTIAL_KIND_COUNT;
}

static void set_mode(struct vector_case *vc, struct sequential_options *options, const char *mode)
{
    if (sequential_set(options, "up", strcmp(mode, "down") != 0) ||
        sequential_set(options, "down", strcmp(mode, "up") != 0))
        case_fail(vc, "the detector has no mode");
}

static void set_parameter(struct vector_case *vc, struct sequential_options *options, const cJSON *item)
{
    if (strcmp(item->string, "deterministic") == 0) /* ours always are */
        return;
    if (strcmp(item->string, "mode") == 0) {
        set_mode(vc, options, cJSON_GetStringValue(item) ? cJSON_GetStringValue(item) : "");
        return;
    }
    double value = case_value(vc, item);
    if (sequential_set(options, item->string, value) == 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(parameter_names); i++)
        if (strcmp(parameter_names[i].name, item->string) == 0 &&
            sequential_set(options, parameter_names[i].ours, value) == 0)
            return;
    case_fail(vc, "no parameter \"%s\", or not with this value", item->string);
}

static struct sequential *make_detector(struct vector_case *vc)
{
    const char *name = case_string(vc, vc->input, "detector");
    const cJSON *parameters = cJSON_GetObjectItemCaseSensitive(vc->input, "params"), *item;
    enum sequential_kind kind = kind_of(name);
    if (kind == SEQUENTIAL_KIND_COUNT) {
        case_fail(vc, "no detector \"%s\"", name);
        return NULL;
    }
    struct sequential_options options = sequential_options(kind);
    if (strncasecmp(name, "EDDM", 4) == 0 && strlen(name) > 4 && sequential_set(&options, "population_sd", 1))
        case_fail(vc, "no population form");
    cJSON_ArrayForEach(item, parameters) set_parameter(vc, &options, item);
    return sequential_new(&options);
}

/* "values", or a named stream of the suite: one digit per value. */
static double *read_stream(struct vector_case *vc, size_t *out_count)
{
    *out_count = 0;
    if (case_has(vc->input, "values"))
        return case_numbers(vc, vc->input, "values", out_count);
    const cJSON *streams = case_item(vc, vc->suite, "streams");
    const cJSON *stream = case_item(vc, streams, case_string(vc, vc->input, "stream"));
    const char *digits = cJSON_GetStringValue(stream);
    if (!digits) {
        case_fail(vc, "no such stream");
        return NULL;
    }
    *out_count = strlen(digits);
    double *values = case_alloc(vc, *out_count, sizeof *values);
    for (size_t i = 0; i < *out_count; i++)
        values[i] = digits[i] - '0';
    return values;
}

static void run_detector(struct vector_case *vc)
{
    size_t count, drifts = 0;
    double *values = read_stream(vc, &count);
    struct sequential *detector = make_detector(vc);
    if (!values || !detector)
        return;
    /* Indices go where values were already read. */
    for (size_t i = 0; i < count; i++)
        if (sequential_update(detector, values[i]) == SEQUENTIAL_DRIFT)
            values[drifts++] = (double)i;
    case_put_numbers(vc, "drift_indices_0based", values, drifts);
    sequential_free(detector);
}

static void run_warnings(struct vector_case *vc)
{
    size_t count;
    const double *values = read_stream(vc, &count);
    struct sequential *detector = make_detector(vc);
    cJSON *sequence = cJSON_CreateArray();
    bool warned = false;
    for (size_t i = 0; detector && i < count; i++) {
        enum sequential_state state = sequential_update(detector, values[i]);
        if (state == SEQUENTIAL_DRIFT || (state == SEQUENTIAL_WARNING && !warned)) {
            cJSON *pair = cJSON_CreateArray();
            cJSON_AddItemToArray(pair, cJSON_CreateString(state == SEQUENTIAL_DRIFT ? "D" : "W"));
            cJSON_AddItemToArray(pair, cJSON_CreateNumber((double)i));
            cJSON_AddItemToArray(sequence, pair);
        }
        if (state != SEQUENTIAL_QUIET)
            warned = state == SEQUENTIAL_WARNING;
    }
    case_put_item(vc, "sequence", sequence);
    sequential_free(detector);
}

const struct vector_handler detectors_handlers[] = {
    {"detector_run", run_detector},
    {"detector_warnings", run_warnings},
    {NULL, NULL},
};
