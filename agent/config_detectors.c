/* `models[].detectors`: change detectors on one stream of numbers each (detectors/sequence.h). The names of
 * all their parameters are options; those that a method does not know are errors. */
#include <math.h>
#include <string.h>

#include "agent/config_internal.h"
#include "detectors/grid.h"

/* clang-format off */
#define DETECTOR_PARAMETERS(X) \
    X(delta, "ADWIN: confidence; Page–Hinkley, MOA's CUSUM: slack of every value.") \
    X(clock, "ADWIN: looks for a cut at every so many values.") \
    X(skip_newest, "ADWIN: 1 repeats an error of older ports, for comparison with them.") \
    X(min_instances, "Page–Hinkley, CUSUM, EWMA, ECDD: values before it says anything.") \
    X(slack, "CUSUM: slack of every value, in standard deviations.") \
    X(threshold, "Page–Hinkley, CUSUM, EWMA: what the statistic may reach.") \
    X(alpha, "Page–Hinkley: forgetting; EWMA: weight of a value; KSWIN: p-value; EDDM: share that warns.") \
    X(up, "Page–Hinkley: 1 watches for increases.") \
    X(down, "Page–Hinkley: 1 watches for decreases.") \
    X(warm_start, "DDM, EDDM: values (EDDM: errors) before it says anything.") \
    X(warning, "DDM: standard deviations above the best that warn.") \
    X(drift, "DDM: standard deviations above the best that are a drift.") \
    X(beta, "EDDM: share of the best distance that is a drift.") \
    X(population_sd, "EDDM: 1 divides by n as MOA does, not by n − 1.") \
    X(drift_confidence, "HDDM: confidence of a drift.") \
    X(warning_confidence, "HDDM: confidence of a warning.") \
    X(two_sided, "HDDM: 1 watches for decreases too.") \
    X(lambda, "HDDM-W, ECDD: weight of a value.") \
    X(window, "KSWIN: values looked at, at least twice `stat`.") \
    X(stat, "KSWIN: newest values that are compared with older ones.") \
    X(run_length, "ECDD: values between false alarms: 100, 400 or 1000.")
/* clang-format on */

enum {
#define X(name, sentence) PARAMETER_##name,
    DETECTOR_PARAMETERS(X)
#undef X
        PARAMETER_COUNT
};

static const char *const parameter_names[] = {
#define X(name, sentence) #name,
    DETECTOR_PARAMETERS(X)
#undef X
};
_Static_assert((int)PARAMETER_COUNT == (int)DETECTOR_PARAMETERS_MAX, "one place in the struct each");

static const struct choice method_choices[] = {{"adwin", SEQUENTIAL_ADWIN},
                                               {"page_hinkley", SEQUENTIAL_PAGE_HINKLEY},
                                               {"page_hinkley_moa", SEQUENTIAL_PAGE_HINKLEY_MOA},
                                               {"cusum", SEQUENTIAL_CUSUM},
                                               {"cusum_moa", SEQUENTIAL_CUSUM_MOA},
                                               {"ddm", SEQUENTIAL_DDM},
                                               {"eddm", SEQUENTIAL_EDDM},
                                               {"hddm_a", SEQUENTIAL_HDDM_A},
                                               {"hddm_w", SEQUENTIAL_HDDM_W},
                                               {"kswin", SEQUENTIAL_KSWIN},
                                               {"ewma", SEQUENTIAL_EWMA},
                                               {"ecdd", SEQUENTIAL_ECDD},
                                               {NULL, 0}};

/* "error", "kpi:name", "feature:name" or a feature's name. */
static void resolve_source(struct detector_config *detector)
{
    static const struct {
        const char *name;
        enum detector_source source;
    } words[] = {{"error", DETECTOR_ON_ERROR},
                 {"score_error", DETECTOR_ON_SCORE_ERROR},
                 {"loss", DETECTOR_ON_LOSS},
                 {"latency", DETECTOR_ON_LATENCY}};
    static const char kpi[] = "kpi:", feature[] = "feature:";
    detector->source = DETECTOR_ON_FEATURE;
    detector->name = detector->on;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(detector->on, words[i].name) == 0)
            detector->source = words[i].source;
    if (strncmp(detector->on, kpi, sizeof(kpi) - 1) == 0) {
        detector->source = DETECTOR_ON_KPI;
        detector->name += sizeof(kpi) - 1;
    } else if (strncmp(detector->on, feature, sizeof(feature) - 1) == 0) {
        detector->name += sizeof(feature) - 1;
    }
}

static void resolve_parameters(struct config_reader *reader, struct yaml_node *node,
                               struct detector_config *detector)
{
    enum sequential_kind kind = (enum sequential_kind)detector->method;
    const char *method = sequential_describe(kind)->name;
    detector->options = sequential_options(kind);
    for (int i = 0; i < PARAMETER_COUNT; i++) {
        if (isnan(detector->parameters[i]))
            continue;
        int code = sequential_set(&detector->options, parameter_names[i], detector->parameters[i]);
        if (code == ERR_NOT_FOUND)
            option_error(reader, yaml_get(node, parameter_names[i]), "`%s` has no parameter `%s`", method,
                         parameter_names[i]);
        else if (code != 0)
            option_error(reader, yaml_get(node, parameter_names[i]), "`%s`: %g is outside the limits of `%s`",
                         parameter_names[i], detector->parameters[i], method);
    }
}

static void finish_detector(struct config_reader *reader, struct yaml_node *node, void *base)
{
    struct detector_config *detector = base;
    if (!node || !detector->on || yaml_is_bad(yaml_get(node, "method")) || !yaml_get(node, "method"))
        return;
    resolve_source(detector);
    resolve_parameters(reader, node, detector);
    enum sequential_kind kind = detector->options.kind;
    bool bounded = kind == SEQUENTIAL_HDDM_A || kind == SEQUENTIAL_HDDM_W;
    if (sequential_describe(kind)->binary && detector->source != DETECTOR_ON_ERROR)
        option_error(reader, yaml_get(node, "on"), "`%s` looks at 0 and 1 only: use it `on: error`",
                     sequential_describe(kind)->name);
    else if (bounded && detector->source == DETECTOR_ON_FEATURE && detector->standardise)
        option_error(reader, yaml_get(node, "method"),
                     "`%s` is for values from 0 to 1; say `standardise: false` if the feature has such",
                     sequential_describe(kind)->name);
    if (kind == SEQUENTIAL_KSWIN && detector->options.values[1] < 2 * detector->options.values[2])
        option_error(reader, node, "`window` must be at least twice `stat`");
}

static const struct config_option detector_options[] = {
    {.key = "on",
     .type = &option_string,
     OPTION_AT(struct detector_config, on),
     .flags = OPTION_REQUIRED | OPTION_NONEMPTY,
     .maximum = 256,
     .help = "What it looks at: `error`, `score_error` or `loss` of each labelled prediction; `latency`, "
             "`kpi:NAME`, `@score` or a feature (`feature:NAME`), one mean per pane."},
    {.key = "method",
     .type = &option_choice,
     OPTION_AT(struct detector_config, method),
     .flags = OPTION_REQUIRED,
     .choices = method_choices,
     .help = "The change detector (detectors/README.md)."},
    {.key = "standardise",
     .type = &option_bool,
     OPTION_AT(struct detector_config, standardise),
     .initial = "true",
     .help = "Features and scores in standard deviations of the reference from its mean."},
#define X(name, sentence)                                                                                    \
    {.key = #name,                                                                                           \
     .type = &option_number_or_none,                                                                         \
     OPTION_AT(struct detector_config, parameters[PARAMETER_##name]),                                        \
     .help = (sentence)},
    DETECTOR_PARAMETERS(X)
#undef X
};
const struct option_table config_detector_table = {
    TABLE(detector_options, struct detector_config),
    .title = "Change detectors on one stream of numbers each. They inform; a rule on `detector_state` makes "
             "them notify.",
    .finish = finish_detector};

void config_check_detectors(struct config_reader *reader, const struct model_config *model,
                            struct yaml_node *node)
{
    struct yaml_node *list = yaml_get(node, "detectors");
    for (uint32_t i = 1; i < model->detector_count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (model->detectors[i].on && model->detectors[k].on &&
                model->detectors[i].method == model->detectors[k].method &&
                strcmp(model->detectors[i].on, model->detectors[k].on) == 0)
                option_error(reader, yaml_item(list, i), "this detector is there already");
}
