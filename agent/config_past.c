/* `models[].past`: windows are compared with the model's own past, too (METHODS §13). */
#include <string.h>

#include "agent/base/timestamp.h"
#include "agent/config_internal.h"

/* "FROM/TO": two times. */
static bool parse_exception(const char *text, struct time_range *out)
{
    const char *slash = strchr(text, '/');
    return slash && timestamp_parse((struct text){text, (uint32_t)(slash - text)}, &out->from_ms) &&
           timestamp_parse(text_of(slash + 1), &out->to_ms) && out->from_ms < out->to_ms;
}

static void finish_past(struct config_reader *reader, struct yaml_node *node, void *base)
{
    struct past_config *past = &((struct model_config *)base)->past;
    uint32_t count = 0;
    while (past->exceptions && past->exceptions[count])
        count++;
    if (count == 0 || !(past->ranges = option_alloc(reader, count * sizeof(*past->ranges))))
        return;
    for (uint32_t i = 0; i < count; i++) {
        if (parse_exception(past->exceptions[i], &past->ranges[past->range_count]))
            past->range_count++;
        else
            option_error(reader, yaml_item(yaml_get(node, "exceptions"), i),
                         "`exceptions`: `%.80s` is not FROM/TO, such as 2026-12-24/2026-12-27",
                         past->exceptions[i]);
    }
}

static const struct config_option past_options[] = {
    {.key = "seasonal_weeks",
     .type = &option_integer,
     OPTION_AT(struct model_config, past.seasonal_weeks),
     .initial = "0",
     .maximum = PAST_WEEKS_MAX,
     .help =
         "Compares with the same hours of the week in so many weeks before; 4 is a good number, 0 is none."},
    {.key = "rolling",
     .type = &option_duration,
     OPTION_AT(struct model_config, past.rolling_ms),
     .initial = "0s",
     .maximum = 60.0 * DAY_MS,
     .help = "Compares with so much event time before the window; 0s is none."},
    {.key = "rolling_lag",
     .type = &option_duration,
     OPTION_AT(struct model_config, past.rolling_lag_ms),
     .initial = "0s",
     .maximum = 60.0 * DAY_MS,
     .help = "So much event time lies between the window and the stretch that it is compared with."},
    {.key = "exceptions",
     .type = &option_strings,
     OPTION_AT(struct model_config, past.exceptions),
     .help = "Holidays and the like, `FROM/TO`: they are no reference for other days."},
};
const struct option_table config_past_table = {
    TABLE(past_options, struct model_config),
    .title = "References that move with the model, beside `reference`; for windows of at most a week.",
    .finish = finish_past};

void config_check_past(struct config_reader *reader, const struct config *config,
                       const struct model_config *model, struct yaml_node *node)
{
    const struct past_config *past = &model->past;
    struct yaml_node *place = yaml_get(node, "past");
    if (past->seasonal_weeks == 0 && past->rolling_ms == 0)
        return;
    if (config->tier_count < 2)
        option_error(reader, place, "`past` needs a second tier in `time.tiers`, such as [5m, 1h]");
    else if (past->seasonal_weeks && 7 * (int64_t)DAY_MS % config->tiers_ms[1] != 0)
        option_error(reader, place, "`seasonal_weeks`: a week is no multiple of the second of `time.tiers`");
}
