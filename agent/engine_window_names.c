/* Names that nobody knows cannot be subtracted from a window: they are merged again from its panes, which are
 * small and, most of the time, none. */
#include <stdlib.h>
#include <string.h>

#include "agent/engine_internal.h"

int engine_names_keep(struct series *series, const struct stored_pane *stored)
{
    struct names_pane **link = &series->names;
    for (; *link; link = &(*link)->next)
        if ((*link)->tier == stored->tier && (*link)->start_ms == stored->start_ms &&
            (*link)->basis == stored->grid)
            return 0;
    struct names_pane *pane = malloc(sizeof(*pane) + stored->len);
    if (!pane)
        return ERR_NOMEM;
    *pane = (struct names_pane){
        .start_ms = stored->start_ms, .tier = stored->tier, .basis = stored->grid, .len = stored->len};
    memcpy(pane->bytes, stored->bytes, stored->len);
    *link = pane;
    return 0;
}

int engine_window_names(const struct engine *engine, struct series *series, uint32_t window, int64_t end_ms)
{
    const struct window_config *config = &engine->config->windows[window];
    struct pane_set *set = &series->windows[window].set;
    int code = 0;
    pane_set_drop_names(set);
    for (const struct names_pane *pane = series->names; code == 0 && pane; pane = pane->next)
        if (pane->tier == config->tier && pane->start_ms < end_ms &&
            pane->start_ms >= end_ms - config->length_ms)
            code = pane_set_add_names(set, pane->basis, pane->bytes, pane->len);
    return code;
}

void engine_names_trim(const struct engine *engine, struct series *series, uint8_t tier, int64_t end_ms)
{
    int64_t length_ms = 0;
    for (uint32_t i = 0; i < engine->config->window_count; i++) {
        const struct window_config *window = &engine->config->windows[i];
        if (window->tier == tier && window->length_ms > length_ms)
            length_ms = window->length_ms;
    }
    for (struct names_pane **link = &series->names; *link;) {
        struct names_pane *pane = *link;
        if (pane->tier == tier && pane->start_ms < time_minus(end_ms, length_ms)) {
            *link = pane->next;
            free(pane);
        } else {
            link = &pane->next;
        }
    }
}

void engine_names_drop(struct series *series)
{
    for (struct names_pane *pane = series->names, *next; pane; pane = next) {
        next = pane->next;
        free(pane);
    }
    series->names = NULL;
}
