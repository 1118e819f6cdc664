#include "alerting/sentence.h"

#include <math.h>

#include "agent/base/timestamp.h"

enum { NAME_MAX_BYTES = 80, ALSO_MAX = 3 };

/* Length of the character at `at`, 1 for a byte that begins none. */
static uint32_t character(const unsigned char *at, uint32_t left)
{
    uint32_t len = at[0] < 0xc2 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 1;
    if (len > left)
        return 1;
    for (uint32_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 1;
    return len;
}

/* Bytes that a character takes in a JSON string. */
static uint32_t json_cost(const unsigned char *at, uint32_t len)
{
    if (len > 1)
        return len;
    if (at[0] < 0x20 || at[0] == 0x7f)
        return 6;
    return at[0] == '"' || at[0] == '\\' ? 2 : at[0] >= 0x80 ? 3 : 1;
}

void sentence_add_clipped(struct strbuf *out, struct text text, uint32_t max)
{
    static const char ellipsis[] = "…";
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    uint32_t at = 0, cost = 0, fits = 0;
    while (at < text.len) {
        uint32_t len = character(bytes + at, text.len - at);
        cost += json_cost(bytes + at, len);
        if (cost > max)
            break;
        at += len;
        if (cost + (uint32_t)sizeof(ellipsis) - 1 <= max)
            fits = at; /* up to here there is room for the mark */
    }
    if (at == text.len) {
        strbuf_add(out, text.ptr, text.len);
    } else {
        strbuf_add(out, text.ptr, fits);
        strbuf_adds(out, ellipsis);
    }
}

static void add_name(struct strbuf *out, struct text name)
{
    struct strbuf clipped;
    strbuf_init(&clipped, NAME_MAX_BYTES + 8);
    sentence_add_clipped(&clipped, name, NAME_MAX_BYTES);
    for (size_t i = 0; i < clipped.len; i++) {
        unsigned char c = (unsigned char)clipped.bytes[i];
        strbuf_addc(out, c < 0x20 || c == 0x7f ? ' ' : (char)c);
    }
    strbuf_release(&clipped);
}

static void add_time(struct strbuf *out, int64_t ms)
{
    char text[32];
    strbuf_adds(out, timestamp_format(ms, text));
}

static void add_bin(struct strbuf *out, const struct bin_moves *bins)
{
    const struct bin_move *move = &bins->moves[0];
    strbuf_adds(out, "; most of it in ");
    add_name(out, text_of(move->label));
    strbuf_addf(out, ": %.3g %% of events before, %.3g %% now", 100 * move->reference_share,
                100 * move->share);
}

/* Only when one segment stands out. */
static void add_cause(struct strbuf *out, const struct cause_share *cause)
{
    if (!(cause->share >= 0.5))
        return;
    double mix = fabs(cause->mix), within = fabs(cause->within);
    strbuf_addf(out, "; %.0f %% of it from segment ", 100 * fmin(cause->share, 1));
    add_name(out, cause->segment);
    strbuf_adds(out, mix > within ? " (its share of events)" : " (other values inside it)");
}

static void add_subject(struct strbuf *out, const struct member *member)
{
    add_name(out, member->alert->feature);
    if (member->alert->segment.len) {
        strbuf_adds(out, " in segment ");
        add_name(out, member->alert->segment);
    }
    strbuf_addc(out, ' ');
    add_name(out, text_of(member->alert->metric_name));
}

static void add_firing(struct strbuf *out, const struct member *member)
{
    const struct judgement *judgement = &member->judgement;
    add_subject(out, member);
    strbuf_addf(out, " is %.4g (%s %s %.4g)", judgement->value, severity_name(member->severity),
                member->rule && member->rule->below ? "at or below" : "from", judgement->threshold);
    if (!isnan(judgement->noise_floor))
        strbuf_addf(out, ", noise alone would stay below %.3g", judgement->noise_floor);
    strbuf_adds(out, ", since ");
    add_time(out, member->since_ms);
    if (member->bins)
        add_bin(out, member->bins);
    if (member->cause_count)
        add_cause(out, &member->causes[0]);
    strbuf_addf(out, "; n = %llu", (unsigned long long)member->n);
    if (member->reference_n)
        strbuf_addf(out, " against %llu in the reference", (unsigned long long)member->reference_n);
}

static void add_resolved(struct strbuf *out, const struct member *member)
{
    add_subject(out, member);
    if (member->rule)
        strbuf_addf(out, " is back at %.4g (clear from %.4g)", member->judgement.value,
                    member->judgement.clear_level);
    else
        strbuf_adds(out, " is no longer watched: its rule was removed or changed");
    strbuf_adds(out, ", fired ");
    add_time(out, member->fired_ms);
    if (!isnan(member->peak_value)) {
        strbuf_addf(out, ", peak %.4g at ", member->peak_value);
        add_time(out, member->peak_ms);
    }
}

static void add_also(struct strbuf *out, const struct payload *payload)
{
    for (uint32_t i = 1; i < payload->count && i <= ALSO_MAX; i++) {
        strbuf_adds(out, i == 1 ? " Also: " : ", ");
        add_subject(out, payload->members[i]);
        strbuf_addf(out, " %.4g", payload->members[i]->judgement.value);
    }
    if (payload->count > ALSO_MAX + 1)
        strbuf_addf(out, " and %u more", payload->count - ALSO_MAX - 1);
    if (payload->count > 1)
        strbuf_addc(out, '.');
}

static void add_counts(struct strbuf *out, const struct payload *payload)
{
    uint32_t counts[CHANGE_RESOLVED + 1] = {0}, critical = 0;
    for (uint32_t i = 0; i < payload->count; i++) {
        counts[payload->members[i]->change]++;
        if (payload->members[i]->change == CHANGE_FIRED && payload->members[i]->severity == SEVERITY_CRITICAL)
            critical++;
    }
    const char *separator = "";
    for (int change = CHANGE_FIRED; change <= CHANGE_RESOLVED; change++) {
        if (!counts[change])
            continue;
        strbuf_addf(out, "%s%u %s", separator, counts[change],
                    change == CHANGE_DEESCALATED ? "de-escalated"
                                                 : alert_change_name((enum alert_change)change));
        if (change == CHANGE_FIRED && critical)
            strbuf_addf(out, " (%u critical)", critical);
        separator = ", ";
    }
}

void sentence_summary(const struct payload *payload, struct strbuf *out)
{
    const struct member *worst = payload->members[0];
    strbuf_adds(out, "Model ");
    add_name(out, payload->model);
    strbuf_adds(out, " version ");
    add_name(out, worst->alert->version);
    strbuf_adds(out, ": ");
    if (payload->count > 1) {
        add_counts(out, payload);
        strbuf_adds(out, ". Worst: ");
    } else {
        strbuf_addf(out, "%s: ",
                    worst->change == CHANGE_DEESCALATED ? "de-escalated" : alert_change_name(worst->change));
    }
    if (worst->change == CHANGE_RESOLVED)
        add_resolved(out, worst);
    else
        add_firing(out, worst);
    strbuf_addc(out, '.');
    add_also(out, payload);
}
