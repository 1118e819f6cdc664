/*
 * Watermarks (DESIGN §6): per role the minimum of the partitions' clocks minus the lateness, over partitions
 * that are neither idle nor finished nor absent too long; none before every partition has given a record or
 * its end; the greatest clock when all are idle.
 */
#include "agent/engine_internal.h"

/* A partition that has held nothing but labels for this many records follows its labels' clock (a property of
 * its log). */
enum { LABELS_ONLY_RECORDS = 1000 };

static bool is_idle(const struct engine *engine, const struct engine_partition *partition, int64_t now_ms)
{
    return partition->now.at_end && !partition->now.held &&
           now_ms - partition->progress_at_ms >= engine->config->idle_timeout_ms;
}

static bool is_absent(const struct engine *engine, const struct engine_partition *partition, int64_t now_ms)
{
    return partition->now.failed && now_ms - partition->progress_at_ms >= engine->config->absent_timeout_ms;
}

static bool holds_only_labels(const struct engine *engine, const struct engine_partition *partition)
{
    const struct mapping_spec *mapping = &engine->config->inputs[partition->input].mapping;
    return mapping->has_kind && mapping->kind == EVENT_LABEL;
}

static bool never_holds_labels(const struct engine *engine, const struct engine_partition *partition)
{
    const struct mapping_spec *mapping = &engine->config->inputs[partition->input].mapping;
    return mapping->has_kind && mapping->kind != EVENT_LABEL;
}

/* The clock of a role, INT64_MIN when it has none yet; *out_counts false when the role does not concern the
 * partition. */
static int64_t role_clock(const struct engine *engine, const struct engine_partition *partition, int role,
                          bool *out_counts)
{
    *out_counts = role == 1 || !holds_only_labels(engine, partition);
    int64_t clock_ms = partition->now.clock_ms[role];
    /* Where no labels come, or only together with their predictions, the data's clock is theirs. */
    if (role == 1 && clock_ms == INT64_MIN &&
        (never_holds_labels(engine, partition) || partition->now.records >= LABELS_ONLY_RECORDS))
        clock_ms = partition->now.clock_ms[0];
    if (role == 0 && clock_ms == INT64_MIN && partition->now.records >= LABELS_ONLY_RECORDS)
        clock_ms = partition->now.clock_ms[1];
    return clock_ms;
}

struct minimum {
    int64_t lowest_ms, greatest_ms;
    bool any_active, none_yet, all_finished;
};

static int64_t watermark_of(const struct engine *engine, const struct minimum *minimum)
{
    if (minimum->none_yet)
        return INT64_MIN;
    if (minimum->any_active)
        return time_minus(minimum->lowest_ms, engine->times.lateness_ms);
    if (minimum->all_finished)
        return INT64_MAX;
    return time_minus(minimum->greatest_ms, engine->times.lateness_ms);
}

void engine_update_watermark(struct engine *engine)
{
    if (!engine->assignment_complete || engine->partition_count == 0)
        return;
    int64_t now_ms = engine->settings.clock->monotonic_ms(engine->settings.clock);
    struct minimum roles[2];
    for (int role = 0; role < 2; role++)
        roles[role] = (struct minimum){INT64_MAX, INT64_MIN, false, false, true};
    bool absent = false;
    for (uint32_t i = 0; i < engine->partition_count; i++) {
        struct engine_partition *partition = &engine->partitions[i];
        bool gone = is_absent(engine, partition, now_ms);
        absent |= gone;
        partition->excluded = gone || partition->now.finished || is_idle(engine, partition, now_ms);
        for (int role = 0; role < 2; role++) {
            bool counts;
            int64_t clock_ms = role_clock(engine, partition, role, &counts);
            if (!partition->now.finished && !gone)
                roles[role].all_finished = false;
            if (!counts || partition->now.finished)
                continue;
            if (clock_ms > roles[role].greatest_ms)
                roles[role].greatest_ms = clock_ms;
            if (partition->excluded)
                continue;
            if (!partition->now.started || (clock_ms == INT64_MIN && role == 0))
                roles[role].none_yet = true;
            roles[role].any_active = true;
            if (clock_ms < roles[role].lowest_ms)
                roles[role].lowest_ms = clock_ms;
        }
    }
    engine->incomplete = absent || engine->input_missing;
    int64_t data_ms = watermark_of(engine, &roles[0]), labels_ms = watermark_of(engine, &roles[1]);
    if (data_ms > engine->watermark_ms)
        engine->watermark_ms = data_ms;
    if (labels_ms > engine->label_watermark_ms)
        engine->label_watermark_ms = labels_ms;
    /* Only a run that ends may take the end of its inputs for the end of time. */
    engine->endless = engine->watermark_ms == INT64_MAX;
}
