#include "collectors/event.h"

#include "agent/base/compiler.h"
#include "agent/base/err.h"

static const char *const reject_names[REJECT_COUNT] = {
    [REJECT_NONE] = "none",
    [REJECT_EMPTY] = "empty",
    [REJECT_TOO_LARGE] = "too_large",
    [REJECT_SYNTAX] = "syntax",
    [REJECT_UTF8] = "utf8",
    [REJECT_DEPTH] = "depth",
    [REJECT_DUPLICATE_KEY] = "duplicate_key",
    [REJECT_NUMBER_RANGE] = "number_range",
    [REJECT_NOT_OBJECT] = "not_object",
    [REJECT_NOT_SELECTED] = "not_selected",
    [REJECT_KIND] = "kind",
    [REJECT_MODEL] = "model",
    [REJECT_VERSION] = "version",
    [REJECT_ID] = "id",
    [REJECT_TIME] = "time",
    [REJECT_TYPE] = "type",
    [REJECT_SCORE_RANGE] = "score_range",
    [REJECT_NAME] = "name",
    [REJECT_TOO_MANY_FIELDS] = "too_many_fields",
    [REJECT_CSV] = "csv",
    [REJECT_FORMAT] = "format",
    [REJECT_LIMIT] = "limit",
    [REJECT_MEMORY] = "memory",
};

static const char *const kind_names[EVENT_KIND_COUNT] = {
    [EVENT_PREDICTION] = "prediction",
    [EVENT_LABEL] = "label",
    [EVENT_FEATURES] = "features",
    [EVENT_KPI] = "kpi",
};

static const char *const fate_names[FATE_COUNT] = {
    [FATE_APPLIED] = "applied",     [FATE_LATE] = "late",     [FATE_BEYOND_HORIZON] = "beyond_horizon",
    [FATE_DUPLICATE] = "duplicate", [FATE_FUTURE] = "future", [FATE_REJECTED] = "rejected",
};

const char *reject_name(enum reject reject)
{
    BUG_ON((unsigned)reject >= REJECT_COUNT);
    return reject_names[reject];
}

const char *event_kind_name(enum event_kind kind)
{
    BUG_ON((unsigned)kind >= EVENT_KIND_COUNT);
    return kind_names[kind];
}

const char *fate_name(enum fate fate)
{
    BUG_ON((unsigned)fate >= FATE_COUNT);
    return fate_names[fate];
}
