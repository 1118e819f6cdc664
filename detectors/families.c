#include "detectors/families.h"

#include "detectors/attributions.h"
#include "detectors/ddsketch.h"
#include "detectors/duplicates.h"
#include "detectors/kpi.h"
#include "detectors/kpi_tails.h"
#include "detectors/embeddings.h"
#include "detectors/lag.h"
#include "detectors/latency.h"
#include "detectors/multivariate_family.h"
#include "detectors/ranking.h"
#include "detectors/reference.h"
#include "detectors/outliers.h"
#include "detectors/scores.h"
#include "detectors/value_types.h"

const struct family_ops *const family_table[COUNT_FAMILY_COUNT] = {
    [COUNT_LATENCY] = &latency_family,
    [COUNT_ATTRIBUTIONS] = &attributions_family,
    [COUNT_KPI] = &kpi_family,
    [COUNT_TYPES] = &value_types_family,
    [COUNT_OUTLIERS] = &outliers_family,
    [COUNT_SCORES] = &scores_family,
    [COUNT_MULTIVARIATE] = &multivariate_family,
    [COUNT_EMBEDDINGS] = &embeddings_family,
    [COUNT_RANKING] = &ranking_family,
    [COUNT_DUPLICATES] = &duplicates_family,
    [COUNT_LAG] = &lag_family,
    [COUNT_KPI_TAILS] = &kpi_tails_family,
};

int family_tools_init(struct family_tools *tools)
{
    tools->latency = ddsketch_layout_new(0.01, 0.001, 3.6e6, false);
    tools->lag = ddsketch_layout_new(0.01, 1, 30 * 86400e3, false);
    tools->kpi = ddsketch_layout_new(0.01, 1e-4, 1e6, true);
    tools->ranking = ranking_tables_new();
    return tools->latency && tools->lag && tools->kpi && tools->ranking ? 0 : ERR_NOMEM;
}

static unsigned bit_if(enum count_family family, bool wanted)
{
    return (unsigned)wanted << family;
}

/* Families that may have something to say of the event: a set bit is still asked, a clear one is not even
 * called. Most events have something for three of them. */
static unsigned candidates(const struct count_input *input)
{
    const struct event *event = input->event;
    const struct reference *reference = input->reference;
    bool prediction = event->kind == EVENT_PREDICTION, features = event->features.count > 0;
    return bit_if(COUNT_LATENCY, event->latency_ms.type == VALUE_NUMBER) |
           bit_if(COUNT_ATTRIBUTIONS, event->attributions.count > 0) |
           bit_if(COUNT_KPI, event->kind == EVENT_KPI) | bit_if(COUNT_TYPES, features) |
           bit_if(COUNT_OUTLIERS, features) |
           bit_if(COUNT_SCORES, prediction && input->options->task != TASK_NONE) |
           bit_if(COUNT_MULTIVARIATE, reference && reference->multivariate) |
           bit_if(COUNT_EMBEDDINGS, reference && reference->embeddings) |
           bit_if(COUNT_RANKING, event->label.type == VALUE_VECTOR) |
           bit_if(COUNT_LAG, input->options->record_lag) | bit_if(COUNT_KPI_TAILS, event->kind == EVENT_KPI);
}
/* Duplicates are no event of theirs: families_add_duplicate. */
_Static_assert(COUNT_FAMILY_COUNT == COUNT_KPI_TAILS + 1, "a new family is named among the candidates");

int families_add(struct tally **tallies, const struct count_input *input, uint64_t times, bool segment)
{
    for (unsigned left = candidates(input); left; left &= left - 1) {
        unsigned family = (unsigned)__builtin_ctz(left);
        const struct family_ops *ops = family_table[family];
        if ((segment && !ops->of_segments) || (ops->of_reference && !input->row) || !ops->applies(input))
            continue;
        if (!tallies[family]) {
            struct tally_size size = ops->size(input->tools, ops->of_reference ? input->reference : NULL);
            if (size.counters + size.sums == 0)
                continue;
            if (!(tallies[family] = tally_new(size)))
                return ERR_NOMEM;
        }
        ops->add(tallies[family], input, times);
    }
    return 0;
}

int families_add_duplicate(struct tally **tallies, enum event_kind kind)
{
    struct tally **tally = &tallies[COUNT_DUPLICATES];
    if (!*tally && !(*tally = tally_new(duplicates_size())))
        return ERR_NOMEM;
    (*tally)->counters[kind]++;
    return 0;
}

uint32_t families_rows_max(const struct reference *reference)
{
    uint32_t most = 0;
    for (int family = 0; family < COUNT_FAMILY_COUNT; family++) {
        uint32_t rows = family_table[family]->rows_max(reference);
        most = rows > most ? rows : most;
    }
    return most;
}

void family_tools_release(struct family_tools *tools)
{
    ddsketch_layout_free(tools->latency);
    ddsketch_layout_free(tools->lag);
    ddsketch_layout_free(tools->kpi);
    ranking_tables_free(tools->ranking);
    *tools = (struct family_tools){0};
}
