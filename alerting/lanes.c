#include "alerting/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/grow.h"
#include "agent/base/hash.h"

enum { BUCKETS = 256 };

struct lane {
    char *entity;
    struct delivery *head, *tail;
    struct lane *next; /* in its bucket */
};

int lanes_init(struct lanes *lanes)
{
    *lanes = (struct lanes){.buckets = calloc(BUCKETS, sizeof(struct lane *))};
    return lanes->buckets ? 0 : ERR_NOMEM;
}

static void delivery_free(struct delivery *delivery)
{
    if (!delivery)
        return;
    free(delivery->body);
    free(delivery);
}

static void lane_free(struct lane *lane)
{
    if (!lane)
        return;
    free(lane->entity);
    free(lane);
}

void lanes_release(struct lanes *lanes)
{
    for (uint32_t i = 0; lanes->buckets && i < BUCKETS; i++) {
        for (struct lane *lane = lanes->buckets[i], *after; lane; lane = after) {
            after = lane->next;
            for (struct delivery *at = lane->head, *next; at; at = next) {
                next = at->next;
                delivery_free(at);
            }
            lane_free(lane);
        }
    }
    free(lanes->buckets);
    free(lanes->heap);
    *lanes = (struct lanes){0};
}

/* ---- the heap of lanes whose head is free ---- */

static bool is_before(const struct lane *a, const struct lane *b)
{
    if (a->head->due_ms != b->head->due_ms)
        return a->head->due_ms < b->head->due_ms;
    return a->head->sequence < b->head->sequence;
}

/* Room for one more lane is made when the lane is, so that this cannot fail. */
static void heap_push(struct lanes *lanes, struct lane *lane)
{
    BUG_ON(lanes->heap_count >= lanes->heap_capacity);
    uint32_t at = lanes->heap_count++;
    while (at > 0 && is_before(lane, lanes->heap[(at - 1) / 2])) {
        lanes->heap[at] = lanes->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    lanes->heap[at] = lane;
}

static struct lane *heap_pop(struct lanes *lanes)
{
    struct lane *first = lanes->heap[0], *last = lanes->heap[--lanes->heap_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= lanes->heap_count)
            break;
        if (child + 1 < lanes->heap_count && is_before(lanes->heap[child + 1], lanes->heap[child]))
            child++;
        if (!is_before(lanes->heap[child], last))
            break;
        lanes->heap[at] = lanes->heap[child];
        at = child;
    }
    if (lanes->heap_count)
        lanes->heap[at] = last;
    return first;
}

/* Every item has at most one lane, so `count + 1` places are enough. */
static bool reserve(struct lanes *lanes)
{
    if (lanes->count < lanes->heap_capacity)
        return true;
    struct lane **heap = grow_array(lanes->heap, &lanes->heap_capacity, 16, sizeof(struct lane *));
    if (!heap)
        return false;
    lanes->heap = heap;
    return true;
}

/* ---- items ---- */

static struct lane **bucket_of(const struct lanes *lanes, const char *entity)
{
    return &lanes->buckets[hash64(entity, strlen(entity), 0) % BUCKETS];
}

static struct lane *find_lane(const struct lanes *lanes, const char *entity)
{
    for (struct lane *at = *bucket_of(lanes, entity); at; at = at->next)
        if (strcmp(at->entity, entity) == 0)
            return at;
    return NULL;
}

static struct lane *add_lane(struct lanes *lanes, const char *entity)
{
    struct lane *lane = calloc(1, sizeof(*lane));
    if (lane)
        lane->entity = strdup(entity);
    if (!lane || !lane->entity) {
        lane_free(lane);
        return NULL;
    }
    struct lane **bucket = bucket_of(lanes, entity);
    lane->next = *bucket;
    *bucket = lane;
    return lane;
}

static void remove_lane(struct lanes *lanes, struct lane *lane)
{
    struct lane **at = bucket_of(lanes, lane->entity);
    while (*at != lane)
        at = &(*at)->next;
    *at = lane->next;
    lane_free(lane);
}

static struct delivery *new_delivery(const char *id, const char *body, size_t body_len)
{
    struct delivery *delivery = calloc(1, sizeof(*delivery));
    if (!delivery)
        return NULL;
    delivery->body = malloc(body_len + 1);
    if (!delivery->body) {
        free(delivery);
        return NULL;
    }
    if (body_len)
        memcpy(delivery->body, body, body_len);
    delivery->body[body_len] = '\0';
    delivery->body_len = body_len;
    memcpy(delivery->id, id, strlen(id) + 1);
    return delivery;
}

int lanes_push(struct lanes *lanes, const char *id, const char *entity, const char *body, size_t body_len,
               int64_t created_ms, int64_t due_ms, uint32_t attempts)
{
    if (strlen(id) > DELIVERY_ID_MAX)
        return ERR_INVALID;
    struct lane *lane = find_lane(lanes, entity);
    for (const struct delivery *at = lane ? lane->head : NULL; at; at = at->next)
        if (strcmp(at->id, id) == 0)
            return 0;
    struct delivery *delivery = reserve(lanes) ? new_delivery(id, body, body_len) : NULL;
    if (delivery && !lane)
        lane = add_lane(lanes, entity);
    if (!delivery || !lane) {
        delivery_free(delivery);
        return ERR_NOMEM;
    }
    delivery->created_ms = created_ms;
    delivery->due_ms = due_ms;
    delivery->attempts = attempts;
    delivery->sequence = lanes->sequence++;
    delivery->lane = lane;
    lanes->count++;
    lanes->bytes += body_len;
    bool is_first = lane->head == NULL;
    if (is_first)
        lane->head = delivery;
    else
        lane->tail->next = delivery;
    lane->tail = delivery;
    if (is_first)
        heap_push(lanes, lane);
    return 0;
}

int64_t lanes_due_ms(const struct lanes *lanes)
{
    return lanes->heap_count ? lanes->heap[0]->head->due_ms : INT64_MAX;
}

struct delivery *lanes_take(struct lanes *lanes, int64_t now_ms)
{
    return lanes_due_ms(lanes) <= now_ms && lanes->heap_count ? heap_pop(lanes)->head : NULL;
}

void lanes_retry(struct lanes *lanes, struct delivery *delivery, int64_t due_ms)
{
    BUG_ON(delivery->lane->head != delivery);
    delivery->due_ms = due_ms;
    heap_push(lanes, delivery->lane);
}

void lanes_drop(struct lanes *lanes, struct delivery *delivery)
{
    struct lane *lane = delivery->lane;
    BUG_ON(lane->head != delivery);
    lane->head = delivery->next;
    lanes->count--;
    lanes->bytes -= delivery->body_len;
    delivery_free(delivery);
    if (lane->head)
        heap_push(lanes, lane);
    else
        remove_lane(lanes, lane);
}
