#include "alerting/group.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"

enum { ARENA_BLOCK_BYTES = 32768, ARENA_MAX_BYTES = 128 << 20 };

int group_init(struct group *group)
{
    *group = (struct group){.arena = arena_new(ARENA_BLOCK_BYTES, ARENA_MAX_BYTES)};
    return group->arena ? 0 : ERR_NOMEM;
}

void group_release(struct group *group)
{
    arena_free(group->arena);
    free(group->members);
    *group = (struct group){0};
}

void group_reset(struct group *group)
{
    arena_reset(group->arena);
    group->count = 0;
    group->detailed_count = 0;
}

struct member *group_add(struct group *group)
{
    if (group->count == group->capacity) {
        struct member **members = grow_array(group->members, &group->capacity, 64, sizeof(*members));
        if (!members)
            return NULL;
        group->members = members;
    }
    struct member *member = arena_zalloc(group->arena, sizeof(*member));
    if (member)
        group->members[group->count++] = member;
    return member;
}

bool group_claim_detail(struct group *group, struct member *member)
{
    uint32_t at = group->detailed_count;
    if (at == GROUP_DETAILED) {
        at = GROUP_DETAILED - 1;
        if (member_compare_worst(&member, &group->detailed[at]) >= 0)
            return false;
        group->detailed[at]->bins = NULL;
    } else {
        group->detailed_count++;
    }
    while (at > 0 && member_compare_worst(&member, &group->detailed[at - 1]) < 0) {
        group->detailed[at] = group->detailed[at - 1];
        at--;
    }
    group->detailed[at] = member;
    return true;
}

static int compare_text(struct text a, struct text b)
{
    uint32_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_subjects(const struct alert *a, const struct alert *b)
{
    int order = compare_text(a->version, b->version);
    if (order == 0)
        order = compare_text(a->segment, b->segment);
    if (order == 0)
        order = compare_text(a->feature, b->feature);
    if (order == 0)
        order = strcmp(a->rule_name, b->rule_name);
    return order ? order : compare_i64(a->window_ms, b->window_ms);
}

int member_compare_names(const void *left, const void *right)
{
    const struct member *a = *(struct member *const *)left, *b = *(struct member *const *)right;
    int order = compare_text(a->alert->model, b->alert->model);
    if (order == 0)
        order = compare_i64(a->window_end_ms, b->window_end_ms);
    if (order == 0)
        order = compare_subjects(a->alert, b->alert);
    return order ? order : (int)a->change - (int)b->change;
}

/* News first, good news last. */
static int rank(enum alert_change change)
{
    switch (change) {
    case CHANGE_FIRED:
    case CHANGE_ESCALATED:
        return 0;
    case CHANGE_DEESCALATED:
        return 1;
    case CHANGE_RESOLVED:
        return 2;
    case CHANGE_NONE:
    case CHANGE_PENDING:
    case CHANGE_WITHDRAWN:
        return 3;
    }
    return 3;
}

int member_compare_worst(const void *left, const void *right)
{
    const struct member *a = *(struct member *const *)left, *b = *(struct member *const *)right;
    int order = rank(a->change) - rank(b->change);
    if (order == 0)
        order = (int)b->severity - (int)a->severity;
    if (order == 0)
        order = (a->excess < b->excess) - (a->excess > b->excess);
    return order ? order : member_compare_names(left, right);
}
