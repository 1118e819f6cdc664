#include "agent/join.h"

#include <math.h>
#include <stdlib.h>

#include "agent/base/err.h"
#include "agent/base/pages.h"
#include "agent/panes.h"
#include "agent/score_pool.h"
#include "detectors/outcomes.h"

enum { SLOTS_MIN = 1024, USED = 1, MATCHED = JOIN_MET, EXPIRED = 4 /* and counted */ };

struct table {
    struct join_entry *slots;   /* open addressing, linear probing */
    uint32_t *scores;           /* of each slot, in the pool; NULL: none has any */
    uint64_t slot_count, count; /* entries, expired ones included */
    int64_t first_expiry_ms;    /* none of them expires before */
};

struct join {
    struct join_settings settings;
    struct table predictions, labels;
    struct score_pool *pool; /* scores of predictions */
    int64_t now_ms;
    int64_t swept_ms, sweep_ms; /* done; under way */
    uint64_t sweep_at;          /* slot, of predictions first */
    struct join_stats stats;
    const struct join_entry *added; /* NULL: not kept */
};

/* ---- one table ---- */

static int64_t expiry_of(const struct join_entry *entry)
{
    int64_t out;
    return __builtin_add_overflow(entry->ts_ms, (int64_t)entry->wait_s * 1000, &out) ? INT64_MAX : out;
}

static void table_free(struct table *table)
{
    pages_free(table->slots, table->slot_count * sizeof(*table->slots));
    pages_free(table->scores, table->slot_count * sizeof(*table->scores));
}

static bool table_make(struct table *table, uint64_t slots, bool with_scores)
{
    *table = (struct table){.slots = pages_new(slots * sizeof(struct join_entry)),
                            .scores = with_scores ? pages_new(slots * sizeof(uint32_t)) : NULL,
                            .slot_count = slots,
                            .first_expiry_ms = INT64_MAX};
    if (table->slots && (table->scores || !with_scores))
        return true;
    table_free(table);
    return false;
}

/* The place of a hash: its lower half as a share of the table, which then may have any size, and is copied to
 * a larger one from front to back. (The upper half says which ids are sampled: it is not uniform.) */
static uint64_t home_of(const struct table *table, uint64_t id_hash)
{
    return (id_hash & UINT32_MAX) * table->slot_count >> 32;
}

static uint64_t slot_after(const struct table *table, uint64_t slot)
{
    return slot + 1 < table->slot_count ? slot + 1 : 0;
}

static struct join_entry *place(struct table *table, const struct join_entry *entry)
{
    uint64_t at = home_of(table, entry->id_hash);
    while (table->slots[at].state)
        at = slot_after(table, at);
    table->slots[at] = *entry;
    table->count++;
    if (expiry_of(entry) < table->first_expiry_ms)
        table->first_expiry_ms = expiry_of(entry);
    return &table->slots[at];
}

/* An entry of another table, with what it has there. */
static void move(struct table *into, const struct table *from, uint64_t slot)
{
    const struct join_entry *placed = place(into, &from->slots[slot]);
    if (from->scores)
        into->scores[placed - into->slots] = from->scores[slot];
}

/* The entry with this hash that follows `*at`, which starts at UINT64_MAX. */
static struct join_entry *next_of(const struct table *table, uint64_t id_hash, uint64_t *at)
{
    uint64_t slot = *at == UINT64_MAX ? home_of(table, id_hash) : slot_after(table, *at);
    for (; table->slots[slot].state; slot = slot_after(table, slot))
        if (table->slots[slot].id_hash == id_hash) {
            *at = slot;
            return &table->slots[slot];
        }
    return NULL;
}

static void drop_scores(struct join *join, const struct table *table, uint64_t slot)
{
    if (table->scores)
        score_pool_drop(join->pool, table->scores[slot]);
}

static void count_expired(struct join *join, const struct join_entry *entry, bool is_label)
{
    if (entry->state & (MATCHED | EXPIRED))
        return;
    join->stats.orphans += is_label;
    join->stats.unlabelled += !is_label;
    if (join->settings.expired)
        join->settings.expired(join->settings.context, entry, is_label);
}

/* Slots that never are too few for what the settings admit. */
static uint64_t slots_max(const struct join *join)
{
    uint64_t slots = join->settings.entries_max * 10 / 7 + 1;
    return slots > SLOTS_MIN ? slots : SLOTS_MIN;
}

/* A table of the right size with what has not expired. */
static int rebuild(struct join *join, struct table *table)
{
    int64_t now_ms = join->now_ms;
    uint64_t live = 0, most = slots_max(join);
    for (uint64_t at = 0; at < table->slot_count; at++)
        live += table->slots[at].state && expiry_of(&table->slots[at]) >= now_ms;
    uint64_t slots = live * 9 / 4 > SLOTS_MIN ? live * 9 / 4 : SLOTS_MIN;
    slots = slots < most ? slots : most;
    struct table fresh;
    if (!table_make(&fresh, slots, table->scores != NULL))
        return ERR_NOMEM;
    for (uint64_t at = 0; at < table->slot_count; at++) {
        const struct join_entry *entry = &table->slots[at];
        if (entry->state && expiry_of(entry) >= now_ms) {
            move(&fresh, table, at);
        } else if (entry->state) {
            count_expired(join, entry, table == &join->labels);
            drop_scores(join, table, at);
        }
    }
    table_free(table);
    *table = fresh;
    join->sweep_at = 0; /* places have changed */
    return 0;
}

int join_reserve(struct join *join, uint64_t predictions)
{
    struct table *table = &join->predictions;
    uint64_t wanted = table->count + predictions;
    if (wanted > join->settings.entries_max)
        wanted = join->settings.entries_max;
    uint64_t slots = wanted * 10 / 7 + 1;
    if (slots <= table->slot_count)
        return 0;
    struct table fresh;
    if (!table_make(&fresh, slots, table->scores != NULL))
        return ERR_NOMEM;
    for (uint64_t at = 0; at < table->slot_count; at++)
        if (table->slots[at].state)
            move(&fresh, table, at);
    table_free(table);
    *table = fresh;
    join->sweep_at = 0;
    return 0;
}

/* Room for one more: ERR_LIMIT when the table is full of what has not expired. */
static int make_room(struct join *join, struct table *table)
{
    bool full = table->count >= join->settings.entries_max;
    if (!full && (table->count + 1) * 10 <= table->slot_count * 7)
        return 0;
    if (full && table->first_expiry_ms >= join->now_ms)
        return ERR_LIMIT;
    int code = rebuild(join, table);
    return code == 0 && table->count >= join->settings.entries_max ? ERR_LIMIT : code;
}

/* ---- life cycle ---- */

int join_new(struct join **out, const struct join_settings *settings)
{
    struct join *join = calloc(1, sizeof(*join));
    if (!join)
        return ERR_NOMEM;
    join->settings = *settings;
    join->now_ms = join->swept_ms = join->sweep_ms = INT64_MIN;
    join->pool = score_pool_new();
    if (!join->pool || !table_make(&join->predictions, SLOTS_MIN, false) ||
        !table_make(&join->labels, SLOTS_MIN, false)) {
        join_free(join);
        return ERR_NOMEM;
    }
    *out = join;
    return 0;
}

void join_free(struct join *join)
{
    if (!join)
        return;
    table_free(&join->predictions);
    table_free(&join->labels);
    score_pool_free(join->pool);
    free(join);
}

void join_set_time(struct join *join, int64_t now_ms)
{
    if (now_ms > join->now_ms)
        join->now_ms = now_ms;
}

static void sweep_slot(struct join *join, struct join_entry *entry, bool is_label)
{
    if (!entry->state || (entry->state & EXPIRED) || expiry_of(entry) >= join->sweep_ms)
        return;
    count_expired(join, entry, is_label);
    entry->state |= EXPIRED;
}

void join_sweep(struct join *join, uint64_t slots)
{
    uint64_t predictions = join->predictions.slot_count, all = predictions + join->labels.slot_count;
    if (join->sweep_at == 0) {
        if (join->now_ms == join->swept_ms)
            return;
        join->sweep_ms = join->now_ms;
    }
    for (; slots > 0 && join->sweep_at < all; slots--, join->sweep_at++) {
        if (join->sweep_at < predictions)
            sweep_slot(join, &join->predictions.slots[join->sweep_at], false);
        else
            sweep_slot(join, &join->labels.slots[join->sweep_at - predictions], true);
    }
    if (join->sweep_at == all) {
        join->swept_ms = join->sweep_ms;
        join->sweep_at = 0;
    }
}

int64_t join_swept_ms(const struct join *join)
{
    return join->swept_ms;
}

int join_keep(struct join *join, bool (*keep)(void *context, const struct join_entry *entry, bool is_label),
              void *context)
{
    struct table *const tables[] = {&join->predictions, &join->labels};
    for (int i = 0; i < 2; i++) {
        struct table fresh, *table = tables[i];
        if (!table_make(&fresh, table->slot_count, table->scores != NULL))
            return ERR_NOMEM;
        for (uint64_t at = 0; at < table->slot_count; at++)
            if (table->slots[at].state && keep(context, &table->slots[at], i == 1))
                move(&fresh, table, at);
            else if (table->slots[at].state)
                drop_scores(join, table, at);
        table_free(table);
        *table = fresh;
    }
    join->sweep_at = 0;
    return 0;
}

void join_get_stats(const struct join *join, struct join_stats *out)
{
    *out = join->stats;
    out->predictions = join->predictions.count;
    out->labels = join->labels.count;
    out->bytes = (join->predictions.slot_count + join->labels.slot_count) * sizeof(struct join_entry) +
                 (join->predictions.scores ? join->predictions.slot_count * sizeof(uint32_t) : 0) +
                 score_pool_bytes(join->pool);
}

/* ---- pairs ---- */

static int compare(const struct join_entry *a, const struct join_entry *b)
{
    if (a->late != b->late)
        return a->late ? 1 : -1;
    if (a->ts_ms != b->ts_ms)
        return a->ts_ms < b->ts_ms ? -1 : 1;
    bool a_is_nan = isnan(a->value), b_is_nan = isnan(b->value);
    if (a_is_nan != b_is_nan)
        return a_is_nan - b_is_nan;
    if (!a_is_nan && (a->value < b->value || a->value > b->value))
        return a->value < b->value ? -1 : 1;
    if (a->predicted != b->predicted)
        return a->predicted < b->predicted ? -1 : 1;
    return a->owner < b->owner ? -1 : a->owner > b->owner;
}

bool join_may_pair(const struct join_entry *prediction, const struct join_entry *label)
{
    if (prediction->kind == OUTCOME_MULTICLASS)
        return label->predicted != OUTCOME_CLASS_NONE;
    bool has_value = label->predicted == OUTCOME_CLASS_NONE || !(label->predicted & OUTCOME_NAME_ALONE);
    bool is_class = !(label->value < 0) && !(label->value > 1) && !(label->value > 0 && label->value < 1);
    return has_value && (prediction->kind != OUTCOME_BINARY || is_class);
}

/* Do two entries stand for the same event? Ids come back after they have expired. */
static bool overlaps(const struct join_entry *a, const struct join_entry *b)
{
    return a->ts_ms <= expiry_of(b) && b->ts_ms <= expiry_of(a);
}

static bool may_join(const struct join *join, const struct join_entry *prediction,
                     const struct join_entry *label)
{
    int64_t earliest_ms;
    if (__builtin_sub_overflow(prediction->ts_ms, join->settings.horizon_ms, &earliest_ms))
        earliest_ms = INT64_MIN;
    /* A prediction that comes late may find its label gone when that is older than the label_delay. */
    int64_t wait_ms = (int64_t)label->wait_s * 1000;
    if (prediction->late && time_minus(prediction->ts_ms, label->ts_ms) > wait_ms - join->settings.late_ms)
        return false;
    /* Of labels on time not the clock: it depends on what of the other events came before. */
    int64_t known_ms =
        time_plus(label->ts_ms, label->late ? (int64_t)label->owner * 1000 : join->settings.pane_ms);
    return join_may_pair(prediction, label) && label->ts_ms >= earliest_ms &&
           known_ms <= expiry_of(prediction);
}

/* Is the label `a` to be taken rather than `b`? */
static bool is_better(const struct join_entry *a, const struct join_entry *b)
{
    if (a->kind == JOIN_LAST && a->ts_ms != b->ts_ms)
        return a->ts_ms > b->ts_ms;
    return compare(a, b) < 0;
}

static bool is_in_time(const struct join *join, const struct join_entry *prediction,
                       const struct join_entry *label)
{
    return !label->late &&
           (!join->settings.in_time || join->settings.in_time(join->settings.context, prediction, label));
}

/* The label that counts in the end; *out_first: the one that counts before, NULL when there is no other.
 * `without`: as if that one had not come. */
static struct join_entry *label_of(const struct join *join, const struct join_entry *prediction,
                                   const struct join_entry *without, struct join_entry **out_first)
{
    struct join_entry *best = NULL, *first = NULL, *label;
    for (uint64_t at = UINT64_MAX; (label = next_of(&join->labels, prediction->id_hash, &at));) {
        if (label == without || !may_join(join, prediction, label))
            continue;
        if (!best || is_better(label, best))
            best = label;
        if (label->kind == JOIN_LAST && (!first || is_better(label, first)) &&
            is_in_time(join, prediction, label))
            first = label;
    }
    *out_first = first != best ? first : NULL;
    return best;
}

/* What two labels say of a prediction: first the one, then the other in its place. */
static int give_revision(struct join *join, struct join_entry *prediction, struct join_entry *first,
                         struct join_entry *last, int sign)
{
    const struct join_settings *settings = &join->settings;
    if (!first)
        return 0;
    int code = settings->joined(settings->context, prediction, first, -sign, true);
    return code ? code : settings->joined(settings->context, prediction, last, sign, true);
}

/* Not only the label that counts: which one that is changes with the order of arrival. */
static int meet(struct join *join, struct join_entry *prediction)
{
    const struct join_settings *settings = &join->settings;
    struct join_entry *label;
    int code = 0;
    for (uint64_t at = UINT64_MAX; code == 0 && (label = next_of(&join->labels, prediction->id_hash, &at));) {
        if (!may_join(join, prediction, label))
            continue;
        prediction->state |= MATCHED;
        if (settings->met && !(label->state & MATCHED))
            code = settings->met(settings->context, label);
        label->state |= MATCHED;
    }
    return code;
}

static int give_pair(struct join *join, struct join_entry *prediction, int sign)
{
    struct join_entry *first, *label = label_of(join, prediction, NULL, &first);
    if (!label)
        return 0;
    const struct join_settings *settings = &join->settings;
    int code = sign > 0 ? meet(join, prediction) : 0;
    if (code == 0)
        code = settings->joined(settings->context, prediction, first ? first : label, sign, false);
    return code ? code : give_revision(join, prediction, first, label, sign);
}

/* A label has been added: only what it changes is taken back and said anew. */
static int change_pair(struct join *join, struct join_entry *prediction, const struct join_entry *added)
{
    const struct join_settings *settings = &join->settings;
    struct join_entry *old_first, *new_first;
    struct join_entry *old = label_of(join, prediction, added, &old_first);
    struct join_entry *new = label_of(join, prediction, NULL, &new_first);
    struct join_entry *old_said = old_first ? old_first : old, *new_said = new_first ? new_first : new;
    int code = meet(join, prediction);
    if (code == 0 && old_said != new_said && old_said)
        code = settings->joined(settings->context, prediction, old_said, -1, false);
    if (code == 0 && old_said != new_said && new_said)
        code = settings->joined(settings->context, prediction, new_said, 1, false);
    if (old_first == new_first && old == new)
        return code;
    if (code == 0)
        code = give_revision(join, prediction, old_first, old, -1);
    return code ? code : give_revision(join, prediction, new_first, new, 1);
}

static int give_prediction(struct join *join, struct join_entry *prediction, int sign)
{
    int code = join->settings.seen(join->settings.context, prediction, sign);
    return code ? code : give_pair(join, prediction, sign);
}

/* All pairs of the predictions with this hash. */
static int give_pairs(struct join *join, uint64_t id_hash, int sign)
{
    struct join_entry *prediction;
    int code = 0;
    for (uint64_t at = UINT64_MAX; code == 0 && (prediction = next_of(&join->predictions, id_hash, &at));)
        code = give_pair(join, prediction, sign);
    return code;
}

const struct join_entry *join_added(const struct join *join)
{
    return join->added;
}

void join_prefetch(const struct join *join, uint64_t id_hash)
{
    __builtin_prefetch(&join->predictions.slots[home_of(&join->predictions, id_hash)], 1);
    __builtin_prefetch(&join->labels.slots[home_of(&join->labels, id_hash)], 1);
}

/* ---- scores of several classes ---- */

bool join_scores(const struct join *join, const struct join_entry *prediction, struct class_scores *out)
{
    const struct table *table = &join->predictions;
    uint32_t handle = table->scores ? table->scores[prediction - table->slots] : SCORES_NONE;
    if (handle == SCORES_NONE)
        return false;
    score_pool_get(join->pool, handle, out);
    return true;
}

/* Of a prediction in its slot, in place of those it has. */
static int set_scores(struct join *join, const struct join_entry *prediction,
                      const struct class_scores *scores)
{
    struct table *table = &join->predictions;
    if (!table->scores && !scores)
        return 0;
    if (!table->scores && !(table->scores = pages_new(table->slot_count * sizeof(uint32_t))))
        return ERR_NOMEM;
    uint32_t *handle = &table->scores[prediction - table->slots];
    score_pool_drop(join->pool, *handle);
    *handle = scores ? score_pool_put(join->pool, scores) : SCORES_NONE;
    return scores && *handle == SCORES_NONE ? ERR_NOMEM : 0;
}

/* Is the known prediction at least as good? */
static bool stays(const struct join *join, const struct join_entry *known, const struct join_entry *entry,
                  const struct class_scores *scores)
{
    const struct join_settings *settings = &join->settings;
    struct class_scores of_known;
    int order = compare(known, entry);
    if (order != 0 || !settings->compare_scores)
        return order <= 0;
    bool has_scores = join_scores(join, known, &of_known);
    return settings->compare_scores(settings->context, known, has_scores ? &of_known : NULL, scores) <= 0;
}

/* ---- adding ---- */

int join_add_scored(struct join *join, const struct join_entry *prediction, const struct class_scores *scores,
                    enum join_fate *out_fate)
{
    struct join_entry entry = *prediction, *known;
    entry.state = USED;
    join->added = NULL;
    *out_fate = JOIN_DUPLICATE;
    for (uint64_t at = UINT64_MAX; (known = next_of(&join->predictions, entry.id_hash, &at));) {
        if (known->owner != entry.owner || !overlaps(known, &entry))
            continue;
        join->stats.duplicates++;
        if (stays(join, known, &entry, scores))
            return 0;
        int code = give_prediction(join, known, -1);
        if (code == 0)
            code = set_scores(join, known, scores);
        if (code != 0)
            return code;
        *known = entry;
        join->added = known;
        return give_prediction(join, known, 1);
    }
    int code = make_room(join, &join->predictions);
    if (code == ERR_LIMIT) {
        join->stats.refused++;
        *out_fate = JOIN_REFUSED;
        return 0;
    }
    *out_fate = JOIN_ADDED;
    if (code != 0)
        return code;
    struct join_entry *placed = place(&join->predictions, &entry);
    join->added = placed;
    code = set_scores(join, placed, scores);
    return code ? code : give_prediction(join, placed, 1);
}

int join_add_prediction(struct join *join, const struct join_entry *prediction, enum join_fate *out_fate)
{
    return join_add_scored(join, prediction, NULL, out_fate);
}

static bool same_value(const struct join_entry *a, const struct join_entry *b)
{
    return !(a->value < b->value) && !(a->value > b->value);
}

/* Beside the others of its id: which one counts is another question for each prediction. */
static int add_last_label(struct join *join, const struct join_entry *label, enum join_fate *out_fate)
{
    struct join_entry entry = *label, *known;
    uint32_t count = 0;
    entry.state = USED | (label->state & JOIN_MET);
    *out_fate = JOIN_ADDED;
    for (uint64_t at = UINT64_MAX; (known = next_of(&join->labels, entry.id_hash, &at)); count++) {
        if (!overlaps(known, &entry))
            continue;
        *out_fate = *out_fate == JOIN_CHANGED || !same_value(known, &entry) ? JOIN_CHANGED : JOIN_DUPLICATE;
        if (compare(known, &entry) == 0) {
            *out_fate = JOIN_DUPLICATE;
            join->stats.duplicates++;
            known->state |= label->state & JOIN_MET;
            return 0;
        }
    }
    join->stats.duplicates += *out_fate == JOIN_DUPLICATE;
    join->stats.changed += *out_fate == JOIN_CHANGED;
    int code = count < JOIN_LABELS_MAX ? make_room(join, &join->labels) : ERR_LIMIT;
    if (code == ERR_LIMIT) {
        join->stats.refused++;
        *out_fate = JOIN_REFUSED;
        return 0;
    }
    if (code != 0)
        return code;
    const struct join_entry *added = join->added = place(&join->labels, &entry);
    struct join_entry *prediction;
    for (uint64_t at = UINT64_MAX;
         code == 0 && (prediction = next_of(&join->predictions, entry.id_hash, &at));)
        code = change_pair(join, prediction, added);
    return code;
}

/* What takes the place of another is known for as long: a store that has both must not give that one alone.
 */
static uint32_t wait_of(const struct join_entry *entry, const struct join_entry *replaced)
{
    int64_t more_ms = time_minus(expiry_of(replaced), expiry_of(entry));
    uint64_t wait_s = (uint64_t)entry->wait_s + (more_ms > 0 ? ((uint64_t)more_ms + 999) / 1000 : 0);
    return wait_s < UINT32_MAX ? (uint32_t)wait_s : UINT32_MAX;
}

int join_add_label(struct join *join, const struct join_entry *label, enum join_fate *out_fate)
{
    join->added = NULL;
    if (label->kind == JOIN_LAST)
        return add_last_label(join, label, out_fate);
    struct join_entry entry = *label, *known;
    bool others = false; /* labels of another time with the same id */
    entry.state = USED | (label->state & JOIN_MET);
    for (uint64_t at = UINT64_MAX; (known = next_of(&join->labels, entry.id_hash, &at));) {
        if (!overlaps(known, &entry)) {
            others = true;
            continue;
        }
        *out_fate = same_value(known, &entry) ? JOIN_DUPLICATE : JOIN_CHANGED;
        join->stats.duplicates += *out_fate == JOIN_DUPLICATE;
        join->stats.changed += *out_fate == JOIN_CHANGED;
        if (compare(known, &entry) <= 0) {
            known->state |= label->state & JOIN_MET;
            return 0;
        }
        int code = give_pairs(join, entry.id_hash, -1);
        entry.wait_s = wait_of(&entry, known);
        *known = entry;
        join->added = known;
        return code ? code : give_pairs(join, entry.id_hash, 1);
    }
    int code = make_room(join, &join->labels);
    if (code == ERR_LIMIT) {
        join->stats.refused++;
        *out_fate = JOIN_REFUSED;
        return 0;
    }
    *out_fate = JOIN_ADDED;
    if (code != 0)
        return code;
    if (others) /* one of them may have been the pair so far */
        code = give_pairs(join, entry.id_hash, -1);
    join->added = place(&join->labels, &entry);
    return code ? code : give_pairs(join, entry.id_hash, 1);
}

/* The label that counts at maturity. */
static const struct join_entry *timely_label_of(const struct join *join, const struct join_entry *prediction)
{
    struct join_entry *first, *best = label_of(join, prediction, NULL, &first);
    if (first)
        return first;
    return best && is_in_time(join, prediction, best) ? best : NULL;
}

void join_each_shared(const struct join *join, int64_t from_ms, int64_t to_ms,
                      void (*fn)(void *context, const struct join_entry *prediction,
                                 const struct join_entry *other, const struct join_entry *label),
                      void *context)
{
    for (uint64_t slot = 0; slot < join->predictions.slot_count; slot++) {
        const struct join_entry *entry = &join->predictions.slots[slot], *other;
        if (!entry->state || entry->late || entry->ts_ms < from_ms || entry->ts_ms >= to_ms)
            continue;
        const struct join_entry *label = timely_label_of(join, entry);
        if (!label)
            continue;
        for (uint64_t at = UINT64_MAX; (other = next_of(&join->predictions, entry->id_hash, &at));)
            if (other->owner != entry->owner && !other->late && timely_label_of(join, other) == label)
                fn(context, entry, other, label);
    }
}
