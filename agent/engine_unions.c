/* What cannot be subtracted from a window (names that nobody knows, hashes of values) is merged again from
 * its panes, which are small and, most of the time, none. */
#include <stdlib.h>
#include <string.h>

#include "agent/engine_internal.h"

int engine_union_keep(struct series *series, const struct stored_pane *stored)
{
    int part = pane_part_of_number(stored->family);
    struct union_pane **link = &series->unions;
    for (; *link; link = &(*link)->next)
        if ((*link)->tier == stored->tier && (*link)->part == part && (*link)->start_ms == stored->start_ms &&
            (*link)->basis == stored->grid)
            return 0;
    struct union_pane *pane = malloc(sizeof(*pane) + stored->len);
    if (!pane)
        return ERR_NOMEM;
    *pane = (struct union_pane){.start_ms = stored->start_ms,
                                .tier = stored->tier,
                                .part = (uint8_t)part,
                                .basis = stored->grid,
                                .len = stored->len};
    memcpy(pane->bytes, stored->bytes, stored->len);
    *link = pane;
    return 0;
}

int engine_window_unions(const struct engine *engine, struct series *series, uint32_t window, int64_t end_ms)
{
    const struct window_config *config = &engine->config->windows[window];
    struct pane_set *set = &series->windows[window].set;
    int code = 0;
    pane_set_drop_unions(set);
    for (const struct union_pane *pane = series->unions; code == 0 && pane; pane = pane->next)
        if (pane->tier == config->tier && pane->start_ms < end_ms &&
            pane->start_ms >= end_ms - config->length_ms)
            code = pane_set_add_union(set, pane->part, pane->basis, pane->bytes, pane->len);
    return code;
}

/* How far back the longest window of a tier looks; 0: it has none. */
static int64_t longest_window(const struct engine *engine, uint8_t tier)
{
    int64_t length_ms = 0;
    for (uint32_t i = 0; i < engine->config->window_count; i++) {
        const struct window_config *window = &engine->config->windows[i];
        if (window->tier == tier && window->length_ms > length_ms)
            length_ms = window->length_ms;
    }
    return length_ms;
}

void engine_unions_trim(const struct engine *engine, struct series *series, uint8_t tier, int64_t end_ms)
{
    int64_t from_ms = time_minus(end_ms, longest_window(engine, tier));
    for (struct union_pane **link = &series->unions; *link;) {
        struct union_pane *pane = *link;
        if (pane->tier == tier && pane->start_ms < from_ms) {
            *link = pane->next;
            free(pane);
        } else {
            link = &pane->next;
        }
    }
}

void engine_unions_drop(struct series *series)
{
    for (struct union_pane *pane = series->unions, *next; pane; pane = next) {
        next = pane->next;
        free(pane);
    }
    series->unions = NULL;
}
