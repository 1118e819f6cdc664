#include "collectors/decode_track.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "collectors/decode_form.h"
#include "collectors/decode_scalar.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#endif

enum {
    LITERAL_BYTES = 32,
    LINE_BYTES = 64,   /* of the cache */
    NOWHERE = 0xff,    /* a byte that no JSON text has */
    SIBLINGS_MAX = 64, /* literals that may follow the same values: kinds, models, versions of one stream */
    TRACKS_BYTES_MAX = 4 << 20,
    PLACES_MAX = 4096, /* values of one event */

    /* Leaving a track costs what was read of the event; it pays when six events in seven stay on one. */
    TRIAL_EVENTS = 64,
    TRIAL_HITS_MIN = 54,
    PAUSE_EVENTS = 2048,
    LESSONS_FIRST = 64, /* an event learned takes one, TRIAL_EVENTS with hits enough earn one, pauses too */
};

/* A literal and the value behind it. Following a track touches the first cache line only. */
struct track_step {
    _Alignas(64) unsigned char literal[LITERAL_BYTES]; /* of steps that need care, bytes that are nowhere */
    uint32_t free;                                     /* bits of those that do not count */
    uint32_t len;                                      /* of the literal */
    struct value *target;                              /* of the value */
    struct track_step *next;                           /* one of the literals that have followed the value */
    struct form_place form_place;                      /* its form is in the first cache line */

    struct track_step *sibling; /* another literal in this one's place, or NULL */
    uint32_t text_max;          /* longer strings are VALUE_OTHER, at least limits.value_bytes */
    uint32_t depth;             /* of the value */
    const char *text;           /* the literal */
    struct shape_key *list;     /* what arrays need, NULL: none has been here */
    const struct track *track;  /* the event ends behind the literal */
};
static_assert(offsetof(struct track_step, form_place.misses) == 64, "a cache line");

struct track_name {
    struct field *field;
    struct text name;
    uint32_t name_id;
};

/* A value that more than one place wants. */
struct track_copy {
    const struct value *from;
    struct value *to;
    bool bounded;
};

/* What all events of a track have in common besides their literals. */
struct track {
    struct track_name *names;
    struct track_copy *copies;
    bool *fills; /* by slot: it has a value */
    uint32_t name_count, copy_count;
    uint32_t counts[GROUP_COUNT];
    enum group_state states[GROUP_COUNT];
};

struct tracks {
    struct decoder *decoder;
    struct arena *arena;
    struct track_step *first;  /* the literals that events begin with */
    const struct track *owner; /* the one that filled the decoder's places last, NULL: someone else did */
    const struct track *(*walk)(struct tracks *tracks, struct scan *scan, const char *at);
    struct forms forms;
    struct track_step nothing; /* a literal that is nowhere: ends the walk */
    struct value nowhere;
    uint32_t tried, hits; /* of this trial */
    uint32_t pause;       /* so many further events are not tried */
    uint32_t lessons;     /* may be learned */
    bool left;            /* the event at hand was tried, and is on none */
    bool crowded;         /* there was no room for a literal beside others */
    uint64_t followed;    /* before this trial */
};

/* Whole cache lines. The arena gives multiples of 16. */
static void *alloc_lines(struct arena *arena, size_t bytes)
{
    uintptr_t memory = (uintptr_t)arena_alloc(arena, bytes + LINE_BYTES - 16);
    return (void *)((memory + LINE_BYTES - 1) &
                    ~(uintptr_t)(LINE_BYTES - 1)); /* NOLINT(performance-no-int-to-ptr) */
}

/* ---- following ---- */

/* Reads LITERAL_BYTES. */
HOT_INLINE bool literal_is_at(const struct track_step *step, const char *at)
{
#if defined(__SSE2__)
    const __m128i *literal = (const __m128i *)(const void *)step->literal;
    unsigned low = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(number_load16(at), literal[0]));
    unsigned high = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(number_load16(at + 16), literal[1]));
    return (low | high << 16 | step->free) == UINT32_MAX;
#else
    uint32_t head = step->len < LITERAL_BYTES ? step->len : LITERAL_BYTES;
    return memcmp(at, step->literal, head) == 0;
#endif
}

#if defined(__x86_64__)
/* The same at once. */
AVX2 static inline bool literal_is_at_avx2(const struct track_step *step, const char *at)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i literal = _mm256_loadu_si256((const __m256i *)(const void *)step->literal);
    return ((unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, literal)) | step->free) == UINT32_MAX;
}
#endif

/* A value that is neither number nor string. */
static NO_INLINE const char *follow_other(struct scan *scan, const struct track_step *step, const char *at)
{
    if (*at != '[')
        return scan_word(at, step->target);
    return step->list ? scan_array(scan, at + 1, step->list, step->target, step->depth) : NULL;
}

HOT_INLINE const char *follow_string(struct scan *scan, const struct track_step *step, const char *at)
{
    struct value *out = step->target;
    at = scan_string(scan, at + 1, out);
    if (UNLIKELY(out->text.len > scan->decoder->limits.value_bytes) && out->text.len > step->text_max)
        *out = (struct value){.type = VALUE_OTHER};
    return at;
}

HOT_INLINE const char *follow_value(struct tracks *tracks, struct scan *scan, struct track_step *step,
                                    const char *at)
{
    double number;
    (void)tracks; /* as follow_value_avx2 */
    if (*at == '"')
        return follow_string(scan, step, at);
    const char *end = number_scan(scan->room, at, &number);
    if (UNLIKELY(!end))
        return follow_other(scan, step, at);
    set_value(step->target, VALUE_NUMBER, number, at, end);
    return end;
}

/* The step among the siblings whose literal is at `at`, NULL when there is none. */
static NO_INLINE struct track_step *find_sibling(const struct scan *scan, struct track_step *step,
                                                 const char *at)
{
    for (; step; step = step->sibling) {
        if (LIKELY(step->literal[0] != NOWHERE)) {
            if (literal_is_at(step, at))
                break;
        } else if (scan->end - at >= (int64_t)step->len && memcmp(at, step->text, step->len) == 0) {
            break;
        }
    }
    return step;
}

/* A literal that is at `at` has at most LITERAL_BYTES, or find_sibling has compared it within the event. */
HOT_INLINE const struct track *walk(struct tracks *tracks, struct scan *scan, const char *at,
                                    bool (*is_at)(const struct track_step *step, const char *at),
                                    const char *(*follow)(struct tracks *tracks, struct scan *scan,
                                                          struct track_step *step, const char *at))
{
    const char *const end = scan->end;
    for (struct track_step *step = tracks->first;; step = step->next) {
        if (UNLIKELY(!is_at(step, at))) {
            step = find_sibling(scan, step, at);
            if (!step || step->track)
                return step && at + step->len == end ? step->track : NULL;
        }
        at += step->len;
        if (UNLIKELY(at >= end))
            return NULL;
        at = follow(tracks, scan, step, at);
        if (UNLIKELY(!at))
            return NULL;
    }
}

static const struct track *walk_portable(struct tracks *tracks, struct scan *scan, const char *at)
{
    return walk(tracks, scan, at, literal_is_at, follow_value);
}

#if defined(__x86_64__)
/* That a value has the form of its place's numbers is also how it is known to be one. */
AVX2 static inline const char *follow_value_avx2(struct tracks *tracks, struct scan *scan,
                                                 struct track_step *step, const char *at)
{
    struct form_place *place = &step->form_place;
    double number;
    const char *end;
    if (place->form) {
        end = number_form_read(place->form, at, &number);
        if (LIKELY(end != NULL)) {
            set_value(step->target, VALUE_NUMBER, number, at, end);
            return end;
        }
    }
    end = follow_value(tracks, scan, step, at);
    if (end && end - at <= NUMBER_FORM_BYTES_MAX && step->target->type == VALUE_NUMBER)
        form_missed(&tracks->forms, place, at, end);
    return end;
}

AVX2 static const struct track *walk_avx2(struct tracks *tracks, struct scan *scan, const char *at)
{
    return walk(tracks, scan, at, literal_is_at_avx2, follow_value_avx2);
}
#endif

/* ---- what a track's events have in common ---- */

/* The names of members, and that nothing else is there. */
static void adopt(struct tracks *tracks, const struct track *track)
{
    struct decoder *decoder = tracks->decoder;
    for (uint32_t i = 0; i < decoder->mapping->slot_count; i++)
        if (!track->fills[i])
            decoder->slots[i].type = VALUE_ABSENT;
    for (uint32_t i = 0; i < track->name_count; i++) {
        track->names[i].field->name = track->names[i].name;
        track->names[i].field->name_id = track->names[i].name_id;
    }
    for (int i = 0; i < GROUP_COUNT; i++) {
        decoder->groups[i].count = track->counts[i];
        decoder->groups[i].state = track->states[i];
    }
    tracks->owner = track;
}

void tracks_disown(struct tracks *tracks)
{
    tracks->owner = NULL;
}

static void end_trial(struct tracks *tracks)
{
    if (tracks->hits < TRIAL_HITS_MIN)
        tracks->pause = PAUSE_EVENTS;
    tracks->lessons += tracks->lessons < LESSONS_FIRST;
    tracks->followed += tracks->hits;
    tracks->tried = tracks->hits = 0;
}

uint64_t tracks_followed(const struct tracks *tracks)
{
    return tracks->followed + tracks->hits;
}

bool tracks_follow(struct tracks *tracks, struct scan *scan, const char *at)
{
    tracks->left = false;
    if (UNLIKELY(tracks->pause > 0)) {
        tracks->pause--;
        return false;
    }
    if (UNLIKELY(++tracks->tried > TRIAL_EVENTS)) {
        end_trial(tracks);
        return tracks_follow(tracks, scan, at);
    }
    tracks->forms.events++;
    const struct track *track = tracks->walk(tracks, scan, at);
    if (UNLIKELY(!track)) {
        tracks->left = true;
        return false;
    }
    tracks->hits++;
    if (UNLIKELY(tracks->owner != track))
        adopt(tracks, track);
    for (uint32_t i = 0; i < track->copy_count; i++) {
        const struct track_copy *copy = &track->copies[i];
        *copy->to = *copy->from;
        if (copy->bounded)
            value_bound(tracks->decoder, copy->to);
    }
    return true;
}

/* ---- learning ---- */

/* The event that is being learned. */
struct lesson {
    struct tracks *tracks;
    struct scan *scan;
    const char *from;              /* where the literal begins that is being read */
    struct track_step **followers; /* the list that it is or will be in */
    struct track track;
    bool *fills; /* the track's; of the names and copies as many as it counts */
    struct track_name names[PLACES_MAX];
    struct track_copy copies[PLACES_MAX];
};

static const char *learn_object(struct lesson *lesson, const char *at, struct shape *shape, uint32_t depth);

/* A literal that is nowhere: no JSON text has the byte, no payload the length; and nothing follows. */
static void make_nothing(struct tracks *tracks, struct track_step *step)
{
    *step = (struct track_step){.literal = {NOWHERE},
                                .free = UINT32_MAX - 1,
                                .len = UINT32_MAX,
                                .text = "",
                                .target = &tracks->nowhere,
                                .next = &tracks->nothing};
}

static struct track_step *new_step(struct tracks *tracks, struct text literal, bool last)
{
    struct track_step *step = alloc_lines(tracks->arena, sizeof(*step));
    char *text = arena_text(tracks->arena, literal);
    if (!step || !text)
        return NULL;
    make_nothing(tracks, step);
    step->text = text;
    step->len = literal.len;
    if (literal.len <= LITERAL_BYTES && !last) {
        memcpy(step->literal, text, literal.len);
        step->free = literal.len == LITERAL_BYTES ? 0 : UINT32_MAX << literal.len;
    }
    return step;
}

/* Where the step with the literal up to `end` is among those that may come here, or where it belongs: NULL or
 * the tracks' nothing are there. NULL: there is no room for another. */
static struct track_step **place_of_step(struct lesson *lesson, struct text literal, bool last)
{
    struct track_step **place = lesson->followers, *const nothing = &lesson->tracks->nothing;
    unsigned siblings = 0;
    for (; *place && *place != nothing; place = &(*place)->sibling, siblings++)
        if (text_equal((struct text){(*place)->text, (*place)->len}, literal) && !(*place)->track == !last)
            return place;
    lesson->tracks->crowded |= siblings >= SIBLINGS_MAX;
    return siblings < SIBLINGS_MAX ? place : NULL;
}

static struct text literal_up_to(const struct lesson *lesson, const char *end)
{
    return (struct text){lesson->from, (uint32_t)(end - lesson->from)};
}

/* The step with the literal up to `end`, made when it is new; NULL when it cannot be. */
static struct track_step *take_step(struct lesson *lesson, const char *end)
{
    struct tracks *tracks = lesson->tracks;
    struct text literal = literal_up_to(lesson, end);
    struct track_step **place = place_of_step(lesson, literal, false);
    if (!place || (*place && *place != &tracks->nothing))
        return place ? *place : NULL;
    struct track_step *step = new_step(tracks, literal, false);
    if (step)
        *place = step;
    return step;
}

/* The place of a further member of the group; NULL when it is full. */
static struct value *take_member(struct lesson *lesson, int group, const struct shape_key *key)
{
    struct decoder *decoder = lesson->tracks->decoder;
    struct track *track = &lesson->track;
    uint32_t at = track->counts[group];
    if (at >= decoder->limits.features || track->name_count >= PLACES_MAX)
        return NULL;
    struct field *field = &decoder->groups[group].items[at];
    track->counts[group]++;
    lesson->names[track->name_count++] = (struct track_name){field, key->name, key->name_id};
    return &field->value;
}

static bool add_copy(struct lesson *lesson, const struct value *from, struct value *to, bool bounded)
{
    struct track *track = &lesson->track;
    if (!to || track->copy_count >= PLACES_MAX)
        return false;
    lesson->copies[track->copy_count++] = (struct track_copy){from, to, bounded};
    return true;
}

/* Where the key's value goes first; its further places are copies. NULL: not on a track. */
static struct value *take_target(struct lesson *lesson, const struct shape_key *key)
{
    struct decoder *decoder = lesson->tracks->decoder;
    if (key->slot != MAP_NONE)
        lesson->fills[key->slot] = true;
    if (!(key->flags & KEY_GROUPED))
        return key->target;
    struct value *value = take_member(lesson, (int)(key->group - decoder->groups), key);
    if (!value || !(key->flags & KEY_SHARED))
        return value;
    if (key->slot != MAP_NONE && !add_copy(lesson, value, &decoder->slots[key->slot], false))
        return NULL;
    for (unsigned more = key->more_groups; more; more &= more - 1)
        if (!add_copy(lesson, value, take_member(lesson, __builtin_ctz(more), key), true))
            return NULL;
    return add_copy(lesson, value, value, true) ? value : NULL;
}

/* Only objects that are nothing but the place of others. */
static const char *learn_compound(struct lesson *lesson, const char *at, struct shape_key *key,
                                  uint32_t depth)
{
    struct tracks *tracks = lesson->tracks;
    if (key->target != &tracks->decoder->scanner->nowhere || (key->flags & KEY_GROUPED))
        return NULL;
    for (unsigned groups = key->place_groups; groups; groups &= groups - 1)
        lesson->track.states[__builtin_ctz(groups)] = GROUP_PRESENT;
    struct shape *shape = shape_child(tracks->decoder->scanner, key);
    return shape ? learn_object(lesson, at + 1, shape, depth + 1) : NULL;
}

/* The event has its values already: this one goes nowhere. */
static const char *skip_value(struct lesson *lesson, const struct track_step *step, const char *at)
{
    struct value nowhere = {.type = VALUE_ABSENT};
    struct track_step other = *step;
    other.target = &nowhere;
    return follow_value(lesson->tracks, lesson->scan, &other, at);
}

static const char *learn_value(struct lesson *lesson, const char *at, struct shape_key *key, uint32_t depth)
{
    struct scan *scan = lesson->scan;
    if (*at == '{')
        return learn_compound(lesson, at, key, depth);
    if ((key->flags & KEY_PLACE) || (*at == '[' && scan_has_item_places(scan, key)))
        return NULL;
    struct value *target = take_target(lesson, key);
    struct track_step *step = target ? take_step(lesson, at) : NULL;
    if (!step)
        return NULL;
    step->target = target;
    step->depth = depth + 1;
    step->text_max = (key->flags & (KEY_GROUPED | KEY_SHARED)) == KEY_GROUPED
                         ? lesson->tracks->decoder->limits.value_bytes
                         : UINT32_MAX;
    if (*at == '[')
        step->list = key;
    lesson->from = skip_value(lesson, step, at);
    lesson->followers = &step->next;
    return lesson->from;
}

/* `at` is behind the opening brace. The scanner has accepted it all. */
static const char *learn_object(struct lesson *lesson, const char *at, struct shape *shape, uint32_t depth)
{
    struct scan *scan = lesson->scan;
    struct value name = {.type = VALUE_ABSENT};
    at = scan_space(scan, at);
    if (*at == '}')
        return at + 1;
    for (;;) {
        at = scan_space(scan, at);
        at = *at == '"' ? scan_string(scan, at + 1, &name) : NULL;
        struct shape_key *key = at ? shape_key_find(scan->decoder, shape, name.text) : NULL;
        if (!key)
            return NULL;
        at = scan_space(scan, scan_space(scan, at) + 1);
        at = learn_value(lesson, at, key, depth);
        if (!at)
            return NULL;
        at = scan_space(scan, at);
        if (*at != ',')
            return *at == '}' ? at + 1 : NULL;
        at++;
    }
}

static void *keep(struct arena *arena, const void *items, size_t bytes)
{
    void *own = arena_alloc(arena, bytes);
    if (own && bytes > 0)
        memcpy(own, items, bytes);
    return own;
}

/* The event's end, if it is not known yet. */
static void finish(struct lesson *lesson)
{
    struct tracks *tracks = lesson->tracks;
    struct arena *arena = tracks->arena;
    struct track *track = &lesson->track;
    struct text literal = literal_up_to(lesson, lesson->scan->end);
    struct track_step **place = place_of_step(lesson, literal, true);
    if (!place || (*place && *place != &tracks->nothing))
        return;
    track->fills = keep(arena, lesson->fills, tracks->decoder->mapping->slot_count * sizeof(*lesson->fills));
    track->names = keep(arena, lesson->names, track->name_count * sizeof(*lesson->names));
    track->copies = keep(arena, lesson->copies, track->copy_count * sizeof(*lesson->copies));
    struct track *own = keep(arena, track, sizeof(*track));
    struct track_step *last = new_step(tracks, literal, true);
    if (!track->fills || !track->names || !track->copies || !own || !last)
        return;
    last->track = own;
    *place = last;
}

static void forget(struct tracks *tracks)
{
    arena_reset(tracks->arena);
    memset(tracks->forms.known, 0, sizeof(tracks->forms.known));
    tracks->first = &tracks->nothing;
    tracks->owner = NULL;
    tracks->crowded = false;
}

/* Half an event that could not be learned to its end stays: a literal that nothing follows. */
static void learn(struct lesson *lesson, const char *at)
{
    struct tracks *tracks = lesson->tracks;
    unsigned groups = tracks->decoder->mapping->nodes[0].groups;
    for (; groups; groups &= groups - 1)
        lesson->track.states[__builtin_ctz(groups)] = GROUP_PRESENT;
    lesson->from = at;
    lesson->followers = &tracks->first;
    at = learn_object(lesson, at + 1, tracks->decoder->scanner->root, 1);
    if (at == lesson->scan->end)
        finish(lesson);
}

/* Strings are unescaped and arrays read once more: beside those that the event holds. */
static void learn_aside(struct lesson *lesson, const char *at)
{
    struct decoder *decoder = lesson->tracks->decoder;
    char *scratch = decoder->scratch;
    double *vectors = decoder->vectors;
    size_t len = (size_t)(lesson->scan->end - at), used = decoder->scratch_used;
    uint32_t vector_count = decoder->vector_count;
    decoder->scratch = malloc(len + 1);
    decoder->vectors = malloc((len / 2 + 2) * sizeof(*vectors));
    decoder->scratch_used = 0;
    decoder->vector_count = 0;
    if (decoder->scratch && decoder->vectors)
        learn(lesson, at);
    free(decoder->scratch);
    free(decoder->vectors);
    decoder->scratch = scratch;
    decoder->vectors = vectors;
    decoder->scratch_used = used;
    decoder->vector_count = vector_count;
}

void tracks_learn(struct tracks *tracks, struct scan *scan, const char *at)
{
    if (!tracks->left || tracks->lessons == 0)
        return;
    tracks->lessons--;
    if (tracks->crowded || arena_bytes(tracks->arena) > TRACKS_BYTES_MAX / 2)
        forget(tracks);
    struct lesson *lesson = malloc(sizeof(*lesson));
    bool *fills = calloc(tracks->decoder->mapping->slot_count + 1, sizeof(*fills));
    if (lesson && fills) {
        lesson->tracks = tracks;
        lesson->scan = scan;
        lesson->fills = fills;
        lesson->track = (struct track){.fills = NULL};
        learn_aside(lesson, at);
    }
    free(fills);
    free(lesson);
}

struct tracks *tracks_new(struct decoder *decoder)
{
    struct tracks *tracks = aligned_alloc(_Alignof(struct tracks), sizeof(*tracks));
    if (!tracks)
        return NULL;
    memset(tracks, 0, sizeof(*tracks));
    tracks->decoder = decoder;
    tracks->lessons = LESSONS_FIRST;
    make_nothing(tracks, &tracks->nothing);
    tracks->first = &tracks->nothing;
    tracks->arena = arena_new(16384, TRACKS_BYTES_MAX);
    if (!tracks->arena) {
        free(tracks);
        return NULL;
    }
    tracks->forms.arena = tracks->arena;
    tracks->walk = walk_portable;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
        tracks->walk = walk_avx2;
#endif
    return tracks;
}

size_t tracks_bytes(const struct tracks *tracks)
{
    return arena_bytes(tracks->arena);
}

void tracks_be_portable(struct tracks *tracks)
{
    tracks->walk = walk_portable;
}

void tracks_free(struct tracks *tracks)
{
    if (!tracks)
        return;
    arena_free(tracks->arena);
    free(tracks);
}
